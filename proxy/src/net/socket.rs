//! One client or server socket, TCP or unix, and its way from one thread's reactor to another's.
//!
//! Must not know TLS.

use std::fmt;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use crate::net::tcp_address::TcpAddress;
use crate::net::websocket::WebSocket;

/// A peer that vanished without a word is noticed after this idle time plus `KEEPALIVE_RETRIES` intervals.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_RETRIES: u32 = 3;
/// The first byte of a TLS ClientHello record; as a packet's length it would mean hundreds of megabytes.
const TLS_HANDSHAKE: u8 = 0x16;

/// Who is at the other end of a client's socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    /// A client over TCP.
    Tcp(TcpAddress),
    /// A client on this machine, over the unix socket.
    Unix,
}

impl Peer {
    /// Where it comes from; none over the unix socket.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Tcp(address) => Some(address.get().ip()),
            Self::Unix => None,
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix => f.write_str("unix socket"),
        }
    }
}

/// A connected stream socket. Reading and writing go straight to tokio's.
#[derive(Debug)]
pub enum Socket {
    /// TCP, without Nagle's delay and with keep-alive.
    Tcp(TcpStream),
    /// A unix stream socket.
    Unix(UnixStream),
    /// The messages of a WebSocket, over a socket of another kind.
    WebSocket(Box<WebSocket>),
    /// On no reactor at the moment: neither readable nor writable until it is attached.
    Detached(Detached),
}

/// A socket between two reactors.
#[derive(Debug)]
pub enum Detached {
    /// TCP.
    Tcp(std::net::TcpStream),
    /// Unix.
    Unix(std::os::unix::net::UnixStream),
    /// Lost because its reactor would not let go of it, or would not take it.
    Lost,
}

impl Socket {
    /// Takes over a TCP connection, made or accepted, and sets its options.
    pub fn tcp(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        let keepalive = TcpKeepalive::new()
            .with_time(KEEPALIVE_IDLE)
            .with_interval(KEEPALIVE_INTERVAL)
            .with_retries(KEEPALIVE_RETRIES);
        SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
        Ok(Self::Tcp(stream))
    }

    /// Takes over a unix connection.
    pub fn unix(stream: UnixStream) -> Self {
        Self::Unix(stream)
    }

    /// Connects over TCP.
    ///
    /// # Cancel safety
    /// Cancel safe: dropped, the attempt is given up.
    pub async fn connect_tcp(address: SocketAddr) -> io::Result<Self> {
        Self::tcp(TcpStream::connect(address).await?)
    }

    /// Connects to a unix socket.
    ///
    /// # Cancel safety
    /// Cancel safe: dropped, the attempt is given up.
    pub async fn connect_unix(path: &Path) -> io::Result<Self> {
        UnixStream::connect(path).await.map(Self::Unix)
    }

    /// True when the peer begins with a TLS record instead of a PostgreSQL packet. The byte stays where it is. Over a
    /// unix socket PostgreSQL speaks no TLS, so there the answer is no without a look.
    ///
    /// # Cancel safety
    /// Cancel safe: nothing is consumed.
    pub async fn begins_with_tls(&mut self) -> io::Result<bool> {
        let first = match self {
            Self::Tcp(stream) => {
                let mut first = [0];
                let len = stream.peek(&mut first).await?;
                first.first().copied().filter(|_| len == 1)
            }
            Self::WebSocket(stream) => poll_fn(|cx| stream.poll_peek(cx)).await?,
            Self::Unix(_) | Self::Detached(_) => None,
        };
        Ok(first == Some(TLS_HANDSHAKE))
    }

    /// True when the peer has sent bytes that were not read yet.
    pub fn has_unread(&self) -> bool {
        let socket = match self {
            Self::Tcp(stream) => SockRef::from(stream),
            Self::Unix(stream) => SockRef::from(stream),
            Self::WebSocket(stream) => return stream.has_unread(),
            Self::Detached(_) => return false,
        };
        matches!(socket.peek(&mut [MaybeUninit::uninit()]), Ok(1))
    }

    /// Ready when there may be something to read; else the task is woken when there is. Costs no system call.
    pub fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => stream.poll_read_ready(cx),
            Self::Unix(stream) => stream.poll_read_ready(cx),
            Self::WebSocket(stream) => stream.poll_readable(cx),
            Self::Detached(_) => Poll::Ready(Err(detached())),
        }
    }

    /// This end of a TCP connection.
    pub fn local_address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(stream) => stream.local_addr().ok(),
            Self::WebSocket(stream) => stream.socket().local_address(),
            Self::Unix(_) | Self::Detached(_) => None,
        }
    }

    /// Takes the socket off this thread's reactor. Nothing that the peer sent is lost.
    pub fn detach(&mut self) -> io::Result<()> {
        if let Self::WebSocket(stream) = self {
            return stream.detach();
        }
        *self = match std::mem::replace(self, Self::Detached(Detached::Lost)) {
            Self::Tcp(stream) => Self::Detached(Detached::Tcp(stream.into_std()?)),
            Self::Unix(stream) => Self::Detached(Detached::Unix(stream.into_std()?)),
            other @ (Self::WebSocket(_) | Self::Detached(_)) => other,
        };
        Ok(())
    }

    /// Puts a detached socket on the calling thread's reactor.
    pub fn attach(&mut self) -> io::Result<()> {
        if let Self::WebSocket(stream) = self {
            return stream.attach();
        }
        *self = match std::mem::replace(self, Self::Detached(Detached::Lost)) {
            Self::Detached(Detached::Tcp(stream)) => Self::Tcp(TcpStream::from_std(stream)?),
            Self::Detached(Detached::Unix(stream)) => Self::Unix(UnixStream::from_std(stream)?),
            Self::Detached(Detached::Lost) => return Err(detached()),
            attached => attached,
        };
        Ok(())
    }
}

fn detached() -> io::Error {
    io::Error::new(io::ErrorKind::NotConnected, "the socket is on no reactor")
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::WebSocket(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Detached(_) => Poll::Ready(Err(detached())),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::WebSocket(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Detached(_) => Poll::Ready(Err(detached())),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Self::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Self::WebSocket(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Self::Detached(_) => Poll::Ready(Err(detached())),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Ready at once, but for what a WebSocket has to say itself: no kind of socket holds written bytes back.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::WebSocket(stream) => Pin::new(stream).poll_flush(cx),
            _ => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::WebSocket(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Detached(_) => Poll::Ready(Err(detached())),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    async fn tcp_pair() -> (Socket, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = Socket::connect_tcp(listener.local_addr().unwrap()).await.unwrap();
        (near, listener.accept().await.unwrap().0)
    }

    #[tokio::test]
    async fn tcp_has_no_delay_and_keep_alive() {
        let (Socket::Tcp(near), _far) = tcp_pair().await else { panic!("not TCP") };
        let socket = SockRef::from(&near);
        assert!(socket.tcp_nodelay().unwrap());
        assert!(socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), KEEPALIVE_IDLE);
    }

    #[test]
    fn a_socket_moves_to_another_runtime_with_its_bytes() {
        let runtime = || tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        let (near, far) = std::os::unix::net::UnixStream::pair().unwrap();
        near.set_nonblocking(true).unwrap();
        let mut socket = runtime().block_on(async {
            let mut socket = Socket::unix(UnixStream::from_std(near).unwrap());
            std::io::Write::write_all(&mut &far, b"hello").unwrap();
            socket.detach().unwrap();
            assert!(socket.read_u8().await.is_err(), "a detached socket was read");
            socket
        });
        let mover = std::thread::spawn(move || {
            runtime().block_on(async {
                socket.attach().unwrap();
                let mut bytes = [0; 5];
                socket.read_exact(&mut bytes).await.unwrap();
                socket.write_all(b"back").await.unwrap();
                bytes
            })
        });
        assert_eq!(&mover.join().unwrap(), b"hello");
        let mut bytes = [0; 4];
        std::io::Read::read_exact(&mut &far, &mut bytes).unwrap();
        assert_eq!(&bytes, b"back");
    }

    #[tokio::test]
    async fn a_look_at_the_first_byte_takes_nothing() {
        let (mut near, mut far) = tcp_pair().await;
        assert!(!near.has_unread());
        far.write_all(&[TLS_HANDSHAKE, 3]).await.unwrap();
        assert!(near.begins_with_tls().await.unwrap());
        assert!(near.has_unread());
        assert_eq!(near.read_u16().await.unwrap(), u16::from_be_bytes([TLS_HANDSHAKE, 3]));
    }

    #[tokio::test]
    async fn a_closed_peer_is_no_tls() {
        let (mut near, far) = tcp_pair().await;
        drop(far);
        assert!(!near.begins_with_tls().await.unwrap());
    }
}
