//! How long clients may take, and which of them took longer: looked for in a sweep over the connections now and then, so
//! that no query needs a timer of its own.
//!
//! Must not know sessions: what is to be done is left to the caller.

use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::backend::vitals::Work;
use crate::error::{ClientFacing, Severity, SqlState};
use crate::pool::Pool;
use crate::pool::config::Config;
use crate::pool::registry::Registry;
use crate::pool::roster::ClientEntry;

/// How often is looked for the overdue at most and at least; in between it is a tenth of the shortest time.
const SWEEP_INTERVAL_MIN: Duration = Duration::from_millis(5);
const SWEEP_INTERVAL_MAX: Duration = Duration::from_secs(1);

/// How long clients may take; none is for ever.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// A query, from its first byte to the end of its last result.
    pub query: Option<Duration>,
    /// A transaction, from the first byte of its first query.
    pub transaction: Option<Duration>,
    /// A client inside a transaction between two queries.
    pub idle_in_transaction: Option<Duration>,
    /// A client outside of a transaction between two queries.
    pub client_idle: Option<Duration>,
}

/// Those of [`Timeouts`] that differ for one database or one user; a time of zero is no limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnTimeouts {
    /// [`Timeouts::query`]
    pub query: Option<Duration>,
    /// [`Timeouts::transaction`]
    pub transaction: Option<Duration>,
    /// [`Timeouts::idle_in_transaction`]
    pub idle_in_transaction: Option<Duration>,
    /// [`Timeouts::client_idle`]
    pub client_idle: Option<Duration>,
}

/// Which time is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeLimit {
    /// [`Timeouts::query`]
    Query,
    /// [`Timeouts::transaction`]
    Transaction,
    /// [`Timeouts::idle_in_transaction`]
    IdleInTransaction,
    /// [`Timeouts::client_idle`]
    ClientIdle,
}

/// What becomes of a client that took too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Its query is cancelled.
    Cancel,
    /// Its session ends.
    End,
}

/// A client that took too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overdue {
    /// For what.
    pub limit: TimeLimit,
    /// What becomes of it.
    pub verdict: Verdict,
}

/// What a client is doing and for how long it has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Standing {
    query: Option<Duration>,
    transaction: Option<Duration>,
    idle_in_transaction: Option<Duration>,
    idle: Option<Duration>,
}

impl Timeouts {
    /// The same with what is given here.
    #[must_use]
    pub fn with(&self, own: &OwnTimeouts) -> Self {
        let either = |own: Option<Duration>, all| {
            own.map_or(all, |time| Some(time).filter(|time| !time.is_zero()))
        };
        Self {
            query: either(own.query, self.query),
            transaction: either(own.transaction, self.transaction),
            idle_in_transaction: either(own.idle_in_transaction, self.idle_in_transaction),
            client_idle: either(own.client_idle, self.client_idle),
        }
    }

    /// The shortest of them.
    fn shortest(&self) -> Option<Duration> {
        let Self { query, transaction, idle_in_transaction, client_idle } = self;
        [query, transaction, idle_in_transaction, client_idle].into_iter().flatten().min().copied()
    }

    /// What is to be done about a client. A cancelled query that goes on for `patience` ends its session: the server does
    /// not answer, or it waits for a client that neither reads nor writes.
    fn judge(&self, standing: &Standing, patience: Duration) -> Option<Overdue> {
        let is_over = |time: Option<Duration>, limit: Option<Duration>| {
            time.zip(limit).is_some_and(|(time, limit)| time >= limit)
        };
        let end = |limit| Some(Overdue { limit, verdict: Verdict::End });
        if is_over(standing.transaction, self.transaction) {
            end(TimeLimit::Transaction)
        } else if is_over(standing.idle_in_transaction, self.idle_in_transaction) {
            end(TimeLimit::IdleInTransaction)
        } else if is_over(standing.idle, self.client_idle) {
            end(TimeLimit::ClientIdle)
        } else if is_over(standing.query, self.query.map(|limit| limit.saturating_add(patience))) {
            end(TimeLimit::Query)
        } else if is_over(standing.query, self.query) {
            Some(Overdue { limit: TimeLimit::Query, verdict: Verdict::Cancel })
        } else {
            None
        }
    }
}

impl Registry {
    /// How often to look for the overdue; none when no time is limited.
    pub fn sweep_interval(&self) -> Option<Duration> {
        let blueprint = self.blueprint();
        let own = blueprint.databases.values().map(|own| own.config.timeouts.clone());
        let users = blueprint.users.values().map(|own| Timeouts::default().with(&own.timeouts));
        let all = own.chain(users).chain([blueprint.config.timeouts.clone()]);
        let shortest = all.filter_map(|timeouts| timeouts.shortest()).min()?;
        Some((shortest / 10).clamp(SWEEP_INTERVAL_MIN, SWEEP_INTERVAL_MAX))
    }

    /// Clients that took too long, by the numbers they were told. Each verdict is given once.
    pub fn overdue(&self) -> Vec<(u32, Overdue)> {
        let now = Instant::now();
        let pools = self.pools.borrow();
        let is_limited = |pool: &&Rc<Pool>| pool.terms().config.timeouts.shortest().is_some();
        let limited = pools.values().filter(is_limited);
        limited.flat_map(|pool| pool.overdue(now)).collect()
    }
}

impl Pool {
    fn overdue(self: &Rc<Self>, now: Instant) -> Vec<(u32, Overdue)> {
        let terms = self.terms();
        let Config { timeouts, destroy_timeout, .. } = &terms.config;
        let judged = |(entry, standing): (Rc<ClientEntry>, Standing)| {
            let overdue = timeouts.judge(&standing, *destroy_timeout)?;
            let is_new = entry.overdue.replace(Some(overdue)) != Some(overdue);
            is_new.then_some((entry.id, overdue))
        };
        self.standings(now).into_iter().filter_map(judged).collect()
    }

    /// Those who have a server connection, and, where that matters, those who have none.
    fn standings(&self, now: Instant) -> Vec<(Rc<ClientEntry>, Standing)> {
        let working = self.roster.servers().into_iter().filter_map(|vitals| {
            let entry = self.roster.client(vitals.client.get())?;
            let since = |instant: Instant| now.saturating_duration_since(instant);
            let mut standing = Standing::default();
            match vitals.work.get() {
                Work::Rest => return None,
                Work::Query(began) => standing.query = Some(since(began)),
                Work::InTransaction(answered) => {
                    standing.idle_in_transaction = Some(since(answered))
                }
            }
            standing.transaction = vitals.transaction_since.get().map(since);
            Some((entry, standing))
        });
        let mut standings: Vec<_> = working.collect();
        if self.terms().config.timeouts.client_idle.is_some() {
            standings.extend(self.roster.clients().into_iter().filter_map(|entry| {
                let idle = now.saturating_duration_since(entry.rested_at.get()?);
                Some((entry, Standing { idle: Some(idle), ..Standing::default() }))
            }));
        }
        standings
    }
}

impl TimeLimit {
    /// The setting, as it is called in its section and for one database.
    pub fn setting(self) -> &'static str {
        match self {
            Self::Query => "query_timeout_ms",
            Self::Transaction => "transaction_timeout_ms",
            Self::IdleInTransaction => "idle_in_transaction_timeout_ms",
            Self::ClientIdle => "client_idle_timeout_ms",
        }
    }

    /// As PostgreSQL calls it in its messages.
    fn name(self) -> &'static str {
        match self {
            Self::Query => "query timeout",
            Self::Transaction => "transaction timeout",
            Self::IdleInTransaction => "idle-in-transaction timeout",
            Self::ClientIdle => "idle-session timeout",
        }
    }
}

/// Codes and messages are those of PostgreSQL's own timeouts (tcop/postgres.c, `ProcessInterrupts`).
impl ClientFacing for Overdue {
    fn sqlstate(&self) -> SqlState {
        match self.limit {
            TimeLimit::Query => SqlState::QUERY_CANCELED,
            TimeLimit::Transaction => SqlState::TRANSACTION_TIMEOUT,
            TimeLimit::IdleInTransaction => SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
            TimeLimit::ClientIdle => SqlState::IDLE_SESSION_TIMEOUT,
        }
    }

    fn severity(&self) -> Severity {
        match self.verdict {
            Verdict::Cancel => Severity::Error,
            Verdict::End => Severity::Fatal,
        }
    }

    fn message(&self) -> String {
        let what = match self.verdict {
            Verdict::Cancel => "canceling statement",
            Verdict::End => "terminating connection",
        };
        format!("{what} due to {}", self.limit.name())
    }

    fn hint(&self) -> Option<String> {
        let setting = self.limit.setting();
        Some(format!(
            "The proxy's limits.{setting}, or {setting} of this database, sets the time; 0 takes the limit away."
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn timeouts() -> Timeouts {
        Timeouts {
            query: Some(2 * SECOND),
            transaction: Some(10 * SECOND),
            idle_in_transaction: Some(4 * SECOND),
            client_idle: Some(6 * SECOND),
        }
    }

    fn judge(timeouts: &Timeouts, standing: Standing) -> Option<(TimeLimit, Verdict)> {
        timeouts.judge(&standing, 3 * SECOND).map(|overdue| (overdue.limit, overdue.verdict))
    }

    #[test]
    fn a_long_query_is_cancelled_first_and_its_session_ended_when_that_does_not_help() {
        let query = |seconds| Standing { query: Some(seconds * SECOND), ..Standing::default() };
        assert_eq!(judge(&timeouts(), query(1)), None);
        assert_eq!(judge(&timeouts(), query(2)), Some((TimeLimit::Query, Verdict::Cancel)));
        assert_eq!(judge(&timeouts(), query(4)), Some((TimeLimit::Query, Verdict::Cancel)));
        assert_eq!(judge(&timeouts(), query(5)), Some((TimeLimit::Query, Verdict::End)));
    }

    #[test]
    fn each_time_has_its_limit_and_ends_the_session() {
        let over = Some(20 * SECOND);
        let none = Standing::default();
        for (standing, limit) in [
            (Standing { transaction: over, query: over, ..none }, TimeLimit::Transaction),
            (Standing { idle_in_transaction: over, ..none }, TimeLimit::IdleInTransaction),
            (Standing { idle: over, ..none }, TimeLimit::ClientIdle),
        ] {
            assert_eq!(judge(&timeouts(), standing), Some((limit, Verdict::End)));
            assert_eq!(judge(&Timeouts::default(), standing), None, "off by default");
        }
    }

    #[test]
    fn the_codes_are_those_of_postgresql_and_the_hint_names_the_setting() {
        for (limit, code) in [
            (TimeLimit::Query, "57014"),
            (TimeLimit::Transaction, "25P04"),
            (TimeLimit::IdleInTransaction, "25P03"),
            (TimeLimit::ClientIdle, "57P05"),
        ] {
            let overdue = Overdue { limit, verdict: Verdict::End };
            assert_eq!(overdue.sqlstate().as_str(), code);
            assert!(overdue.hint().is_some_and(|hint| hint.contains(limit.setting())));
        }
    }
}
