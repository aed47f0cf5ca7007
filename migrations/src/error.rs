//! Why a migration did not happen, and what to do about it.

use std::fmt;
use std::time::Duration;

use tokio_postgres::error::{DbError, ErrorPosition, SqlState};

use crate::hint;
use crate::location::Location;
use crate::script::{Script, Statement};
use crate::{Direction, Version};

/// Whose turn it is to act. Gives the exit code of the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// A statement of a step failed, or the server did: nothing of the step stayed.
    Failed,
    /// What was asked for does not exist.
    Usage,
    /// The database could not be reached or let nobody in.
    Unreachable,
    /// The database is not in a state, or behind something, that a migration may touch.
    Refused,
    /// Others are at work: the same command may succeed later.
    Busy,
}

impl ErrorKind {
    /// The exit code of a command that ends with this kind.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Unreachable => 3,
            Self::Refused => 4,
            Self::Busy => 5,
        }
    }
}

/// Why a migration did not happen. [`MigrateError::hint`] says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MigrateError {
    /// No connection, or no login.
    #[error("cannot connect to {target}: {cause}")]
    Unreachable {
        /// Where to, without the password.
        target: String,
        /// What was in the way.
        cause: String,
        /// The server's code, when it was the server that refused.
        sqlstate: Option<String>,
    },
    /// The connection ends at something that lends server connections out.
    #[error("the connection goes through a connection pooler: {evidence}")]
    Pooler {
        /// What gave it away.
        evidence: String,
    },
    /// Another runner has been at work for too long.
    #[error("another migration is running on this database ({holder}); gave up after {waited:?}")]
    RunnerBusy {
        /// Who holds the lock.
        holder: String,
        /// How long this one waited.
        waited: Duration,
    },
    /// The session that holds the runners' lock is no left-over.
    #[error("the session that holds the migration lock ({holder}) is at work, or was a moment ago")]
    AtWork {
        /// Who it is.
        holder: String,
    },
    /// A table that was to be backed up is not there.
    #[error("there is no table {table}")]
    NoSuchTable {
        /// Its name, as it was given.
        table: String,
    },
    /// A step was edited after it was applied.
    #[error(
        "step {version} was applied with another text than this program has \
         (sha256 {applied} applied, {present} here)"
    )]
    ChecksumChanged {
        /// The step.
        version: Version,
        /// The ledger's checksum.
        applied: String,
        /// This binary's.
        present: String,
    },
    /// The ledger has a later step and not this one.
    #[error("step {missing} is not in the database's ledger, though step {later} is")]
    MissingStep {
        /// The number that is not there.
        missing: Version,
        /// The first one after it.
        later: Version,
    },
    /// The ledger has a step that this binary does not know.
    #[error(
        "step {version} was applied by taskmaster {tool_version} and is unknown to this program, taskmaster {}",
        env!("CARGO_PKG_VERSION")
    )]
    UnknownStep {
        /// The step.
        version: Version,
        /// The version of the program that applied it.
        tool_version: String,
    },
    /// Two steps of the plan have one number.
    #[error("two steps have the number {version}: {first} and {second}")]
    DuplicateStep {
        /// The number.
        version: Version,
        /// The name of one.
        first: String,
        /// The name of the other.
        second: String,
    },
    /// The plan skips a number.
    #[error("there is no step {missing}, though there are later ones")]
    PlanGap {
        /// The number that is not there.
        missing: Version,
    },
    /// The target is not a step.
    #[error("there is no step {version}: the last one is {steps:04}")]
    NoSuchStep {
        /// What was asked for.
        version: Version,
        /// How many steps there are.
        steps: usize,
    },
    /// The target of a way down is not applied.
    #[error("step {version} is not applied, so there is nothing to go down to")]
    NotApplied {
        /// What was asked for.
        version: Version,
    },
    /// The target is not a number.
    #[error("\"{text}\" is not the number of a step")]
    BadVersion {
        /// What was given.
        text: String,
    },
    /// A step has no way down.
    #[error("step {version} cannot be reverted: it was applied without a way down")]
    Irreversible {
        /// The step.
        version: Version,
    },
    /// Somebody edited the ledger.
    #[error("the stored way down of step {version} does not match its checksum in the ledger")]
    StoredDownChanged {
        /// The step.
        version: Version,
    },
    /// A step's text is not a script, or its header no header.
    #[error("{file}:{location}: {reason}")]
    BadScript {
        /// The step's file.
        file: String,
        /// Where.
        location: Location,
        /// What is wrong there.
        reason: String,
    },
    /// The folder of the steps, or one of its files, cannot be used.
    #[error("{path}: {reason}")]
    BadFolder {
        /// The folder or the file.
        path: String,
        /// Why not.
        reason: String,
    },
    /// A step asks for what cannot be.
    #[error("{file}: {reason}")]
    BadGraph {
        /// The step's file.
        file: String,
        /// What it asks for, and why that cannot be.
        reason: String,
    },
    /// A statement of a step failed; nothing of the step stayed.
    #[error("{0}")]
    Step(Box<StepFailure>),
    /// A way down does not lead to what was there before the step; nothing of it stayed.
    #[error("step {version} does not go back to what was there before it: {}", objects.join("; "))]
    Landing {
        /// The step.
        version: Version,
        /// What would be different, one line for each object.
        objects: Vec<String>,
    },
    /// A step does not go up, down and up again to the same.
    #[error("step {version}: {what}")]
    NotRepeatable {
        /// The step.
        version: Version,
        /// What is not the same.
        what: String,
    },
    /// Somebody else has changed the database since the last run.
    #[error("somebody else has changed the database since the last migration: {}", some(objects))]
    Drifted {
        /// One line for each object.
        objects: Vec<String>,
    },
    /// A copy of rows is not what it is a copy of; nothing was changed.
    #[error("the backup of {table} does not hold what the table holds")]
    BackupDiffers {
        /// The table.
        table: String,
    },
    /// A backup cannot be brought back as the database stands.
    #[error("backup {id}: {reason}")]
    Restore {
        /// The number of the backup.
        id: i64,
        /// What is in the way.
        reason: String,
    },
    /// What a backup says of its tables cannot be read, or not be written.
    #[error("backup {id}: its list of tables is not what taskmaster {} writes: {reason}", env!("CARGO_PKG_VERSION"))]
    BadManifest {
        /// The number of the backup.
        id: i64,
        /// What is wrong with it.
        reason: String,
    },
    /// A step without a transaction is not through.
    #[error("step {version} stopped on its way {direction} after statement {done}")]
    Unfinished {
        /// The step.
        version: Version,
        /// Which way it went.
        direction: Direction,
        /// How many statements are done.
        done: i32,
    },
    /// The statements that are done are not those that the file begins with.
    #[error(
        "{file}: step {version} stopped after statement {done}, and the file was changed before that point since"
    )]
    UnfinishedChanged {
        /// The step's file.
        file: String,
        /// The step.
        version: Version,
        /// How many statements are done.
        done: i32,
    },
    /// A step that another one needs is not applied, or one that it conflicts with is.
    #[error("step {version} {reason}")]
    Unmet {
        /// The step that asks.
        version: Version,
        /// What for.
        reason: String,
    },
    /// The step's own check complained; nothing of the step stayed.
    #[error("{file}:{line}: the step does not hold what it promises: {complaint}")]
    Verify {
        /// The step's verify file.
        file: String,
        /// The line of the query, from 1.
        line: u32,
        /// The first row it returned.
        complaint: String,
    },
    /// The server or the connection failed outside a step's statement.
    #[error("{doing}: {cause}")]
    Server {
        /// What the runner was doing.
        doing: &'static str,
        /// What happened.
        cause: String,
        /// The server's code, when it was the server that failed.
        sqlstate: Option<String>,
    },
    /// The server did not answer.
    #[error("{doing}: no answer within {after:?}")]
    NoAnswer {
        /// What the runner was doing.
        doing: &'static str,
        /// How long it waited.
        after: Duration,
    },
}

/// The server's complaint about one statement of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepFailure {
    /// Whether the step was being applied or reverted.
    pub direction: Direction,
    /// The step.
    pub version: Version,
    /// The step's file; a stored way down is named after the file it came from.
    pub file: String,
    /// Where in it: the error's place if the server told it, else the statement's.
    pub location: Location,
    /// The server's code.
    pub sqlstate: String,
    /// What the server said.
    pub message: String,
    /// Its DETAIL.
    pub detail: Option<String>,
    /// Its HINT.
    pub hint: Option<String>,
    /// Its CONTEXT: where inside a block or function.
    pub context: Option<String>,
}

impl fmt::Display for StepFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, location, message, sqlstate, .. } = self;
        write!(f, "{file}:{location}: {message} (SQLSTATE {sqlstate})")?;
        for (label, text) in [("detail", &self.detail), ("context", &self.context)] {
            if let Some(text) = text {
                write!(f, "; {label}: {}", text.replace('\n', " "))?;
            }
        }
        Ok(())
    }
}

/// The first few of many.
fn some(lines: &[String]) -> String {
    const SHOWN_MAX: usize = 5;
    let more = lines.len().saturating_sub(SHOWN_MAX);
    let shown = lines.iter().take(SHOWN_MAX).cloned().collect::<Vec<_>>().join("; ");
    if more == 0 { shown } else { format!("{shown}; and {more} more") }
}

impl MigrateError {
    /// Whose turn it is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Unreachable { .. } => ErrorKind::Unreachable,
            Self::NoSuchStep { .. }
            | Self::NoSuchTable { .. }
            | Self::NotApplied { .. }
            | Self::BadVersion { .. } => ErrorKind::Usage,
            Self::RunnerBusy { .. } | Self::AtWork { .. } => ErrorKind::Busy,
            Self::Step(_) | Self::Server { .. } if self.is_transient() => ErrorKind::Busy,
            Self::Step(_)
            | Self::Server { .. }
            | Self::NoAnswer { .. }
            | Self::Verify { .. }
            | Self::Landing { .. }
            | Self::BackupDiffers { .. } => ErrorKind::Failed,
            _ => ErrorKind::Refused,
        }
    }

    /// The server's code, when the server had a say.
    pub fn sqlstate(&self) -> Option<&str> {
        match self {
            Self::Unreachable { sqlstate, .. } | Self::Server { sqlstate, .. } => {
                sqlstate.as_deref()
            }
            Self::Step(failure) => Some(&failure.sqlstate),
            _ => None,
        }
    }

    /// The step that failed, when it was one.
    pub(crate) fn version(&self) -> Option<Version> {
        match self {
            Self::Step(failure) => Some(failure.version),
            Self::Landing { version, .. } => Some(*version),
            Self::Verify { file, .. } => {
                file.split('_').next().and_then(|number| number.parse().ok())
            }
            _ => None,
        }
    }

    /// What to do.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Step(failure) => hint::of_step(failure),
            Self::Unreachable { sqlstate, .. } => {
                Some(hint::of_connecting(sqlstate.as_deref()).to_owned())
            }
            other => hint::of(other).map(str::to_owned),
        }
    }

    /// The line of a file and a caret at the error's place in it, when there is one.
    pub fn excerpt(&self) -> Option<&str> {
        match self {
            Self::BadScript { location, .. } => Some(&location.excerpt),
            Self::Step(failure) => Some(&failure.location.excerpt),
            _ => None,
        }
    }

    /// Whether the same attempt may succeed a little later: lock_not_available, deadlock_detected,
    /// serialization_failure (PostgreSQL documentation, Appendix A).
    pub(crate) fn is_transient(&self) -> bool {
        matches!(self.sqlstate(), Some("55P03" | "40P01" | "40001"))
    }

    /// A failure of the driver, outside a step's statement.
    pub(crate) fn server(doing: &'static str, error: &tokio_postgres::Error) -> Self {
        Self::Server { doing, cause: describe(error), sqlstate: sqlstate(error) }
    }
}

/// The server's code in a driver's error.
pub(crate) fn sqlstate(error: &tokio_postgres::Error) -> Option<String> {
    error.code().map(|code| code.code().to_owned())
}

/// A driver's error with its causes: the driver's own text is only "db error".
pub(crate) fn describe(error: &tokio_postgres::Error) -> String {
    if let Some(server) = error.as_db_error() {
        let dependents = dependents(server).unwrap_or_default();
        return format!("{} (SQLSTATE {}){dependents}", server.message(), server.code().code());
    }
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

/// What still depends on an object that was to go. Other details stay where they are: they may quote rows.
fn dependents(error: &DbError) -> Option<String> {
    let detail =
        error.detail().filter(|_| *error.code() == SqlState::DEPENDENT_OBJECTS_STILL_EXIST)?;
    Some(format!(": {}", detail.lines().collect::<Vec<_>>().join(", ")))
}

/// The place in a script at which the server found the error.
pub(crate) fn place(error: &DbError, script: &Script, statement: &Statement) -> Location {
    let Some(ErrorPosition::Original(position)) = error.position() else {
        return script.location(statement);
    };
    let before = script.text[..statement.at].chars().count();
    Location::of_character(&script.text, before + position.saturating_sub(1) as usize)
}
