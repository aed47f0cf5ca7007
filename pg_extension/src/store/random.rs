//! Chance from the server's own source. It must not know what it decides.

use std::cell::RefCell;

use pgrx::{Uuid, pg_sys};

/// Bytes that are asked for at a time: the server's source takes about as long for one.
const POOL_LEN: usize = 1024;

thread_local! {
    /// Random bytes, of which so many are used up. The postmaster inserts nothing before it forks, so that each process draws its
    /// own.
    static POOL: RefCell<([u8; POOL_LEN], usize)> = const { RefCell::new(([0; POOL_LEN], POOL_LEN)) };
}

/// A random UUID, version 4 (RFC 9562), as `gen_random_uuid` makes them.
pub(super) fn uuid() -> Uuid {
    uuid_of(bytes())
}

/// The same, for many: with one call of the server's source for dozens.
pub(super) fn pooled_uuid() -> Uuid {
    POOL.with_borrow_mut(|(pool, used)| {
        if *used == POOL_LEN {
            (*pool, *used) = (bytes(), 0);
        }
        let mut drawn = [0; 16];
        drawn.copy_from_slice(&pool[*used..*used + 16]);
        *used += 16;
        uuid_of(drawn)
    })
}

fn uuid_of(mut bytes: [u8; 16]) -> Uuid {
    bytes[6] = (bytes[6] & 0x0F) | 0x40;
    bytes[8] = (bytes[8] & 0x3F) | 0x80;
    Uuid::from_bytes(bytes)
}

/// A number from 0 to 1.
pub(super) fn share() -> f64 {
    f64::from(u32::from_ne_bytes(bytes())) / f64::from(u32::MAX)
}

fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0_u8; N];
    // SAFETY: pg_strong_random (pg_strong_random.c) writes that many bytes.
    let is_random = unsafe { pg_sys::pg_strong_random(bytes.as_mut_ptr().cast(), N) };
    assert!(is_random, "the server has a source of random bytes");
    bytes
}
