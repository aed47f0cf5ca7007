//! The reasons for a client to keep this session. Must not know when they are asked for.

use std::ffi::CStr;

use pgrx::pg_sys;

use super::{channels, locks, names, settings, temporary};

/// The reasons in alphabetical order, with commas between; empty when there is none.
pub(super) fn reasons() -> String {
    let all = [
        ("cursor", names::has_held_cursors()),
        ("listen", channels::is_listening()),
        ("lock", locks::are_held()),
        ("prepare", names::has_prepared_statements()),
        ("role", is_another_role()),
        ("setting", settings::changed().is_none()),
        ("temp", temporary::exists()),
    ];
    let held: Vec<_> = all.iter().filter(|(_, held)| *held).map(|(reason, _)| *reason).collect();
    held.join(",")
}

fn is_another_role() -> bool {
    // SAFETY: both settings exist in every backend, the text is read at once, and the identifiers are plain variables.
    unsafe {
        let role = pg_sys::GetConfigOption(c"role".as_ptr(), true, false);
        let is_set = !role.is_null() && CStr::from_ptr(role) != c"none";
        is_set || pg_sys::GetSessionUserId() != pg_sys::GetAuthenticatedUserId()
    }
}
