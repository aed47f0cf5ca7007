//! The byte stream to a client and the one to a server: a socket, plain or under TLS.
//!
//! Reading and writing are passed straight on. Under TLS what was written may wait for a flush.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::timeout;
use tokio_rustls::client;

use crate::net::end_point::end_point;
use crate::net::flow::Source;
use crate::net::socket::{Peer, Socket};
use crate::net::tls::{ALPN, ListenerTls};
use crate::net::tls_stream::TlsStream;

/// How long a refused client may take to read why, and how much of what it still sends is thrown away meanwhile.
const FAREWELL_TIMEOUT: Duration = Duration::from_secs(1);
const FAREWELL_LEN_MAX: u64 = 64 * 1024;

/// The stream to one client.
#[derive(Debug)]
pub struct ClientStream {
    transport: ClientTransport,
    peer: Peer,
}

#[derive(Debug)]
enum ClientTransport {
    Plain(Socket),
    /// With what a login can be bound to.
    Tls(Box<TlsStream>, Option<Arc<[u8]>>),
}

impl ClientStream {
    /// A stream without TLS.
    pub fn plain(socket: Socket, peer: Peer) -> Self {
        Self { transport: ClientTransport::Plain(socket), peer }
    }

    /// Takes the socket off this thread's reactor, so that the stream can be sent to another thread. Nothing that the
    /// client sent is lost, under TLS neither.
    pub fn detach(&mut self) -> io::Result<()> {
        self.socket_mut().detach()
    }

    /// Puts a detached stream on the calling thread's reactor.
    pub fn attach(&mut self) -> io::Result<()> {
        self.socket_mut().attach()
    }

    /// Who the client is.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// True when the stream is encrypted.
    pub fn is_tls(&self) -> bool {
        matches!(self.transport, ClientTransport::Tls(..))
    }

    /// The address that the client connected to; none over a unix socket.
    pub fn local_address(&self) -> Option<SocketAddr> {
        match &self.transport {
            ClientTransport::Plain(socket) => socket.local_address(),
            ClientTransport::Tls(stream, _) => stream.socket().local_address(),
        }
    }

    /// True when the client has sent bytes that were not read yet, below TLS if there is any.
    pub fn has_unread(&self) -> bool {
        match &self.transport {
            ClientTransport::Plain(socket) => socket.has_unread(),
            ClientTransport::Tls(stream, _) => stream.socket().has_unread(),
        }
    }

    /// Shakes hands. A stream that is under TLS already stays as it is.
    ///
    /// # Cancel safety
    /// Not cancel safe: dropped midway, the socket is closed.
    pub async fn into_tls(self, listener: &ListenerTls) -> io::Result<Self> {
        match self.transport {
            ClientTransport::Plain(socket) => {
                let stream = Box::new(listener.accept(socket).await?);
                let transport = ClientTransport::Tls(stream, listener.end_point());
                Ok(Self { transport, ..self })
            }
            ClientTransport::Tls(..) => Ok(self),
        }
    }

    /// True when the client came through HTTP: in a WebSocket, or within this process with an address of its own.
    pub fn is_from_http(&self) -> bool {
        let socket = match &self.transport {
            ClientTransport::Plain(socket) => socket,
            ClientTransport::Tls(stream, _) => stream.socket(),
        };
        match socket {
            Socket::WebSocket(_) => true,
            Socket::Unix(_) => self.peer != Peer::Unix,
            Socket::Tcp(_) | Socket::Detached(_) => false,
        }
    }

    /// What a login over this stream can be bound to: the digest of the certificate that the client was shown. None
    /// without TLS, and for certificates that have none.
    pub fn end_point(&self) -> Option<Arc<[u8]>> {
        match &self.transport {
            ClientTransport::Plain(_) => None,
            ClientTransport::Tls(_, end_point) => end_point.clone(),
        }
    }

    /// True when client and proxy have agreed on the protocol `postgresql` during the TLS handshake.
    pub fn has_agreed_on_protocol(&self) -> bool {
        match &self.transport {
            ClientTransport::Plain(_) => false,
            ClientTransport::Tls(stream, _) => stream.alpn_protocol() == Some(ALPN),
        }
    }

    /// Sends the last message the client gets and closes: half at first, so that the kernel does not answer what the
    /// client still has under way with a reset that would overtake the message. Takes at most a second.
    ///
    /// # Cancel safety
    /// Not cancel safe: dropped midway, the client may have a part of the message.
    pub async fn farewell(mut self, message: &[u8]) {
        let goodbye = async {
            self.write_all(message).await?;
            self.see_off(FAREWELL_LEN_MAX).await
        };
        // A client that does not want to hear it is not told.
        let _ = timeout(FAREWELL_TIMEOUT, goodbye).await;
    }

    /// Closes the sending half, and throws away up to `len_max` bytes of what the client still sends until it closes too.
    /// The caller bounds the time.
    ///
    /// # Cancel safety
    /// Cancel safe: nothing else can follow.
    pub async fn see_off(&mut self, len_max: u64) -> io::Result<()> {
        self.shutdown().await?;
        let mut rest = self.take(len_max);
        tokio::io::copy(&mut rest, &mut tokio::io::sink()).await.map(drop)
    }

    fn socket_mut(&mut self) -> &mut Socket {
        match &mut self.transport {
            ClientTransport::Plain(socket) => socket,
            ClientTransport::Tls(stream, _) => stream.socket_mut(),
        }
    }
}

/// The stream to one server.
#[derive(Debug)]
pub struct ServerStream(ServerTransport);

#[derive(Debug)]
enum ServerTransport {
    Plain(Socket),
    Tls(Box<client::TlsStream<Socket>>),
}

impl ServerStream {
    /// A stream without TLS.
    pub fn plain(socket: Socket) -> Self {
        Self(ServerTransport::Plain(socket))
    }

    /// A stream after its TLS handshake.
    pub fn tls(stream: client::TlsStream<Socket>) -> Self {
        Self(ServerTransport::Tls(Box::new(stream)))
    }

    /// True when the stream is encrypted.
    pub fn is_tls(&self) -> bool {
        matches!(self.0, ServerTransport::Tls(_))
    }

    /// This end of the connection; none over a unix socket.
    pub fn local_address(&self) -> Option<SocketAddr> {
        match &self.0 {
            ServerTransport::Plain(socket) => socket.local_address(),
            ServerTransport::Tls(stream) => stream.get_ref().0.local_address(),
        }
    }

    /// True when server and proxy have agreed on the protocol `postgresql` during the TLS handshake.
    pub fn has_agreed_on_protocol(&self) -> bool {
        match &self.0 {
            ServerTransport::Plain(_) => false,
            ServerTransport::Tls(stream) => stream.get_ref().1.alpn_protocol() == Some(ALPN),
        }
    }

    /// What a login over this stream can be bound to: the digest of the server's certificate. None without TLS, and for
    /// certificates that have none.
    pub fn end_point(&self) -> Option<Vec<u8>> {
        let ServerTransport::Tls(stream) = &self.0 else { return None };
        end_point(stream.get_ref().1.peer_certificates()?.first()?)
    }

    /// True when nobody can listen in: encrypted, or a unix socket.
    pub fn is_private(&self) -> bool {
        matches!(self.0, ServerTransport::Tls(_) | ServerTransport::Plain(Socket::Unix(_)))
    }
}

impl Source for ClientStream {
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.transport {
            ClientTransport::Plain(socket) => socket.poll_readable(cx),
            ClientTransport::Tls(stream, _) => stream.poll_readable(cx),
        }
    }
}

impl Source for ServerStream {
    /// Under TLS, bytes may have been read off the socket that were not taken yet.
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            ServerTransport::Plain(socket) => socket.poll_readable(cx),
            ServerTransport::Tls(_) => Poll::Ready(Ok(())),
        }
    }
}

/// Both streams pass every call on to what is underneath.
macro_rules! delegate {
    ($stream:ty, $transport:ident, $field:tt) => {
        impl AsyncRead for $stream {
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                match &mut self.get_mut().$field {
                    $transport::Plain(socket) => Pin::new(socket).poll_read(cx, buf),
                    $transport::Tls(stream, ..) => Pin::new(stream).poll_read(cx, buf),
                }
            }
        }

        impl AsyncWrite for $stream {
            fn poll_write(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &[u8],
            ) -> Poll<io::Result<usize>> {
                match &mut self.get_mut().$field {
                    $transport::Plain(socket) => Pin::new(socket).poll_write(cx, buf),
                    $transport::Tls(stream, ..) => Pin::new(stream).poll_write(cx, buf),
                }
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                match &mut self.get_mut().$field {
                    $transport::Plain(socket) => Pin::new(socket).poll_write_vectored(cx, bufs),
                    $transport::Tls(stream, ..) => Pin::new(stream).poll_write_vectored(cx, bufs),
                }
            }

            fn is_write_vectored(&self) -> bool {
                match &self.$field {
                    $transport::Plain(socket) => socket.is_write_vectored(),
                    $transport::Tls(stream, ..) => stream.is_write_vectored(),
                }
            }

            fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                match &mut self.get_mut().$field {
                    $transport::Plain(socket) => Pin::new(socket).poll_flush(cx),
                    $transport::Tls(stream, ..) => Pin::new(stream).poll_flush(cx),
                }
            }

            fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                match &mut self.get_mut().$field {
                    $transport::Plain(socket) => Pin::new(socket).poll_shutdown(cx),
                    $transport::Tls(stream, ..) => Pin::new(stream).poll_shutdown(cx),
                }
            }
        }
    };
}

delegate!(ClientStream, ClientTransport, transport);
delegate!(ServerStream, ServerTransport, 0);
