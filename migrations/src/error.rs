//! Why a migration did not happen, and what to do about it.

use std::fmt;
use std::time::Duration;

use tokio_postgres::error::{DbError, ErrorPosition, SqlState};

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
    #[error("two steps have the number {version}")]
    DuplicateStep {
        /// The number.
        version: Version,
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
    /// A step's text is not a script.
    #[error("{file}:{line}: {reason}")]
    BadScript {
        /// The step's file.
        file: String,
        /// The line, from 1.
        line: u32,
        /// What is wrong there.
        reason: String,
    },
    /// A statement of a step failed; nothing of the step stayed.
    #[error("{0}")]
    Step(Box<StepFailure>),
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
    /// The line in it, from 1: of the error if the server told its position, else of the statement.
    pub line: u32,
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
        let Self { file, line, message, sqlstate, .. } = self;
        write!(f, "{file}:{line}: {message} (SQLSTATE {sqlstate})")?;
        for (label, text) in [("detail", &self.detail), ("context", &self.context)] {
            if let Some(text) = text {
                write!(f, "; {label}: {}", text.replace('\n', " "))?;
            }
        }
        Ok(())
    }
}

impl MigrateError {
    /// Whose turn it is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Unreachable { .. } => ErrorKind::Unreachable,
            Self::NoSuchStep { .. } | Self::NotApplied { .. } | Self::BadVersion { .. } => {
                ErrorKind::Usage
            }
            Self::RunnerBusy { .. } => ErrorKind::Busy,
            Self::Step(_) | Self::Server { .. } if self.is_transient() => ErrorKind::Busy,
            Self::Step(_) | Self::Server { .. } | Self::NoAnswer { .. } | Self::Verify { .. } => {
                ErrorKind::Failed
            }
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

    /// What to do.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Step(failure) => step_hint(failure),
            Self::Unreachable { sqlstate, .. } => {
                Some(connect_hint(sqlstate.as_deref()).to_owned())
            }
            other => plain_hint(other).map(str::to_owned),
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

/// The line of a script at which the server found the error: `line` is the statement's.
pub(crate) fn line_of(error: &DbError, statement: &str, line: u32) -> u32 {
    let Some(ErrorPosition::Original(position)) = error.position() else { return line };
    let before = statement.chars().take(position.saturating_sub(1) as usize);
    line + before.filter(|character| *character == '\n').count() as u32
}

fn step_hint(failure: &StepFailure) -> Option<String> {
    let own = match failure.sqlstate.as_str() {
        "55P03" | "40P01" | "40001" => {
            "other sessions hold what the step needs: see pg_stat_activity and pg_blocking_pids(), and run it again"
        }
        "42501" => {
            "migrate as a superuser, or as the owner of the database for all steps but the extension's"
        }
        "42P06" => {
            "the schema's name is taken by something that no migration made: move it away, and run it again"
        }
        "2BP01" => {
            "drop or move what depends on it, and run it again: nothing is dropped in cascade"
        }
        "0A000" | "58P01" if failure.message.contains("extension") => {
            "install the extension's files on the server (\"make setup\" says how), and run it again"
        }
        _ => return failure.hint.clone(),
    };
    Some(own.to_owned())
}

fn connect_hint(sqlstate: Option<&str>) -> &'static str {
    match sqlstate {
        Some("3D000") => "create the database first (createdb), or check DB_NAME",
        Some("28P01" | "28000") => "check DB_USER and DB_PASSWORD, and the server's pg_hba.conf",
        Some("53300") => {
            "the server has no connection left: try again later, or raise max_connections"
        }
        Some("57P03") => "the server is starting up or shutting down: try again in a moment",
        _ => "check that PostgreSQL is running there, and DB_HOST, DB_PORT and DB_SSL_MODE",
    }
}

fn plain_hint(error: &MigrateError) -> Option<&'static str> {
    Some(match error {
        MigrateError::Pooler { .. } => "give the host and port of PostgreSQL itself",
        MigrateError::RunnerBusy { .. } => {
            "wait until it ends, or end that session, and run it again"
        }
        MigrateError::ChecksumChanged { .. } => {
            "use the program that applied it; a change belongs in a step of its own"
        }
        MigrateError::MissingStep { .. } => {
            "the ledger taskmaster.schema_migrations was edited: restore the row, or the database from a backup"
        }
        MigrateError::UnknownStep { .. } => {
            "use that version of taskmaster or a later one; \"migrate down\" reverts the step from what it stored"
        }
        MigrateError::DuplicateStep { .. } | MigrateError::PlanGap { .. } => {
            "number the steps 0001, 0002, ... without gap or duplicate"
        }
        MigrateError::NotApplied { .. } | MigrateError::NoSuchStep { .. } => {
            "\"migrate status\" lists the steps"
        }
        MigrateError::BadVersion { .. } => "give a number such as 3 or 0003",
        MigrateError::Irreversible { .. } => "restore the database from a backup",
        MigrateError::StoredDownChanged { .. } => {
            "taskmaster.schema_migrations was edited: restore down_sql from a backup or from the step's file"
        }
        MigrateError::NoAnswer { .. } => {
            "check the server; \"migrate status\" tells what is applied"
        }
        MigrateError::Server { sqlstate: None, .. } => {
            "an open step was rolled back with the connection; \"migrate status\" tells what is applied"
        }
        _ => return None,
    })
}
