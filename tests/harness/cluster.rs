//! A real PostgreSQL cluster, started from a template that `initdb` made once.
//!
//! It listens on a free TCP port of 127.0.0.1 and on a unix socket, asks every connection for
//! SCRAM-SHA-256, and trades durability for speed.

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio_postgres::Client;

use crate::authority::ServerCertificate;
use crate::installation::{self, Installation};
use crate::{Database, database, reaper, run_dir, wait};

/// The superuser of every cluster.
pub const SUPERUSER: &str = "postgres";

/// Its password. Not a secret: the cluster lives in a temporary directory and on loopback.
pub const PASSWORD: &str = "correct horse battery staple";

/// How PostgreSQL is asked to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// SIGINT: open transactions are rolled back and clients are told.
    Fast,
    /// SIGQUIT: every process ends at once, as after a crash.
    Immediate,
    /// SIGKILL to the postmaster alone: its children find themselves orphans and end.
    Killed,
}

/// A running cluster; stopped and removed when dropped.
#[derive(Debug)]
pub struct Cluster {
    /// Directory of the unix socket.
    pub socket_dir: PathBuf,
    /// TCP port on 127.0.0.1, which is also the number in the socket's name.
    pub port: u16,
    /// Name of the superuser.
    pub superuser: &'static str,
    /// Password of the superuser.
    pub password: &'static str,
    data_dir: PathBuf,
    server: Mutex<Option<Child>>,
    pub(crate) migrated: tokio::sync::OnceCell<database::Template>,
}

/// Settings of a cluster that is not the shared one.
#[derive(Debug, Default)]
pub struct ClusterBuilder {
    settings: Vec<(String, String)>,
    certificate: Option<ServerCertificate>,
    host_rules: Vec<String>,
}

impl Cluster {
    /// The cluster shared by all tests of this process. Tests that stop it, or change what other
    /// tests see, use [`Cluster::builder`].
    pub async fn shared() -> &'static Self {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED.get_or_init(|| Self::builder().start())
    }

    /// A cluster of one's own.
    pub fn builder() -> ClusterBuilder {
        ClusterBuilder::default()
    }

    /// A new, empty database.
    pub async fn create_database(&self) -> Database<'_> {
        database::create(self, "template0").await
    }

    /// A new database with every migration applied and the extension installed.
    pub async fn database(&self) -> Database<'_> {
        database::create_migrated(self).await
    }

    /// A superuser's connection to the database `postgres`.
    pub async fn admin(&self) -> Client {
        self.named("postgres").connect().await
    }

    /// A handle for a database that exists already.
    pub fn named(&self, name: &str) -> Database<'_> {
        Database::new(self, name.to_owned())
    }

    /// Starts the stopped server on the same port and data.
    ///
    /// # Panics
    /// When it is running, or does not come up.
    pub fn start(&self) {
        self.start_under(&[]);
    }

    /// The same with PostgreSQL as the last argument of another program, which has to become it or to keep its process,
    /// as `valgrind` does; `wrapper` is that program and its own arguments.
    ///
    /// # Panics
    /// As [`Cluster::start`].
    pub fn start_under(&self, wrapper: &[String]) {
        let mut server = self.lock();
        assert!(server.is_none(), "the cluster is running already");
        let child = self.spawn_ready(wrapper);
        *server = Some(child.unwrap_or_else(|log| panic!("postgres: {log}")));
    }

    /// Stops the server and waits until its processes have ended. Stopping twice is harmless.
    pub fn stop(&self, how: Stop) {
        let Some(mut child) = self.lock().take() else { return };
        let signal = match how {
            Stop::Fast => Signal::SIGINT,
            Stop::Immediate => Signal::SIGQUIT,
            Stop::Killed => Signal::SIGKILL,
        };
        let children = children_of(child.id());
        let pid = Pid::from_raw(i32::try_from(child.id()).expect("a pid fits"));
        // The only failure is that the process is gone already, which is what is wanted.
        let _ = kill(pid, signal);
        wait::until_blocking("postgres has stopped", || {
            let ended = child.try_wait().expect("a child can be waited for").is_some();
            ended && !children.iter().any(|pid| is_running(pid))
        });
        reaper::forget(child.id());
    }

    /// Stops and starts.
    pub fn restart(&self) {
        self.stop(Stop::Fast);
        self.start();
    }

    /// Ends every client backend of `database` with `pg_terminate_backend`, and waits for it.
    pub async fn kill_backends(&self, database: &str) {
        let sql = "select count(pg_terminate_backend(pid, 30000)) from pg_stat_activity \
                   where datname = $1 and pid <> pg_backend_pid()";
        let row = self.admin().await.query_one(sql, &[&database]).await;
        row.expect("a superuser may end backends");
    }

    /// Kills one backend with SIGKILL: the postmaster then ends all others and recovers, because the dead one may have
    /// left shared memory in disorder.
    ///
    /// # Panics
    /// When there is no such process.
    pub fn crash(&self, backend_pid: &str) {
        let pid = backend_pid.parse().expect("a process id");
        kill(Pid::from_raw(pid), Signal::SIGKILL).expect("the backend is there");
    }

    /// Where the server writes its log.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    fn log_path(&self) -> PathBuf {
        self.socket_dir.join("log")
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Child>> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The child once `postmaster.pid` says it accepts connections, or its log when it ended.
    fn spawn_ready(&self, wrapper: &[String]) -> Result<Child, String> {
        let log = fs::File::create(self.log_path()).expect("the log can be made");
        let postgres = Installation::get().tree.program("postgres");
        let words = wrapper.iter().map(PathBuf::from).chain([postgres]);
        let mut words = words.collect::<Vec<_>>().into_iter();
        let mut child = as_server(words.next().expect("at least PostgreSQL"))
            .args(words)
            .arg("-D")
            .arg(&self.data_dir)
            .args(["-p", &self.port.to_string(), "-k"])
            .arg(&self.socket_dir)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .process_group(0)
            .spawn()
            .expect("postgres can be started");
        reaper::adopt(child.id(), Signal::SIGQUIT);
        let mut ended = false;
        wait::until_blocking("postgres accepts connections", || {
            ended = child.try_wait().expect("a child can be waited for").is_some();
            ended || self.is_ready()
        });
        if ended {
            reaper::forget(child.id());
            return Err(self.log());
        }
        Ok(child)
    }

    /// Line 8 of `postmaster.pid` is the status (`LOCK_FILE_LINE_PM_STATUS` in `miscadmin.h`).
    fn is_ready(&self) -> bool {
        let text = fs::read_to_string(self.data_dir.join("postmaster.pid")).unwrap_or_default();
        text.lines().nth(7).is_some_and(|status| status.trim() == "ready")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.stop(Stop::Immediate);
        let _ = fs::remove_dir_all(&self.data_dir);
    }
}

impl ClusterBuilder {
    /// Adds a line to `postgresql.conf`; `value` is quoted here.
    #[must_use]
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Turns TLS on with this certificate.
    #[must_use]
    pub fn tls(mut self, certificate: &ServerCertificate) -> Self {
        self.certificate = Some(certificate.clone());
        self
    }

    /// Replaces the rules of `pg_hba.conf` for TCP connections, such as
    /// `hostssl all all 127.0.0.1/32 scram-sha-256`.
    #[must_use]
    pub fn host_rule(mut self, rule: &str) -> Self {
        self.host_rules.push(rule.to_owned());
        self
    }

    /// Copies the template and starts it.
    ///
    /// # Panics
    /// When the server does not come up, with its log.
    pub fn start(self) -> Cluster {
        let dir = run_dir::fresh_dir("pg");
        run_dir::give_to_server(&dir);
        let data_dir = dir.join("data");
        copy_as_server(&template(), &data_dir);
        self.configure(&data_dir);
        for _ in 0..5 {
            let cluster = Cluster {
                socket_dir: dir.clone(),
                port: free_port(),
                superuser: SUPERUSER,
                password: PASSWORD,
                data_dir: data_dir.clone(),
                server: Mutex::new(None),
                migrated: tokio::sync::OnceCell::new(),
            };
            match cluster.spawn_ready(&[]) {
                Ok(child) => {
                    *cluster.lock() = Some(child);
                    return cluster;
                }
                // Somebody took the port between our look and PostgreSQL's bind: another one.
                Err(log) if log.contains("Address already in use") => std::mem::forget(cluster),
                Err(log) => panic!("postgres did not start: {log}"),
            }
        }
        panic!("no free port in five attempts")
    }

    fn configure(&self, data_dir: &Path) {
        let mut lines = String::new();
        if let Some(certificate) = &self.certificate {
            let key = data_dir.join("server.key");
            fs::copy(&certificate.key_file, &key).expect("the key can be copied");
            fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).expect("chmod works");
            run_dir::give_to_server(&key);
            let certificate = certificate.cert_file.display();
            lines += &format!(
                "ssl = on\nssl_key_file = 'server.key'\nssl_cert_file = '{certificate}'\n"
            );
        }
        for (name, value) in &self.settings {
            lines += &format!("{name} = '{}'\n", value.replace('\'', "''"));
        }
        append(&data_dir.join("postgresql.conf"), &lines);
        if !self.host_rules.is_empty() {
            let rules = self.host_rules.join("\n");
            let text = format!("local all all scram-sha-256\n{rules}\n");
            fs::write(data_dir.join("pg_hba.conf"), text).expect("pg_hba.conf can be written");
        }
    }
}

/// What every cluster has: room for many connections, little memory, no waiting for a disk.
const SETTINGS: &str = "
listen_addresses = '127.0.0.1'
max_connections = 200
shared_buffers = '32MB'
fsync = off
synchronous_commit = off
full_page_writes = off
password_encryption = 'scram-sha-256'
autovacuum = off
max_wal_size = '256MB'
log_min_messages = warning
log_timezone = 'UTC'
timezone = 'UTC'
";

/// The data directory that every cluster is a copy of.
fn template() -> PathBuf {
    let installation = Installation::get();
    let mut name = format!("template-{}", installation.server);
    if let Some(owner) = run_dir::server_owner() {
        name += &format!("-{}", owner.uid);
    }
    let dir = run_dir::machine_dir().join(name);
    installation::build_once(&dir, |dir| {
        run_dir::give_to_server(dir);
        let data_dir = dir.join("data");
        initdb(dir, &data_dir);
        append(&data_dir.join("postgresql.conf"), SETTINGS);
        let rules = "local all all scram-sha-256\nhost all all 127.0.0.1/32 scram-sha-256\n";
        fs::write(data_dir.join("pg_hba.conf"), rules).expect("pg_hba.conf can be written");
    });
    dir.join("data")
}

fn initdb(dir: &Path, data_dir: &Path) {
    let password_file = dir.join("password");
    fs::write(&password_file, PASSWORD).expect("a file in a fresh directory can be written");
    let output = as_server(Installation::get().tree.program("initdb"))
        .arg("-D")
        .arg(data_dir)
        .arg("--pwfile")
        .arg(&password_file)
        .args(["-U", SUPERUSER, "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"])
        .args(["-A", "scram-sha-256", "--wal-segsize=4"])
        .output()
        .expect("initdb can be started");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "initdb failed: {errors}");
}

fn copy_as_server(source: &Path, target: &Path) {
    let status = as_server("cp".into())
        .args(["--recursive", "--preserve=mode", "--reflink=auto"])
        .args([source, target])
        .status()
        .expect("cp can be started");
    assert!(status.success(), "copying the template cluster failed");
}

/// The processes that this one has started.
fn children_of(pid: u32) -> Vec<String> {
    let path = format!("/proc/{pid}/task/{pid}/children");
    let text = fs::read_to_string(path).unwrap_or_default();
    text.split_whitespace().map(str::to_owned).collect()
}

/// A zombie has ended: who reaps it is not our business.
fn is_running(pid: &str) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status.lines().any(|line| line.starts_with("State:") && !line.contains('Z'))
}

/// A command that runs as the server's owner.
fn as_server(program: PathBuf) -> Command {
    let mut command = Command::new(program);
    command.current_dir("/").env_remove("PGDATA");
    if let Some(owner) = run_dir::server_owner() {
        command.uid(owner.uid).gid(owner.gid);
    }
    command
}

fn append(path: &Path, text: &str) {
    let mut file = fs::OpenOptions::new().append(true).open(path).expect("the file is there");
    file.write_all(text.as_bytes()).expect("the file can be appended to");
}

/// A port that nobody holds at this moment, below those that Linux gives to outgoing connections
/// (32768 and up), of which a test run makes thousands. Each process begins at another place and
/// goes on from there, so that two seldom try the same one.
///
/// # Panics
/// When all are taken.
pub fn free_port() -> u16 {
    const FIRST: u32 = 10_000;
    const COUNT: u32 = 20_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let start = std::process::id().wrapping_mul(97);
    for _ in 0..COUNT {
        let offset = start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT;
        let port = u16::try_from(FIRST + offset).expect("below 30,000");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no free port on loopback");
}
