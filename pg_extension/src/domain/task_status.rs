//! The life of a task: its statuses, the other spellings accepted for them, and which may follow
//! which. It must not know who asks or what else a change needs.

use super::argument::Argument;
use super::vocabulary::Vocabulary;
use crate::error::DomainError;

/// Where a task stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

/// What a request for a status asks of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transition {
    /// The task is there already: nothing is written.
    None,
    /// The task moves on.
    To(TaskStatus),
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

    /// The statuses that may follow.
    pub(crate) fn successors(self) -> Vocabulary {
        Vocabulary(match self {
            Self::Pending => &["in_progress", "blocked", "deferred", "cancelled"],
            Self::InProgress => {
                &["review", "completed", "failed", "blocked", "deferred", "cancelled"]
            }
            Self::Review => &["completed", "in_progress", "failed", "cancelled"],
            Self::Blocked => &["pending", "in_progress", "deferred", "cancelled"],
            Self::Deferred => &["pending", "cancelled"],
            Self::Failed => &["pending", "in_progress", "cancelled"],
            Self::Completed => &["in_progress"],
            Self::Cancelled => &["pending"],
        })
    }

    /// The transition from `self` to `target`, or `None` when it is not allowed.
    pub(crate) fn transition(self, target: Self) -> Option<Transition> {
        if self == target {
            return Some(Transition::None);
        }
        self.successors().words().contains(&target.as_str()).then_some(Transition::To(target))
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
    fn successors_are_statuses_and_never_oneself() {
        for status in ALL {
            for word in status.successors().words() {
                let successor = TaskStatus::from_word(word).unwrap();
                assert_ne!(successor, status);
            }
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
    fn same_to_same_writes_nothing() {
        for status in ALL {
            assert_eq!(status.transition(status), Some(Transition::None));
        }
    }

    #[test]
    fn a_pending_task_cannot_complete() {
        assert_eq!(TaskStatus::Pending.transition(TaskStatus::Completed), None);
        assert_eq!(
            TaskStatus::Completed.transition(TaskStatus::InProgress),
            Some(Transition::To(TaskStatus::InProgress))
        );
    }

    #[test]
    fn unknown_and_missing_statuses_are_refused() {
        assert_eq!(TaskStatus::parse(ARGUMENT, Some("Done")).unwrap_err().sqlstate(), "22023");
        assert_eq!(TaskStatus::parse(ARGUMENT, None).unwrap_err().sqlstate(), "22004");
    }
}
