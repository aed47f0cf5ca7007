//! What an integration's health checks add up to: healthy or not, by N of the last M, and a circuit
//! breaker that lets a few calls probe a service which was down. It must not know a clock or a row.

use super::moment::Moment;

/// The health of one integration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Health {
    pub(crate) breaker: Breaker,
    /// The last checks, oldest first, at most [`CHECKS_MAX`].
    pub(crate) recent: Vec<bool>,
    /// While the breaker is open.
    pub(crate) open_until: Option<Moment>,
    /// How often it opened since it was last closed.
    pub(crate) opens: i32,
    /// Calls let through half open since `probes_since`.
    pub(crate) probes_used: i32,
    pub(crate) probes_since: Option<Moment>,
}

/// The states of a circuit breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Breaker {
    /// Calls go through.
    Closed,
    /// No call goes through.
    Open,
    /// A few calls go through, to see.
    HalfOpen,
}

/// Whether a call may go through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Permit {
    Granted,
    Refused { retry_at: Moment },
}

/// M: so many checks are remembered.
const CHECKS_MAX: usize = 5;
/// N: so many failures among them open the breaker.
const FAILURES_TO_OPEN: usize = 3;
/// So many passed checks in a row close it again.
const PASSES_TO_CLOSE: usize = 2;

/// Calls that may probe within one period while half open.
const PROBES_MAX: i32 = 3;
/// A probe whose outcome nobody reported is given up after this.
const PROBE_PERIOD_SECONDS: i64 = 30;

/// The first time open; each further time doubles it.
const OPEN_SECONDS: i64 = 30;
const OPEN_SECONDS_MAX: i64 = 900;

impl Default for Health {
    fn default() -> Self {
        Self {
            breaker: Breaker::Closed,
            recent: Vec::new(),
            open_until: None,
            opens: 0,
            probes_used: 0,
            probes_since: None,
        }
    }
}

impl Breaker {
    const ALL: [(Self, &'static str); 3] =
        [(Self::Closed, "closed"), (Self::Open, "open"), (Self::HalfOpen, "half_open")];

    /// The stored spelling.
    pub(crate) fn as_str(self) -> &'static str {
        Self::ALL[self as usize].1
    }

    /// The breaker of a row; a word that this version does not know lets calls through.
    pub(crate) fn from_word(word: &str) -> Self {
        let known = Self::ALL.iter().find(|(_, known)| *known == word);
        known.map_or(Self::Closed, |(breaker, _)| *breaker)
    }
}

impl Health {
    /// The row's `recent`.
    pub(crate) fn recent_word(&self) -> String {
        self.recent.iter().map(|passed| if *passed { '1' } else { '0' }).collect()
    }

    /// The checks of a row's `recent`.
    pub(crate) fn checks_of(word: &str) -> Vec<bool> {
        word.chars().map(|passed| passed == '1').collect()
    }

    /// `external_integrations.health_status`.
    pub(crate) fn status(&self) -> &'static str {
        match self.breaker {
            Breaker::Closed if self.recent.is_empty() => "unknown",
            Breaker::Closed => "healthy",
            Breaker::Open | Breaker::HalfOpen => "unhealthy",
        }
    }

    /// The health after a check.
    pub(crate) fn after_check(mut self, passed: bool, now: Moment) -> Self {
        self = self.woken(now);
        self.recent.push(passed);
        let surplus = self.recent.len().saturating_sub(CHECKS_MAX);
        self.recent.drain(..surplus);
        match self.breaker {
            Breaker::Closed if self.failures() >= FAILURES_TO_OPEN => self.opened(now),
            Breaker::HalfOpen if !passed => self.opened(now),
            Breaker::HalfOpen | Breaker::Open if self.passes() >= PASSES_TO_CLOSE => self.closed(),
            _ => self,
        }
    }

    /// Whether a call may go through now, and the health afterwards.
    pub(crate) fn permit(mut self, now: Moment) -> (Self, Permit) {
        self = self.woken(now);
        match self.breaker {
            Breaker::Closed => (self, Permit::Granted),
            Breaker::Open => {
                let retry_at = self.open_until.unwrap_or(now);
                (self, Permit::Refused { retry_at })
            }
            Breaker::HalfOpen => self.probe(now),
        }
    }

    /// Half open when the time of being open is over.
    fn woken(mut self, now: Moment) -> Self {
        if self.breaker == Breaker::Open && self.open_until.is_none_or(|until| until <= now) {
            self.breaker = Breaker::HalfOpen;
            (self.probes_used, self.probes_since) = (0, None);
        }
        self
    }

    fn probe(mut self, now: Moment) -> (Self, Permit) {
        let period = |since: &Moment| now < since.plus_seconds(PROBE_PERIOD_SECONDS);
        let Some(since) = self.probes_since.filter(period) else {
            (self.probes_used, self.probes_since) = (1, Some(now));
            return (self, Permit::Granted);
        };
        if self.probes_used >= PROBES_MAX {
            let retry_at = since.plus_seconds(PROBE_PERIOD_SECONDS);
            return (self, Permit::Refused { retry_at });
        }
        self.probes_used += 1;
        (self, Permit::Granted)
    }

    fn opened(mut self, now: Moment) -> Self {
        let doublings = u32::try_from(self.opens).unwrap_or_default().min(10);
        let seconds = (OPEN_SECONDS << doublings).min(OPEN_SECONDS_MAX);
        self.breaker = Breaker::Open;
        self.open_until = Some(now.plus_seconds(seconds));
        self.opens = self.opens.saturating_add(1);
        self
    }

    fn closed(self) -> Self {
        // What failed before must not open it again with the next failure.
        Self { recent: vec![true; PASSES_TO_CLOSE], ..Self::default() }
    }

    fn failures(&self) -> usize {
        self.recent.iter().filter(|passed| !**passed).count()
    }

    fn passes(&self) -> usize {
        self.recent.iter().rev().take_while(|passed| **passed).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Moment = Moment(0);

    fn checked(mut health: Health, checks: &str, now: Moment) -> Health {
        for passed in Health::checks_of(checks) {
            health = health.after_check(passed, now);
        }
        health
    }

    #[test]
    fn words_and_variants_agree() {
        for (breaker, word) in Breaker::ALL {
            assert_eq!((breaker.as_str(), Breaker::from_word(word)), (word, breaker));
        }
        assert_eq!(Health::default().status(), "unknown");
        assert_eq!(checked(Health::default(), "10110", NOW).recent_word(), "10110");
    }

    #[test]
    fn single_failures_change_nothing_and_three_of_five_open() {
        for checks in ["0", "00", "0110", "00111", "0101", "0011100"] {
            let health = checked(Health::default(), checks, NOW);
            assert_eq!((health.breaker, health.status()), (Breaker::Closed, "healthy"), "{checks}");
        }
        for checks in ["000", "01010", "11100110000"] {
            let health = checked(Health::default(), checks, NOW);
            assert_eq!((health.breaker, health.status()), (Breaker::Open, "unhealthy"), "{checks}");
        }
    }

    #[test]
    fn open_refuses_until_its_time_and_then_lets_a_few_probe() {
        let health = checked(Health::default(), "000", NOW);
        let until = NOW.plus_seconds(30);
        assert_eq!(health.clone().permit(NOW).1, Permit::Refused { retry_at: until });
        let mut health = health;
        let mut granted = 0;
        for _ in 0..10 {
            let (next, permit) = health.permit(until);
            health = next;
            granted += i32::from(permit == Permit::Granted);
        }
        assert_eq!((granted, health.breaker), (PROBES_MAX, Breaker::HalfOpen));
        let (_, permit) = health.clone().permit(until.plus_seconds(29));
        assert_eq!(permit, Permit::Refused { retry_at: until.plus_seconds(30) });
        assert_eq!(health.permit(until.plus_seconds(30)).1, Permit::Granted);
    }

    #[test]
    fn two_passes_close_and_a_failure_opens_for_longer() {
        let later = NOW.plus_seconds(30);
        let open = checked(Health::default(), "000", NOW);
        let half = checked(open.clone(), "1", later);
        assert_eq!((half.breaker, half.status()), (Breaker::HalfOpen, "unhealthy"));
        assert_eq!(checked(half.clone(), "1", later).breaker, Breaker::Closed);
        let again = checked(half, "0", later);
        assert_eq!(
            (again.breaker, again.open_until),
            (Breaker::Open, Some(later.plus_seconds(60)))
        );
        let mut worse = again;
        for _ in 0..20 {
            let woken = worse.open_until.unwrap();
            worse = checked(worse, "0", woken);
            assert!(worse.open_until.unwrap() <= woken.plus_seconds(OPEN_SECONDS_MAX));
        }
    }

    #[test]
    fn once_closed_it_takes_as_many_failures_as_ever() {
        let closed = checked(checked(Health::default(), "000", NOW), "11", NOW.plus_seconds(30));
        assert_eq!(checked(closed.clone(), "00", NOW).breaker, Breaker::Closed);
        assert_eq!(checked(closed, "000", NOW).breaker, Breaker::Open);
    }
}
