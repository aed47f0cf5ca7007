//! The settings that the session has changed. Must not know roles, which are reported as a reason of their own.

use std::collections::BTreeMap;
use std::ffi::{CStr, c_int};

use pgrx::pg_sys;

/// Bytes of JSON that a report may have: one that is longer is a reason to keep the session instead.
const JSON_LEN_MAX: usize = 8_000;

/// The report of a session that has changed nothing.
pub(super) const NONE: &str = "{}";

/// Names and values as JSON; none when that is too long, or not text.
///
/// A value is in the form that `set_config` takes, numbers in their setting's own unit.
pub(super) fn changed() -> Option<String> {
    let (table, count) = table();
    let mut settings = BTreeMap::new();
    for index in 0..count {
        // SAFETY: the table has that many pointers, each to a variable of the backend.
        let variable = unsafe { *table.add(index) };
        // SAFETY: as above.
        if unsafe { is_changed(variable) } {
            // SAFETY: as above.
            let (name, value) = unsafe { name_and_value(variable) }?;
            settings.insert(name, value);
        }
    }
    serde_json::to_string(&settings).ok().filter(|json| json.len() <= JSON_LEN_MAX)
}

/// Set by SET or set_config, and by whom so that they may do it again. What RESET ALL leaves alone is the transaction's
/// (`transaction_isolation`), the role, or not to be read back (`seed`).
///
/// SAFETY: `variable` points to a variable of the backend.
unsafe fn is_changed(variable: *const pg_sys::config_generic) -> bool {
    use pg_sys::GucContext::{PGC_SUSET, PGC_USERSET};
    // SAFETY: as above.
    unsafe {
        (*variable).source == pg_sys::GucSource::PGC_S_SESSION
            && [PGC_SUSET, PGC_USERSET].contains(&(*variable).context)
            && (*variable).flags & pg_sys::GUC_NO_RESET_ALL as c_int == 0
    }
}

/// SAFETY: `variable` points to a variable of the backend.
unsafe fn name_and_value(variable: *const pg_sys::config_generic) -> Option<(String, String)> {
    // SAFETY: as above; the value is copied before anything else is called.
    unsafe {
        let value = pg_sys::GetConfigOption((*variable).name, true, false);
        let value = (!value.is_null()).then(|| CStr::from_ptr(value))?;
        let name = CStr::from_ptr((*variable).name);
        Some((name.to_str().ok()?.to_owned(), value.to_str().ok()?.to_owned()))
    }
}

#[cfg(any(feature = "pg14", feature = "pg15"))]
fn table() -> (*mut *mut pg_sys::config_generic, usize) {
    // SAFETY: reads variables of the backend.
    unsafe { (pg_sys::get_guc_variables(), pg_sys::GetNumConfigOptions() as usize) }
}

#[cfg(not(any(feature = "pg14", feature = "pg15")))]
fn table() -> (*mut *mut pg_sys::config_generic, usize) {
    let mut count = 0;
    // SAFETY: makes a copy of the table in the current memory context.
    let table = unsafe { pg_sys::get_guc_variables(&raw mut count) };
    (table, count as usize)
}
