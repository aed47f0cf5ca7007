//! The listening sockets. Must not know what is served on them.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use socket2::{Domain, Socket, Type};
use tokio::net::lookup_host;

use crate::listener::handover::Inheritance;
use crate::listener::{Config, ListenerError, Tunnel};

/// Connections that the system keeps until they are accepted.
const BACKLOG: i32 = 4_096;

/// All listening sockets of the process. The file of a unix socket is removed when this is dropped, unless another process
/// has the sockets by then.
#[derive(Debug)]
pub(super) struct Sockets {
    tcp: Vec<TcpListener>,
    tunnel: Vec<TcpListener>,
    unix: Option<(UnixListener, PathBuf)>,
    is_handed_over: Arc<AtomicBool>,
}

/// The sockets as one worker accepts from them.
#[derive(Debug)]
pub(super) struct Share {
    pub(super) tcp: Vec<TcpListener>,
    pub(super) tunnel: Vec<TcpListener>,
    pub(super) unix: Option<UnixListener>,
}

impl Sockets {
    /// Listens on every address of the configured host and on the unix socket, if there is to be one. What is inherited is
    /// taken as it is.
    pub(super) async fn bind(
        config: &Config,
        inherited: &mut Inheritance,
    ) -> Result<Self, ListenerError> {
        let tcp = bind_all(addresses(&config.host, config.port).await?, inherited)?;
        let tunnel = bind_all(tunnel_addresses(config).await?, inherited)?;
        for address in tunnel.iter().filter_map(|listener| listener.local_addr().ok()) {
            tracing::info!(%address, "listening for the tunnel");
        }
        let mut sockets = Self { tcp, tunnel, unix: None, is_handed_over: Arc::default() };
        if let Some(dir) = &config.unix_socket_dir {
            let path = dir.join(format!(".s.PGSQL.{}", sockets.address().port()));
            let listener = match inherited.unix.pop() {
                Some(socket) if is_at_path(&socket, &path) => Ok(socket),
                _ => bind_unix(&path),
            };
            let listener = listener.map_err(|source| bind_error(&path.display(), source))?;
            sockets.unix = Some((listener, path));
        }
        Ok(sockets)
    }

    /// Set this when another process has the sockets, too, and keeps them.
    pub(super) fn is_handed_over(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.is_handed_over)
    }

    /// The first TCP address.
    pub(super) fn address(&self) -> SocketAddr {
        let first = self.tcp.first().and_then(|listener| listener.local_addr().ok());
        first.expect("a bound socket has an address")
    }

    /// The same sockets once more.
    pub(super) fn share(&self) -> io::Result<Share> {
        let all = |sockets: &[TcpListener]| sockets.iter().map(TcpListener::try_clone).collect();
        let (tcp, tunnel): (io::Result<_>, io::Result<_>) = (all(&self.tcp), all(&self.tunnel));
        let unix = self.unix.as_ref().map(|(listener, _)| listener.try_clone()).transpose()?;
        Ok(Share { tcp: tcp?, tunnel: tunnel?, unix })
    }
}

impl Drop for Sockets {
    fn drop(&mut self) {
        if let Some((_, path)) = &self.unix
            && !self.is_handed_over.load(Ordering::Acquire)
        {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Every address that is listened on, the tunnel's included.
pub(super) async fn all_addresses(config: &Config) -> Result<Vec<SocketAddr>, ListenerError> {
    let mut all = addresses(&config.host, config.port).await?;
    all.extend(tunnel_addresses(config).await?);
    Ok(all)
}

async fn tunnel_addresses(config: &Config) -> Result<Vec<SocketAddr>, ListenerError> {
    match &config.tunnel {
        Some(Tunnel { host, port, .. }) => addresses(host, *port).await,
        None => Ok(Vec::new()),
    }
}

/// Every address that the hosts stand for, at least one, and each once.
async fn addresses(hosts: &str, port: u16) -> Result<Vec<SocketAddr>, ListenerError> {
    let mut addresses = Vec::new();
    for host in hosts.split(',').map(str::trim) {
        let resolve = |source| ListenerError::Resolve { host: host.to_owned(), source };
        let found: Vec<_> = lookup_host((host, port)).await.map_err(resolve)?.collect();
        if found.is_empty() {
            return Err(resolve(io::ErrorKind::NotFound.into()));
        }
        addresses.extend(found);
    }
    let mut seen = std::collections::HashSet::new();
    addresses.retain(|address| seen.insert(*address));
    Ok(addresses)
}

/// True when the socket is bound to this address; port 0 stands for any.
pub(super) fn is_at(socket: &TcpListener, address: &SocketAddr) -> bool {
    let is_port = |port| address.port() == 0 || address.port() == port;
    socket.local_addr().is_ok_and(|at| at.ip() == address.ip() && is_port(at.port()))
}

fn is_at_path(socket: &UnixListener, path: &Path) -> bool {
    socket.local_addr().is_ok_and(|at| at.as_pathname() == Some(path))
}

/// "::" is for all, where there is IPv6.
fn lacks_family(error: &io::Error) -> bool {
    error.raw_os_error() == Some(nix::errno::Errno::EAFNOSUPPORT as i32)
}

/// Listens on all addresses that the system has. What is inherited is taken as it is.
fn bind_all(
    addresses: Vec<SocketAddr>,
    inherited: &mut Inheritance,
) -> Result<Vec<TcpListener>, ListenerError> {
    let (mut tcp, mut foreign): (Vec<TcpListener>, _) = (Vec::new(), None);
    for mut address in addresses {
        // With port 0 the further addresses get the port that the first one was given.
        if let Some(port) = tcp.first().and_then(|first| first.local_addr().ok()) {
            address.set_port(port.port());
        }
        let found = inherited.tcp.iter().position(|socket| is_at(socket, &address));
        let listener = found.map_or_else(|| bind_tcp(address), |at| Ok(inherited.tcp.remove(at)));
        match listener {
            Ok(listener) => tcp.push(listener),
            Err(source) if lacks_family(&source) => foreign = Some((address, source)),
            Err(source) => return Err(bind_error(&address, source)),
        }
    }
    match foreign {
        Some((address, source)) if tcp.is_empty() => return Err(bind_error(&address, source)),
        Some((address, _)) => {
            tracing::info!(%address, "not listened on: the system has no such addresses");
        }
        None => {}
    }
    Ok(tcp)
}

fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // A port that was in use until just now may be used again at once.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// A socket file that nobody listens on any more is a leftover of a crash and replaced.
fn bind_unix(path: &PathBuf) -> io::Result<UnixListener> {
    if UnixStream::connect(path).is_err() {
        let _ = std::fs::remove_file(path);
    }
    let listener = UnixListener::bind(path)?;
    // As `unix_socket_permissions` of PostgreSQL: who may log in is decided by the login.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn bind_error(address: &dyn std::fmt::Display, source: io::Error) -> ListenerError {
    ListenerError::Bind { address: address.to_string(), source }
}
