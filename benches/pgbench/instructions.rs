//! Instructions that a backend of PostgreSQL executes for a transaction, counted by valgrind. No other process of the
//! machine adds to them; what a backend does by the clock, such as sending its statistics, still does.

use std::fs;
use std::path::{Path, PathBuf};

use harness::cluster::Stop;
use harness::{Cluster, Database, run_dir, wait};
use tokio_postgres::Client;

use crate::error::BenchError;
use crate::load::{Connections, Length, Load, Protocol, Script, Security};

/// Transactions of a short run and of a long one, whose difference is free of the login and of what runs once.
const SHORT: u32 = 1_000;
const LONG: u32 = 5_000;

/// Connections that pgbench makes with one client: one of them only looks at the tables.
const BACKENDS: usize = 2;

/// A cluster that runs under valgrind until this is dropped.
#[derive(Debug)]
pub(crate) struct Counter<'a> {
    database: &'a Database<'a>,
    /// Where each process that ends leaves its count.
    dir: PathBuf,
}

impl<'a> Counter<'a> {
    /// Restarts the cluster of `database` under valgrind, and has it read what the runs read.
    ///
    /// # Errors
    /// When pgbench's report cannot be read.
    pub(crate) async fn start(
        database: &'a Database<'a>,
        script: &Script,
    ) -> Result<Self, BenchError> {
        let dir = run_dir::fresh_dir("counts");
        run_dir::give_to_server(&dir);
        let cluster = database.cluster();
        cluster.stop(Stop::Fast);
        cluster.start_under(&[
            "valgrind".to_owned(),
            "--quiet".to_owned(),
            "--tool=callgrind".to_owned(),
            format!("--callgrind-out-file={}/%p", dir.display()),
        ]);
        let counter = Self { database, dir };
        counter.run(script, "", LONG).await?;
        Ok(counter)
    }

    /// Instructions for each transaction of sessions with these options.
    ///
    /// # Errors
    /// When pgbench's report or a count cannot be read.
    pub(crate) async fn by_transaction(
        &self,
        script: &Script,
        options: &'static str,
    ) -> Result<f64, BenchError> {
        let short = self.run(script, options, SHORT).await?;
        let long = self.run(script, options, LONG).await?;
        Ok((long as f64 - short as f64) / f64::from(LONG - SHORT))
    }

    /// Instructions of the backend of a session, from its login to its end.
    ///
    /// # Errors
    /// When a count cannot be read, or `work` fails.
    pub(crate) async fn of_session(
        &self,
        work: impl AsyncFnOnce(&Client) -> Result<(), BenchError>,
    ) -> Result<u64, BenchError> {
        self.forget()?;
        let client = self.database.connect().await;
        work(&client).await?;
        drop(client);
        self.counted(1).await
    }

    /// Instructions of all backends of a run.
    async fn run(
        &self,
        script: &Script,
        options: &'static str,
        transactions: u32,
    ) -> Result<u64, BenchError> {
        let load = Load {
            port: self.database.cluster().port,
            clients: 1,
            protocol: Protocol::Prepared,
            script: script.clone(),
            length: Length::Transactions(transactions),
            connections: Connections::Kept,
            security: Security::Plain,
            options,
        };
        // The process that made the server ready has left one too.
        self.forget()?;
        load.run(self.database).await?;
        self.counted(BACKENDS).await
    }

    /// What so many backends have counted, once they have ended.
    async fn counted(&self, backends: usize) -> Result<u64, BenchError> {
        let mut counts = Vec::new();
        wait::until("valgrind has written its counts", async || {
            counts = self.files().iter().filter_map(|file| total(file)).collect();
            counts.len() >= backends
        })
        .await;
        Ok(counts.iter().sum())
    }

    fn forget(&self) -> Result<(), BenchError> {
        let files = self.files();
        let removed: Result<Vec<()>, _> = files.iter().map(fs::remove_file).collect();
        removed.map(drop).map_err(BenchError::io("removing a count"))
    }

    /// Of the processes that have ended.
    fn files(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.dir).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect()
    }
}

impl Drop for Counter<'_> {
    fn drop(&mut self) {
        let cluster: &Cluster = self.database.cluster();
        cluster.stop(Stop::Fast);
        cluster.start();
    }
}

/// The number behind `totals:`, the last line of a file of callgrind's format; none while it is being written.
fn total(path: &Path) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    let total = text.lines().rev().find_map(|line| line.strip_prefix("totals: "))?;
    total.trim().parse().ok()
}
