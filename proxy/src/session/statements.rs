//! The prepared statements of one client: its names for statements that the pool shares, and its unnamed one.
//!
//! Must not know which server has which statement.

use std::cell::Cell;
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

use foldhash::fast::RandomState;

use crate::backend::statement::UnnamedId;
use crate::backend::statement::{Interner, Statement, StatementLimits};
use crate::router::command::resets;
use crate::router::holds::Holds;
use crate::router::names::NameUse;
use crate::session::statement_limit::StatementLimit;
use crate::wire::frontend::query_of;

/// Changes that are looked through for a name. A client with more of them on their way waits for their replies.
const CHANGES_SEEN_MAX: usize = 64;
/// Bytes of an unnamed statement that is kept while the fate of its successor is open, divided by the number of changes on
/// their way: together they are a few MiB at most (I7). Of a longer one an error in the pipeline leaves nothing, and the client
/// is told that it does not exist.
const REPLACED_LEN_MAX: usize = 1024 * 1024;

/// One name of the client.
#[derive(Clone, Debug)]
pub struct Named {
    /// The statement it stands for.
    pub statement: Rc<Statement>,
    /// What running it leaves behind in the session.
    pub holds: Holds,
    /// What its text does with names of prepared statements; none for nearly all.
    pub uses: Option<Rc<[NameUse]>>,
    /// Whether running it takes settings back.
    pub resets: bool,
    /// What the client knows of its shape.
    pub shape: Cell<Shape>,
}

impl Named {
    /// A statement just parsed.
    pub fn new(statement: Rc<Statement>, holds: Holds, uses: Vec<NameUse>) -> Self {
        let uses = (!uses.is_empty()).then(|| uses.into());
        let resets = resets(query_of(&statement.body));
        Self { statement, holds, uses, resets, shape: Cell::default() }
    }
}

/// What a client knows of the columns that a statement gives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shape {
    /// Nothing yet: it has only prepared it.
    #[default]
    Untold,
    /// It was told, or may have been.
    Told,
    /// Nothing, and the shared statement has one that holds no more.
    Outdated,
}

/// The unnamed statement, kept so that another server connection can get it too.
#[derive(Debug)]
pub struct Unnamed {
    /// Tells it from every other unnamed statement of this worker.
    pub id: UnnamedId,
    /// Query text, zero byte, parameter types; None when it was too long to be kept, and then only the server has it.
    pub body: Option<Vec<u8>>,
}

impl Unnamed {
    /// The query's text, empty when it was not kept.
    pub fn query(&self) -> &[u8] {
        let body = self.body.as_deref().unwrap_or_default();
        body.split(|&byte| byte == 0).next().unwrap_or_default()
    }

    /// Bytes that are kept of it.
    fn len(&self) -> usize {
        self.body.as_ref().map_or(0, Vec::len)
    }
}

/// All of them, and those whose fate a reply still decides. Most idle clients have none, and then it is a null pointer.
#[derive(Debug, Default)]
pub struct Statements(Option<Box<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    /// The hash is fast and seeded at random: these are looked up for each Bind, and the names are the client's.
    names: HashMap<Box<[u8]>, Named, RandomState>,
    pending: VecDeque<Change>,
    unnamed: Option<Unnamed>,
    /// Bytes that the named statements take, about.
    bytes: usize,
}

/// A change that an error in the pipeline makes void; in the order of the requests.
#[derive(Debug)]
struct Change {
    /// That of the sequence it belongs to ([`Outstanding::sequence_number`](crate::wire::outstanding::Outstanding)).
    sequence_number: u32,
    kind: Pending,
}

#[derive(Debug)]
enum Pending {
    Parse(Box<[u8]>),
    Close(Box<[u8]>, Named),
    /// The unnamed statement was this one, or there was none.
    Unnamed(Option<Unnamed>),
}

impl Pending {
    fn name(&self) -> &[u8] {
        match self {
            Self::Parse(name) | Self::Close(name, _) => name,
            Self::Unnamed(_) => b"",
        }
    }
}

impl Statements {
    /// The statement of this name.
    pub fn get(&self, name: &[u8]) -> Option<&Named> {
        self.0.as_ref()?.names.get(name)
    }

    /// The unnamed statement.
    pub fn unnamed(&self) -> Option<&Unnamed> {
        self.0.as_ref()?.unnamed.as_ref()
    }

    /// How many names there are.
    pub fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |kept| kept.names.len())
    }

    /// True when there is no name.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The limit that one more statement with this body would exceed.
    pub fn exceeded(
        &self,
        interner: &mut Interner,
        body: &[u8],
        path: &str,
    ) -> Option<StatementLimit> {
        let limits = interner.limits;
        let shared = StatementLimit::SharedBytes(limits.shared_bytes);
        let own = self.exceeded_by(&limits, body);
        own.or_else(|| (!interner.has_room(body, path)).then_some(shared))
    }

    /// Whether the client may have one more statement with this body.
    pub fn is_below(&self, limits: &StatementLimits, body: &[u8]) -> bool {
        self.exceeded_by(limits, body).is_none()
    }

    fn exceeded_by(&self, limits: &StatementLimits, body: &[u8]) -> Option<StatementLimit> {
        let bytes = self.0.as_ref().map_or(0, |kept| kept.bytes);
        if self.len() >= limits.client_len {
            return Some(StatementLimit::ClientLen(limits.client_len));
        }
        let is_over = bytes + body.len() > limits.client_bytes;
        is_over.then_some(StatementLimit::ClientBytes(limits.client_bytes))
    }

    /// A Parse of this name is on its way, in the sequence of this number.
    pub fn parse(&mut self, name: &[u8], named: Named, sequence_number: u32) {
        let kept = self.kept();
        kept.insert(name.into(), named);
        let kind = Pending::Parse(name.into());
        kept.pending.push_back(Change { sequence_number, kind });
    }

    /// All names, each with its statement.
    pub fn all(&self) -> Vec<(Box<[u8]>, Rc<Statement>)> {
        let names = self.0.iter().flat_map(|kept| &kept.names);
        names.map(|(name, named)| (name.clone(), Rc::clone(&named.statement))).collect()
    }

    /// A name that stands for the statement of this name on servers, or did until a moment ago.
    pub fn name_of(&self, on_server: &[u8]) -> Option<&[u8]> {
        let kept = self.0.as_ref()?;
        let closing = kept.pending.iter().filter_map(|change| match &change.kind {
            Pending::Close(name, named) => Some((name, named)),
            Pending::Parse(_) | Pending::Unnamed(_) => None,
        });
        let mut names = closing.chain(&kept.names);
        let found = names.find(|(_, named)| *named.statement.name == *on_server);
        found.map(|(name, _)| &**name)
    }

    /// The shape that the shared statement of this name has holds no more.
    pub fn outdate(&self, name: &[u8]) {
        if let Some(named) = self.get(name) {
            named.shape.set(Shape::Outdated);
        }
    }

    /// The name is gone, as after a DEALLOCATE that the server has run.
    pub fn forget(&mut self, name: &[u8]) {
        if let Some(kept) = &mut self.0 {
            kept.remove(name);
        }
    }

    /// The name stands for another of the shared statements, of the same text.
    pub fn replace(&mut self, name: &[u8], named: Named) {
        if let Some(known) = self.kept().names.get_mut(name) {
            *known = named;
        }
    }

    /// A Close of this name is on its way, in the sequence of this number. False when the client has no such name.
    pub fn close(&mut self, name: &[u8], sequence_number: u32) -> bool {
        let Some(kept) = &mut self.0 else { return false };
        let Some((name, named)) = kept.remove(name) else { return false };
        let kind = Pending::Close(name, named);
        kept.pending.push_back(Change { sequence_number, kind });
        true
    }

    /// True while the reply to another sequence than this one decides what the name stands for, or whether it is free.
    pub fn is_undecided(&self, name: &[u8], sequence_number: u32) -> bool {
        if name.is_empty() && self.has_unnamed_change(sequence_number) {
            return false;
        }
        let mut earlier = self.earlier(sequence_number).take(CHANGES_SEEN_MAX + 1).enumerate();
        earlier.any(|(index, change)| index == CHANGES_SEEN_MAX || change.kind.name() == name)
    }

    /// True while the reply to another sequence than this one decides about any name.
    pub fn is_any_undecided(&self, sequence_number: u32) -> bool {
        self.earlier(sequence_number).next().is_some()
    }

    /// True when the sequence itself says what the unnamed statement is.
    fn has_unnamed_change(&self, sequence_number: u32) -> bool {
        let latest = self.0.iter().flat_map(|kept| kept.pending.iter().rev());
        let mut own = latest.take_while(|change| change.sequence_number == sequence_number);
        own.any(|change| matches!(change.kind, Pending::Unnamed(_)))
    }

    fn earlier(&self, sequence_number: u32) -> impl Iterator<Item = &Change> {
        let pending = self.0.iter().flat_map(|kept| &kept.pending);
        pending.take_while(move |change| change.sequence_number != sequence_number)
    }

    /// The oldest change on its way has happened.
    pub fn settle(&mut self) {
        if let Some(kept) = &mut self.0 {
            kept.pending.pop_front();
        }
    }

    /// The oldest change on its way was refused. The server drops its unnamed statement before it finds the new one wanting
    /// (tcop/postgres.c, `exec_parse_message`).
    pub fn refuse(&mut self) {
        let oldest = self.0.as_mut().and_then(|kept| kept.pending.front_mut());
        if let Some(Change { kind: Pending::Unnamed(before), .. }) = oldest {
            *before = None;
        }
        self.revert();
    }

    /// The oldest change on its way was ignored.
    pub fn revert(&mut self) {
        let Some(kept) = &mut self.0 else { return };
        let Some(change) = kept.pending.pop_front() else { return };
        // A later change of the same name stands; should it be undone too, what comes back is what was before both.
        let kind = change.kind;
        let mut later = kept.pending.iter_mut().map(|change| &mut change.kind);
        if let Some(later) = later.find(|later| later.name() == kind.name()) {
            *later = kind;
            return;
        }
        match kind {
            Pending::Parse(name) => drop(kept.remove(&name)),
            Pending::Close(name, named) => kept.insert(name, named),
            Pending::Unnamed(before) => kept.unnamed = before,
        }
    }

    /// Every name is gone, as after `DEALLOCATE ALL`.
    pub fn clear(&mut self) {
        if let Some(kept) = &mut self.0 {
            kept.names.clear();
            kept.bytes = 0;
        }
    }

    /// Another unnamed statement, or its Close, is on its way, in the sequence of this number.
    pub fn replace_unnamed(&mut self, unnamed: Option<Unnamed>, sequence_number: u32) {
        let kept = self.kept();
        let len_max = REPLACED_LEN_MAX / (kept.pending.len() + 1);
        let before = std::mem::replace(&mut kept.unnamed, unnamed);
        let before = before.filter(|before| before.len() <= len_max);
        kept.pending.push_back(Change { sequence_number, kind: Pending::Unnamed(before) });
    }

    /// The unnamed statement is gone, whatever becomes of the changes on their way.
    pub fn drop_unnamed(&mut self) {
        let Some(kept) = &mut self.0 else { return };
        kept.unnamed = None;
        for change in &mut kept.pending {
            if let Pending::Unnamed(before) = &mut change.kind {
                *before = None;
            }
        }
    }

    fn kept(&mut self) -> &mut Kept {
        self.0.get_or_insert_default()
    }
}

impl Kept {
    fn insert(&mut self, name: Box<[u8]>, named: Named) {
        self.bytes += name.len() + named.statement.body.len();
        if let Some(old) = self.names.insert(name.clone(), named) {
            self.bytes -= name.len() + old.statement.body.len();
        }
    }

    fn remove(&mut self, name: &[u8]) -> Option<(Box<[u8]>, Named)> {
        let (name, named) = self.names.remove_entry(name)?;
        self.bytes -= name.len() + named.statement.body.len();
        Some((name, named))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(interner: &mut Interner, text: &[u8]) -> Named {
        Named::new(interner.intern(text, ""), Holds::NONE, Vec::new())
    }

    #[test]
    fn changes_made_void_are_undone_in_order() {
        let (mut interner, mut statements) = (Interner::default(), Statements::default());
        statements.parse(b"a", named(&mut interner, b"select 1\0\0\0"), 0);
        statements.settle();
        assert!(statements.close(b"a", 0));
        statements.parse(b"b", named(&mut interner, b"select 2\0\0\0"), 0);
        assert!(statements.get(b"a").is_none());
        statements.revert();
        statements.revert();
        assert!(statements.get(b"a").is_some());
        assert!(statements.get(b"b").is_none());
        assert!(!statements.close(b"b", 0));
    }

    #[test]
    fn changes_of_one_name_made_void_leave_what_was_before_them() {
        let (mut interner, mut statements) = (Interner::default(), Statements::default());
        let first = named(&mut interner, b"select 1\0\0\0");
        let text = first.statement.body.clone();
        statements.parse(b"a", first, 0);
        statements.settle();
        assert!(statements.close(b"a", 0));
        statements.parse(b"a", named(&mut interner, b"select 2\0\0\0"), 0);
        statements.revert();
        statements.revert();
        assert_eq!(statements.get(b"a").map(|named| named.statement.body.clone()), Some(text));
        statements.parse(b"b", named(&mut interner, b"select 3\0\0\0"), 0);
        assert!(statements.close(b"b", 0));
        statements.revert();
        statements.revert();
        assert!(statements.get(b"b").is_none());
    }

    #[test]
    fn limits_are_kept_in_number_and_bytes() {
        let (mut interner, mut statements) = (Interner::default(), Statements::default());
        interner.limits.client_len = 2;
        interner.limits.client_bytes = 30;
        statements.parse(b"a", named(&mut interner, &[b'a'; 20]), 0);
        let exceeded = statements.exceeded(&mut interner, &[b'b'; 20], "");
        assert_eq!(exceeded, Some(StatementLimit::ClientBytes(30)));
        assert_eq!(statements.exceeded(&mut interner, &[b'b'; 9], ""), None);
        statements.parse(b"b", named(&mut interner, &[b'b'; 1]), 0);
        let exceeded = statements.exceeded(&mut interner, b"c", "");
        assert_eq!(exceeded, Some(StatementLimit::ClientLen(2)));
        statements.revert();
        assert_eq!(statements.exceeded(&mut interner, &[b'c'; 28], ""), None, "the bytes are free");
    }

    #[test]
    fn a_name_is_found_by_that_on_servers_while_its_close_is_on_the_way() {
        let (mut interner, mut statements) = (Interner::default(), Statements::default());
        let first = named(&mut interner, b"select 1\0\0\0");
        let on_server = first.statement.name.clone();
        statements.parse(b"a", first, 0);
        statements.settle();
        assert_eq!(statements.name_of(&on_server), Some(&b"a"[..]));
        statements.close(b"a", 0);
        assert_eq!(statements.name_of(&on_server), Some(&b"a"[..]));
        statements.settle();
        assert_eq!(statements.name_of(&on_server), None);
    }

    #[test]
    fn a_name_is_undecided_until_the_reply_to_another_sequence() {
        let (mut interner, mut statements) = (Interner::default(), Statements::default());
        statements.parse(b"a", named(&mut interner, b"select 1\0\0\0"), 7);
        assert!(!statements.is_undecided(b"a", 7), "its own sequence fails as a whole");
        assert!(statements.is_undecided(b"a", 8));
        assert!(!statements.is_undecided(b"b", 8));
        assert!(statements.is_any_undecided(8));
        statements.settle();
        assert!(!statements.is_any_undecided(8));
        statements.close(b"a", 8);
        assert!(statements.is_undecided(b"a", 9));
        statements.revert();
        assert!(!statements.is_undecided(b"a", 9));
    }

    fn unnamed(id: UnnamedId) -> Option<Unnamed> {
        Some(Unnamed { id, body: Some(b"select 1\0\0\0".to_vec()) })
    }

    fn id_of(statements: &Statements) -> Option<UnnamedId> {
        statements.unnamed().map(|unnamed| unnamed.id)
    }

    #[test]
    fn an_unnamed_statement_stays_when_its_successors_are_ignored() {
        let mut statements = Statements::default();
        statements.replace_unnamed(unnamed(1), 0);
        statements.settle();
        statements.replace_unnamed(unnamed(2), 1);
        statements.replace_unnamed(None, 1);
        assert_eq!(id_of(&statements), None);
        statements.revert();
        statements.revert();
        assert_eq!(id_of(&statements), Some(1));
        statements.replace_unnamed(unnamed(3), 2);
        statements.refuse();
        assert_eq!(id_of(&statements), None, "the server drops the old one first");
    }

    #[test]
    fn the_more_changes_are_on_their_way_the_shorter_is_what_is_kept() {
        let long = || Some(Unnamed { id: 1, body: Some(vec![b' '; REPLACED_LEN_MAX / 2]) });
        let mut statements = Statements::default();
        statements.replace_unnamed(long(), 0);
        statements.settle();
        statements.replace_unnamed(unnamed(2), 1);
        statements.revert();
        assert_eq!(id_of(&statements), Some(1));
        for name in [b"a", b"b"] {
            statements.parse(name, named(&mut Interner::default(), b"select 1\0\0\0"), 1);
        }
        statements.replace_unnamed(unnamed(2), 1);
        (0..3).for_each(|_| statements.revert());
        assert_eq!(id_of(&statements), None);
    }

    #[test]
    fn an_unnamed_statement_dropped_by_a_query_does_not_come_back() {
        let mut statements = Statements::default();
        statements.replace_unnamed(unnamed(1), 0);
        statements.settle();
        statements.replace_unnamed(unnamed(2), 1);
        statements.drop_unnamed();
        statements.revert();
        assert_eq!(id_of(&statements), None);
    }

    #[test]
    fn the_unnamed_statement_of_an_earlier_sequence_is_undecided() {
        let mut statements = Statements::default();
        statements.replace_unnamed(unnamed(1), 0);
        assert!(!statements.is_undecided(b"", 0));
        assert!(statements.is_undecided(b"", 1));
        statements.replace_unnamed(unnamed(2), 1);
        assert!(!statements.is_undecided(b"", 1), "the sequence has one of its own");
    }

    #[test]
    fn behind_many_changes_every_name_is_undecided() {
        let (mut interner, mut statements) = (Interner::default(), Statements::default());
        for index in 0..=CHANGES_SEEN_MAX {
            assert!(!statements.is_undecided(b"b", 1), "after {index} changes");
            let statement = named(&mut interner, b"select 1\0\0\0");
            statements.parse(format!("a{index}").as_bytes(), statement, 0);
        }
        assert!(statements.is_undecided(b"b", 1));
    }
}
