//! Who may come in, and how often: rules, rates, failed logins and bans, the same for all workers.
//!
//! Pure: what time it is it knows itself, but no socket. Touched at logins, and through a session's [`Toll`] once for each
//! statement, without a lock.

mod bans;
mod bounded;
mod failures;
mod network;
mod rates;
mod refusal;
mod rules;
mod toll;
mod visitor;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bans::Bans;
pub use bans::{Ban, Banned, TooManyBans};
use bounded::{Bounded, Entry};
use failures::Failures;
pub use failures::Patience;
pub use network::{Network, NoNetwork};
use rates::Ticks;
pub use rates::{Bucket, Counted, Each, Enforced, Rate, Whose};
pub use refusal::{AtLogin, Refusal};
pub use rules::{About, Rule, Rules, Verdict};
pub use toll::Toll;
pub use visitor::{Country, Entrance, NoCountry, Visitor};

/// What the gate is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Who is let in, the first rule that matches.
    pub rules: Vec<Rule>,
    /// Where none matches.
    pub otherwise: Verdict,
    /// How often what may happen.
    pub rates: Vec<Rate>,
    /// What failed logins lead to.
    pub patience: Patience,
    /// Clients that are remembered at most, for each of rates, failures and bans.
    pub tracked_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        let shared = ["127.0.0.0/8", "::1"].iter().filter_map(|network| network.parse().ok());
        Self {
            rules: Vec::new(),
            otherwise: Verdict::Allow,
            rates: Vec::new(),
            patience: Patience {
                failures_max: Some(20),
                window: Duration::from_secs(300),
                ban: Duration::from_secs(300),
                exempt: shared.collect(),
            },
            tracked_max: 200_000,
        }
    }
}

/// Which settings hold; another one means that they are others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Generation(u32);

impl Generation {
    /// Before there were any.
    pub const NONE: Self = Self(0);
}

/// The gate.
#[derive(Debug)]
pub struct Gate {
    began: Instant,
    ticks: Ticks,
    generation: AtomicU32,
    settings: Mutex<Arc<Settings>>,
    buckets: Mutex<Bounded<(String, Whose), Arc<Bucket>>>,
    bans: Mutex<Bans>,
    failures: Mutex<Failures>,
}

#[derive(Debug)]
struct Settings {
    config: Config,
    rules: Rules,
    rates: Vec<Arc<Enforced>>,
}

/// A rule or a rate as operators see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Limit {
    /// A rule, and how often it has decided.
    Rule(Rule, u64),
    /// A rate, how many buckets of it there are, and how often it refused.
    Rate(Rate, usize, u64),
}

impl Gate {
    /// A gate that nobody has come to.
    pub fn new(config: Config) -> Arc<Self> {
        let tracked_max = config.tracked_max;
        Arc::new(Self {
            began: Instant::now(),
            ticks: Ticks::default(),
            generation: AtomicU32::new(1),
            settings: Mutex::new(Arc::new(Settings::new(config, None))),
            buckets: Mutex::new(Bounded::new(tracked_max)),
            bans: Mutex::new(Bans::new(tracked_max)),
            failures: Mutex::new(Failures::new(tracked_max)),
        })
    }

    /// Goes on with these settings. What was drawn from rates that stay as they are stays drawn; bans stay.
    pub fn adopt(&self, config: Config) {
        let mut settings = lock(&self.settings);
        if settings.config == config {
            return;
        }
        let tracked_max = config.tracked_max;
        let next = Arc::new(Settings::new(config, Some(&settings)));
        let mut buckets = lock(&self.buckets);
        buckets.set_len_max(tracked_max);
        buckets
            .retain(|_, bucket| next.rates.iter().any(|enforced| enforced.rate == *bucket.rate()));
        lock(&self.bans).set_len_max(tracked_max);
        lock(&self.failures).set_len_max(tracked_max);
        *settings = next;
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// Which settings hold.
    pub fn generation(&self) -> Generation {
        Generation(self.generation.load(Ordering::Acquire))
    }

    /// The gate's time, in milliseconds.
    pub fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// The same, and buckets count from there.
    pub fn tick(&self) -> u64 {
        let time = self.began.elapsed();
        self.ticks.set(time);
        u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
    }

    /// Whether a visitor may try to log in.
    ///
    /// # Errors
    /// Why not.
    pub fn admit(&self, visitor: &Visitor) -> Result<(), Refusal> {
        let now_ms = self.tick();
        lock(&self.bans).judge(visitor, now_ms)?;
        let settings = self.settings();
        settings.rules.judge(visitor).map_err(|rule| Refusal::KeptOut { rule })?;
        let buckets = self.buckets_of(&settings, visitor, Counted::Logins);
        buckets.iter().try_for_each(|bucket| bucket.draw(now_ms))
    }

    /// The visitor did not prove who it is. Gives how long its answer is to wait.
    pub fn failed(&self, visitor: &Visitor) -> Duration {
        let now_ms = self.now_ms();
        let patience = self.settings().config.patience.clone();
        let consequence = lock(&self.failures).add(visitor, &patience, now_ms);
        if let Some(banned) = consequence.banned {
            let until_ms = now_ms + u64::try_from(patience.ban.as_millis()).unwrap_or(u64::MAX / 2);
            let reason = "too many failed logins".to_owned();
            tracing::warn!(network = %banned.network, user = visitor.user, reason, "a client is banned");
            let ban = Ban { reason, since_ms: now_ms, until_ms: Some(until_ms) };
            lock(&self.bans).earn(banned, ban);
        }
        consequence.wait
    }

    /// The visitor has proved who it is.
    pub fn succeeded(&self, visitor: &Visitor) {
        lock(&self.failures).forgive(visitor);
    }

    /// The buckets that a visitor's statements draw from.
    pub fn statement_buckets(&self, visitor: &Visitor) -> Vec<Arc<Bucket>> {
        self.buckets_of(&self.settings(), visitor, Counted::Statements)
    }

    /// Keeps a network out, for this long or until it is taken back.
    ///
    /// # Errors
    /// [`TooManyBans`].
    pub fn ban(&self, network: Network, time: Option<Duration>) -> Result<(), TooManyBans> {
        let since_ms = self.now_ms();
        let until_ms = time.map(|time| {
            since_ms.saturating_add(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
        });
        let ban = Ban { reason: "by an operator".to_owned(), since_ms, until_ms };
        lock(&self.bans).name(network, ban)
    }

    /// Takes bans of a network back. Gives how many.
    pub fn unban(&self, network: Network) -> usize {
        lock(&self.bans).take_back(network)
    }

    /// The bans that are in force, the newest first.
    pub fn bans(&self) -> Vec<(Banned, Ban)> {
        lock(&self.bans).list(self.now_ms())
    }

    /// The rules and the rates, in their order.
    pub fn limits(&self) -> Vec<Limit> {
        let settings = self.settings();
        let buckets = lock(&self.buckets);
        let of = |name: &str| buckets.iter().filter(|((rate, _), _)| rate == name).count();
        let rules = settings.rules.counted().map(|(rule, count)| Limit::Rule(rule.clone(), count));
        let rates = settings.rates.iter().map(|enforced| {
            let refused = enforced.refused.load(Ordering::Relaxed);
            Limit::Rate(enforced.rate.clone(), of(&enforced.rate.name), refused)
        });
        rules.chain(rates).collect()
    }

    fn settings(&self) -> Arc<Settings> {
        Arc::clone(&lock(&self.settings))
    }

    fn buckets_of(
        &self,
        settings: &Settings,
        visitor: &Visitor,
        counted: Counted,
    ) -> Vec<Arc<Bucket>> {
        let rates = settings.rates.iter().filter(|enforced| enforced.rate.counted == counted);
        let drawn = rates.filter_map(|enforced| {
            let whose = enforced.rate.whose(visitor)?;
            let key = (enforced.rate.name.clone(), whose);
            let new = || Arc::new(Bucket::new(Arc::clone(enforced), self.ticks.clone()));
            let mut buckets = lock(&self.buckets);
            Some(Arc::clone(buckets.get_or_insert_with(key, self.now_ms(), new)))
        });
        drawn.collect()
    }
}

impl Settings {
    /// Rates that are as they were go on counting.
    fn new(config: Config, before: Option<&Self>) -> Self {
        let known = |rate: &Rate| {
            let mut known = before.iter().flat_map(|before| &before.rates);
            known.find(|enforced| enforced.rate == *rate).cloned()
        };
        let enforce = |rate: &Rate| {
            let new = || Arc::new(Enforced { rate: rate.clone(), refused: 0.into() });
            known(rate).unwrap_or_else(new)
        };
        Self {
            rules: Rules::new(config.rules.clone(), config.otherwise),
            rates: config.rates.iter().map(enforce).collect(),
            config,
        }
    }
}

impl Entry for Arc<Bucket> {
    fn used_at_ms(&self) -> u64 {
        Bucket::used_at_ms(self)
    }

    fn is_over(&self, now_ms: u64) -> bool {
        self.is_full(now_ms)
    }

    fn is_held(&self) -> bool {
        Self::strong_count(self) > 1
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    fn rate(name: &str, counted: Counted, max: u32) -> Rate {
        let max = NonZeroU32::new(max).unwrap();
        let (name, period) = (name.to_owned(), Duration::from_secs(60));
        Rate {
            name,
            counted,
            each: Each::Address,
            max,
            period,
            burst: max,
            about: About::default(),
        }
    }

    fn visitor(address: &str) -> Visitor {
        Visitor { address: address.parse().ok(), user: "a".to_owned(), ..Visitor::default() }
    }

    fn pay_first(toll: &mut Toll) -> Result<(), Refusal> {
        toll.renew(|| visitor("203.0.113.1"));
        toll.pay_first()
    }

    #[test]
    fn sessions_of_one_address_share_and_new_settings_reach_them() {
        let rates = vec![rate("few", Counted::Statements, 3)];
        let gate = Gate::new(Config { rates, ..Config::default() });
        let (here, there) = (visitor("203.0.113.1"), visitor("203.0.113.2"));
        let mut first = Toll::new(Arc::clone(&gate), here.clone());
        let mut second = Toll::new(Arc::clone(&gate), here.clone());
        let mut other = Toll::new(Arc::clone(&gate), there.clone());
        pay_first(&mut first).unwrap();
        first.pay().unwrap();
        first.pay().unwrap();
        second.pay().unwrap();
        assert!(pay_first(&mut first).is_err() && second.pay().is_err());
        other.pay().unwrap();
        let Limit::Rate(_, buckets, refused) = &gate.limits()[0] else { panic!("no rate") };
        assert_eq!((*buckets, *refused), (2, 2));

        gate.adopt(Config {
            rates: vec![rate("few", Counted::Statements, 4)],
            ..Config::default()
        });
        pay_first(&mut first).unwrap();
        gate.adopt(Config::default());
        for _ in 0..9 {
            pay_first(&mut first).unwrap();
            first.pay().unwrap();
        }
        gate.adopt(Config {
            rates: vec![rate("few", Counted::Statements, 1)],
            ..Config::default()
        });
        pay_first(&mut second).unwrap();
        assert!(pay_first(&mut first).is_err());
    }

    #[test]
    fn what_was_drawn_stays_drawn_when_other_settings_change() {
        let rates = vec![rate("logins", Counted::Logins, 2)];
        let gate = Gate::new(Config { rates: rates.clone(), ..Config::default() });
        gate.admit(&visitor("203.0.113.1")).unwrap();
        gate.admit(&visitor("203.0.113.1")).unwrap();
        gate.adopt(Config { rates, otherwise: Verdict::Deny, ..Config::default() });
        let refusal = gate.admit(&visitor("203.0.113.1"));
        assert_eq!(refusal, Err(Refusal::KeptOut { rule: None }));
        gate.adopt(Config { rates: gate.settings().config.rates.clone(), ..Config::default() });
        let refusal = gate.admit(&visitor("203.0.113.1"));
        assert!(matches!(refusal, Err(Refusal::TooFast { .. })), "{refusal:?}");
        gate.admit(&visitor("203.0.113.2")).unwrap();
    }

    #[test]
    fn guessing_leads_to_a_ban_of_the_guesser_alone() {
        let mut config = Config::default();
        config.patience.failures_max = Some(3);
        let gate = Gate::new(config);
        for _ in 0..3 {
            gate.admit(&visitor("203.0.113.1")).unwrap();
            gate.failed(&visitor("203.0.113.1"));
        }
        let refusal = gate.admit(&visitor("203.0.113.1"));
        assert!(matches!(refusal, Err(Refusal::Banned { left: Some(_), .. })), "{refusal:?}");
        gate.admit(&visitor("203.0.113.2")).unwrap();
        assert_eq!(gate.unban("203.0.113.0/24".parse().unwrap()), 1);
        gate.admit(&visitor("203.0.113.1")).unwrap();
    }
}
