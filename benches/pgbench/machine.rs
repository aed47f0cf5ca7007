//! What the figures were taken on: enough to judge them, nothing that names the machine.

use std::fmt;
use std::fs;

use harness::Cluster;

use crate::bouncer::Release;
use crate::cpu::Pid;
use crate::error::BenchError;

/// The machine and the versions.
#[derive(Debug)]
pub(crate) struct Machine {
    cores: usize,
    kernel: String,
    postgres: String,
    bouncer: String,
    /// Average number of processes that wanted to run in the minute before.
    load: String,
}

impl Machine {
    /// Reads it.
    ///
    /// # Errors
    /// When the kernel or the server does not say.
    pub(crate) async fn read(cluster: &Cluster, release: &Release) -> Result<Self, BenchError> {
        let read = |path: &str| fs::read_to_string(path).map_err(BenchError::io("reading /proc"));
        let row = cluster.admin().await.query_one("show server_version", &[]).await?;
        let load = read("/proc/loadavg")?;
        Ok(Self {
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            kernel: read("/proc/sys/kernel/osrelease")?.trim().to_owned(),
            postgres: row.get::<_, &str>(0).split(' ').next().unwrap_or_default().to_owned(),
            bouncer: release.to_string(),
            load: load.split(' ').next().unwrap_or_default().to_owned(),
        })
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} cores, Linux {}, PostgreSQL {}, {}; load average before the run: {}",
            self.cores, self.kernel, self.postgres, self.bouncer, self.load
        )
    }
}

/// The process id of the postmaster: the first line of its lock file.
///
/// # Errors
/// When the server does not show it.
pub(crate) async fn postmaster(cluster: &Cluster) -> Result<Pid, BenchError> {
    let sql = "select split_part(pg_read_file('postmaster.pid'), E'\\n', 1)";
    let row = cluster.admin().await.query_one(sql, &[]).await?;
    let text: String = row.get(0);
    text.trim().parse().map_err(|_| BenchError::Output { program: "postgres", field: "pid", text })
}
