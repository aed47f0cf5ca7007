//! The server's clocks. It must not know what is timed.

use pgrx::datum::{Interval, TimestampWithTimeZone};
use pgrx::pg_sys;

use crate::domain::instant::{DAY_US, Instant};

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

/// A time as an element of an array.
pub(super) fn timestamp(at: Instant) -> TimestampWithTimeZone {
    TimestampWithTimeZone::try_from(at.0).expect("a finite time of PostgreSQL is in range")
}

/// The length of an interval in microseconds; None when it has months, whose length is not fixed.
pub(crate) fn fixed_length(interval: &Interval) -> Option<i64> {
    let days = i64::from(interval.days()).checked_mul(DAY_US)?;
    let length = days.checked_add(interval.micros())?;
    (interval.months() == 0).then_some(length)
}
