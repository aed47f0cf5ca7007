//! `taskmaster up`: the private PostgreSQL, its schema and the proxy in front, until told to stop.
//!
//! Tells the story and leaves the work to the parts.

use std::future::pending;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::sleep;

use super::cluster::{Progress, READY_WITHIN, STOP_WITHIN};
use super::home::Home;
use super::invitation::{self, Invitation};
use super::roles::{self, Entrance};
use super::{Cluster, EmbeddedError, Steps, StopMode, schema, serving};

/// How often the private server is looked at while the proxy serves.
const WATCH_EVERY: Duration = Duration::from_millis(500);

/// What the command line may say.
#[derive(Debug, Clone)]
pub struct UpOptions {
    /// The proxy's port.
    pub port: u16,
    /// The directory for everything.
    pub data_dir: PathBuf,
    /// Where PostgreSQL's programs are; found when not given.
    pub pg_bindir: Option<PathBuf>,
    /// Where the extension's files are; found when not given.
    pub extension_dir: Option<PathBuf>,
    /// Settings of the pool, by their environment names.
    pub environment: crate::config::Environment,
}

/// How often the process was asked to stop: once to drain, twice to end at once.
pub type Stops = watch::Receiver<u32>;

/// Brings everything up, serves until `stops` counts one, and takes it down again.
///
/// # Errors
/// The first thing that failed. A directory that was begun and not finished is removed.
pub async fn up(options: &UpOptions, mut stops: Stops) -> Result<(), EmbeddedError> {
    let steps = Steps::new();
    let mut home = Home::prepare(options, &steps)?;
    let outcome = with_cluster(options, &mut home, &steps, &mut stops).await;
    if outcome.is_err() {
        home.discard_unfinished()?;
    }
    outcome
}

async fn with_cluster(
    options: &UpOptions,
    home: &mut Home,
    steps: &Steps,
    stops: &mut Stops,
) -> Result<(), EmbeddedError> {
    let mut cluster = home.cluster()?;
    steps.wait("start", start(&mut cluster, stops)).await?;
    let outcome = with_schema(options, home, steps, (&mut cluster, stops)).await;
    let mode = if *stops.borrow() > 1 { StopMode::Immediate } else { StopMode::Fast };
    let stopped = steps.run("stop", || cluster.stop(mode, STOP_WITHIN));
    outcome.and(stopped)
}

async fn with_schema(
    options: &UpOptions,
    home: &mut Home,
    steps: &Steps,
    (cluster, stops): (&mut Cluster, &mut Stops),
) -> Result<(), EmbeddedError> {
    let prepared = async {
        let settings = cluster.settings();
        let (socket_dir, port) = (settings.socket_dir.as_path(), settings.port);
        let entrance = Entrance { socket_dir, port, secrets: &home.secrets };
        steps.wait("database", roles::ensure_database(entrance)).await?;
        steps.wait("migrations", schema::migrate(entrance)).await?;
        roles::grant(entrance).await?;
        schema::settle(entrance).await
    };
    unless_stopped(stops, prepared).await?;
    home.keep();
    invitation::write_passfile(&home.passfile(), &home.secrets.application)?;
    let invitation = Invitation {
        port: options.port,
        authority: home.shown(&home.certificates.authority_file()),
        passfile: home.shown(&home.passfile()),
    };
    let config = serving::config(options, home, cluster.settings())?;
    let ready = || welcome(steps, &invitation);
    let draining = || steps.say("waiting for transactions to end; Ctrl-C again ends them");
    tokio::select! {
        served = serving::serve(config, stops.clone(), ready, draining) => served,
        died = watch_server(cluster, home) => Err(died),
    }
}

fn welcome(steps: &Steps, invitation: &Invitation) {
    let time = super::steps::seconds(steps.elapsed());
    let port = invitation.port;
    steps.say(&format!("\nready on localhost:{port} in {time}; Ctrl-C stops it\n"));
    steps.say(&format!("{}\n{}\n", invitation.psql(), invitation.url()));
}

/// # Cancel safety
/// The server goes on starting when the future is dropped; the cluster stops it when dropped.
async fn start(cluster: &mut Cluster, stops: &mut Stops) -> Result<(), EmbeddedError> {
    cluster.spawn()?;
    let deadline = Instant::now() + READY_WITHIN;
    let ready = async {
        while cluster.progress()? == Progress::Starting {
            if Instant::now() >= deadline {
                return Err(cluster.not_ready());
            }
            sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    };
    unless_stopped(stops, ready).await
}

/// Gives `work` up when the process is asked to stop.
///
/// # Cancel safety
/// As that of `work`.
async fn unless_stopped<T>(
    stops: &mut Stops,
    work: impl Future<Output = Result<T, EmbeddedError>>,
) -> Result<T, EmbeddedError> {
    tokio::select! {
        outcome = work => outcome,
        () = stopped(stops, 1) => Err(EmbeddedError::Interrupted),
    }
}

/// Waits until the process was asked to stop `times` times.
///
/// # Cancel safety
/// Nothing is lost: the count stays.
pub(super) async fn stopped(stops: &mut Stops, times: u32) {
    if stops.wait_for(|count| *count >= times).await.is_err() {
        pending::<()>().await;
    }
}

/// Resolves when the private server ends by itself; keeps its log small meanwhile.
///
/// # Cancel safety
/// Holds nothing between two looks.
async fn watch_server(cluster: &mut Cluster, home: &Home) -> EmbeddedError {
    loop {
        if let Some(status) = cluster.exited() {
            let log = home.shown(&cluster.settings().log_file);
            return EmbeddedError::ServerDied { status: describe(status), log };
        }
        cluster.trim_log();
        sleep(WATCH_EVERY).await;
    }
}

fn describe(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match status.signal() {
        Some(signal) => format!("signal {signal}"),
        None => status.to_string(),
    }
}
