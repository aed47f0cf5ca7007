//! Errors and warnings on their way to the client, with every field they carry: pgrx's own report
//! has no constraint name and turns a returned `Err` into a generic data exception. It must not
//! know which refusals exist.

use std::ffi::{CString, c_int};
use std::ptr;

use pgrx::{PgLogLevel, pg_sys};

use crate::error::{Constraint, DomainError};
use crate::warning::Warning;

/// Ends a call with the error of its result.
pub(crate) trait OrRaise<T> {
    /// The value, or an `ERROR` to the client.
    fn or_raise(self) -> T;
}

impl<T> OrRaise<T> for Result<T, DomainError> {
    fn or_raise(self) -> T {
        self.unwrap_or_else(|error| raise(&error))
    }
}

/// The fields of one report, as `ErrorData` (`src/include/utils/elog.h`) names them.
struct Report {
    level: PgLogLevel,
    sqlstate: &'static str,
    message: CString,
    detail: CString,
    hint: CString,
    constraint: Option<(CString, CString)>,
}

/// Raises the error; the transaction is over.
pub(crate) fn raise(error: &DomainError) -> ! {
    Report {
        level: PgLogLevel::ERROR,
        sqlstate: error.sqlstate(),
        message: text(error.to_string()),
        detail: text(error.detail()),
        hint: text(error.hint()),
        constraint: error.constraint().map(names),
    }
    .send();
    unreachable!("ThrowErrorData does not return from an ERROR")
}

/// Sends the warning and goes on.
pub(crate) fn warn(warning: &Warning) {
    Report {
        level: PgLogLevel::WARNING,
        sqlstate: warning.sqlstate(),
        message: text(warning.to_string()),
        detail: text(warning.detail()),
        hint: text(warning.hint()),
        constraint: None,
    }
    .send();
}

impl Report {
    fn send(self) {
        let (table, constraint) = match &self.constraint {
            Some((table, name)) => (table.as_ptr().cast_mut(), name.as_ptr().cast_mut()),
            None => (ptr::null_mut(), ptr::null_mut()),
        };
        let schema =
            if table.is_null() { ptr::null_mut() } else { c"taskmaster".as_ptr().cast_mut() };
        let mut data = pg_sys::ErrorData {
            elevel: self.level as c_int,
            sqlerrcode: encode(self.sqlstate),
            message: self.message.as_ptr().cast_mut(),
            detail: self.detail.as_ptr().cast_mut(),
            hint: self.hint.as_ptr().cast_mut(),
            schema_name: schema,
            table_name: table,
            constraint_name: constraint,
            ..pg_sys::ErrorData::default()
        };
        // SAFETY: ThrowErrorData (elog.c) copies every string before it uses or unwinds past it,
        // and takes null for the fields left at their default. pgrx turns its longjmp into an
        // unwind, so `self` is dropped.
        unsafe { pg_sys::ThrowErrorData(&raw mut data) };
    }
}

fn names(constraint: Constraint) -> (CString, CString) {
    (text(constraint.table.into()), text(constraint.name.into()))
}

/// A message for the server. Text that came from PostgreSQL holds no zero byte.
fn text(message: String) -> CString {
    CString::new(message).expect("a PostgreSQL text value holds no zero byte")
}

/// `MAKE_SQLSTATE` of `elog.h`: six bits a character, the first lowest.
fn encode(sqlstate: &str) -> c_int {
    let bits = |(index, byte): (usize, u8)| c_int::from((byte - b'0') & 0x3F) << (6 * index);
    sqlstate.bytes().enumerate().map(bits).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sqlstates_are_encoded_as_the_server_does() {
        assert_eq!(encode("00000"), 0);
        assert_eq!(encode("22023"), 50_856_066);
        assert_eq!(encode("P0002"), 33_554_464);
    }
}
