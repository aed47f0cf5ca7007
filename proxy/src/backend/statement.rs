//! Prepared statements that many clients share: one text, one name on the servers, parsed once per server connection.
//!
//! Must not know which client uses which statement.

use std::borrow::Borrow;
use std::cell::Cell;
use std::collections::HashSet;
use std::hash::{Hash, Hasher};
use std::rc::Rc;

use lru::LruCache;

use crate::wire::outstanding::StatementId;

/// One statement: query text and parameter types, as the body of a Parse message behind the name.
#[derive(Debug)]
pub struct Statement {
    /// Its number within this worker.
    pub id: StatementId,
    /// Its name on every server connection.
    pub name: Box<[u8]>,
    /// Query text, zero byte, parameter types.
    pub body: Box<[u8]>,
    /// Whether a server has accepted it.
    pub standing: Cell<Standing>,
}

/// What is known of a statement's validity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// No server has seen it yet.
    #[default]
    Untried,
    /// A server has accepted it.
    Proven,
}

/// All statements known to one pool, found by their body.
#[derive(Debug)]
pub struct Interner {
    statements: HashSet<ByBody>,
    next_id: StatementId,
    sweep_len: usize,
}

/// Statements kept although nobody uses them, before the first sweep looks for them.
const SWEEP_LEN_MIN: usize = 1_000;

impl Default for Interner {
    fn default() -> Self {
        Self { statements: HashSet::new(), next_id: StatementId::MIN, sweep_len: SWEEP_LEN_MIN }
    }
}

impl Interner {
    /// The statement with this body: the one already known, or a new one.
    pub fn intern(&mut self, body: &[u8]) -> Rc<Statement> {
        if let Some(ByBody(statement)) = self.statements.get(body) {
            return Rc::clone(statement);
        }
        self.sweep();
        let id = self.next_id;
        self.next_id = id.saturating_add(1);
        let name = format!("taskmaster_{id:x}").into_bytes().into_boxed_slice();
        let standing = Cell::default();
        let statement = Rc::new(Statement { id, name, body: body.into(), standing });
        self.statements.insert(ByBody(Rc::clone(&statement)));
        statement
    }

    /// The statement with this body, if a server has accepted it.
    pub fn proven(&self, body: &[u8]) -> Option<Rc<Statement>> {
        let ByBody(statement) = self.statements.get(body)?;
        (statement.standing.get() == Standing::Proven).then(|| Rc::clone(statement))
    }

    /// Forgets what no client and no server holds any more, each time the set has doubled since the last look.
    fn sweep(&mut self) {
        if self.statements.len() < self.sweep_len {
            return;
        }
        self.statements.retain(|ByBody(statement)| Rc::strong_count(statement) > 1);
        self.sweep_len = SWEEP_LEN_MIN.max(self.statements.len() * 2);
    }
}

/// The statements that one server connection has, least recently used first to go.
#[derive(Debug)]
pub struct Prepared {
    statements: LruCache<StatementId, Rc<Statement>>,
    /// Evicted, while the Close is on its way: an error in the pipeline can make it void.
    closing: Vec<Rc<Statement>>,
    len_max: usize,
}

impl Prepared {
    /// An empty cache for at most `len_max` statements.
    pub fn new(len_max: usize) -> Self {
        Self { statements: LruCache::unbounded(), closing: Vec::new(), len_max: len_max.max(1) }
    }

    /// True when the server has it; it is then the most recently used.
    pub fn touch(&mut self, id: StatementId) -> bool {
        self.statements.get(&id).is_some()
    }

    /// Notes that the server has it, or will have when the Parse just sent succeeds.
    pub fn insert(&mut self, statement: Rc<Statement>) {
        self.statements.put(statement.id, statement);
    }

    /// Notes that the server has accepted it.
    pub fn accepted(&mut self, id: StatementId) {
        if let Some(statement) = self.statements.peek(&id) {
            statement.standing.set(Standing::Proven);
        }
    }

    /// Notes that the server does not have it after all.
    pub fn remove(&mut self, id: StatementId) {
        self.statements.pop(&id);
    }

    /// The statement to close so that one more fits; it is no longer counted.
    pub fn evict(&mut self) -> Option<Rc<Statement>> {
        if self.statements.len() < self.len_max {
            return None;
        }
        let (_, statement) = self.statements.pop_lru()?;
        self.closing.push(Rc::clone(&statement));
        Some(statement)
    }

    /// Notes that the server has closed an evicted statement.
    pub fn closed(&mut self, id: StatementId) {
        self.closing.retain(|statement| statement.id != id);
    }

    /// Notes that the server ignored the Close of an evicted statement, and so still has it.
    pub fn keep(&mut self, id: StatementId) {
        if let Some(index) = self.closing.iter().position(|statement| statement.id == id) {
            let statement = self.closing.swap_remove(index);
            self.statements.put(id, statement);
        }
    }

    /// Notes that the server dropped everything.
    pub fn clear(&mut self) {
        self.statements.clear();
    }
}

#[derive(Debug)]
struct ByBody(Rc<Statement>);

impl Borrow<[u8]> for ByBody {
    fn borrow(&self) -> &[u8] {
        &self.0.body
    }
}

impl Hash for ByBody {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.body.hash(state);
    }
}

impl PartialEq for ByBody {
    fn eq(&self, other: &Self) -> bool {
        self.0.body == other.0.body
    }
}

impl Eq for ByBody {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_body_is_the_same_statement() {
        let mut interner = Interner::default();
        let first = interner.intern(b"select 1\0\0\0");
        assert!(Rc::ptr_eq(&first, &interner.intern(b"select 1\0\0\0")));
        assert_ne!(first.id, interner.intern(b"select 2\0\0\0").id);
    }

    #[test]
    fn statements_nobody_holds_are_swept() {
        let mut interner = Interner::default();
        for number in 0..SWEEP_LEN_MIN * 5 {
            interner.intern(format!("select {number}\0\0\0").as_bytes());
        }
        assert!(interner.statements.len() <= SWEEP_LEN_MIN);
    }

    #[test]
    fn the_least_recently_used_statement_is_evicted() {
        let mut interner = Interner::default();
        let mut prepared = Prepared::new(2);
        let [a, b] = [b"a\0\0\0", b"b\0\0\0"].map(|body| interner.intern(body));
        prepared.insert(Rc::clone(&a));
        assert!(prepared.evict().is_none());
        prepared.insert(Rc::clone(&b));
        assert!(prepared.touch(a.id));
        assert_eq!(prepared.evict().map(|statement| statement.id), Some(b.id));
        assert!(!prepared.touch(b.id));
    }
}
