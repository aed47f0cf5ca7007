//! The report, `benches/results.md`: how the comparisons with PgBouncer are shown. Takes no figures.

use std::fmt::Write as _;

use crate::bulk::{Direction, Transfer};
use crate::comparison::{Cell, Sample};
use crate::idle::IdleCost;
use crate::load::Security;
use crate::logins::LoginCost;
use crate::metric::{Contest, Writer};
use crate::options::Options;
use crate::section::Section;
use crate::summary::Summary;
use crate::target::{POOL_SIZE, Way};

/// A document without figures yet.
pub(crate) const TITLE: &str = "# Results

Each section is written by a part of `make bench`, and says by which command and on what.
";

/// How a section came to be: the command and the machine.
#[derive(Debug)]
pub(crate) struct Origin(String);

impl Origin {
    /// Of a run with these options on a machine that is described so.
    pub(crate) fn new(options: &Options, machine: &str) -> Self {
        Self(format!("Written by `{}`. {machine}.", options.command()))
    }

    fn section(&self, title: &str, text: &str, table: &str) -> Section {
        Section::new(format!("## {title}\n\n{text}\n{}\n\n{table}", self.0))
    }
}

/// pgbench through each way.
pub(crate) fn pooling(cells: &[Cell], origin: &Origin) -> [Section; 2] {
    let ratios = origin.section(
        "This proxy relative to PgBouncer",
        &format!(
            "PgBouncer is 1. Of the first column more is better, of the others less. \"CPU share\" is the pooler's CPU time divided
by that of PostgreSQL and pgbench in the same run, which a busy machine disturbs least. Medians over interleaved rounds,
in parentheses the least and the greatest; a ratio is taken within one round. `pgbench -S`, {POOL_SIZE} server connections for
each pooler, transaction pooling, SCRAM, no TLS, TCP over loopback. The proxy has sessions report what they hold. CPU is
user and system time by transaction and includes the logins of a run."
        ),
        &ratio_table(cells),
    );
    let figures = origin.section("Figures of the same runs", "", &figure_table(cells));
    [ratios, figures]
}

fn ratio_table(cells: &[Cell]) -> String {
    let mut table =
        "| protocol | clients | tps | p50 | p99 | pooler CPU by transaction | CPU share |
|---|---|---|---|---|---|---|
"
        .to_owned();
    for cell in cells {
        let [tps, p50, p99, cpu] = [TPS, P50, P99, POOLER].map(|figure| cell.ratios(figure));
        let share = cell.ratios(Sample::share);
        let columns = [tps, p50, p99, cpu, share].map(|figures| shown(figures, Some(2)));
        row(&mut table, &[cell.protocol.name(), &cell.clients.to_string(), &columns.join(" | ")]);
    }
    table
}

const TPS: fn(&Sample) -> f64 = |sample| sample.tps;
const P50: fn(&Sample) -> f64 = |sample| sample.p50_us;
const P99: fn(&Sample) -> f64 = |sample| sample.p99_us;
const POOLER: fn(&Sample) -> f64 = |sample| sample.pooler_us;
const REST: fn(&Sample) -> f64 = |sample| sample.rest_us;

fn figure_table(cells: &[Cell]) -> String {
    let mut table = "| protocol | clients | way | tps | p50, us | p99, us | pooler CPU, us | PostgreSQL and pgbench CPU, us |
|---|---|---|---|---|---|---|---|
"
    .to_owned();
    for cell in cells {
        for way in Way::ALL {
            let figures = [TPS, P50, P99, POOLER, REST].map(|figure| cell.figures(way, figure));
            let mut columns = figures.map(|figures| shown(figures, None));
            if way == Way::Direct {
                columns[3] = "-".to_owned();
            }
            let clients = cell.clients.to_string();
            row(&mut table, &[cell.protocol.name(), &clients, way.name(), &columns.join(" | ")]);
        }
    }
    table
}

/// Memory of idle clients.
pub(crate) fn idle(costs: &[IdleCost], origin: &Origin) -> Section {
    let mut table = "| pooler | TLS | KiB a client |\n|---|---|---|\n".to_owned();
    for security in Security::ALL {
        for way in [Way::Proxy, Way::Bouncer] {
            let of = |cost: &&IdleCost| cost.way == way && cost.security == security;
            let figures = costs.iter().filter(of).map(|cost| cost.client_kib).collect();
            row(&mut table, &[way.name(), security.name(), &shown(figures, Some(2))]);
        }
    }
    let text = "Growth of a fresh process divided by the number of clients that logged in and asked nothing.";
    origin.section("Resident memory of an idle client", text, &table)
}

/// Large results and COPY.
pub(crate) fn bulk(transfers: &[Transfer], origin: &Origin) -> Section {
    let mut table = "| direction | pooler | MiB by CPU second of the pooler | relative to PgBouncer |\n|---|---|---|---|\n".to_owned();
    for direction in Direction::ALL {
        let of = |way: Way| {
            let same =
                |transfer: &&Transfer| transfer.way == way && transfer.direction == direction;
            transfers.iter().filter(same).map(Transfer::mib_by_cpu_s).collect::<Vec<_>>()
        };
        let theirs = of(Way::Bouncer);
        for way in [Way::Proxy, Way::Bouncer] {
            let ratios = shown(quotients(&of(way), &theirs), Some(2));
            row(&mut table, &[direction.name(), way.name(), &shown(of(way), None), &ratios]);
        }
    }
    let text = "One client reads a large result, copies out and copies in; more is better.";
    origin.section("Bytes that a CPU second of the pooler moves", text, &table)
}

/// Connections that log in, ask once and leave.
pub(crate) fn logins(costs: &[LoginCost], origin: &Origin) -> Section {
    let mut table =
        "| TLS | pooler | logins per second | pooler CPU by login, us | CPU relative to PgBouncer |
|---|---|---|---|---|
"
        .to_owned();
    for security in Security::ALL {
        let of = |way: Way, figure: fn(&LoginCost) -> f64| {
            let same = |cost: &&LoginCost| cost.way == way && cost.security == security;
            costs.iter().filter(same).map(figure).collect::<Vec<_>>()
        };
        let theirs = of(Way::Bouncer, |cost| cost.pooler_us);
        for way in [Way::Proxy, Way::Bouncer] {
            let (rate, cpu) = (of(way, |cost| cost.by_second), of(way, |cost| cost.pooler_us));
            let ratios = shown(quotients(&cpu, &theirs), Some(2));
            let columns = [shown(rate, None), shown(cpu, None), ratios].join(" | ");
            row(&mut table, &[security.name(), way.name(), &columns]);
        }
    }
    let text = "`pgbench -C -S` with eight clients: SCRAM-SHA-256 with 4,096 iterations, of which the client does most, and one
SELECT. With TLS it is TLS 1.3 and a P-256 certificate.";
    origin.section("Logins", text, &table)
}

/// `record_metric`.
pub(crate) fn contests(contests: &[Contest], origin: &Origin) -> Section {
    let text = "One client directly on the server, prepared statements, no waiting for the disk (`fsync = off`,
`synchronous_commit = off`), the table emptied before each run. The INSERT validates nothing; a thousand rows of it are
one `INSERT ... SELECT`. The ratio is server CPU relative to PL/pgSQL in the same round; less is better.";
    let mut table =
        "| calls a statement | writer | calls per second | server CPU a call, us | ratio |
|---|---|---|---|---|
"
        .to_owned();
    for contest in contests {
        let oracle = contests
            .iter()
            .find(|other| other.batch == contest.batch && other.writer == Writer::PlPgSql);
        let ratios = oracle.map(|oracle| quotients(&contest.server_us, &oracle.server_us));
        let columns = [
            shown(contest.calls_per_s.clone(), None),
            shown(contest.server_us.clone(), None),
            shown(ratios.unwrap_or_default(), Some(2)),
        ];
        let len = contest.batch.len().to_string();
        row(&mut table, &[&len, contest.writer.name(), &columns.join(" | ")]);
    }
    origin.section("record_metric", text, &table)
}

fn row(table: &mut String, columns: &[&str]) {
    writeln!(table, "| {} |", columns.join(" | ")).expect("a string takes all text");
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
