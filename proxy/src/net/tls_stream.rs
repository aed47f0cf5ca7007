//! The stream to a client under TLS. rustls keeps no buffers in it, and neither does the stream while nothing is on its way,
//! so that a client that sits idle costs little more than its keys.
//!
//! Must not know certificates.

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustls::ServerConfig;
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncryptError, InsufficientSizeError, UnbufferedStatus,
    WriteTraffic,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

use crate::net::socket::Socket;
use crate::wire::outbox::Outbox;

/// Bytes read off a socket at a time: more than a record may have (RFC 8446, section 5.2), behind a part of one.
const READ_LEN: usize = 40 * 1024;
/// Bytes of a handshake that a client sends before it is its turn to wait: OpenSSL takes certificate chains of 100 KiB.
const HANDSHAKE_LEN_MAX: usize = 128 * 1024;
/// Encrypted bytes that wait before more are taken.
const OUTGOING_LEN_MAX: usize = 64 * 1024;
/// Plain bytes encrypted at a time, two records.
const WRITE_LEN: usize = 32 * 1024;
/// Most of what is left to say once the connection has failed: an alert, and what was queued in front of it.
const LAST_WORDS_MAX: usize = 8;

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A connection after its handshake.
pub struct TlsStream {
    socket: Socket,
    session: Session,
    /// The beginning of a record, or of a message of the handshake, whose rest has not come.
    incoming: Vec<u8>,
}

/// What rustls knows, and bytes on either side of it.
struct Session {
    connection: UnbufferedServerConnection,
    /// Decrypted, and not taken by the reader.
    plain: Outbox,
    /// Encrypted, and not taken by the socket.
    outgoing: Outbox,
    reading: Reading,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    Open,
    /// The client has said that nothing more will come.
    Closed,
}

/// The state in which data may be sent.
type Traffic<'a> = WriteTraffic<'a, ServerConnectionData>;

/// Where rustls has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The client's part of the handshake is missing.
    Handshake,
    /// Data may be sent.
    Traffic,
    /// Both sides have said that nothing more will come.
    Closed,
}

/// How far rustls has come.
struct Advance {
    stage: Stage,
    /// So many bytes of the input it does not have to see again.
    seen: usize,
}

impl TlsStream {
    /// Shakes hands with a client.
    ///
    /// # Errors
    /// `InvalidData` with rustls's error, `UnexpectedEof` when the client goes away, and those of the socket.
    ///
    /// # Cancel safety
    /// Not cancel safe: dropped midway, the socket is closed.
    pub async fn accept(config: Arc<ServerConfig>, mut socket: Socket) -> io::Result<Self> {
        let connection = UnbufferedServerConnection::new(config).map_err(invalid)?;
        let (plain, outgoing) = (Outbox::default(), Outbox::default());
        let mut session = Session { connection, plain, outgoing, reading: Reading::Open };
        let mut incoming = Vec::new();
        loop {
            let advanced = session.advance(&mut incoming);
            while !session.outgoing.is_empty() {
                let len = socket.write(session.outgoing.unsent()).await?;
                session.outgoing.consume(len);
            }
            let Advance { stage, seen } = advanced?;
            incoming.drain(..seen);
            if stage != Stage::Handshake {
                incoming.shrink_to_fit();
                return Ok(Self { socket, session, incoming });
            }
            if incoming.len() > HANDSHAKE_LEN_MAX {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "the handshake is too long",
                ));
            }
            if socket.read_buf(&mut incoming).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// What is underneath.
    pub fn socket(&self) -> &Socket {
        &self.socket
    }

    /// What is underneath.
    pub fn socket_mut(&mut self) -> &mut Socket {
        &mut self.socket
    }

    /// The protocol that client and listener have agreed on.
    pub fn alpn_protocol(&self) -> Option<&[u8]> {
        self.session.connection.alpn_protocol()
    }

    /// Ready when there may be something to read; else the task is woken when there is.
    pub fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.session.plain.is_empty() {
            true => self.socket.poll_readable(cx),
            false => Poll::Ready(Ok(())),
        }
    }

    /// Reads once and decrypts; zero bytes mean the end of the connection.
    fn poll_incoming(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        with_scratch(|scratch| {
            let kept = self.incoming.len();
            if kept >= READ_LEN {
                return Poll::Ready(Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "a record is too long",
                )));
            }
            let mut target = ReadBuf::new(&mut scratch[kept..]);
            ready!(Pin::new(&mut self.socket).poll_read(cx, &mut target))?;
            let len = target.filled().len();
            if len > 0 {
                scratch[..kept].copy_from_slice(&self.incoming);
                let bytes = &mut scratch[..kept + len];
                let Advance { seen, .. } = self.session.advance(bytes)?;
                self.incoming = bytes[seen..].to_vec();
            }
            Poll::Ready(Ok(len))
        })
    }

    /// Ready when the socket has taken all that is encrypted.
    fn poll_outgoing(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.session.outgoing.is_empty() {
            let unsent = self.session.outgoing.unsent();
            match ready!(Pin::new(&mut self.socket).poll_write(cx, unsent))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                len => self.session.outgoing.consume(len),
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl fmt::Debug for TlsStream {
    /// Without keys and what is on its way.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsStream").field("socket", &self.socket).finish_non_exhaustive()
    }
}

impl Session {
    /// Has rustls look at all of `incoming`.
    fn advance(&mut self, incoming: &mut [u8]) -> io::Result<Advance> {
        self.advance_and(incoming, |_, _| Ok(()))
    }

    /// As [`Self::advance`]; if data may then be sent, `send` puts it behind what is encrypted.
    fn advance_and(
        &mut self,
        incoming: &mut [u8],
        send: impl FnOnce(Traffic<'_>, &mut Outbox) -> io::Result<()>,
    ) -> io::Result<Advance> {
        let mut seen = 0;
        let stage = loop {
            let UnbufferedStatus { discard, state, .. } =
                self.connection.process_tls_records(&mut incoming[seen..]);
            seen += discard;
            match state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record.map_err(invalid)?;
                        self.plain.push(record.payload);
                        seen += record.discard;
                    }
                }
                Ok(ConnectionState::EncodeTlsData(mut data)) => {
                    append(&mut self.outgoing, |out| {
                        data.encode(out).map_err(Shortage::of_encode)
                    })?;
                }
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                Ok(ConnectionState::WriteTraffic(traffic)) => {
                    send(traffic, &mut self.outgoing)?;
                    break Stage::Traffic;
                }
                Ok(ConnectionState::BlockedHandshake) => break Stage::Handshake,
                Ok(ConnectionState::PeerClosed) => self.reading = Reading::Closed,
                Ok(ConnectionState::Closed) => break Stage::Closed,
                Ok(_) => return Err(invalid("an unexpected state of TLS")),
                Err(error) => {
                    self.say_last_words()?;
                    return Err(invalid(error));
                }
            }
        };
        Ok(Advance { stage, seen })
    }

    /// The alert that tells the client what was wrong.
    fn say_last_words(&mut self) -> io::Result<()> {
        for _ in 0..LAST_WORDS_MAX {
            match self.connection.process_tls_records(&mut []).state {
                Ok(ConnectionState::EncodeTlsData(mut data)) => {
                    append(&mut self.outgoing, |out| {
                        data.encode(out).map_err(Shortage::of_encode)
                    })?;
                }
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                _ => break,
            }
        }
        Ok(())
    }

    /// Encrypts bytes. `incoming` is what rustls has to see again.
    fn encrypt(&mut self, bytes: &[u8], incoming: &mut Vec<u8>) -> io::Result<()> {
        let Advance { stage, seen } = self.advance_and(incoming, |mut traffic, outgoing| {
            append(outgoing, |out| traffic.encrypt(bytes, out).map_err(Shortage::of_encrypt))
        })?;
        incoming.drain(..seen);
        if stage == Stage::Traffic { Ok(()) } else { Err(io::ErrorKind::NotConnected.into()) }
    }

    /// Tells the client that nothing more will come.
    fn close(&mut self, incoming: &mut Vec<u8>) -> io::Result<()> {
        let Advance { seen, .. } = self.advance_and(incoming, |mut traffic, outgoing| {
            append(outgoing, |out| traffic.queue_close_notify(out).map_err(Shortage::of_encrypt))
        })?;
        incoming.drain(..seen);
        Ok(())
    }
}

impl AsyncRead for TlsStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        while this.session.plain.is_empty() {
            if this.session.reading == Reading::Closed {
                return Poll::Ready(Ok(()));
            }
            let read = this.poll_incoming(cx);
            // An answer to a message of TLS itself; what the socket does not take now goes out with the next bytes.
            if let Poll::Ready(Err(error)) = this.poll_outgoing(cx) {
                return Poll::Ready(Err(error));
            }
            if ready!(read)? == 0 {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
        }
        let plain = this.session.plain.unsent();
        let len = plain.len().min(buf.remaining());
        buf.put_slice(&plain[..len]);
        this.session.plain.consume(len);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for TlsStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.session.outgoing.unsent().len() >= OUTGOING_LEN_MAX {
            ready!(this.poll_outgoing(cx))?;
        }
        let len = buf.len().min(WRITE_LEN);
        this.session.encrypt(&buf[..len], &mut this.incoming)?;
        Poll::Ready(Ok(len))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_outgoing(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // Said once: rustls says nothing the second time.
        this.session.close(&mut this.incoming)?;
        ready!(this.poll_outgoing(cx))?;
        Pin::new(&mut this.socket).poll_shutdown(cx)
    }
}

/// Why rustls wrote nothing.
enum Shortage {
    /// It needs so many bytes of room.
    Room(usize),
    Failed(io::Error),
}

impl Shortage {
    fn of_encode(error: EncodeError) -> Self {
        match error {
            EncodeError::InsufficientSize(InsufficientSizeError { required_size }) => {
                Self::Room(required_size)
            }
            other @ EncodeError::AlreadyEncoded => Self::Failed(io::Error::other(other)),
        }
    }

    fn of_encrypt(error: EncryptError) -> Self {
        match error {
            EncryptError::InsufficientSize(InsufficientSizeError { required_size }) => {
                Self::Room(required_size)
            }
            other @ EncryptError::EncryptExhausted => Self::Failed(io::Error::other(other)),
        }
    }
}

/// Appends what `write` writes, which says how much room it needs when there is too little.
fn append(
    out: &mut Outbox,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, Shortage>,
) -> io::Result<()> {
    let bytes = out.writer();
    let start = bytes.len();
    let written = match write(&mut []) {
        Err(Shortage::Room(len)) => {
            bytes.resize(start + len, 0);
            write(&mut bytes[start..])
        }
        other => other,
    };
    let outcome = match written {
        Ok(len) => Ok(len),
        Err(Shortage::Room(_)) => Err(io::Error::other("TLS needs more room than it asked for")),
        Err(Shortage::Failed(error)) => Err(error),
    };
    bytes.truncate(start + outcome.as_ref().copied().unwrap_or_default());
    out.consume(0);
    outcome.map(drop)
}

/// [`READ_LEN`] bytes that all streams of the thread use in turn.
fn with_scratch<T>(work: impl FnOnce(&mut [u8]) -> T) -> T {
    let mut scratch = SCRATCH.take();
    scratch.resize(READ_LEN, 0);
    let outcome = work(&mut scratch);
    SCRATCH.set(scratch);
    outcome
}

fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

#[cfg(test)]
mod tests;
