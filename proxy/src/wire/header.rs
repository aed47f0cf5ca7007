//! The five bytes at the start of every message after startup: type and length.

use crate::wire::tag::FrontendTag;

/// Bytes of a header: one for the type, four for the length.
pub const HEADER_LEN: usize = 5;

/// Type and length of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The type byte.
    pub tag: u8,
    /// The length field: counts itself, not the type byte.
    pub len: u32,
}

/// Why a message cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The type byte is none that a client may send.
    #[error("invalid frontend message type {0}")]
    Tag(u8),
    /// The length is too small to count itself or larger than this type allows.
    #[error("invalid message length {len} of message type \"{}\"", char::from(*tag))]
    Length {
        /// The type byte.
        tag: u8,
        /// The length field as sent.
        len: u32,
    },
    /// A message is shorter than its fields, or a name in it does not end.
    #[error("invalid contents of message type \"{}\"", char::from(*.0))]
    Body(u8),
}

impl Header {
    /// The header at the start of `bytes`, none while fewer than [`HEADER_LEN`] bytes are there.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; HEADER_LEN] = bytes.first_chunk()?;
        let len = u32::from_be_bytes([bytes[1], bytes[2], bytes[3], bytes[4]]);
        Some(Self { tag: bytes[0], len })
    }

    /// Checks a client's header against the types and lengths PostgreSQL accepts.
    pub fn frontend(self) -> Result<FrontendTag, FrameError> {
        let tag = FrontendTag::from_byte(self.tag).ok_or(FrameError::Tag(self.tag))?;
        if self.len < 4 || self.len > tag.len_max() {
            return Err(FrameError::Length { tag: self.tag, len: self.len });
        }
        Ok(tag)
    }

    /// Checks a server's header: only that the length counts itself.
    pub fn backend(self) -> Result<(), FrameError> {
        if self.len < 4 {
            return Err(FrameError::Length { tag: self.tag, len: self.len });
        }
        Ok(())
    }

    /// Bytes of the whole message, type byte included.
    pub fn message_len(self) -> usize {
        self.len as usize + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_needs_five_bytes() {
        let bytes = [b'Q', 0, 0, 1, 2];
        for cut in 0..HEADER_LEN {
            assert_eq!(Header::read(&bytes[..cut]), None);
        }
        assert_eq!(Header::read(&bytes), Some(Header { tag: b'Q', len: 258 }));
    }

    #[test]
    fn lengths_outside_the_bounds_are_refused() {
        for (tag, len, ok) in [
            (b'Q', 0, false),
            (b'Q', 3, false),
            (b'Q', 4, true),
            (b'Q', 0x3fff_fffe, true),
            (b'Q', 0x3fff_ffff, false),
            (b'Q', 1 << 31, false),
            (b'S', 10_000, true),
            (b'S', 10_001, false),
            (b'p', 4, false),
            (0, 4, false),
        ] {
            assert_eq!(Header { tag, len }.frontend().is_ok(), ok, "{tag} {len}");
        }
    }
}
