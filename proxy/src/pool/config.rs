//! The settings of a pool. Every one has a unit, a default (the seed's) and a bound, which `config.rs` checks.

use std::time::Duration;

/// When a client gives its server connection back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PoolMode {
    /// When the client leaves.
    Session,
    /// At the end of each transaction.
    #[default]
    Transaction,
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
    /// Age at which a connection is replaced.
    pub max_lifetime: Duration,
    /// Named statements kept on each server connection.
    pub statements_max: usize,
    /// Requests that may wait at once.
    pub queue_len_max: usize,
    /// Pools (pairs of database and user) that a worker keeps at most.
    pub pools_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            mode: PoolMode::default(),
            min: 2,
            max: 10,
            acquire_timeout: Duration::from_millis(30_000),
            idle_timeout: Duration::from_millis(10_000),
            destroy_timeout: Duration::from_millis(5_000),
            reap_interval: Duration::from_millis(1_000),
            connect_retry_interval: Duration::from_millis(200),
            down_after: Duration::from_millis(5_000),
            max_uses: 7_500,
            max_lifetime: Duration::from_secs(3_600),
            statements_max: 200,
            queue_len_max: 10_000,
            pools_max: 1_000,
        }
    }
}
