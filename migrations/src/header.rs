//! What a step's file says about itself: the lines `-- taskmaster: key = value` at its top.
//!
//! Together they are a TOML table. Knows the words and their values, not what follows from them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;

use crate::location::Location;
use crate::step::normalise;
use crate::{MigrateError, StepKind, Version};

/// What opens a line of the header, after `--`.
const MARK: &str = "taskmaster:";

/// What a step declares.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Header {
    /// Steps that must be applied before it.
    pub requires: Vec<Reference>,
    /// Steps beside which it cannot be applied.
    pub conflicts: Vec<Reference>,
    /// How its statements are held together.
    pub transaction: Transaction,
    /// `lock_timeout` of its statements, in place of the runner's.
    pub lock_timeout: Option<Duration>,
    /// `statement_timeout` of its statements, in place of the runner's.
    pub statement_timeout: Option<Duration>,
    /// The search_path of its statements, in place of the runner's.
    pub search_path: Option<String>,
    /// Whether it says that rows or columns go with it.
    pub loss: DeclaredLoss,
    /// Why it has no way back.
    pub irreversible: Option<String>,
    /// The oldest version of the extension that it can do with.
    pub extension: Option<String>,
    /// What it changes.
    pub kind: Option<StepKind>,
    /// Rules of the linter that it breaks on purpose.
    pub ignore: Vec<String>,
}

/// How the statements of a step are held together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Transaction {
    /// All of them and the record in one.
    #[default]
    Whole,
    /// Each by itself: for those that PostgreSQL does not allow in a transaction.
    Statements,
}

/// Whether a step says that rows or columns go with it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DeclaredLoss {
    /// It does not.
    #[default]
    None,
    /// It does: what it changes is backed up, too, and not only what it drops.
    Destructive,
}

/// Another step, of these steps or of those that another ledger of the database holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// The schema of the other ledger.
    pub ledger: Option<String>,
    /// The step.
    pub version: Version,
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.ledger {
            Some(ledger) => write!(f, "{ledger}:{}", self.version),
            None => self.version.fmt(f),
        }
    }
}

impl FromStr for Reference {
    type Err = MigrateError;

    /// Reads `0003` or `taskmaster:0025`.
    fn from_str(text: &str) -> Result<Self, MigrateError> {
        Ok(match text.rsplit_once(':') {
            Some((ledger, version)) => {
                Self { ledger: Some(ledger.to_owned()), version: version.parse()? }
            }
            None => Self { ledger: None, version: text.parse()? },
        })
    }
}

/// The header as it is written.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Written {
    requires: Vec<String>,
    conflicts: Vec<String>,
    transaction: Option<bool>,
    lock_timeout: Option<String>,
    statement_timeout: Option<String>,
    search_path: Option<String>,
    destructive: bool,
    irreversible: Option<String>,
    extension: Option<String>,
    r#type: Option<String>,
    ignore: Vec<String>,
}

impl Header {
    /// Reads the header of a file's text.
    ///
    /// # Errors
    /// [`MigrateError::BadScript`] with the line.
    pub(crate) fn parse(file: &str, text: &str) -> Result<Self, MigrateError> {
        let text = normalise(text);
        // The lines keep their numbers, and their columns, for what TOML says about them.
        let table: String = text.lines().take_while(|line| is_head(line)).map(blank_mark).collect();
        let bad = |at: usize, reason: &str| MigrateError::BadScript {
            file: file.to_owned(),
            location: Location::of(&text, at),
            reason: format!("the header: {reason}"),
        };
        let written: Written = toml::from_str(&table).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            bad(at, error.message().lines().next().unwrap_or_default())
        })?;
        Self::understand(written)
            .map_err(|(key, reason)| bad(table.find(key).unwrap_or(0), &format!("{key}: {reason}")))
    }

    fn understand(written: Written) -> Result<Self, (&'static str, String)> {
        let references = |key, texts: Vec<String>| {
            let parsed =
                texts.iter().map(|text| text.parse()).collect::<Result<Vec<Reference>, _>>();
            parsed.map_err(|error| (key, error.to_string()))
        };
        let duration =
            |key, text: Option<String>| match text.map(|text| humantime::parse_duration(&text)) {
                None => Ok(None),
                Some(Ok(duration)) => Ok(Some(duration)),
                Some(Err(error)) => Err((key, format!("{error}: write 500ms, 2s or 10min"))),
            };
        if written.irreversible.as_ref().is_some_and(|reason| reason.trim().is_empty()) {
            return Err(("irreversible", "say why".to_owned()));
        }
        let kind = written.r#type.as_deref().map(str::parse).transpose();
        Ok(Self {
            requires: references("requires", written.requires)?,
            conflicts: references("conflicts", written.conflicts)?,
            transaction: match written.transaction {
                Some(false) => Transaction::Statements,
                _ => Transaction::Whole,
            },
            lock_timeout: duration("lock_timeout", written.lock_timeout)?,
            statement_timeout: duration("statement_timeout", written.statement_timeout)?,
            search_path: written.search_path,
            loss: if written.destructive { DeclaredLoss::Destructive } else { DeclaredLoss::None },
            irreversible: written.irreversible,
            extension: written.extension,
            kind: kind.map_err(|reason| ("type", reason))?,
            ignore: written.ignore,
        })
    }
}

/// Blank lines and comments: the header ends with the first statement.
fn is_head(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with("--")
}

/// A line of the header with white space in place of its mark; an empty line for any other.
fn blank_mark(line: &str) -> String {
    let marked = line.trim_start().strip_prefix("--").map(str::trim_start);
    match marked.and_then(|rest| rest.strip_prefix(MARK)) {
        Some(entry) => format!("{}{entry}\n", " ".repeat(line.len() - entry.len())),
        // As long as the line is, so that places in the one text are places in the other.
        None => format!("{}\n", " ".repeat(line.len())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_understood() {
        let text = "\u{feff}-- What it does.\r\n\r\n-- taskmaster: requires = [\"0003\", \"taskmaster:0025\"]\r\n\
            --taskmaster: conflicts = [\"2\"]\r\n-- taskmaster: transaction = false\r\n\
            -- taskmaster: lock_timeout = \"2s\"\r\n-- taskmaster: statement_timeout = \"10min\"\r\n\
            -- taskmaster: destructive = true\r\n-- taskmaster: irreversible = \"rows are merged\"\r\n\
            -- taskmaster: extension = \"0.3\"\r\n-- taskmaster: type = \"data\"\r\n-- taskmaster: search_path = \"app\"\r\n\
            SELECT 1;\r\n-- taskmaster: nonsense\r\n";
        let header = Header::parse("f.sql", text).unwrap();
        let requires: Vec<_> = header.requires.iter().map(Reference::to_string).collect();
        assert_eq!(requires, ["0003", "taskmaster:0025"]);
        assert_eq!(header.conflicts[0].to_string(), "0002");
        assert_eq!(header.transaction, Transaction::Statements);
        assert_eq!(header.lock_timeout, Some(Duration::from_secs(2)));
        assert_eq!(header.statement_timeout, Some(Duration::from_secs(600)));
        assert_eq!(header.loss, DeclaredLoss::Destructive);
        assert_eq!(header.irreversible.as_deref(), Some("rows are merged"));
        assert_eq!(header.extension.as_deref(), Some("0.3"));
        assert_eq!(header.kind, Some(StepKind::Data));
        assert_eq!(header.search_path.as_deref(), Some("app"));
        assert_eq!(Header::parse("f.sql", "SELECT 1").unwrap(), Header::default());
    }

    #[test]
    fn what_is_not_understood_is_refused_at_its_line() {
        let cases = [
            ("transactoin = false", "unknown field"),
            ("transaction = maybe", ""),
            ("lock_timeout = \"soon\"", "500ms"),
            ("requires = [\"x\"]", "not the number"),
            ("irreversible = \" \"", "say why"),
            ("type = \"other\"", "schema, index, function, extension or data"),
        ];
        for (entry, reason) in cases {
            let text = format!("-- one\n\n-- taskmaster: {entry}\nSELECT 1;");
            let error = Header::parse("f.sql", &text).unwrap_err().to_string();
            assert!(error.starts_with("f.sql:3:") && error.contains(reason), "{entry}: {error}");
        }
    }
}
