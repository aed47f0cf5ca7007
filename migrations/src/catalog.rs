//! What a database consists of, object by object, and in what two such pictures differ.
//!
//! Rows are no part of it. Must not know why anybody asks.

use std::collections::BTreeMap;
use std::fmt;

use sha2::{Digest, Sha256};
use tokio_postgres::GenericClient;

use crate::reply::reply;
use crate::{MigrateError, Settings};

const QUERY: &str = include_str!("catalog.sql");

/// What an object is and is called, such as `column taskmaster.tasks.title`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Object {
    /// `table`, `column`, `function`, ...
    pub kind: String,
    /// Its name with its schema, quoted where SQL asks for it.
    pub name: String,
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.name)
    }
}

/// One object that two pictures do not agree on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The object.
    pub object: Object,
    /// Its definition before; none when it was not there.
    pub before: Option<String>,
    /// Its definition after; none when it is gone.
    pub after: Option<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match (&self.before, &self.after) {
            (None, _) => "+",
            (_, None) => "-",
            _ => "~",
        };
        write!(f, "{sign} {}", self.object)
    }
}

/// Every object with its definition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Catalog(BTreeMap<Object, String>);

impl Catalog {
    /// Reads the catalog as the open transaction sees it.
    ///
    /// # Errors
    /// [`MigrateError::Server`] and [`MigrateError::NoAnswer`].
    ///
    /// # Cancel safety
    /// Changes nothing but the `search_path` of the transaction, at any point.
    pub(crate) async fn read(
        client: &impl GenericClient,
        settings: &Settings,
    ) -> Result<Self, MigrateError> {
        const DOING: &str = "reading the catalog";
        // Names are written out where the path does not lead to them. Compiling a query that runs
        // for milliseconds would take longer than running it.
        const PATH: &str = "SELECT current_setting('search_path'), \
             set_config('search_path', 'pg_catalog', true), set_config('jit', 'off', true)";
        let limit = settings.reply_timeout();
        let path: String = reply(DOING, limit, client.query_one(PATH, &[])).await?.get(0);
        let rows = reply(DOING, limit, client.query(QUERY, &[])).await?;
        reply(
            DOING,
            limit,
            client.query_one("SELECT set_config('search_path', $1, true)", &[&path]),
        )
        .await?;
        let entry = |row: &tokio_postgres::Row| {
            let object = Object { kind: row.get(0), name: row.get(1) };
            (object, row.get::<_, Option<String>>(2).unwrap_or_default())
        };
        Ok(Self(rows.iter().map(entry).collect()))
    }

    /// The sha256 of all objects and definitions in their order, in hexadecimal.
    pub(crate) fn fingerprint(&self) -> String {
        let mut digest = Sha256::new();
        for (object, definition) in &self.0 {
            for part in [&object.kind, &object.name, definition] {
                digest.update((part.len() as u64).to_be_bytes());
                digest.update(part.as_bytes());
            }
        }
        digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// What became of this picture in another, in the order of the objects.
    pub(crate) fn differences(&self, after: &Self) -> Vec<Difference> {
        let gone = self.0.iter().filter(|(object, _)| !after.0.contains_key(*object));
        let gone = gone.map(|(object, before)| (object, Some(before), None));
        let there = after.0.iter().map(|(object, after)| (object, self.0.get(object), Some(after)));
        let mut differences: Vec<Difference> = gone
            .chain(there.filter(|(_, before, after)| before != after))
            .map(|(object, before, after)| Difference {
                object: object.clone(),
                before: before.cloned(),
                after: after.cloned(),
            })
            .collect();
        differences.sort_by(|one, other| one.object.cmp(&other.object));
        differences
    }

    /// The definition of an object.
    pub(crate) fn get(&self, object: &Object) -> Option<&String> {
        self.0.get(object)
    }

    /// Takes a difference over: the object is as it was after it.
    pub(crate) fn apply(&mut self, difference: Difference) {
        match difference.after {
            Some(after) => self.0.insert(difference.object, after),
            None => self.0.remove(&difference.object),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalog(objects: &[(&str, &str)]) -> Catalog {
        let object = |name: &str| Object { kind: "table".to_owned(), name: name.to_owned() };
        Catalog(objects.iter().map(|(name, is)| (object(name), (*is).to_owned())).collect())
    }

    #[test]
    fn differences_lead_from_one_picture_to_the_other() {
        let (before, after) =
            (catalog(&[("a", "1"), ("b", "1")]), catalog(&[("b", "2"), ("c", "1")]));
        let differences = before.differences(&after);
        let shown: Vec<_> = differences.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["- table a", "~ table b", "+ table c"]);
        let mut moved = before.clone();
        differences.into_iter().for_each(|difference| moved.apply(difference));
        assert_eq!(moved, after);
        assert_ne!(before.fingerprint(), after.fingerprint());
        assert_eq!(moved.fingerprint(), after.fingerprint());
    }

    #[test]
    fn a_fingerprint_keeps_names_and_definitions_apart() {
        assert_ne!(catalog(&[("ab", "c")]).fingerprint(), catalog(&[("a", "bc")]).fingerprint());
    }
}
