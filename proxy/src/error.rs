//! SQLSTATEs and the one door through which an error may reach a client.
//!
//! Must not know where errors come from. [`ClientFacing`] is never implemented for `io::Error` or `anyhow::Error`:
//! what those say (paths, addresses, library internals) is for the log.

use std::fmt;

/// A SQLSTATE: five characters, digits or upper-case letters (documentation, appendix "PostgreSQL Error Codes").
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SqlState([u8; 5]);

impl SqlState {
    /// `08P01`: the client or the server broke the protocol.
    pub const PROTOCOL_VIOLATION: Self = Self(*b"08P01");
    /// `08006`: the server was lost in the middle of something.
    pub const CONNECTION_FAILURE: Self = Self(*b"08006");
    /// `0A000`: a protocol version or feature that is not there.
    pub const FEATURE_NOT_SUPPORTED: Self = Self(*b"0A000");
    /// `22021`: a name is not valid UTF-8.
    pub const CHARACTER_NOT_IN_REPERTOIRE: Self = Self(*b"22021");
    /// `22023`: a startup parameter has a value it cannot have.
    pub const INVALID_PARAMETER_VALUE: Self = Self(*b"22023");
    /// `25P03`: inside a transaction and idle for too long.
    pub const IDLE_IN_TRANSACTION_SESSION_TIMEOUT: Self = Self(*b"25P03");
    /// `25P04`: a transaction took too long.
    pub const TRANSACTION_TIMEOUT: Self = Self(*b"25P04");
    /// `26000`: no prepared statement of that name.
    pub const INVALID_SQL_STATEMENT_NAME: Self = Self(*b"26000");
    /// `28000`: who the client says it is, or where it comes from, is not let in.
    pub const INVALID_AUTHORIZATION_SPECIFICATION: Self = Self(*b"28000");
    /// `28P01`: wrong password or unknown user, which a client must not be able to tell apart.
    pub const INVALID_PASSWORD: Self = Self(*b"28P01");
    /// `34000`: no portal of that name.
    pub const INVALID_CURSOR_NAME: Self = Self(*b"34000");
    /// `3D000`: no such database.
    pub const INVALID_CATALOG_NAME: Self = Self(*b"3D000");
    /// `42601`: not understood.
    pub const SYNTAX_ERROR: Self = Self(*b"42601");
    /// `42704`: no such thing.
    pub const UNDEFINED_OBJECT: Self = Self(*b"42704");
    /// `42501`: not allowed.
    pub const INSUFFICIENT_PRIVILEGE: Self = Self(*b"42501");
    /// `42P05`: a prepared statement of that name is there already.
    pub const DUPLICATE_PREPARED_STATEMENT: Self = Self(*b"42P05");
    /// `53000`: the system gives no more, file descriptors for one.
    pub const INSUFFICIENT_RESOURCES: Self = Self(*b"53000");
    /// `53200`: a bounded buffer is full.
    pub const OUT_OF_MEMORY: Self = Self(*b"53200");
    /// `53300`: a pool or its queue is full, or the wait for it took too long.
    pub const TOO_MANY_CONNECTIONS: Self = Self(*b"53300");
    /// `53400`: a rate limit.
    pub const CONFIGURATION_LIMIT_EXCEEDED: Self = Self(*b"53400");
    /// 54000: more than the proxy keeps for one client.
    pub const PROGRAM_LIMIT_EXCEEDED: Self = Self(*b"54000");
    /// `55000`: not in a state to do that.
    pub const OBJECT_NOT_IN_PREREQUISITE_STATE: Self = Self(*b"55000");
    /// `57014`: cancelled.
    pub const QUERY_CANCELED: Self = Self(*b"57014");
    /// `57P01`: the proxy is being stopped.
    pub const ADMIN_SHUTDOWN: Self = Self(*b"57P01");
    /// `57P03`: no server can be reached now.
    pub const CANNOT_CONNECT_NOW: Self = Self(*b"57P03");
    /// `57P05`: idle for too long.
    pub const IDLE_SESSION_TIMEOUT: Self = Self(*b"57P05");
    /// `XX000`: a fault of the proxy itself.
    pub const INTERNAL_ERROR: Self = Self(*b"XX000");
    /// `config_file_error`
    pub const CONFIG_FILE_ERROR: Self = Self(*b"F0000");
    /// `warning`
    pub const WARNING: Self = Self(*b"01000");

    /// Reads a SQLSTATE that a server sent; none for anything but five digits and upper-case letters.
    pub fn parse(text: &str) -> Option<Self> {
        let code: [u8; 5] = text.as_bytes().try_into().ok()?;
        let valid = code.iter().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase());
        valid.then_some(Self(code))
    }

    /// The five characters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("every way to make a SqlState takes ASCII alone")
    }

    /// The class: the first two characters.
    pub fn class(&self) -> &str {
        &self.as_str()[..2]
    }
}

impl fmt::Display for SqlState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for SqlState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SqlState({})", self.as_str())
    }
}

/// What becomes of the client after an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The statement failed, the session lives.
    Error,
    /// The connection is closed after this.
    Fatal,
}

impl Severity {
    /// The word of the fields `S` and `V` of an ErrorResponse.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "ERROR",
            Self::Fatal => "FATAL",
        }
    }
}

/// An error whose text is fit for a client: no secrets, no addresses of servers, no paths.
pub trait ClientFacing {
    /// The code that programs look at.
    fn sqlstate(&self) -> SqlState;
    /// Whether the session outlives the error.
    fn severity(&self) -> Severity;
    /// What happened, in one line.
    fn message(&self) -> String;
    /// More about it.
    fn detail(&self) -> Option<String> {
        None
    }
    /// What to do about it.
    fn hint(&self) -> Option<String> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_the_one_of_postgresql() {
        // Codes and condition names as in PostgreSQL's errcodes.txt.
        for (state, code) in [
            (SqlState::PROTOCOL_VIOLATION, "08P01"),
            (SqlState::CONNECTION_FAILURE, "08006"),
            (SqlState::FEATURE_NOT_SUPPORTED, "0A000"),
            (SqlState::CHARACTER_NOT_IN_REPERTOIRE, "22021"),
            (SqlState::INVALID_PARAMETER_VALUE, "22023"),
            (SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT, "25P03"),
            (SqlState::TRANSACTION_TIMEOUT, "25P04"),
            (SqlState::INVALID_SQL_STATEMENT_NAME, "26000"),
            (SqlState::INVALID_AUTHORIZATION_SPECIFICATION, "28000"),
            (SqlState::INVALID_PASSWORD, "28P01"),
            (SqlState::INVALID_CURSOR_NAME, "34000"),
            (SqlState::INVALID_CATALOG_NAME, "3D000"),
            (SqlState::SYNTAX_ERROR, "42601"),
            (SqlState::UNDEFINED_OBJECT, "42704"),
            (SqlState::INSUFFICIENT_PRIVILEGE, "42501"),
            (SqlState::DUPLICATE_PREPARED_STATEMENT, "42P05"),
            (SqlState::INSUFFICIENT_RESOURCES, "53000"),
            (SqlState::OUT_OF_MEMORY, "53200"),
            (SqlState::TOO_MANY_CONNECTIONS, "53300"),
            (SqlState::CONFIGURATION_LIMIT_EXCEEDED, "53400"),
            (SqlState::PROGRAM_LIMIT_EXCEEDED, "54000"),
            (SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, "55000"),
            (SqlState::QUERY_CANCELED, "57014"),
            (SqlState::ADMIN_SHUTDOWN, "57P01"),
            (SqlState::CANNOT_CONNECT_NOW, "57P03"),
            (SqlState::IDLE_SESSION_TIMEOUT, "57P05"),
            (SqlState::INTERNAL_ERROR, "XX000"),
        ] {
            assert_eq!(state.as_str(), code);
            assert_eq!(SqlState::parse(code), Some(state));
            assert_eq!(state.class(), &code[..2]);
        }
    }

    #[test]
    fn a_server_cannot_smuggle_other_text_in_as_a_code() {
        for text in ["", "28P0", "28P011", "28p01", "28 01", "2801é", "28\n01"] {
            assert_eq!(SqlState::parse(text), None, "{text:?}");
        }
    }
}
