//! How long to wait before another attempt.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

/// Waits that double up to a bound. Each is shortened by chance, by up to a half, so that two who
/// met do not meet again.
pub(crate) struct Backoff {
    next: Duration,
    max: Duration,
}

impl Backoff {
    pub(crate) fn new(min: Duration, max: Duration) -> Self {
        Self { next: min.min(max), max }
    }

    /// The next wait.
    pub(crate) fn next_wait(&mut self) -> Duration {
        let full = self.next;
        self.next = (full * 2).min(self.max);
        full - full.mul_f64(chance() / 2.0)
    }
}

/// A number that another caller is unlikely to get, for names.
pub(crate) fn chance_number() -> u32 {
    RandomState::new().build_hasher().finish() as u32
}

/// Between 0 and 1. The standard library seeds each `RandomState` anew; no more randomness is
/// needed here.
fn chance() -> f64 {
    f64::from(chance_number()) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_bound_and_are_cut_by_at_most_half() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_millis(400));
        for full in [100, 200, 400, 400] {
            let wait = backoff.next_wait();
            let full = Duration::from_millis(full);
            assert!(wait <= full && wait >= full / 2, "{wait:?} of {full:?}");
        }
    }
}
