//! A request to change a task's status, as its caller words it. It must not know where the task
//! stands.

use super::argument::Argument;
use super::standing::Claim;
use super::task_status::TaskStatus;
use crate::error::DomainError;

/// A request whose arguments fit their rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StatusChange<'a> {
    pub(crate) target: TaskStatus,
    pub(crate) user_id: Option<&'a str>,
    pub(crate) notes: Option<&'a str>,
    pub(crate) claim: Claim,
}

const USER_ID_LENGTH_MAX: usize = 255;

/// Notes are kept in the log of events.
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
        claim: Claim,
    ) -> Result<Self, DomainError> {
        Ok(Self {
            target: TaskStatus::parse(Argument("p_new_status"), status)?,
            user_id: Argument("p_user_id").optional(user_id, USER_ID_LENGTH_MAX)?,
            notes: Argument("p_notes").optional(notes, NOTES_LENGTH_MAX)?,
            claim,
        })
    }
}

impl Claim {
    /// The claim of a call's `p_claim_token` and `p_force`.
    pub(crate) fn of(token: Option<i64>, force: Option<bool>) -> Self {
        match (force, token) {
            (Some(true), _) => Self::Force,
            (_, Some(token)) => Self::Holder(token),
            _ => Self::Outsider,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_bounded() {
        let parse = |notes| StatusChange::parse(Some("done"), None, Some(notes), Claim::Outsider);
        let notes = "x".repeat(4001);
        assert_eq!(parse(&notes).unwrap_err().sqlstate(), "22001");
        assert_eq!(parse(&notes[..4000]).unwrap().target, TaskStatus::Completed);
    }

    #[test]
    fn force_outranks_a_token() {
        assert_eq!(Claim::of(Some(1), Some(true)), Claim::Force);
        assert_eq!(Claim::of(Some(1), None), Claim::Holder(1));
        assert_eq!(Claim::of(None, Some(false)), Claim::Outsider);
    }
}
