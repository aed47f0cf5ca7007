//! Reading a server's messages one at a time, for the few conversations that are not relayed: logins and lookups.
//!
//! Must not know what the messages mean.

use std::io;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::wire::header::{FrameError, HEADER_LEN, Header};

/// Room for the whole answer to a startup packet, so that a login costs few reads.
const BUFFER_LEN: usize = 4096;

/// The longest message expected in such a conversation. libpq draws the line for errors at 30,000 (fe-connect.c,
/// `MAX_ERRLEN`).
const MESSAGE_LEN_MAX: usize = 64 * 1024;

/// Why no message came.
#[derive(Debug, thiserror::Error)]
pub enum MessageError {
    /// The socket failed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The server closed the connection.
    #[error("the server closed the connection")]
    Closed,
    /// The length field cannot be right.
    #[error("{0}")]
    Frame(#[from] FrameError),
    /// Longer than anything that belongs here.
    #[error("a message of {0} bytes, while none that long is expected")]
    TooLong(usize),
}

/// One whole message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message(Bytes);

impl Message {
    /// The type byte.
    pub fn tag(&self) -> u8 {
        self.0[0]
    }

    /// What follows the header.
    pub fn body(&self) -> &[u8] {
        &self.0[HEADER_LEN..]
    }

    /// The message as it came.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Cuts a stream into messages. It may hold bytes that follow the message it gave last.
#[derive(Debug)]
pub struct MessageReader {
    bytes: BytesMut,
    len_max: usize,
}

impl Default for MessageReader {
    fn default() -> Self {
        Self::up_to(MESSAGE_LEN_MAX)
    }
}

impl MessageReader {
    /// Of messages that may be longer than those of a login.
    pub fn up_to(len_max: usize) -> Self {
        Self { bytes: BytesMut::new(), len_max }
    }

    /// The next message.
    ///
    /// # Cancel safety
    /// Cancel safe: what was read stays in the reader.
    pub async fn next<R: AsyncRead + Unpin>(
        &mut self,
        stream: &mut R,
    ) -> Result<Message, MessageError> {
        loop {
            if let Some(message) = self.cut()? {
                return Ok(message);
            }
            self.bytes.reserve(BUFFER_LEN);
            if stream.read_buf(&mut self.bytes).await? == 0 {
                return Err(MessageError::Closed);
            }
        }
    }

    /// True when nothing was read beyond the last message.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    fn cut(&mut self) -> Result<Option<Message>, MessageError> {
        let Some(header) = Header::read(&self.bytes) else { return Ok(None) };
        header.backend()?;
        let len = header.message_len();
        if len > self.len_max {
            return Err(MessageError::TooLong(len));
        }
        Ok((self.bytes.len() >= len).then(|| Message(self.bytes.split_to(len).freeze())))
    }
}

/// The first zero-terminated string of `bytes`, and what follows it.
pub fn cstring(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|&byte| byte == 0)?;
    Some((&bytes[..end], &bytes[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &[u8] = b"R\0\0\0\x08\0\0\0\0S\0\0\0\x08a\0b\0Z\0\0\0\x05I";

    #[tokio::test]
    async fn a_stream_cut_at_any_byte_gives_the_same_messages() {
        for cut in 0..=STREAM.len() {
            let mut stream = (&STREAM[..cut]).chain(&STREAM[cut..]);
            let mut reader = MessageReader::default();
            for tag in *b"RSZ" {
                assert_eq!(reader.next(&mut stream).await.unwrap().tag(), tag, "cut at {cut}");
            }
            assert!(reader.is_empty());
            assert!(matches!(reader.next(&mut stream).await, Err(MessageError::Closed)));
        }
    }

    #[tokio::test]
    async fn lengths_that_cannot_be_right_are_refused_before_anything_is_read_for_them() {
        let mut reader = MessageReader::default();
        let result = reader.next(&mut &b"R\0\0\0\x03"[..]).await;
        assert!(matches!(result, Err(MessageError::Frame(_))));
        let mut reader = MessageReader::default();
        let result = reader.next(&mut &b"R\x7f\xff\xff\xff"[..]).await;
        assert!(matches!(result, Err(MessageError::TooLong(_))));
    }
}
