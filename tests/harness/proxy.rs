//! The real proxy binary as a child process: `taskmaster serve` on a free port, with its log kept
//! and judged when the test ends.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio_postgres::{Client, Config};

use crate::proxy_log::ProxyLog;
use crate::raw::{Login, RawClient};
use crate::{Authority, Cluster, Database, ProxyConfig, artefacts, database, reaper, wait};

/// The line the proxy prints on standard output when it accepts clients.
const READY: &str = "taskmaster: ready on ";

/// A running proxy. Dropping it stops it and fails the test when its log holds a warning or an
/// error that the test did not announce with [`Proxy::expect_log`].
pub struct Proxy {
    /// Where it listens on 127.0.0.1.
    pub port: u16,
    /// Its directory: the configuration, its secrets and its output.
    pub dir: PathBuf,
    log: ProxyLog,
    child: Mutex<Option<Child>>,
}

impl Proxy {
    /// Starts a proxy in front of `cluster`, after `configure` changed the defaults, and waits
    /// until it is ready.
    ///
    /// # Panics
    /// With its log, when it ends instead.
    pub async fn start(cluster: &Cluster, configure: impl FnOnce(&mut ProxyConfig)) -> Self {
        let mut config = ProxyConfig::new(cluster);
        configure(&mut config);
        Self::start_with(&config).await
    }

    /// Starts a proxy with exactly this configuration.
    pub async fn start_with(config: &ProxyConfig) -> Self {
        let dir = config.dir.clone();
        let child = spawn(config);
        reaper::adopt(child.id(), Signal::SIGKILL);
        let log = ProxyLog::new(&dir.join("stderr"));
        let mut proxy = Self { port: 0, dir, log, child: Mutex::new(Some(child)) };
        wait::until("the proxy is ready or has ended", || {
            proxy.port = ready_port(&proxy.dir.join("stdout")).unwrap_or(0);
            let settled = proxy.port != 0 || proxy.exit_status().is_some();
            async move { settled }
        })
        .await;
        assert!(proxy.port != 0, "the proxy ended at once: {}", proxy.log.text());
        proxy
    }

    /// Parameters to connect to `database` through the proxy as its superuser, as libpq and
    /// tokio-postgres read them.
    pub fn connect_string(&self, database: &Database<'_>) -> String {
        let cluster = database.cluster();
        format!(
            "host=127.0.0.1 port={} user={} password='{}' dbname={}",
            self.port, cluster.superuser, cluster.password, database.name
        )
    }

    /// The same as a tokio-postgres configuration.
    pub fn config(&self, database: &Database<'_>) -> Config {
        self.connect_string(database).parse().expect("a well-formed connection string")
    }

    /// Connects through the proxy without TLS.
    pub async fn connect(&self, database: &Database<'_>) -> Client {
        database::connect(&self.config(database)).await
    }

    /// Connects through the proxy over TLS, verifying its certificate for `localhost`.
    ///
    /// # Panics
    /// When the handshake or the login fails.
    pub async fn connect_tls(&self, database: &Database<'_>, authority: &Authority) -> Client {
        let mut config = self.config(database);
        config.host("localhost").ssl_mode(tokio_postgres::config::SslMode::Require);
        let mut local = Config::new();
        local
            .host("localhost")
            .hostaddr([127, 0, 0, 1].into())
            .port(self.port)
            .user(config.get_user().expect("set by connect_string"))
            .password(config.get_password().expect("set by connect_string"))
            .dbname(&database.name)
            .ssl_mode(tokio_postgres::config::SslMode::Require);
        let (client, connection) =
            local.connect(authority.connector()).await.expect("a login over TLS");
        tokio::spawn(connection);
        client
    }

    /// Logs a raw client in to `database`.
    pub async fn raw(&self, database: &Database<'_>) -> RawClient {
        RawClient::login(self.port, &login(database)).await
    }

    /// Announces a warning or error by a part of its line.
    pub fn expect_log(&self, part: &str) {
        self.log.expect(part);
    }

    /// The log so far.
    pub fn log(&self) -> String {
        self.log.text()
    }

    /// Sends a signal.
    ///
    /// # Panics
    /// When the process has ended.
    pub fn signal(&self, signal: Signal) {
        let child = self.lock();
        let child = child.as_ref().expect("the proxy runs");
        let pid = Pid::from_raw(i32::try_from(child.id()).expect("a pid fits"));
        kill(pid, signal).expect("our own child can be signalled");
    }

    /// The process id.
    ///
    /// # Panics
    /// When the process has ended.
    pub fn pid(&self) -> u32 {
        self.lock().as_ref().expect("the proxy runs").id()
    }

    /// How it ended, or `None` while it runs.
    pub fn exit_status(&self) -> Option<ExitStatus> {
        let mut child = self.lock();
        child.as_mut()?.try_wait().expect("a child can be waited for")
    }

    /// Waits until it has ended by itself.
    pub async fn wait(&self) -> ExitStatus {
        wait::until("the proxy has ended", || {
            let ended = self.exit_status().is_some();
            async move { ended }
        })
        .await;
        self.exit_status().expect("it has ended")
    }

    /// SIGINT, then waits for the drain to end.
    pub async fn stop(&self) -> ExitStatus {
        self.signal(Signal::SIGINT);
        self.wait().await
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Child>> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(mut child) = self.lock().take() {
            let _ = child.kill();
            let _ = child.wait();
            reaper::forget(child.id());
        }
        if std::thread::panicking() {
            eprintln!("--- log of the proxy on port {}\n{}---", self.port, self.log.text());
        } else if let Some(line) = self.log.unexpected() {
            panic!("the proxy logged what the test did not announce: {line}");
        }
    }
}

/// The superuser's login to `database`, for a raw client.
pub fn login(database: &Database<'_>) -> Login {
    let cluster = database.cluster();
    Login {
        user: cluster.superuser.to_owned(),
        password: cluster.password.to_owned(),
        database: database.name.clone(),
    }
}

/// A `taskmaster` command with nothing of this process's environment that could configure it.
pub fn taskmaster(dir: &Path) -> Command {
    let mut command = Command::new(artefacts::taskmaster_bin());
    command.current_dir(dir).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        let name_text = name.to_string_lossy();
        if ["DB_", "PG", "TASKMASTER_", "RUST_LOG"].iter().any(|part| name_text.starts_with(part)) {
            command.env_remove(&name);
        }
    }
    command
}

fn spawn(config: &ProxyConfig) -> Child {
    let create = |name| File::create(config.dir.join(name)).expect("a file in a fresh directory");
    taskmaster(&config.dir)
        .args(["serve", "--config"])
        .arg(config.write())
        .args(&config.arguments)
        .envs(config.environment.iter().map(|(name, value)| (name, value)))
        .stdout(create("stdout"))
        .stderr(create("stderr"))
        .process_group(0)
        .spawn()
        .expect("the proxy binary can be started")
}

fn ready_port(stdout: &Path) -> Option<u16> {
    let text = std::fs::read_to_string(stdout).ok()?;
    let line = text.split_inclusive('\n').find(|line| line.starts_with(READY))?;
    let (_, port) = line.strip_suffix('\n')?.rsplit_once(':')?;
    port.parse().ok()
}
