//! pgbench through each way in turn, in rounds: every figure has a counterpart taken seconds
//! before or after it, so ratios hold on a machine that is not quiet.

use harness::Database;

use crate::bouncer::Release;
use crate::cpu::{CpuTime, Pid};
use crate::error::BenchError;
use crate::load::{Connections, Length, Load, Outcome, Protocol, Script, Security};
use crate::machine;
use crate::options::Options;
use crate::summary::percentile;
use crate::target::{Target, Way};

/// The figures of one run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    /// Transactions per second.
    pub(crate) tps: f64,
    /// Median latency in microseconds.
    pub(crate) p50_us: f64,
    /// 99th percentile of the latency in microseconds.
    pub(crate) p99_us: f64,
    /// CPU microseconds of the pooler for each transaction.
    pub(crate) pooler_us: f64,
    /// CPU microseconds of PostgreSQL and pgbench for each transaction.
    pub(crate) rest_us: f64,
}

/// All runs of one protocol with one number of clients.
#[derive(Debug)]
pub(crate) struct Cell {
    /// How statements were sent.
    pub(crate) protocol: Protocol,
    /// How many clients.
    pub(crate) clients: u32,
    /// One entry for each round.
    pub(crate) rounds: Vec<Round>,
}

/// One run of each way.
#[derive(Debug)]
pub(crate) struct Round {
    samples: Vec<(Way, Sample)>,
}

impl Sample {
    fn new(outcome: &Outcome, used: CpuTime) -> Self {
        let transactions = outcome.transactions.max(1) as f64;
        Self {
            tps: outcome.tps,
            p50_us: percentile(&outcome.latencies_us, 0.5) as f64,
            p99_us: percentile(&outcome.latencies_us, 0.99) as f64,
            pooler_us: used.pooler_us as f64 / transactions,
            rest_us: (used.server_us + used.client_us) as f64 / transactions,
        }
    }

    /// CPU of the pooler as a share of what PostgreSQL and pgbench used beside it.
    pub(crate) fn share(&self) -> f64 {
        self.pooler_us / self.rest_us
    }
}

impl Cell {
    /// A figure of one way, round by round.
    pub(crate) fn figures(&self, way: Way, figure: impl Fn(&Sample) -> f64) -> Vec<f64> {
        self.rounds.iter().filter_map(|round| round.of(way).map(&figure)).collect()
    }

    /// A figure of the proxy divided by PgBouncer's in the same round.
    pub(crate) fn ratios(&self, figure: impl Fn(&Sample) -> f64) -> Vec<f64> {
        let ours = self.figures(Way::Proxy, &figure);
        let theirs = self.figures(Way::Bouncer, &figure);
        ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs).collect()
    }
}

impl Round {
    fn of(&self, way: Way) -> Option<&Sample> {
        self.samples.iter().find(|(found, _)| *found == way).map(|(_, sample)| sample)
    }
}

/// Runs everything; the order of the targets moves on by one each round.
///
/// # Errors
/// When a figure cannot be read.
pub(crate) async fn measure(
    database: &Database<'_>,
    targets: &[Target; 3],
    options: &Options,
    release: &Release,
) -> Result<Vec<Cell>, BenchError> {
    let postmaster = machine::postmaster(database.cluster()).await?;
    let mut cells = cells(options, release);
    for target in targets {
        load(target, &cells[0], 1).run(database).await?;
    }
    for round in 0..options.rounds {
        for cell in &mut cells {
            let mut samples = Vec::new();
            for target in round_of(targets, round) {
                let load = load(&target, cell, options.seconds);
                let sample = run(&load, &target, database, postmaster).await?;
                print(round, cell, target.way, &sample);
                samples.push((target.way, sample));
            }
            cell.rounds.push(Round { samples });
        }
    }
    Ok(cells)
}

/// The targets in the order of a round.
pub(crate) fn round_of(targets: &[Target; 3], round: u32) -> impl Iterator<Item = Target> + use<> {
    let mut targets = *targets;
    targets.rotate_left(round as usize % Way::ALL.len());
    targets.into_iter()
}

/// Named statements are compared only where PgBouncer keeps them.
fn cells(options: &Options, release: &Release) -> Vec<Cell> {
    let mut protocols = vec![Protocol::Simple, Protocol::Extended];
    if release.keeps_statements() {
        protocols.push(Protocol::Prepared);
    }
    let of = |protocol| {
        let cell = move |&clients| Cell { protocol, clients, rounds: Vec::new() };
        options.clients.iter().map(cell)
    };
    protocols.into_iter().flat_map(of).collect()
}

fn load(target: &Target, cell: &Cell, seconds: u32) -> Load {
    Load {
        port: target.port,
        clients: cell.clients,
        protocol: cell.protocol,
        script: Script::SelectOnly,
        // pgbench's time includes the logins, of which a direct run with 1,000 clients makes 500 in a second.
        length: Length::Seconds(seconds.max(cell.clients / 100)),
        connections: Connections::Kept,
        security: Security::Plain,
        options: "",
    }
}

async fn run(
    load: &Load,
    target: &Target,
    database: &Database<'_>,
    postmaster: Pid,
) -> Result<Sample, BenchError> {
    let before = CpuTime::now(target.pid, postmaster).await?;
    let outcome = load.run(database).await?;
    let used = CpuTime::now(target.pid, postmaster).await?.since(before);
    Ok(Sample::new(&outcome, used))
}

fn print(round: u32, cell: &Cell, way: Way, sample: &Sample) {
    println!(
        "round {} {:8} c={:<3} {:10} {:8.0} tps  p50 {:6.0} us  p99 {:6.0} us  CPU {:5.1} us, rest {:5.1} us",
        round + 1,
        cell.protocol.name(),
        cell.clients,
        way.name(),
        sample.tps,
        sample.p50_us,
        sample.p99_us,
        sample.pooler_us,
        sample.rest_us
    );
}
