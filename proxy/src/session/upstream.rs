//! From client to server: each message is passed on as it is, rewritten, answered locally or held back until it is whole.
//!
//! INVARIANT I1: what a message will be answered with is recorded before its first byte can be written.
//! Must not know sockets: the relay writes what is put into the flow here.

use std::rc::Rc;

use crate::backend::server::{Server, prepare};
use crate::backend::settings::SEARCH_PATH;
use crate::backend::statement::{Interner, Statement};
use crate::gate;
use crate::pool::PoolMode;
use crate::pool::counters::Count;
use crate::router::command::{deallocated, ends_transaction};
use crate::router::holds::Holds;
use crate::router::names::name_uses;
use crate::session::client::{Client, Meaning, Word};
use crate::session::paying::Paid;
use crate::session::resetting::Resetting;
use crate::session::statements::Named;
use crate::wire::buffer::Buffer;
use crate::wire::error_response::error_response;
use crate::wire::frontend::{
    BindHead, Parse, Subject, query_of, read_subject, write_bind_head, write_parse, write_subject,
};
use crate::wire::header::{FrameError, HEADER_LEN, Header};
use crate::wire::outstanding::{Expect, LocalReply, Owed};
use crate::wire::tag::{FrontendTag, TransactionStatus};

/// The longest Parse that is looked at whole, in bytes. A longer one streams through and holds the connection.
const PARSE_LEN_MAX: usize = 16 * 1024 * 1024;

/// Requests that may be unanswered at once: what the proxy answers itself meets no back-pressure of a server.
const REQUESTS_MAX: usize = 1_000_000;

/// What the client wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Go on.
    Continue,
    /// Wait with what it sent last until a RESET or a cancel request before it is over.
    Wait,
    /// Wait until it has read more of the answers that it has been given.
    Rest,
    /// It said goodbye.
    Leave,
}

/// Why a client's bytes cannot be passed on.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// They are no message.
    #[error("{0}")]
    Frame(#[from] FrameError),
    /// It asks on and on without reading what the proxy answers, or without a Sync.
    #[error("too many requests are unanswered on one connection (limit {REQUESTS_MAX})")]
    TooManyRequests,
    /// It asks more often than it may, by a statement that nothing can take the place of.
    #[error("{0}")]
    TooFast(Box<gate::Refusal>),
    /// A named statement is too long to be shared.
    #[error(
        "a prepared statement of {0} bytes is longer than the proxy keeps (limit {PARSE_LEN_MAX})"
    )]
    StatementTooLong(usize),
}

/// Everything a message may concern.
pub struct Upstream<'a> {
    /// Whose messages these are.
    pub client: &'a mut Client,
    /// Where they go.
    pub server: &'a mut Server,
    /// The statements of the pool.
    pub interner: &'a mut Interner,
    /// Whether statements are shared (transaction mode) or the client's own (session mode).
    pub mode: PoolMode,
}

/// One message as far as it was read.
pub(super) struct Message {
    pub(super) header: Header,
    pub(super) tag: FrontendTag,
    /// Bytes of it in the buffer.
    pub(super) present: usize,
}

impl Message {
    fn is_whole(&self) -> bool {
        self.present == self.header.message_len()
    }
}

impl Upstream<'_> {
    /// Takes all messages from the client's buffer that can be decided on now.
    pub fn process(&mut self) -> Result<Wish, UpstreamError> {
        let Some(mut buffer) = self.client.buffer.take() else { return Ok(Wish::Continue) };
        let result = self.process_buffer(&mut buffer);
        self.client.buffer = Some(buffer);
        result
    }

    fn process_buffer(&mut self, buffer: &mut Buffer) -> Result<Wish, UpstreamError> {
        loop {
            if self.server.up.is_passing() {
                if !self.server.up.forward_passing(buffer) {
                    return Ok(Wish::Continue);
                }
                continue;
            }
            let Some(message) = self.next_message(buffer)? else { return Ok(Wish::Continue) };
            if self.server.outstanding.len() >= REQUESTS_MAX {
                return Err(UpstreamError::TooManyRequests);
            }
            if message.tag == FrontendTag::Terminate {
                return Ok(Wish::Leave);
            }
            if self.keeps_back(buffer, &message) {
                return Ok(Wish::Wait);
            }
            self.pass(buffer, &message)?;
        }
    }

    /// The next message, when it is whole or so long that it has to be decided on by its start.
    fn next_message(&self, buffer: &mut Buffer) -> Result<Option<Message>, UpstreamError> {
        let unseen = self.server.up.unseen(buffer);
        let Some(header) = Header::read(unseen) else { return Ok(None) };
        let tag = header.frontend()?;
        let total = header.message_len();
        let present = total.min(unseen.len());
        if present == total {
            return Ok(Some(Message { header, tag, present }));
        }
        let shared = tag == FrontendTag::Parse && self.mode == PoolMode::Transaction;
        if shared && total <= PARSE_LEN_MAX && total > buffer.capacity() {
            // The run in front of it goes out first; then the buffer holds nothing else and can grow.
            if unseen.len() == buffer.filled().len() {
                buffer.grow(total);
            }
            return Ok(None);
        }
        Ok((total > buffer.capacity()).then_some(Message { header, tag, present }))
    }

    /// What follows a RESET must meet the settings that the client's session goes back to; and a RESET is sent when
    /// nothing is unanswered, so that its ReadyForQuery is known. So is SQL that needs the client's own names, and what
    /// follows a sequence that may have to be sent again, and what follows a statement that drops all names. What follows a
    /// cancelled query must not be hit too.
    fn keeps_back(&self, buffer: &Buffer, message: &Message) -> bool {
        let is_ready_owed = self.server.outstanding.is_ready_owed();
        let may_be_hit = self.server.awaits_cancel() || self.client.reset.keeps_back(is_ready_owed);
        let asks = || self.asks_by_name(buffer, message) || self.asks_undecided(buffer, message);
        let keeps = || self.resets(buffer, message) || asks();
        may_be_hit
            || is_ready_owed && (self.client.forgets() || !self.client.replay.is_no() || keeps())
    }

    fn asks_by_name(&self, buffer: &Buffer, message: &Message) -> bool {
        let seen = &self.server.up.unseen(buffer)[..message.present];
        message.tag == FrontendTag::Query
            && self.mode == PoolMode::Transaction
            && !self.name_uses(query_of(&seen[HEADER_LEN..])).is_empty()
    }

    fn pass(&mut self, buffer: &mut Buffer, message: &Message) -> Result<(), UpstreamError> {
        if self.pay(buffer, message)? == Paid::Refused {
            return Ok(());
        }
        match (message.tag, self.mode) {
            (FrontendTag::Query, _) => self.query(buffer, message),
            (FrontendTag::Parse, PoolMode::Transaction) => return self.parse(buffer, message),
            (FrontendTag::Bind, PoolMode::Transaction) => return self.bind(buffer, message),
            (FrontendTag::Describe, PoolMode::Transaction) => {
                return self.describe(buffer, message);
            }
            (FrontendTag::Close, PoolMode::Transaction) => return self.close(buffer, message),
            (tag, _) => {
                self.owe(tag);
                self.forward(buffer, message);
            }
        }
        Ok(())
    }

    /// Records what a message that needs no closer look will be answered with.
    pub(super) fn owe(&mut self, tag: FrontendTag) {
        let expect = match tag {
            FrontendTag::Parse => Expect::Parse(None),
            FrontendTag::Bind => Expect::Bind,
            FrontendTag::Describe => Expect::Describe,
            FrontendTag::Close => Expect::Close(None),
            FrontendTag::Execute => Expect::Execute,
            FrontendTag::Sync => Expect::Sync,
            FrontendTag::Query => Expect::Query,
            FrontendTag::FunctionCall => Expect::FunctionCall,
            FrontendTag::CopyDone | FrontendTag::CopyFail => {
                return self.server.outstanding.push_copy_end();
            }
            FrontendTag::CopyData | FrontendTag::Flush | FrontendTag::Terminate => return,
        };
        self.server.outstanding.push(Owed::forward(expect));
    }

    pub(super) fn forward(&mut self, buffer: &mut Buffer, message: &Message) {
        self.server.up.forward(buffer, message.present, message.header.message_len());
    }

    fn query(&mut self, buffer: &mut Buffer, message: &Message) {
        let seen = &self.server.up.unseen(buffer)[HEADER_LEN..message.present];
        let sql = seen.strip_suffix(b"\0").unwrap_or(seen);
        let mut uses = Vec::new();
        if !self.is_reset(sql) && self.mode == PoolMode::Transaction {
            if let Some(name) = deallocated(sql)
                && !self.server.outstanding.is_in_sequence()
                && !self.server.outstanding.is_skipping()
                && self.server.status() != TransactionStatus::Failed
                && self.client.statements.get(&name).is_some()
            {
                self.drop_unnamed();
                let sequence_number = self.server.outstanding.sequence_number();
                self.client.statements.close(&name, sequence_number);
                if self.server.prepared.has_own() {
                    self.take_back(buffer, &name);
                    self.sync(buffer);
                }
                return self.answer(buffer, message, LocalReply::Deallocated);
            }
            self.client.holds = self.client.holds.with(self.query_holds(sql, message));
            uses = self.name_uses(sql);
        }
        if self.client.reset == Resetting::No {
            self.look_for_reset(sql);
        }
        if !uses.is_empty() {
            self.give(buffer, &uses);
        }
        self.drop_unnamed();
        self.owe(FrontendTag::Query);
        self.forward(buffer, message);
    }

    /// What a statement leaves behind, read off its text: a server that reports says so itself, and better.
    fn query_holds(&self, sql: &[u8], message: &Message) -> Holds {
        if self.server.report.is_some() {
            return Holds::NONE;
        }
        let seen = self.client.holds_of(sql);
        if message.is_whole() { seen } else { seen.with(Holds::UNSEEN) }
    }

    /// Leaves the message out and answers it when its turn comes.
    fn answer(&mut self, buffer: &mut Buffer, message: &Message, reply: LocalReply) {
        if !self.server.outstanding.push(Owed::forward(Expect::Local(reply))) {
            self.client.statements.revert();
        }
        self.server.up.skip(buffer, message.present);
    }

    fn parse(&mut self, buffer: &mut Buffer, message: &Message) -> Result<(), UpstreamError> {
        if !message.is_whole() {
            return self.parse_unseen(buffer, message);
        }
        let unseen = &self.server.up.unseen(buffer)[..message.present];
        let parse = Parse::read(unseen)?;
        if parse.name.is_empty() {
            self.parse_unnamed(parse.body);
            self.forward(buffer, message);
            return Ok(());
        }
        if self.server.outstanding.is_skipping() {
            self.forward(buffer, message);
            return Ok(());
        }
        let path = self.server.settings.get(SEARCH_PATH).unwrap_or_default();
        let (name, exceeded) =
            (parse.name.to_vec(), self.client.statements.exceeded(self.interner, parse.body, path));
        let is_new = self.client.statements.get(&name).is_none();
        if let Some(limit) = exceeded.filter(|_| is_new) {
            self.refuse(buffer, message, error_response(&limit).into());
            return Ok(());
        }
        let (holds, uses) = (self.client.holds_of(parse.query()), name_uses(parse.query()));
        let statement = self.interner.intern(parse.body, path);
        self.parse_named(buffer, message, &name, Named::new(statement, holds, uses));
        Ok(())
    }

    fn parse_named(&mut self, buffer: &mut Buffer, message: &Message, name: &[u8], named: Named) {
        if let Some(taken) = self.client.statements.get(name) {
            let taken = Rc::clone(&taken.statement);
            let taken = self.stand_in(taken);
            let meaning = Meaning::Name(name.into());
            self.reword(taken.name.clone(), meaning);
            return self.parse_again(buffer, message, &taken);
        }
        if self.holds_names() {
            self.give_new(buffer, name, &named.statement.body);
        }
        let statement = Rc::clone(&named.statement);
        let fails = self.server.has_failed() && !ends_transaction(query_of(&statement.body));
        if fails && self.server.has(statement.id) {
            return self.parse_again(buffer, message, &statement);
        }
        self.client.counters.add(Count::ClientParses, 1);
        self.client.statements.parse(name, named, self.server.outstanding.sequence_number());
        if self.server.has(statement.id) {
            return self.answer(buffer, message, LocalReply::ParseComplete);
        }
        self.server.up.skip(buffer, message.present);
        prepare(self.server, &statement, Owed::forward(Expect::Parse(Some(statement.id))));
        self.client.counters.add(Count::ServerParses, 1);
    }

    /// A statement whose name is taken on the server, or can be in a failed transaction, too.
    fn stand_in(&mut self, wanted: Rc<Statement>) -> Rc<Statement> {
        match self.server.has(wanted.id) {
            true => wanted,
            false => self.interner.intern(b"ROLLBACK\0\0\0", ""),
        }
    }

    /// Should the sequence that is sent now end in an error with this name, the name means this.
    pub(super) fn reword(&mut self, on_server: Box<[u8]>, meaning: Meaning) {
        let sequence_number = self.server.outstanding.sequence_number();
        self.client.in_flight().words.push_back(Word { sequence_number, on_server, meaning });
    }

    /// The name is taken: the server says so itself (42P05), being sent a name that is taken there too. It says first
    /// what else is wrong with the new statement.
    fn parse_again(&mut self, buffer: &mut Buffer, message: &Message, taken: &Rc<Statement>) {
        let unseen = &self.server.up.unseen(buffer)[HEADER_LEN..message.present];
        let name_end = unseen.iter().position(|&byte| byte == 0).unwrap_or_default();
        let body = unseen[name_end + 1..].to_vec();
        self.server.up.skip(buffer, message.present);
        self.ensure(taken);
        self.owe(FrontendTag::Bind);
        write_parse(self.server.up.outbox.writer(), &taken.name, &body);
    }

    fn bind(&mut self, buffer: &mut Buffer, message: &Message) -> Result<(), UpstreamError> {
        let unseen = &self.server.up.unseen(buffer)[..message.present];
        let head = BindHead::read(unseen).ok_or(FrameError::Body(b'B'))?;
        if self.server.outstanding.is_skipping() {
            self.forward(buffer, message);
            return Ok(());
        }
        self.look_for_prepared_reset(head.statement);
        match self.bound_uses(head.statement) {
            Some(uses) => {
                self.give(buffer, &uses);
                self.bind_known(buffer, message)
            }
            None => self.bind_known(buffer, message),
        }
    }

    fn bind_known(&mut self, buffer: &mut Buffer, message: &Message) -> Result<(), UpstreamError> {
        let unseen = &self.server.up.unseen(buffer)[..message.present];
        let head = BindHead::read(unseen).ok_or(FrameError::Body(b'B'))?;
        if head.statement.is_empty() {
            self.bind_unnamed(buffer);
        } else if let Some(named) = self.named(head.statement) {
            self.keep_first_use(buffer, head.statement, &named);
            let (portal, len) = (head.portal.to_vec(), head.len);
            if self.server.report.is_none() {
                self.client.holds = self.client.holds.with(named.holds);
            }
            self.server.up.skip(buffer, len);
            self.ensure(&named.statement);
            self.client.counters.add(Count::Binds, 1);
            self.owe(FrontendTag::Bind);
            let rest_len = message.header.message_len() - len;
            let out = self.server.up.outbox.writer();
            write_bind_head(out, &portal, &named.statement.name, rest_len);
            self.server.up.forward(buffer, message.present - len, rest_len);
            return Ok(());
        }
        self.owe(FrontendTag::Bind);
        self.forward(buffer, message);
        Ok(())
    }

    fn describe(&mut self, buffer: &mut Buffer, message: &Message) -> Result<(), UpstreamError> {
        let unseen = &self.server.up.unseen(buffer)[..message.present];
        let (subject, name) = read_subject(unseen)?;
        match self.bound_uses(name).filter(|_| subject == Subject::Statement) {
            Some(uses) => {
                self.give(buffer, &uses);
                self.describe_known(buffer, message)
            }
            None => self.describe_known(buffer, message),
        }
    }

    fn describe_known(
        &mut self,
        buffer: &mut Buffer,
        message: &Message,
    ) -> Result<(), UpstreamError> {
        let unseen = &self.server.up.unseen(buffer)[..message.present];
        let (subject, name) = read_subject(unseen)?;
        let skipping = self.server.outstanding.is_skipping();
        if subject == Subject::Statement && !skipping {
            if name.is_empty() {
                self.bind_unnamed(buffer);
            } else if let Some(named) = self.named(name) {
                self.keep_first_use(buffer, name, &named);
                self.server.up.skip(buffer, message.present);
                self.ensure(&named.statement);
                self.owe(FrontendTag::Describe);
                write_subject(self.server.up.outbox.writer(), b'D', &named.statement.name);
                return Ok(());
            }
        }
        self.owe(FrontendTag::Describe);
        self.forward(buffer, message);
        Ok(())
    }

    fn close(&mut self, buffer: &mut Buffer, message: &Message) -> Result<(), UpstreamError> {
        let unseen = &self.server.up.unseen(buffer)[..message.present];
        let (subject, name) = read_subject(unseen)?;
        if subject == Subject::Statement && !self.server.outstanding.is_skipping() {
            let sequence_number = self.server.outstanding.sequence_number();
            if name.is_empty() {
                self.client.statements.replace_unnamed(None, sequence_number);
                self.answer(buffer, message, LocalReply::CloseComplete);
                return Ok(());
            }
            if self.client.statements.close(name, sequence_number) {
                let name = name.to_vec();
                self.take_back(buffer, &name);
                self.answer(buffer, message, LocalReply::CloseComplete);
                return Ok(());
            }
        }
        self.owe(FrontendTag::Close);
        self.forward(buffer, message);
        Ok(())
    }

    /// Makes sure that the server has the statement. The flow's run so far is in the outbox already.
    fn ensure(&mut self, statement: &Rc<Statement>) {
        let due = Owed::swallow(Expect::Parse(Some(statement.id)));
        self.client.counters.add(Count::ServerParses, prepare(self.server, statement, due).into());
    }
}
