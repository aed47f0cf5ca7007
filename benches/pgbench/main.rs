//! `side-by-side`: PostgreSQL directly, this proxy and PgBouncer under the same load in turn, and
//! `record_metric` against its PL/pgSQL twin and a plain INSERT, and PostgreSQL with and without session reports. Writes `benches/results.md`.
//!
//! Owns the order of the measurements. Nothing here is a test: the figures are printed as they
//! come, and a run fails only when something could not be measured.

mod bouncer;
mod comparison;
mod cpu;
mod error;
mod idle;
mod instructions;
mod load;
mod machine;
mod metric;
mod options;
mod reports;
mod results;
mod section;
mod summary;
mod target;

use clap::Parser;
use harness::{Cluster, Proxy};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use bouncer::{Bouncer, Release};
use error::BenchError;
use machine::Machine;
use options::{Options, Part};
use results::Results;
use section::Section;
use target::{POOL_SIZE, Target};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BenchError> {
    let options = Options::parse();
    raise_open_files()?;
    let release = Release::of(&options.pgbouncer)?;
    let cluster = Cluster::builder()
        .setting("shared_buffers", "256MB")
        .setting("max_connections", "1100")
        .start();
    let machine = Machine::read(&cluster, &release).await?;
    println!("{machine}");
    let described = machine.to_string();
    let mut results = Results::new(&options, machine);
    if options.runs(Part::Idle) {
        results.idle = idle::measure(&cluster, &options).await?;
    }
    if options.runs(Part::Pooling) {
        results.cells = compare(&cluster, &options, &release).await?;
    }
    if options.runs(Part::Metric) {
        results.contests = metric::measure(&cluster, &options).await?;
    }
    if options.runs(Part::Reports) {
        results.reports = Some(reports::measure(&cluster, &options, described).await?);
    }
    let text = match (&results.reports, &*options.only) {
        (Some(cost), [Part::Reports]) => replaced(&options, cost)?,
        _ => results.to_string(),
    };
    std::fs::write(&options.out, &text).map_err(BenchError::io("writing the results"))?;
    println!("\n{text}");
    Ok(())
}

/// The results as they are, with new figures of the reports.
fn replaced(options: &Options, cost: &reports::ReportCost) -> Result<String, BenchError> {
    let old =
        std::fs::read_to_string(&options.out).map_err(BenchError::io("reading the results"))?;
    Ok(Section::new(cost.to_string()).replace_in(&old))
}

/// pgbench through each of the three ways to the same database.
async fn compare(
    cluster: &Cluster,
    options: &Options,
    release: &Release,
) -> Result<Vec<comparison::Cell>, BenchError> {
    let database = cluster.create_database().await;
    load::fill(&database, options.scale).await;
    let proxy = start_proxy(cluster).await;
    let bouncer = Bouncer::start(&options.pgbouncer, release, cluster).await?;
    let targets = [
        Target::direct(cluster),
        Target::proxy(proxy.port, proxy.pid()),
        Target::bouncer(bouncer.port, bouncer.pid()),
    ];
    comparison::measure(&database, &targets, options, release).await
}

/// The proxy with the pool the comparison gives to both poolers, silent as PgBouncer is.
async fn start_proxy(cluster: &Cluster) -> Proxy {
    Proxy::start(cluster, |config| {
        config.set("pool.max", i64::from(POOL_SIZE)).set("log.level", "warn");
    })
    .await
}

/// A thousand idle clients need as many descriptors here and in each pooler, which inherits this.
fn raise_open_files() -> Result<(), BenchError> {
    let raised = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard, hard));
    raised.map_err(|errno| BenchError::io("raising the limit of open files")(errno.into()))
}
