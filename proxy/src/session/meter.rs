//! How long a client's queries and transactions take, and what keeps its server connection after them.
//!
//! Reads the clock when a server begins or ends to work on what the client sent, never for a single message: for a
//! transaction of one query that is once at each end. Must not know sockets.

use std::time::Instant;

use crate::backend::server::Server;
use crate::backend::vitals::Work;
use crate::pool::counters::Count;
use crate::pool::roster::ClientEntry;
use crate::router::holds::Holds;
use crate::wire::tag::TransactionStatus;

/// Measures one relay.
#[derive(Debug, Default)]
pub struct Meter {
    query_since: Option<Instant>,
    transaction_since: Option<Instant>,
    answers: u32,
}

impl Meter {
    /// Takes note of where things stand after bytes were moved.
    pub fn look(&mut self, entry: &ClientEntry, server: &Server, holds: Holds) {
        let holds = match server.reasons() {
            "" => holds,
            reasons => holds.with(Holds::named(reasons)),
        };
        let works = !server.outstanding.is_settled();
        match (self.query_since, works) {
            (None, true) => self.begin(entry, server),
            (Some(since), false) => self.end(entry, server, holds, since),
            // The next one of a pipeline begins.
            (Some(_), true) if self.answers != server.vitals.answers.get() => {
                self.answers = server.vitals.answers.get();
                server.vitals.work.set(Work::Query(Instant::now()));
            }
            (None, false)
                if entry.holds() != holds && server.status() == TransactionStatus::Idle =>
            {
                entry.hold(holds, Instant::now());
            }
            _ => {}
        }
    }

    /// The client has its server connection no more: what still ran ends now.
    pub fn stop(&mut self, entry: &ClientEntry) {
        let now = self.query_since.or(self.transaction_since).map(|_| Instant::now());
        let Some(now) = now else { return };
        if let Some(since) = self.query_since.take() {
            entry.counters.add_time(Count::QueryUs, now - since);
        }
        if let Some(since) = self.transaction_since.take() {
            entry.counters.add_time(Count::TransactionUs, now - since);
        }
    }

    fn begin(&mut self, entry: &ClientEntry, server: &Server) {
        let now = Instant::now();
        self.query_since = Some(now);
        self.transaction_since.get_or_insert(now);
        entry.requested_at.set(Some(now));
        entry.rested_at.set(None);
        let vitals = &server.vitals;
        vitals.requested_at.set(Some(now));
        vitals.work.set(Work::Query(now));
        vitals.transaction_since.set(self.transaction_since);
        self.answers = vitals.answers.get();
    }

    fn end(&mut self, entry: &ClientEntry, server: &Server, holds: Holds, since: Instant) {
        let now = Instant::now();
        self.query_since = None;
        entry.counters.add_time(Count::QueryUs, now - since);
        // A cancel request that is still under way hits nothing that the client asks next.
        entry.overdue.set(None);
        if server.status() != TransactionStatus::Idle {
            return server.vitals.work.set(Work::InTransaction(now));
        }
        server.vitals.work.set(Work::Rest);
        entry.rested_at.set(Some(now));
        if let Some(since) = self.transaction_since.take() {
            entry.counters.add_time(Count::TransactionUs, now - since);
        }
        entry.hold(holds, now);
    }
}
