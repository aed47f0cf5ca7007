//! CPU time and memory of processes, as Linux accounts for them in `/proc` (proc(5)).

use std::fs;
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

use crate::error::BenchError;

/// A process id.
pub(crate) type Pid = u32;

/// Length of a clock tick in `/proc/<pid>/stat`: `USER_HZ` is 100 on every architecture that both
/// Linux and Rust support.
const TICK_US: u64 = 10_000;

/// Within this time the backends of clients that have left have ended too.
const SETTLE: Duration = Duration::from_millis(150);

/// CPU time used so far, in microseconds of user and system time together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CpuTime {
    /// The pooler's process with all its threads.
    pub(crate) pooler_us: u64,
    /// All processes of PostgreSQL, those that have ended included.
    pub(crate) server_us: u64,
    /// The programs this process has run to their end, which is pgbench.
    pub(crate) client_us: u64,
}

impl CpuTime {
    /// The time used up to now, once what ran before has settled.
    ///
    /// # Errors
    /// When one of the processes is gone.
    pub(crate) async fn now(pooler: Option<Pid>, postmaster: Pid) -> Result<Self, BenchError> {
        tokio::time::sleep(SETTLE).await;
        Ok(Self {
            pooler_us: pooler.map_or(Ok(0), |pid| Stat::read(pid).map(|stat| stat.own_us))?,
            server_us: family_us(postmaster)?,
            client_us: ended_children_us()?,
        })
    }

    /// What was used since `earlier`.
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            pooler_us: self.pooler_us.saturating_sub(earlier.pooler_us),
            server_us: self.server_us.saturating_sub(earlier.server_us),
            client_us: self.client_us.saturating_sub(earlier.client_us),
        }
    }
}

/// Resident memory of a process in KiB.
///
/// # Errors
/// When it is gone.
pub(crate) fn resident_kib(pid: Pid) -> Result<u64, BenchError> {
    let text = fs::read_to_string(format!("/proc/{pid}/status"))
        .map_err(BenchError::io("reading the memory of a process"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.ok_or(BenchError::Output { program: "/proc", field: "VmRSS", text })
}

/// What `/proc/<pid>/stat` says about one process.
struct Stat {
    parent: Pid,
    own_us: u64,
    ended_children_us: u64,
}

impl Stat {
    fn read(pid: Pid) -> Result<Self, BenchError> {
        let text = fs::read_to_string(format!("/proc/{pid}/stat"))
            .map_err(BenchError::io("reading the CPU time of a process"))?;
        Self::parse(&text).ok_or(BenchError::Output { program: "/proc", field: "stat", text })
    }

    /// The name stands in parentheses and may hold anything; the fields behind it are numbered from
    /// 3 on: 4 is the parent, 14 to 17 are utime, stime, cutime and cstime.
    fn parse(text: &str) -> Option<Self> {
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
        let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
        Some(Self {
            parent: fields.get(1)?.parse().ok()?,
            own_us: (number(14)? + number(15)?) * TICK_US,
            ended_children_us: (number(16)? + number(17)?) * TICK_US,
        })
    }
}

/// The postmaster waits for its children, so those that ended are in its own account. One that is
/// waited for while the others are read could be missed or counted twice, hence the second look.
fn family_us(postmaster: Pid) -> Result<u64, BenchError> {
    loop {
        let before = Stat::read(postmaster)?;
        let living = living_children_us(postmaster)?;
        let after = Stat::read(postmaster)?;
        if before.ended_children_us == after.ended_children_us {
            return Ok(after.own_us + after.ended_children_us + living);
        }
    }
}

fn living_children_us(parent: Pid) -> Result<u64, BenchError> {
    let processes = fs::read_dir("/proc").map_err(BenchError::io("listing processes"))?;
    let pids = processes.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    // A process that ends before it is read is in its parent's account.
    let stats = pids.filter_map(|pid| Stat::read(pid).ok());
    Ok(stats.filter(|stat| stat.parent == parent).map(|stat| stat.own_us).sum())
}

fn ended_children_us() -> Result<u64, BenchError> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)
        .map_err(|errno| BenchError::io("reading the CPU time of pgbench")(errno.into()))?;
    let total = usage.user_time() + usage.system_time();
    Ok(u64::try_from(total.num_microseconds()).unwrap_or(0))
}
