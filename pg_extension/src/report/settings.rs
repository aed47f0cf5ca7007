//! The settings that the session has changed. Must not know roles, which are reported as a reason of their own.

use std::collections::BTreeMap;
use std::ffi::{CStr, c_char, c_int};
use std::fmt::Write;

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
    let json = ascii(&serde_json::to_string(&settings).ok()?);
    (json.len() <= JSON_LEN_MAX).then_some(json)
}

/// The same JSON with every other character escaped. PostgreSQL converts a report to the client's encoding, and one that
/// it cannot convert is an error before ReadyForQuery, again and again.
fn ascii(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for character in json.chars() {
        if character.is_ascii() {
            escaped.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            // Writing to a string cannot fail.
            let _ = write!(escaped, "\\u{unit:04x}");
        }
    }
    escaped
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
    // SAFETY: as above; the texts are copied before anything else is called.
    unsafe {
        let name = text((*variable).name)?;
        if (*variable).vartype == pg_sys::config_type::PGC_REAL {
            // PostgreSQL's own text has six digits.
            let value = *(*variable.cast::<pg_sys::config_real>()).variable;
            return Some((name, value.to_string()));
        }
        let value = text(pg_sys::GetConfigOption((*variable).name, true, false))?;
        Some((name, value))
    }
}

/// None when it is not text, or none that is known to be UTF-8.
///
/// SAFETY: `text` is null or ends with a zero byte.
unsafe fn text(text: *const c_char) -> Option<String> {
    // SAFETY: as above; the encoding is a plain variable of the backend.
    unsafe {
        let text = (!text.is_null()).then(|| CStr::from_ptr(text))?.to_str().ok()?;
        let is_known =
            text.is_ascii() || pg_sys::GetDatabaseEncoding() == pg_sys::pg_enc::PG_UTF8 as c_int;
        is_known.then(|| text.to_owned())
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
