//! Our configuration being written: sections in the order of the example file, each line with where it comes from.
//!
//! Must not know what a setting means.

use std::fmt;

use toml::Value;

/// Tables in their order, with the arrays of tables where they belong.
const ORDER: [&str; 11] = [
    "listen",
    "listen.tls",
    "server",
    "auth",
    "auth.users",
    "pool",
    "limits",
    "databases",
    "users",
    "admin",
    "log",
];

/// A configuration.
#[derive(Debug, Default)]
pub(super) struct Document {
    tables: Vec<Table>,
}

/// One table.
#[derive(Debug)]
pub(super) struct Table {
    name: String,
    kind: Kind,
    lines: Vec<Line>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Single,
    OfArray,
}

#[derive(Debug)]
struct Line {
    key: String,
    value: Value,
    comment: String,
}

impl Document {
    /// Sets a dotted key of a single table; a second value takes the place of the first.
    pub(super) fn set(&mut self, path: &str, value: Value, comment: &str) {
        let (name, key) = path.rsplit_once('.').unwrap_or(("", path));
        let is_it = |table: &Table| table.name == name && table.kind == Kind::Single;
        let at = self.tables.iter().position(is_it).unwrap_or_else(|| {
            self.tables.push(Table::new(name, Kind::Single));
            self.tables.len() - 1
        });
        self.tables[at].set(key, value, comment);
    }

    /// A number that was set.
    pub(super) fn number(&self, path: &str) -> Option<i64> {
        let (name, key) = path.rsplit_once('.')?;
        let is_it = |table: &&Table| table.name == name && table.kind == Kind::Single;
        let table = self.tables.iter().find(is_it)?;
        table.lines.iter().find(|line| line.key == key)?.value.as_integer()
    }

    /// Another table of an array of tables.
    pub(super) fn push(&mut self, name: &str) -> &mut Table {
        let at = self.tables.len();
        self.tables.push(Table::new(name, Kind::OfArray));
        &mut self.tables[at]
    }
}

impl Table {
    fn new(name: &str, kind: Kind) -> Self {
        Self { name: name.to_owned(), kind, lines: Vec::new() }
    }

    /// Sets a key.
    pub(super) fn set(&mut self, key: &str, value: impl Into<Value>, comment: &str) {
        let (key, comment) = (key.to_owned(), comment.replace(['\n', '\r'], " "));
        let line = Line { key, value: value.into(), comment };
        match self.lines.iter_mut().find(|earlier| earlier.key == line.key) {
            Some(earlier) => *earlier = line,
            None => self.lines.push(line),
        }
    }
}

impl fmt::Display for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for name in ORDER {
            for table in self.tables.iter().filter(|table| table.name == name) {
                write!(f, "\n{table}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Single => writeln!(f, "[{}]", self.name)?,
            Kind::OfArray => writeln!(f, "[[{}]]", self.name)?,
        }
        self.lines.iter().try_for_each(|line| {
            let setting = format!("{} = {}", line.key, line.value);
            match line.comment.as_str() {
                "" => writeln!(f, "{setting}"),
                comment => writeln!(f, "{setting:<35} # {comment}"),
            }
        })
    }
}
