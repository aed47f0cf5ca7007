//! Holdable cursors and statements prepared by SQL, by name. Which were made is remembered here; which are left is asked
//! of PostgreSQL.

use std::cell::RefCell;
use std::ffi::{CStr, CString};

use pgrx::pg_sys;

thread_local! {
    static CURSORS: RefCell<Vec<CString>> = const { RefCell::new(Vec::new()) };
    static STATEMENTS: RefCell<Vec<CString>> = const { RefCell::new(Vec::new()) };
}

/// A cursor WITH HOLD of this name was declared.
pub(super) fn declared(name: CString) {
    CURSORS.with_borrow_mut(|names| note(names, name));
}

/// A statement of this name was prepared.
pub(super) fn prepared(name: CString) {
    STATEMENTS.with_borrow_mut(|names| note(names, name));
}

/// True when a cursor WITH HOLD is left.
pub(super) fn has_held_cursors() -> bool {
    left(&CURSORS, |name| {
        // SAFETY: looks a name up in a table of this process; the portal is read at once.
        unsafe {
            let portal = pg_sys::GetPortalByName(name.as_ptr());
            !portal.is_null()
                && (*portal).cursorOptions & pg_sys::CURSOR_OPT_HOLD as std::ffi::c_int != 0
        }
    })
}

/// True when a statement prepared by SQL is left.
pub(super) fn has_prepared_statements() -> bool {
    left(&STATEMENTS, |name| {
        // SAFETY: looks a name up in a table of this process, without raising; the entry is read at once.
        unsafe {
            let statement = pg_sys::FetchPreparedStatement(name.as_ptr(), false);
            !statement.is_null() && (*statement).from_sql
        }
    })
}

fn note(names: &mut Vec<CString>, name: CString) {
    if !names.contains(&name) {
        names.push(name);
    }
}

fn left(
    names: &'static std::thread::LocalKey<RefCell<Vec<CString>>>,
    is_left: impl Fn(&CStr) -> bool,
) -> bool {
    names.with_borrow_mut(|names| {
        names.retain(|name| is_left(name));
        !names.is_empty()
    })
}
