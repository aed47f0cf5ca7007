//! The first use of a statement that the client prepared and that another client's Parse had brought to the server. Should the
//! server say that its shape has changed since, the client is asked for nothing: the same messages are sent again, with the
//! statement prepared anew.
//!
//! INVARIANT I8: this is no second run. The error comes from the look at the plan, at Bind or Describe; it is the first reply
//! of its sequence, outside of a transaction block, and the server ignores what follows up to the Sync. A client that has been
//! told the old shape sees the error, as it would from PostgreSQL: its own rows would change under it.

use crate::backend::settings::SEARCH_PATH;
use crate::session::client::Client;
use crate::session::statements::{Named, Shape};
use crate::session::upstream::Upstream;
use crate::wire::buffer::Buffer;
use crate::wire::header::Header;
use crate::wire::tag::{FrontendTag, TransactionStatus};

/// The longest sequence that is kept, in bytes.
const SEQUENCE_LEN_MAX: usize = 16 * 1024;

/// Where it stands.
#[derive(Debug, Default)]
pub enum Replay {
    /// Nothing is kept.
    #[default]
    No,
    /// Sent, and not answered yet.
    Armed(Box<Kept>),
    /// The server has refused it, and its ReadyForQuery is still to come.
    Refused(Box<Kept>),
    /// Put back in front of what the client has sent: it waits to be sent again.
    Due(Told),
    /// Sent again, behind a ParameterDescription that the client has already: a server gives it before it looks at the plan
    /// (tcop/postgres.c, `exec_describe_statement_message`).
    Described,
}

/// What the client has of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// Nothing.
    Nothing,
    /// The ParameterDescription of a Describe.
    Parameters,
}

/// One sequence.
#[derive(Debug)]
pub struct Kept {
    /// The client's name of the statement.
    pub name: Box<[u8]>,
    /// The client's messages, from the use of the statement to the Sync.
    pub messages: Box<[u8]>,
}

impl Replay {
    /// Keeps the sequence that `unseen` begins with, if it is there up to its Sync.
    pub fn arm(name: &[u8], unseen: &[u8]) -> Self {
        let Some(len) = sequence_len(unseen) else { return Self::No };
        Self::Armed(Box::new(Kept { name: name.into(), messages: unseen[..len].into() }))
    }

    /// True while nothing is kept.
    pub fn is_no(&self) -> bool {
        matches!(self, Self::No)
    }
}

impl Upstream<'_> {
    /// The client's statement of this name. Under another search path than the one it was prepared by, PostgreSQL looks its
    /// names up again (`RevalidateCachedQuery`): it then is another of the shared statements.
    pub(super) fn named(&mut self, name: &[u8]) -> Option<Named> {
        let known = self.client.statements.get(name)?;
        let path = self.server.settings.get(SEARCH_PATH).unwrap_or_default();
        let named = known.clone();
        known.shape.set(Shape::Told);
        if *named.statement.search_path == *path && named.shape.get() != Shape::Outdated {
            return Some(named);
        }
        let statement = self.interner.intern(&named.statement.body, path);
        let named = Named { statement, ..named };
        named.shape.set(Shape::Told);
        self.client.statements.replace(name, named.clone());
        Some(named)
    }

    /// A statement that the server has from another client may have a shape that holds no more.
    pub(super) fn keep_first_use(&mut self, buffer: &Buffer, name: &[u8], named: &Named) {
        let is_first = named.shape.get() == Shape::Untold && self.server.has(named.statement.id);
        let is_idle = self.server.status() == TransactionStatus::Idle;
        if is_first && is_idle && self.server.outstanding.is_next() {
            self.client.replay = Replay::arm(name, self.server.up.unseen(buffer));
        }
    }
}

impl Client {
    /// True once, when messages were put back that nobody has looked at since.
    pub fn has_to_send_again(&mut self) -> bool {
        match std::mem::take(&mut self.replay) {
            Replay::Due(Told::Nothing) => true,
            Replay::Due(Told::Parameters) => {
                self.replay = Replay::Described;
                true
            }
            other => {
                self.replay = other;
                false
            }
        }
    }

    /// Puts a refused sequence back in front of what the client has sent since, as if it came only now.
    pub fn send_again(&mut self, kept: &Kept) {
        self.statements.outdate(&kept.name);
        let later = self.buffer.take();
        let later = later.as_ref().map(Buffer::filled).unwrap_or_default();
        let mut buffer = Buffer::take();
        buffer.grow(kept.messages.len() + later.len());
        for part in [&kept.messages, later] {
            buffer.spare()[..part.len()].copy_from_slice(part);
            buffer.advance(part.len());
        }
        self.buffer = Some(buffer);
        let is_described = kept.messages.first() == Some(&b'D');
        self.replay = Replay::Due(if is_described { Told::Parameters } else { Told::Nothing });
    }
}

/// Bytes up to the end of the first Sync. None when it is not there, or something else than the extended protocol is.
fn sequence_len(bytes: &[u8]) -> Option<usize> {
    let mut len = 0;
    loop {
        let header = Header::read(bytes.get(len..)?)?;
        len += header.message_len();
        if len > bytes.len().min(SEQUENCE_LEN_MAX) {
            return None;
        }
        match header.frontend().ok()? {
            FrontendTag::Sync => return Some(len),
            FrontendTag::Parse | FrontendTag::Bind | FrontendTag::Describe => {}
            FrontendTag::Execute | FrontendTag::Close | FrontendTag::Flush => {}
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::frontend::{SYNC, write_query, write_subject};

    #[test]
    fn a_sequence_is_kept_when_it_is_whole() {
        let mut bytes = Vec::new();
        write_subject(&mut bytes, b'D', b"s");
        assert!(Replay::arm(b"s", &bytes).is_no(), "no Sync");
        bytes.extend_from_slice(&SYNC);
        let len = bytes.len();
        write_query(&mut bytes, "select 1");
        let Replay::Armed(kept) = Replay::arm(b"s", &bytes) else { panic!("not armed") };
        assert_eq!(*kept.messages, bytes[..len]);
        assert!(Replay::arm(b"s", &bytes[len..]).is_no(), "a simple query");
    }
}
