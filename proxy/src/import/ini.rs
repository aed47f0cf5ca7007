//! The form of an ini file as PgBouncer reads it (libusual, cfparser.c): sections, pairs, comments, `%include`.
//!
//! Must not know which sections and settings there are.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::ImportError;

/// How deep files may include each other.
pub(super) const DEPTH_MAX: usize = 10;

/// A line of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    file: Arc<Path>,
    line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

impl Place {
    /// A line, counted from 1.
    pub(super) fn new(file: &Path, line: usize) -> Self {
        Self { file: file.into(), line }
    }

    /// The file.
    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// The refusal of what stands here.
    pub(super) fn refuse(&self, what: impl Into<String>) -> ImportError {
        ImportError::Syntax { place: self.clone(), what: what.into() }
    }
}

/// `key = value` in a section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) section: String,
    pub(super) key: String,
    pub(super) value: String,
    pub(super) place: Place,
}

/// Reads a file and what it includes, in order.
pub(super) fn read(path: &Path) -> Result<Vec<Pair>, ImportError> {
    let mut reading = Reading { section: None, pairs: Vec::new() };
    reading.file(path, None, 0)?;
    Ok(reading.pairs)
}

/// A section goes on across the ends of files.
struct Reading {
    section: Option<String>,
    pairs: Vec<Pair>,
}

impl Reading {
    fn file(
        &mut self,
        path: &Path,
        named_in: Option<&Place>,
        depth: usize,
    ) -> Result<(), ImportError> {
        let unreadable = |source| ImportError::Unreadable {
            path: path.to_owned(),
            named_in: named_in.cloned(),
            source,
        };
        let text = fs::read(path).map_err(unreadable)?;
        for (at, line) in String::from_utf8_lossy(&text).lines().enumerate() {
            self.line(line, &Place::new(path, at + 1), depth)?;
        }
        Ok(())
    }

    fn line(&mut self, line: &str, place: &Place, depth: usize) -> Result<(), ImportError> {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            return Ok(());
        }
        if let Some(name) =
            line.strip_prefix("%include").filter(|rest| rest.starts_with([' ', '\t']))
        {
            return self.include(name.trim(), place, depth);
        }
        if let Some(rest) = line.strip_prefix('[') {
            let (name, after) =
                rest.split_once(']').ok_or_else(|| place.refuse("a section's name ends with ]"))?;
            self.section = Some(name.to_owned());
            // PgBouncer goes on behind the bracket as if a line began there.
            return self.line(after, place, depth);
        }
        self.pair(line, place)
    }

    fn include(&mut self, name: &str, place: &Place, depth: usize) -> Result<(), ImportError> {
        if depth + 1 >= DEPTH_MAX {
            return Err(ImportError::TooDeep { place: place.clone() });
        }
        self.file(&found(name, &place.file), Some(place), depth + 1)
    }

    fn pair(&mut self, line: &str, place: &Place) -> Result<(), ImportError> {
        let (key, rest) = key(line).ok_or_else(|| {
            place.refuse(
                "a line is a [section], a comment or key = value; quote unusual names: \"a b\"",
            )
        })?;
        let value = rest.trim_start().strip_prefix('=');
        let value = value.ok_or_else(|| place.refuse(format!("{key} is not followed by =")))?;
        let section = self.section.clone();
        let section =
            section.ok_or_else(|| place.refuse(format!("{key} stands before any [section]")))?;
        let value = value.trim().to_owned();
        self.pairs.push(Pair { section, key, value, place: place.clone() });
        Ok(())
    }
}

/// A key, quoted as an identifier of SQL or not, and what follows it.
fn key(line: &str) -> Option<(String, &str)> {
    if let Some(rest) = line.strip_prefix('"') {
        return quoted(rest);
    }
    let is_key = |c: char| c.is_alphanumeric() || "_.-*".contains(c);
    let end = line.find(|c| !is_key(c)).unwrap_or(line.len());
    (end > 0).then(|| (line[..end].to_owned(), &line[end..]))
}

/// A text up to its closing quote, of which two stand for one inside it, and what follows.
pub(super) fn quoted(mut rest: &str) -> Option<(String, &str)> {
    let mut text = String::new();
    loop {
        let (part, after) = rest.split_once('"')?;
        text.push_str(part);
        let Some(more) = after.strip_prefix('"') else { return Some((text, after)) };
        text.push('"');
        rest = more;
    }
}

/// Where a file is that another one names. PgBouncer starts at its working directory, which may be another one than ours:
/// then it is looked for beside the file that names it.
pub(super) fn found(name: &str, named_in: &Path) -> PathBuf {
    let (here, beside) = (Path::new(name), named_in.with_file_name(name));
    if !here.exists() && beside.exists() { beside } else { here.to_owned() }
}
