//! One run of pgbench: how it is called and what it reports.

use std::fs;
use std::path::{Path, PathBuf};

use harness::program::Program;
use harness::{Database, run_dir};

use crate::error::BenchError;

/// Share of the transactions whose latency is logged: enough for a 99th percentile, and cheap.
const LOGGED_SHARE: &str = "0.2";

/// How pgbench sends its statements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// One Query message.
    Simple,
    /// Parse, Bind, Describe, Execute, Sync with an unnamed statement.
    Extended,
    /// A named statement, parsed once for each client.
    Prepared,
}

/// How long a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Length {
    /// Time.
    Seconds(u32),
    /// Transactions of each client, the same ones in each run.
    Transactions(u32),
}

/// What is run.
#[derive(Debug, Clone)]
pub(crate) enum Script {
    /// pgbench's own: one SELECT by primary key.
    SelectOnly,
    /// This file.
    File(PathBuf),
}

/// How often clients connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Connections {
    /// Once.
    Kept,
    /// For each transaction.
    Each,
}

/// Whether clients speak TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Security {
    /// They do not.
    Plain,
    /// They do.
    Tls,
}

impl Security {
    /// In the order of the measurements.
    pub(crate) const ALL: [Self; 2] = [Self::Plain, Self::Tls];

    /// Its name in the results.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Plain => "no",
            Self::Tls => "yes",
        }
    }
}

/// A run about to start.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    /// TCP port on 127.0.0.1.
    pub(crate) port: u16,
    /// Number of clients, all at once.
    pub(crate) clients: u32,
    /// How statements are sent.
    pub(crate) protocol: Protocol,
    /// What is run.
    pub(crate) script: Script,
    /// How long.
    pub(crate) length: Length,
    /// How often they connect.
    pub(crate) connections: Connections,
    /// Whether they speak TLS.
    pub(crate) security: Security,
    /// Settings of the sessions, as libpq's `options`; empty for none.
    pub(crate) options: &'static str,
}

/// What a run brought.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    /// Transactions that were done.
    pub(crate) transactions: u64,
    /// Transactions per second, without the time to connect.
    pub(crate) tps: f64,
    /// Latencies of a sample of transactions in microseconds, sorted.
    pub(crate) latencies_us: Vec<u64>,
}

impl Protocol {
    /// pgbench's name for it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Simple => "simple",
            Self::Extended => "extended",
            Self::Prepared => "prepared",
        }
    }
}

/// Makes and fills pgbench's tables.
pub(crate) async fn fill(database: &Database<'_>, scale: u32) {
    let scale = scale.to_string();
    pgbench(database, database.cluster().port)
        .args(["-i", "-q", "-s", &scale, &database.name])
        .succeed()
        .await;
}

impl Load {
    /// Runs pgbench to its end. Any failed transaction makes pgbench fail, and this panic.
    ///
    /// # Errors
    /// When its report cannot be read.
    pub(crate) async fn run(&self, database: &Database<'_>) -> Result<Outcome, BenchError> {
        let log_dir = run_dir::fresh_dir("pgbench");
        let ssl_mode = if self.security == Security::Tls { "require" } else { "disable" };
        let finished = pgbench(database, self.port)
            .env("PGSSLMODE", ssl_mode)
            .env("PGOPTIONS", self.options)
            .args(self.arguments(&log_dir))
            .args([&database.name])
            .succeed()
            .await;
        let latencies_us = read_latencies(&log_dir)?;
        fs::remove_dir_all(&log_dir).map_err(BenchError::io("removing pgbench's log"))?;
        let text = finished.stdout;
        Ok(Outcome {
            transactions: field(&text, "number of transactions actually processed: ")?,
            tps: field(&text, "tps = ")?,
            latencies_us,
        })
    }

    fn arguments(&self, log_dir: &Path) -> Vec<String> {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let threads = cores.min(self.clients as usize);
        let mut arguments = vec!["--no-vacuum".to_owned(), "--log".to_owned()];
        arguments.extend([
            format!("--log-prefix={}/log", log_dir.display()),
            format!("--sampling-rate={LOGGED_SHARE}"),
            format!("--client={}", self.clients),
            format!("--jobs={threads}"),
            format!("--protocol={}", self.protocol.name()),
        ]);
        if self.connections == Connections::Each {
            arguments.push("--connect".to_owned());
        }
        arguments.extend(match self.length {
            Length::Seconds(seconds) => vec![format!("--time={seconds}")],
            Length::Transactions(count) => {
                vec![format!("--transactions={count}"), "--random-seed=1".to_owned()]
            }
        });
        arguments.push(match &self.script {
            Script::SelectOnly => "--select-only".to_owned(),
            Script::File(path) => format!("--file={}", path.display()),
        });
        arguments
    }
}

fn pgbench(database: &Database<'_>, port: u16) -> Program {
    let cluster = database.cluster();
    Program::postgres("pgbench")
        .env("PGHOST", "127.0.0.1")
        .env("PGPORT", port.to_string())
        .env("PGUSER", cluster.superuser)
        .env("PGPASSWORD", cluster.password)
        .env("PGGSSENCMODE", "disable")
}

/// The number behind `label`, up to the next space, slash or end of line.
fn field<T: std::str::FromStr>(text: &str, label: &'static str) -> Result<T, BenchError> {
    let number = text.split_once(label).map(|(_, rest)| rest);
    let number = number.and_then(|rest| rest.split([' ', '/', '\n']).next()?.parse().ok());
    number.ok_or_else(|| BenchError::Output {
        program: "pgbench",
        field: label,
        text: text.to_owned(),
    })
}

/// The third word of each line is the time of one transaction (pgbench's documentation,
/// "Per-Transaction Logging"); each thread writes a file of its own.
fn read_latencies(log_dir: &Path) -> Result<Vec<u64>, BenchError> {
    let reading = || BenchError::io("reading pgbench's log");
    let mut latencies = Vec::new();
    for entry in fs::read_dir(log_dir).map_err(reading())? {
        let text = fs::read_to_string(entry.map_err(reading())?.path()).map_err(reading())?;
        let words = text.lines().filter_map(|line| line.split(' ').nth(2)?.parse::<u64>().ok());
        latencies.extend(words);
    }
    latencies.sort_unstable();
    Ok(latencies)
}
