//! From server to client: replies are passed on in runs; those to the proxy's own requests are left out, and those the
//! proxy gives itself are put where they belong.
//!
//! DataRow and CopyData are never looked at beyond their header. Must not know sockets.

use std::rc::Rc;

use crate::backend::report::is_report;
use crate::backend::server::{Server, ServerFault, parameter};
use crate::backend::settings::{Settings, is_fact};
use crate::error::{ClientFacing, Severity, SqlState};
use crate::pool::overdue::Overdue;
use crate::router::command::Reset;
use crate::router::holds::Holds;
use crate::session::client::{Clash, Client, Resetting, Unsure};
use crate::wire::buffer::Buffer;
use crate::wire::error_response::{ServerError, error_response};
use crate::wire::greeting::{parameter_status, ready_for_query};
use crate::wire::header::{HEADER_LEN, Header};
use crate::wire::outstanding::{Answer, Disposition, Expect, LocalReply, Owed};
use crate::wire::tag::{BackendTag, TransactionStatus};

/// ParseComplete, as it is written.
pub const PARSE_COMPLETE: [u8; 5] = [b'1', 0, 0, 0, 4];
/// CloseComplete, as it is written.
pub const CLOSE_COMPLETE: [u8; 5] = [b'3', 0, 0, 0, 4];
/// CommandComplete of DEALLOCATE, as it is written.
pub const DEALLOCATE_COMPLETE: &[u8] = b"C\0\0\0\x0fDEALLOCATE\0";

/// Everything a reply may concern.
pub struct Downstream<'a> {
    /// Who gets the replies.
    pub client: &'a mut Client,
    /// Who gives them.
    pub server: &'a mut Server,
    /// Set when the proxy has cancelled the client's query, which took too long.
    pub overdue: Option<Overdue>,
}

impl Downstream<'_> {
    /// Takes all replies from the server's buffer that can be decided on now.
    pub fn process(&mut self) -> Result<(), ServerFault> {
        let mut buffer = self.server.buffer.take().unwrap_or_else(Buffer::take);
        let result = self.process_buffer(&mut buffer);
        if !buffer.is_empty() {
            self.server.buffer = Some(buffer);
        }
        result
    }

    fn process_buffer(&mut self, buffer: &mut Buffer) -> Result<(), ServerFault> {
        loop {
            self.answer_locally(buffer);
            if self.client.down.is_passing() {
                if !self.client.down.forward_passing(buffer) {
                    return Ok(());
                }
                continue;
            }
            if !self.next_reply(buffer)? {
                return Ok(());
            }
        }
    }

    /// Passes one reply on; false when more of it has to come first.
    fn next_reply(&mut self, buffer: &mut Buffer) -> Result<bool, ServerFault> {
        let unseen = self.client.down.unseen(buffer);
        let Some(header) = Header::read(unseen) else { return Ok(false) };
        header.backend()?;
        let total = header.message_len();
        let present = total.min(unseen.len());
        let tag = BackendTag::from_byte(header.tag);
        if tag == BackendTag::Other {
            self.client.down.forward(buffer, present, total);
            return Ok(true);
        }
        if present < total && total <= buffer.capacity() {
            return Ok(false);
        }
        if let Some(replaced) = self.replace(tag, &unseen[..present]) {
            self.observe(tag, &unseen[..present]);
            self.client.down.skip(buffer, present);
            self.client.down.insert(buffer).extend_from_slice(&replaced);
            return Ok(true);
        }
        let answer = self.observe(tag, &unseen[..present]);
        match answer.disposition {
            Disposition::Forward => self.client.down.forward(buffer, present, total),
            // What the proxy asks for itself is answered by messages of a few bytes, so it is whole here.
            Disposition::Swallow => self.client.down.skip(buffer, present),
        }
        Ok(true)
    }

    fn observe(&mut self, tag: BackendTag, message: &[u8]) -> Answer {
        let statements = &mut self.client.statements;
        let answer = self.server.observe(tag, message, &mut |void| match void {
            Owed { expect: Expect::Parse(Some(_)), disposition: Disposition::Forward }
            | Owed { expect: Expect::Local(_), .. } => statements.revert(),
            Owed { expect: Expect::Parse(None), disposition: Disposition::Forward } => {
                statements.drop_unnamed();
            }
            _ => {}
        });
        match (answer.completed, answer.disposition) {
            (Some(Expect::Parse(Some(_))), Disposition::Forward) => statements.settle(),
            _ if tag == BackendTag::CommandComplete => self.observe_command(message),
            _ => {}
        }
        if tag == BackendTag::ReadyForQuery && answer.disposition == Disposition::Forward {
            self.client.count_query(self.server.status());
            if !self.server.outstanding.is_owed() {
                self.client.clashes.clear();
            }
        }
        answer
    }

    /// Commands after which the client's session is as it was at the start, or its statements are gone.
    fn observe_command(&mut self, message: &[u8]) {
        match message.get(HEADER_LEN..) {
            Some(b"DISCARD ALL\0") => {
                self.client.statements.clear();
                self.client.statements.drop_unnamed();
                self.client.holds = Holds::NONE;
                self.begin_reset(&Reset::All);
            }
            Some(b"DEALLOCATE ALL\0") => self.client.statements.clear(),
            Some(b"RESET\0") => {
                if let Resetting::Sent(reset) = self.client.reset.clone() {
                    self.begin_reset(&reset);
                }
            }
            _ => {}
        }
    }

    /// The server connection has gone back to its own start: what the client's session goes back to is another matter.
    fn begin_reset(&mut self, reset: &Reset) {
        let from = Rc::clone(&self.server.settings);
        let to = match reset {
            Reset::All => {
                self.client.holds = self.client.holds.without(Holds::SETTING);
                self.server.settings = Rc::clone(&self.server.defaults);
                Rc::clone(&self.client.startup_settings)
            }
            Reset::Name(name) => {
                if !self.server.defaults.contains(name) {
                    Rc::make_mut(&mut self.server.settings).remove(name);
                }
                Rc::new(from.with_value_of(name, &self.client.startup_settings))
            }
        };
        self.client.reset = Resetting::Run { from, to };
    }

    /// What the client gets in place of a reply, when that would show it what is only the proxy's: values that a server
    /// connection started with, and names that statements have on servers.
    fn replace(&mut self, tag: BackendTag, message: &[u8]) -> Option<Vec<u8>> {
        match tag {
            BackendTag::ErrorResponse if self.is_overdue(message) => {
                self.overdue.map(|overdue| error_response(&overdue))
            }
            BackendTag::ErrorResponse => self.rename(message),
            BackendTag::ParameterStatus => {
                let reset = &self.client.reset;
                let resetting = matches!(reset, Resetting::Run { .. } | Resetting::Unsure(_));
                let (name, _) = parameter(message)?;
                (is_report(name) || resetting && !is_fact(name)).then(Vec::new)
            }
            BackendTag::ReadyForQuery => self.end_reset(message),
            _ => None,
        }
    }

    /// True for the error that a query ended with because the proxy cancelled it.
    fn is_overdue(&self, message: &[u8]) -> bool {
        self.overdue.is_some() && ServerError::read(message).sqlstate == SqlState::QUERY_CANCELED
    }

    /// An error about a name that is taken, with the client's name in it.
    fn rename(&mut self, message: &[u8]) -> Option<Vec<u8>> {
        let names = |clash: &Clash| {
            message.windows(clash.on_server.len()).any(|window| *window == *clash.on_server)
        };
        let index = self.client.clashes.iter().position(names)?;
        let clash = self.client.clashes.remove(index);
        Some(renamed(message, &clash.on_server, &clash.name))
    }

    /// What a client is told at the end of a RESET: the values that are now others, as PostgreSQL reports them.
    fn end_reset(&mut self, message: &[u8]) -> Option<Vec<u8>> {
        let (from, to) = match std::mem::take(&mut self.client.reset) {
            Resetting::Run { from, to } => (from, to),
            Resetting::Unsure(unsure) => return Some(self.end_unsure(unsure, message)),
            // It failed.
            Resetting::Sent(_) | Resetting::No => return None,
            due @ (Resetting::Due(_) | Resetting::Withheld(_)) => {
                self.client.reset = due;
                return None;
            }
        };
        let mut bytes = changes_told(&from, &to, &self.server.defaults);
        bytes.extend_from_slice(message);
        self.client.reset = Resetting::Due(to);
        Some(bytes)
    }

    /// In a failed transaction nothing can be set, and what was reset will be rolled back.
    fn end_unsure(&mut self, unsure: Unsure, ready: &[u8]) -> Vec<u8> {
        if ready.get(HEADER_LEN) != Some(&b'E') {
            self.client.reset = Resetting::Withheld(unsure);
            return Vec::new();
        }
        let Server { settings, defaults, .. } = &*self.server;
        let mut bytes = changes_told(&unsure.from, settings, defaults);
        bytes.extend_from_slice(ready);
        bytes
    }

    /// Gives the replies that nobody else will give, when their turn has come.
    fn answer_locally(&mut self, buffer: &mut Buffer) {
        while let Some(reply) = self.server.outstanding.next_local() {
            let status = self.server.status();
            let out = self.client.down.insert(buffer);
            match reply {
                LocalReply::ParseComplete => out.extend_from_slice(&PARSE_COMPLETE),
                LocalReply::CloseComplete => out.extend_from_slice(&CLOSE_COMPLETE),
                LocalReply::Deallocated if status == TransactionStatus::Failed => {
                    out.extend_from_slice(&error_response(&TransactionFailed));
                    out.extend_from_slice(&ready_for_query(status));
                    self.client.statements.revert();
                    continue;
                }
                LocalReply::Deallocated => {
                    out.extend_from_slice(DEALLOCATE_COMPLETE);
                    out.extend_from_slice(&ready_for_query(status));
                }
            }
            self.client.statements.settle();
        }
    }
}

/// ParameterStatus for each value that is another now, of those that a server reports.
pub fn changes_told(from: &Settings, to: &Settings, reported: &Settings) -> Vec<u8> {
    to.iter()
        .filter(|(name, value)| from.get(name) != Some(*value) && reported.contains(name))
        .flat_map(|(name, value)| parameter_status(name, value))
        .collect()
}

/// The message with one name in it replaced, in every field.
fn renamed(message: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let (mut body, mut rest) = (Vec::new(), message.get(HEADER_LEN..).unwrap_or_default());
    while let Some(at) = rest.windows(from.len()).position(|window| window == from) {
        body.extend_from_slice(&rest[..at]);
        body.extend_from_slice(to);
        rest = &rest[at + from.len()..];
    }
    body.extend_from_slice(rest);
    let mut bytes = message[..1].to_vec();
    bytes.extend((body.len() as u32 + 4).to_be_bytes());
    bytes.extend(body);
    bytes
}

/// What PostgreSQL says to anything but ROLLBACK in a failed transaction.
struct TransactionFailed;

impl ClientFacing for TransactionFailed {
    fn sqlstate(&self) -> SqlState {
        SqlState::IN_FAILED_SQL_TRANSACTION
    }

    fn severity(&self) -> Severity {
        Severity::Error
    }

    fn message(&self) -> String {
        "current transaction is aborted, commands ignored until end of transaction block".into()
    }

    fn hint(&self) -> Option<String> {
        None
    }
}
