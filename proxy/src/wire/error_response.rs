//! ErrorResponse and NoticeResponse: how the proxy's own errors are written and a server's are read.
//!
//! Knows the fields (documentation, "Error and Notice Message Fields"). Must not know who sends what when.

use bytes::BytesMut;
use pgwire::messages::Message;
use pgwire::messages::response::{ErrorResponse, NoticeResponse};

use crate::error::{ClientFacing, Severity, SqlState};
use crate::wire::header::HEADER_LEN;

/// The ErrorResponse message for an error.
pub fn error_response(error: &dyn ClientFacing) -> Vec<u8> {
    let severity = error.severity().as_str();
    let mut fields = fields(severity, error.sqlstate(), &error.message());
    fields.extend(error.detail().map(|detail| (b'D', clean(&detail))));
    fields.extend(error.hint().map(|hint| (b'H', clean(&hint))));
    encode(&ErrorResponse::new(fields))
}

/// A NoticeResponse message of severity NOTICE.
pub fn notice(sqlstate: SqlState, message: &str) -> Vec<u8> {
    encode(&NoticeResponse::new(fields("NOTICE", sqlstate, message)))
}

/// A NoticeResponse message of severity WARNING.
pub fn warning(sqlstate: SqlState, message: &str) -> Vec<u8> {
    encode(&NoticeResponse::new(fields("WARNING", sqlstate, message)))
}

/// Writes a message whole. The limits that pgwire's own `encode` checks are meant for reading.
pub(crate) fn encode<M: Message>(message: &M) -> Vec<u8> {
    let mut body = BytesMut::with_capacity(message.message_length());
    message.encode_body(&mut body).expect("encoding fails only for keys of a wrong length");
    let mut bytes = Vec::with_capacity(body.len() + HEADER_LEN);
    bytes.extend(M::message_type());
    bytes.extend_from_slice(&(body.len() as u32 + 4).to_be_bytes());
    bytes.extend_from_slice(&body);
    bytes
}

fn fields(severity: &str, sqlstate: SqlState, message: &str) -> Vec<(u8, String)> {
    vec![
        (b'S', severity.to_owned()),
        (b'V', severity.to_owned()),
        (b'C', sqlstate.as_str().to_owned()),
        (b'M', clean(message)),
    ]
}

/// A zero byte inside a field would end it, and what follows would be read as the next field.
fn clean(text: &str) -> String {
    text.replace('\0', "?")
}

/// An ErrorResponse that a server sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerError {
    /// `ERROR`, `FATAL` or `PANIC`, never translated (field `V`, else `S`).
    pub severity: String,
    /// Its code, or XX000 when the server sent none that is one.
    pub sqlstate: SqlState,
    /// The primary message.
    pub message: String,
    /// More about it.
    pub detail: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
}

impl ServerError {
    /// Reads an ErrorResponse message, header included. Never fails: of a message that was cut off it keeps the fields
    /// that are whole.
    pub fn read(message: &[u8]) -> Self {
        let field = |code| field(message.get(HEADER_LEN..).unwrap_or_default(), code);
        Self {
            severity: field(b'V').or_else(|| field(b'S')).unwrap_or_else(|| "ERROR".to_owned()),
            sqlstate: field(b'C')
                .and_then(|code| SqlState::parse(&code))
                .unwrap_or(SqlState::INTERNAL_ERROR),
            message: field(b'M').unwrap_or_else(|| "error without a message".to_owned()),
            detail: field(b'D'),
            hint: field(b'H'),
        }
    }

    /// True when the server closes the connection after this error.
    pub fn is_fatal(&self) -> bool {
        self.severity == "FATAL" || self.severity == "PANIC"
    }
}

/// Whether an ErrorResponse says that a prepared statement would give other columns now than when it was prepared. Its text
/// may be translated, the function that raises it (utils/cache/plancache.c) is not.
pub fn is_changed_shape(message: &[u8]) -> bool {
    let body = message.get(HEADER_LEN..).unwrap_or_default();
    field(body, b'R').is_some_and(|routine| routine == "RevalidateCachedQuery")
        && field(body, b'C').is_some_and(|code| code == SqlState::FEATURE_NOT_SUPPORTED.as_str())
}

fn field(mut body: &[u8], code: u8) -> Option<String> {
    loop {
        let (&found, rest) = body.split_first().filter(|(found, _)| **found != 0)?;
        let end = rest.iter().position(|&byte| byte == 0)?;
        if found == code {
            return Some(String::from_utf8_lossy(&rest[..end]).into_owned());
        }
        body = &rest[end + 1..];
    }
}

impl std::fmt::Display for ServerError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {} (SQLSTATE {})", self.severity, self.message, self.sqlstate)
    }
}

impl ClientFacing for ServerError {
    fn sqlstate(&self) -> SqlState {
        self.sqlstate
    }

    fn severity(&self) -> Severity {
        if self.is_fatal() { Severity::Fatal } else { Severity::Error }
    }

    fn message(&self) -> String {
        self.message.clone()
    }

    fn detail(&self) -> Option<String> {
        self.detail.clone()
    }

    fn hint(&self) -> Option<String> {
        self.hint.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> ServerError {
        ServerError {
            severity: "FATAL".into(),
            sqlstate: SqlState::INVALID_CATALOG_NAME,
            message: "database \"x\" does not exist".into(),
            detail: Some("d".into()),
            hint: Some("h".into()),
        }
    }

    #[test]
    fn an_error_is_written_with_its_fields_in_postgresqls_order() {
        let expected =
            b"E\0\0\0\x3dSFATAL\0VFATAL\0C3D000\0Mdatabase \"x\" does not exist\0Dd\0Hh\0\0";
        assert_eq!(error_response(&example()), expected);
    }

    #[test]
    fn what_is_written_is_read_back() {
        assert_eq!(ServerError::read(&error_response(&example())), example());
    }

    #[test]
    fn a_message_cut_off_anywhere_is_read_as_far_as_it_goes() {
        let message = error_response(&example());
        for cut in 0..message.len() {
            let error = ServerError::read(&message[..cut]);
            assert!(error.hint.is_none() || cut == message.len() - 1, "cut at {cut}");
        }
    }

    #[test]
    fn an_untranslated_severity_wins_and_a_false_code_is_replaced() {
        let error = ServerError::read(b"E\0\0\0\0SFATALE\0VFATAL\0Cabc\0\0");
        assert!(error.is_fatal());
        assert_eq!(error.sqlstate, SqlState::INTERNAL_ERROR);
    }

    #[test]
    fn a_zero_byte_in_a_text_does_not_begin_a_field() {
        let bytes = notice(SqlState::INTERNAL_ERROR, "a\0Hb");
        assert_eq!(bytes[0], b'N');
        let read = ServerError::read(&bytes);
        assert_eq!((read.message.as_str(), read.hint), ("a?Hb", None));
    }
}
