//! What this backend tells the proxy about its session: why a client has to keep it, which settings it has changed, where
//! its last commit stands, and that shapes of tables changed.
//!
//! Four variables that PostgreSQL reports by itself (`GUC_REPORT`), each with a show hook that looks at the backend when
//! it is asked. All the rest of this module is about having PostgreSQL ask: it does so before ReadyForQuery for variables
//! that were set meanwhile (`ReportChangedGUCOptions` in utils/misc/guc.c), and sends only what differs from last time.
//! Must not know the tables or the functions of the extension.

mod access;
mod cell;
mod channels;
mod locks;
mod names;
mod session;
mod settings;
mod start;
mod temporary;
mod transaction;
mod utility;
mod variable;

use std::ffi::{c_char, c_void};
use std::ptr;

use pgrx::{GucContext, GucFlags, GucRegistry, GucSetting, pg_guard, pg_sys};

use cell::BackendCell;
use variable::Variable;

/// Whether this connection asked for reports.
static ASKED: GucSetting<bool> = GucSetting::<bool>::new(false);

/// Whether a backend that inherited this library from the postmaster has looked at what its connection asked for.
static HAS_LOOKED: BackendCell<bool> = BackendCell::new(false);

/// Begins to report if the connection asked for it in its startup packet.
///
/// Only a library loaded as the connection begins, or before, has seen all that the session ever did, so one that is loaded
/// by its first function call does not report.
pub(crate) fn begin() {
    GucRegistry::define_bool_guc(
        c"taskmaster.report",
        c"Tells a proxy in front of this server what the session holds.",
        c"Set in the startup packet; takes effect when session_preload_libraries or shared_preload_libraries has the \
          extension.",
        &ASKED,
        GucContext::Backend,
        GucFlags::NO_SHOW_ALL,
    );
    if is_postmaster() {
        begin_with_each_connection();
    } else {
        begin_if_asked();
    }
}

/// A library of `shared_preload_libraries` is loaded once, when no connection is there yet that could ask.
fn begin_with_each_connection() {
    // SAFETY: the callback is a function of this library, which is never unloaded.
    unsafe { pg_sys::RegisterXactCallback(Some(on_transaction), ptr::null_mut()) };
}

/// The first transaction of a backend is the one that logs its client in, and the startup packet's settings are made in it
/// (`InitPostgres` in utils/init/postinit.c). Stays registered, because PostgreSQL 15 cannot take a callback away while it
/// runs; it costs a comparison.
unsafe extern "C-unwind" fn on_transaction(event: pg_sys::XactEvent::Type, _argument: *mut c_void) {
    if event == pg_sys::XactEvent::XACT_EVENT_PRE_COMMIT && !HAS_LOOKED.replace(true) {
        on_login();
    }
}

#[pg_guard]
extern "C-unwind" fn on_login() {
    begin_if_asked();
}

fn begin_if_asked() {
    if ASKED.get() && is_beginning() {
        variable::define(match start::take_key() {
            true => &Variable::ALL,
            false => &Variable::REPORTS,
        });
        transaction::watch();
        utility::watch();
        access::watch();
    }
}

/// True while the postmaster loads its libraries.
pub(crate) fn is_postmaster() -> bool {
    // SAFETY: a plain variable of a process that has one thread.
    unsafe { ptr::read(&raw const pg_sys::process_shared_preload_libraries_in_progress) }
}

/// True in a client's backend that has not run a statement yet.
fn is_beginning() -> bool {
    // SAFETY: both are plain variables of a backend, which has one thread.
    unsafe {
        let statement: *const c_char = ptr::read(&raw const pg_sys::debug_query_string);
        statement.is_null()
            && ptr::read(&raw const pg_sys::MyBackendType) == pg_sys::BackendType::B_BACKEND
    }
}
