//! The identity that a proxy has vouched for, in a variable of the session that nothing else can
//! set, and the keys of the proxies (`taskmaster.proxy_keys`). Must not know what a proof is made
//! of.
//!
//! The name of the variable has no dot, and that is a part of its safety: PostgreSQL makes variables
//! of names with a dot for whoever sets them, when no library has defined them
//! (`find_option` in utils/misc/guc.c). So where this library is not loaded there is no
//! identity at all, instead of one that a client chose.

use std::cell::Cell;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr;

use pgrx::{pg_guard, pg_sys};

use super::owner;
use super::plan::{Access, Plan};
use super::schema::Table;
use crate::domain::identity::Identity;
use crate::domain::vouch::{KEY_LEN, Key, Statement};
use crate::error::DomainError;

const NAME: &CStr = c"taskmaster_identity";

thread_local! {
    static IS_ASSUMING: Cell<bool> = const { Cell::new(false) };
    static CHALLENGE: Cell<Option<Key>> = const { Cell::new(None) };
    static LAST_SEQUENCE: Cell<i64> = const { Cell::new(0) };

    static KEYS: Plan = const { Plan::new(
        c"SELECT stored_key FROM taskmaster.proxy_keys",
        &[],
        Access::Write,
        &[Table::ProxyKeys],
    ) };
}

/// Defines the variable, while the library is loaded.
///
/// Parallel workers get it from their leader, which those that PostgreSQL itself sets (`PGC_INTERNAL`) are left out of; so
/// it is one of the superuser's by its kind, of whose values none is taken.
pub(crate) fn define() {
    let flags = pg_sys::GUC_NO_SHOW_ALL
        | pg_sys::GUC_NO_RESET_ALL
        | pg_sys::GUC_NOT_IN_SAMPLE
        | pg_sys::GUC_DISALLOW_IN_FILE;
    // PostgreSQL keeps this pointer for the life of the backend.
    let value: &'static mut *mut c_char = Box::leak(Box::new(ptr::null_mut()));
    // SAFETY: all pointers live as long as the process.
    unsafe {
        pg_sys::DefineCustomStringVariable(
            NAME.as_ptr(),
            c"Who a proxy in front of this server says its client is.".as_ptr(),
            c"Set by taskmaster.assume_identity alone.".as_ptr(),
            value,
            c"".as_ptr(),
            pg_sys::GucContext::PGC_SUSET,
            flags as c_int,
            Some(check),
            None,
            None,
        );
    }
}

/// Takes a value from [`set`], from the leader of a parallel worker, and the first one. What a transaction's end puts back is
/// not checked: it was, when it was set.
#[pg_guard]
unsafe extern "C-unwind" fn check(
    _value: *mut *mut c_char,
    _extra: *mut *mut c_void,
    source: pg_sys::GucSource::Type,
) -> bool {
    // SAFETY: a plain variable of the backend.
    let is_worker = unsafe { ptr::read(&raw const pg_sys::InitializingParallelWorker) };
    if IS_ASSUMING.get() || is_worker || source == pg_sys::GucSource::PGC_S_DEFAULT {
        return true;
    }
    // SAFETY: sets a variable that PostgreSQL reads when this returns false.
    unsafe {
        pg_sys::GUC_check_errcode(pgrx::PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE as c_int)
    };
    false
}

/// What a proof for this backend has to answer; the same until the backend ends.
pub(crate) fn challenge() -> Key {
    CHALLENGE.get().unwrap_or_else(|| {
        let challenge = random();
        CHALLENGE.set(Some(challenge));
        challenge
    })
}

/// 32 bytes that nobody can guess.
fn random() -> Key {
    let mut bytes = [0; KEY_LEN];
    // SAFETY: fills as many bytes as there are.
    let filled = unsafe { pg_sys::pg_strong_random(bytes.as_mut_ptr().cast(), KEY_LEN) };
    assert!(filled, "the operating system gives no random bytes");
    bytes
}

/// Makes the identity that of the session, if a proxy proves that it says so.
///
/// The number counts as used from here on, whatever becomes of the transaction.
///
/// # Errors
/// 42501 when no key of `proxy_keys` proves it, or the number is not larger than the last one.
pub(crate) fn assume(
    statement: &Statement<'_>,
    proof: &[u8],
    identity: &Identity,
) -> Result<(), DomainError> {
    let refused = || DomainError::NotVouched { last_sequence: LAST_SEQUENCE.get() };
    let proof = Key::try_from(proof).map_err(|_| refused())?;
    if statement.sequence <= LAST_SEQUENCE.get() {
        return Err(refused());
    }
    let is_proved = stored_keys().iter().any(|stored| statement.is_proved(stored, &proof));
    if !is_proved {
        return Err(refused());
    }
    LAST_SEQUENCE.set(statement.sequence);
    set(identity);
    Ok(())
}

/// A client has no right to see the keys, so its session reads them as their owner.
fn stored_keys() -> Vec<Key> {
    let rows = owner::act_as_owner_of(Table::ProxyKeys, || {
        KEYS.with(|plan| plan.rows(&[], |row| row.get::<Vec<u8>>(1)))
    });
    rows.into_iter().flatten().filter_map(|key| Key::try_from(key).ok()).collect()
}

fn set(identity: &Identity) {
    let text = CString::new(identity.to_text()).expect("JSON escapes zero bytes");
    let _assuming = Assuming::begin();
    // SAFETY: both texts end with a zero byte; PostgreSQL copies them.
    unsafe {
        pg_sys::SetConfigOption(
            NAME.as_ptr(),
            text.as_ptr(),
            pg_sys::GucContext::PGC_SUSET,
            pg_sys::GucSource::PGC_S_SESSION,
        );
    }
}

/// While it lives, the variable takes a value.
struct Assuming;

impl Assuming {
    fn begin() -> Self {
        IS_ASSUMING.set(true);
        Self
    }
}

impl Drop for Assuming {
    fn drop(&mut self) {
        IS_ASSUMING.set(false);
    }
}
