//! The report: `benches/results.md`. Owns how figures are shown; takes none.

use std::fmt::{self, Display, Formatter};

use crate::comparison::{Cell, Sample};
use crate::idle::IdleCost;
use crate::machine::Machine;
use crate::metric::{Contest, Writer};
use crate::options::Options;
use crate::reports::ReportCost;
use crate::summary::Summary;
use crate::target::{POOL_SIZE, Way};

/// Everything one run measured. Parts that were left out stay empty and are not shown.
#[derive(Debug)]
pub(crate) struct Results {
    command: String,
    conditions: String,
    machine: Machine,
    /// pgbench by protocol and number of clients.
    pub(crate) cells: Vec<Cell>,
    /// Memory of idle clients.
    pub(crate) idle: Vec<IdleCost>,
    /// `record_metric`.
    pub(crate) contests: Vec<Contest>,
    /// Session reports.
    pub(crate) reports: Option<ReportCost>,
}

impl Results {
    /// A report without figures.
    pub(crate) fn new(options: &Options, machine: Machine) -> Self {
        let conditions = format!(
            "Medians over {} interleaved round(s) with runs of {} s, in parentheses the least and the greatest; \
             a ratio is taken within one round. pgbench -S, scale {}, {POOL_SIZE} server \
             connections for each pooler, transaction pooling, SCRAM, no TLS, TCP over loopback, \
             pgbench with as many threads as cores. CPU is user and system time by transaction and \
             includes the logins of a run.",
            options.rounds, options.seconds, options.scale
        );
        let (cells, idle, contests) = (Vec::new(), Vec::new(), Vec::new());
        let command = options.command();
        Self { command, conditions, machine, cells, idle, contests, reports: None }
    }
}

impl Display for Results {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "# Results\n\nWritten by `make bench` (`{}`).\n", self.command)?;
        writeln!(f, "{}.\n\n{}", self.machine, self.conditions)?;
        if !self.cells.is_empty() {
            write_ratios(f, &self.cells)?;
            write_figures(f, &self.cells)?;
        }
        if !self.idle.is_empty() {
            write_idle(f, &self.idle)?;
        }
        if !self.contests.is_empty() {
            write_contests(f, &self.contests)?;
        }
        if let Some(reports) = &self.reports {
            write!(f, "\n{reports}")?;
        }
        Ok(())
    }
}

fn write_ratios(f: &mut Formatter<'_>, cells: &[Cell]) -> fmt::Result {
    let head = "
## This proxy relative to PgBouncer

PgBouncer is 1. Of the first column more is better, of the others less. \"CPU share\" is the pooler's CPU time divided
by that of PostgreSQL and pgbench in the same run, which a busy machine disturbs least.

| protocol | clients | tps | p50 | p99 | pooler CPU by transaction | CPU share |
|---|---|---|---|---|---|---|";
    writeln!(f, "{head}")?;
    for cell in cells {
        let [tps, p50, p99, cpu] = [TPS, P50, P99, POOLER].map(|figure| cell.ratios(figure));
        let share = cell.ratios(Sample::share);
        let columns = [tps, p50, p99, cpu, share].map(|figures| shown(figures, Some(2)));
        writeln!(f, "| {} | {} | {} |", cell.protocol.name(), cell.clients, columns.join(" | "))?;
    }
    Ok(())
}

const TPS: fn(&Sample) -> f64 = |sample| sample.tps;
const P50: fn(&Sample) -> f64 = |sample| sample.p50_us;
const P99: fn(&Sample) -> f64 = |sample| sample.p99_us;
const POOLER: fn(&Sample) -> f64 = |sample| sample.pooler_us;
const REST: fn(&Sample) -> f64 = |sample| sample.rest_us;

fn write_figures(f: &mut Formatter<'_>, cells: &[Cell]) -> fmt::Result {
    let head = "
## Figures of the same runs

| protocol | clients | way | tps | p50, us | p99, us | pooler CPU, us | PostgreSQL and pgbench CPU, us |
|---|---|---|---|---|---|---|---|";
    writeln!(f, "{head}")?;
    for cell in cells {
        for way in Way::ALL {
            let figures = [TPS, P50, P99, POOLER, REST].map(|figure| cell.figures(way, figure));
            let mut columns = figures.map(|figures| shown(figures, None));
            if way == Way::Direct {
                columns[3] = "-".to_owned();
            }
            let (protocol, clients) = (cell.protocol.name(), cell.clients);
            writeln!(f, "| {protocol} | {clients} | {} | {} |", way.name(), columns.join(" | "))?;
        }
    }
    Ok(())
}

fn write_idle(f: &mut Formatter<'_>, costs: &[IdleCost]) -> fmt::Result {
    let head = "
## Resident memory of an idle client

Growth of a fresh process divided by the number of clients that logged in and asked nothing.

| pooler | KiB a client |
|---|---|";
    writeln!(f, "{head}")?;
    for way in [Way::Proxy, Way::Bouncer] {
        let figures = costs.iter().filter(|cost| cost.way == way).map(|cost| cost.client_kib);
        writeln!(f, "| {} | {} |", way.name(), shown(figures.collect(), Some(2)))?;
    }
    Ok(())
}

fn write_contests(f: &mut Formatter<'_>, contests: &[Contest]) -> fmt::Result {
    let head = "
## record_metric

One client directly on the server, prepared statements, no waiting for the disk (`fsync = off`,
`synchronous_commit = off`), the table emptied before each run. The INSERT validates nothing; a thousand rows of it are
one `INSERT ... SELECT`. The ratio is server CPU relative to PL/pgSQL in the same round; less is better.

| calls a statement | writer | calls per second | server CPU a call, us | ratio |
|---|---|---|---|---|";
    writeln!(f, "{head}")?;
    for contest in contests {
        let oracle = contests
            .iter()
            .find(|other| other.batch == contest.batch && other.writer == Writer::PlPgSql);
        let ratios = oracle.map(|oracle| quotients(&contest.server_us, &oracle.server_us));
        writeln!(
            f,
            "| {} | {} | {} | {} | {} |",
            contest.batch.len(),
            contest.writer.name(),
            shown(contest.calls_per_s.clone(), None),
            shown(contest.server_us.clone(), None),
            shown(ratios.unwrap_or_default(), Some(2))
        )?;
    }
    Ok(())
}

fn quotients(dividends: &[f64], divisors: &[f64]) -> Vec<f64> {
    dividends.iter().zip(divisors).map(|(dividend, divisor)| dividend / divisor).collect()
}

fn shown(figures: Vec<f64>, digits: Option<usize>) -> String {
    match (Summary::of(figures), digits) {
        (Some(summary), Some(digits)) => format!("{summary:.digits$}"),
        (Some(summary), None) => summary.to_string(),
        (None, _) => "-".to_owned(),
    }
}
