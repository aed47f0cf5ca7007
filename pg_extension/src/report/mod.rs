//! What this backend tells the proxy about its session: why a client has to keep it, which settings it has changed, where
//! its last commit stands, and that shapes of tables changed.
//!
//! Four variables that PostgreSQL reports by itself (`GUC_REPORT`), each with a show hook that looks at the backend when
//! it is asked. All the rest of this module is about having PostgreSQL ask: it does so before ReadyForQuery for variables
//! that were set meanwhile (`ReportChangedGUCOptions` in utils/misc/guc.c), and sends only what differs from last time.
//! Must not know the tables or the functions of the extension.

mod access;
mod channels;
mod locks;
mod names;
mod session;
mod settings;
mod temporary;
mod transaction;
mod utility;
mod variable;

use std::ffi::c_char;
use std::ptr;

use pgrx::{GucContext, GucFlags, GucRegistry, GucSetting, pg_sys};

/// Whether this connection asked for reports.
static ASKED: GucSetting<bool> = GucSetting::<bool>::new(false);

/// Begins to report if the connection asked for it in its startup packet.
///
/// Only a library loaded as the connection begins has seen all that the session ever did, so one that is loaded by its
/// first function call does not report.
pub(crate) fn begin() {
    GucRegistry::define_bool_guc(
        c"taskmaster.report",
        c"Tells a proxy in front of this server what the session holds.",
        c"Set in the startup packet; takes effect when session_preload_libraries has the extension.",
        &ASKED,
        GucContext::Backend,
        GucFlags::NO_SHOW_ALL,
    );
    if ASKED.get() && is_beginning() {
        variable::define();
        transaction::watch();
        utility::watch();
        access::watch();
    }
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
