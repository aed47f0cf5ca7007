//! From server to client: replies are passed on in runs; those to the proxy's own requests are left out, and those the
//! proxy gives itself are put where they belong.
//!
//! DataRow and CopyData are never looked at beyond their header. Must not know sockets.

use std::rc::Rc;

use crate::backend::report::is_report;
use crate::backend::server::{Server, ServerFault, parameter};
use crate::backend::settings::{Settings, is_fact};
use crate::error::SqlState;
use crate::pool::overdue::Overdue;
use crate::router::command::Reset;
use crate::router::holds::Holds;
use crate::session::client::{Client, Dropped};
use crate::session::error_words::reworded;
use crate::session::replay::Replay;
use crate::session::resetting::{Resetting, Unsure};
use crate::wire::buffer::Buffer;
use crate::wire::error_response::{ServerError, error_response, is_changed_shape};
use crate::wire::greeting::{parameter_status, ready_for_query};
use crate::wire::header::{HEADER_LEN, Header};
use crate::wire::outstanding::{Answer, Disposition, Expect, LocalReply};
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
        if self.server.buffer.is_none() && !self.server.outstanding.is_local_due() {
            return Ok(());
        }
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
        let replaced = self.replace(tag, &unseen[..present]);
        let answer = self.observe(tag, &unseen[..present]);
        match (answer.disposition, replaced) {
            (Disposition::Forward, None) => self.client.down.forward(buffer, present, total),
            (Disposition::Forward, Some(replaced)) => {
                self.client.down.skip(buffer, present);
                self.client.down.insert(buffer).extend_from_slice(&replaced);
            }
            // What the proxy asks for itself is answered by messages of a few bytes, so it is whole here.
            (Disposition::Swallow, _) => self.client.down.skip(buffer, present),
        }
        Ok(true)
    }

    fn observe(&mut self, tag: BackendTag, message: &[u8]) -> Answer {
        let statements = &mut self.client.statements;
        let mut is_refused = tag == BackendTag::ErrorResponse;
        let answer = self.server.observe(tag, message, &mut |void| {
            match (void.expect, void.disposition) {
                (Expect::Parse(_), Disposition::Forward) if is_refused => statements.refuse(),
                (Expect::Parse(_), Disposition::Forward) | (Expect::Local(_), _) => {
                    statements.revert();
                }
                _ => {}
            }
            // The error is about the first; what follows it is ignored.
            is_refused = false;
        });
        match (answer.completed, answer.disposition) {
            (Some(Expect::Parse(_)), Disposition::Forward) => statements.settle(),
            _ if tag == BackendTag::CommandComplete => self.observe_command(message),
            _ => {}
        }
        if tag == BackendTag::ReadyForQuery && answer.disposition == Disposition::Forward {
            self.client.count_query(self.server.status());
            self.forget_answered();
        }
        // The server goes on: what was kept in case that it would not is of no more use.
        if answer.completed.is_some()
            && answer.disposition == Disposition::Forward
            && matches!(self.client.replay, Replay::Armed(_) | Replay::Described)
        {
            self.client.replay = Replay::No;
        }
        answer
    }

    /// Commands after which the client's session is as it was at the start, or its statements are gone.
    fn observe_command(&mut self, message: &[u8]) {
        match message.get(HEADER_LEN..) {
            Some(b"DISCARD ALL\0") => {
                self.client.statements.clear();
                self.client.holds = Holds::NONE;
                self.take_dropped(|dropped| *dropped == Dropped::All);
                if !self.server.resets_by_itself() {
                    self.begin_reset(&Reset::All);
                }
            }
            Some(b"DEALLOCATE ALL\0") => {
                self.client.statements.clear();
                self.take_dropped(|dropped| *dropped == Dropped::All);
            }
            Some(b"DEALLOCATE\0") => self.drop_named(),
            Some(b"RESET\0") => {
                if let Resetting::Sent(reset) = self.client.reset.clone() {
                    self.begin_reset(&reset);
                }
            }
            _ => {}
        }
    }

    /// The server has run a DEALLOCATE of a name.
    fn drop_named(&mut self) {
        let is_name = |dropped: &Dropped| matches!(dropped, Dropped::Name(_));
        if let Some(Dropped::Name(name)) = self.take_dropped(is_name) {
            self.client.statements.forget(&name);
        }
    }

    /// The first of this kind that has now been run.
    fn take_dropped(&mut self, is_it: impl Fn(&Dropped) -> bool) -> Option<Dropped> {
        let dropping = &mut self.client.in_flight.as_mut()?.dropping;
        let index = dropping.iter().position(|dropping| is_it(&dropping.what))?;
        dropping.remove(index).map(|dropping| dropping.what)
    }

    /// A client that never waits for its last answer is never without requests on their way: what is known of those that
    /// were answered is not to pile up (I7).
    fn forget_answered(&mut self) {
        let outstanding = &self.server.outstanding;
        match &mut self.client.in_flight {
            Some(known) if outstanding.is_owed() => {
                known.forget_answered(outstanding.answered_number());
            }
            known => *known = None,
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
            BackendTag::ErrorResponse if self.begin_replay(message) => Some(Vec::new()),
            BackendTag::ErrorResponse => {
                reworded(self.client, message, self.server.outstanding.answered_number())
            }
            BackendTag::ParameterStatus => {
                let reset = &self.client.reset;
                let resetting = matches!(reset, Resetting::Run { .. } | Resetting::Unsure(_));
                let (name, _) = parameter(message)?;
                (is_report(name) || resetting && !is_fact(name)).then(Vec::new)
            }
            // The end of what the proxy asked itself says nothing about the client's requests.
            BackendTag::ReadyForQuery if self.server.outstanding.is_swallowing() => None,
            BackendTag::ParameterDescription => self.skip_described(message),
            BackendTag::ReadyForQuery if self.end_replay(message) => Some(Vec::new()),
            BackendTag::ReadyForQuery => self.end_reset(message),
            _ => None,
        }
    }

    /// True for the error that a query ended with because the proxy cancelled it.
    fn is_overdue(&self, message: &[u8]) -> bool {
        self.overdue.is_some() && ServerError::read(message).sqlstate == SqlState::QUERY_CANCELED
    }

    /// True for the error that makes the proxy send a sequence again. What the client has sent behind it was answered or
    /// not even sent.
    fn begin_replay(&mut self, message: &[u8]) -> bool {
        if !matches!(self.client.replay, Replay::Armed(_)) {
            return false;
        }
        let replay = std::mem::take(&mut self.client.replay);
        if let Replay::Armed(kept) = replay
            && is_changed_shape(message)
            && self.server.status() == TransactionStatus::Idle
        {
            self.client.replay = Replay::Refused(kept);
        }
        !self.client.replay.is_no()
    }

    /// The client has it already. One longer than a buffer is not here whole, and is given twice.
    fn skip_described(&mut self, message: &[u8]) -> Option<Vec<u8>> {
        let is_whole = Header::read(message)?.message_len() == message.len();
        let is_known = matches!(self.client.replay, Replay::Described);
        (is_known && is_whole).then(|| {
            self.client.replay = Replay::No;
            Vec::new()
        })
    }

    fn end_replay(&mut self, message: &[u8]) -> bool {
        if !matches!(self.client.replay, Replay::Refused(_)) {
            return false;
        }
        let is_idle = message.get(HEADER_LEN) == Some(&b'I');
        match std::mem::take(&mut self.client.replay) {
            Replay::Refused(kept) if is_idle => self.client.send_again(&kept),
            _ => return false,
        }
        true
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
        while let Some(reply) = self.server.next_local() {
            let status = self.server.status();
            let out = self.client.down.insert(buffer);
            match reply {
                LocalReply::ParseComplete => out.extend_from_slice(&PARSE_COMPLETE),
                LocalReply::CloseComplete => out.extend_from_slice(&CLOSE_COMPLETE),
                LocalReply::Deallocated => {
                    out.extend_from_slice(DEALLOCATE_COMPLETE);
                    out.extend_from_slice(&ready_for_query(status));
                }
                LocalReply::Nothing => {}
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
