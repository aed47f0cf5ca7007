//! The main process of a PostgreSQL server, as its `postmaster.pid` and /proc describe it.
//!
//! Tells a server of our data directory from a stranger that got the same process id, and ends it.
//! Must not know how a server is started.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::EmbeddedError;

/// How often a condition is looked at again.
const POLL: Duration = Duration::from_millis(20);
/// How long an immediate shutdown may take; it writes nothing.
const IMMEDIATE_WITHIN: Duration = Duration::from_secs(5);

/// What `postmaster.pid` says; its lines are listed in src/include/utils/pidfile.h.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Postmaster {
    pid: i32,
    status: Status,
}

/// How far the server has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    /// It starts up, recovers or shuts down.
    Busy,
    /// It takes connections.
    Ready,
}

/// How the server is asked to stop; see "Shutting Down the Server" in the PostgreSQL manual.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopMode {
    /// Ends the sessions, rolls their transactions back and writes a checkpoint (SIGINT).
    Fast,
    /// Ends at once; the next start recovers from the log (SIGQUIT).
    Immediate,
}

impl Postmaster {
    /// Reads `postmaster.pid` in `data_dir`; `None` when no server wrote one.
    pub(super) fn read(data_dir: &Path) -> Result<Option<Self>, EmbeddedError> {
        let path = pid_file(data_dir);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(parse(&text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(EmbeddedError::io("read", &path)(error)),
        }
    }

    pub(super) fn pid(self) -> i32 {
        self.pid
    }

    pub(super) fn status(self) -> Status {
        self.status
    }

    /// Whether the process is a server of `data_dir`: a server's working directory is its data.
    pub(super) fn serves(self, data_dir: &Path) -> bool {
        works_in(self.pid, data_dir)
    }
}

/// Leaves no process of an earlier server in `data_dir` and no file that would stop a new one.
///
/// # Errors
/// A server of an earlier run does not stop.
pub(super) fn clear(data_dir: &Path, within: Duration) -> Result<Cleared, EmbeddedError> {
    let Some(earlier) = Postmaster::read(data_dir)? else { return Ok(Cleared::Nothing) };
    let running = earlier.serves(data_dir);
    if running {
        stop(earlier.pid, StopMode::Fast, within, || !earlier.serves(data_dir))?;
    }
    wait_for_leftovers(data_dir, within)?;
    // PostgreSQL takes any live process with that id for its own server (CreateLockFile in
    // src/backend/utils/init/miscinit.c) and would refuse to start.
    let path = pid_file(data_dir);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(EmbeddedError::io("remove", &path)(error))
        }
        _ => Ok(if running { Cleared::Server } else { Cleared::PidFile }),
    }
}

/// What an earlier run had left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cleared {
    /// Nothing.
    Nothing,
    /// The file of a server that is gone.
    PidFile,
    /// A server that went on running; it has been stopped.
    Server,
}

/// Asks process `pid` to stop and waits until `gone` says so; after `within` it is told to end at once.
///
/// # Errors
/// [`EmbeddedError::NotStopped`] when even that does not help.
pub(super) fn stop(
    pid: i32,
    mode: StopMode,
    within: Duration,
    mut gone: impl FnMut() -> bool,
) -> Result<(), EmbeddedError> {
    if mode == StopMode::Fast {
        signal(pid, Signal::SIGINT);
        if wait_until(within, &mut gone) {
            return Ok(());
        }
    }
    signal(pid, Signal::SIGQUIT);
    if wait_until(IMMEDIATE_WITHIN, &mut gone) {
        return Ok(());
    }
    Err(EmbeddedError::NotStopped { pid })
}

/// Looks at `condition` until it holds, at most for `within`.
pub(super) fn wait_until(within: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + within;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        sleep(POLL);
    }
}

fn pid_file(data_dir: &Path) -> PathBuf {
    data_dir.join("postmaster.pid")
}

/// A standalone backend writes its process id negated.
fn parse(text: &str) -> Option<Postmaster> {
    let mut lines = text.lines();
    let pid: i32 = lines.next()?.trim().parse().ok()?;
    let ready = lines.nth(6).is_some_and(|status| status.trim() == "ready");
    let status = if ready { Status::Ready } else { Status::Busy };
    Some(Postmaster { pid: pid.checked_abs().filter(|pid| *pid > 1)?, status })
}

fn works_in(pid: i32, data_dir: &Path) -> bool {
    let cwd = fs::read_link(format!("/proc/{pid}/cwd"));
    cwd.is_ok_and(|cwd| fs::canonicalize(data_dir).is_ok_and(|dir| dir == cwd))
}

fn wait_for_leftovers(data_dir: &Path, within: Duration) -> Result<(), EmbeddedError> {
    let mut pids = Vec::new();
    let none_left = wait_until(within, || {
        pids = processes_in(data_dir);
        pids.is_empty()
    });
    if none_left {
        return Ok(());
    }
    let pids: Vec<_> = pids.iter().map(i32::to_string).collect();
    Err(EmbeddedError::LeftOver { path: data_dir.to_owned(), pids: pids.join(" ") })
}

/// The servers' own processes; a shell that stands in the directory does not count.
fn processes_in(data_dir: &Path) -> Vec<i32> {
    let Ok(proc) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = proc.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| is_postgres(*pid) && works_in(*pid, data_dir)).collect()
}

fn is_postgres(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "postgres")
}

fn signal(pid: i32, signal: Signal) {
    // A process that is gone is what is wanted; that one may not be signalled shows in the wait.
    let _ = kill(Pid::from_raw(pid), signal);
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "4711\n/data\n1790000000\n54321\n/run\n127.0.0.1\n  5432001  7\n";

    #[test]
    fn the_status_line_tells_when_the_server_takes_connections() {
        let ready = parse(&format!("{FILE}ready   \n")).unwrap();
        assert_eq!(ready, Postmaster { pid: 4711, status: Status::Ready });
        assert_eq!(parse(&format!("{FILE}starting\n")).unwrap().status, Status::Busy);
        assert_eq!(parse(FILE).unwrap().status, Status::Busy);
    }

    #[test]
    fn what_is_no_process_id_is_never_signalled() {
        for text in ["", "0\n", "1\n", "-1\n", "x\n", "-2147483648\n"] {
            assert_eq!(parse(text), None, "{text:?}");
        }
        assert_eq!(parse("-4711\n").unwrap().pid, 4711);
    }

    #[test]
    fn a_stranger_with_the_same_process_id_is_not_our_server() {
        let own = i32::try_from(std::process::id()).unwrap();
        let stranger = Postmaster { pid: own, status: Status::Ready };
        assert!(!stranger.serves(Path::new("/nonexistent")));
    }
}
