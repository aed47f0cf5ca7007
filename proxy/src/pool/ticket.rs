//! The budget as pools of all threads share it: each pool has a ticket, and each worker a letter box.
//!
//! Locked only when a connection is opened or closed, or while somebody waits for room. Must not know clients.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;

use crate::pool::budget::{BudgetState, Limits, MemberId, Scope, Spare};
use crate::pool::shell::PoolKey;

/// The budget of the process.
#[derive(Debug)]
pub struct Budget {
    state: Mutex<BudgetState>,
    /// How many claims there are, for a look without the lock.
    claims: AtomicUsize,
    boxes: Mutex<Vec<mpsc::UnboundedSender<Letter>>>,
}

/// What a worker's pools are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Letter {
    /// A claim was put in: idle connections may have to go.
    MakeRoom,
    /// The pool with this ticket may open one more.
    Granted(MemberId),
}

/// One pool's part in the budget; what it has is free again when this is dropped.
#[derive(Debug)]
pub struct Ticket {
    id: MemberId,
    budget: Arc<Budget>,
}

impl Budget {
    /// A budget of these limits.
    pub fn new(limits: Limits) -> Arc<Self> {
        let state = Mutex::new(BudgetState::new(limits));
        Arc::new(Self { state, claims: AtomicUsize::new(0), boxes: Mutex::default() })
    }

    /// The limits.
    pub fn limits(&self) -> Limits {
        self.lock().limits().clone()
    }

    /// The limit of what has this name.
    pub fn max_of(&self, scope: Scope, name: &str) -> Option<usize> {
        self.lock().limits().max(scope, name)
    }

    /// Changes the limits.
    pub fn set_limits(&self, limits: Limits) {
        self.change(|state| state.set_limits(limits));
    }

    /// Where a worker reads what its pools are told.
    pub fn letter_box(&self) -> mpsc::UnboundedReceiver<Letter> {
        let (sender, letters) = mpsc::unbounded_channel();
        self.boxes.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
        letters
    }

    /// A ticket for a pool with this minimum.
    pub fn join(self: &Arc<Self>, key: &PoolKey, server: &str, min: usize) -> Ticket {
        Ticket { id: self.lock().join(key, server, min), budget: Arc::clone(self) }
    }

    fn lock(&self) -> MutexGuard<'_, BudgetState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something under the lock and tells all workers what it grants; each finds its own pools among them.
    fn change(&self, act: impl FnOnce(&mut BudgetState) -> Vec<MemberId>) {
        let granted = {
            let mut state = self.lock();
            let granted = act(&mut state);
            self.claims.store(state.claims_len(), Ordering::Relaxed);
            granted
        };
        granted.into_iter().for_each(|id| self.tell(Letter::Granted(id)));
    }

    fn tell(&self, letter: Letter) {
        let mut boxes = self.boxes.lock().unwrap_or_else(PoisonError::into_inner);
        boxes.retain(|worker| worker.send(letter).is_ok());
    }
}

impl Ticket {
    /// Names the pool in letters.
    pub fn id(&self) -> MemberId {
        self.id
    }

    /// One connection more, or the limit in the way and its value.
    pub fn take(&self) -> Result<(), (Scope, usize)> {
        let mut state = self.budget.lock();
        state.take(self.id).map_err(|scope| (scope, state.max(self.id, scope)))
    }

    /// The same; without room the pool is told as soon as there is some.
    pub fn claim(&self) -> bool {
        let mut is_new = false;
        let mut taken = false;
        self.budget.change(|state| {
            let before = state.claims_len();
            taken = state.claim(self.id).is_ok();
            is_new = state.claims_len() > before;
            Vec::new()
        });
        if is_new {
            self.budget.tell(Letter::MakeRoom);
        }
        taken
    }

    /// Takes a claim back that nobody waits for any more.
    pub fn withdraw(&self) {
        self.budget.change(|state| {
            state.withdraw(self.id);
            Vec::new()
        });
    }

    /// Says how many connections the pool has.
    pub fn settle(&self, total: usize) {
        self.budget.change(|state| state.settle(self.id, total));
    }

    /// Says where the pool's connections go from now on, and its minimum.
    pub fn amend(&self, server: &str, min: usize) {
        self.budget.change(|state| state.amend(self.id, server, min));
    }

    /// Says that the pool knows of one grant.
    pub fn take_up(&self) {
        self.budget.lock().take_up(self.id);
    }

    /// The limit that the pool waits for, and its value. Costs nothing while nobody waits for room.
    pub fn short_of(&self) -> Option<(Scope, usize)> {
        if self.budget.claims.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let state = self.budget.lock();
        let scope = state.short_of(self.id)?;
        Some((scope, state.max(self.id, scope)))
    }

    /// Whether the pool has to close a connection for another pool. Costs nothing while nobody waits for room.
    pub fn yields(&self, spare: Spare) -> bool {
        self.budget.claims.load(Ordering::Relaxed) > 0 && self.budget.lock().yields(self.id, spare)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.budget.change(|state| state.leave(self.id));
    }
}
