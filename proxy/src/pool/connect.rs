//! Opening server connections for a pool, and what is known of a server that cannot be reached.
//!
//! Knows the pool's shell. Must not know who waits or why.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::rand;
use tokio::time::sleep;

use crate::backend::dial::{ConnectError, dial};
use crate::backend::server::Server;
use crate::pool::config::Config;
use crate::pool::shell::Pool;
use crate::pool::state::ConnectPermit;

/// Since when the server refuses connections, and with which error.
#[derive(Debug, Default)]
pub struct Outage(Option<Failing>);

/// How often the log says that there still is none.
const TOLD_EVERY: Duration = Duration::from_secs(60);

#[derive(Debug)]
struct Failing {
    since: Instant,
    told_at: Option<Instant>,
    last_attempt: Instant,
    error: Rc<ConnectError>,
}

impl Outage {
    /// The last error, while attempts fail.
    pub fn error(&self) -> Option<Rc<ConnectError>> {
        self.0.as_ref().map(|failing| Rc::clone(&failing.error))
    }

    /// True while attempts fail.
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// The error for a request that need not wait: the outage is an old one and the last attempt was just now.
    pub fn refuses_now(&self, config: &Config) -> Option<Rc<ConnectError>> {
        let failing = self.0.as_ref()?;
        let known = failing.since.elapsed() > config.down_after || !failing.error.is_transient();
        let fresh = failing.last_attempt.elapsed() < config.connect_retry_interval;
        (known && fresh).then(|| Rc::clone(&failing.error))
    }

    /// Forgets it: the next attempt is made somewhere else.
    pub fn forget(&mut self) {
        self.0 = None;
    }

    fn note(&mut self, error: Rc<ConnectError>) {
        let now = Instant::now();
        let before = self.0.take();
        let since = before.as_ref().map_or(now, |failing| failing.since);
        let told_at = before.and_then(|failing| failing.told_at);
        self.0 = Some(Failing { since, told_at, last_attempt: now, error });
    }

    /// True when it is time to tell an operator: clients that try again are not to become a flood of lines.
    fn is_to_be_told(&mut self) -> bool {
        let Some(failing) = &mut self.0 else { return false };
        let is_due = failing.told_at.is_none_or(|told| told.elapsed() > TOLD_EVERY);
        if is_due {
            failing.told_at = Some(Instant::now());
        }
        is_due
    }

    fn may_pass(&self, config: &Config) -> bool {
        let Some(failing) = &self.0 else { return true };
        failing.since.elapsed() <= config.down_after && failing.error.is_transient()
    }
}

/// Opens one connection, trying again while requests wait and the failure may pass. Gives the permit back in the end.
///
/// # Cancel safety
/// Not cancel safe: dropped midway, the permit is lost. Run it as a task of its own.
pub async fn connect(pool: Rc<Pool>, permit: ConnectPermit) {
    loop {
        let era = pool.era.get();
        match attempt(&pool).await {
            Ok(server) if pool.era.get() == era => return pool.adopt(permit, server),
            // An operator has moved the pool meanwhile.
            Ok(mut server) => {
                server.say_goodbye();
                continue;
            }
            Err(_) if pool.era.get() != era => continue,
            Err(error) => pool.outage.borrow_mut().note(Rc::new(error)),
        }
        let hopeful = pool.outage.borrow().may_pass(&pool.terms().config);
        if !hopeful || pool.state.borrow().waiting_len() == 0 {
            return give_up(&pool, permit);
        }
        sleep(pool.terms().config.connect_retry_interval).await;
    }
}

async fn attempt(pool: &Rc<Pool>) -> Result<Box<Server>, ConnectError> {
    let (secret, terms) = (pool.secret(), pool.terms());
    let dialed = dial(&terms.target, &pool.login_as(&secret, &terms)).await?;
    if let Some(failing) = pool.outage.borrow_mut().0.take() {
        tracing::info!(pool = %pool.key, after_ms = failing.since.elapsed().as_millis(), "the server is back");
    }
    let config = &terms.config;
    let mut server = Box::new(Server::new(dialed, Arc::clone(&terms.target), config.statements));
    server.retires_at = server.created_at.checked_add(lifetime(config.max_lifetime, chance()));
    server.schema = pool.interner.borrow().schema().clone();
    pool.greetings.borrow_mut().learn(&server);
    Ok(server)
}

/// A lifetime up to a tenth shorter than the longest, so that connections made together do not end together.
fn lifetime(longest: Duration, chance: f64) -> Duration {
    longest.mul_f64(1.0 - chance.clamp(0.0, 1.0) / 10.0)
}

/// A number from 0 to 1.
fn chance() -> f64 {
    let mut bytes = [0; 2];
    rand::fill(&mut bytes).expect("the system's random source never fails on Linux");
    f64::from(u16::from_ne_bytes(bytes)) / f64::from(u16::MAX)
}

fn give_up(pool: &Rc<Pool>, permit: ConnectPermit) {
    pool.state.borrow_mut().connect_failed(permit);
    pool.account();
    let Some(error) = pool.outage.borrow().error() else { return };
    if error.is_transient() && pool.outage.borrow_mut().is_to_be_told() {
        tracing::warn!(pool = %pool.key, %error, "no server connection");
    } else {
        // Told already, or the server is well and has refused this client's database or role: the client is told, and
        // logged by its login.
        tracing::debug!(pool = %pool.key, %error, "no server connection");
    }
    if !pool.can_wait_for_others(&error) {
        pool.refuse_waiters(&error);
    }
}

impl Pool {
    /// True when a request that gets no connection of its own may yet be served by one that is in use.
    pub(super) fn can_wait_for_others(&self, error: &ConnectError) -> bool {
        error.is_shortage() && self.state.borrow().total() > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lifetime_is_at_most_a_tenth_shorter_than_the_longest() {
        let hour = Duration::from_secs(3_600);
        assert_eq!(lifetime(hour, 0.0), hour);
        assert_eq!(lifetime(hour, 1.0), Duration::from_secs(3_240));
        let drawn: std::collections::HashSet<_> =
            (0..50).map(|_| lifetime(hour, chance())).collect();
        assert!(drawn.len() > 25, "{} lifetimes for 50 connections", drawn.len());
        assert!(drawn.iter().all(|drawn| (Duration::from_secs(3_240)..=hour).contains(drawn)));
    }
}
