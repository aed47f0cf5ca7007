//! The channels that the session listens on, followed as `commands/async.c` does: what a transaction asks for holds when
//! it commits, and what a subtransaction asked for is dropped with it. Must not know how statements are seen.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ffi::{CString, c_int};

/// What a statement asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// LISTEN.
    Listen(CString),
    /// UNLISTEN.
    Unlisten(CString),
    /// UNLISTEN *, DISCARD ALL.
    UnlistenAll,
}

#[derive(Debug, Default)]
struct Channels {
    listening: BTreeSet<CString>,
    /// With the depth of the transaction that asked.
    pending: Vec<(c_int, Change)>,
}

thread_local! {
    static CHANNELS: RefCell<Channels> = RefCell::default();
}

/// True when the session listens.
pub(super) fn is_listening() -> bool {
    CHANNELS.with_borrow(|channels| !channels.listening.is_empty())
}

/// A transaction of this depth asks for a change.
pub(super) fn ask(depth: c_int, change: Change) {
    CHANNELS.with_borrow_mut(|channels| channels.pending.push((depth, change)));
}

/// The transaction has committed. True when it had asked for something.
pub(super) fn committed() -> bool {
    CHANNELS.with_borrow_mut(Channels::apply)
}

/// The transaction was rolled back.
pub(super) fn aborted() {
    CHANNELS.with_borrow_mut(|channels| channels.pending.clear());
}

/// A subtransaction of this depth has become part of the one around it.
pub(super) fn subtransaction_committed(depth: c_int) {
    CHANNELS.with_borrow_mut(|channels| {
        for (asked_at, _) in channels.pending.iter_mut().filter(|(at, _)| *at >= depth) {
            *asked_at = depth - 1;
        }
    });
}

/// A subtransaction of this depth was rolled back.
pub(super) fn subtransaction_aborted(depth: c_int) {
    CHANNELS.with_borrow_mut(|channels| channels.pending.retain(|(at, _)| *at < depth));
}

impl Channels {
    fn apply(&mut self) -> bool {
        let asked = !self.pending.is_empty();
        for (_, change) in self.pending.drain(..) {
            match change {
                Change::Listen(channel) => drop(self.listening.insert(channel)),
                Change::Unlisten(channel) => drop(self.listening.remove(&channel)),
                Change::UnlistenAll => self.listening.clear(),
            }
        }
        asked
    }
}
