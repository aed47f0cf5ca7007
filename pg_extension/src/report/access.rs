//! Sees functions run and objects dropped. Must not know what follows from it.

use std::cell::Cell;
use std::ffi::{c_int, c_void};

use pgrx::{pg_guard, pg_sys};

use super::{temporary, transaction};

thread_local! {
    static NEXT: Cell<pg_sys::object_access_hook_type> = const { Cell::new(None) };
}

/// Has them seen from now on, before whoever sees them already.
pub(super) fn watch() {
    // SAFETY: hooks are set while a library is loaded, by the only thread there is.
    unsafe {
        NEXT.set(pg_sys::object_access_hook);
        pg_sys::object_access_hook = Some(on_access);
    }
}

#[pg_guard]
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
            transaction::touched();
        }
        pg_sys::ObjectAccessType::OAT_DROP => temporary::dropped((class, object)),
        _ => {}
    }
    if let Some(next) = NEXT.get() {
        // SAFETY: handed on as it came.
        unsafe { next(access, class, object, column, argument) };
    }
}
