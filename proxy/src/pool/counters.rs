//! What is counted of the work of a database's pools on one worker.
//!
//! Counting is an addition to a cell that only this thread touches: no lock, no atomic, no clock of its own.

use std::cell::Cell;
use std::time::{Duration, Instant};

use crate::router::holds::Holds;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// Server connections handed to clients.
    Assignments,
    /// Transactions that ended.
    Transactions,
    /// Queries that ended: ReadyForQuery messages that a client got from a server.
    Queries,
    /// Bytes from clients.
    ReceivedBytes,
    /// Bytes from servers to clients.
    SentBytes,
    /// Microseconds inside transactions.
    TransactionUs,
    /// Microseconds in which a server worked on a query.
    QueryUs,
    /// Microseconds in which clients waited for a server connection.
    WaitUs,
    /// Named statements that clients prepared.
    ClientParses,
    /// Named statements that were prepared on server connections.
    ServerParses,
    /// Uses of named statements.
    Binds,
}

const COUNTS: usize = Count::Binds as usize + 1;

/// The counters of one database on one worker.
#[derive(Debug, Default)]
pub struct Counters {
    counts: [Cell<u64>; COUNTS],
    pins: [Cell<u64>; Holds::REASONS.len()],
    period: Cell<Option<Period>>,
    averages: Cell<Option<Averages>>,
}

/// All figures at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    counts: [u64; COUNTS],
    /// How often a client was found to keep its server connection, by [`Holds::REASONS`].
    pub pins: [u64; Holds::REASONS.len()],
}

/// What happened in the last whole period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Averages {
    /// What was added in it.
    pub added: Totals,
    /// How long it was.
    pub length: Duration,
}

/// The period that runs.
#[derive(Clone, Copy, Debug)]
struct Period {
    began_at: Instant,
    totals: Totals,
}

impl Counters {
    /// Adds to one count.
    pub fn add(&self, count: Count, by: u64) {
        let cell = &self.counts[count as usize];
        cell.set(cell.get().wrapping_add(by));
    }

    /// Adds a time to a count of microseconds.
    pub fn add_time(&self, count: Count, time: Duration) {
        self.add(count, u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }

    /// Counts a client that keeps its server connection for these reasons.
    pub fn pin(&self, holds: Holds) {
        for (cell, (reason, _)) in self.pins.iter().zip(Holds::REASONS) {
            if holds.includes(reason) {
                cell.set(cell.get() + 1);
            }
        }
    }

    /// All figures as they are now.
    pub fn totals(&self) -> Totals {
        let read = |cell: &Cell<u64>| cell.get();
        Totals { counts: self.counts.each_ref().map(read), pins: self.pins.each_ref().map(read) }
    }

    /// What happened in the last whole period, none before the first one is over.
    pub fn averages(&self) -> Option<Averages> {
        self.averages.get()
    }

    /// Ends the period that runs when it is `length` old, and begins the next.
    pub fn tick(&self, now: Instant, length: Duration) {
        let totals = self.totals();
        let next = Some(Period { began_at: now, totals });
        let Some(period) = self.period.get() else { return self.period.set(next) };
        let passed = now.saturating_duration_since(period.began_at);
        if passed >= length {
            let added = totals.since(&period.totals);
            self.averages.set(Some(Averages { added, length: passed }));
            self.period.set(next);
        }
    }
}

impl Totals {
    /// One figure.
    pub fn get(&self, count: Count) -> u64 {
        self.counts[count as usize]
    }

    /// The sum of both.
    #[must_use]
    pub fn with(&self, other: &Self) -> Self {
        self.combine(other, u64::wrapping_add)
    }

    fn since(&self, earlier: &Self) -> Self {
        self.combine(earlier, u64::wrapping_sub)
    }

    fn combine(&self, other: &Self, operation: impl Fn(u64, u64) -> u64) -> Self {
        let mut result = *self;
        let pairs = result.counts.iter_mut().zip(other.counts);
        pairs
            .chain(result.pins.iter_mut().zip(other.pins))
            .for_each(|(a, b)| *a = operation(*a, b));
        result
    }
}

impl Averages {
    /// How much of `count` was added in a second.
    pub fn per_second(&self, count: Count) -> u64 {
        let length_us = self.length.as_micros().max(1);
        let scaled = u128::from(self.added.get(count)) * 1_000_000 / length_us;
        u64::try_from(scaled).unwrap_or(u64::MAX)
    }

    /// How much of `count` fell to each of `of`.
    pub fn each(&self, count: Count, of: Count) -> u64 {
        self.added.get(count).checked_div(self.added.get(of)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_yields_what_was_added_in_it() {
        let (counters, start) = (Counters::default(), Instant::now());
        let length = Duration::from_secs(2);
        counters.add(Count::Queries, 100);
        counters.tick(start, length);
        counters.add(Count::Queries, 10);
        counters.add_time(Count::QueryUs, Duration::from_micros(70));
        counters.tick(start + Duration::from_secs(1), length);
        assert_eq!(counters.averages(), None, "the first period is not over");
        counters.tick(start + length, length);
        let averages = counters.averages().unwrap();
        assert_eq!(averages.per_second(Count::Queries), 5);
        assert_eq!(averages.each(Count::QueryUs, Count::Queries), 7);
        assert_eq!(averages.each(Count::WaitUs, Count::Assignments), 0);
        assert_eq!(counters.totals().get(Count::Queries), 110);
    }

    #[test]
    fn each_reason_is_counted_by_itself() {
        let counters = Counters::default();
        counters.pin(Holds::LOCK.with(Holds::TEMP));
        counters.pin(Holds::LOCK);
        let sum = counters.totals().with(&counters.totals());
        let named: Vec<_> =
            Holds::REASONS.iter().zip(sum.pins).filter(|(_, count)| *count > 0).collect();
        assert_eq!(named, [(&(Holds::TEMP, "temp"), 2), (&(Holds::LOCK, "lock"), 4)]);
    }
}
