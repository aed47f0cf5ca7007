//! One private PostgreSQL server: made by `initdb`, started as a child, stopped.
//!
//! Blocking throughout; an async caller starts it with [`Cluster::spawn`] and asks
//! [`Cluster::progress`] between its own waits. Must not know what the server is for: roles,
//! migrations and the proxy are the callers' business.

use std::fs;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::files::{make_dir, remove_dir};
use super::postmaster::{self, Cleared, Postmaster, Status, StopMode};
use super::{Account, ClusterSettings, EmbeddedError, PrivateTree};

/// How long a start may take; recovery after a crash is part of it.
pub const READY_WITHIN: Duration = Duration::from_secs(120);
/// How long a fast shutdown may take; its checkpoint is part of it.
pub const STOP_WITHIN: Duration = Duration::from_secs(30);

/// How long the server's log may become, in bytes.
const LOG_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// A PostgreSQL server that this process makes, starts and stops.
///
/// Dropping it stops a running server.
#[derive(Debug)]
pub struct Cluster {
    tree: PrivateTree,
    account: Account,
    settings: ClusterSettings,
    child: Option<Child>,
    /// Length of the log when the server was started, in bytes.
    log_start: u64,
}

/// Whether `initdb` waits until its files are on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// The new cluster survives a power failure.
    Synced,
    /// It need not: for tests.
    Unsynced,
}

/// How far a start has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Not ready yet.
    Starting,
    /// The server takes connections.
    Ready,
}

impl Cluster {
    /// A cluster that is not running yet.
    #[must_use]
    pub fn new(tree: PrivateTree, account: Account, settings: ClusterSettings) -> Self {
        Self { tree, account, settings, child: None, log_start: 0 }
    }

    /// What it was made with.
    #[must_use]
    pub fn settings(&self) -> &ClusterSettings {
        &self.settings
    }

    /// Runs `initdb`: superuser `postgres` with `password`, SCRAM everywhere, UTF8, checksums.
    ///
    /// The parent of the data directory must be one that the account can reach.
    ///
    /// # Errors
    /// What `initdb` said, or a file that cannot be written. The data directory is gone then.
    pub fn init(&self, password: &str, durability: Durability) -> Result<(), EmbeddedError> {
        let data_dir = &self.settings.data_dir;
        make_dir(data_dir, 0o700)?;
        self.account.own(data_dir)?;
        let outcome = self.run_initdb(password, durability);
        if outcome.is_err() {
            remove_dir(data_dir)?;
        }
        outcome
    }

    /// Ends what an earlier run left in the data directory, so that a start can succeed.
    ///
    /// # Errors
    /// A server of an earlier run does not stop.
    pub fn clear(&self) -> Result<Cleared, EmbeddedError> {
        postmaster::clear(&self.settings.data_dir, STOP_WITHIN)
    }

    /// Starts the server and waits until it takes connections.
    ///
    /// # Errors
    /// The server ends, or is not ready within [`READY_WITHIN`]; it is stopped then.
    pub fn start(&mut self) -> Result<(), EmbeddedError> {
        self.spawn()?;
        let deadline = Instant::now() + READY_WITHIN;
        while self.progress()? == Progress::Starting {
            if Instant::now() >= deadline {
                return Err(self.not_ready());
            }
            sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Starts the server and returns at once; [`Cluster::progress`] tells when it is ready.
    ///
    /// # Errors
    /// The configuration cannot be written or the program does not run.
    pub fn spawn(&mut self) -> Result<(), EmbeddedError> {
        self.settings.write(self.account)?;
        let postgres = self.tree.program("postgres");
        let log = self.open_log()?;
        let errors = log.try_clone().map_err(EmbeddedError::io("open", &self.settings.log_file))?;
        self.log_start = log.metadata().map_or(0, |found| found.len());
        let mut command = Command::new(&postgres);
        command.arg("-D").arg(&self.settings.data_dir).stdin(Stdio::null());
        // Its own process group: Ctrl-C in the terminal must reach the proxy first.
        command.stdout(log).stderr(errors).process_group(0);
        let child = self.account.apply(without_pg_variables(&mut command)).spawn();
        self.child = Some(child.map_err(EmbeddedError::io("run", &postgres))?);
        Ok(())
    }

    /// How far the start has come.
    ///
    /// # Errors
    /// [`EmbeddedError::NotStarted`] with the server's own words when it has ended.
    pub fn progress(&mut self) -> Result<Progress, EmbeddedError> {
        if let Some(status) = self.exited() {
            let cause =
                self.settings.last_complaint(self.log_start).unwrap_or_else(|| status.to_string());
            return Err(EmbeddedError::NotStarted(cause));
        }
        let own = self.pid();
        let written = Postmaster::read(&self.settings.data_dir)?;
        let ready =
            written.is_some_and(|file| Some(file.pid()) == own && file.status() == Status::Ready);
        Ok(if ready { Progress::Ready } else { Progress::Starting })
    }

    /// The error for a start that took longer than [`READY_WITHIN`].
    #[must_use]
    pub fn not_ready(&self) -> EmbeddedError {
        EmbeddedError::NotReady { after: READY_WITHIN, log: self.settings.log_file.clone() }
    }

    /// How the server ended, if it has.
    pub fn exited(&mut self) -> Option<ExitStatus> {
        let status = self.child.as_mut()?.try_wait().ok().flatten()?;
        self.child = None;
        Some(status)
    }

    /// The process id of the running server.
    #[must_use]
    pub fn pid(&self) -> Option<i32> {
        self.child.as_ref().and_then(|child| i32::try_from(child.id()).ok())
    }

    /// Stops the server; a fast shutdown that takes longer than `within` becomes an immediate one.
    ///
    /// # Errors
    /// [`EmbeddedError::NotStopped`] when it goes on running.
    pub fn stop(&mut self, mode: StopMode, within: Duration) -> Result<(), EmbeddedError> {
        let Some(pid) = self.pid() else { return Ok(()) };
        postmaster::stop(pid, mode, within, || self.exited().is_some())
    }

    /// Empties a log that has grown past its bound; its last state is kept beside it.
    pub fn trim_log(&self) {
        let path = &self.settings.log_file;
        let Ok(found) = fs::metadata(path) else { return };
        if found.len() < LOG_BYTES_MAX || fs::copy(path, path.with_extension("1")).is_err() {
            return;
        }
        // The server appends, so a shorter file is simply continued.
        let _ = OpenOptions::new().write(true).truncate(true).open(path);
    }

    fn open_log(&self) -> Result<fs::File, EmbeddedError> {
        let path = &self.settings.log_file;
        let log = OpenOptions::new().create(true).append(true).mode(0o600).open(path);
        log.map_err(EmbeddedError::io("open", path))
    }

    fn run_initdb(&self, password: &str, durability: Durability) -> Result<(), EmbeddedError> {
        let secret = PasswordFile::write(&self.settings.data_dir, password, self.account)?;
        let first = self.initdb(&secret, durability, self.locale())?;
        // An old C library has no C.UTF-8; plain C sorts the same.
        let outcome = match first {
            Err(complaint) if complaint.contains("locale") => {
                self.initdb(&secret, durability, &["--locale=C"])?
            }
            outcome => outcome,
        };
        outcome.map_err(EmbeddedError::Initdb)
    }

    fn locale(&self) -> &'static [&'static str] {
        match self.settings.major {
            ..17 => &["--locale=C.UTF-8"],
            _ => &["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"],
        }
    }

    fn initdb(
        &self,
        password: &PasswordFile,
        durability: Durability,
        locale: &[&str],
    ) -> Result<Result<(), String>, EmbeddedError> {
        let initdb = self.tree.program("initdb");
        let mut command = Command::new(&initdb);
        command.arg("--pgdata").arg(&self.settings.data_dir).arg("--pwfile").arg(&password.0);
        command.args(["--username=postgres", "--auth=scram-sha-256", "--encoding=UTF8"]);
        command.args(["--data-checksums", "--no-instructions"]).args(locale);
        if durability == Durability::Unsynced {
            command.arg("--no-sync");
        }
        command.stdin(Stdio::null()).process_group(0);
        let run = self.account.apply(without_pg_variables(&mut command)).output();
        let output = run.map_err(EmbeddedError::io("run", &initdb))?;
        let complaint = last_line(&String::from_utf8_lossy(&output.stderr));
        Ok(if output.status.success() { Ok(()) } else { Err(complaint) })
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Err(error) = self.stop(StopMode::Fast, STOP_WITHIN) {
            tracing::error!(%error, "the private PostgreSQL was left running");
        }
    }
}

/// A password where only the account can read it; removed when it is no longer needed.
struct PasswordFile(PathBuf);

impl PasswordFile {
    fn write(data_dir: &Path, password: &str, account: Account) -> Result<Self, EmbeddedError> {
        let file = Self(data_dir.with_extension("pwfile"));
        let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&file.0);
        let mut opened = opened.map_err(EmbeddedError::io("create", &file.0))?;
        let written = opened.write_all(password.as_bytes());
        written.map_err(EmbeddedError::io("write", &file.0))?;
        account.own(&file.0)?;
        Ok(file)
    }
}

impl Drop for PasswordFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// PGDATA, PGPORT and the like are meant for the caller's own clients, not for this server.
fn without_pg_variables(command: &mut Command) -> &mut Command {
    for (name, _) in std::env::vars_os().filter(|(name, _)| {
        name.to_str().is_some_and(|name| name.starts_with("PG") || name.starts_with("LC_"))
    }) {
        command.env_remove(name);
    }
    command.env("LC_ALL", "C").current_dir("/")
}

fn last_line(text: &str) -> String {
    let line = text.lines().rev().find(|line| line.contains("error:") || line.contains("FATAL"));
    let line = line.or_else(|| text.lines().last()).unwrap_or("no reason given");
    line.trim().to_owned()
}
