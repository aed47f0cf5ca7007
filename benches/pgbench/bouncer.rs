//! PgBouncer as a child process, set up to do what the proxy does: transaction pooling with the
//! same number of server connections, SCRAM both ways with the user's verifier, no TLS.

use std::fmt;
use std::fs::{self, File, Permissions};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use harness::{Cluster, cluster, reaper, run_dir, wait};
use nix::sys::signal::Signal;

use crate::cpu::Pid;
use crate::error::BenchError;
use crate::target::POOL_SIZE;
use crate::trust::Trust;

/// Room for the idle clients and the load.
const CLIENT_MAX: u32 = 6000;

/// Which PgBouncer it is.
#[derive(Debug, Clone)]
pub(crate) struct Release {
    /// As it prints it, such as `1.18.0`.
    pub(crate) version: String,
}

/// A running PgBouncer; ended when dropped.
#[derive(Debug)]
pub(crate) struct Bouncer {
    /// TCP port on 127.0.0.1.
    pub(crate) port: u16,
    child: Child,
}

impl Release {
    /// Asks the program for its version.
    ///
    /// # Errors
    /// When it is not installed.
    pub(crate) fn of(program: &Path) -> Result<Self, BenchError> {
        let missing = || BenchError::NoBouncer { path: program.to_path_buf() };
        let output = Command::new(program).arg("--version").output().map_err(|_| missing())?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let version = text.lines().next().and_then(|line| line.split(' ').nth(1));
        match version {
            Some(version) => Ok(Self { version: version.to_owned() }),
            None => Err(BenchError::Output { program: "pgbouncer", field: "version", text }),
        }
    }

    /// True from 1.21 on, the first release that keeps named statements in transaction mode.
    pub(crate) fn keeps_statements(&self) -> bool {
        let mut numbers = self.version.split('.').map_while(|part| part.parse::<u32>().ok());
        (numbers.next(), numbers.next()) >= (Some(1), Some(21))
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PgBouncer {}", self.version)
    }
}

impl Bouncer {
    /// Starts it in front of `cluster` and waits until it listens.
    ///
    /// # Errors
    /// With its log, when it ends instead.
    pub(crate) async fn start(
        program: &Path,
        release: &Release,
        cluster: &Cluster,
        trust: &Trust,
    ) -> Result<Self, BenchError> {
        let dir = run_dir::fresh_dir("pgbouncer");
        run_dir::give_to_server(&dir);
        let port = cluster::free_port();
        write(&dir.join("userlist.txt"), &user_list(cluster).await?)?;
        copy_certificate(trust, &dir)?;
        let settings = settings(release, cluster.port, port, &dir);
        write(&dir.join("pgbouncer.ini"), &settings)?;
        let child = spawn(program, &dir)?;
        reaper::adopt(child.id(), Signal::SIGKILL);
        let mut bouncer = Self { port, child };
        bouncer.wait_until_ready(&dir)?;
        Ok(bouncer)
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> Pid {
        self.child.id()
    }

    fn wait_until_ready(&mut self, dir: &Path) -> Result<(), BenchError> {
        let mut ended = false;
        wait::until_blocking("PgBouncer listens or has ended", || {
            ended = self.child.try_wait().expect("a child can be waited for").is_some();
            ended || TcpStream::connect(("127.0.0.1", self.port)).is_ok()
        });
        if ended {
            let log = fs::read_to_string(dir.join("log")).unwrap_or_default();
            return Err(BenchError::BouncerEnded(log));
        }
        Ok(())
    }
}

impl Drop for Bouncer {
    fn drop(&mut self) {
        // Both fail only when it has ended already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
        reaper::forget(self.child.id());
    }
}

/// The user's verifier as the server stores it: PgBouncer checks clients against it and takes the
/// keys for its own login from what they send.
async fn user_list(cluster: &Cluster) -> Result<String, BenchError> {
    let sql = "select rolpassword from pg_authid where rolname = $1";
    let row = cluster.admin().await.query_one(sql, &[&cluster.superuser]).await?;
    Ok(format!("\"{}\" \"{}\"\n", cluster.superuser, row.get::<_, &str>(0)))
}

fn settings(release: &Release, server_port: u16, port: u16, dir: &Path) -> String {
    let dir = dir.display();
    let mut text = format!(
        "[databases]
* = host=127.0.0.1 port={server_port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
logfile = {dir}/log
auth_type = scram-sha-256
auth_file = {dir}/userlist.txt
pool_mode = transaction
default_pool_size = {POOL_SIZE}
max_client_conn = {CLIENT_MAX}
server_tls_sslmode = disable
client_tls_sslmode = allow
client_tls_cert_file = {dir}/server.crt
client_tls_key_file = {dir}/server.key
log_connections = 0
log_disconnections = 0
stats_period = 3600
"
    );
    if release.keeps_statements() {
        text += "max_prepared_statements = 200\n";
    }
    text
}

/// Copies, because PgBouncer's user may not read the key of ours.
fn copy_certificate(trust: &Trust, dir: &Path) -> Result<(), BenchError> {
    let certificate = &trust.certificate;
    for (from, name) in
        [(&certificate.cert_file, "server.crt"), (&certificate.key_file, "server.key")]
    {
        let text = fs::read_to_string(from).map_err(BenchError::io("reading the certificate"))?;
        write(&dir.join(name), &text)?;
    }
    Ok(())
}

/// Writes a file that only PgBouncer's user can read.
fn write(path: &PathBuf, text: &str) -> Result<(), BenchError> {
    fs::write(path, text).map_err(BenchError::io("writing PgBouncer's configuration"))?;
    fs::set_permissions(path, Permissions::from_mode(0o600))
        .map_err(BenchError::io("closing PgBouncer's configuration to others"))?;
    run_dir::give_to_server(path);
    Ok(())
}

/// As the user the servers run as: PgBouncer refuses to run as root.
fn spawn(program: &Path, dir: &Path) -> Result<Child, BenchError> {
    let output = File::create(dir.join("output")).map_err(BenchError::io("making a file"))?;
    // A copy, because the program may lie where that user may not look.
    let copy = dir.join("pgbouncer");
    fs::copy(program, &copy).map_err(BenchError::io("copying PgBouncer"))?;
    let mut command = Command::new(copy);
    command
        .arg("-q")
        .arg(dir.join("pgbouncer.ini"))
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(output)
        .process_group(0);
    if let Some(owner) = run_dir::server_owner() {
        command.uid(owner.uid).gid(owner.gid);
    }
    command.spawn().map_err(BenchError::io("starting PgBouncer"))
}
