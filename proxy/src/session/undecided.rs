//! Names of prepared statements whose fate the reply to an earlier sequence still decides: what uses one waits for it.
//!
//! A Parse may be refused, a Close be skipped, and a DEALLOCATE fail; what the client sends behind them meets whatever came of
//! them. Within one sequence nothing has to wait: an error makes all of it void.

use crate::pool::PoolMode;
use crate::session::upstream::{Message, Upstream};
use crate::wire::buffer::Buffer;
use crate::wire::frontend::{BindHead, Parse, Subject, read_subject};
use crate::wire::tag::FrontendTag;

impl Upstream<'_> {
    /// True for a message that uses such a name, itself or by the statement that it runs.
    pub(super) fn asks_undecided(&self, buffer: &Buffer, message: &Message) -> bool {
        let sequence_number = self.server.outstanding.sequence_number();
        let is_any = self.client.statements.is_any_undecided(sequence_number)
            || self.client.in_flight.as_ref().is_some_and(|known| !known.dropping.is_empty());
        if self.mode != PoolMode::Transaction || !is_any {
            return false;
        }
        let seen = &self.server.up.unseen(buffer)[..message.present];
        statement_name(message.tag, seen).is_some_and(|name| {
            self.client.statements.is_undecided(name, sequence_number)
                || self.client.gives_up(name)
                || message.tag == FrontendTag::Bind && self.bound_uses(name).is_some()
        })
    }
}

/// The name of the statement that a message of the extended protocol is about.
fn statement_name(tag: FrontendTag, message: &[u8]) -> Option<&[u8]> {
    match tag {
        // Whatever the unnamed statement was, it is another one then.
        FrontendTag::Parse => Some(Parse::read(message).ok()?.name).filter(|name| !name.is_empty()),
        FrontendTag::Bind => Some(BindHead::read(message)?.statement),
        FrontendTag::Describe | FrontendTag::Close => match read_subject(message) {
            Ok((Subject::Statement, name)) => Some(name),
            _ => None,
        },
        _ => None,
    }
}
