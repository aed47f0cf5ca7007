//! Prepared statements that many clients share: one text, one name on the servers, parsed once per server connection.
//!
//! Must not know which client uses which statement, nor which server has it.

use std::borrow::Borrow;
use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::hash::{Hash, Hasher};
use std::rc::Rc;

use crate::wire::outstanding::StatementId;

/// Which unnamed statement a server holds: a number given anew for each one that a client parses.
pub type UnnamedId = u64;

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
    /// How many server connections have it.
    pub servers: Cell<u32>,
}

/// What every statement on a server is called, before its number.
pub const NAME_PREFIX: &[u8] = b"taskmaster_";

/// Bytes that one statement takes besides its text, about.
const OVERHEAD_LEN: usize = 160;

impl Statement {
    /// Bytes of memory that it takes, about.
    pub fn memory_len(&self) -> usize {
        memory_len(&self.body)
    }
}

fn memory_len(body: &[u8]) -> usize {
    body.len() + OVERHEAD_LEN
}

/// How much is kept of statements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatementLimits {
    /// Statements on each server connection.
    pub server_len: usize,
    /// Bytes of their texts on each server connection.
    pub server_bytes: usize,
    /// Statements that one client may have.
    pub client_len: usize,
    /// Bytes of their texts that one client may have.
    pub client_bytes: usize,
    /// Bytes of all statements that the clients of a pool share.
    pub shared_bytes: usize,
}

impl Default for StatementLimits {
    fn default() -> Self {
        Self {
            server_len: 200,
            server_bytes: 8 << 20,
            client_len: 10_000,
            client_bytes: 32 << 20,
            shared_bytes: 256 << 20,
        }
    }
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
    /// How much is kept.
    pub limits: StatementLimits,
    by_path: HashMap<Rc<str>, HashSet<ByBody>>,
    len: usize,
    bytes: usize,
    next_id: StatementId,
    next_unnamed: UnnamedId,
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
    /// Tells one more unnamed statement from all others that the pool's server connections may have.
    pub fn next_unnamed(&mut self) -> UnnamedId {
        self.next_unnamed += 1;
        self.next_unnamed
    }

    /// No statements yet, of a database with these shapes.
    pub fn new(schema: SchemaEpoch) -> Self {
        let epoch = schema.0.get();
        Self {
            limits: StatementLimits::default(),
            by_path: HashMap::new(),
            len: 0,
            bytes: 0,
            next_id: StatementId::MIN,
            next_unnamed: 0,
            sweep_len: SWEEP_LEN_MIN,
            schema,
            epoch,
        }
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
        let name = [NAME_PREFIX, format!("{id:x}").as_bytes()].concat().into_boxed_slice();
        let known = self.by_path.get_key_value(search_path);
        let search_path = known.map_or_else(|| search_path.into(), |(path, _)| Rc::clone(path));
        let (standing, servers) = Default::default();
        let body = body.into();
        let statement = Rc::new(Statement { id, name, body, search_path, standing, servers });
        let path = Rc::clone(&statement.search_path);
        self.by_path.entry(path).or_default().insert(ByBody(Rc::clone(&statement)));
        self.len += 1;
        self.bytes += statement.memory_len();
        statement
    }

    /// Whether a statement with this body may be added. What no client has is forgotten first when there is no room.
    pub fn has_room(&mut self, body: &[u8], search_path: &str) -> bool {
        self.forget_old_shapes();
        let len = memory_len(body);
        if self.bytes + len <= self.limits.shared_bytes || self.find(body, search_path).is_some() {
            return true;
        }
        self.retain(|statement| {
            let servers = usize::try_from(statement.servers.get()).unwrap_or(usize::MAX);
            Rc::strong_count(statement) > servers.saturating_add(1)
        });
        self.bytes + len <= self.limits.shared_bytes
    }

    /// How many statements are known.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True when none is known.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes of memory that the statements take, about.
    pub fn bytes(&self) -> usize {
        self.bytes
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
            (self.len, self.bytes) = (0, 0);
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
        self.retain(|statement| Rc::strong_count(statement) > 1);
        self.sweep_len = SWEEP_LEN_MIN.max(self.len * 2);
    }

    fn retain(&mut self, is_kept: impl Fn(&Rc<Statement>) -> bool) {
        for statements in self.by_path.values_mut() {
            statements.retain(|ByBody(statement)| is_kept(statement));
        }
        self.by_path.retain(|_, statements| !statements.is_empty());
        self.len = self.by_path.values().map(HashSet::len).sum();
        self.bytes = self.statements().map(|statement| statement.memory_len()).sum();
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
    fn there_is_room_again_when_no_client_has_the_others() {
        let mut interner = Interner::default();
        interner.limits.shared_bytes = 3 * (100 + OVERHEAD_LEN);
        let body = |byte: u8| [byte; 100];
        let kept: Vec<_> = (0..3).map(|byte| interner.intern(&body(byte), "")).collect();
        assert!(interner.has_room(&body(0), ""), "it is there already");
        assert!(!interner.has_room(&body(9), ""));
        // A server connection that has a statement does not keep it known.
        let on_server = Rc::clone(&kept[0]);
        on_server.servers.set(1);
        drop(kept);
        assert!(interner.has_room(&body(9), ""));
        assert_eq!(interner.bytes(), 0);
    }
}
