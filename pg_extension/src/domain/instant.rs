//! A point in time as PostgreSQL counts it, and the buckets it falls into. It must not know a clock.

use super::argument::Argument;
use crate::error::DomainError;

/// Microseconds since 2000-01-01 00:00 UTC (`TimestampTz` of datatype/timestamp.h).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Instant(pub(crate) i64);

/// One second.
pub(crate) const SECOND_US: i64 = 1_000_000;
/// One minute.
pub(crate) const MINUTE_US: i64 = 60 * SECOND_US;
/// One hour.
pub(crate) const HOUR_US: i64 = 60 * MINUTE_US;
/// One day of 24 hours, as days in UTC are.
pub(crate) const DAY_US: i64 = 24 * HOUR_US;

impl Instant {
    /// Whether it is a time, and not one of the infinities (`DT_NOBEGIN`, `DT_NOEND`).
    pub(crate) fn is_finite(self) -> bool {
        self.0 != i64::MIN && self.0 != i64::MAX
    }

    /// The time itself, or 22023 for the infinities.
    pub(crate) fn finite(self, argument: Argument) -> Result<Self, DomainError> {
        if self.is_finite() {
            return Ok(self);
        }
        Err(DomainError::NotATime { argument: argument.0 })
    }

    /// The latest multiple of `step_us`, counted from 2000-01-01 00:00 UTC, that is not after it.
    pub(crate) fn floor(self, step_us: i64) -> Self {
        Self(self.0.div_euclid(step_us).saturating_mul(step_us))
    }

    /// The earliest multiple that is not before it.
    pub(crate) fn ceil(self, step_us: i64) -> Self {
        let floor = self.floor(step_us);
        if floor == self { self } else { floor.plus(step_us) }
    }

    /// So much later, at most the end of time.
    pub(crate) fn plus(self, us: i64) -> Self {
        Self(self.0.saturating_add(us))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_counted_from_the_epoch_on_both_sides() {
        assert_eq!(Instant(MINUTE_US + 1).floor(MINUTE_US), Instant(MINUTE_US));
        assert_eq!(Instant(-1).floor(MINUTE_US), Instant(-MINUTE_US));
        assert_eq!(Instant(-1).ceil(MINUTE_US), Instant(0));
        assert_eq!(Instant(MINUTE_US).ceil(MINUTE_US), Instant(MINUTE_US));
    }

    #[test]
    fn the_infinities_are_no_times() {
        let argument = Argument("p_from");
        assert_eq!(Instant(i64::MAX).finite(argument).unwrap_err().sqlstate(), "22023");
        assert_eq!(Instant(i64::MIN).finite(argument).unwrap_err().sqlstate(), "22023");
        assert_eq!(Instant(7).finite(argument), Ok(Instant(7)));
    }
}
