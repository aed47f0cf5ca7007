//! Bytes on their way from one socket to another: a run that goes out as it was read, or a copy where something changed.
//!
//! One flow serves one direction. Must not know what the bytes mean.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::wire::buffer::Buffer;
use crate::wire::outbox::Outbox;

/// What is to be written to a sink. The source buffer is passed to each call, because it belongs to the other side.
/// Lengths are of 32 bits, as those of messages are: each client has a flow (I7).
#[derive(Debug, Default)]
pub struct Flow {
    /// Made or rewritten bytes. They go out before anything else in the source buffer.
    pub outbox: Outbox,
    /// Bytes at the front of the source buffer that go out as they are. Zero while the outbox holds bytes.
    direct: u32,
    /// Bytes of the current message that the source has not delivered yet.
    passing: u32,
    flush: Flush,
}

/// TLS may hold back what was written; a plain socket never does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Flush {
    #[default]
    Done,
    Due,
}

impl Flow {
    /// The bytes of the source that were not looked at yet.
    pub fn unseen<'a>(&self, source: &'a Buffer) -> &'a [u8] {
        &source.filled()[self.direct as usize..]
    }

    /// Sends the next `len` unseen bytes on as they are; `total` is the length of the message that they begin.
    pub fn forward(&mut self, source: &mut Buffer, len: usize, total: usize) {
        self.passing = (total - len) as u32;
        self.pass(source, len);
    }

    /// Sends on what the source has of a message begun earlier. Returns true when that was something.
    pub fn forward_passing(&mut self, source: &mut Buffer) -> bool {
        let len = (self.passing as usize).min(self.unseen(source).len());
        self.passing -= len as u32;
        self.pass(source, len);
        len > 0
    }

    /// Leaves out the next `len` unseen bytes.
    pub fn skip(&mut self, source: &mut Buffer, len: usize) {
        self.spill(source);
        source.consume(len);
    }

    /// The place to write bytes of the proxy's own, behind everything sent on so far.
    pub fn insert(&mut self, source: &mut Buffer) -> &mut Vec<u8> {
        self.spill(source);
        self.outbox.writer()
    }

    /// True while the sink may have only a part of a message whose rest is still with the source.
    pub fn is_inside_message(&self) -> bool {
        self.passing > 0 || self.direct > 0
    }

    /// True when a message is being passed on whose rest the source still has to deliver.
    pub fn is_passing(&self) -> bool {
        self.passing > 0
    }

    /// True when nothing waits to be written and no message is open.
    pub fn is_clear(&self) -> bool {
        !self.is_inside_message() && self.outbox.is_empty() && self.flush == Flush::Done
    }

    /// Writes as much as the sink takes; ready when nothing is left. Pass the source buffer that `forward` was given.
    pub fn poll_write<W: AsyncWrite + Unpin>(
        &mut self,
        source: &mut Option<Buffer>,
        sink: &mut W,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while !self.outbox.is_empty() {
            let len = ready!(poll_some(sink, self.outbox.unsent(), cx))?;
            self.outbox.consume(len);
            self.flush = Flush::Due;
        }
        while self.direct > 0 {
            let Some(buffer) = source.as_mut() else { break };
            let len = ready!(poll_some(sink, &buffer.filled()[..self.direct as usize], cx))?;
            buffer.consume(len);
            self.direct -= len as u32;
            self.flush = Flush::Due;
        }
        if source.as_ref().is_some_and(Buffer::is_empty) {
            *source = None;
        }
        if self.flush == Flush::Due {
            ready!(Pin::new(sink).poll_flush(cx))?;
            self.flush = Flush::Done;
        }
        Poll::Ready(Ok(()))
    }

    fn pass(&mut self, source: &mut Buffer, len: usize) {
        if self.outbox.is_empty() {
            self.direct += len as u32;
        } else {
            self.outbox.push(&source.filled()[..len]);
            source.consume(len);
        }
    }

    /// Moves the run so far into the outbox, so that something else can follow it or the source can go away.
    pub fn spill(&mut self, source: &mut Buffer) {
        if self.direct > 0 {
            let len = self.direct as usize;
            self.outbox.push(&source.filled()[..len]);
            source.consume(len);
            self.direct = 0;
        }
    }
}

/// A stream that knows without a system call whether there may be something to read.
pub trait Source: AsyncRead + Unpin {
    /// Ready when a read is worth a try; else the task is woken when it is.
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

/// Reads once into the buffer, taking one from the free list for the time that there is something in it.
/// Zero bytes mean the end of the stream.
///
/// tokio clears its readiness on a short read, so that the next call costs no system call until more has come, and no
/// buffer either.
pub fn poll_fill<S: Source>(
    stream: &mut S,
    buffer: &mut Option<Buffer>,
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    ready!(stream.poll_readable(cx))?;
    let mut taken = buffer.take().unwrap_or_else(Buffer::take);
    let mut target = ReadBuf::new(taken.spare());
    let result = Pin::new(stream).poll_read(cx, &mut target);
    let len = target.filled().len();
    taken.advance(len);
    if !taken.is_empty() {
        *buffer = Some(taken);
    }
    result.map_ok(|()| len)
}

fn poll_some<W: AsyncWrite + Unpin>(
    sink: &mut W,
    bytes: &[u8],
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    match ready!(Pin::new(sink).poll_write(cx, bytes))? {
        0 => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
        len => Poll::Ready(Ok(len)),
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    fn filled(bytes: &[u8]) -> Buffer {
        let mut buffer = Buffer::take();
        buffer.spare()[..bytes.len()].copy_from_slice(bytes);
        buffer.advance(bytes.len());
        buffer
    }

    fn written(flow: &mut Flow, source: Buffer) -> (Vec<u8>, Option<Buffer>) {
        let (mut sink, mut source) = (Vec::new(), Some(source));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(flow.poll_write(&mut source, &mut sink, &mut cx).is_ready());
        (sink, source)
    }

    #[test]
    fn what_is_forwarded_skipped_and_inserted_keeps_its_order() {
        let mut source = filled(b"aabbccdd");
        let mut flow = Flow::default();
        flow.forward(&mut source, 2, 2);
        flow.skip(&mut source, 2);
        flow.insert(&mut source).extend_from_slice(b"XY");
        flow.forward(&mut source, 2, 2);
        let (sink, source) = written(&mut flow, source);
        assert_eq!(sink, b"aaXYcc");
        assert_eq!(source.unwrap().filled(), b"dd");
        assert!(flow.is_clear());
    }

    #[test]
    fn a_message_longer_than_what_was_read_is_passed_on_piece_by_piece() {
        let mut flow = Flow::default();
        let mut source = filled(b"abc");
        flow.forward(&mut source, 3, 5);
        assert!(flow.is_passing());
        let (sink, source) = written(&mut flow, source);
        assert_eq!(sink, b"abc");
        assert!(source.is_none() && !flow.is_clear());
        let mut source = filled(b"dexx");
        assert!(flow.forward_passing(&mut source));
        assert!(!flow.forward_passing(&mut source));
        assert_eq!(written(&mut flow, source).0, b"de");
        assert!(flow.is_clear());
    }
}
