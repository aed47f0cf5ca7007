//! `record_metric` in Rust against the same function in PL/pgSQL and a plain INSERT, directly on
//! the server. One call in a transaction shows what a caller sees; a thousand in a statement show
//! the function itself, with the round trip and the commit spread thin.

use std::fs;

use harness::{Cluster, Database, artefacts, run_dir};

use crate::cpu::{CpuTime, Pid};
use crate::error::BenchError;
use crate::load::{Connections, Length, Load, Protocol, Script, Security};
use crate::machine;
use crate::options::Options;

/// Calls of a statement that holds many.
const BATCH_LEN: u32 = 1000;

/// Who writes the row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Writer {
    /// The extension's function.
    Native,
    /// The same in PL/pgSQL.
    PlPgSql,
    /// No function, and so no validation.
    Insert,
}

/// How many calls a statement makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Batch {
    /// One, in a transaction of its own.
    One,
    /// [`BATCH_LEN`] by `generate_series`; for the INSERT, one `INSERT ... SELECT`.
    Many,
}

/// One writer's figures, round by round.
#[derive(Debug)]
pub(crate) struct Contest {
    /// Who wrote.
    pub(crate) writer: Writer,
    /// How many calls a statement made.
    pub(crate) batch: Batch,
    /// Calls per second.
    pub(crate) calls_per_s: Vec<f64>,
    /// CPU microseconds of PostgreSQL for each call.
    pub(crate) server_us: Vec<f64>,
}

impl Writer {
    /// In the order of the first round.
    pub(crate) const ALL: [Self; 3] = [Self::Native, Self::PlPgSql, Self::Insert];

    /// Its name in the results.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Native => "record_metric, native",
            Self::PlPgSql => "record_metric, PL/pgSQL",
            Self::Insert => "INSERT",
        }
    }

    pub(crate) fn sql(self, batch: Batch) -> String {
        let arguments = match batch {
            Batch::One => "'bench.latency', 12.5, 'bench', 'gauge', '{\"host\": \"a\"}'",
            Batch::Many => "'bench.latency', n, 'bench', 'gauge', '{\"host\": \"a\"}'",
        };
        let series = format!("generate_series(1, {BATCH_LEN}) n");
        match (self, batch) {
            (Self::Insert, Batch::One) => format!("{INSERT} values ({arguments}) returning id"),
            (Self::Insert, Batch::Many) => format!("{INSERT} select {arguments} from {series}"),
            (_, Batch::One) => format!("select {}({arguments})", self.function()),
            (_, Batch::Many) => {
                format!("select count({}({arguments})) from {series}", self.function())
            }
        }
    }

    fn function(self) -> &'static str {
        match self {
            Self::PlPgSql => "taskmaster_plpgsql.record_metric",
            Self::Native | Self::Insert => "taskmaster.record_metric",
        }
    }
}

const INSERT: &str = "insert into taskmaster.system_metrics \
                      (metric_name, metric_value, component, metric_type, tags)";

impl Batch {
    /// Both.
    pub(crate) const ALL: [Self; 2] = [Self::One, Self::Many];

    /// Calls in one statement.
    pub(crate) fn len(self) -> u32 {
        match self {
            Self::One => 1,
            Self::Many => BATCH_LEN,
        }
    }
}

/// Runs every writer in turn, the order moved on by one each round, on an emptied table.
///
/// # Errors
/// When a figure cannot be read.
pub(crate) async fn measure(
    cluster: &Cluster,
    options: &Options,
) -> Result<Vec<Contest>, BenchError> {
    let database = cluster.database().await;
    install_plpgsql(&database).await?;
    let postmaster = machine::postmaster(cluster).await?;
    let mut contests = contests();
    for round in 0..options.rounds as usize {
        for contests in contests.chunks_mut(Writer::ALL.len()) {
            for turn in 0..contests.len() {
                let contest = &mut contests[(turn + round) % Writer::ALL.len()];
                contest.run(&database, options.seconds, postmaster).await?;
            }
        }
    }
    Ok(contests)
}

fn contests() -> Vec<Contest> {
    let of = |batch| Writer::ALL.into_iter().map(move |writer| Contest::new(writer, batch));
    Batch::ALL.into_iter().flat_map(of).collect()
}

impl Contest {
    fn new(writer: Writer, batch: Batch) -> Self {
        Self { writer, batch, calls_per_s: Vec::new(), server_us: Vec::new() }
    }

    async fn run(
        &mut self,
        database: &Database<'_>,
        seconds: u32,
        postmaster: Pid,
    ) -> Result<(), BenchError> {
        let script = run_dir::fresh_dir("script").join("call.sql");
        fs::write(&script, format!("{};\n", self.writer.sql(self.batch)))
            .map_err(BenchError::io("writing a script for pgbench"))?;
        let load = Load {
            port: database.cluster().port,
            clients: 1,
            protocol: Protocol::Prepared,
            script: Script::File(script),
            length: Length::Seconds(seconds),
            connections: Connections::Kept,
            security: Security::Plain,
            options: "",
        };
        empty(database).await?;
        let before = CpuTime::now(None, postmaster).await?;
        let outcome = load.run(database).await?;
        let used = CpuTime::now(None, postmaster).await?.since(before);
        let calls = f64::from(self.batch.len());
        let calls_per_s = outcome.tps * calls;
        let server_us = used.server_us as f64 / (outcome.transactions.max(1) as f64 * calls);
        println!(
            "{:24} x {:<4} {calls_per_s:8.0} calls/s, server CPU {server_us:5.1} us a call",
            self.writer.name(),
            self.batch.len()
        );
        self.calls_per_s.push(calls_per_s);
        self.server_us.push(server_us);
        Ok(())
    }
}

/// A table that grew in the run before would make this one slower; so would writing it out.
pub(crate) async fn empty(database: &Database<'_>) -> Result<(), BenchError> {
    let client = database.connect().await;
    client.batch_execute("truncate taskmaster.system_metrics").await?;
    client.batch_execute("checkpoint").await?;
    Ok(())
}

/// The files run in the order of their names.
pub(crate) async fn install_plpgsql(database: &Database<'_>) -> Result<(), BenchError> {
    let reading = || BenchError::io("reading sql/plpgsql");
    let dir = artefacts::repository_dir().join("sql/plpgsql");
    let entries = fs::read_dir(dir).map_err(reading())?;
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    let client = database.connect().await;
    for path in paths {
        let sql = fs::read_to_string(path).map_err(reading())?;
        client.batch_execute(&sql).await?;
    }
    Ok(())
}
