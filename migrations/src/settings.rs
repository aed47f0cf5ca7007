//! The bounds of a run. Every wait has one.

use std::time::Duration;

/// How long a run waits for what.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How long one statement may wait for a lock before the attempt is given up (`lock_timeout`).
    /// Short, because whoever comes after a waiting ALTER TABLE waits behind it.
    pub lock_timeout: Duration,
    /// How long one statement may run (`statement_timeout`).
    pub statement_timeout: Duration,
    /// How often a step is tried when it meets a lock, a deadlock or a serialization failure.
    pub attempts_max: u32,
    /// The wait before the second attempt; it doubles with each one, and each is shortened by
    /// chance.
    pub backoff_min: Duration,
    /// The longest wait between two attempts.
    pub backoff_max: Duration,
    /// How long to wait for another runner on the same database.
    pub runner_wait: Duration,
    /// What becomes of rows before a step that would lose them.
    pub backup: Backup,
    /// What becomes of a way down that does not lead to what was there before the step.
    pub landing: Landing,
    /// What becomes of a run on a database that somebody else has changed since the last one.
    pub drift: Drift,
}

/// What becomes of rows before a step that would lose them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backup {
    /// They are copied and the copy is compared, or the step does not run.
    Taken,
    /// They are lost.
    Skipped,
}

/// What becomes of a way down that does not lead to what was there before the step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Landing {
    /// It is rolled back.
    Exact,
    /// It stays, and the difference is told.
    Told,
}

/// What becomes of a run on a database that somebody else has changed since the last one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drift {
    /// The change is told, written into the history, and the run goes on.
    Told,
    /// The run is refused.
    Refused,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            lock_timeout: Duration::from_secs(2),
            statement_timeout: Duration::from_secs(600),
            attempts_max: 10,
            backoff_min: Duration::from_millis(200),
            backoff_max: Duration::from_secs(10),
            runner_wait: Duration::from_secs(120),
            backup: Backup::Taken,
            landing: Landing::Exact,
            drift: Drift::Told,
        }
    }
}

impl Settings {
    /// How long the client waits for one reply: the server ends a statement itself, unless it or
    /// the way to it is gone.
    pub(crate) fn reply_timeout(&self) -> Duration {
        self.statement_timeout + Duration::from_secs(30)
    }
}
