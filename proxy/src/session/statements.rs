//! The prepared statements of one client: its names for statements that the pool shares, and its unnamed one.
//!
//! Must not know which server has which statement.

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

use crate::backend::server::UnnamedId;
use crate::backend::statement::Statement;
use crate::router::holds::Holds;

/// Named statements that one client may have.
pub const STATEMENTS_MAX: usize = 10_000;

/// One name of the client.
#[derive(Clone, Debug)]
pub struct Named {
    /// The statement it stands for.
    pub statement: Rc<Statement>,
    /// What running it leaves behind in the session.
    pub holds: Holds,
}

/// The unnamed statement, kept so that another server connection can get it too.
#[derive(Debug)]
pub struct Unnamed {
    /// Tells it from every other unnamed statement of this worker.
    pub id: UnnamedId,
    /// Query text, zero byte, parameter types.
    pub body: Vec<u8>,
}

impl Unnamed {
    /// The query's text.
    pub fn query(&self) -> &[u8] {
        self.body.split(|&byte| byte == 0).next().unwrap_or_default()
    }
}

/// All of them, and those whose fate a reply still decides. Most idle clients have none, and then it is a null pointer.
#[derive(Debug, Default)]
pub struct Statements(Option<Box<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    names: HashMap<Box<[u8]>, Named>,
    pending: VecDeque<Pending>,
    unnamed: Option<Unnamed>,
}

/// A change that an error in the pipeline makes void; in the order of the requests.
#[derive(Debug)]
enum Pending {
    Parse(Box<[u8]>),
    Close(Box<[u8]>, Named),
}

impl Pending {
    fn name(&self) -> &[u8] {
        match self {
            Self::Parse(name) | Self::Close(name, _) => name,
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

    /// A Parse of this name is on its way.
    pub fn parse(&mut self, name: &[u8], named: Named) {
        let kept = self.kept();
        kept.names.insert(name.into(), named);
        kept.pending.push_back(Pending::Parse(name.into()));
    }

    /// The name stands for another of the shared statements, of the same text.
    pub fn replace(&mut self, name: &[u8], named: Named) {
        if let Some(known) = self.kept().names.get_mut(name) {
            *known = named;
        }
    }

    /// A Close of this name is on its way. False when the client has no such name.
    pub fn close(&mut self, name: &[u8]) -> bool {
        let Some(kept) = &mut self.0 else { return false };
        let Some((name, named)) = kept.names.remove_entry(name) else { return false };
        kept.pending.push_back(Pending::Close(name, named));
        true
    }

    /// The oldest change on its way has happened.
    pub fn settle(&mut self) {
        if let Some(kept) = &mut self.0 {
            kept.pending.pop_front();
        }
    }

    /// The oldest change on its way was ignored or refused.
    pub fn revert(&mut self) {
        let Some(kept) = &mut self.0 else { return };
        let Some(change) = kept.pending.pop_front() else { return };
        // A later change of the same name stands; should it be undone too, what comes back is what was before both.
        if let Some(later) = kept.pending.iter_mut().find(|later| later.name() == change.name()) {
            *later = change;
            return;
        }
        match change {
            Pending::Parse(name) => drop(kept.names.remove(&name)),
            Pending::Close(name, named) => drop(kept.names.insert(name, named)),
        }
    }

    /// Every name is gone, as after `DEALLOCATE ALL`.
    pub fn clear(&mut self) {
        if let Some(kept) = &mut self.0 {
            kept.names.clear();
        }
    }

    /// Keeps a copy of the unnamed statement, in the memory of the one before.
    pub fn keep_unnamed(&mut self, id: UnnamedId, body: &[u8]) {
        let kept = self.kept();
        let mut memory = kept.unnamed.take().map(|unnamed| unnamed.body).unwrap_or_default();
        memory.clear();
        memory.extend_from_slice(body);
        kept.unnamed = Some(Unnamed { id, body: memory });
    }

    /// The unnamed statement is gone.
    pub fn drop_unnamed(&mut self) {
        if let Some(kept) = &mut self.0 {
            kept.unnamed = None;
        }
    }

    fn kept(&mut self) -> &mut Kept {
        self.0.get_or_insert_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::statement::Interner;

    fn named(interner: &mut Interner, text: &[u8]) -> Named {
        Named { statement: interner.intern(text, ""), holds: Holds::NONE }
    }

    #[test]
    fn changes_made_void_are_undone_in_order() {
        let (mut interner, mut statements) = (Interner::default(), Statements::default());
        statements.parse(b"a", named(&mut interner, b"select 1\0\0\0"));
        statements.settle();
        assert!(statements.close(b"a"));
        statements.parse(b"b", named(&mut interner, b"select 2\0\0\0"));
        assert!(statements.get(b"a").is_none());
        statements.revert();
        statements.revert();
        assert!(statements.get(b"a").is_some());
        assert!(statements.get(b"b").is_none());
        assert!(!statements.close(b"b"));
    }

    #[test]
    fn changes_of_one_name_made_void_leave_what_was_before_them() {
        let (mut interner, mut statements) = (Interner::default(), Statements::default());
        let first = named(&mut interner, b"select 1\0\0\0");
        let text = first.statement.body.clone();
        statements.parse(b"a", first);
        statements.settle();
        assert!(statements.close(b"a"));
        statements.parse(b"a", named(&mut interner, b"select 2\0\0\0"));
        statements.revert();
        statements.revert();
        assert_eq!(statements.get(b"a").map(|named| named.statement.body.clone()), Some(text));
        statements.parse(b"b", named(&mut interner, b"select 3\0\0\0"));
        assert!(statements.close(b"b"));
        statements.revert();
        statements.revert();
        assert!(statements.get(b"b").is_none());
    }
}
