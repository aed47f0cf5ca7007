//! Many bytes at once: a large result, COPY out and COPY in.

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt, pin_mut};
use harness::Database;
use tokio_postgres::{Client, Config};

use crate::comparison::round_of;
use crate::cpu::CpuTime;
use crate::error::BenchError;
use crate::machine;
use crate::options::Options;
use crate::target::{Target, Way};

/// Bytes of one value and how many there are: 512 MiB in all.
const VALUE_LEN: usize = 1024;
const ROWS: usize = 512 * 1024;

/// Rows in one piece of COPY data.
const PIECE_ROWS: usize = 60;

/// Where the bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// Rows of a SELECT.
    Result,
    /// COPY TO STDOUT.
    CopyOut,
    /// COPY FROM STDIN.
    CopyIn,
}

/// One transfer through one pooler.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Transfer {
    /// Which pooler.
    pub(crate) way: Way,
    /// Where the bytes went.
    pub(crate) direction: Direction,
    pooler_us: u64,
}

impl Direction {
    /// In the order of the measurement.
    pub(crate) const ALL: [Self; 3] = [Self::Result, Self::CopyOut, Self::CopyIn];

    /// Its name in the results.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Result => "result",
            Self::CopyOut => "COPY out",
            Self::CopyIn => "COPY in",
        }
    }
}

impl Transfer {
    /// MiB of values for each second of the pooler's CPU.
    pub(crate) fn mib_by_cpu_s(&self) -> f64 {
        (ROWS * VALUE_LEN) as f64 / 1_048_576.0 / (self.pooler_us.max(1) as f64 / 1e6)
    }
}

/// Measures both poolers in turn.
///
/// # Errors
/// When a statement fails or a figure cannot be read.
pub(crate) async fn measure(
    database: &Database<'_>,
    targets: &[Target; 3],
    options: &Options,
) -> Result<Vec<Transfer>, BenchError> {
    let postmaster = machine::postmaster(database.cluster()).await?;
    let sql = "create table if not exists bulk (value text) with (autovacuum_enabled = false)";
    database.connect().await.batch_execute(sql).await?;
    let mut transfers = Vec::new();
    for round in 0..options.rounds {
        for direction in Direction::ALL {
            for target in round_of(targets, round).filter(|target| target.way != Way::Direct) {
                let client = harness::database::connect(&login(database, &target)).await;
                let before = CpuTime::now(target.pid, postmaster).await?;
                transfer(&client, direction).await?;
                let used = CpuTime::now(target.pid, postmaster).await?.since(before);
                let (way, pooler_us) = (target.way, used.pooler_us);
                let transfer = Transfer { way, direction, pooler_us };
                let rate = transfer.mib_by_cpu_s();
                println!(
                    "{} through {}: {rate:.0} MiB by CPU second",
                    direction.name(),
                    way.name()
                );
                transfers.push(transfer);
            }
        }
    }
    Ok(transfers)
}

/// Over TCP, as the poolers listen.
fn login(database: &Database<'_>, target: &Target) -> Config {
    let cluster = database.cluster();
    let mut config = Config::new();
    config.host("127.0.0.1").port(target.port).dbname(&database.name);
    config.user(cluster.superuser).password(cluster.password);
    config
}

async fn transfer(client: &Client, direction: Direction) -> Result<(), BenchError> {
    let rows = format!("select repeat('x', {VALUE_LEN}) from generate_series(1, {ROWS})");
    match direction {
        Direction::Result => {
            let stream = client.simple_query_raw(&rows).await?;
            pin_mut!(stream);
            while let Some(message) = stream.next().await {
                message?;
            }
        }
        Direction::CopyOut => {
            let stream = client.copy_out(&format!("copy ({rows}) to stdout")).await?;
            pin_mut!(stream);
            while let Some(piece) = stream.next().await {
                piece?;
            }
        }
        Direction::CopyIn => copy_in(client).await?,
    }
    Ok(())
}

/// The rows are thrown away again by the WHERE clause: what is measured is the way there.
async fn copy_in(client: &Client) -> Result<(), BenchError> {
    let sink = client.copy_in("copy bulk from stdin where value is null").await?;
    pin_mut!(sink);
    let piece = Bytes::from([&[b'x'; VALUE_LEN - 1][..], b"\n"].concat().repeat(PIECE_ROWS));
    for _ in 0..ROWS / PIECE_ROWS {
        sink.send(piece.clone()).await?;
    }
    sink.finish().await?;
    Ok(())
}
