//! Why a run could not measure what it was asked to.

use std::io;
use std::path::PathBuf;

/// A failure of the run itself. What the harness starts reports its failures by a panic with the
/// log of the process that failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BenchError {
    /// The operating system refused something.
    #[error("{what}: {cause}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        cause: io::Error,
    },
    /// The program to compare with is not installed.
    #[error(
        "{path} is not there: install Debian's package pgbouncer, or name another with --pgbouncer"
    )]
    NoBouncer {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// PgBouncer ended instead of listening.
    #[error("PgBouncer ended at once; its log:\n{0}")]
    BouncerEnded(String),
    /// A program's output was not as documented.
    #[error("{program} printed no {field}:\n{text}")]
    Output {
        /// Which program.
        program: &'static str,
        /// What was looked for.
        field: &'static str,
        /// What it printed.
        text: String,
    },
    /// A statement that prepares a measurement failed.
    #[error("preparing the database: {0}")]
    Sql(#[from] tokio_postgres::Error),
}

impl BenchError {
    /// For `map_err`: an I/O error while doing `what`.
    pub(crate) fn io(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |cause| Self::Io { what, cause }
    }
}
