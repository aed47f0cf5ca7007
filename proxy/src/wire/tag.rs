//! The type bytes of messages. The same byte means different things by direction, hence two enums.
//!
//! Source: PostgreSQL documentation, "Message Formats" (protocol-message-formats.html).

/// Type of a message sent by a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrontendTag {
    /// `B`: bind a portal.
    Bind,
    /// `C`: close a statement or portal.
    Close,
    /// `d`: a piece of COPY data.
    CopyData,
    /// `c`: the end of COPY data.
    CopyDone,
    /// `f`: COPY data ends in failure.
    CopyFail,
    /// `D`: describe a statement or portal.
    Describe,
    /// `E`: execute a portal.
    Execute,
    /// `H`: flush what was answered so far.
    Flush,
    /// `F`: fast-path function call.
    FunctionCall,
    /// `P`: parse a statement.
    Parse,
    /// `Q`: simple query.
    Query,
    /// `S`: end of an extended-query sequence.
    Sync,
    /// `X`: goodbye.
    Terminate,
}

/// Small messages are refused beyond this length, as in PostgreSQL (libpq/libpq.h, `PQ_SMALL_MESSAGE_LIMIT`).
const SMALL_LEN_MAX: u32 = 10_000;
/// `PQ_LARGE_MESSAGE_LIMIT`, which is `MaxAllocSize - 1`.
const LARGE_LEN_MAX: u32 = 0x3fff_fffe;

impl FrontendTag {
    /// The tag of a byte, or none when PostgreSQL would call it an invalid frontend message type.
    /// `p` (a password) is none too: after login it has no place.
    pub fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            b'B' => Self::Bind,
            b'C' => Self::Close,
            b'd' => Self::CopyData,
            b'c' => Self::CopyDone,
            b'f' => Self::CopyFail,
            b'D' => Self::Describe,
            b'E' => Self::Execute,
            b'H' => Self::Flush,
            b'F' => Self::FunctionCall,
            b'P' => Self::Parse,
            b'Q' => Self::Query,
            b'S' => Self::Sync,
            b'X' => Self::Terminate,
            _ => return None,
        })
    }

    /// The longest message of this type, counted as its length field counts (tcop/postgres.c, `SocketBackend`).
    pub fn len_max(self) -> u32 {
        match self {
            Self::Bind | Self::CopyData | Self::FunctionCall | Self::Parse | Self::Query => {
                LARGE_LEN_MAX
            }
            _ => SMALL_LEN_MAX,
        }
    }
}

/// Type of a message sent by a server, as far as the relay tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackendTag {
    /// `2`
    BindComplete,
    /// `3`
    CloseComplete,
    /// `C`
    CommandComplete,
    /// `W`
    CopyBothResponse,
    /// `G`
    CopyInResponse,
    /// `I`
    EmptyQueryResponse,
    /// `E`
    ErrorResponse,
    /// `n`
    NoData,
    /// `t`
    ParameterDescription,
    /// `S`
    ParameterStatus,
    /// `1`
    ParseComplete,
    /// `s`
    PortalSuspended,
    /// `Z`
    ReadyForQuery,
    /// `T`
    RowDescription,
    /// Everything that is passed on without a second look: rows, COPY data, notices, notifications.
    Other,
}

impl BackendTag {
    /// The tag of a byte. Servers are trusted to speak the protocol, so there is no refusal here.
    pub fn from_byte(byte: u8) -> Self {
        match byte {
            b'2' => Self::BindComplete,
            b'3' => Self::CloseComplete,
            b'C' => Self::CommandComplete,
            b'W' => Self::CopyBothResponse,
            b'G' => Self::CopyInResponse,
            b'I' => Self::EmptyQueryResponse,
            b'E' => Self::ErrorResponse,
            b'n' => Self::NoData,
            b't' => Self::ParameterDescription,
            b'S' => Self::ParameterStatus,
            b'1' => Self::ParseComplete,
            b's' => Self::PortalSuspended,
            b'Z' => Self::ReadyForQuery,
            b'T' => Self::RowDescription,
            _ => Self::Other,
        }
    }
}

/// The byte of ReadyForQuery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionStatus {
    /// `I`: not in a transaction block.
    Idle,
    /// `T`: in a transaction block.
    InTransaction,
    /// `E`: in a failed transaction block.
    Failed,
}

impl TransactionStatus {
    /// The status of a byte, none for anything a server may not send.
    pub fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            b'I' => Some(Self::Idle),
            b'T' => Some(Self::InTransaction),
            b'E' => Some(Self::Failed),
            _ => None,
        }
    }

    /// The byte as ReadyForQuery carries it.
    pub fn byte(self) -> u8 {
        match self {
            Self::Idle => b'I',
            Self::InTransaction => b'T',
            Self::Failed => b'E',
        }
    }
}
