//! The bytes between one client and one server connection, both ways at once, until the connection may change hands.
//!
//! INVARIANT I2: neither direction waits for the other, except through the back-pressure of a socket that is full.
//! Must not know how a server connection is got or given back.

use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll};

use crate::backend::server::{Server, ServerFault};
use crate::backend::settings::Settings;
use crate::net::flow::poll_fill;
use crate::pool::counters::Count;
use crate::pool::roster::ClientEntry;
use crate::pool::{Pool, PoolMode};
use crate::session::client::Client;
use crate::session::downstream::Downstream;
use crate::session::meter::Meter;
use crate::session::resetting::{Resetting, Unsure};
use crate::session::slot::Slot;
use crate::session::upstream::{Upstream, UpstreamError, Wish};

/// Bytes of answers that may wait for the client to read, before nothing more is read from it.
const ANSWERS_LEN_MAX: usize = 256 * 1024;

/// How a relay ended.
#[derive(Debug)]
pub enum RelayEnd {
    /// The server owes nothing and nothing holds it: it may serve somebody else (I1).
    Released,
    /// The client's settings are to be given to the server connection, which it keeps.
    Reset(Rc<Settings>),
    /// Settings may have been taken back, and the client waits for its ReadyForQuery.
    Withheld(Unsure),
    /// The client said goodbye.
    Left,
    /// The client is gone without a word.
    ClientLost,
    /// The client sent what cannot be passed on.
    ClientRefused(UpstreamError),
    /// The server connection failed.
    ServerLost(ServerFault),
}

/// What a relay works on.
pub struct Relay<'a> {
    /// The one side.
    pub client: &'a mut Client,
    /// The other side.
    pub server: &'a mut Server,
    /// Whose statements are shared.
    pub pool: &'a Rc<Pool>,
    /// Where the session is told to end.
    pub slot: &'a Slot,
    /// Set when the server takes no more bytes: what it says last is still read.
    pub upstream: Direction,
    /// What others see of the client.
    pub entry: &'a ClientEntry,
    /// Measures how long it takes.
    pub meter: Meter,
}

/// Whether a direction is still open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Bytes go through.
    Open,
    /// The sink is gone.
    Broken,
}

impl Relay<'_> {
    /// Moves bytes until the relay ends.
    ///
    /// # Cancel safety
    /// Dropped midway, client and server keep what was read and what is owed; the server's guard cleans up.
    pub async fn run(mut self) -> RelayEnd {
        let end = poll_fn(|cx| self.poll(cx)).await;
        self.meter.stop(self.entry);
        end
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<RelayEnd> {
        let end = self.poll_both(cx);
        self.meter.look(self.entry, self.server, self.client.holds);
        end
    }

    fn poll_both(&mut self, cx: &mut Context<'_>) -> Poll<RelayEnd> {
        self.slot.watch(cx);
        loop {
            let mut wish = Wish::Continue;
            if self.upstream == Direction::Open {
                match self.poll_up(cx) {
                    Ok(found) => wish = found,
                    Err(end) => return Poll::Ready(end),
                }
            }
            match self.poll_down(cx) {
                Ok(Poll::Pending) => {}
                Ok(Poll::Ready(())) => return Poll::Ready(RelayEnd::Released),
                Err(end) => return Poll::Ready(end),
            }
            if let Some(end) = self.due_reset() {
                return Poll::Ready(end);
            }
            if self.client.has_to_send_again() {
                continue;
            }
            // What waited for the replies that have just come goes on.
            let is_ready_owed = self.server.outstanding.is_ready_owed();
            let waits = is_ready_owed
                || self.client.reset.keeps_back(is_ready_owed)
                || self.server.awaits_cancel();
            let goes_on = match wish {
                Wish::Wait => !waits,
                Wish::Rest => !self.is_behind(),
                Wish::Continue | Wish::Leave => false,
            };
            if !goes_on {
                return Poll::Pending;
            }
        }
    }

    /// Client to server, as far as both sockets go without waiting.
    fn poll_up(&mut self, cx: &mut Context<'_>) -> Result<Wish, RelayEnd> {
        loop {
            if self.is_behind() {
                return Ok(Wish::Rest);
            }
            let wish = self.decide()?;
            if wish == Wish::Leave {
                self.keep_unsent();
                return Err(RelayEnd::Left);
            }
            match self.server.up.poll_write(&mut self.client.buffer, &mut self.server.stream, cx) {
                Poll::Pending => return Ok(wish),
                Poll::Ready(Ok(())) if wish == Wish::Wait => return Ok(wish),
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => {
                    self.upstream = Direction::Broken;
                    return Ok(Wish::Continue);
                }
            }
            match poll_fill(&mut self.client.stream, &mut self.client.buffer, cx) {
                Poll::Pending => return Ok(wish),
                Poll::Ready(Ok(len)) if len > 0 => {
                    self.client.counters.add(Count::ReceivedBytes, len as u64);
                }
                Poll::Ready(_) => {
                    self.keep_unsent();
                    return Err(RelayEnd::ClientLost);
                }
            }
        }
    }

    /// INVARIANT I7: answers that the proxy gives itself meet no back-pressure of a server.
    fn is_behind(&self) -> bool {
        self.client.down.outbox.unsent().len() > ANSWERS_LEN_MAX
    }

    fn decide(&mut self) -> Result<Wish, RelayEnd> {
        if self.client.buffer.is_none() {
            return Ok(Wish::Continue);
        }
        let mut upstream = Upstream {
            client: self.client,
            server: self.server,
            interner: &mut self.pool.interner.borrow_mut(),
            mode: self.entry.mode,
        };
        upstream.process().map_err(RelayEnd::ClientRefused)
    }

    /// Complete messages that were recorded as sent are kept for the clean-up to send, now that the buffer goes away.
    fn keep_unsent(&mut self) {
        if let Some(buffer) = &mut self.client.buffer {
            self.server.up.spill(buffer);
        }
    }

    /// Server to client, as far as both sockets go without waiting. Ready when the server connection is free.
    fn poll_down(&mut self, cx: &mut Context<'_>) -> Result<Poll<()>, RelayEnd> {
        loop {
            let mut downstream = Downstream {
                client: self.client,
                server: self.server,
                overdue: self.entry.overdue.get(),
            };
            downstream.process().map_err(RelayEnd::ServerLost)?;
            match self.client.down.poll_write(&mut self.server.buffer, &mut self.client.stream, cx)
            {
                Poll::Pending => return Ok(Poll::Pending),
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => return Err(RelayEnd::ClientLost),
            }
            if self.is_free() {
                return Ok(Poll::Ready(()));
            }
            match poll_fill(&mut self.server.stream, &mut self.server.buffer, cx) {
                Poll::Pending => return Ok(Poll::Pending),
                Poll::Ready(Ok(len)) if len > 0 => {
                    self.client.counters.add(Count::SentBytes, len as u64);
                }
                Poll::Ready(end) => return Err(RelayEnd::ServerLost(fault(end))),
            }
        }
    }

    /// A RESET whose effect this connection still has to be given, once it is at rest.
    fn due_reset(&mut self) -> Option<RelayEnd> {
        let is_clear = self.client.down.is_clear();
        match std::mem::take(&mut self.client.reset) {
            Resetting::Due(settings) if is_clear && self.server.is_at_rest() => {
                Some(RelayEnd::Reset(settings))
            }
            Resetting::Withheld(unsure) if is_clear && self.server.is_answered() => {
                Some(RelayEnd::Withheld(unsure))
            }
            other => {
                self.client.reset = other;
                None
            }
        }
    }

    /// INVARIANT I1.
    fn is_free(&self) -> bool {
        let held = !self.client.holds.is_none() || !self.server.reasons().is_empty();
        let shared = self.entry.mode == PoolMode::Transaction && !held;
        let is_told = self.client.down.is_clear() && !self.client.reset.is_withheld();
        (shared || self.slot.is_ending()) && self.server.is_at_rest() && is_told
    }
}

fn fault(end: io::Result<usize>) -> ServerFault {
    match end {
        Ok(_) => ServerFault::Closed,
        Err(error) => ServerFault::Io(error),
    }
}
