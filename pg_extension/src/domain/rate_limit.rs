//! Whether a call fits into an integration's limit: a fixed window or the generic cell rate
//! algorithm, and what the service itself said. It must not know how the state is kept; whoever
//! calls holds its lock.

use super::argument::Argument;
use super::moment::{MICROS_PER_SECOND, Moment};
use super::vocabulary::Vocabulary;
use crate::error::{DomainError, IntegrationError};

/// How many requests an integration may make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RateLimit {
    /// In one window, at least 1.
    pub(crate) requests: i32,
    pub(crate) window_micros: i64,
    /// At once, for [`Algorithm::Gcra`]; at least 1.
    pub(crate) burst: i32,
}

/// How requests are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    /// All requests of a window at any time in it.
    Window,
    /// Evenly, with bursts: a request may come when the ones before it are paid for.
    Gcra,
}

/// What was used, and what the service's headers said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct RateState {
    pub(crate) window_started_at: Option<Moment>,
    pub(crate) window_used: i32,
    /// The theoretical arrival time of [`Algorithm::Gcra`].
    pub(crate) arrival_at: Option<Moment>,
    pub(crate) remote_remaining: Option<i64>,
    pub(crate) remote_reset_at: Option<Moment>,
    pub(crate) blocked_until: Option<Moment>,
}

/// The answer to one attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decision {
    pub(crate) verdict: Verdict,
    /// Requests that would still be allowed now.
    pub(crate) remaining: i32,
    /// When everything is allowed again, if nobody calls.
    pub(crate) reset_at: Moment,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Allowed,
    Refused { reason: Reason, retry_at: Moment },
}

/// What stands in the way of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// Our own limit.
    Limit,
    /// The service said that nothing is left.
    Remote,
    /// The service said when to come back.
    RetryAfter,
    /// The circuit breaker.
    Breaker,
    /// The task's budget.
    Budget,
}

/// What becomes of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strictness {
    /// A row that says so.
    Report,
    /// An error.
    Strict,
}

const MODES: Vocabulary = Vocabulary(&["report", "strict"]);
const ALGORITHMS: Vocabulary = Vocabulary(&["window", "gcra"]);

impl Algorithm {
    /// Checks `p_algorithm`; NULL means `window`.
    ///
    /// # Errors
    /// 22023 for an unknown word.
    pub(crate) fn parse(value: Option<&str>) -> Result<Self, DomainError> {
        let word = ALGORITHMS.pick(Argument("p_algorithm"), value.unwrap_or("window"))?;
        Ok(if word == "gcra" { Self::Gcra } else { Self::Window })
    }
}

impl Strictness {
    /// Checks `p_mode`; NULL means `report`.
    ///
    /// # Errors
    /// 22023 for an unknown word.
    pub(crate) fn parse(value: Option<&str>) -> Result<Self, DomainError> {
        let word = MODES.pick(Argument("p_mode"), value.unwrap_or("report"))?;
        Ok(if word == "strict" { Self::Strict } else { Self::Report })
    }

    /// Lets an answer pass, except a refusal when strict.
    ///
    /// # Errors
    /// 53400 with how long to wait, or with the task whose budget is used up.
    pub(crate) fn accept(
        self,
        refusal: Option<(Reason, i32)>,
        integration: &str,
        task: Option<String>,
    ) -> Result<(), DomainError> {
        let Some((reason, retry_after_ms)) = refusal.filter(|_| self == Self::Strict) else {
            return Ok(());
        };
        Err(match (reason, task) {
            (Reason::Budget, Some(id)) => IntegrationError::BudgetExceeded { id }.into(),
            _ => IntegrationError::RateLimited {
                name: integration.to_owned(),
                reason: reason.as_str(),
                retry_after_ms,
            }
            .into(),
        })
    }
}

impl Decision {
    /// Why the call was refused and for how many milliseconds from `now`.
    pub(crate) fn refusal(&self, now: Moment) -> Option<(Reason, i32)> {
        match self.verdict {
            Verdict::Allowed => None,
            Verdict::Refused { reason, retry_at } => Some((reason, retry_at.millis_since(now))),
        }
    }

    /// When everything is allowed again; a budget that is used up has no such time.
    pub(crate) fn known_reset(&self) -> Option<Moment> {
        (self.reset_at.0 < i64::MAX).then_some(self.reset_at)
    }
}

impl Reason {
    /// The word of the column `reason`.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Limit => "limit",
            Self::Remote => "remote",
            Self::RetryAfter => "retry_after",
            Self::Breaker => "breaker",
            Self::Budget => "budget",
        }
    }
}

impl RateLimit {
    /// Checks `p_cost` against the limit; NULL means 1.
    ///
    /// # Errors
    /// 22023 for less than 1 or more than could ever be allowed.
    pub(crate) fn cost(&self, cost: Option<i32>, algorithm: Algorithm) -> Result<i32, DomainError> {
        let most = match algorithm {
            Algorithm::Window => self.requests,
            Algorithm::Gcra => self.burst,
        };
        Argument("p_cost").within(cost.unwrap_or(1), 1, most)
    }

    /// Microseconds that one request takes of the rate, at least 1.
    fn interval_micros(&self) -> i64 {
        (self.window_micros / i64::from(self.requests)).max(1)
    }
}

impl RateState {
    /// Whether `cost` requests may be made now, and the state afterwards; a refusal changes
    /// nothing.
    pub(crate) fn acquire(
        self,
        limit: &RateLimit,
        algorithm: Algorithm,
        cost: i32,
        now: Moment,
    ) -> (Self, Decision) {
        if let Some((reason, retry_at)) = self.remote_refusal(i64::from(cost), now) {
            let verdict = Verdict::Refused { reason, retry_at };
            return (self, Decision { verdict, remaining: 0, reset_at: retry_at });
        }
        let (next, decision) = match algorithm {
            Algorithm::Window => self.window(limit, cost, now),
            Algorithm::Gcra => self.gcra(limit, cost, now),
        };
        match decision.verdict {
            Verdict::Allowed => next.charged_remotely(decision, cost, now),
            Verdict::Refused { .. } => (self, decision),
        }
    }

    fn remote_refusal(&self, cost: i64, now: Moment) -> Option<(Reason, Moment)> {
        if let Some(until) = self.blocked_until.filter(|until| *until > now) {
            return Some((Reason::RetryAfter, until));
        }
        let (remaining, reset_at) = self.remote_standing(now)?;
        (remaining < cost).then_some((Reason::Remote, reset_at))
    }

    /// What the service said is left, while that holds.
    fn remote_standing(&self, now: Moment) -> Option<(i64, Moment)> {
        let reset_at = self.remote_reset_at.filter(|reset_at| *reset_at > now)?;
        Some((self.remote_remaining?, reset_at))
    }

    fn window(mut self, limit: &RateLimit, cost: i32, now: Moment) -> (Self, Decision) {
        // Started later than now: the clock went back, or another session's was read later.
        let running = self.window_started_at.filter(|start| now < start.plus(limit.window_micros));
        let start = running.unwrap_or(now);
        let used = if running.is_some() { self.window_used } else { 0 };
        let reset_at = start.plus(limit.window_micros);
        if used > limit.requests - cost {
            let verdict = Verdict::Refused { reason: Reason::Limit, retry_at: reset_at };
            let remaining = (limit.requests - used).max(0);
            return (self, Decision { verdict, remaining, reset_at });
        }
        (self.window_started_at, self.window_used) = (Some(start), used + cost);
        let remaining = limit.requests - self.window_used;
        (self, Decision { verdict: Verdict::Allowed, remaining, reset_at })
    }

    fn gcra(mut self, limit: &RateLimit, cost: i32, now: Moment) -> (Self, Decision) {
        let interval = limit.interval_micros();
        let tolerance = interval * i64::from(limit.burst);
        let arrival = self.arrival_at.map_or(now, |arrival| arrival.max(now));
        let next = arrival.plus(interval * i64::from(cost));
        let left = |arrival: Moment| {
            let micros = now.0.saturating_add(tolerance).saturating_sub(arrival.0).max(0);
            i32::try_from(micros / interval).unwrap_or(i32::MAX)
        };
        let retry_at = next.plus(-tolerance);
        if retry_at > now {
            let verdict = Verdict::Refused { reason: Reason::Limit, retry_at };
            return (self, Decision { verdict, remaining: left(arrival), reset_at: arrival });
        }
        self.arrival_at = Some(next);
        let decision =
            Decision { verdict: Verdict::Allowed, remaining: left(next), reset_at: next };
        (self, decision)
    }

    fn charged_remotely(mut self, own: Decision, cost: i32, now: Moment) -> (Self, Decision) {
        let Some((remaining, _)) = self.remote_standing(now) else { return (self, own) };
        let left = remaining - i64::from(cost);
        self.remote_remaining = Some(left);
        let remaining = own.remaining.min(i32::try_from(left).unwrap_or(i32::MAX));
        (self, Decision { remaining, ..own })
    }
}

/// The limit as its row has it: requests in the window, or what a rate a minute comes to in it.
pub(crate) fn limit_of(
    requests: Option<i32>,
    per_minute: i32,
    window_seconds: i32,
    burst: Option<i32>,
) -> RateLimit {
    let of_minute = || i64::from(per_minute) * i64::from(window_seconds) / 60;
    let requests = requests.map_or_else(of_minute, i64::from).clamp(1, i64::from(i32::MAX));
    let requests = i32::try_from(requests).unwrap_or(i32::MAX);
    RateLimit {
        requests,
        window_micros: i64::from(window_seconds) * MICROS_PER_SECOND,
        burst: burst.map_or(requests, |burst| burst.min(requests)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: RateLimit = RateLimit { requests: 6, window_micros: 60_000_000, burst: 3 };

    fn at(seconds: i64) -> Moment {
        Moment(1_000_000_000).plus_seconds(seconds)
    }

    /// How many of `attempts` at one moment are allowed.
    fn allowed(state: &mut RateState, algorithm: Algorithm, attempts: usize, now: Moment) -> usize {
        let attempt = |_: &usize| {
            let (next, decision) = state.acquire(&LIMIT, algorithm, 1, now);
            *state = next;
            decision.verdict == Verdict::Allowed
        };
        (0..attempts).filter(attempt).count()
    }

    #[test]
    fn a_window_allows_its_requests_and_begins_anew() {
        let mut state = RateState::default();
        assert_eq!(allowed(&mut state, Algorithm::Window, 10, at(0)), 6);
        assert_eq!(allowed(&mut state, Algorithm::Window, 10, at(59)), 0);
        let (_, refused) = state.acquire(&LIMIT, Algorithm::Window, 1, at(59));
        let verdict = Verdict::Refused { reason: Reason::Limit, retry_at: at(60) };
        assert_eq!(refused, Decision { verdict, remaining: 0, reset_at: at(60) });
        assert_eq!(allowed(&mut state, Algorithm::Window, 10, at(60)), 6);
    }

    #[test]
    fn gcra_allows_a_burst_and_then_the_rate() {
        let mut state = RateState::default();
        assert_eq!(allowed(&mut state, Algorithm::Gcra, 10, at(0)), 3);
        let (_, refused) = state.acquire(&LIMIT, Algorithm::Gcra, 1, at(0));
        let verdict = Verdict::Refused { reason: Reason::Limit, retry_at: at(10) };
        assert_eq!(refused.verdict, verdict, "one request every ten seconds");
        assert_eq!(allowed(&mut state, Algorithm::Gcra, 10, at(10)), 1);
        assert_eq!(allowed(&mut state, Algorithm::Gcra, 10, at(35)), 2);
        assert_eq!(allowed(&mut state, Algorithm::Gcra, 10, at(500)), 3, "no more than the burst");
    }

    #[test]
    fn over_any_time_gcra_allows_the_burst_and_the_rate() {
        let (mut state, mut random) = (RateState::default(), 42_u64);
        let (mut now, mut count) = (at(0), 0);
        for _ in 0..10_000 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            now = now.plus(i64::try_from(random >> 44).unwrap());
            count += allowed(&mut state, Algorithm::Gcra, 1, now);
            let elapsed = now.0 - at(0).0;
            let most = 3 + elapsed / LIMIT.interval_micros();
            assert!(i64::try_from(count).unwrap() <= most, "{count} of {most}");
        }
        assert!(count > 500, "{count}");
    }

    #[test]
    fn a_cost_takes_as_many_requests() {
        let state = RateState::default();
        let (state, decision) = state.acquire(&LIMIT, Algorithm::Window, 4, at(0));
        assert_eq!((decision.verdict, decision.remaining), (Verdict::Allowed, 2));
        let (_, decision) = state.acquire(&LIMIT, Algorithm::Window, 3, at(0));
        assert_eq!(decision.remaining, 2);
        assert_ne!(decision.verdict, Verdict::Allowed);
        assert_eq!(LIMIT.cost(Some(7), Algorithm::Window).unwrap_err().sqlstate(), "22023");
        assert_eq!(LIMIT.cost(Some(4), Algorithm::Gcra).unwrap_err().sqlstate(), "22023");
        assert_eq!(LIMIT.cost(Some(0), Algorithm::Window).unwrap_err().sqlstate(), "22023");
        assert_eq!(LIMIT.cost(None, Algorithm::Window), Ok(1));
    }

    #[test]
    fn what_the_service_said_is_heeded_until_its_time_is_over() {
        let mut state = RateState {
            remote_remaining: Some(2),
            remote_reset_at: Some(at(30)),
            ..RateState::default()
        };
        assert_eq!(allowed(&mut state, Algorithm::Window, 10, at(0)), 2);
        let (_, refused) = state.acquire(&LIMIT, Algorithm::Window, 1, at(1));
        let verdict = Verdict::Refused { reason: Reason::Remote, retry_at: at(30) };
        assert_eq!(refused.verdict, verdict);
        assert_eq!(allowed(&mut state, Algorithm::Window, 10, at(30)), 4);
        state.blocked_until = Some(at(200));
        let (_, refused) = state.acquire(&LIMIT, Algorithm::Window, 1, at(100));
        let verdict = Verdict::Refused { reason: Reason::RetryAfter, retry_at: at(200) };
        assert_eq!(refused.verdict, verdict);
        assert_eq!(allowed(&mut state, Algorithm::Window, 10, at(200)), 6);
    }

    #[test]
    fn a_limit_comes_from_its_row() {
        assert_eq!(limit_of(None, 60, 60, None).requests, 60);
        assert_eq!(limit_of(None, 83, 3600, None).requests, 4980);
        assert_eq!(limit_of(Some(5000), 83, 3600, Some(10)).burst, 10);
        assert_eq!(
            limit_of(None, 1, 1, Some(10)),
            RateLimit { requests: 1, window_micros: 1_000_000, burst: 1 }
        );
    }
}
