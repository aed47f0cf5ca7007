//! `side-by-side`: PostgreSQL directly, this proxy and PgBouncer under the same load in turn, and
//! `record_metric` and `create_task` against their PL/pgSQL twins, and PostgreSQL with and without session reports.
//! Writes `benches/results.md`.
//!
//! Owns the order of the measurements. Nothing here is a test: the figures are printed as they
//! come, and a run fails only when something could not be measured.

mod bouncer;
mod bulk;
mod comparison;
mod cpu;
mod error;
mod idle;
mod instructions;
mod load;
mod logins;
mod machine;
mod metric;
mod metric_store;
mod options;
mod reports;
mod results;
mod section;
mod summary;
mod target;
mod task_store;
mod trust;

use clap::Parser;
use harness::proxy_config::path_text;
use harness::{Cluster, Proxy};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use bouncer::{Bouncer, Release};
use error::BenchError;
use machine::Machine;
use options::{Options, Part};
use results::{Origin, TITLE};
use section::Section;
use target::{POOL_SIZE, Target};
use trust::Trust;

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
    let origin = Origin::new(&options, &described);
    let trust = Trust::new();
    let mut sections = Vec::new();
    if options.runs(Part::Idle) {
        sections.push(results::idle(&idle::measure(&cluster, &options, &trust).await?, &origin));
    }
    sections.extend(compare(&cluster, &options, &release, &trust, &origin).await?);
    if options.runs(Part::Metric) {
        sections.push(results::contests(&metric::measure(&cluster, &options).await?, &origin));
    }
    if options.runs(Part::MetricStore) {
        let figures = metric_store::measure(&cluster, described.clone()).await?;
        sections.push(Section::new(figures.to_string()));
    }
    if options.runs(Part::TaskStore) {
        let figures = task_store::measure(&cluster, described.clone()).await?;
        sections.push(Section::new(figures.to_string()));
    }
    if options.runs(Part::Reports) {
        let cost = reports::measure(&cluster, &options, described).await?;
        sections.push(Section::new(cost.to_string()));
    }
    write(&options, &sections)
}

/// The results as they are, with new sections in the place of those that were measured.
fn write(options: &Options, sections: &[Section]) -> Result<(), BenchError> {
    let old = std::fs::read_to_string(&options.out).unwrap_or_default();
    let old = if options.only.is_empty() || old.is_empty() { TITLE.to_owned() } else { old };
    let text = Section::replace_all(old, sections);
    std::fs::write(&options.out, &text).map_err(BenchError::io("writing the results"))?;
    println!("\n{text}");
    Ok(())
}

/// The same loads through each of the three ways to the same database, whose sessions report.
async fn compare(
    cluster: &Cluster,
    options: &Options,
    release: &Release,
    trust: &Trust,
    origin: &Origin,
) -> Result<Vec<Section>, BenchError> {
    let database = cluster.database().await;
    load::fill(&database, options.scale).await;
    let proxy = start_proxy(cluster, trust).await;
    let bouncer = Bouncer::start(&options.pgbouncer, release, cluster, trust).await?;
    let targets = [
        Target::direct(cluster),
        Target::proxy(proxy.port, proxy.pid()),
        Target::bouncer(bouncer.port, bouncer.pid()),
    ];
    let mut sections = Vec::new();
    if options.runs(Part::Pooling) {
        let cells = comparison::measure(&database, &targets, options, release).await?;
        sections.extend(results::pooling(&cells, origin));
    }
    if options.runs(Part::Bulk) {
        sections.push(results::bulk(&bulk::measure(&database, &targets, options).await?, origin));
    }
    if options.runs(Part::Logins) {
        sections
            .push(results::logins(&logins::measure(&database, &targets, options).await?, origin));
    }
    Ok(sections)
}

/// The proxy with the pool the comparison gives to both poolers, silent as PgBouncer is.
async fn start_proxy(cluster: &Cluster, trust: &Trust) -> Proxy {
    Proxy::start(cluster, |config| {
        let (cert, key) = (&trust.certificate.cert_file, &trust.certificate.key_file);
        config
            .set("pool.max", i64::from(POOL_SIZE))
            .set("log.level", "warn")
            .set("listen.tls.mode", "allow")
            .set("listen.tls.cert_file", path_text(cert))
            .set("listen.tls.key_file", path_text(key));
    })
    .await
}

/// A thousand idle clients need as many descriptors here and in each pooler, which inherits this.
fn raise_open_files() -> Result<(), BenchError> {
    let raised = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard, hard));
    raised.map_err(|errno| BenchError::io("raising the limit of open files")(errno.into()))
}
