//! Progress of a run, as it happens. Each displays as one line.

use std::fmt;
use std::time::Duration;

use crate::Version;

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
            Self::ExtensionUpdated { from, to } => {
                write!(f, "extension taskmaster: updated from {from} to {to}")
            }
            Self::PartitionsMade { count } => write!(f, "partitions: {count} made"),
        }
    }
}
