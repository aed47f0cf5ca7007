//! The settings of the extension. Those that decide what is kept can be set by a superuser alone: an ordinary user must not
//! be able to change what rollups mean. It must not know who reads them.

use std::ffi::CString;

use pgrx::{GucContext, GucFlags, GucRegistry, GucSetting};

/// How many series a metric's name may have before further labels share one.
pub(crate) static METRIC_SERIES_MAX: GucSetting<i32> = GucSetting::<i32>::new(1000);

/// The database that the background worker works in; none without it.
static WORKER_DATABASE: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(None);

/// How often the background worker begins.
pub(crate) static WORKER_INTERVAL_MS: GucSetting<i32> = GucSetting::<i32>::new(1000);

/// How long the background worker goes on.
pub(crate) static WORKER_BUDGET_MS: GucSetting<i32> = GucSetting::<i32>::new(200);

/// The name in `taskmaster.worker_database`, if there is one.
pub(crate) fn worker_database() -> Option<String> {
    let name = WORKER_DATABASE.get()?.into_string().ok()?;
    (!name.is_empty()).then_some(name)
}

/// Defines the settings. Runs when the library is loaded; those of the background worker are there only in a server that
/// preloads it, because PostgreSQL refuses settings of the postmaster later.
pub(crate) fn define(is_postmaster: bool) {
    define_metrics();
    if is_postmaster {
        define_worker();
    }
}

fn define_metrics() {
    GucRegistry::define_int_guc(
        c"taskmaster.metric_series_max",
        c"How many combinations of labels a metric may have in the rollups.",
        c"Those that come later are summed up in one series, whose tags are {\"overflow\": \"true\"}.",
        &METRIC_SERIES_MAX,
        1,
        1_000_000,
        GucContext::Suset,
        GucFlags::default(),
    );
}

fn define_worker() {
    GucRegistry::define_string_guc(
        c"taskmaster.worker_database",
        c"The database in which a background worker does the periodic work.",
        c"None when it is empty. Needs the extension in shared_preload_libraries.",
        &WORKER_DATABASE,
        GucContext::Postmaster,
        GucFlags::default(),
    );
    GucRegistry::define_int_guc(
        c"taskmaster.worker_interval_ms",
        c"How long the background worker rests between two ticks.",
        c"",
        &WORKER_INTERVAL_MS,
        10,
        3_600_000,
        GucContext::Sighup,
        GucFlags::UNIT_MS,
    );
    GucRegistry::define_int_guc(
        c"taskmaster.worker_budget_ms",
        c"How long a tick of the background worker may begin new work.",
        c"",
        &WORKER_BUDGET_MS,
        1,
        600_000,
        GucContext::Sighup,
        GucFlags::UNIT_MS,
    );
}
