//! One step: its texts, its checksum, and what it is called.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

use crate::{Header, MigrateError, Version};

/// What a step changes, as the ledger's `migration_type` says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepKind {
    /// Schemas, tables, constraints and triggers.
    Schema,
    /// Indexes.
    Index,
    /// Functions in SQL or PL/pgSQL.
    Function,
    /// Extensions.
    Extension,
    /// Rows.
    Data,
}

impl fmt::Display for StepKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Schema => "schema",
            Self::Index => "index",
            Self::Function => "function",
            Self::Extension => "extension",
            Self::Data => "data",
        })
    }
}

impl FromStr for StepKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let kinds = [Self::Schema, Self::Index, Self::Function, Self::Extension, Self::Data];
        kinds
            .into_iter()
            .find(|kind| kind.to_string() == text)
            .ok_or_else(|| "write schema, index, function, extension or data".to_owned())
    }
}

/// A step of the plan: what `NNNN_name.up.sql`, `.down.sql` and `.verify.sql` say.
#[derive(Debug, Clone)]
pub struct Step {
    /// The number in the file name.
    pub version: Version,
    /// The file name's words, joined by underscores.
    pub name: Cow<'static, str>,
    /// What the step changes.
    pub kind: StepKind,
    /// The statements that apply it.
    pub up: Cow<'static, str>,
    /// The statements that revert it; none when it cannot be reverted.
    pub down: Option<Cow<'static, str>>,
    /// Queries run after `up`, in the same transaction, read only: every row returned is a
    /// complaint that fails the step.
    pub verify: Option<Cow<'static, str>>,
}

impl Step {
    /// The sha256 of `up` in lower-case hexadecimal, the same for every way a checkout ends its
    /// lines.
    pub fn checksum(&self) -> String {
        checksum(&self.up)
    }

    /// What it declares.
    ///
    /// # Errors
    /// [`MigrateError::BadScript`].
    pub fn header(&self) -> Result<Header, MigrateError> {
        Header::parse(&file_name(self.version, &self.name, "up"), &self.up)
    }

    /// The name in words.
    pub(crate) fn description(&self) -> String {
        self.name.replace('_', " ")
    }

    /// The text that reverts the step, as it is stored.
    pub(crate) fn stored_down(&self) -> Option<String> {
        self.down.as_deref().map(normalise)
    }
}

/// The name of a step's file; `direction` is `up`, `down` or `verify`.
pub(crate) fn file_name(version: Version, name: &str, direction: &str) -> String {
    format!("{version}_{name}.{direction}.sql")
}

/// The sha256 of the normalised text, in hexadecimal.
pub(crate) fn checksum(text: &str) -> String {
    let digest = Sha256::digest(normalise(text).as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The text without a byte order mark and with `\n` at the end of its lines: what a checkout on
/// another system changes without anybody having edited the file.
pub(crate) fn normalise(text: &str) -> String {
    text.trim_start_matches('\u{feff}').replace("\r\n", "\n").replace('\r', "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_and_byte_order_mark_do_not_change_a_checksum() {
        let unix = checksum("select 1;\nselect 2;\n");
        assert_eq!(checksum("\u{feff}select 1;\r\nselect 2;\r\n"), unix);
        assert_eq!(checksum("select 1;\rselect 2;\r"), unix);
        assert_ne!(checksum("select 1;\nselect 3;\n"), unix);
    }

    #[test]
    fn a_checksum_is_sha256_in_hexadecimal() {
        // FIPS 180-2, appendix B.1.
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(checksum("abc"), expected);
    }
}
