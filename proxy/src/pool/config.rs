//! The settings of a pool. Every one has a unit, a default (the seed's) and a bound, which `config.rs` checks.

use std::sync::Arc;
use std::time::Duration;

use crate::backend::statement::StatementLimits;
use crate::pool::overdue::{OwnTimeouts, Timeouts};

/// When a client gives its server connection back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PoolMode {
    /// When the client leaves.
    Session,
    /// At the end of each transaction.
    #[default]
    Transaction,
}

/// When server connections are tested, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Test {
    /// Before an idle one is given to a client.
    pub on_borrow: Testing,
    /// Before one that a client gave back is given to another.
    pub on_return: Testing,
    /// While it is idle.
    pub while_idle: Testing,
    /// The statement that has to succeed. Empty for a look at the connection itself, which costs no round trip on borrow
    /// and return, and one Sync while idle.
    pub query: Arc<str>,
    /// How long a connection may be idle untested.
    pub idle_interval: Duration,
}

/// Whether connections are tested at some point of their life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Testing {
    /// They are.
    On,
    /// They are taken as they are.
    Off,
}

impl Default for Test {
    fn default() -> Self {
        Self {
            on_borrow: Testing::On,
            on_return: Testing::On,
            while_idle: Testing::On,
            query: Arc::from(""),
            idle_interval: Duration::from_millis(30_000),
        }
    }
}

impl Test {
    /// True when a client's connection costs a round trip before the client gets it.
    pub fn asks_on_borrow(&self) -> bool {
        self.on_borrow == Testing::On && !self.query.is_empty()
    }

    /// True when a connection costs a round trip after a client gave it back.
    pub fn asks_on_return(&self) -> bool {
        self.on_return == Testing::On && !self.query.is_empty()
    }
}

/// Settings of one pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// When a client gives its server connection back.
    pub mode: PoolMode,
    /// Server connections kept open once there was a client.
    pub min: usize,
    /// Server connections at most.
    pub max: usize,
    /// Server connections beyond `max` for clients that have waited for `reserve_after`.
    pub reserve: usize,
    /// How long a client waits before the reserve is opened.
    pub reserve_after: Duration,
    /// How long a request waits for a server connection.
    pub acquire_timeout: Duration,
    /// How long a server connection above `min` may be idle.
    pub idle_timeout: Duration,
    /// How long cleaning up behind a client may take before the connection is closed instead.
    pub destroy_timeout: Duration,
    /// How often idle and old connections are looked for.
    pub reap_interval: Duration,
    /// Pause between attempts to connect.
    pub connect_retry_interval: Duration,
    /// How long attempts may fail before waiting requests are refused.
    pub down_after: Duration,
    /// Clients served before a connection is replaced.
    pub max_uses: u32,
    /// Age at which a connection is replaced at the latest.
    pub max_lifetime: Duration,
    /// When connections are tested, and how.
    pub test: Test,
    /// How long clients may take.
    pub timeouts: Timeouts,
    /// How much is kept of prepared statements.
    pub statements: StatementLimits,
    /// Requests that may wait at once.
    pub queue_len_max: usize,
    /// Pools (pairs of database and user) that a worker keeps at most.
    pub pools_max: usize,
}

/// What differs for the pools of one database or of one user. What is none is as for all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// In place of [`Config::mode`].
    pub mode: Option<PoolMode>,
    /// In place of [`Config::min`]; never more than there may be connections.
    pub min: Option<usize>,
    /// In place of [`Config::max`].
    pub max: Option<usize>,
    /// In place of [`Config::reserve`].
    pub reserve: Option<usize>,
    /// In place of [`Config::acquire_timeout`].
    pub acquire_timeout: Option<Duration>,
    /// In place of [`Config::max_lifetime`].
    pub max_lifetime: Option<Duration>,
    /// In place of some of [`Config::timeouts`].
    pub timeouts: OwnTimeouts,
}

impl Config {
    /// The same with what is given here.
    #[must_use]
    pub fn with(&self, own: &Overrides) -> Self {
        let max = own.max.unwrap_or(self.max);
        Self {
            mode: own.mode.unwrap_or(self.mode),
            min: own.min.unwrap_or(self.min).min(max),
            max,
            reserve: own.reserve.unwrap_or(self.reserve),
            acquire_timeout: own.acquire_timeout.unwrap_or(self.acquire_timeout),
            max_lifetime: own.max_lifetime.unwrap_or(self.max_lifetime),
            timeouts: self.timeouts.with(&own.timeouts),
            ..self.clone()
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            mode: PoolMode::default(),
            min: 2,
            max: 10,
            reserve: 0,
            reserve_after: Duration::from_millis(5_000),
            acquire_timeout: Duration::from_millis(30_000),
            idle_timeout: Duration::from_millis(10_000),
            destroy_timeout: Duration::from_millis(5_000),
            reap_interval: Duration::from_millis(1_000),
            connect_retry_interval: Duration::from_millis(200),
            down_after: Duration::from_millis(5_000),
            max_uses: 7_500,
            max_lifetime: Duration::from_secs(3_600),
            test: Test::default(),
            timeouts: Timeouts::default(),
            statements: StatementLimits::default(),
            queue_len_max: 10_000,
            pools_max: 1_000,
        }
    }
}
