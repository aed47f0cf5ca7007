//! PgBouncer's `auth_file`: users and what is known of their passwords. Nothing of it is ever shown.

use std::fs;
use std::path::Path;

use super::ImportError;
use super::ini::{Place, quoted};

/// One user.
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) secret: Secret,
}

/// What a line knows of a password. The texts are secrets.
pub(super) enum Secret {
    /// Nothing: nobody logs in by it.
    None,
    Plain(String),
    /// What PostgreSQL keeps: `md5...` or `SCRAM-SHA-256$...`.
    Verifier(String),
}

/// Reads the users in order; a later line of one user takes the place of an earlier one.
pub(super) fn read(path: &Path, named_in: Option<&Place>) -> Result<Vec<Entry>, ImportError> {
    let unreadable = |source| ImportError::Unreadable {
        path: path.to_owned(),
        named_in: named_in.cloned(),
        source,
    };
    let text = fs::read(path).map_err(unreadable)?;
    let mut entries: Vec<Entry> = Vec::new();
    for (at, line) in String::from_utf8_lossy(&text).lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with([';', '#']) {
            continue;
        }
        let entry = entry(line).ok_or_else(|| {
            Place::new(path, at + 1)
                .refuse("a line is \"user\" \"password\", both in double quotes")
        })?;
        entries.retain(|earlier| earlier.name != entry.name);
        entries.push(entry);
    }
    Ok(entries)
}

fn entry(line: &str) -> Option<Entry> {
    let (name, rest) = quoted(line.strip_prefix('"')?)?;
    let (text, _) = quoted(rest.trim_start().strip_prefix('"')?)?;
    Some(Entry { name, secret: Secret::of(text) })
}

impl Secret {
    fn of(text: String) -> Self {
        let is_md5 = text.len() == 35 && text.starts_with("md5");
        if text.is_empty() {
            Self::None
        } else if is_md5 || text.starts_with("SCRAM-SHA-256$") {
            Self::Verifier(text)
        } else {
            Self::Plain(text)
        }
    }
}
