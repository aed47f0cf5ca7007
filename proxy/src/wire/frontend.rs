//! The few client messages whose fields matter: Parse, Bind, Describe, Close, and how to write some ourselves.
//!
//! Source: PostgreSQL documentation, "Message Formats".

use crate::wire::header::{FrameError, HEADER_LEN};

/// Length word, then this code: a CancelRequest (`CANCEL_REQUEST_CODE` in libpq/pqcomm.h).
pub const CANCEL_CODE: u32 = 80_877_102;

/// A CancelRequest for the backend with this key.
pub fn cancel_request(pid: i32, secret: &[u8]) -> Vec<u8> {
    let mut request = Vec::with_capacity(12 + secret.len());
    request.extend_from_slice(&(12 + secret.len() as u32).to_be_bytes());
    request.extend_from_slice(&CANCEL_CODE.to_be_bytes());
    request.extend_from_slice(&pid.to_be_bytes());
    request.extend_from_slice(secret);
    request
}

/// What Describe and Close name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A prepared statement (`S`).
    Statement,
    /// A portal (`P`).
    Portal,
}

/// A Parse message in parts: `body` is the query text, its zero byte and the parameter types.
#[derive(Debug, PartialEq, Eq)]
pub struct Parse<'a> {
    /// Statement name, empty for the unnamed one.
    pub name: &'a [u8],
    /// Everything behind the name: what makes two statements the same.
    pub body: &'a [u8],
}

impl<'a> Parse<'a> {
    /// Takes a whole Parse message (header included) apart.
    pub fn read(message: &'a [u8]) -> Result<Self, FrameError> {
        let (name, body) = cstring(&message[HEADER_LEN..]).ok_or(FrameError::Body(b'P'))?;
        let (_, types) = cstring(body).ok_or(FrameError::Body(b'P'))?;
        let count = types.first_chunk::<2>().ok_or(FrameError::Body(b'P'))?;
        if types.len() != 2 + 4 * usize::from(u16::from_be_bytes(*count)) {
            return Err(FrameError::Body(b'P'));
        }
        Ok(Self { name, body })
    }

    /// The query text without its zero byte.
    pub fn query(&self) -> &'a [u8] {
        query_of(self.body)
    }
}

/// The query text at the start of a Parse body, without its zero byte.
pub fn query_of(body: &[u8]) -> &[u8] {
    cstring(body).map_or(body, |(query, _)| query)
}

/// The start of a Bind message: the names. `None` while they are not wholly in `bytes`.
#[derive(Debug, PartialEq, Eq)]
pub struct BindHead<'a> {
    /// Portal name, empty for the unnamed one.
    pub portal: &'a [u8],
    /// Statement name, empty for the unnamed one.
    pub statement: &'a [u8],
    /// Bytes of header and names together: what a rewritten head replaces.
    pub len: usize,
}

impl<'a> BindHead<'a> {
    /// Reads the names of the Bind message that `bytes` starts with.
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let (portal, rest) = cstring(bytes.get(HEADER_LEN..)?)?;
        let (statement, _) = cstring(rest)?;
        Some(Self { portal, statement, len: HEADER_LEN + portal.len() + statement.len() + 2 })
    }
}

/// Reads a whole Describe or Close message.
pub fn read_subject(message: &[u8]) -> Result<(Subject, &[u8]), FrameError> {
    let error = FrameError::Body(message[0]);
    let (kind, rest) = message[HEADER_LEN..].split_first().ok_or(error)?;
    let (name, rest) = cstring(rest).ok_or(error)?;
    match (kind, rest.is_empty()) {
        (b'S', true) => Ok((Subject::Statement, name)),
        (b'P', true) => Ok((Subject::Portal, name)),
        _ => Err(error),
    }
}

/// Appends a Parse message with this name and body.
pub fn write_parse(out: &mut Vec<u8>, name: &[u8], body: &[u8]) {
    write_header(out, b'P', name.len() + 1 + body.len());
    out.extend_from_slice(name);
    out.push(0);
    out.extend_from_slice(body);
}

/// Appends header and names of a Bind message whose parameters (`rest_len` bytes) follow.
pub fn write_bind_head(out: &mut Vec<u8>, portal: &[u8], statement: &[u8], rest_len: usize) {
    write_header(out, b'B', portal.len() + statement.len() + 2 + rest_len);
    out.extend_from_slice(portal);
    out.push(0);
    out.extend_from_slice(statement);
    out.push(0);
}

/// Appends a Describe (`D`) or Close (`C`) message for a statement.
pub fn write_subject(out: &mut Vec<u8>, tag: u8, name: &[u8]) {
    write_header(out, tag, name.len() + 2);
    out.push(b'S');
    out.extend_from_slice(name);
    out.push(0);
}

/// Appends a Query message.
pub fn write_query(out: &mut Vec<u8>, sql: &str) {
    write_header(out, b'Q', sql.len() + 1);
    out.extend_from_slice(sql.as_bytes());
    out.push(0);
}

/// Sync, as it is written.
pub const SYNC: [u8; 5] = [b'S', 0, 0, 0, 4];
/// Terminate, as it is written.
pub const TERMINATE: [u8; 5] = [b'X', 0, 0, 0, 4];

/// Appends a CopyFail message with the reason that the server will put into its error.
pub fn write_copy_fail(out: &mut Vec<u8>, reason: &str) {
    write_header(out, b'f', reason.len() + 1);
    out.extend_from_slice(reason.as_bytes());
    out.push(0);
}

fn write_header(out: &mut Vec<u8>, tag: u8, body_len: usize) {
    out.push(tag);
    // Bodies come from messages that were at most 1 GiB and names of bounded length.
    out.extend_from_slice(&(body_len as u32 + 4).to_be_bytes());
}

fn cstring(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|&byte| byte == 0)?;
    Some((&bytes[..end], &bytes[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parse_message_survives_the_round_trip() {
        let mut message = Vec::new();
        write_parse(&mut message, b"s1", b"select $1\0\0\x01\0\0\0\x17");
        let parse = Parse::read(&message).unwrap();
        assert_eq!(parse.name, b"s1");
        assert_eq!(parse.query(), b"select $1");
        assert_eq!(parse.body, b"select $1\0\0\x01\0\0\0\x17");
    }

    #[test]
    fn a_parse_message_with_missing_types_is_refused() {
        let mut message = Vec::new();
        write_parse(&mut message, b"s1", b"select $1\0\0\x02\0\0\0\x17");
        assert_eq!(Parse::read(&message), Err(FrameError::Body(b'P')));
    }

    #[test]
    fn a_bind_head_is_known_as_soon_as_both_names_are_there() {
        let mut message = Vec::new();
        write_bind_head(&mut message, b"p", b"st", 6);
        let len = message.len();
        message.extend_from_slice(&[0; 6]);
        for cut in 0..len {
            assert_eq!(BindHead::read(&message[..cut]), None, "cut at {cut}");
        }
        let head = BindHead::read(&message).unwrap();
        assert_eq!((head.portal, head.statement, head.len), (&b"p"[..], &b"st"[..], len));
    }

    #[test]
    fn describe_and_close_name_a_statement_or_a_portal() {
        let mut message = Vec::new();
        write_subject(&mut message, b'D', b"x");
        assert_eq!(read_subject(&message), Ok((Subject::Statement, &b"x"[..])));
        message[HEADER_LEN] = b'P';
        assert_eq!(read_subject(&message), Ok((Subject::Portal, &b"x"[..])));
        message[HEADER_LEN] = b'Q';
        assert_eq!(read_subject(&message), Err(FrameError::Body(b'D')));
    }
}
