//! A client's answers to authentication requests: one message at a time, exactly as long as it says, never longer than
//! PostgreSQL allows.
//!
//! Must not know what is in them beyond the form.

use std::io;

use tokio::io::AsyncReadExt;
use zeroize::Zeroizing;

use crate::net::stream::ClientStream;
use crate::session::auth::scram::ScramFault;
use crate::wire::header::{HEADER_LEN, Header};

/// The longest SASL message (libpq/sasl.h, `PG_MAX_SASL_MESSAGE_LENGTH`).
pub(super) const SASL_LEN_MAX: usize = 1024;
/// The longest password message (libpq/auth.h, `PG_MAX_AUTH_TOKEN_LENGTH`).
pub(super) const PASSWORD_LEN_MAX: usize = 65_535;

/// Why an answer is none.
#[derive(Debug, thiserror::Error)]
pub enum ResponseError {
    /// Another message than an answer; a second startup packet too looks like this.
    #[error("expected {expected} response, got message type {tag}")]
    Tag {
        /// `SASL` or `password`.
        expected: &'static str,
        /// The type byte.
        tag: u8,
    },
    /// Too long, or too short to count itself.
    #[error("invalid message length")]
    Length(u32),
    /// Not the form of its kind.
    #[error("{0}")]
    Malformed(&'static str),
    /// A SCRAM exchange that is not to be gone on with.
    #[error("{0}")]
    Scram(#[from] ScramFault),
    /// The client left, as psql does to ask its user for a password.
    #[error("the client left without an answer")]
    Gone,
    /// The socket failed.
    #[error("the client's connection failed: {0}")]
    Io(#[from] io::Error),
}

impl ResponseError {
    /// What the client may read of it.
    pub(super) fn public_text(&self) -> String {
        match self {
            Self::Io(_) => "the connection failed".to_owned(),
            other => other.to_string(),
        }
    }
}

/// What kind of answer is awaited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Awaited {
    /// SASLInitialResponse or SASLResponse.
    Sasl,
    /// PasswordMessage.
    Password,
}

/// The body of the next message, which must be an answer of the awaited kind.
///
/// # Cancel safety
/// Not cancel safe: dropped midway, a part of the message is lost.
pub(super) async fn read_response(
    stream: &mut ClientStream,
    awaited: Awaited,
) -> Result<Zeroizing<Vec<u8>>, ResponseError> {
    let mut header = [0; HEADER_LEN];
    fill(stream, &mut header).await?;
    let header = Header::read(&header).expect("the bytes of a header make a header");
    let (expected, len_max) = match awaited {
        Awaited::Sasl => ("SASL", SASL_LEN_MAX),
        Awaited::Password => ("password", PASSWORD_LEN_MAX),
    };
    if header.tag != b'p' {
        return Err(ResponseError::Tag { expected, tag: header.tag });
    }
    let len = header.len.checked_sub(4).map(|len| len as usize).filter(|len| *len <= len_max);
    let mut body = Zeroizing::new(vec![0; len.ok_or(ResponseError::Length(header.len))?]);
    fill(stream, &mut body).await?;
    Ok(body)
}

async fn fill(stream: &mut ClientStream, bytes: &mut [u8]) -> Result<(), ResponseError> {
    match stream.read_exact(bytes).await {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(ResponseError::Gone),
        Err(error) => Err(error.into()),
    }
}

/// SASLInitialResponse in parts: the mechanism and the data that comes with it.
///
/// pgwire's decoder is not used: it trusts the lengths inside the message and panics when they lie.
pub(super) fn read_sasl_initial(body: &[u8]) -> Result<(&[u8], &[u8]), ResponseError> {
    let malformed = ResponseError::Malformed("malformed SASLInitialResponse message");
    let Some(end) = body.iter().position(|&byte| byte == 0) else { return Err(malformed) };
    match body[end + 1..].split_first_chunk() {
        Some((len, data)) if u32::from_be_bytes(*len) as usize == data.len() => {
            Ok((&body[..end], data))
        }
        _ => Err(malformed),
    }
}

/// The password of a PasswordMessage: all of the message but its final zero byte, which must be the only one.
pub(super) fn read_password(body: &[u8]) -> Result<&[u8], ResponseError> {
    match body.iter().position(|&byte| byte == 0) {
        Some(end) if end + 1 == body.len() => Ok(&body[..end]),
        _ => Err(ResponseError::Malformed("invalid password packet size")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sasl_initial_response_cut_off_at_any_byte_is_refused() {
        let body = b"SCRAM-SHA-256\0\0\0\0\x05n,,n=";
        assert_eq!(read_sasl_initial(body).unwrap(), (&b"SCRAM-SHA-256"[..], &b"n,,n="[..]));
        for cut in 0..body.len() {
            assert!(read_sasl_initial(&body[..cut]).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn a_length_that_lies_is_refused() {
        for len in [*b"\0\0\0\x04", *b"\0\0\0\x06", *b"\xff\xff\xff\xff", *b"\x7f\xff\xff\xff"] {
            let body = [b"SCRAM-SHA-256\0".as_slice(), &len, b"n,,n="].concat();
            assert!(read_sasl_initial(&body).is_err(), "{len:?}");
        }
    }

    #[test]
    fn a_password_ends_with_the_message() {
        assert_eq!(read_password(b"md5x\0").unwrap(), b"md5x");
        for body in [&b""[..], b"md5x", b"md5\0x\0", b"md5x\0\0"] {
            assert!(read_password(body).is_err(), "{body:?}");
        }
    }
}
