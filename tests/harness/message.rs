//! Messages as a raw client sees and writes them: a tag and a body, with the few fields that tests
//! assert on. <https://www.postgresql.org/docs/current/protocol-message-formats.html>

use std::fmt;

use bytes::BytesMut;
use postgres_protocol::IsNull;
use postgres_protocol::message::frontend;

/// A message from the server side.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// The type byte.
    pub tag: u8,
    /// Everything after the length.
    pub body: Vec<u8>,
}

impl Message {
    /// The value of field `code` of an ErrorResponse or NoticeResponse, such as `b'C'` for the
    /// SQLSTATE and `b'M'` for the message.
    pub fn field(&self, code: u8) -> Option<&str> {
        let mut fields = self.body.split(|byte| *byte == 0).filter(|field| !field.is_empty());
        let value = fields.find_map(|field| field.strip_prefix(&[code]))?;
        std::str::from_utf8(value).ok()
    }

    /// The SQLSTATE of an ErrorResponse.
    pub fn sqlstate(&self) -> Option<&str> {
        if self.tag == b'E' { self.field(b'C') } else { None }
    }

    /// The body up to its first zero byte, for CommandComplete.
    pub fn text(&self) -> &str {
        let end = self.body.iter().position(|byte| *byte == 0).unwrap_or(self.body.len());
        std::str::from_utf8(&self.body[..end]).unwrap_or("(not UTF-8)")
    }

    /// The columns of a DataRow as text; `None` is NULL.
    pub fn columns(&self) -> Vec<Option<String>> {
        assert_eq!(self.tag, b'D', "{self:?} is not a DataRow");
        let mut rest = &self.body[2..];
        let mut columns = Vec::new();
        while let Some((length, tail)) = rest.split_first_chunk::<4>() {
            match usize::try_from(i32::from_be_bytes(*length)) {
                Err(_) => {
                    columns.push(None);
                    rest = tail;
                }
                Ok(length) => {
                    columns.push(Some(String::from_utf8_lossy(&tail[..length]).into_owned()));
                    rest = &tail[length..];
                }
            }
        }
        columns
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.tag {
            b'E' | b'N' => {
                let (state, text) = (self.field(b'C'), self.field(b'M'));
                write!(f, "{}[{} {}]", self.tag as char, state.unwrap_or("?"), text.unwrap_or("?"))
            }
            b'Z' | b'C' => write!(f, "{}[{}]", self.tag as char, self.text()),
            tag => write!(f, "{}({} bytes)", tag as char, self.body.len()),
        }
    }
}

/// Query.
pub fn query(sql: &str) -> Vec<u8> {
    encode(|buf| frontend::query(sql, buf).expect("no zero byte in the statement"))
}

/// Parse, with the parameter types left to the server.
pub fn parse(name: &str, sql: &str) -> Vec<u8> {
    encode(|buf| frontend::parse(name, sql, [], buf).expect("no zero byte in the statement"))
}

/// Bind of text parameters to the unnamed portal, asking for text results.
pub fn bind(statement: &str, parameters: &[&str]) -> Vec<u8> {
    bind_portal("", statement, parameters)
}

/// Bind of text parameters to a named portal, asking for text results.
pub fn bind_portal(portal: &str, statement: &str, parameters: &[&str]) -> Vec<u8> {
    encode(|buf| {
        let write = |value: &&str, buf: &mut BytesMut| {
            buf.extend_from_slice(value.as_bytes());
            Ok(IsNull::No)
        };
        if frontend::bind(portal, statement, [], parameters, write, [0], buf).is_err() {
            panic!("the parameters of a test fit a Bind message");
        }
    })
}

/// Describe of a statement (`b'S'`) or portal (`b'P'`).
pub fn describe(kind: u8, name: &str) -> Vec<u8> {
    encode(|buf| frontend::describe(kind, name, buf).expect("no zero byte in the name"))
}

/// Execute of a portal; zero rows means all.
pub fn execute(portal: &str, row_limit: i32) -> Vec<u8> {
    encode(|buf| frontend::execute(portal, row_limit, buf).expect("no zero byte in the name"))
}

/// Close of a statement (`b'S'`) or portal (`b'P'`).
pub fn close(kind: u8, name: &str) -> Vec<u8> {
    encode(|buf| frontend::close(kind, name, buf).expect("no zero byte in the name"))
}

/// Sync.
pub fn sync() -> Vec<u8> {
    encode(frontend::sync)
}

/// Flush.
pub fn flush() -> Vec<u8> {
    encode(frontend::flush)
}

/// CopyData.
pub fn copy_data(data: &[u8]) -> Vec<u8> {
    raw(b'd', data)
}

/// CopyDone.
pub fn copy_done() -> Vec<u8> {
    encode(frontend::copy_done)
}

/// CopyFail.
pub fn copy_fail(reason: &str) -> Vec<u8> {
    encode(|buf| frontend::copy_fail(reason, buf).expect("no zero byte in the reason"))
}

/// Terminate.
pub fn terminate() -> Vec<u8> {
    encode(frontend::terminate)
}

/// A startup message of protocol 3.0.
pub fn startup(parameters: &[(&str, &str)]) -> Vec<u8> {
    encode(|buf| {
        let pairs = parameters.iter().copied();
        frontend::startup_message(pairs, buf).expect("no zero byte in a parameter");
    })
}

/// Any tag with any body and a correct length.
pub fn raw(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).expect("a test's message is below 4 GiB");
    with_length(tag, length, body)
}

/// Any tag with any body and any length, right or wrong.
pub fn with_length(tag: u8, length: u32, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(body);
    bytes
}

fn encode(write: impl FnOnce(&mut BytesMut)) -> Vec<u8> {
    let mut buf = BytesMut::new();
    write(&mut buf);
    buf.to_vec()
}
