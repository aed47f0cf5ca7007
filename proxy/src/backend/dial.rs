//! Making a connection to a server: address, socket, TLS, login. Also the short connection that carries a cancel request.
//!
//! Must not know pools or why a connection is wanted.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use nix::errno::Errno;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::lookup_host;
use tokio::time::timeout;

use crate::backend::login::{AuthFault, log_in};
use crate::backend::message::MessageError;
use crate::backend::secret::Secret;
use crate::backend::start::StartKey;
use crate::backend::target::{Address, ChannelBinding, Place, Target};
use crate::error::{ClientFacing, Severity, SqlState};
use crate::net::socket::Socket;
use crate::net::stream::ServerStream;
use crate::net::tls::{SslMode, SslNegotiation};
use crate::wire::error_response::ServerError;
use crate::wire::frontend::cancel_request;

/// SSLRequest whole (documentation, "Message Formats").
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// Who logs in to what.
#[derive(Clone, Copy, Debug)]
pub struct Login<'a> {
    /// The role.
    pub user: &'a str,
    /// The database's name on the server.
    pub database: &'a str,
    /// The proof.
    pub secret: &'a Secret,
    /// What the server shows in `pg_stat_activity`.
    pub application_name: &'a str,
    /// The further parameters of a client that gets the connection for itself, in place of all that the proxy would
    /// ask for itself, `application_name` included.
    pub own: Option<&'a [(String, String)]>,
}

/// A connection past its login, at rest: ReadyForQuery was the last thing read.
#[derive(Debug)]
pub struct Dialed {
    /// The stream. Nothing is left unread of what the server sent up to ReadyForQuery.
    pub stream: ServerStream,
    /// Where it really goes.
    pub address: Address,
    /// Names its backend in a cancel request.
    pub key: BackendKey,
    /// The ParameterStatus messages of the greeting, name and value, in the server's order.
    pub parameters: Vec<(String, String)>,
    /// What its backend knows the proxy by.
    pub start_key: StartKey,
}

/// Names a backend in a cancel request, and where to send that.
#[derive(Clone, PartialEq, Eq)]
pub struct BackendKey {
    /// The server that the backend belongs to.
    pub address: Address,
    /// The backend's process id.
    pub pid: i32,
    /// The secret that BackendKeyData told: 4 bytes, up to 256 from protocol 3.2 on.
    pub secret: Vec<u8>,
}

impl fmt::Debug for BackendKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BackendKey({}, {})", self.address, self.pid)
    }
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// No address answered.
    #[error("cannot connect to {target}: {source}")]
    Unreachable {
        /// Where it was tried.
        target: String,
        /// What the last address answered.
        source: io::Error,
    },
    /// It took too long.
    #[error("cannot connect to {target}: not done after {} ms", after.as_millis())]
    Timeout {
        /// Where it was tried.
        target: String,
        /// How long.
        after: Duration,
    },
    /// TLS is required and the server has none.
    #[error("{target} offers no TLS, and ssl_mode is {mode}")]
    TlsMissing {
        /// The server.
        target: String,
        /// What was asked for.
        mode: SslMode,
    },
    /// The server did not confirm that it speaks PostgreSQL under TLS (libpq asks the same of it).
    #[error(
        "{0} took TLS at once without naming the protocol: set ssl_negotiation to postgres, or use PostgreSQL 17"
    )]
    NoAlpn(String),
    /// The TLS handshake failed, or the certificate is not to be trusted.
    #[error("TLS with {target} failed (ssl_mode is {mode}): {source}")]
    Tls {
        /// The server.
        target: String,
        /// What was asked for.
        mode: SslMode,
        /// What rustls says.
        source: io::Error,
    },
    /// The server's own ErrorResponse.
    #[error("the server refused the login: {0}")]
    Refused(ServerError),
    /// The connection broke in the middle, or what came is no message.
    #[error("the login broke off: {0}")]
    Broken(#[from] MessageError),
    /// A message came where it must not, or without its fields.
    #[error("the server broke the protocol during login: {0}")]
    Protocol(&'static str),
    /// What the server asks for cannot be answered, or it could not prove itself.
    #[error("cannot log in: {0}")]
    Auth(#[from] AuthFault),
}

impl From<io::Error> for ConnectError {
    fn from(error: io::Error) -> Self {
        Self::Broken(MessageError::Io(error))
    }
}

impl ConnectError {
    /// True when the same attempt may succeed a moment later: the server is down, starting, or full.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Timeout { .. } | Self::Broken(_) => true,
            Self::Refused(error) => matches!(error.sqlstate.class(), "53" | "57" | "58" | "XX"),
            _ => false,
        }
    }

    /// True when the server may be well and only there can be no more connections to it: one that is open serves the next
    /// client too.
    pub fn is_shortage(&self) -> bool {
        match self {
            Self::Refused(error) => error.sqlstate.class() == "53",
            other => other.is_out_of_files(),
        }
    }

    /// True when it is the proxy that has no file descriptor left.
    fn is_out_of_files(&self) -> bool {
        let Self::Unreachable { source, .. } = self else { return false };
        let code = source.raw_os_error().map(Errno::from_raw);
        matches!(code, Some(Errno::EMFILE | Errno::ENFILE))
    }
}

impl ClientFacing for ConnectError {
    fn sqlstate(&self) -> SqlState {
        match self {
            Self::Refused(error) => error.sqlstate,
            Self::Auth(_) => SqlState::INVALID_AUTHORIZATION_SPECIFICATION,
            error if error.is_out_of_files() => SqlState::INSUFFICIENT_RESOURCES,
            _ => SqlState::CANNOT_CONNECT_NOW,
        }
    }

    fn severity(&self) -> Severity {
        match self {
            // Who may not log in, or into no database, has nothing to wait for.
            Self::Refused(error) if !matches!(error.sqlstate.class(), "28" | "3D") => {
                Severity::Error
            }
            Self::Refused(_) | Self::Auth(_) => Severity::Fatal,
            _ => Severity::Error,
        }
    }

    fn message(&self) -> String {
        match self {
            Self::Refused(error) => error.message.clone(),
            Self::Auth(_) => "the proxy cannot log in to the database server as this user".into(),
            error if error.is_out_of_files() => {
                "the proxy has no file descriptor left for a server connection".into()
            }
            _ => "the database server cannot be reached".into(),
        }
    }

    fn detail(&self) -> Option<String> {
        match self {
            Self::Refused(error) => error.detail.clone(),
            _ => None,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Refused(error) => error.hint.clone(),
            error if error.is_out_of_files() => {
                Some("Try again in a moment, or raise the proxy's limit of open files.".into())
            }
            Self::Auth(_) => Some("The log of the proxy says what the server asked for.".into()),
            _ => Some("Try again in a moment. The log of the proxy says why it failed.".into()),
        }
    }
}

/// Connects and logs in, within the target's `connect_timeout` as a whole.
///
/// # Cancel safety
/// Cancel safe: dropped midway, the connection is closed.
pub async fn dial(target: &Target, login: &Login<'_>) -> Result<Dialed, ConnectError> {
    within(target, async {
        let (mut stream, address) = open(target).await?;
        let greeting = match log_in(&mut stream, login, target).await {
            Err(ConnectError::Refused(error)) if is_tls_unwanted(target, &stream, &error) => {
                tracing::debug!(%target, %error, "TLS was refused, going on without because ssl_mode is prefer");
                stream = open_plain(target, &address).await?;
                log_in(&mut stream, login, target).await?
            }
            result => result?,
        };
        let key =
            BackendKey { address: address.clone(), pid: greeting.pid, secret: greeting.secret };
        let (parameters, start_key) = (greeting.parameters, greeting.start_key);
        Ok(Dialed { stream, address, key, parameters, start_key })
    })
    .await
}

/// With `prefer`, a server whose `pg_hba.conf` lets nobody in over TLS is tried without, as in libpq. A login that has to
/// be bound to TLS is not.
fn is_tls_unwanted(target: &Target, stream: &ServerStream, error: &ServerError) -> bool {
    target.tls.mode() == SslMode::Prefer
        && target.channel_binding != ChannelBinding::Require
        && stream.is_tls()
        && error.sqlstate == SqlState::INVALID_AUTHORIZATION_SPECIFICATION
}

/// Asks the server to cancel what a backend is doing, and waits until the server has closed the connection: from then
/// on the request cannot hit a later statement any more (libpq's `PQcancel` waits for the same reason). Takes at most
/// the target's `connect_timeout`.
///
/// # Cancel safety
/// Not cancel safe: dropped midway, the request may or may not have been sent.
pub async fn send_cancel(target: &Target, key: &BackendKey) -> io::Result<()> {
    let request = cancel_request(key.pid, &key.secret);
    let sent = within(target, async {
        let mut stream = open_at(target, &key.address).await?;
        stream.write_all(&request).await?;
        stream.flush().await?;
        // The server answers nothing. A reset instead of an orderly end is as good.
        let _ = stream.read(&mut [0]).await;
        Ok(())
    });
    sent.await.map_err(io::Error::other)
}

async fn within<T>(
    target: &Target,
    attempt: impl Future<Output = Result<T, ConnectError>>,
) -> Result<T, ConnectError> {
    let after = target.connect_timeout;
    let late = || ConnectError::Timeout { target: target.to_string(), after };
    timeout(after, attempt).await.unwrap_or_else(|_| Err(late()))
}

/// Connects to the first address that answers. Each gets its share of the time, so that one that swallows packets does
/// not keep the next from being tried.
async fn open(target: &Target) -> Result<(ServerStream, Address), ConnectError> {
    let addresses = resolve(target).await.map_err(|error| unreachable(target, error))?;
    let share = target.connect_timeout / addresses.len().max(1) as u32;
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in addresses {
        match timeout(share, connect(&address)).await {
            Ok(Ok(socket)) => {
                let stream = secure(socket, target, &address).await?;
                return Ok((stream, address));
            }
            Ok(Err(error)) => last = error,
            Err(_) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(unreachable(target, last))
}

async fn open_at(target: &Target, address: &Address) -> Result<ServerStream, ConnectError> {
    let socket = connect(address).await.map_err(|error| unreachable(target, error))?;
    secure(socket, target, address).await
}

async fn open_plain(target: &Target, address: &Address) -> Result<ServerStream, ConnectError> {
    let socket = connect(address).await.map_err(|error| unreachable(target, error))?;
    Ok(ServerStream::plain(socket))
}

async fn resolve(target: &Target) -> io::Result<Vec<Address>> {
    match &target.place {
        Place::Unix(path) => Ok(vec![Address::Unix(path.clone())]),
        Place::Tcp(host, port) => {
            let mut found: Vec<SocketAddr> = lookup_host((host.as_str(), *port)).await?.collect();
            found.dedup();
            Ok(found.into_iter().map(Address::Tcp).collect())
        }
    }
}

async fn connect(address: &Address) -> io::Result<Socket> {
    match address {
        Address::Tcp(address) => Socket::connect_tcp(*address).await,
        Address::Unix(path) => Socket::connect_unix(path).await,
    }
}

fn unreachable(target: &Target, source: io::Error) -> ConnectError {
    ConnectError::Unreachable { target: target.to_string(), source }
}

/// Puts TLS on the socket as far as the mode asks for it. With `prefer` a failed handshake is followed by a second
/// connection without TLS, as in libpq.
async fn secure(
    socket: Socket,
    target: &Target,
    address: &Address,
) -> Result<ServerStream, ConnectError> {
    let (Place::Tcp(host, _), mode) = (&target.place, target.tls.mode()) else {
        return Ok(ServerStream::plain(socket));
    };
    if mode == SslMode::Disable {
        return Ok(ServerStream::plain(socket));
    }
    if target.ssl_negotiation == SslNegotiation::Direct {
        return begin_at_once(socket, target, host).await;
    }
    match negotiate(socket, target, host).await {
        Err(ConnectError::Tls { source, .. }) if mode == SslMode::Prefer => {
            tracing::warn!(%target, error = %source, "TLS failed, going on without because ssl_mode is prefer");
            open_plain(target, address).await
        }
        result => result,
    }
}

/// Asks for TLS. Exactly one byte is read before the handshake: whatever someone in the middle adds to the plaintext
/// answer becomes a part of the handshake, which then fails (CVE-2021-23222).
async fn negotiate(
    mut socket: Socket,
    target: &Target,
    host: &str,
) -> Result<ServerStream, ConnectError> {
    let mode = target.tls.mode();
    socket.write_all(&SSL_REQUEST).await?;
    match socket.read_u8().await? {
        b'S' => shake_hands(socket, target, host).await,
        b'N' if mode == SslMode::Prefer => Ok(ServerStream::plain(socket)),
        b'N' => Err(ConnectError::TlsMissing { target: target.to_string(), mode }),
        _ => Err(ConnectError::Protocol("an SSLRequest was answered with neither S nor N")),
    }
}

/// TLS from the first byte. The server has to name the protocol, lest another service be mistaken for PostgreSQL.
async fn begin_at_once(
    socket: Socket,
    target: &Target,
    host: &str,
) -> Result<ServerStream, ConnectError> {
    let stream = shake_hands(socket, target, host).await?;
    match stream.has_agreed_on_protocol() {
        true => Ok(stream),
        false => Err(ConnectError::NoAlpn(target.to_string())),
    }
}

async fn shake_hands(
    socket: Socket,
    target: &Target,
    host: &str,
) -> Result<ServerStream, ConnectError> {
    let failed = |source| {
        let (target, mode) = (target.to_string(), target.tls.mode());
        ConnectError::Tls { target, mode, source }
    };
    target.tls.connect(socket, host).await.map(ServerStream::tls).map_err(failed)
}

#[cfg(test)]
mod tests;
