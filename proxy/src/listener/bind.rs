//! The listening sockets. Must not know what is served on them.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;

use socket2::{Domain, Socket, Type};
use tokio::net::lookup_host;

use crate::listener::{Config, ListenerError};

/// Connections that the system keeps until they are accepted.
const BACKLOG: i32 = 4_096;

/// All listening sockets of the process. The file of a unix socket is removed when this is dropped.
#[derive(Debug)]
pub(super) struct Sockets {
    tcp: Vec<TcpListener>,
    unix: Option<(UnixListener, PathBuf)>,
}

/// The sockets as one worker accepts from them.
#[derive(Debug)]
pub(super) struct Share {
    pub(super) tcp: Vec<TcpListener>,
    pub(super) unix: Option<UnixListener>,
}

impl Sockets {
    /// Listens on every address of the configured host and on the unix socket, if there is to be one.
    pub(super) async fn bind(config: &Config) -> Result<Self, ListenerError> {
        let resolve = |source| ListenerError::Resolve { host: config.host.clone(), source };
        let addresses = lookup_host((config.host.as_str(), config.port)).await.map_err(resolve)?;
        let mut tcp: Vec<TcpListener> = Vec::new();
        for mut address in addresses {
            // With port 0 the further addresses get the port that the first one was given.
            if let Some(port) = tcp.first().and_then(|first| first.local_addr().ok()) {
                address.set_port(port.port());
            }
            let listener = bind_tcp(address);
            tcp.push(listener.map_err(|source| bind_error(&address, source))?);
        }
        let mut sockets = Self { tcp, unix: None };
        if sockets.tcp.is_empty() {
            return Err(resolve(io::ErrorKind::NotFound.into()));
        }
        if let Some(dir) = &config.unix_socket_dir {
            let path = dir.join(format!(".s.PGSQL.{}", sockets.address().port()));
            let listener = bind_unix(&path);
            let listener = listener.map_err(|source| bind_error(&path.display(), source))?;
            sockets.unix = Some((listener, path));
        }
        Ok(sockets)
    }

    /// The first TCP address.
    pub(super) fn address(&self) -> SocketAddr {
        let first = self.tcp.first().and_then(|listener| listener.local_addr().ok());
        first.expect("a bound socket has an address")
    }

    /// The same sockets once more.
    pub(super) fn share(&self) -> io::Result<Share> {
        let tcp = self.tcp.iter().map(TcpListener::try_clone).collect::<io::Result<_>>()?;
        let unix = self.unix.as_ref().map(|(listener, _)| listener.try_clone()).transpose()?;
        Ok(Share { tcp, unix })
    }
}

impl Drop for Sockets {
    fn drop(&mut self) {
        if let Some((_, path)) = &self.unix {
            let _ = std::fs::remove_file(path);
        }
    }
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
