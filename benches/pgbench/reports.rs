//! What session reports cost PostgreSQL itself: the same transactions in sessions that asked for them and in sessions that
//! did not, by CPU time and by instructions.

use std::fmt::{self, Display, Formatter};

use harness::{Cluster, Database};

use crate::cpu::{CpuTime, Pid};
use crate::error::BenchError;
use crate::instructions::Counter;
use crate::load::{self, Connections, Length, Load, Protocol, Script, Security};
use crate::machine;
use crate::options::Options;
use crate::summary::Summary;

/// What a session asks for in its startup packet.
const ASKING: &str = "-c taskmaster.report=on";

/// Length of one run: short, so that what else the machine does meets all runs alike.
const RUN: Length = Length::Seconds(1);

/// How often instructions are counted, which takes a fraction of a minute each time.
const COUNTS: usize = 7;

/// The figures, and what repeats them.
#[derive(Debug)]
pub(crate) struct ReportCost {
    rounds: Vec<Round>,
    /// Instructions for each transaction without reports, and with, in turn.
    instructions: Vec<[f64; 2]>,
    scale: u32,
    /// The machine and the versions.
    machine: String,
}

/// CPU microseconds of all of PostgreSQL for each transaction, in runs one after the other.
#[derive(Debug, Clone, Copy, Default)]
struct Round {
    without: f64,
    with: f64,
    /// Without once more: how much runs differ that do the same.
    again: f64,
}

/// Measures CPU time first, then instructions.
///
/// # Errors
/// When a figure cannot be read.
pub(crate) async fn measure(
    cluster: &Cluster,
    options: &Options,
    machine: String,
) -> Result<ReportCost, BenchError> {
    let database = cluster.database().await;
    assert_reports(&database).await?;
    load::fill(&database, options.scale).await;
    let postmaster = machine::postmaster(cluster).await?;
    run(&database, "", postmaster).await?;
    let mut rounds = Vec::new();
    for number in 0..options.report_rounds {
        rounds.push(Round::run(&database, number, postmaster).await?);
    }
    let counter = Counter::start(&database, &Script::SelectOnly).await?;
    let mut instructions = Vec::new();
    for _ in 0..COUNTS {
        let script = Script::SelectOnly;
        let without = counter.by_transaction(&script, "").await?;
        let pair = [without, counter.by_transaction(&script, ASKING).await?];
        println!("reports: {:.0} instructions without, {:.0} with", pair[0], pair[1]);
        instructions.push(pair);
    }
    Ok(ReportCost { rounds, instructions, scale: options.scale, machine })
}

/// Fails where asking is of no effect, so that nothing is compared with itself: the variable is there only while a session
/// reports.
async fn assert_reports(database: &Database<'_>) -> Result<(), BenchError> {
    let mut config = database.config();
    let client = harness::database::connect(config.options(ASKING)).await;
    client.batch_execute("show taskmaster.session").await?;
    Ok(())
}

impl Round {
    /// The order moves on by one each round.
    async fn run(
        database: &Database<'_>,
        number: u32,
        postmaster: Pid,
    ) -> Result<Self, BenchError> {
        let mut round = Self::default();
        for turn in 0..3 {
            match (turn + number) % 3 {
                0 => round.without = run(database, "", postmaster).await?,
                1 => round.with = run(database, ASKING, postmaster).await?,
                _ => round.again = run(database, "", postmaster).await?,
            }
        }
        println!(
            "reports: {:.2} us without, {:.2} with, {:.2} without again",
            round.without, round.with, round.again
        );
        Ok(round)
    }

    fn change(self) -> f64 {
        percent(f64::midpoint(self.without, self.again), self.with)
    }

    fn noise(self) -> f64 {
        percent(self.without, self.again)
    }
}

/// CPU microseconds for each transaction of a run.
async fn run(
    database: &Database<'_>,
    options: &'static str,
    postmaster: Pid,
) -> Result<f64, BenchError> {
    let load = Load {
        port: database.cluster().port,
        clients: 1,
        protocol: Protocol::Prepared,
        script: Script::SelectOnly,
        length: RUN,
        connections: Connections::Kept,
        security: Security::Plain,
        options,
    };
    let before = CpuTime::now(None, postmaster).await?;
    let outcome = load.run(database).await?;
    let used = CpuTime::now(None, postmaster).await?.since(before);
    Ok(used.server_us as f64 / outcome.transactions.max(1) as f64)
}

/// By how much `new` is more than `old`.
fn percent(old: f64, new: f64) -> f64 {
    (new / old - 1.0) * 100.0
}

fn shown(figures: impl Iterator<Item = f64>, digits: usize) -> String {
    Summary::of(figures).map_or_else(|| "-".to_owned(), |summary| format!("{summary:.digits$}"))
}

impl Display for ReportCost {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (count, scale) = (self.rounds.len(), self.scale);
        let counted = |index: usize| self.instructions.iter().map(move |pair| pair[index]);
        let more = self.instructions.iter().map(|pair| percent(pair[0], pair[1]));
        let rounds = || self.rounds.iter().copied();
        write!(
            f,
            "## What session reports cost PostgreSQL

Written by `make bench-reports BENCH=\"--report-rounds {count} --scale {scale}\"`: `pgbench -S -M prepared` with one client
directly on PostgreSQL, with the extension in `session_preload_libraries` in every run, and with
`PGOPTIONS='{ASKING}'` against none. CPU is user and system time of all of PostgreSQL's processes by transaction,
over runs of a second in interleaved rounds; the last column compares two runs of a round that both did not ask, which is
the error of such a figure. Instructions are those of the backend in user mode as valgrind counts them, the
login taken off. Medians, in parentheses the least and the greatest. {}.

| by transaction | without | with | change, % | change between two without, % |
|---|---|---|---|---|
| CPU, us | {} | {} | {} | {} |
| instructions | {} | {} | {} | - |
",
            self.machine,
            shown(rounds().map(|round| round.without), 2),
            shown(rounds().map(|round| round.with), 2),
            shown(rounds().map(Round::change), 2),
            shown(rounds().map(Round::noise), 2),
            shown(counted(0), 0),
            shown(counted(1), 0),
            shown(more, 2),
        )
    }
}
