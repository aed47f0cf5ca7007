//! What one run measures and for how long. The defaults keep a whole run below an hour, most of it under valgrind.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

/// Compares PostgreSQL directly, this proxy and PgBouncer, in interleaved rounds.
#[derive(Debug, Parser)]
#[command(name = "side-by-side")]
pub(crate) struct Options {
    /// How often each measurement is repeated; medians and spread are over these.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=20))]
    pub(crate) rounds: u32,
    /// Length of one pgbench run.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=60))]
    pub(crate) seconds: u32,
    /// Numbers of clients, separated by commas.
    #[arg(long, value_delimiter = ',', default_value = "1,10,64,200,1000",
          value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) clients: Vec<u32>,
    /// Scale of the pgbench tables; one unit is 100,000 accounts.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) scale: u32,
    /// How many clients log in and sit idle.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(10..=5000))]
    pub(crate) idle_clients: u32,
    /// How often a second with session reports is compared with one without.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=500))]
    pub(crate) report_rounds: u32,
    /// Only these parts, whose sections of the results are replaced; all without it.
    #[arg(long, value_enum, value_delimiter = ',')]
    pub(crate) only: Vec<Part>,
    /// The PgBouncer to compare with.
    #[arg(long, default_value = "/usr/sbin/pgbouncer")]
    pub(crate) pgbouncer: PathBuf,
    /// The file to write.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/results.md"))]
    pub(crate) out: PathBuf,
}

/// A part of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// pgbench directly and through both poolers.
    Pooling,
    /// Resident memory of clients that do nothing.
    Idle,
    /// `record_metric` in Rust, in PL/pgSQL, and as an INSERT.
    Metric,
    /// Metrics one by one and a thousand at a time, a month of them, and percentiles.
    MetricStore,
    /// Creating a task, and claiming the next one of up to a million.
    TaskStore,
    /// Large results and COPY.
    Bulk,
    /// Logins by SCRAM, with TLS and without.
    Logins,
    /// PostgreSQL with and without session reports.
    Reports,
}

impl Options {
    /// True when this part was asked for.
    pub(crate) fn runs(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }

    /// The command that repeats this run, without the places of files.
    pub(crate) fn command(&self) -> String {
        let clients: Vec<String> = self.clients.iter().map(ToString::to_string).collect();
        let only = self.only.iter().filter_map(Part::to_possible_value);
        let only: Vec<String> = only.map(|part| part.get_name().to_owned()).collect();
        let only =
            if only.is_empty() { String::new() } else { format!(" --only {}", only.join(",")) };
        format!(
            "side-by-side --rounds {} --seconds {} --clients {} --scale {} --idle-clients {} --report-rounds {}{only}",
            self.rounds,
            self.seconds,
            clients.join(","),
            self.scale,
            self.idle_clients,
            self.report_rounds
        )
    }
}
