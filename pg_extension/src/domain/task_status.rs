//! Where a task stands: the statuses and the other spellings accepted for them. It must not know
//! which may follow which: the table of transitions says that, and [`super::standing`] asks it.

use super::argument::Argument;
use super::vocabulary::Vocabulary;
use crate::error::DomainError;

/// Where a task stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum TaskStatus {
    Pending,
    InProgress,
    Review,
    Blocked,
    Deferred,
    Completed,
    Failed,
    Cancelled,
}

/// `tasks.status`, as stored.
pub(crate) const TASK_STATUSES: Vocabulary = Vocabulary(&[
    "pending",
    "in_progress",
    "review",
    "blocked",
    "deferred",
    "completed",
    "failed",
    "cancelled",
]);

const ALL: [TaskStatus; 8] = [
    TaskStatus::Pending,
    TaskStatus::InProgress,
    TaskStatus::Review,
    TaskStatus::Blocked,
    TaskStatus::Deferred,
    TaskStatus::Completed,
    TaskStatus::Failed,
    TaskStatus::Cancelled,
];

/// `tasks.status` is `varchar(50)`.
const LENGTH_MAX: usize = 50;

impl TaskStatus {
    /// The status a caller named, in the stored spelling or an alias; 22004, 22001 or 22023.
    pub(crate) fn parse(argument: Argument, value: Option<&str>) -> Result<Self, DomainError> {
        let value = argument.bounded(argument.required(value)?, LENGTH_MAX)?;
        Self::from_word(value).ok_or_else(|| TASK_STATUSES.unknown(argument, value))
    }

    /// The status a row holds, or `None` for a word this version does not know.
    pub(crate) fn from_word(word: &str) -> Option<Self> {
        let stored = match word {
            "in-progress" => "in_progress",
            "done" | "closed" => "completed",
            "todo" | "open" => "pending",
            "canceled" => "cancelled",
            other => other,
        };
        ALL.into_iter().find(|status| status.as_str() == stored)
    }

    /// The stored spelling.
    pub(crate) fn as_str(self) -> &'static str {
        TASK_STATUSES.words()[self as usize]
    }

    /// Whether work on the task is over, one way or another.
    pub(crate) fn is_end(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARGUMENT: Argument = Argument("p_new_status");

    #[test]
    fn every_status_has_its_own_word() {
        for (status, word) in ALL.into_iter().zip(TASK_STATUSES.words()) {
            assert_eq!(TaskStatus::from_word(word), Some(status));
            assert_eq!(status.as_str(), *word);
        }
    }

    #[test]
    fn aliases_of_other_tools_are_understood() {
        for (alias, status) in [
            ("in-progress", TaskStatus::InProgress),
            ("done", TaskStatus::Completed),
            ("closed", TaskStatus::Completed),
            ("todo", TaskStatus::Pending),
            ("open", TaskStatus::Pending),
            ("canceled", TaskStatus::Cancelled),
        ] {
            assert_eq!(TaskStatus::parse(ARGUMENT, Some(alias)), Ok(status));
        }
    }

    #[test]
    fn unknown_and_missing_statuses_are_refused() {
        assert_eq!(TaskStatus::parse(ARGUMENT, Some("Done")).unwrap_err().sqlstate(), "22023");
        assert_eq!(TaskStatus::parse(ARGUMENT, None).unwrap_err().sqlstate(), "22004");
    }
}
