//! The reasons for a client to keep this session. Must not know when they are asked for.

use std::ffi::{CStr, c_char};

use pgrx::pg_sys;

use super::{channels, locks, names, settings, temporary};

/// The reasons in alphabetical order, with commas between; empty when there is none.
pub(super) fn reasons() -> String {
    let all = [
        ("cursor", names::has_held_cursors()),
        ("deallocate", names::are_lost()),
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

/// True when the session is somebody else than it was when it began.
///
/// SET SESSION AUTHORIZATION, and with it DISCARD ALL, ends a role without touching the text of the setting `role`
/// (`show_role` in commands/variable.c), and a role may be one that ALTER ROLE ... SET gives to every session.
fn is_another_role() -> bool {
    // SAFETY: the setting exists in every backend and the texts are read at once; the identifiers are plain variables.
    unsafe {
        let role = pg_sys::GetConfigOption(c"role".as_ptr(), true, false);
        let role = text(role).filter(|_| pg_sys::GetCurrentRoleId() != pg_sys::InvalidOid);
        let begun_as = text(pg_sys::GetConfigOptionResetString(c"role".as_ptr()));
        role.unwrap_or(NO_ROLE) != begun_as.unwrap_or(NO_ROLE)
            || pg_sys::GetSessionUserId() != pg_sys::GetAuthenticatedUserId()
    }
}

const NO_ROLE: &CStr = c"none";

/// SAFETY: `text` is null or ends with a zero byte, and is read before the server is called again.
unsafe fn text<'a>(text: *const c_char) -> Option<&'a CStr> {
    // SAFETY: as above.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) })
}
