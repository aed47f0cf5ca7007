//! Progress of a run, as it happens. Each displays as one line.

use std::fmt;
use std::time::Duration;

use crate::loss::Lost;
use crate::restore::Restored;
use crate::{TableCopy, Version};

/// Which way a run goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Steps are applied.
    Up,
    /// Steps are reverted.
    Down,
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Up => "up",
            Self::Down => "down",
        })
    }
}

/// Something that happened during a run.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// Another runner is at work on this database; this one waits, bounded.
    WaitingForRunner {
        /// Who holds the lock.
        holder: String,
    },
    /// A step begins.
    Started {
        /// Whether it is applied or reverted.
        direction: Direction,
        /// Its number.
        version: Version,
        /// Its name in words.
        name: String,
    },
    /// The server said something about a statement of the step.
    Notice {
        /// NOTICE, WARNING, ...
        severity: String,
        /// What it said.
        message: String,
        /// What it advises.
        hint: Option<String>,
    },
    /// An attempt met a lock, a deadlock or a serialization failure; nothing of it stayed, and
    /// another follows.
    Retrying {
        /// What is tried again.
        what: String,
        /// The attempt that failed, from 1.
        attempt: u32,
        /// Why.
        sqlstate: String,
        /// How long until the next.
        wait: Duration,
    },
    /// A step is done and committed.
    Finished {
        /// Whether it was applied or reverted.
        direction: Direction,
        /// Its number.
        version: Version,
        /// Its name in words.
        name: String,
        /// How long the successful attempt took.
        duration: Duration,
    },
    /// Somebody else changed the database since the last run.
    Drift {
        /// One line for each object.
        objects: Vec<String>,
    },
    /// The step loses rows, or what they hold; they are copied before it runs.
    Losing {
        /// The step.
        version: Version,
        /// The table.
        table: String,
        /// What it loses.
        what: Lost,
        /// Rows that hold something of that.
        rows: i64,
        /// What they take up.
        bytes: i64,
    },
    /// Rows that the step loses are copied, and the copy is compared.
    BackedUp {
        /// The number of the backup.
        backup: i64,
        /// The copy.
        copy: TableCopy,
    },
    /// A way down did not lead to what was there before.
    Inexact {
        /// The step.
        version: Version,
        /// What is different.
        what: String,
    },
    /// A statement of a step without a transaction is done.
    StatementDone {
        /// The step.
        version: Version,
        /// Its number, from 1.
        statement: usize,
        /// How many there are.
        of: usize,
    },
    /// Rows of a backup are back.
    Restored(Restored),
    /// The extension was older than the server's files of it.
    ExtensionUpdated {
        /// The version that was installed.
        from: String,
        /// The version that is installed now.
        to: String,
    },
    /// The partitions that must stand, stand.
    PartitionsMade {
        /// How many were missing.
        count: i32,
    },
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WaitingForRunner { holder } => {
                write!(f, "waiting for another migration: {holder}")
            }
            Self::Started { direction, version, name } => {
                write!(f, "{version} {name}: {direction}")
            }
            Self::Notice { severity, message, hint: None } => write!(f, "{severity}: {message}"),
            Self::Notice { severity, message, hint: Some(hint) } => {
                write!(f, "{severity}: {message} ({hint})")
            }
            Self::Retrying { what, attempt, sqlstate, wait } => {
                let wait = wait.as_millis();
                write!(f, "{what}: attempt {attempt} met {sqlstate}, trying again in {wait} ms")
            }
            Self::Finished { direction: Direction::Up, version, name, duration } => {
                write!(f, "{version} {name}: applied in {} ms", duration.as_millis())
            }
            Self::Finished { direction: Direction::Down, version, name, duration } => {
                write!(f, "{version} {name}: reverted in {} ms", duration.as_millis())
            }
            Self::Drift { objects } => {
                write!(
                    f,
                    "drift: somebody else has changed this since the last migration: {}",
                    objects.join("; ")
                )
            }
            Self::Losing { version, table, what, rows, bytes } => {
                let lost = match what {
                    Lost::Table => "goes".to_owned(),
                    Lost::Rows => "loses rows".to_owned(),
                    Lost::Columns(columns) => format!("loses {}", columns.join(", ")),
                };
                write!(f, "{version}: {table} {lost}: {rows} rows, {bytes} bytes, are copied first")
            }
            Self::BackedUp { backup, copy } => {
                let rows = copy.rows;
                let (table, copy) = (copy.table_sql(), copy.copy_sql());
                write!(f, "backup {backup}: {rows} rows of {table} copied to {copy}, and compared")
            }
            Self::Inexact { version, what } => write!(f, "{version}: {what}"),
            Self::StatementDone { version, statement, of } => {
                write!(f, "{version}: statement {statement} of {of} done")
            }
            Self::Restored(restored) => restored.fmt(f),
            Self::ExtensionUpdated { from, to } => {
                write!(f, "extension taskmaster: updated from {from} to {to}")
            }
            Self::PartitionsMade { count } => write!(f, "partitions: {count} made"),
        }
    }
}
