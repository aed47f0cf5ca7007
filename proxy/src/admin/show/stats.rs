//! SHOW STATS and its kin, and SHOW PINS. Pure.

use std::collections::BTreeMap;

use crate::admin::table::{Column, Kind, Row, row};
use crate::pool::counters::{Averages, Count, Totals};
use crate::pool::snapshot::Snapshot;
use crate::router::holds::Holds;

use Kind::{Int, Text};

/// How a figure is averaged.
#[derive(Clone, Copy)]
enum Average {
    PerSecond,
    PerEach(Count),
}

/// What is shown of each database.
const FIGURES: [(Count, Average); 11] = [
    (Count::Assignments, Average::PerSecond),
    (Count::Transactions, Average::PerSecond),
    (Count::Queries, Average::PerSecond),
    (Count::ReceivedBytes, Average::PerSecond),
    (Count::SentBytes, Average::PerSecond),
    (Count::TransactionUs, Average::PerEach(Count::Transactions)),
    (Count::QueryUs, Average::PerEach(Count::Queries)),
    (Count::WaitUs, Average::PerEach(Count::Assignments)),
    (Count::ClientParses, Average::PerSecond),
    (Count::ServerParses, Average::PerSecond),
    (Count::Binds, Average::PerSecond),
];

/// The figures' names in SHOW STATS. PgBouncer 1.25 calls the bytes by other names in each of its tables.
const STATS: [&str; 22] = [
    "total_server_assignment_count",
    "total_xact_count",
    "total_query_count",
    "total_received",
    "total_sent",
    "total_xact_time",
    "total_query_time",
    "total_wait_time",
    "total_client_parse_count",
    "total_server_parse_count",
    "total_bind_count",
    "avg_server_assignment_count",
    "avg_xact_count",
    "avg_query_count",
    "avg_recv",
    "avg_sent",
    "avg_xact_time",
    "avg_query_time",
    "avg_wait_time",
    "avg_client_parse_count",
    "avg_server_parse_count",
    "avg_bind_count",
];

/// What PgBouncer called the count of queries up to 1.7; the exporter that Debian ships still asks for it.
const REQUESTS: Column = ("total_requests", Int);

/// The figures' names in SHOW STATS_TOTALS and SHOW STATS_AVERAGES.
const HALVES: [&str; 11] = [
    "server_assignment_count",
    "xact_count",
    "query_count",
    "bytes_received",
    "bytes_sent",
    "xact_time",
    "query_time",
    "wait_time",
    "client_parse_count",
    "server_parse_count",
    "bind_count",
];

/// The figures' names in SHOW TOTALS.
const TOTALS: [&str; 22] = [
    "total_server_assignment_count",
    "total_xact_count",
    "total_query_count",
    "total_client_bytes",
    "total_server_bytes",
    "total_xact_time",
    "total_query_time",
    "total_wait_time",
    "total_client_parse_count",
    "total_server_parse_count",
    "total_bind_count",
    "avg_server_assignment_count",
    "avg_xact_count",
    "avg_query_count",
    "avg_client_bytes",
    "avg_server_bytes",
    "avg_xact_time",
    "avg_query_time",
    "avg_wait_time",
    "avg_client_parse_count",
    "avg_server_parse_count",
    "avg_bind_count",
];

/// How often clients were found to keep their server connections, by reason. PgBouncer has no such table.
pub(super) const PINS: [Column; 3] = [("database", Text), ("reason", Text), ("count", Int)];

/// One database in all workers together.
#[derive(Clone, Copy, Default)]
struct Sum {
    totals: Totals,
    averages: Option<Averages>,
}

impl Sum {
    fn add(&mut self, totals: &Totals, averages: Option<Averages>) {
        self.totals = self.totals.with(totals);
        self.averages = match (self.averages, averages) {
            (Some(a), Some(b)) => {
                Some(Averages { added: a.added.with(&b.added), length: a.length.max(b.length) })
            }
            (a, b) => a.or(b),
        };
    }

    fn totals(&self) -> impl Iterator<Item = u64> {
        FIGURES.iter().map(|(count, _)| self.totals.get(*count))
    }

    fn averages(&self) -> impl Iterator<Item = u64> {
        FIGURES.iter().map(|(count, average)| {
            self.averages.map_or(0, |averages| match average {
                Average::PerSecond => averages.per_second(*count),
                Average::PerEach(of) => averages.each(*count, *of),
            })
        })
    }
}

pub(super) fn all_columns() -> Vec<Column> {
    [with_database(&STATS), vec![REQUESTS]].concat()
}

/// Of SHOW STATS_TOTALS and SHOW STATS_AVERAGES.
pub(super) fn half_columns() -> Vec<Column> {
    with_database(&HALVES)
}

pub(super) fn all(snapshots: &[Snapshot]) -> Vec<Row> {
    by_database(snapshots, |sum| {
        let requests = sum.totals.get(Count::Queries);
        sum.totals().chain(sum.averages()).chain([requests]).collect()
    })
}

pub(super) fn totals_by_database(snapshots: &[Snapshot]) -> Vec<Row> {
    by_database(snapshots, |sum| sum.totals().collect())
}

pub(super) fn averages_by_database(snapshots: &[Snapshot]) -> Vec<Row> {
    by_database(snapshots, |sum| sum.averages().collect())
}

/// All databases together, a row for each figure.
pub(super) fn sums(snapshots: &[Snapshot]) -> Vec<Row> {
    let mut all = Sum::default();
    sum(snapshots).values().for_each(|sum| all.add(&sum.totals, sum.averages));
    let figures = all.totals().chain(all.averages());
    TOTALS.iter().zip(figures).map(|(name, value)| row![*name, value]).collect()
}

pub(super) fn pins(snapshots: &[Snapshot]) -> Vec<Row> {
    let mut rows = Vec::new();
    for (database, sum) in sum(snapshots) {
        let counted = Holds::REASONS.iter().zip(sum.totals.pins).filter(|(_, count)| *count > 0);
        rows.extend(counted.map(|((_, reason), count)| row![database, *reason, count]));
    }
    rows
}

fn with_database(names: &[&'static str]) -> Vec<Column> {
    std::iter::once(("database", Text)).chain(names.iter().map(|name| (*name, Int))).collect()
}

fn by_database(snapshots: &[Snapshot], figures: impl Fn(&Sum) -> Vec<u64>) -> Vec<Row> {
    let row = |(name, sum): (&str, Sum)| {
        let figures = figures(&sum).into_iter().map(Into::into);
        std::iter::once(name.into()).chain(figures).collect()
    };
    sum(snapshots).into_iter().map(row).collect()
}

fn sum(snapshots: &[Snapshot]) -> BTreeMap<&str, Sum> {
    let mut sums: BTreeMap<&str, Sum> = BTreeMap::new();
    for database in snapshots.iter().flat_map(|snapshot| &snapshot.databases) {
        sums.entry(&database.name).or_default().add(&database.totals, database.averages);
    }
    sums
}
