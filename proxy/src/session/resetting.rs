//! RESET on a server connection that cannot be given a client's start: it goes back to the settings that the connection was
//! started with, and the proxy makes good the difference to those that the client started with.
//!
//! Must not know sockets. Server connections with the extension need nothing of this (`backend::start`).

use std::rc::Rc;

use crate::backend::settings::Settings;
use crate::pool::PoolMode;
use crate::router::command::{Reset, ends_with_reset_all, reset, resets};
use crate::router::holds::Holds;
use crate::session::upstream::{Message, Upstream};
use crate::wire::buffer::Buffer;
use crate::wire::frontend::{BindHead, query_of};
use crate::wire::header::HEADER_LEN;
use crate::wire::tag::FrontendTag;

/// Where a RESET stands. A server connection returns to the settings it was started with, a client's session to those
/// that the client started with: the difference is made good when the reset is over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Resetting {
    /// Nothing is being reset.
    #[default]
    No,
    /// The statement was sent.
    Sent(Reset),
    /// The server has run it, and will report the values it went back to: the client is told `to` instead of them.
    Run {
        /// What the client was told before.
        from: Rc<Settings>,
        /// What holds from now on.
        to: Rc<Settings>,
    },
    /// A statement was sent that may take settings back, which ones is not known.
    Unsure(Unsure),
    /// It was run, and its ReadyForQuery is withheld until the settings are again those that the client's session goes
    /// back to.
    Withheld(Unsure),
    /// The client was told; the server connection is to be brought into line with these.
    Due(Rc<Settings>),
}

/// What there was before a statement that may take settings back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsure {
    /// What the client was told before.
    pub from: Rc<Settings>,
    /// What holds no more when the statement has succeeded outside of a transaction block.
    pub frees: Holds,
}

impl Resetting {
    /// True while the client waits for a ReadyForQuery that the server has sent.
    pub fn is_withheld(&self) -> bool {
        matches!(self, Self::Withheld(_))
    }

    /// True when nothing else may be sent before the settings are in line again. `is_ready_owed` says whether the
    /// statement is on its way as a whole.
    pub fn keeps_back(&self, is_ready_owed: bool) -> bool {
        match self {
            Self::No => false,
            Self::Due(_) | Self::Withheld(_) => true,
            Self::Sent(_) | Self::Unsure(_) | Self::Run { .. } => is_ready_owed,
        }
    }
}

impl Upstream<'_> {
    /// True for a RESET of settings and nothing else, which is then waited for.
    pub(super) fn is_reset(&mut self, sql: &[u8]) -> bool {
        if self.server.resets_by_itself() || !self.server.is_at_rest() {
            return false;
        }
        let Some(reset) = reset(sql) else { return false };
        self.client.reset = Resetting::Sent(reset);
        true
    }

    /// Notes that a text of several statements may take settings back.
    pub(super) fn look_for_reset(&mut self, sql: &[u8]) {
        if !self.server.resets_by_itself() && resets(sql) {
            let frees = if ends_with_reset_all(sql) { Holds::SETTING } else { Holds::NONE };
            self.begin_unsure(frees);
        }
    }

    /// As [`Self::look_for_reset`], for a prepared statement that is run.
    pub(super) fn look_for_prepared_reset(&mut self, name: &[u8]) {
        if !self.server.resets_by_itself() && self.statement_resets(name) {
            self.begin_unsure(Holds::NONE);
        }
    }

    /// True for what takes settings back to where the proxy has to bring others.
    pub(super) fn resets(&self, buffer: &Buffer, message: &Message) -> bool {
        if self.server.resets_by_itself() {
            return false;
        }
        let seen = &self.server.up.unseen(buffer)[..message.present];
        match (message.tag, self.mode) {
            (FrontendTag::Query, _) => resets(query_of(&seen[HEADER_LEN..])),
            (FrontendTag::Bind, PoolMode::Transaction) => {
                BindHead::read(seen).is_some_and(|head| self.statement_resets(head.statement))
            }
            _ => false,
        }
    }

    fn statement_resets(&self, name: &[u8]) -> bool {
        let statements = &self.client.statements;
        match name {
            b"" => statements.unnamed().is_some_and(|unnamed| resets(unnamed.query())),
            _ => statements.get(name).is_some_and(|named| named.resets),
        }
    }

    /// Notes that settings may be taken back by what is sent now.
    fn begin_unsure(&mut self, frees: Holds) {
        if self.client.reset == Resetting::No {
            let from = Rc::clone(&self.server.settings);
            self.client.reset = Resetting::Unsure(Unsure { from, frees });
        }
    }
}
