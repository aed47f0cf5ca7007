//! A byte stream inside the binary messages of a WebSocket (RFC 6455), as the server has it: frames of any length and any
//! number of continuations are passed on as they come, so that no message has to fit into memory.
//!
//! Must not know HTTP, which opened it, nor what the bytes mean.

mod frame;

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use crate::net::socket::Socket;
use frame::{Control, Incoming, OpCode, head};

/// How often the client is asked whether it is still there: the edge in front of it forgets connections that say nothing
/// for 100 seconds, and some forget sooner.
const PING_INTERVAL: Duration = Duration::from_secs(30);
/// Pings without any sign of life after which the client is gone.
const PINGS_UNANSWERED_MAX: u32 = 3;
/// Bytes of one frame that the proxy sends.
const FRAME_LEN_MAX: usize = 64 * 1024;
/// Bytes of answers to pings and the like that wait for a client that does not read: no more are made then.
const CONTROL_LEN_MAX: usize = 4 * 1024;
/// The end of a conversation that went well (section 7.4.1).
const CLOSE_NORMAL: u16 = 1000;

/// The stream.
#[derive(Debug)]
pub struct WebSocket {
    socket: Socket,
    incoming: Incoming,
    /// Bytes of the client that nobody has taken yet.
    ahead: Vec<u8>,
    outgoing: Outgoing,
    heartbeat: Heartbeat,
}

/// What is under way to the client.
#[derive(Debug, Default)]
struct Outgoing {
    /// What is left of the head of the frame that is open.
    head: Vec<u8>,
    /// Bytes that the frame that is open still has to hold.
    left: usize,
    /// Control frames that go between two others.
    control: Vec<u8>,
    end: End,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum End {
    #[default]
    Open,
    /// A Close frame is queued or sent: nothing may follow it.
    Said,
}

/// When the client is asked for a sign of life.
#[derive(Debug, Default)]
struct Heartbeat {
    next: Option<Pin<Box<Sleep>>>,
    unanswered: u32,
}

impl WebSocket {
    /// Over a socket on which the WebSocket was opened just now. `raw` was read from it already.
    ///
    /// # Errors
    /// `InvalidData` when that breaks the protocol.
    pub fn new(socket: Socket, mut raw: Vec<u8>) -> io::Result<Self> {
        let mut incoming = Incoming::default();
        let mut control = Vec::new();
        let len = incoming.decode(&mut raw, &mut control).map_err(invalid)?;
        raw.truncate(len);
        let (outgoing, heartbeat) = (Outgoing::default(), Heartbeat::default());
        let mut stream = Self { socket, incoming, ahead: raw, outgoing, heartbeat };
        stream.obey(control);
        Ok(stream)
    }

    /// The socket underneath.
    pub fn socket(&self) -> &Socket {
        &self.socket
    }

    /// Takes the socket off this thread's reactor.
    pub fn detach(&mut self) -> io::Result<()> {
        self.heartbeat.next = None;
        self.socket.detach()
    }

    /// Puts it on the calling thread's.
    pub fn attach(&mut self) -> io::Result<()> {
        self.socket.attach()
    }

    /// True when the client has sent bytes that were not taken yet, or has begun to.
    pub fn has_unread(&self) -> bool {
        !self.ahead.is_empty() || self.incoming.is_inside_frame() || self.socket.has_unread()
    }

    /// Ready when there may be something to read.
    pub fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.ahead.is_empty() {
            return Poll::Ready(Ok(()));
        }
        self.beat(cx)?;
        self.socket.poll_readable(cx)
    }

    /// Waits for the next byte and leaves it where it is; none at the end of the stream.
    pub fn poll_peek(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<u8>>> {
        if self.ahead.is_empty() {
            let mut bytes = [0; 1];
            let mut target = ReadBuf::new(&mut bytes);
            ready!(Pin::new(&mut *self).poll_read(cx, &mut target))?;
            self.ahead.extend_from_slice(target.filled());
        }
        Poll::Ready(Ok(self.ahead.first().copied()))
    }

    /// Asks for a sign of life when it is time.
    fn beat(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let Heartbeat { next, unanswered } = &mut self.heartbeat;
        let sleep = next.get_or_insert_with(|| Box::pin(tokio::time::sleep(PING_INTERVAL)));
        while sleep.as_mut().poll(cx).is_ready() {
            if *unanswered >= PINGS_UNANSWERED_MAX {
                return Err(io::ErrorKind::TimedOut.into());
            }
            *unanswered += 1;
            sleep.as_mut().reset(Instant::now() + PING_INTERVAL);
            self.outgoing.say(OpCode::Ping, b"");
        }
        // What cannot be sent now goes with the next bytes.
        let _ = self.outgoing.poll_control(&mut self.socket, cx)?;
        Ok(())
    }

    fn obey(&mut self, control: Vec<Control>) {
        for control in control {
            match control {
                Control::Ping(payload) => self.outgoing.say(OpCode::Pong, &payload),
                Control::Close(payload) => self.outgoing.close(&payload),
            }
        }
    }

    /// Decodes the bytes that were read behind the first `before` of the buffer. Gives how many are left of them.
    fn take(&mut self, target: &mut ReadBuf<'_>, before: usize) -> io::Result<usize> {
        let mut control = Vec::new();
        let decoded = self.incoming.decode(&mut target.filled_mut()[before..], &mut control);
        self.obey(control);
        match decoded {
            Ok(len) => {
                target.set_filled(before + len);
                Ok(len)
            }
            Err(violation) => {
                target.set_filled(before);
                self.outgoing.close(&violation.code().to_be_bytes());
                Err(invalid(violation))
            }
        }
    }
}

impl Outgoing {
    /// Queues a control frame.
    fn say(&mut self, code: OpCode, payload: &[u8]) {
        if self.end == End::Open && self.control.len() < CONTROL_LEN_MAX {
            self.control.extend(head(code, payload.len()));
            self.control.extend_from_slice(payload);
        }
    }

    fn close(&mut self, payload: &[u8]) {
        self.say(OpCode::Close, payload);
        self.end = End::Said;
    }

    /// Sends control frames, unless a frame is open.
    fn poll_control(&mut self, socket: &mut Socket, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.left == 0 && self.head.is_empty() {
            ready!(poll_all(socket, &mut self.control, cx))?;
        }
        Poll::Ready(Ok(()))
    }

    /// Sends the first of these bytes, in the frame that is open or a new one.
    fn poll_data(
        &mut self,
        socket: &mut Socket,
        bytes: &[u8],
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if self.left == 0 {
            ready!(self.poll_control(socket, cx))?;
            if self.end == End::Said {
                return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
            }
            self.left = bytes.len().min(FRAME_LEN_MAX);
            self.head = head(OpCode::Binary, self.left);
        }
        let part = &bytes[..bytes.len().min(self.left)];
        let sent = loop {
            let both = [IoSlice::new(&self.head), IoSlice::new(part)];
            let sent = ready!(Pin::new(&mut *socket).poll_write_vectored(cx, &both))?;
            let of_head = sent.min(self.head.len());
            self.head.drain(..of_head);
            match (sent, sent - of_head) {
                (0, _) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                (_, 0) => {}
                (_, sent) => break sent,
            }
        };
        self.left -= sent;
        Poll::Ready(Ok(sent))
    }
}

impl AsyncRead for WebSocket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        target: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let stream = self.get_mut();
        if !stream.ahead.is_empty() {
            let len = stream.ahead.len().min(target.remaining());
            target.put_slice(&stream.ahead[..len]);
            stream.ahead.drain(..len);
            return Poll::Ready(Ok(()));
        }
        loop {
            stream.beat(cx)?;
            if stream.incoming.is_at_end() {
                return Poll::Ready(Ok(()));
            }
            let before = target.filled().len();
            ready!(Pin::new(&mut stream.socket).poll_read(cx, target))?;
            if target.filled().len() == before {
                return Poll::Ready(Ok(()));
            }
            stream.heartbeat.unanswered = 0;
            if stream.take(target, before)? > 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl AsyncWrite for WebSocket {
    /// What was announced with the head of a frame follows: as any writer, the caller goes on with the bytes that were not
    /// taken.
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let Self { socket, outgoing, .. } = self.get_mut();
        outgoing.poll_data(socket, bytes, cx)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { socket, outgoing, .. } = self.get_mut();
        outgoing.poll_control(socket, cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { socket, outgoing, .. } = self.get_mut();
        if outgoing.end == End::Open {
            outgoing.close(&CLOSE_NORMAL.to_be_bytes());
        }
        ready!(outgoing.poll_control(socket, cx))?;
        Pin::new(socket).poll_shutdown(cx)
    }
}

fn poll_all(
    socket: &mut Socket,
    bytes: &mut Vec<u8>,
    cx: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    while !bytes.is_empty() {
        match ready!(Pin::new(&mut *socket).poll_write(cx, bytes))? {
            0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            len => drop(bytes.drain(..len)),
        }
    }
    Poll::Ready(Ok(()))
}

fn invalid(violation: frame::Violation) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, violation)
}

#[cfg(test)]
mod tests;
