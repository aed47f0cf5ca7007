//! How a pool keeps to the budget that all pools share: asking before it opens a connection, saying when it closed one, and
//! closing some for others.
//!
//! Must not know clients.

use std::rc::Rc;

use crate::pool::AcquireError;
use crate::pool::budget::Spare;
use crate::pool::registry::Registry;
use crate::pool::shell::{Chore, Pool};
use crate::pool::state::ConnectPermit;
use crate::pool::ticket::{Letter, Ticket};

/// What a connection is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Want {
    /// Clients that wait.
    Waiters,
    /// One that waits for too long.
    Overdue,
    /// The minimum; it can do without.
    Min(usize),
}

impl Pool {
    /// Has one connection opened, when it is wanted, the pool's maximum allows it and there is room in the budget.
    pub(super) fn open(self: &Rc<Self>, want: Want) -> bool {
        let permit = {
            let mut state = self.state.borrow_mut();
            match want {
                Want::Waiters => state.permit_for_waiters(),
                Want::Overdue => state.permit_for_overdue(),
                Want::Min(min) => state.permit_for_min(min),
            }
        };
        let Some(permit) = permit else { return false };
        let has_room = self.ticket.as_ref().is_none_or(|ticket| match want {
            Want::Waiters | Want::Overdue => ticket.claim(),
            Want::Min(_) => ticket.take().is_ok(),
        });
        match has_room {
            true => self.order(Chore::Connect(Rc::clone(self), permit)),
            false => self.state.borrow_mut().connect_failed(permit),
        }
        has_room
    }

    /// Tells the budget how many connections there are, after some were closed.
    pub(super) fn account(&self) {
        if let Some(ticket) = &self.ticket {
            ticket.settle(self.state.borrow().total());
        }
    }

    /// The same, and that nobody waits for room any more, when that is so.
    pub(super) fn account_for_all(&self) {
        self.account();
        let waits = self.state.borrow().waiting_len() > 0;
        if let Some(ticket) = self.ticket.as_ref().filter(|_| !waits) {
            ticket.withdraw();
        }
    }

    /// True when a connection that is free now is to be closed for another pool.
    pub(super) fn makes_room(&self) -> bool {
        let spare = match self.state.borrow().waiting_len() {
            0 => Spare::Idle,
            _ => Spare::Wanted,
        };
        self.ticket.as_ref().is_some_and(|ticket| ticket.yields(spare))
    }

    /// Why a client waited in vain, or cannot wait, when the budget is the reason.
    pub(super) fn limited(&self) -> Option<AcquireError> {
        let (scope, max) = self.ticket.as_ref()?.short_of()?;
        Some(AcquireError::Limited { scope, max })
    }

    /// Takes up what was granted, or gives it back when nobody waits for it any more.
    fn granted(self: &Rc<Self>, ticket: &Ticket) {
        ticket.take_up();
        match self.permit_for_anybody() {
            Some(permit) => self.order(Chore::Connect(Rc::clone(self), permit)),
            None => self.account(),
        }
        self.open_for_waiters();
    }

    fn permit_for_anybody(&self) -> Option<ConnectPermit> {
        let mut state = self.state.borrow_mut();
        state.permit_for_waiters().or_else(|| state.permit_for_overdue())
    }

    /// Closes idle connections, least recently used first, as long as other pools have a better claim to them.
    fn make_room(&self) {
        while self.state.borrow().idle_len() > 0 && self.makes_room() {
            let reaped = self.state.borrow_mut().reap(1, |_| true);
            reaped.into_iter().for_each(|mut server| server.say_goodbye());
            self.account();
        }
    }
}

impl Registry {
    /// Does what the budget tells the pools of this worker.
    pub(super) fn read(&self, letter: Letter) {
        let pools: Vec<_> = self.pools.borrow().values().map(Rc::clone).collect();
        match letter {
            Letter::MakeRoom => pools.iter().for_each(|pool| pool.make_room()),
            Letter::Granted(id) => {
                let meant = |pool: &&Rc<Pool>| pool.ticket.as_ref().is_some_and(|t| t.id() == id);
                if let Some(pool) = pools.iter().find(meant)
                    && let Some(ticket) = &pool.ticket
                {
                    pool.granted(ticket);
                }
            }
        }
    }
}
