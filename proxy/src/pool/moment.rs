//! A moment that a client's entry notes, or none, in 8 bytes instead of 16: each client has three (I7).

use std::cell::Cell;
use std::fmt;
use std::num::NonZeroU64;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// Moments are kept as nanoseconds since this one, at which the process noted the first of them.
static ORIGIN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// A cell of a moment.
#[derive(Default)]
pub struct Moment(Cell<Option<NonZeroU64>>);

impl Moment {
    /// This moment.
    pub fn at(instant: Instant) -> Self {
        let moment = Self::default();
        moment.set(Some(instant));
        moment
    }

    /// The moment, if there is one.
    pub fn get(&self) -> Option<Instant> {
        self.0.get().map(|nanos| *ORIGIN + Duration::from_nanos(nanos.get()))
    }

    /// Another one. One before the first that was ever noted becomes that.
    pub fn set(&self, instant: Option<Instant>) {
        self.0.set(instant.map(nanos));
    }
}

/// Nanoseconds since the origin, at least one. They fit for 584 years.
fn nanos(instant: Instant) -> NonZeroU64 {
    let since = instant.saturating_duration_since(*ORIGIN).as_nanos() as u64;
    NonZeroU64::new(since).unwrap_or(NonZeroU64::MIN)
}

impl fmt::Debug for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_comes_out_as_it_went_in() {
        let moment = Moment::at(Instant::now());
        let later = Instant::now() + Duration::from_secs(3600);
        moment.set(Some(later));
        assert_eq!(moment.get(), Some(later));
        moment.set(None);
        assert_eq!(moment.get(), None);
        assert_eq!(size_of::<Moment>(), 8);
    }

    #[test]
    fn what_was_before_all_moments_is_the_first() {
        let now = *ORIGIN;
        let moment = Moment::at(now - Duration::from_secs(1));
        assert_eq!(moment.get(), Some(now + Duration::from_nanos(1)));
    }
}
