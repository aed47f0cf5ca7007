//! One PostgreSQL connection past its login, and everything that is known about its state.
//!
//! Must not know which client it serves, nor which pool it came from.

use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Instant;

use crate::backend::dial::{BackendKey, Dialed};
use crate::backend::prepared::Prepared;
use crate::backend::report::{News, Report, is_report};
use crate::backend::settings::{Settings, is_fact};
use crate::backend::start::Start;
use crate::backend::statement::{SchemaEpoch, Statement, StatementLimits};
use crate::backend::target::Target;
use crate::backend::unnamed::Unnamed;
use crate::backend::vitals::Vitals;
use crate::error::SqlState;
use crate::net::flow::{Flow, poll_fill};
use crate::net::stream::ServerStream;
use crate::wire::buffer::Buffer;
use crate::wire::error_response::{ServerError, is_changed_shape};
use crate::wire::frontend;
use crate::wire::header::{FrameError, HEADER_LEN, Header};
use crate::wire::outstanding::{Answer, Expect, LocalReply, Outstanding, Owed, StatementId};
use crate::wire::tag::{BackendTag, TransactionStatus};

/// Whether the next client may meet this connection as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Taint {
    /// Nothing but tracked settings and shared statements was left behind.
    #[default]
    Clean,
    /// A client may have left session state: `DISCARD ALL` comes before the next client.
    Dirty,
}

/// What becomes of statements still running when the client is gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unfinished {
    /// The client said goodbye: PostgreSQL finishes what was sent before that.
    #[default]
    Finish,
    /// The client vanished: nobody waits for the result.
    Cancel,
}

/// Whether the open transaction has changed shapes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Reshaping {
    #[default]
    No,
    InTransaction,
}

/// One server connection.
#[derive(Debug)]
pub struct Server {
    /// The socket.
    pub stream: ServerStream,
    /// Bytes read and not yet passed on.
    pub buffer: Option<Buffer>,
    /// What it still owes.
    pub outstanding: Outstanding,
    /// Bytes on their way to it.
    pub up: Flow,
    /// The shared statements it has.
    pub prepared: Prepared,
    /// Whose unnamed statement it has.
    pub unnamed: Unnamed,
    /// Whether it needs `DISCARD ALL`.
    pub taint: Taint,
    /// What a clean-up does with statements that still run.
    pub unfinished: Unfinished,
    /// What its session's settings are now.
    pub settings: Rc<Settings>,
    /// What they are after `DISCARD ALL`.
    pub defaults: Rc<Settings>,
    /// Where it was dialled.
    pub target: Arc<Target>,
    /// Its key for CancelRequest.
    pub key: Rc<BackendKey>,
    /// Cancel requests on their way; it serves no other client until they have arrived.
    pub cancels: Rc<Cell<u32>>,
    /// When it was connected.
    pub created_at: Instant,
    /// When it is to be replaced.
    pub retires_at: Option<Instant>,
    /// When it was last given back.
    pub idle_since: Instant,
    /// When it last passed a test.
    pub tested_at: Instant,
    /// How many times a client got it.
    pub uses: u32,
    /// What others see of it.
    pub vitals: Rc<Vitals>,
    /// All parameters it reported at login, for the greeting of clients; facts as they are now.
    pub greeting: Rc<Vec<(String, String)>>,
    /// What the extension says about the session; none when the server does not have it.
    pub report: Option<Box<Report>>,
    /// The start of its session, where the extension can give it one.
    pub start: Option<Box<Start>>,
    /// Moves on when the shapes of tables in its database change.
    pub schema: SchemaEpoch,
    status: TransactionStatus,
    passing: usize,
    last_error: Option<ServerError>,
    reshaping: Reshaping,
}

/// Why a server connection is of no more use.
#[derive(Debug, thiserror::Error)]
pub enum ServerFault {
    /// The socket failed.
    #[error("connection to the server was lost: {0}")]
    Io(#[from] io::Error),
    /// It closed the connection.
    #[error("the server closed the connection")]
    Closed,
    /// It sent something that is no message.
    #[error("the server broke the protocol: {0}")]
    Frame(#[from] FrameError),
    /// It refused a statement of the proxy.
    #[error("the server refused a statement of the proxy: {}", .0.message)]
    Refused(ServerError),
}

impl Server {
    /// Takes over a connection that [`crate::backend::dial::dial`] made.
    pub fn new(dialed: Dialed, target: Arc<Target>, limits: StatementLimits) -> Self {
        let (report, parameters) = Report::split(dialed.parameters);
        let defaults = Rc::new(Settings::from_reported(&parameters));
        let start = Start::new(dialed.start_key, Rc::clone(&defaults));
        let start = report.is_some().then(|| Box::new(start));
        let key = Rc::new(dialed.key);
        let vitals = Vitals::new(Rc::clone(&key), &dialed.stream, report.as_deref());
        Self {
            stream: dialed.stream,
            buffer: None,
            outstanding: Outstanding::default(),
            up: Flow::default(),
            prepared: Prepared::new(limits),
            unnamed: Unnamed::default(),
            taint: Taint::Clean,
            unfinished: Unfinished::Finish,
            settings: Rc::clone(&defaults),
            defaults,
            target,
            key,
            cancels: Rc::clone(&vitals.cancels),
            vitals,
            created_at: Instant::now(),
            retires_at: None,
            idle_since: Instant::now(),
            tested_at: Instant::now(),
            uses: 0,
            greeting: Rc::new(parameters),
            report,
            start,
            schema: SchemaEpoch::default(),
            status: TransactionStatus::Idle,
            passing: 0,
            last_error: None,
            reshaping: Reshaping::No,
        }
    }

    /// The status byte of the last ReadyForQuery.
    pub fn status(&self) -> TransactionStatus {
        self.status
    }

    /// The severity FATAL was the last thing it said: what follows is the end of the connection.
    pub fn said_farewell(&self) -> bool {
        self.last_error.as_ref().is_some_and(ServerError::is_fatal)
    }

    /// INVARIANT I6: why the client must keep the connection, as far as the server says so itself.
    pub fn reasons(&self) -> &str {
        self.report.as_ref().map_or("", |report| report.reasons())
    }

    /// INVARIANT I1, the server's half: nothing owed, no transaction, nothing half sent either way.
    pub fn is_at_rest(&self) -> bool {
        self.status == TransactionStatus::Idle && self.is_answered()
    }

    /// True when it refuses everything but the end of its transaction (25P02).
    pub fn has_failed(&self) -> bool {
        self.status == TransactionStatus::Failed && self.is_answered()
    }

    /// True when everything sent was answered, be it inside a transaction.
    pub fn is_answered(&self) -> bool {
        self.outstanding.is_settled() && self.up.is_clear() && self.passing == 0
    }

    /// True when the server has this statement, or will have it unless an error makes void what is sent now, too.
    pub fn has(&mut self, id: StatementId) -> bool {
        self.prepared.touch(id, self.outstanding.sequence_number())
    }

    /// True when a cancel request on its way would hit what is sent next: nothing else is left for it to hit.
    pub fn awaits_cancel(&self) -> bool {
        self.cancels.get() > 0 && self.outstanding.is_settled()
    }

    /// True when the server has only a part of a message: nothing but closing can mend that (I4).
    pub fn is_half_sent(&self) -> bool {
        self.up.is_inside_message()
    }

    /// Bytes of the current reply that are still to come.
    pub fn passing(&mut self) -> &mut usize {
        &mut self.passing
    }

    /// Takes note of one reply, of which `message` holds all or at least the header, and says who gets it.
    /// Client requests made void by an error are handed to `on_void`.
    pub fn observe(
        &mut self,
        tag: BackendTag,
        message: &[u8],
        on_void: &mut dyn FnMut(Owed),
    ) -> Answer {
        match tag {
            BackendTag::ReadyForQuery => self.observe_status(message),
            BackendTag::ParameterStatus => self.observe_parameter(message),
            BackendTag::ErrorResponse => self.observe_error(message),
            BackendTag::CommandComplete => self.observe_command(message),
            _ => {}
        }
        let Self { prepared, unnamed, outstanding, .. } = self;
        // An error is about the first that it makes void; the server ignores the rest.
        let mut is_refused = tag == BackendTag::ErrorResponse;
        let answer = outstanding.reply(tag, &mut |owed| {
            match owed.expect {
                Expect::Parse(Some(id)) => prepared.refused(id),
                Expect::Parse(None) if is_refused => unnamed.refuse(),
                Expect::Parse(None) | Expect::Local(LocalReply::Nothing) => unnamed.revert(),
                Expect::Close(Some(id)) => prepared.keep(id),
                _ => {}
            }
            is_refused = false;
            on_void(owed);
        });
        match answer.completed {
            Some(Expect::Parse(Some(id))) => prepared.accepted(id),
            Some(Expect::Parse(None)) => unnamed.settle(),
            Some(Expect::Close(Some(id))) => prepared.closed(id),
            _ => {}
        }
        answer
    }

    /// Runs statements of the proxy's own and waits for the end of their replies.
    ///
    /// # Cancel safety
    /// Not cancel safe: dropped midway, the connection owes replies and has to be reset or closed.
    pub async fn execute(&mut self, sql: &str) -> Result<(), ServerFault> {
        self.last_error = None;
        frontend::write_query(self.up.outbox.writer(), sql);
        self.unnamed.clear();
        // INVARIANT I1: recorded before the first byte is written.
        self.outstanding.push(Owed::swallow(Expect::Query));
        self.drain().await?;
        self.last_error.take().map_or(Ok(()), |error| Err(ServerFault::Refused(error)))
    }

    /// Brings the session's settings into line with `wanted`.
    ///
    /// # Cancel safety
    /// As [`Self::execute`].
    pub async fn sync_settings(&mut self, wanted: &Rc<Settings>) -> Result<(), ServerFault> {
        let Some(sql) = wanted.sync_sql(&self.settings) else {
            self.settings = Rc::clone(wanted);
            return Ok(());
        };
        self.execute(&sql).await?;
        // The server has reported how it spells the values it understood; the others are as they were asked for.
        let reported = if self.report.is_some() { &self.settings } else { &self.defaults };
        let actual = wanted.respelled(&self.settings, reported);
        self.settings = if actual == **wanted { Rc::clone(wanted) } else { Rc::new(actual) };
        Ok(())
    }

    /// Sends what is unsent, then reads and drops replies until nothing is owed.
    ///
    /// # Cancel safety
    /// Cancel safe: all progress is kept in `self`.
    pub async fn drain(&mut self) -> Result<(), ServerFault> {
        let drained = poll_fn(|cx| self.poll_drain(cx)).await;
        if drained.is_err() {
            // Whatever it said last was dropped here: the client has not been told.
            self.last_error = None;
        }
        drained
    }

    /// Reads what an idle connection has said meanwhile. Fails when it has closed, or said what ends it.
    /// Costs no system call while the socket has shown no activity.
    pub fn check_idle(&mut self) -> Result<(), ServerFault> {
        let mut cx = Context::from_waker(Waker::noop());
        loop {
            match poll_fill(&mut self.stream, &mut self.buffer, &mut cx) {
                Poll::Pending => break,
                Poll::Ready(Ok(0)) => return Err(ServerFault::Closed),
                Poll::Ready(result) => result?,
            };
            self.skip_replies()?;
        }
        match self.last_error.take() {
            Some(error) => Err(ServerFault::Refused(error)),
            None => Ok(()),
        }
    }

    /// Says goodbye, as far as the socket takes it at once.
    pub fn say_goodbye(&mut self) {
        let mut cx = Context::from_waker(Waker::noop());
        if !self.is_half_sent() {
            self.up.outbox.push(&frontend::TERMINATE);
            let _ = self.up.poll_write(&mut None, &mut self.stream, &mut cx);
        }
    }

    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ServerFault>> {
        loop {
            let written = self.up.poll_write(&mut None, &mut self.stream, cx)?;
            if written.is_ready() && self.outstanding.is_settled() && self.passing == 0 {
                return Poll::Ready(Ok(()));
            }
            if ready!(poll_fill(&mut self.stream, &mut self.buffer, cx))? == 0 {
                return Poll::Ready(Err(ServerFault::Closed));
            }
            self.skip_replies()?;
            if self.outstanding.is_copying_in() {
                self.refuse_copy();
            }
        }
    }

    /// Observes and drops all replies that are in the buffer.
    fn skip_replies(&mut self) -> Result<(), ServerFault> {
        while let Some(mut buffer) = self.buffer.take() {
            let step = self.skip_reply(&mut buffer);
            if !buffer.is_empty() {
                self.buffer = Some(buffer);
            }
            if !step? {
                break;
            }
        }
        while self.next_local().is_some() {}
        Ok(())
    }

    /// Drops one reply or a part of one; false when more bytes are needed first.
    fn skip_reply(&mut self, buffer: &mut Buffer) -> Result<bool, ServerFault> {
        let len = self.passing.min(buffer.filled().len());
        if len > 0 {
            buffer.consume(len);
            self.passing -= len;
            return Ok(true);
        }
        let Some(header) = Header::read(buffer.filled()) else { return Ok(false) };
        header.backend()?;
        let (total, filled) = (header.message_len(), buffer.filled().len());
        if filled < total && total <= buffer.capacity() {
            return Ok(false);
        }
        let taken = total.min(filled);
        let tag = BackendTag::from_byte(header.tag);
        self.observe(tag, &buffer.filled()[..taken], &mut |_| ());
        buffer.consume(taken);
        self.passing = total - taken;
        Ok(true)
    }

    fn observe_status(&mut self, message: &[u8]) {
        self.vitals.answers.set(self.vitals.answers.get().wrapping_add(1));
        let byte = message.get(HEADER_LEN).copied().unwrap_or_default();
        // A server that sends no known status is taken to be inside a failed transaction: never reused as it is.
        self.status = TransactionStatus::from_byte(byte).unwrap_or(TransactionStatus::Failed);
        // Others see the new shape only now; what they prepared until now has the old one.
        if self.reshaping == Reshaping::InTransaction && self.status == TransactionStatus::Idle {
            self.reshaping = Reshaping::No;
            self.schema.advance();
        }
    }

    fn observe_parameter(&mut self, message: &[u8]) {
        let Some((name, value)) = parameter(message) else { return };
        if is_report(name) {
            return self.observe_report(name, value);
        }
        if is_fact(name) {
            return self.observe_fact(name, value);
        }
        if self.settings.get(name) != Some(value) {
            Rc::make_mut(&mut self.settings).report(name, value);
        }
    }

    /// A role that a client begins with may not be a superuser, and a replica may have been promoted.
    fn observe_fact(&mut self, name: &str, value: &str) {
        let differs = |(known, told): &(String, String)| known == name && told != value;
        if let Some(index) = self.greeting.iter().position(differs) {
            Rc::make_mut(&mut self.greeting)[index].1 = value.to_owned();
        }
    }

    fn observe_error(&mut self, message: &[u8]) {
        let error = ServerError::read(message);
        // A statement with an old shape: the client prepares it anew, and must not be given the old one again.
        if is_changed_shape(message) {
            self.schema.advance();
        }
        // Something hidden in a function has dropped statements: what the server has is no more known.
        let is_missing = error.sqlstate == SqlState::INVALID_SQL_STATEMENT_NAME;
        if is_missing && self.prepared.is_named_in(&error.message) {
            self.prepared.clear();
        }
        self.last_error = Some(error);
    }

    fn observe_report(&mut self, name: &str, value: &str) {
        let Some(report) = &mut self.report else { return };
        match report.take(name, value) {
            News::Settings => {
                let start = self.start.as_ref().and_then(|start| start.given());
                let start = start.unwrap_or(&self.defaults);
                let followed = self.settings.followed(report.settings(), &self.defaults, start);
                if followed != *self.settings {
                    self.settings = Rc::new(followed);
                }
            }
            News::Schema => self.schema.advance(),
            News::Session | News::Lsn | News::Unknown => {}
        }
    }

    /// Commands that change the shapes of tables, and those that drop statements for everybody who shares this connection.
    fn observe_command(&mut self, message: &[u8]) {
        match message.get(HEADER_LEN..) {
            Some(b"DISCARD ALL\0" | b"DEALLOCATE ALL\0") => self.prepared.clear(),
            Some(tag) if changes_shapes(tag) => self.reshaping = Reshaping::InTransaction,
            _ => {}
        }
    }
}

/// Appends to the outbox of `up` what makes the server have `statement`, unless it has it; others are evicted when there
/// are too many. `owed` is the Parse to be recorded: the client's own or one of the proxy.
///
/// The run of the flow so far must be in the outbox, and the server must not be skipping to a Sync.
/// False when there was nothing to append.
pub fn prepare(server: &mut Server, statement: &Rc<Statement>, owed: Owed) -> bool {
    if server.has(statement.id) {
        return false;
    }
    let sequence = server.outstanding.sequence_number();
    if server.prepared.prepare_again(statement.id, sequence) {
        // Whether the first Parse succeeds is not known; to close what is not there is no error.
        server.outstanding.push(Owed::swallow(Expect::Close(Some(statement.id))));
        frontend::write_subject(server.up.outbox.writer(), b'C', &statement.name);
    }
    while let Some(evicted) = server.prepared.evict(statement.body.len()) {
        server.outstanding.push(Owed::swallow(Expect::Close(Some(evicted.id))));
        frontend::write_subject(server.up.outbox.writer(), b'C', &evicted.name);
    }
    server.outstanding.push(owed);
    frontend::write_parse(server.up.outbox.writer(), &statement.name, &statement.body);
    server.prepared.insert(Rc::clone(statement), sequence);
    true
}

/// Command tags of data definition (tcop/cmdtaglist.h).
fn changes_shapes(tag: &[u8]) -> bool {
    [&b"CREATE "[..], b"ALTER ", b"DROP "].iter().any(|verb| tag.starts_with(verb))
}

pub(crate) fn parameter(message: &[u8]) -> Option<(&str, &str)> {
    let mut parts = message.get(HEADER_LEN..)?.split(|&byte| byte == 0);
    let name = std::str::from_utf8(parts.next()?).ok()?;
    let value = std::str::from_utf8(parts.next()?).ok()?;
    Some((name, value))
}
