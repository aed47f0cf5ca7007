//! The settings of the client that the proxy has put on this connection, as if the connection had begun with them: RESET,
//! SET TO DEFAULT and DISCARD ALL go back to them, in functions too, because PostgreSQL itself goes back to what a startup
//! packet said (`PGC_S_CLIENT` in utils/guc.h).
//!
//! Must not know clients, and nothing of the proxy but how it proves that it speaks.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::{CStr, CString, c_char, c_int};
use std::ptr;

use hmac::{Hmac, Mac};
use pgrx::{pg_guard, pg_sys};
use sha2::Sha256;

use super::cell::BackendCell;
use super::transaction;

/// The setting of a startup packet that carries the key, in hexadecimal digits.
const KEY_NAME: &CStr = c"taskmaster.start_key";

/// What the proxy sets.
const NAME: &CStr = c"taskmaster.start";

const KEY_LEN: usize = 32;

type Key = [u8; KEY_LEN];

/// What the proxy and this backend know, and no client.
static KEY: BackendCell<Option<Key>> = BackendCell::new(None);

/// The number of the last statement that was proved: a proof that was seen in a log is good for nothing.
static SEEN: BackendCell<u64> = BackendCell::new(0);

thread_local! {
    /// Settings that were begun with, by name in lower case, each with its value when the connection began.
    static BEGUN: RefCell<BTreeMap<String, CString>> = const { RefCell::new(BTreeMap::new()) };
}

/// Takes the key out of the startup packet, where nobody can read it from then on. False when there is none.
pub(super) fn take_key() -> bool {
    // PostgreSQL keeps this pointer for the life of the backend.
    let value: &'static mut *mut c_char = Box::leak(Box::new(ptr::null_mut()));
    let flags = pg_sys::GUC_NO_SHOW_ALL | pg_sys::GUC_NO_RESET_ALL | pg_sys::GUC_DISALLOW_IN_FILE;
    // SAFETY: all pointers live as long as the process; the value is read at once.
    let text = unsafe {
        pg_sys::DefineCustomStringVariable(
            KEY_NAME.as_ptr(),
            c"What a proxy in front of this server proves itself with.".as_ptr(),
            ptr::null(),
            value,
            c"".as_ptr(),
            pg_sys::GucContext::PGC_BACKEND,
            flags as c_int,
            None,
            None,
            Some(show_nothing),
        );
        if value.is_null() { None } else { CStr::from_ptr(*value).to_str().ok() }
    };
    KEY.set(text.and_then(from_hex));
    KEY.get().is_some()
}

/// The settings in a `SET taskmaster.start = '<number> <proof> <settings as JSON>'` of the proxy; none for any other
/// statement.
///
/// SAFETY: `tree` is the tree of a utility statement that the client itself sent.
pub(super) unsafe fn asked(tree: *mut pg_sys::Node) -> Option<BTreeMap<String, String>> {
    // SAFETY: a node's tag says which struct it begins; the texts end with a zero byte and are copied.
    let text = unsafe {
        if (*tree).type_ != pg_sys::NodeTag::T_VariableSetStmt {
            return None;
        }
        let set = tree.cast::<pg_sys::VariableSetStmt>();
        let is_value = (*set).kind == pg_sys::VariableSetKind::VAR_SET_VALUE && !(*set).is_local;
        if !is_value || CStr::from_ptr((*set).name) != NAME {
            return None;
        }
        let text = pg_sys::ExtractSetVariableArgs(set);
        (!text.is_null()).then(|| CStr::from_ptr(text).to_string_lossy().into_owned())?
    };
    let mut parts = text.splitn(3, ' ');
    let (number, proof, settings) = (parts.next()?, parts.next()?, parts.next()?);
    let number = number.parse().ok().filter(|number| *number > SEEN.get())?;
    if !is_proved(number, &from_hex(proof)?, settings) {
        return None;
    }
    SEEN.set(number);
    serde_json::from_str(settings).ok()
}

/// Has the session begun with these settings, and with those of the connection for all others. What SET has changed since is
/// taken back.
///
/// Settings that are made the start of a session stay when the transaction is rolled back: the proxy does not use a connection
/// on that this has failed.
pub(super) fn begin(settings: &BTreeMap<String, String>) {
    // SAFETY: called inside of a transaction, as for RESET ALL.
    unsafe { pg_sys::ResetAllOptions() };
    let wanted: BTreeMap<_, _> =
        settings.iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
    let ended = BEGUN.with_borrow(|begun| {
        let ended = begun.iter().filter(|(name, _)| !wanted.contains_key(*name));
        ended.map(|(name, value)| (name.clone(), value.clone())).collect::<Vec<_>>()
    });
    for (name, value) in ended {
        start_with(&name, &value);
        BEGUN.with_borrow_mut(|begun| begun.remove(&name));
    }
    for (name, value) in &wanted {
        let original = original(name);
        start_with(name, &CString::new(value.as_str()).unwrap_or_default());
        // Only now, because there may be no such setting.
        BEGUN.with_borrow_mut(|begun| {
            begun.entry(name.clone()).or_insert(original);
        });
    }
    transaction::touched();
}

/// What RESET would go back to now. A setting with a dot that nobody has set is made by setting it, and cannot be unmade:
/// it is empty then.
fn original(name: &str) -> CString {
    let Ok(c_name) = CString::new(name) else { return CString::default() };
    // SAFETY: the texts end with a zero byte and are copied before the server is called again.
    unsafe {
        if name == "session_authorization" {
            let user = pg_sys::GetAuthenticatedUserId();
            return CStr::from_ptr(pg_sys::GetUserNameFromId(user, false)).to_owned();
        }
        if pg_sys::GetConfigOptionByName(c_name.as_ptr(), ptr::null_mut(), true).is_null() {
            return CString::default();
        }
        let value = pg_sys::GetConfigOptionResetString(c_name.as_ptr());
        if value.is_null() { CString::default() } else { CStr::from_ptr(value).to_owned() }
    }
}

/// As the settings of a startup packet are made (`process_settings` and `process_startup_options` in utils/init/postinit.c):
/// who may set them is the user that has logged in.
fn start_with(name: &str, value: &CStr) {
    let Ok(name) = CString::new(name) else { return };
    // SAFETY: both texts end with a zero byte, and are copied.
    unsafe {
        let context = match pg_sys::superuser_arg(pg_sys::GetAuthenticatedUserId()) {
            true => pg_sys::GucContext::PGC_SU_BACKEND,
            false => pg_sys::GucContext::PGC_BACKEND,
        };
        let source = pg_sys::GucSource::PGC_S_CLIENT;
        pg_sys::SetConfigOption(name.as_ptr(), value.as_ptr(), context, source);
    }
}

fn is_proved(number: u64, proof: &Key, settings: &str) -> bool {
    let Some(key) = KEY.get() else { return false };
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("HMAC takes a key of any length");
    mac.update(&number.to_be_bytes());
    mac.update(settings.as_bytes());
    mac.verify_slice(proof).is_ok()
}

fn from_hex(text: &str) -> Option<Key> {
    let mut key = [0; KEY_LEN];
    if text.len() != 2 * KEY_LEN || !text.is_ascii() {
        return None;
    }
    for (index, byte) in key.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * index..2 * index + 2], 16).ok()?;
    }
    Some(key)
}

#[pg_guard]
extern "C-unwind" fn show_nothing() -> *const c_char {
    c"".as_ptr()
}
