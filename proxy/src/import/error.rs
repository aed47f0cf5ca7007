//! Why an ini file cannot be imported: one line that says where, what and what to do.

use std::io;
use std::path::PathBuf;

use super::ini::Place;

/// A configuration of PgBouncer that cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// A file cannot be read.
    #[error("cannot read {}{}: {source}", path.display(), named_by(named_in.as_ref()))]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Where it is named; none for the ini file itself.
        named_in: Option<Place>,
        /// What the system answered.
        source: io::Error,
    },
    /// A line is not of the form that PgBouncer reads.
    #[error("{place}: {what}")]
    Syntax {
        /// Where.
        place: Place,
        /// What is wrong and what is expected. Never a password.
        what: String,
    },
    /// Files include each other without end.
    #[error(
        "{place}: more than {} files deep: take the circle of %include out",
        super::ini::DEPTH_MAX
    )]
    TooDeep {
        /// The innermost `%include`.
        place: Place,
    },
}

fn named_by(place: Option<&Place>) -> String {
    place.map(|place| format!(" (named in {place})")).unwrap_or_default()
}
