//! The server's clocks. It must not know what is timed.

use pgrx::pg_sys;

use crate::domain::instant::Instant;

/// `clock_timestamp()`.
pub(crate) fn now() -> Instant {
    // SAFETY: reads the system's clock.
    Instant(unsafe { pg_sys::GetCurrentTimestamp() })
}

/// `now()`: when the transaction began, which is what a column's default says.
pub(crate) fn transaction_start() -> Instant {
    // SAFETY: a plain variable of the transaction that runs.
    Instant(unsafe { pg_sys::GetCurrentTransactionStartTimestamp() })
}

/// A time as a parameter of a statement.
pub(super) fn bind_time(at: Instant) -> super::plan::Bound {
    Some(pg_sys::Datum::from(at.0))
}
