//! Sees functions run and objects dropped. Must not know what follows from it.

use std::ffi::{c_int, c_void};

use pgrx::{pg_guard, pg_sys};

use super::cell::BackendCell;
use super::{temporary, transaction};

static NEXT: BackendCell<pg_sys::object_access_hook_type> = BackendCell::new(None);

/// Has them seen from now on, before whoever sees them already.
pub(super) fn watch() {
    // SAFETY: hooks are set while a library is loaded, by the only thread there is.
    unsafe {
        NEXT.set(pg_sys::object_access_hook);
        pg_sys::object_access_hook = Some(on_access);
    }
}

/// Called for each function of each statement, so without `pg_guard`: what can fail is in functions that have it, and
/// nothing here is left to drop when PostgreSQL jumps over this frame.
unsafe extern "C-unwind" fn on_access(
    access: pg_sys::ObjectAccessType::Type,
    class: pg_sys::Oid,
    object: pg_sys::Oid,
    column: c_int,
    argument: *mut c_void,
) {
    match access {
        // Called as a function is made ready to run, wherever it stands.
        pg_sys::ObjectAccessType::OAT_FUNCTION_EXECUTE
            if object.to_u32() == pg_sys::F_SET_CONFIG =>
        {
            on_set_config();
        }
        pg_sys::ObjectAccessType::OAT_DROP => on_drop(class, object),
        _ => {}
    }
    if let Some(next) = NEXT.get() {
        // SAFETY: handed on as it came.
        unsafe { next(access, class, object, column, argument) };
    }
}

#[pg_guard]
extern "C-unwind" fn on_set_config() {
    transaction::touched();
}

#[pg_guard]
extern "C-unwind" fn on_drop(class: pg_sys::Oid, object: pg_sys::Oid) {
    temporary::dropped((class, object));
}
