//! Statements are paid for before they are passed on, and what a refusal looks like where it comes.
//!
//! Must not know rates: the toll says yes or no.

use crate::gate::{Entrance, Refusal, Visitor};
use crate::net::stream::ClientStream;
use crate::pool::PoolKey;
use crate::router::command::ends_transaction;
use crate::session::client::Client;
use crate::session::run::Session;
use crate::session::upstream::{Message, Upstream, UpstreamError};
use crate::wire::buffer::Buffer;
use crate::wire::error_response::error_response;
use crate::wire::frontend::{SYNC, query_of};
use crate::wire::header::{HEADER_LEN, Header};
use crate::wire::tag::{FrontendTag, TransactionStatus};

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Paid {
    /// It may be passed on.
    Yes,
    /// It was taken out, and the client gets an error in its place.
    Refused,
}

impl Session {
    /// Pays for the first statement of the request in the buffer, before it waits for a server connection.
    ///
    /// # Errors
    /// [`Refusal::TooFast`]: the request is to be refused.
    pub(super) fn pay_first(&mut self) -> Result<(), Refusal> {
        let Self { client, pool, .. } = self;
        let (stream, key) = (&client.stream, &pool.key);
        client.toll.renew(|| visitor(stream, key));
        match client.toll.is_free() || !begins_with_statement(client) {
            true => Ok(()),
            false => client.toll.pay_first(),
        }
    }
}

/// Who the session's client is, as far as the session still knows.
fn visitor(stream: &ClientStream, key: &PoolKey) -> Visitor {
    Visitor {
        address: stream.peer().ip(),
        country: None,
        identity: None,
        entrance: if stream.is_from_http() { Entrance::Tunnel } else { Entrance::Direct },
        user: key.user.clone(),
        database: key.database.clone(),
    }
}

/// Whether a statement is in what the client has sent up to its Sync. One that is still to come is paid for when it comes.
fn begins_with_statement(client: &Client) -> bool {
    let mut rest = client.buffer.as_ref().map_or(&[][..], Buffer::filled);
    while let Some(header) = Header::read(rest) {
        match header.frontend() {
            Ok(FrontendTag::Query | FrontendTag::Execute | FrontendTag::FunctionCall) => {
                return true;
            }
            Ok(FrontendTag::Sync) | Err(_) => return false,
            Ok(_) => rest = rest.get(header.message_len()..).unwrap_or_default(),
        }
    }
    false
}

impl Upstream<'_> {
    /// Pays for the message, if it is a statement. One that is too fast is made to fail on the server where it stands, so
    /// that all that follows from an error follows from this one; so does a transaction that is open.
    ///
    /// # Errors
    /// [`UpstreamError::TooFast`] when the statement is so long that it passes through unseen: nothing can take its place.
    pub(super) fn pay(
        &mut self,
        buffer: &mut Buffer,
        message: &Message,
    ) -> Result<Paid, UpstreamError> {
        if self.client.toll.is_free() || !self.costs(buffer, message) {
            return Ok(Paid::Yes);
        }
        let Err(refusal) = self.client.toll.pay() else { return Ok(Paid::Yes) };
        if message.present < message.header.message_len() {
            return Err(UpstreamError::TooFast(Box::new(refusal)));
        }
        self.refuse(buffer, message, error_response(&refusal).into());
        if message.tag != FrontendTag::Execute {
            self.owe(FrontendTag::Sync);
            self.server.up.outbox.push(&SYNC);
        }
        Ok(Paid::Refused)
    }

    /// What ends a transaction that is open, or will be when its turn comes, is free: it frees what others wait for.
    fn costs(&self, buffer: &Buffer, message: &Message) -> bool {
        let seen = || &self.server.up.unseen(buffer)[HEADER_LEN..message.present];
        let is_open = self.server.status() != TransactionStatus::Idle
            || self.server.outstanding.is_ready_owed();
        !self.server.outstanding.is_skipping()
            && match message.tag {
                FrontendTag::Query => !(is_open && only_ends_transaction(query_of(seen()))),
                FrontendTag::Execute => !self.server.has_failed(),
                FrontendTag::FunctionCall => true,
                _ => false,
            }
    }
}

/// A COMMIT or ROLLBACK with nothing behind it.
fn only_ends_transaction(sql: &[u8]) -> bool {
    let is_end = |byte: &u8| byte.is_ascii_whitespace() || *byte == b';';
    let len = sql.iter().rposition(|byte| !is_end(byte)).map_or(0, |last| last + 1);
    ends_transaction(sql) && !sql[..len].contains(&b';')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_end_of_a_transaction_is_free() {
        for (sql, free) in [
            ("commit", true),
            ("ROLLBACK ; ", true),
            ("commit; select 1", false),
            ("select 1", false),
            ("", false),
            (";", false),
        ] {
            assert_eq!(only_ends_transaction(sql.as_bytes()), free, "{sql}");
        }
    }
}
