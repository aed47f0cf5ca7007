//! The unnamed statement of a client on its way to a server: parsed, dropped, and prepared again where another client's is.
//!
//! INVARIANT I6: the unnamed statement that a server has may be another client's.

use crate::router::holds::Holds;
use crate::session::statements::Unnamed;
use crate::session::upstream::{Message, Upstream, UpstreamError};
use crate::wire::buffer::Buffer;
use crate::wire::frontend::{write_parse, write_subject};
use crate::wire::header::HEADER_LEN;
use crate::wire::outstanding::{Expect, LocalReply, Owed};

impl Upstream<'_> {
    pub(super) fn parse_unnamed(&mut self, body: &[u8]) {
        if !self.server.outstanding.push(Owed::forward(Expect::Parse(None))) {
            return;
        }
        self.replace_unnamed(Some(body.to_vec()));
    }

    fn replace_unnamed(&mut self, body: Option<Vec<u8>>) {
        let (id, sequence_number) =
            (self.interner.next_unnamed(), self.server.outstanding.sequence_number());
        self.client.statements.replace_unnamed(Some(Unnamed { id, body }), sequence_number);
        self.server.unnamed.send(Some(id));
    }

    /// A Parse too long to be kept. Unnamed, it streams through and the client keeps its server connection.
    pub(super) fn parse_unseen(
        &mut self,
        buffer: &mut Buffer,
        message: &Message,
    ) -> Result<(), UpstreamError> {
        let unseen = self.server.up.unseen(buffer);
        if unseen.get(HEADER_LEN) != Some(&0) {
            return Err(UpstreamError::StatementTooLong(message.header.message_len()));
        }
        if self.server.outstanding.push(Owed::forward(Expect::Parse(None))) {
            self.client.holds = self.client.holds.with(Holds::UNSEEN);
            self.replace_unnamed(None);
        }
        self.forward(buffer, message);
        Ok(())
    }

    /// A simple query also drops the unnamed statement (tcop/postgres.c, `exec_simple_query`), unless it is ignored behind
    /// an error.
    pub(super) fn drop_unnamed(&mut self) {
        if self.server.outstanding.is_settled() {
            self.client.statements.drop_unnamed();
            self.server.unnamed.clear();
            return;
        }
        let is_there =
            self.client.statements.unnamed().is_some() || self.server.unnamed.expected().is_some();
        if is_there {
            self.mark_dropped();
        }
    }

    /// Marks, among what is owed, where both the client's unnamed statement and the server's are gone.
    fn mark_dropped(&mut self) {
        let outstanding = &mut self.server.outstanding;
        if outstanding.push(Owed::forward(Expect::Local(LocalReply::Nothing))) {
            self.client.statements.replace_unnamed(None, outstanding.sequence_number());
            self.server.unnamed.send(None);
        }
    }

    /// INVARIANT I6: the unnamed statement that the server has may be another client's.
    pub(super) fn bind_unnamed(&mut self, buffer: &mut Buffer) {
        let Some(unnamed) = self.client.statements.unnamed() else {
            self.mark_dropped();
            self.server.outstanding.push(Owed::swallow(Expect::Close(None)));
            write_subject(self.server.up.insert(buffer), b'C', b"");
            return;
        };
        if self.server.report.is_none() {
            let holds = self.client.holds_of(unnamed.query());
            self.client.holds = self.client.holds.with(holds);
        }
        // What was too long to be kept is on the server that is held for it.
        if let Some(body) = &unnamed.body
            && self.server.unnamed.expected() != Some(unnamed.id)
        {
            self.server.unnamed.send(Some(unnamed.id));
            self.server.outstanding.push(Owed::swallow(Expect::Parse(None)));
            write_parse(self.server.up.insert(buffer), b"", body);
        }
    }
}
