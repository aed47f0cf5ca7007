//! The first packets of a client: TLS, cancel requests, and the startup packet.
//!
//! Reads exactly what a packet has, never a byte beyond it. Must not know users, databases or pools.

pub mod packet;

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::error::ClientFacing;
use crate::net::socket::{Peer, Socket};
use crate::net::stream::ClientStream;
use crate::net::tls::{ListenerTls, TlsPolicy};
pub use crate::session::startup::packet::{CancelKey, Packet, Refusal, Replication, Startup};
use crate::session::startup::packet::{PACKET_LEN_MAX, parse_startup};
use crate::wire::error_response::error_response;
pub use crate::wire::greeting::Protocol;
use crate::wire::greeting::negotiate_protocol_version;

/// What a client came for.
#[derive(Debug)]
pub enum Handshake {
    /// A session.
    Startup(ClientStream, Startup),
    /// To cancel what another session is doing. The client takes the end of the stream as the sign that it was done.
    Cancel(ClientStream, CancelKey),
    /// Nothing: it left without a complete packet, as port scanners and health checks do.
    Closed,
}

/// Why a client got no further than its first packets. It was told whatever there was to tell.
#[derive(Debug, thiserror::Error)]
pub enum StartupError {
    /// What it sent is refused.
    #[error("{0}")]
    Refused(#[from] Refusal),
    /// The socket failed.
    #[error("the client's connection failed: {0}")]
    Io(#[from] io::Error),
    /// It left in the middle of a packet.
    #[error("incomplete startup packet")]
    Incomplete,
    /// The TLS handshake failed. The client was sent a TLS alert.
    #[error("TLS handshake with the client failed: {0}")]
    Tls(io::Error),
    /// It began with TLS at once and did not name the protocol. PostgreSQL refuses that without a word, because what
    /// the client speaks is unknown (tcop/backend_startup.c, `ProcessSSLStartup`).
    #[error("received direct SSL connection request without ALPN protocol negotiation extension")]
    NoAlpn,
}

/// Whether a request that may be made once was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Once {
    Open,
    Done,
}

/// Which kinds of encryption the client has asked for.
#[derive(Debug)]
struct Asked {
    ssl: Once,
    gss: Once,
}

/// What one packet leads to.
enum Step {
    Again,
    StartTls,
    Done(Box<Startup>),
    Cancel(CancelKey),
    Closed,
}

/// Reads packets up to the startup packet or the cancel request, answering wishes for encryption.
///
/// A client that is refused has been told so and its connection is closed when this returns an error.
///
/// # Cancel safety
/// Not cancel safe: dropped midway, the connection is closed. The caller bounds the time.
pub async fn handshake(
    socket: Socket,
    peer: Peer,
    tls: &TlsPolicy,
) -> Result<Handshake, StartupError> {
    let mut stream = begin(socket, peer, tls).await?;
    let mut asked = Asked { ssl: Once::Open, gss: Once::Open };
    loop {
        match step(&mut stream, &mut asked, tls).await {
            Ok(Step::Again) => {}
            Ok(Step::StartTls) => stream = start_tls(stream, tls).await?,
            Ok(Step::Done(startup)) => return Ok(Handshake::Startup(stream, *startup)),
            Ok(Step::Cancel(key)) => return Ok(Handshake::Cancel(stream, key)),
            Ok(Step::Closed) => return Ok(Handshake::Closed),
            Err(StartupError::Refused(refusal)) => return refuse(stream, refusal).await,
            Err(error) => return Err(error),
        }
    }
}

async fn refuse(stream: ClientStream, refusal: Refusal) -> Result<Handshake, StartupError> {
    stream.farewell(&error_response(&refusal as &dyn ClientFacing)).await;
    Err(refusal.into())
}

/// A client may begin with TLS at once, as PostgreSQL 17 allows (`sslnegotiation=direct`).
async fn begin(
    mut socket: Socket,
    peer: Peer,
    tls: &TlsPolicy,
) -> Result<ClientStream, StartupError> {
    let Some(listener) = tls.listener() else { return Ok(ClientStream::plain(socket, peer)) };
    let direct = socket.begins_with_tls().await?;
    let stream = ClientStream::plain(socket, peer);
    if !direct {
        return Ok(stream);
    }
    let stream = stream.into_tls(listener).await.map_err(StartupError::Tls)?;
    if stream.has_agreed_on_protocol() { Ok(stream) } else { Err(StartupError::NoAlpn) }
}

async fn step(
    stream: &mut ClientStream,
    asked: &mut Asked,
    tls: &TlsPolicy,
) -> Result<Step, StartupError> {
    let Some(packet) = read_packet(stream).await? else { return Ok(Step::Closed) };
    match parse_startup(&packet)? {
        Packet::SslRequest if asked.ssl == Once::Open => {
            asked.ssl = Once::Done;
            answer_ssl_request(stream, asked, tls).await
        }
        Packet::GssEncRequest if asked.gss == Once::Open => {
            asked.gss = Once::Done;
            reply(stream, b"N").await?;
            Ok(Step::Again)
        }
        Packet::SslRequest | Packet::GssEncRequest => Err(Refusal::Repeated.into()),
        Packet::Cancel(key) => Ok(Step::Cancel(key)),
        Packet::Startup { startup, negotiation } => {
            require_tls(stream, tls)?;
            if let Some(due) = negotiation {
                reply(stream, &negotiate_protocol_version(due.version, &due.unknown)).await?;
            }
            Ok(Step::Done(startup))
        }
    }
}

/// No TLS over unix sockets and no second TLS inside the first, as in PostgreSQL.
async fn answer_ssl_request(
    stream: &mut ClientStream,
    asked: &mut Asked,
    tls: &TlsPolicy,
) -> Result<Step, StartupError> {
    if listener_for(stream, tls).is_none() || stream.is_tls() {
        reply(stream, b"N").await?;
        return Ok(Step::Again);
    }
    // Whatever came along with the request is not encrypted and may be someone else's (CVE-2021-23214).
    if stream.has_unread() {
        return Err(Refusal::Unencrypted.into());
    }
    // Encrypted is encrypted: there is nothing more to ask for.
    asked.gss = Once::Done;
    reply(stream, b"S").await?;
    Ok(Step::StartTls)
}

fn listener_for<'a>(stream: &ClientStream, tls: &'a TlsPolicy) -> Option<&'a ListenerTls> {
    tls.listener().filter(|_| *stream.peer() != Peer::Unix)
}

async fn start_tls(stream: ClientStream, tls: &TlsPolicy) -> Result<ClientStream, StartupError> {
    match tls.listener() {
        Some(listener) => stream.into_tls(listener).await.map_err(StartupError::Tls),
        None => Ok(stream),
    }
}

fn require_tls(stream: &ClientStream, tls: &TlsPolicy) -> Result<(), Refusal> {
    let required = matches!(tls, TlsPolicy::Require(_)) && *stream.peer() != Peer::Unix;
    if required && !stream.is_tls() { Err(Refusal::TlsRequired) } else { Ok(()) }
}

async fn reply(stream: &mut ClientStream, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes).await?;
    stream.flush().await
}

/// One packet without its length; none when the client left without sending anything.
async fn read_packet(stream: &mut ClientStream) -> Result<Option<Vec<u8>>, StartupError> {
    let mut len = [0; 4];
    match stream.read(&mut len).await? {
        0 => return Ok(None),
        read => fill(stream, &mut len[read..]).await?,
    }
    let len = u32::from_be_bytes(len);
    let body_len = len.checked_sub(4).filter(|len| (4..=PACKET_LEN_MAX).contains(len));
    let mut packet = vec![0; body_len.ok_or(Refusal::Length(len))? as usize];
    fill(stream, &mut packet).await?;
    Ok(Some(packet))
}

async fn fill(stream: &mut ClientStream, bytes: &mut [u8]) -> Result<(), StartupError> {
    match stream.read_exact(bytes).await {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(StartupError::Incomplete),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests;
