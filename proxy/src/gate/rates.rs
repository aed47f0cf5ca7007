//! How often something may happen: rates, and the bucket that each client, user or database has of one.
//!
//! A bucket is the generic cell rate algorithm of the crate `governor`: one atomic number, no lock.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

use crate::gate::network::Network;
use crate::gate::refusal::Refusal;
use crate::gate::rules::About;
use crate::gate::visitor::Visitor;

type Limiter = RateLimiter<NotKeyed, InMemoryState, Ticks, NoOpMiddleware<Nanos>>;

/// The gate's time as all buckets see it. It is read off the system once for each statement, however many buckets that
/// draws from.
#[derive(Clone, Debug, Default)]
pub struct Ticks(Arc<AtomicU64>);

impl Ticks {
    /// It is so late by now. Threads may say so in any order.
    pub fn set(&self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.0.fetch_max(nanos, Ordering::Relaxed);
    }
}

impl Clock for Ticks {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        self.0.load(Ordering::Relaxed).into()
    }
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// Logins, those that fail included.
    Logins,
    /// Statements: each simple query, and each Execute of the extended protocol.
    Statements,
}

/// What shares one bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Each {
    /// All clients of one IPv4 address, or of one IPv6 /64.
    Address,
    /// All clients of one identity.
    Identity,
    /// All clients of one user.
    User,
    /// All clients of one database.
    Database,
    /// All clients.
    All,
}

/// So many in such a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rate {
    /// What operators call it.
    pub name: String,
    /// Of what.
    pub counted: Counted,
    /// For whom each.
    pub each: Each,
    /// How many in one period.
    pub max: NonZeroU32,
    /// How long the period is.
    pub period: Duration,
    /// How many at once.
    pub burst: NonZeroU32,
    /// Of which clients alone.
    pub about: About,
}

/// Whose bucket it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Whose {
    /// Of one address.
    Address(Network),
    /// Of one user or database.
    Name(String),
    /// Of all.
    All,
}

/// A rate that is in force, and how often it refused.
#[derive(Debug)]
pub struct Enforced {
    /// The rate.
    pub rate: Rate,
    /// How often it refused.
    pub refused: AtomicU64,
}

/// What is left of a rate for one of those that it is for.
#[derive(Debug)]
pub struct Bucket {
    limiter: Limiter,
    ticks: Ticks,
    enforced: Arc<Enforced>,
    /// When it was last drawn from, in milliseconds of the gate's time.
    used_at_ms: AtomicU64,
}

impl Rate {
    /// Whose bucket a visitor draws from; none when the rate is not about it. Who has no address, at the unix socket, has no
    /// rate by address.
    pub fn whose(&self, visitor: &Visitor) -> Option<Whose> {
        if !self.about.includes(visitor) {
            return None;
        }
        match self.each {
            Each::Address => visitor.network().map(Whose::Address),
            Each::Identity => visitor.identity.clone().map(Whose::Name),
            Each::User => Some(Whose::Name(visitor.user.clone())),
            Each::Database => Some(Whose::Name(visitor.database.clone())),
            Each::All => Some(Whose::All),
        }
    }

    /// How long an empty bucket takes until it is full.
    pub fn refill_time(&self) -> Duration {
        self.period.mul_f64(f64::from(self.burst.get()) / f64::from(self.max.get()))
    }

    fn quota(&self) -> Quota {
        // The configuration allows no period that is shorter than a nanosecond for each.
        let every = (self.period / self.max.get()).max(Duration::from_nanos(1));
        let quota = Quota::with_period(every).unwrap_or_else(|| Quota::per_second(self.max));
        quota.allow_burst(self.burst)
    }
}

impl Bucket {
    /// A full one.
    pub fn new(enforced: Arc<Enforced>, ticks: Ticks) -> Self {
        let limiter = RateLimiter::direct_with_clock(enforced.rate.quota(), ticks.clone());
        Self { limiter, ticks, enforced, used_at_ms: AtomicU64::new(0) }
    }

    /// The rate that it is of.
    pub fn rate(&self) -> &Rate {
        &self.enforced.rate
    }

    /// Draws one, at the time of the ticks.
    ///
    /// # Errors
    /// [`Refusal::TooFast`] with the time until there is one again.
    pub fn draw(&self, now_ms: u64) -> Result<(), Refusal> {
        self.used_at_ms.store(now_ms, Ordering::Relaxed);
        self.limiter.check().map_err(|until| {
            self.enforced.refused.fetch_add(1, Ordering::Relaxed);
            Refusal::TooFast {
                rate: self.rate().name.clone(),
                max: self.rate().max.get(),
                period: self.rate().period,
                wait: until.wait_time_from(self.ticks.now()),
            }
        })
    }

    /// When it was last drawn from.
    pub fn used_at_ms(&self) -> u64 {
        self.used_at_ms.load(Ordering::Relaxed)
    }

    /// True when it is full again and says nothing any more.
    pub fn is_full(&self, now_ms: u64) -> bool {
        let refill_ms = u64::try_from(self.rate().refill_time().as_millis()).unwrap_or(u64::MAX);
        now_ms.saturating_sub(self.used_at_ms()) > refill_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn rate(max: u32, period: Duration) -> Rate {
        let max = NonZeroU32::new(max).unwrap();
        Rate {
            name: "test".to_owned(),
            counted: Counted::Statements,
            each: Each::Address,
            max,
            period,
            burst: max,
            about: About::default(),
        }
    }

    #[test]
    fn a_hundred_a_minute_is_a_hundred_and_says_how_long_to_wait() {
        let enforced = Enforced { rate: rate(100, Duration::from_secs(60)), refused: 0.into() };
        let ticks = Ticks::default();
        let bucket = Bucket::new(Arc::new(enforced), ticks.clone());
        for _ in 0..100 {
            bucket.draw(1).unwrap();
        }
        let Err(Refusal::TooFast { wait, .. }) = bucket.draw(2) else { panic!("the 101st is in") };
        assert_eq!(wait, Duration::from_millis(600));
        ticks.set(Duration::from_millis(599));
        assert!(bucket.draw(2).is_err());
        ticks.set(Duration::from_millis(600));
        bucket.draw(2).unwrap();
        assert_eq!(bucket.enforced.refused.load(Ordering::Relaxed), 2);
        assert!(!bucket.is_full(60_000) && bucket.is_full(60_003));
    }

    #[test]
    fn a_visitor_draws_from_its_own() {
        let mut rate = rate(1, Duration::from_secs(1));
        let at = |address: &str| Visitor { address: address.parse().ok(), ..Visitor::default() };
        assert_eq!(rate.whose(&at("2001:db8::1")), rate.whose(&at("2001:db8::2")));
        assert_ne!(rate.whose(&at("2001:db8::1")), rate.whose(&at("2001:db8:0:1::1")));
        assert_eq!(rate.whose(&at("")), None);
        rate.each = Each::User;
        assert_eq!(rate.whose(&at("")), Some(Whose::Name(String::new())));
        rate.about.users = vec!["bob".to_owned()];
        assert_eq!(rate.whose(&at("")), None);
    }
}
