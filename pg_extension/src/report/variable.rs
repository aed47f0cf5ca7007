//! The variables that carry the reports. Must not know how their values come about.

use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char, c_int};
use std::ptr;

use pgrx::{pg_guard, pg_sys};

use super::{session, settings, transaction};

/// One report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Variable {
    /// Why the client has to keep this session.
    Session,
    /// The settings that the session has changed, as JSON.
    Settings,
    /// The end of the last commit that wrote.
    Lsn,
    /// Counts changes of shapes.
    Schema,
    /// That the session can be given a start ([`super::start`]): empty, and never anything else.
    Start,
}

impl Variable {
    /// What every proxy is told that asks for it.
    pub(super) const REPORTS: [Self; 4] = [Self::Session, Self::Settings, Self::Lsn, Self::Schema];

    /// What a proxy is told that has brought a key.
    pub(super) const ALL: [Self; 5] =
        [Self::Session, Self::Settings, Self::Lsn, Self::Schema, Self::Start];

    fn name(self) -> &'static CStr {
        match self {
            Self::Session => c"taskmaster.session",
            Self::Settings => c"taskmaster.settings",
            Self::Lsn => c"taskmaster.lsn",
            Self::Schema => c"taskmaster.schema",
            Self::Start => c"taskmaster.start",
        }
    }

    fn show_hook(self) -> pg_sys::GucShowHook {
        match self {
            Self::Session => Some(show_session),
            Self::Settings => Some(show_settings),
            Self::Lsn => Some(show_lsn),
            Self::Schema => Some(show_schema),
            Self::Start => Some(show_start),
        }
    }

    /// Has PostgreSQL look at the value before the next ReadyForQuery.
    pub(super) fn mark(self) {
        // SAFETY: the variable was defined by `define`. Any value does: setting it is what marks it, and the show hook
        // says what is reported.
        unsafe {
            pg_sys::SetConfigOption(
                self.name().as_ptr(),
                c"marked".as_ptr(),
                pg_sys::GucContext::PGC_INTERNAL,
                pg_sys::GucSource::PGC_S_OVERRIDE,
            );
        }
    }
}

/// Defines these. From now on PostgreSQL reports them.
pub(super) fn define(variables: &[Variable]) {
    let flags = pg_sys::GUC_REPORT | pg_sys::GUC_NO_SHOW_ALL | pg_sys::GUC_NO_RESET_ALL;
    for variable in variables {
        // PostgreSQL keeps this pointer for the life of the backend.
        let value: &'static mut *mut c_char = Box::leak(Box::new(ptr::null_mut()));
        // SAFETY: all pointers live as long as the process.
        unsafe {
            pg_sys::DefineCustomStringVariable(
                variable.name().as_ptr(),
                c"A report for a proxy in front of this server.".as_ptr(),
                ptr::null(),
                value,
                c"".as_ptr(),
                pg_sys::GucContext::PGC_INTERNAL,
                (flags | pg_sys::GUC_DISALLOW_IN_FILE) as c_int,
                None,
                None,
                variable.show_hook(),
            );
        }
        variable.mark();
    }
}

#[pg_guard]
extern "C-unwind" fn show_session() -> *const c_char {
    shown(session::reasons())
}

#[pg_guard]
extern "C-unwind" fn show_settings() -> *const c_char {
    shown(settings::changed().unwrap_or_else(|| settings::NONE.to_owned()))
}

#[pg_guard]
extern "C-unwind" fn show_lsn() -> *const c_char {
    shown(transaction::last_commit())
}

#[pg_guard]
extern "C-unwind" fn show_schema() -> *const c_char {
    shown(transaction::shapes().to_string())
}

#[pg_guard]
extern "C-unwind" fn show_start() -> *const c_char {
    c"".as_ptr()
}

/// The text where PostgreSQL finds it until the next call; it copies what it keeps.
fn shown(text: String) -> *const c_char {
    thread_local! {
        static SHOWN: RefCell<CString> = RefCell::default();
    }
    SHOWN.with_borrow_mut(|shown| {
        *shown = CString::new(text).unwrap_or_default();
        shown.as_ptr()
    })
}
