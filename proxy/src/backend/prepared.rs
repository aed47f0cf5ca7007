//! The statements that one server connection has, least recently used first to go.
//!
//! Must not know which client uses which statement.

use std::rc::Rc;

use lru::LruCache;

use crate::backend::statement::{Standing, Statement, StatementLimits};
use crate::wire::outstanding::StatementId;

/// Statements under a client's own names, which the next client must not meet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Own {
    #[default]
    None,
    Some,
}

/// All of them, bounded in number and in bytes of their texts.
#[derive(Debug)]
pub struct Prepared {
    statements: LruCache<StatementId, Held>,
    bytes: usize,
    /// Evicted, while the Close is on its way: an error in the pipeline can make it void.
    closing: Vec<Held>,
    /// Whether statements may be there under the names of the client that is being served.
    own: Own,
    limits: StatementLimits,
}

impl Prepared {
    /// An empty cache.
    pub fn new(limits: StatementLimits) -> Self {
        let (closing, own) = (Vec::new(), Own::None);
        Self { statements: LruCache::unbounded(), bytes: 0, closing, own, limits }
    }

    /// How many the server has.
    pub fn len(&self) -> usize {
        self.statements.len()
    }

    /// True when the server has none.
    pub fn is_empty(&self) -> bool {
        self.statements.is_empty()
    }

    /// True when the server has it, or will have it when the sequence of this number goes well; it is then the most
    /// recently used.
    pub fn touch(&mut self, id: StatementId, sequence: u32) -> bool {
        self.statements.get(&id).is_some_and(|held| held.is_accepted || held.sequence == sequence)
    }

    /// Notes that the server has it, or will have when the Parse that is sent in the sequence of this number succeeds.
    pub fn insert(&mut self, statement: Rc<Statement>, sequence: u32) {
        if let Some(held) = self.statements.get_mut(&statement.id) {
            held.parses += 1;
            return;
        }
        self.bytes += statement.body.len();
        self.statements.put(statement.id, Held::new(statement, sequence));
    }

    /// True when a Parse of an earlier sequence is on its way, which may be void. From now on that of this one counts.
    pub fn prepare_again(&mut self, id: StatementId, sequence: u32) -> bool {
        let Some(held) = self.statements.get_mut(&id) else { return false };
        held.sequence = sequence;
        held.closes += 1;
        true
    }

    /// Notes that the server has accepted it.
    pub fn accepted(&mut self, id: StatementId) {
        if let Some(held) = self.parsing(id) {
            held.parses = held.parses.saturating_sub(1);
            held.is_accepted = true;
            held.statement.standing.set(Standing::Proven);
        }
    }

    /// Notes that the server has refused or ignored a Parse. It may have the statement from an earlier one, or get it by a
    /// later one.
    pub fn refused(&mut self, id: StatementId) {
        let Some(held) = self.parsing(id) else { return };
        held.parses = held.parses.saturating_sub(1);
        let is_absent = |held: &Held| held.parses == 0 && !held.is_accepted;
        if self.statements.peek(&id).is_some_and(is_absent)
            && let Some(held) = self.statements.pop(&id)
        {
            self.bytes -= held.statement.body.len();
        }
    }

    /// A statement to close so that one of `len` bytes fits; it is no longer counted. None when there is room.
    pub fn evict(&mut self, len: usize) -> Option<Rc<Statement>> {
        let StatementLimits { server_len, server_bytes, .. } = self.limits;
        if self.statements.len() < server_len.max(1) && self.bytes + len <= server_bytes {
            return None;
        }
        self.begin_closing()
    }

    /// The next statement to close so that there is none.
    pub fn begin_closing(&mut self) -> Option<Rc<Statement>> {
        let (_, held) = self.statements.pop_lru()?;
        let statement = Rc::clone(&held.statement);
        self.bytes -= statement.body.len();
        self.closing.push(held);
        Some(statement)
    }

    /// Notes that the server has closed a statement, which was evicted or is prepared again.
    pub fn closed(&mut self, id: StatementId) {
        match self.closing_again(id) {
            Some(held) => {
                held.closes -= 1;
                held.is_accepted = false;
            }
            None => drop(self.end_closing(id)),
        }
    }

    /// Notes that the server ignored the Close of a statement, and so still has it if it ever had. Whatever prepares it again
    /// comes behind the Close and is ignored, too.
    pub fn keep(&mut self, id: StatementId) {
        if let Some(held) = self.closing_again(id) {
            held.closes -= 1;
            return;
        }
        let Some(kept) = self.end_closing(id).filter(|held| held.is_accepted) else { return };
        match self.statements.peek_mut(&id) {
            Some(again) => again.is_accepted = true,
            None => {
                self.bytes += kept.statement.body.len();
                self.statements.put(id, kept);
            }
        }
    }

    /// The statement with this id that the next reply to a Close is about, if it is not evicted by that, but prepared again.
    fn closing_again(&mut self, id: StatementId) -> Option<&mut Held> {
        match self.closing.iter().position(|held| held.statement.id == id) {
            Some(index) => Some(&mut self.closing[index]).filter(|held| held.closes > 0),
            None => self.statements.peek_mut(&id).filter(|held| held.closes > 0),
        }
    }

    /// The oldest of the evicted with this id, whose Close was answered or ignored.
    fn end_closing(&mut self, id: StatementId) -> Option<Held> {
        let index = self.closing.iter().position(|held| held.statement.id == id)?;
        Some(self.closing.remove(index))
    }

    /// Whose Parse is answered next, of those with this id: one may be evicted while its Parse is on the way, and be prepared
    /// again behind it.
    fn parsing(&mut self, id: StatementId) -> Option<&mut Held> {
        let is_it = |held: &&mut Held| held.statement.id == id && held.parses > 0;
        self.closing.iter_mut().find(is_it).or_else(|| self.statements.peek_mut(&id))
    }

    /// Notes that the server gets a statement under a name of the client.
    pub fn give_own(&mut self) {
        self.own = Own::Some;
    }

    /// True when the server may have statements under names of the client.
    pub fn has_own(&self) -> bool {
        self.own == Own::Some
    }

    /// True when a text is about one of them, in quotes.
    pub fn is_named_in(&self, text: &str) -> bool {
        let name = text.split('"').nth(1).unwrap_or_default().as_bytes();
        self.statements.iter().any(|(_, held)| *held.statement.name == *name)
    }

    /// Notes that the server dropped everything.
    pub fn clear(&mut self) {
        self.statements.clear();
        self.own = Own::None;
        self.bytes = 0;
    }
}

/// Counts the server connection among those that have the statement.
#[derive(Debug)]
struct Held {
    statement: Rc<Statement>,
    /// Whether the server has said so.
    is_accepted: bool,
    /// The sequence that its last Parse belongs to.
    sequence: u32,
    /// How many Parses are on their way.
    parses: u32,
    /// How many Closes are on their way that make room for a Parse of the same statement.
    closes: u32,
}

impl Held {
    fn new(statement: Rc<Statement>, sequence: u32) -> Self {
        statement.servers.set(statement.servers.get() + 1);
        Self { statement, is_accepted: false, sequence, parses: 1, closes: 0 }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.statement.servers.set(self.statement.servers.get().saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::statement::Interner;

    fn limited(server_len: usize, server_bytes: usize) -> Prepared {
        let limits = StatementLimits::default();
        Prepared::new(StatementLimits { server_len, server_bytes, ..limits })
    }

    #[test]
    fn the_least_recently_used_statement_is_evicted() {
        let (mut interner, mut prepared) = (Interner::default(), limited(2, 1_000));
        let [a, b] = [b"a\0\0\0", b"b\0\0\0"].map(|body| interner.intern(body, ""));
        prepared.insert(Rc::clone(&a), 0);
        assert!(prepared.evict(4).is_none());
        prepared.insert(Rc::clone(&b), 0);
        assert!(prepared.touch(a.id, 0));
        assert_eq!(prepared.evict(4).map(|statement| statement.id), Some(b.id));
        assert!(!prepared.touch(b.id, 0));
        assert_eq!((a.servers.get(), b.servers.get()), (1, 1), "the Close is on its way");
        prepared.closed(b.id);
        assert_eq!(b.servers.get(), 0);
    }

    #[test]
    fn as_many_are_evicted_as_the_bytes_of_the_next_need() {
        let (mut interner, mut prepared) = (Interner::default(), limited(100, 30));
        for byte in 0..3 {
            prepared.insert(interner.intern(&[byte; 10], ""), 0);
        }
        assert!(prepared.evict(0).is_none());
        let evicted = std::iter::from_fn(|| prepared.evict(15)).count();
        assert_eq!((evicted, prepared.len()), (2, 1));
        // One that is longer than all may be stands alone.
        assert_eq!(std::iter::from_fn(|| prepared.evict(99)).count(), 1);
    }

    #[test]
    fn one_evicted_on_its_way_and_prepared_again_is_known_after_an_error_between_them() {
        let (mut interner, mut prepared) = (Interner::default(), limited(1, 1_000));
        let a = interner.intern(b"a\0\0\0", "");
        prepared.insert(Rc::clone(&a), 0);
        assert!(prepared.evict(4).is_some());
        prepared.insert(Rc::clone(&a), 0);
        prepared.accepted(a.id);
        prepared.keep(a.id);
        prepared.refused(a.id);
        assert!(prepared.touch(a.id, 1), "the first Parse came through, and nothing behind it");
        assert_eq!((prepared.bytes, a.servers.get()), (4, 1));
        // Without an error the second one counts.
        assert!(prepared.evict(4).is_some());
        prepared.insert(Rc::clone(&a), 1);
        prepared.closed(a.id);
        assert!(!prepared.touch(a.id, 2));
        prepared.accepted(a.id);
        assert!(prepared.touch(a.id, 2));
        // One that the server never had is not kept.
        prepared.clear();
        prepared.insert(Rc::clone(&a), 3);
        assert!(prepared.evict(4).is_some());
        prepared.refused(a.id);
        prepared.keep(a.id);
        assert_eq!((prepared.len(), prepared.bytes, a.servers.get()), (0, 0, 0));
    }

    #[test]
    fn one_prepared_again_and_then_evicted_is_known_when_the_last_close_is_ignored() {
        let (mut interner, mut prepared) = (Interner::default(), limited(1, 1_000));
        let a = interner.intern(b"a\0\0\0", "");
        prepared.insert(Rc::clone(&a), 1);
        assert!(prepared.prepare_again(a.id, 2));
        prepared.insert(Rc::clone(&a), 2);
        assert!(prepared.evict(4).is_some());
        prepared.accepted(a.id);
        prepared.closed(a.id);
        prepared.accepted(a.id);
        prepared.keep(a.id);
        assert!(prepared.touch(a.id, 3));
        assert_eq!((prepared.bytes, a.servers.get(), prepared.closing.len()), (4, 1, 0));
    }

    #[test]
    fn what_is_on_its_way_is_counted_on_in_its_own_sequence_only() {
        let (mut interner, mut prepared) = (Interner::default(), limited(100, 1_000));
        let a = interner.intern(b"a\0\0\0", "");
        prepared.insert(Rc::clone(&a), 1);
        assert!(prepared.touch(a.id, 1) && !prepared.touch(a.id, 2));
        // The first Parse is void, the second one comes through.
        assert!(prepared.prepare_again(a.id, 2));
        prepared.insert(Rc::clone(&a), 2);
        prepared.refused(a.id);
        assert!(prepared.touch(a.id, 2) && !prepared.touch(a.id, 3));
        prepared.closed(a.id);
        prepared.accepted(a.id);
        assert!(prepared.touch(a.id, 3));
        // Both come through, and the second one is refused.
        let b = interner.intern(b"b\0\0\0", "");
        prepared.insert(Rc::clone(&b), 3);
        assert!(prepared.prepare_again(b.id, 4));
        prepared.insert(Rc::clone(&b), 4);
        prepared.accepted(b.id);
        prepared.closed(b.id);
        prepared.refused(b.id);
        assert_eq!((prepared.touch(b.id, 4), prepared.len()), (false, 1));
    }
}
