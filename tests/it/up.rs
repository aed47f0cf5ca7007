//! `taskmaster up`: one command from nothing to a served schema, the same data the next time, and
//! one line of advice when it cannot.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Output, Stdio};

use harness::cluster::free_port;
use harness::program::{Finished, Program};
use harness::{artefacts, proxy, reaper, run_dir, wait};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The arguments of every run: the extension that is under test, and a directory of its own.
fn arguments(dir: &Path, port: u16) -> Vec<String> {
    let extension = artefacts::extension_dir();
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let pairs = [
        ("--extension-dir", text(&extension)),
        ("--data-dir", text(dir)),
        ("--port", port.to_string()),
    ];
    let pairs = pairs.into_iter().flat_map(|(name, value)| [name.to_owned(), value]);
    std::iter::once("up".to_owned()).chain(pairs).collect()
}

/// A running `taskmaster up`.
struct Up {
    child: Child,
    output: PathBuf,
}

impl Up {
    /// Starts it and waits until it says that it is ready.
    async fn start(dir: &Path, port: u16) -> Self {
        let own = run_dir::fresh_dir("up");
        let output = own.join("out");
        let file = File::create(&output).unwrap();
        let child = proxy::taskmaster(&own)
            .args(arguments(dir, port))
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .process_group(0)
            .spawn()
            .expect("the binary can be started");
        // SIGTERM, so that it stops the cluster it started.
        reaper::adopt(child.id(), Signal::SIGTERM);
        let mut up = Self { child, output };
        wait::until("everything is up", async || {
            let ended = up.child.try_wait().unwrap();
            assert!(ended.is_none(), "it ended: {}", up.text());
            up.text().contains("postgresql://")
        })
        .await;
        up
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.output).unwrap()
    }

    /// The line that begins with `start`.
    fn line(&self, start: &str) -> String {
        let text = self.text();
        let line = text.lines().find(|line| line.starts_with(start));
        line.unwrap_or_else(|| panic!("no line {start} in {text}")).to_owned()
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        kill(pid, signal).unwrap();
    }

    /// Ctrl-C, then waits for its end.
    async fn stop(mut self) -> ExitStatus {
        self.signal(Signal::SIGINT);
        wait::until("it has stopped", async || self.child.try_wait().unwrap().is_some()).await;
        self.child.wait().unwrap()
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        if self.child.try_wait().unwrap().is_none() {
            self.signal(Signal::SIGTERM);
            let _ = self.child.wait();
        }
        reaper::forget(self.child.id());
    }
}

/// Runs the pasted `psql "..."` line with a statement.
async fn paste(line: &str, sql: &str) -> Finished {
    let command = format!("{line} -X -At -v ON_ERROR_STOP=1");
    let program = Program::new("/bin/sh").args(["-c", &command]).input(sql);
    program.env("PGCONNECT_TIMEOUT", "30").succeed().await
}

#[tokio::test]
async fn it_brings_everything_up_and_the_data_is_there_the_next_time() {
    let dir = run_dir::fresh_dir("home").join("data");
    let port = free_port();
    let up = Up::start(&dir, port).await;
    let psql = up.line("psql ");
    assert!(psql.contains("sslmode=verify-full"), "{psql}");
    let sql = "select create_task('kept') is not null; \
               select current_user, current_database()";
    let finished = paste(&psql, sql).await;
    assert_eq!(finished.stdout, "t\nsoftware_developer|codegen-taskmaster-db\n");
    // The application runs the product; it is not above the audit.
    let forged = Program::new("/bin/sh")
        .args(["-c", &format!("{psql} -X -At -v ON_ERROR_STOP=1")])
        .input("delete from audit_log")
        .run()
        .await;
    assert!(forged.stderr.contains("permission denied"), "{}", forged.report());
    let seed =
        include_str!("psql/seed_functions.sql").replace("SELECT count(*) FROM tasks", "ROLLBACK");
    let seeded = paste(&psql, &format!("BEGIN; {seed}")).await;
    assert!(seeded.stdout.contains("Parent|0\nChild|1"), "{}", seeded.report());
    let url = up.line("postgresql://");
    let by_url =
        Program::postgres("psql").args([&*url, "-X", "-Atc", "select count(*) from tasks"]);
    assert_eq!(by_url.succeed().await.stdout, "1\n");
    assert!(up.stop().await.success());
    assert!(!dir.join("data/postmaster.pid").exists(), "the cluster is stopped too");

    let up = Up::start(&dir, port).await;
    assert_eq!(paste(&up.line("psql "), "select title from tasks").await.stdout, "kept\n");
    let second = run(&dir, free_port());
    assert_refused(&second, "running");
    assert!(up.stop().await.success());
}

#[tokio::test]
async fn two_started_at_once_both_come_up() {
    let dirs = [run_dir::fresh_dir("home").join("data"), run_dir::fresh_dir("home").join("data")];
    let (one, two) =
        tokio::join!(Up::start(&dirs[0], free_port()), Up::start(&dirs[1], free_port()));
    for up in [one, two] {
        assert_eq!(paste(&up.line("psql "), "select 'up'").await.stdout, "up\n");
        assert!(up.stop().await.success());
    }
}

fn run(dir: &Path, port: u16) -> Output {
    run_with(&arguments(dir, port))
}

fn run_with(arguments: &[String]) -> Output {
    let own = run_dir::fresh_dir("up");
    let output = proxy::taskmaster(&own).args(arguments).stdout(Stdio::piped()).output();
    output.expect("the binary can be started")
}

/// It failed with one line on standard error that holds `part`.
fn assert_refused(output: &Output, part: &str) {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{text}");
    assert_eq!(text.trim_end().lines().count(), 1, "{text}");
    assert!(text.contains(part), "no {part} in {text}");
}

#[tokio::test]
async fn a_port_in_use_is_named_and_nothing_is_left() {
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let dir = run_dir::fresh_dir("home").join("data");
    assert_refused(&run(&dir, port), &port.to_string());
    assert!(!dir.exists(), "nothing half-made is left");
}

#[tokio::test]
async fn a_missing_postgresql_is_named_and_nothing_is_left() {
    let dir = run_dir::fresh_dir("home").join("data");
    let mut arguments = arguments(&dir, free_port());
    arguments.extend(["--pg-bindir".to_owned(), "/nowhere/bin".to_owned()]);
    assert_refused(&run_with(&arguments), "/nowhere/bin");
    assert!(!dir.exists(), "nothing half-made is left");
}

#[tokio::test]
async fn a_directory_that_cannot_be_written_is_named() {
    let file = run_dir::fresh_dir("home").join("a-file");
    fs::write(&file, "not a directory").unwrap();
    assert_refused(&run(&file.join("data"), free_port()), "a-file");
    assert_refused(&run(&file, free_port()), "a-file");
    assert_eq!(fs::read_to_string(&file).unwrap(), "not a directory");
}

#[tokio::test]
async fn a_directory_it_did_not_make_is_left_alone() {
    let dir = run_dir::fresh_dir("home");
    fs::write(dir.join("precious"), "data").unwrap();
    let output = run(&dir, free_port());
    assert_refused(&output, dir.to_str().unwrap());
    let left: Vec<_> =
        fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["precious"]);
}

#[tokio::test]
async fn data_of_another_major_version_is_named() {
    let dir = run_dir::fresh_dir("home").join("data");
    let port = free_port();
    assert!(Up::start(&dir, port).await.stop().await.success());
    fs::write(dir.join("data/PG_VERSION"), "12\n").unwrap();
    assert_refused(&run(&dir, port), "12");
    fs::write(dir.join("data/PG_VERSION"), "15\n").unwrap();
    assert!(Up::start(&dir, port).await.stop().await.success(), "nothing was damaged");
}
