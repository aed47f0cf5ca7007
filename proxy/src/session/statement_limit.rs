//! How much a client may prepare, and how a Parse beyond that is refused.

use crate::backend::statement::NAME_PREFIX;
use crate::error::{ClientFacing, Severity, SqlState};
use crate::session::client::Meaning;
use crate::session::upstream::{Message, Upstream};
use crate::wire::buffer::Buffer;
use crate::wire::frontend::write_bind_head;
use crate::wire::tag::FrontendTag;

/// The end of a Bind message without parameters.
const NO_VALUES: [u8; 6] = [0; 6];

/// A limit that a Parse would exceed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StatementLimit {
    /// The client has as many as it may.
    #[error("too many prepared statements on one connection (limit {0})")]
    ClientLen(usize),
    /// The client's take as many bytes as they may.
    #[error("prepared statements of one connection take too many bytes (limit {0})")]
    ClientBytes(usize),
    /// Those of all clients of the pool do.
    #[error("prepared statements of all connections take too many bytes (limit {0})")]
    SharedBytes(usize),
}

impl Upstream<'_> {
    /// A message that may not be: the server is made to say no where it stands, so that all that follows from an error
    /// follows from this one, and the client is then told `said`.
    pub(super) fn refuse(&mut self, buffer: &mut Buffer, message: &Message, said: Box<[u8]>) {
        let on_server = [NAME_PREFIX, b"refuses_more"].concat().into_boxed_slice();
        self.server.up.skip(buffer, message.present);
        self.owe(FrontendTag::Bind);
        write_bind_head(self.server.up.outbox.writer(), b"", &on_server, NO_VALUES.len());
        self.server.up.outbox.push(&NO_VALUES);
        self.reword(on_server, Meaning::Refused(said));
    }
}

impl ClientFacing for StatementLimit {
    fn sqlstate(&self) -> SqlState {
        SqlState::CONFIGURATION_LIMIT_EXCEEDED
    }

    fn severity(&self) -> Severity {
        Severity::Error
    }

    fn message(&self) -> String {
        self.to_string()
    }

    fn hint(&self) -> Option<String> {
        let setting = match self {
            Self::ClientLen(_) => "pool.client_statements_max",
            Self::ClientBytes(_) => "pool.client_statements_bytes_max",
            Self::SharedBytes(_) => "pool.shared_statements_bytes_max",
        };
        Some(format!("Close prepared statements that are no longer used, or raise {setting}."))
    }
}
