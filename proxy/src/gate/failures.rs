//! Logins that failed: who goes on guessing waits longer each time, and is then kept out for a while.

use std::time::Duration;

use crate::gate::bans::Banned;
use crate::gate::bounded::{Bounded, Entry};
use crate::gate::network::Network;
use crate::gate::visitor::Visitor;

/// The wait after the second failure; it doubles with each.
const WAIT_MIN: Duration = Duration::from_millis(100);
/// The longest wait.
const WAIT_MAX: Duration = Duration::from_secs(3);

/// How many failures there may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Failures of one user from one address before it is banned; none is never.
    pub failures_max: Option<u32>,
    /// How long failures count.
    pub window: Duration,
    /// How long it is banned.
    pub ban: Duration,
    /// From where nobody is banned: where many clients share an address, as behind a tunnel.
    pub exempt: Vec<Network>,
}

/// What follows from a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Consequence {
    /// How long the answer waits.
    pub wait: Duration,
    /// Who is banned now.
    pub banned: Option<Banned>,
}

/// Who failed how often.
#[derive(Debug)]
pub(super) struct Failures(Bounded<Banned, Failed>);

#[derive(Debug)]
struct Failed {
    count: u32,
    last_ms: u64,
    /// How long they count.
    window_ms: u64,
}

impl Entry for Failed {
    fn used_at_ms(&self) -> u64 {
        self.last_ms
    }

    fn is_over(&self, now_ms: u64) -> bool {
        now_ms.saturating_sub(self.last_ms) > self.window_ms
    }
}

impl Failures {
    /// Of so many clients at most.
    pub(super) fn new(len_max: usize) -> Self {
        Self(Bounded::new(len_max))
    }

    /// Changes how many are kept.
    pub(super) fn set_len_max(&mut self, len_max: usize) {
        self.0.set_len_max(len_max);
    }

    /// One more.
    pub(super) fn add(
        &mut self,
        visitor: &Visitor,
        patience: &Patience,
        now_ms: u64,
    ) -> Consequence {
        let (Some(address), Some(who)) = (visitor.address, key(visitor)) else {
            return Consequence { wait: Duration::ZERO, banned: None };
        };
        let window_ms = u64::try_from(patience.window.as_millis()).unwrap_or(u64::MAX);
        let new = || Failed { count: 0, last_ms: now_ms, window_ms };
        let failed = self.0.get_or_insert_with(who.clone(), now_ms, new);
        if failed.is_over(now_ms) {
            failed.count = 0;
        }
        failed.count = failed.count.saturating_add(1);
        (failed.last_ms, failed.window_ms) = (now_ms, window_ms);
        let count = failed.count;
        let is_exempt = patience.exempt.iter().any(|network| network.contains(address));
        let is_enough = patience.failures_max.is_some_and(|max| count >= max);
        let banned = (is_enough && !is_exempt).then_some(who);
        if let Some(banned) = &banned {
            self.0.remove(banned);
        }
        Consequence { wait: wait(count), banned }
    }

    /// A success: the failures before it were slips.
    pub(super) fn forgive(&mut self, visitor: &Visitor) {
        if let Some(who) = key(visitor)
            && self.0.len() > 0
        {
            self.0.remove(&who);
        }
    }
}

fn key(visitor: &Visitor) -> Option<Banned> {
    let user = Some(visitor.user.clone());
    visitor.network().map(|network| Banned { network, user })
}

fn wait(count: u32) -> Duration {
    match count {
        0 | 1 => Duration::ZERO,
        count => WAIT_MIN.saturating_mul(1 << (count - 2).min(10)).min(WAIT_MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patience() -> Patience {
        Patience {
            failures_max: Some(5),
            window: Duration::from_secs(60),
            ban: Duration::from_secs(300),
            exempt: vec!["10.0.0.0/8".parse().unwrap()],
        }
    }

    fn visitor(address: &str) -> Visitor {
        Visitor { address: address.parse().ok(), user: "a".to_owned(), ..Visitor::default() }
    }

    #[test]
    fn who_guesses_waits_longer_and_longer_and_is_banned_then() {
        let mut failures = Failures::new(100);
        let waits: Vec<_> = (0..5)
            .map(|n| failures.add(&visitor("203.0.113.9"), &patience(), n))
            .map(|consequence| (consequence.wait.as_millis(), consequence.banned.is_some()))
            .collect();
        assert_eq!(waits, [(0, false), (100, false), (200, false), (400, false), (800, true)]);
        // The ban is the ban's; failures after it count anew.
        let next = failures.add(&visitor("203.0.113.9"), &patience(), 6);
        assert_eq!((next.wait, next.banned), (Duration::ZERO, None));
    }

    #[test]
    fn slips_are_forgiven_and_forgotten_and_shared_addresses_never_banned() {
        let mut failures = Failures::new(100);
        for _ in 0..4 {
            failures.add(&visitor("203.0.113.9"), &patience(), 0);
        }
        failures.forgive(&visitor("203.0.113.9"));
        assert_eq!(failures.add(&visitor("203.0.113.9"), &patience(), 1).wait, Duration::ZERO);
        for n in 0..9 {
            let apart = failures.add(&visitor("203.0.113.8"), &patience(), n * 60_001);
            assert_eq!(apart, Consequence { wait: Duration::ZERO, banned: None });
            let exempt = failures.add(&visitor("10.0.0.1"), &patience(), 0);
            assert_eq!(exempt.banned, None);
        }
        assert_eq!(wait(40), WAIT_MAX);
        assert_eq!(failures.add(&visitor(""), &patience(), 0).wait, Duration::ZERO);
    }
}
