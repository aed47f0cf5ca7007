//! A request to change a task's status, as its caller words it. It must not know where the task
//! stands.

use super::argument::Argument;
use super::task_status::TaskStatus;
use crate::error::DomainError;

/// A request whose arguments fit their rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StatusChange<'a> {
    pub(crate) target: TaskStatus,
    pub(crate) user_id: Option<&'a str>,
    pub(crate) notes: Option<&'a str>,
}

const USER_ID_LENGTH_MAX: usize = 255;

/// Notes are kept in the task's own row, which every later change rewrites.
const NOTES_LENGTH_MAX: usize = 4000;

impl<'a> StatusChange<'a> {
    /// Checks the arguments.
    ///
    /// # Errors
    /// 22004 no status, 22023 unknown status, 22001 status, user or notes too long.
    pub(crate) fn parse(
        status: Option<&str>,
        user_id: Option<&'a str>,
        notes: Option<&'a str>,
    ) -> Result<Self, DomainError> {
        Ok(Self {
            target: TaskStatus::parse(Argument("p_new_status"), status)?,
            user_id: Argument("p_user_id").optional(user_id, USER_ID_LENGTH_MAX)?,
            notes: Argument("p_notes").optional(notes, NOTES_LENGTH_MAX)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_bounded() {
        let notes = "x".repeat(4001);
        let error = StatusChange::parse(Some("done"), None, Some(&notes)).unwrap_err();
        assert_eq!(error.sqlstate(), "22001");
        let change = StatusChange::parse(Some("done"), None, Some(&notes[..4000])).unwrap();
        assert_eq!(change.target, TaskStatus::Completed);
    }
}
