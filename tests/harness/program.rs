//! Runs a program to its end, bounded, and keeps what it wrote.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::installation::Installation;
use crate::{reaper, run_dir};

/// The longest a program of a test may run before it is killed and the test fails.
const LIMIT: Duration = Duration::from_secs(240);

/// A program about to run.
pub struct Program {
    command: Command,
    name: String,
    input: String,
}

/// What a program left.
#[derive(Debug)]
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Program {
    /// A program by path or by a name in `PATH`.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        let name = program.as_ref().to_string_lossy().into_owned();
        Self { command: Command::new(program), name, input: String::new() }
    }

    /// A client program of the installed PostgreSQL, such as `psql` or `pgbench`.
    pub fn postgres(name: &str) -> Self {
        Self::new(Installation::get().system_bin_dir.join(name))
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.command.args(args);
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Sets the working directory.
    #[must_use]
    pub fn current_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.command.current_dir(dir.into());
        self
    }

    /// What it reads from standard input.
    #[must_use]
    pub fn input(mut self, text: &str) -> Self {
        text.clone_into(&mut self.input);
        self
    }

    /// Runs it on a thread of its own, so that the test's runtime goes on.
    pub async fn run(self) -> Finished {
        let running = tokio::task::spawn_blocking(|| self.run_blocking());
        running.await.expect("run_blocking reports failures as a panic with their text")
    }

    /// Runs it and fails the test unless it ends with success.
    ///
    /// # Panics
    /// With the program's output, when it fails.
    pub async fn succeed(self) -> Finished {
        let name = self.name.clone();
        let finished = self.run().await;
        assert!(finished.status.success(), "{name}: {}", finished.report());
        finished
    }

    /// Output goes to files: a pipe nobody reads in time would block the program.
    ///
    /// # Panics
    /// When it cannot be started or does not end in time.
    pub fn run_blocking(mut self) -> Finished {
        let dir = run_dir::fresh_dir("run");
        let [input, stdout, stderr] = ["in", "out", "err"].map(|name| dir.join(name));
        std::fs::write(&input, &self.input).expect("a file in a fresh directory");
        let create = |path: &PathBuf| File::create(path).expect("a file in a fresh directory");
        let spawned = self
            .command
            .stdin(Stdio::from(File::open(&input).expect("just written")))
            .stdout(create(&stdout))
            .stderr(create(&stderr))
            .process_group(0)
            .spawn();
        let mut child = spawned.unwrap_or_else(|error| panic!("{}: {error}", self.name));
        reaper::adopt(child.id(), Signal::SIGKILL);
        let deadline = Instant::now() + LIMIT;
        let status = loop {
            if let Some(status) = child.try_wait().expect("a child can be waited for") {
                break Some(status);
            }
            if Instant::now() > deadline {
                break None;
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        if status.is_none() {
            let _ = child.kill();
        }
        let ended = child.wait().expect("a child can be waited for");
        reaper::forget(child.id());
        let read = |path: &PathBuf| {
            String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
        };
        let finished = Finished { status: ended, stdout: read(&stdout), stderr: read(&stderr) };
        assert!(status.is_some(), "{} did not end: {}", self.name, finished.report());
        finished
    }
}

impl Finished {
    /// Everything, for a failure message.
    pub fn report(&self) -> String {
        format!("{}\n--- stdout\n{}\n--- stderr\n{}", self.status, self.stdout, self.stderr)
    }
}
