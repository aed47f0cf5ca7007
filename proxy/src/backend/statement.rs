//! Prepared statements that many clients share: one text, one name on the servers, parsed once per server connection.
//!
//! Must not know which client uses which statement.

use std::borrow::Borrow;
use std::cell::Cell;
use std::collections::{HashMap, HashSet};
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
    /// The `search_path` that its names are looked up by; empty when that is not known.
    pub search_path: Rc<str>,
    /// Whether a server has accepted it.
    pub standing: Cell<Standing>,
}

/// Counts changes to the shapes of tables, types and functions in one database. A statement prepared before such a change
/// is not given to a client that prepares it after.
#[derive(Clone, Debug, Default)]
pub struct SchemaEpoch(Rc<Cell<u64>>);

impl SchemaEpoch {
    /// Something has changed.
    pub fn advance(&self) {
        self.0.set(self.0.get().wrapping_add(1));
    }

    /// True while a pool counts with it.
    pub fn is_shared(&self) -> bool {
        Rc::strong_count(&self.0) > 1
    }
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

/// All statements known to one pool, found by the search path and their body.
#[derive(Debug)]
pub struct Interner {
    by_path: HashMap<Rc<str>, HashSet<ByBody>>,
    len: usize,
    next_id: StatementId,
    sweep_len: usize,
    schema: SchemaEpoch,
    epoch: u64,
}

/// Statements kept although nobody uses them, before the first sweep looks for them.
const SWEEP_LEN_MIN: usize = 1_000;

impl Default for Interner {
    fn default() -> Self {
        Self::new(SchemaEpoch::default())
    }
}

impl Interner {
    /// No statements yet, of a database with these shapes.
    pub fn new(schema: SchemaEpoch) -> Self {
        let epoch = schema.0.get();
        let (by_path, next_id) = (HashMap::new(), StatementId::MIN);
        Self { by_path, len: 0, next_id, sweep_len: SWEEP_LEN_MIN, schema, epoch }
    }

    /// Whose changes of shape it heeds.
    pub fn schema(&self) -> &SchemaEpoch {
        &self.schema
    }

    /// The statement with this body under this search path: the one already known, or a new one.
    pub fn intern(&mut self, body: &[u8], search_path: &str) -> Rc<Statement> {
        self.forget_old_shapes();
        if let Some(statement) = self.find(body, search_path) {
            return statement;
        }
        self.sweep();
        let id = self.next_id;
        self.next_id = id.saturating_add(1);
        let name = format!("taskmaster_{id:x}").into_bytes().into_boxed_slice();
        let known = self.by_path.get_key_value(search_path);
        let search_path = known.map_or_else(|| search_path.into(), |(path, _)| Rc::clone(path));
        let standing = Cell::default();
        let statement = Rc::new(Statement { id, name, body: body.into(), search_path, standing });
        let path = Rc::clone(&statement.search_path);
        self.by_path.entry(path).or_default().insert(ByBody(Rc::clone(&statement)));
        self.len += 1;
        statement
    }

    /// The statement with this body under this search path, if a server has accepted it.
    pub fn proven(&self, body: &[u8], search_path: &str) -> Option<Rc<Statement>> {
        let statement =
            self.find(body, search_path).filter(|_| self.epoch == self.schema.0.get())?;
        (statement.standing.get() == Standing::Proven).then_some(statement)
    }

    fn find(&self, body: &[u8], search_path: &str) -> Option<Rc<Statement>> {
        let ByBody(statement) = self.by_path.get(search_path)?.get(body)?;
        Some(Rc::clone(statement))
    }

    /// Clients keep the statements they have; those who prepare from now on get new ones.
    fn forget_old_shapes(&mut self) {
        if self.epoch != self.schema.0.get() {
            self.epoch = self.schema.0.get();
            self.by_path.clear();
            self.len = 0;
        }
    }

    /// All statements, in no order.
    pub fn statements(&self) -> impl Iterator<Item = &Rc<Statement>> {
        self.by_path.values().flatten().map(|ByBody(statement)| statement)
    }

    /// Forgets what no client and no server holds any more, each time the set has doubled since the last look.
    fn sweep(&mut self) {
        if self.len < self.sweep_len {
            return;
        }
        for statements in self.by_path.values_mut() {
            statements.retain(|ByBody(statement)| Rc::strong_count(statement) > 1);
        }
        self.by_path.retain(|_, statements| !statements.is_empty());
        self.len = self.by_path.values().map(HashSet::len).sum();
        self.sweep_len = SWEEP_LEN_MIN.max(self.len * 2);
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

    /// How many the server has.
    pub fn len(&self) -> usize {
        self.statements.len()
    }

    /// True when the server has none.
    pub fn is_empty(&self) -> bool {
        self.statements.is_empty()
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
        let first = interner.intern(b"select 1\0\0\0", "");
        assert!(Rc::ptr_eq(&first, &interner.intern(b"select 1\0\0\0", "")));
        assert_ne!(first.id, interner.intern(b"select 2\0\0\0", "").id);
    }

    #[test]
    fn another_search_path_or_another_shape_is_another_statement() {
        let schema = SchemaEpoch::default();
        let mut interner = Interner::new(schema.clone());
        let first = interner.intern(b"table t\0\0\0", "a");
        first.standing.set(Standing::Proven);
        assert_ne!(first.id, interner.intern(b"table t\0\0\0", "b").id);
        assert!(interner.proven(b"table t\0\0\0", "a").is_some());
        schema.advance();
        assert!(interner.proven(b"table t\0\0\0", "a").is_none());
        assert_ne!(first.id, interner.intern(b"table t\0\0\0", "a").id);
    }

    #[test]
    fn statements_nobody_holds_are_swept() {
        let mut interner = Interner::default();
        for number in 0..SWEEP_LEN_MIN * 5 {
            interner.intern(format!("select {number}\0\0\0").as_bytes(), "");
        }
        assert!(interner.len <= SWEEP_LEN_MIN);
    }

    #[test]
    fn the_least_recently_used_statement_is_evicted() {
        let mut interner = Interner::default();
        let mut prepared = Prepared::new(2);
        let [a, b] = [b"a\0\0\0", b"b\0\0\0"].map(|body| interner.intern(body, ""));
        prepared.insert(Rc::clone(&a));
        assert!(prepared.evict().is_none());
        prepared.insert(Rc::clone(&b));
        assert!(prepared.touch(a.id));
        assert_eq!(prepared.evict().map(|statement| statement.id), Some(b.id));
        assert!(!prepared.touch(b.id));
    }
}
