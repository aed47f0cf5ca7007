//! A session after its login: request, server connection, relay, and again, until the client or the proxy ends it.
//!
//! Must not know sockets' bytes: the parts do, each in a file of its own.

use std::rc::Rc;
use std::time::Instant;

use tokio::time::timeout;

use crate::backend::server::{Server, ServerFault, Taint, Unfinished};
use crate::error::{ClientFacing, Severity, SqlState};
use crate::pool::overdue::{Overdue, Verdict};
use crate::pool::roster::Entered;
use crate::pool::shell::ClientGuard;
use crate::pool::{AcquireError, PoolMode, PooledServer};
use crate::session::client::{Client, Refusal};
use crate::session::downstream::changes_told;
use crate::session::local;
use crate::session::meter::Meter;
use crate::session::relay::{Direction, Relay, RelayEnd};
use crate::session::request::{self, Request, drop_message, front};
use crate::session::resetting::{Resetting, Unsure};
use crate::session::slot::OpenSlot;
use crate::session::upstream::UpstreamError;
use crate::wire::error_response::error_response;
use crate::wire::greeting::ready_for_query;
use crate::wire::header::FrameError;
use crate::wire::tag::{FrontendTag, TransactionStatus};

/// One client past its login, with everything it needs.
#[derive(Debug)]
pub struct Session {
    /// The client.
    pub client: Client,
    /// Where its server connections come from, and where it counts as a client.
    pub pool: ClientGuard,
    /// Where it is cancelled and told to end.
    pub open: OpenSlot,
    /// What others see of the client.
    pub entered: Entered,
    /// The server connection of a client that replicates.
    pub own: Option<Box<PooledServer>>,
}

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
pub enum SessionEnd {
    /// The client said goodbye.
    #[error("the client left")]
    Left,
    /// The client is gone.
    #[error("the client is gone")]
    Lost,
    /// The proxy shuts down.
    #[error("terminating connection due to administrator command")]
    Ending,
    /// It took too long.
    #[error("{}", .0.message())]
    TimedOut(Overdue),
    /// The client broke the protocol.
    #[error("{0}")]
    Malformed(#[from] FrameError),
    /// The client asked for more than it may.
    #[error("{0}")]
    Refused(UpstreamError),
    /// The server connection was lost while it served this client.
    #[error("the connection to the server was lost: {0}")]
    ServerLost(ServerFault),
    /// The server has said itself why it ended the session.
    #[error("the server ended the session")]
    ServerEnded,
}

impl Session {
    /// Serves the client until the session ends, and tells the client why.
    ///
    /// INVARIANT I7: an idle client costs what this future is large, so what is needed for a request only is in a box.
    ///
    /// # Cancel safety
    /// Dropped midway, the client sees its connection closed and the server connection is cleaned up.
    pub async fn run(&mut self) -> Box<SessionEnd> {
        let end = match self.own.take() {
            Some(server) => Box::pin(self.serve_apart_unless_killed(*server)).await,
            None => self.serve().await,
        };
        if end.is_to_be_told() {
            Box::pin(self.client.farewell(&*end)).await;
        }
        end
    }

    /// A session keeps the mode that it began with, because its statements live by it.
    fn mode(&self) -> PoolMode {
        self.entered.entry.mode
    }

    /// A client that replicates came with a server connection of its own.
    async fn serve_apart_unless_killed(&mut self, server: PooledServer) -> Box<SessionEnd> {
        let slot = Rc::clone(&self.open.slot);
        let end = slot.unless_killed(self.serve_apart(server)).await;
        end.unwrap_or_else(|| Box::new(self.ended()))
    }

    /// What the server connection did is no more the client's to cancel.
    fn ended(&self) -> SessionEnd {
        self.open.slot.rest();
        match self.entered.entry.overdue.get() {
            Some(overdue) if overdue.verdict == Verdict::End => SessionEnd::TimedOut(overdue),
            _ => SessionEnd::Ending,
        }
    }

    async fn serve(&mut self) -> Box<SessionEnd> {
        loop {
            let end = match request::next(&mut self.client, &self.open.slot).await {
                Request::Ready => self.request().await,
                Request::Left => Some(SessionEnd::Left),
                Request::Lost => Some(SessionEnd::Lost),
                Request::Ending => Some(self.ended()),
                Request::Malformed(error) => Some(SessionEnd::Malformed(error)),
            };
            if let Some(end) = end {
                return Box::new(end);
            }
        }
    }

    /// Deals with one request; none when the session goes on. The client counts as idle before and after.
    async fn request(&mut self) -> Option<SessionEnd> {
        self.entered.entry.rested_at.set(None);
        let end = Box::pin(self.answer_unless_killed()).await;
        let rested_at = &self.entered.entry.rested_at;
        rested_at.set(rested_at.get().or_else(|| Some(Instant::now())));
        end
    }

    async fn answer_unless_killed(&mut self) -> Option<SessionEnd> {
        let slot = Rc::clone(&self.open.slot);
        let end = slot.unless_killed(self.answer()).await;
        end.unwrap_or_else(|| Some(self.ended()))
    }

    async fn answer(&mut self) -> Option<SessionEnd> {
        let sent = match self.answer_locally() {
            Some(reply) => self.client.send(&reply).await,
            None => match self.pay_and_attach().await {
                Ok(Some(server)) => return self.relay(server).await,
                Ok(None) => return Some(SessionEnd::Lost),
                Err(error) => {
                    self.open.slot.rest();
                    self.refuse(&*error).await
                }
            },
        };
        sent.err().map(|_| SessionEnd::Lost)
    }

    /// A request that is not paid for waits for no server connection.
    async fn pay_and_attach(&mut self) -> Result<Option<PooledServer>, Box<dyn ClientFacing>> {
        self.pay_first().map_err(boxed)?;
        self.attach().await.map_err(boxed)
    }

    fn answer_locally(&mut self) -> Option<Vec<u8>> {
        let shared = self.mode() == PoolMode::Transaction;
        shared.then(|| local::answer(&mut self.client, &self.pool.interner.borrow())).flatten()
    }

    /// Gets a server connection and brings its settings into line with the client's. None when the client left the queue:
    /// nothing of its request has been sent.
    async fn attach(&mut self) -> Result<Option<PooledServer>, AcquireError> {
        let borrowed = match self.pool.borrow_at_once() {
            None => Box::pin(self.queue()).await?,
            borrowed => borrowed,
        };
        let Some(mut server) = borrowed else { return Ok(None) };
        let client = &self.client;
        let is_in_line = Rc::ptr_eq(&server.settings, &client.settings)
            && server.is_started_with(&client.startup_settings);
        if !is_in_line {
            self.open.slot.queue();
            let (started, wanted) = (&client.startup_settings, &client.settings);
            let line_up = self.pool.bring_into_line(server, started, wanted);
            server = Box::pin(line_up).await?;
        }
        if self.open.slot.is_cancelled() {
            return Err(AcquireError::Cancelled);
        }
        server.uses += 1;
        self.open.slot.serve(&server);
        self.entered.entry.attach(&server.vitals);
        Ok(Some(server))
    }

    /// Waits for a server connection; none when the client left.
    async fn queue(&mut self) -> Result<Option<PooledServer>, AcquireError> {
        let slot = Rc::clone(&self.open.slot);
        slot.queue();
        tokio::select! {
            biased;
            acquired = self.pool.acquire_for(&self.entered.entry) => acquired.map(Some),
            () = request::gone(&mut self.client) => Ok(None),
            () = slot.cancelled() => Err(AcquireError::Cancelled),
        }
    }

    /// Relays until the server connection is free (then none) or the session is at its end.
    pub(super) async fn relay(&mut self, mut server: PooledServer) -> Option<SessionEnd> {
        // INVARIANT I6: a session that is killed is dropped in here. Nobody waits for what it was doing, and what it held
        // is not known any more.
        let taint = std::mem::replace(&mut server.taint, Taint::Dirty);
        server.unfinished = Unfinished::Cancel;
        let end = self.relay_and_reset(&mut server).await;
        server.taint = taint;
        server.unfinished = Unfinished::Finish;
        self.detach(&mut server);
        match end {
            RelayEnd::Released | RelayEnd::Reset(_) | RelayEnd::Withheld(_) => None,
            RelayEnd::Left => Some(SessionEnd::Left),
            RelayEnd::ClientLost => {
                server.unfinished = Unfinished::Cancel;
                Some(SessionEnd::Lost)
            }
            RelayEnd::ClientRefused(error) => {
                server.unfinished = Unfinished::Cancel;
                Some(error.into())
            }
            RelayEnd::ServerLost(fault) => {
                let told = server.said_farewell();
                server.close();
                Some(if told { SessionEnd::ServerEnded } else { SessionEnd::ServerLost(fault) })
            }
        }
    }

    /// Relays; a session that keeps its server connection through a RESET gets its own settings back in between. What is
    /// rare is in boxes: each request pays for the size of this future.
    async fn relay_and_reset(&mut self, server: &mut Server) -> RelayEnd {
        loop {
            let relay = Relay {
                client: &mut self.client,
                server,
                pool: &self.pool,
                slot: &self.open.slot,
                upstream: Direction::Open,
                entry: &self.entered.entry,
                meter: Meter::default(),
            };
            match relay.run().await {
                RelayEnd::Reset(settings) => {
                    let patience = self.pool.terms().config.acquire_timeout;
                    match Box::pin(timeout(patience, server.sync_settings(&settings))).await {
                        Ok(Ok(())) => {}
                        Ok(Err(fault)) => return RelayEnd::ServerLost(fault),
                        Err(_) => return RelayEnd::ServerLost(ServerFault::Closed),
                    }
                }
                RelayEnd::Withheld(unsure) => {
                    if let Err(end) = Box::pin(self.end_withheld(server, unsure)).await {
                        return end;
                    }
                }
                end => return end,
            }
        }
    }

    /// Takes settings to the client's start instead of the server connection's, and gives the client the ReadyForQuery
    /// that it waits for.
    async fn end_withheld(&mut self, server: &mut Server, unsure: Unsure) -> Result<(), RelayEnd> {
        if let Some(sql) = self.client.startup_settings.restart_sql(&server.defaults) {
            let patience = self.pool.terms().config.acquire_timeout;
            let done = timeout(patience, server.execute(&sql)).await;
            done.unwrap_or(Err(ServerFault::Closed)).map_err(RelayEnd::ServerLost)?;
        }
        let status = server.status();
        if status == TransactionStatus::Idle {
            self.client.holds = self.client.holds.without(unsure.frees);
        }
        let mut reply = changes_told(&unsure.from, &server.settings, &server.defaults);
        reply.extend(ready_for_query(status));
        self.client.send(&reply).await.map_err(|_| RelayEnd::ClientLost)
    }

    /// INVARIANT I6: what may be left of the session taints the connection; what is tracked goes with the client.
    fn detach(&mut self, server: &mut Server) {
        self.open.slot.rest();
        let holds = std::mem::take(&mut self.client.holds);
        let is_held = !holds.is_none() || !server.reasons().is_empty();
        if is_held || server.prepared.has_own() || self.mode() == PoolMode::Session {
            server.taint = Taint::Dirty;
        }
        self.client.settings = match std::mem::take(&mut self.client.reset) {
            Resetting::Due(settings) => settings,
            _ => Rc::clone(&server.settings),
        };
        let entry = &self.entered.entry;
        entry.detach(&server.vitals);
        entry.note_settings(&self.client.settings);
        entry.statements.set(self.client.statements.len());
        server.vitals.statements.set(server.prepared.len());
    }

    /// Answers a request that got no server connection, as a server would have: one error, and ReadyForQuery at the end
    /// of the simple query or at the Sync.
    async fn refuse(&mut self, error: &dyn ClientFacing) -> std::io::Result<()> {
        let why = error.message();
        tracing::debug!(pool = %self.pool.key, why, "a request was refused");
        let mut reply = error_response(error);
        match front(&self.client) {
            Some((FrontendTag::Query | FrontendTag::FunctionCall | FrontendTag::Sync, total)) => {
                drop_message(&mut self.client, total);
                reply.extend(ready_for_query(TransactionStatus::Idle));
            }
            _ => self.client.refusal = Refusal::UntilSync,
        }
        self.client.send(&reply).await
    }
}

fn boxed(error: impl ClientFacing + 'static) -> Box<dyn ClientFacing> {
    Box::new(error)
}

impl SessionEnd {
    fn is_to_be_told(&self) -> bool {
        !matches!(self, Self::Left | Self::Lost | Self::ServerEnded)
    }
}

impl From<UpstreamError> for SessionEnd {
    fn from(error: UpstreamError) -> Self {
        match error {
            UpstreamError::Frame(error) => Self::Malformed(error),
            other => Self::Refused(other),
        }
    }
}

impl ClientFacing for SessionEnd {
    fn sqlstate(&self) -> SqlState {
        match self {
            Self::Malformed(_) => SqlState::PROTOCOL_VIOLATION,
            Self::TimedOut(overdue) => overdue.sqlstate(),
            Self::Refused(UpstreamError::TooFast(refusal)) => refusal.sqlstate(),
            Self::Refused(_) => SqlState::PROGRAM_LIMIT_EXCEEDED,
            Self::ServerLost(_) | Self::ServerEnded => SqlState::CONNECTION_FAILURE,
            Self::Left | Self::Lost | Self::Ending => SqlState::ADMIN_SHUTDOWN,
        }
    }

    fn severity(&self) -> Severity {
        Severity::Fatal
    }

    fn message(&self) -> String {
        match self {
            // The text of an input/output error is about the server's address: not for clients.
            Self::ServerLost(_) => "the connection to the server was lost".into(),
            other => other.to_string(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::TimedOut(overdue) => overdue.hint(),
            Self::ServerLost(_) => Some(
                "Connect again. Whether a statement that was running took effect is not known."
                    .into(),
            ),
            Self::Refused(UpstreamError::StatementTooLong(_)) => {
                Some("Pass large values as parameters instead of in the statement's text.".into())
            }
            Self::Refused(UpstreamError::TooFast(refusal)) => refusal.hint(),
            Self::Refused(UpstreamError::TooManyRequests) => {
                Some("Send a Sync and read the answers before sending more.".into())
            }
            _ => None,
        }
    }
}
