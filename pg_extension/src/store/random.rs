//! Chance from the server's own source. It must not know what it decides.

use pgrx::{Uuid, pg_sys};

/// A random UUID, version 4 (RFC 9562), as `gen_random_uuid` makes them.
pub(super) fn uuid() -> Uuid {
    let mut bytes = bytes::<16>();
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
