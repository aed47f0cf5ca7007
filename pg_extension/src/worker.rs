//! The background worker that calls `taskmaster.tick`, for clusters without pg_cron and without the binary. Needs the library
//! in `shared_preload_libraries`, and a database named in `taskmaster.worker_database`; without either there is none. It
//! must not know what a tick does.

use std::time::Duration;

use pgrx::bgworkers::{BackgroundWorker, BackgroundWorkerBuilder, SignalWakeFlags};
use pgrx::{pg_guard, pg_sys};

use crate::guc::{self, WORKER_BUDGET_MS, WORKER_INTERVAL_MS};
use crate::store::upkeep;

/// How long after a failure it is started anew.
const RESTART_AFTER: Duration = Duration::from_secs(10);

/// Registers the worker, if it is wanted. Only while the postmaster loads its libraries.
pub(crate) fn register() {
    if guc::worker_database().is_none() {
        return;
    }
    BackgroundWorkerBuilder::new("taskmaster upkeep")
        .set_function("taskmaster_upkeep")
        .set_library("taskmaster")
        .enable_spi_access()
        .set_restart_time(Some(RESTART_AFTER))
        .load();
}

/// What the worker's process runs. A tick that fails as a whole ends the process, with its error in the server's log, and
/// the postmaster starts another.
#[pg_guard]
#[unsafe(no_mangle)]
pub extern "C-unwind" fn taskmaster_upkeep(_argument: pg_sys::Datum) {
    BackgroundWorker::attach_signal_handlers(SignalWakeFlags::SIGHUP | SignalWakeFlags::SIGTERM);
    let Some(database) = guc::worker_database() else { return };
    BackgroundWorker::connect_worker_to_spi(Some(&database), None);
    loop {
        let interval =
            Duration::from_millis(u64::try_from(WORKER_INTERVAL_MS.get()).unwrap_or(1000));
        if !BackgroundWorker::wait_latch(Some(interval)) {
            return;
        }
        BackgroundWorker::transaction(|| upkeep::tick_by_worker(WORKER_BUDGET_MS.get()));
    }
}
