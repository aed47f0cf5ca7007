//! How long a failed task waits before it is tried again: twice as long after each attempt, with
//! chance mixed in, so that tasks that failed together do not come back together. It must not know
//! a clock.

/// The wait after the first attempt.
const FIRST_MS: i64 = 1_000;

/// The longest wait, before chance is mixed in.
const LONGEST_MS: i64 = 3_600_000;

/// The wait after attempt number `attempt`, counted from 1: half of it is certain, the other half
/// is `chance`, from 0 to 1.
pub(crate) fn delay_ms(attempt: i32, chance: f64) -> i64 {
    let doublings = u32::try_from(attempt.saturating_sub(1)).unwrap_or(0).min(30);
    let full = FIRST_MS.saturating_mul(1 << doublings).min(LONGEST_MS);
    full / 2 + (full as f64 / 2.0 * chance.clamp(0.0, 1.0)) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_an_hour() {
        let waits: Vec<_> = [1, 2, 3, 12, 13, 31, i32::MAX].map(|n| delay_ms(n, 1.0)).into();
        assert_eq!(waits, [1_000, 2_000, 4_000, 2_048_000, 3_600_000, 3_600_000, 3_600_000]);
        assert_eq!(delay_ms(0, 1.0), 1_000);
    }

    #[test]
    fn chance_moves_a_wait_within_its_upper_half() {
        assert_eq!((delay_ms(1, 0.0), delay_ms(1, 0.5), delay_ms(1, 9.0)), (500, 750, 1_000));
    }
}
