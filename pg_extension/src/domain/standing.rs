//! Whether a task that stands somewhere may be moved: by the table of transitions, by what the task
//! waits for, and by who holds its lease. It must not know where these facts are stored.

use super::task_status::TaskStatus;
use crate::error::{DomainError, TaskRefusal};

/// The facts about a task, read under its row lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) id: String,
    pub(crate) status: TaskStatus,
    pub(crate) open_deps: i32,
    pub(crate) open_gates: i32,
    pub(crate) attempt: i32,
    pub(crate) max_attempts: i32,
    pub(crate) lease: Option<Lease>,
    /// The number of the last lease, over or not.
    pub(crate) last_token: Option<i64>,
    /// What the table of transitions says of the wanted change.
    pub(crate) rule: Rule,
}

/// Who holds a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lease {
    pub(crate) holder: String,
    /// Whether its time is not over.
    pub(crate) is_live: bool,
}

/// A row of the table of transitions, or that there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    Forbidden,
    Allowed,
    /// Allowed when nothing that the task waits for is open.
    WhenReady,
    /// Allowed when every subtask is completed or cancelled.
    WhenSubtasksEnded,
}

/// Who wants the change, as far as the lease is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Claim {
    /// Somebody without a lease.
    Outsider,
    /// Whoever was given this token.
    Holder(i64),
    /// Somebody who takes the lease away, and passes over the rules.
    Force,
}

/// What a request for a status asks of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transition {
    /// The task is there already: nothing is written.
    None,
    /// The task moves on, when its subtasks have ended.
    AfterSubtasks,
    /// The task moves on.
    Now,
}

impl Rule {
    /// The rule of a row: whether there is one, and its guard.
    pub(crate) fn of_row(exists: bool, guard: Option<&str>) -> Self {
        match (exists, guard) {
            (false, _) => Self::Forbidden,
            (true, Some("ready")) => Self::WhenReady,
            (true, Some("subtasks_ended")) => Self::WhenSubtasksEnded,
            (true, _) => Self::Allowed,
        }
    }
}

impl Standing {
    /// Whether the task may move to `target`; what the table forbids is for the caller to word,
    /// because only the table knows what is allowed instead.
    ///
    /// # Errors
    /// 55006 the lease is another's or over; 55000 the task waits for something.
    pub(crate) fn permit(
        &self,
        target: TaskStatus,
        claim: Claim,
    ) -> Result<Option<Transition>, DomainError> {
        if claim == Claim::Force {
            return Ok(Some(if self.status == target {
                Transition::None
            } else {
                Transition::Now
            }));
        }
        if self.is_repeated(target, claim) {
            return Ok(Some(Transition::None));
        }
        self.check_lease(claim)?;
        if self.status == target {
            return Ok(Some(Transition::None));
        }
        match self.rule {
            Rule::Forbidden => Ok(None),
            Rule::Allowed => Ok(Some(Transition::Now)),
            Rule::WhenSubtasksEnded => Ok(Some(Transition::AfterSubtasks)),
            Rule::WhenReady => self.check_ready().map(|()| Some(Transition::Now)),
        }
    }

    /// A worker that lost the answer asks again: the task has ended, and by its own lease.
    fn is_repeated(&self, target: TaskStatus, claim: Claim) -> bool {
        let is_last = matches!(claim, Claim::Holder(token) if self.last_token == Some(token));
        is_last && self.lease.is_none() && self.status == target && target.is_end()
    }

    /// Whether `claim` may act on the task.
    ///
    /// # Errors
    /// 55006.
    pub(crate) fn check_lease(&self, claim: Claim) -> Result<(), DomainError> {
        match (claim, &self.lease) {
            (Claim::Force, _) | (Claim::Outsider, None) => Ok(()),
            (Claim::Outsider, Some(lease)) if !lease.is_live => Ok(()),
            (Claim::Outsider, Some(lease)) => {
                Err(TaskRefusal::LeaseHeld { id: self.id.clone(), holder: lease.holder.clone() }
                    .into())
            }
            // A lease whose time is over still counts while nobody else took the task.
            (Claim::Holder(token), Some(_)) if self.last_token == Some(token) => Ok(()),
            (Claim::Holder(token), _) => {
                Err(TaskRefusal::StaleToken { id: self.id.clone(), token }.into())
            }
        }
    }

    fn check_ready(&self) -> Result<(), DomainError> {
        let (open_deps, open_gates) = (self.open_deps, self.open_gates);
        if open_deps == 0 && open_gates == 0 {
            return Ok(());
        }
        Err(TaskRefusal::NotReady { id: self.id.clone(), open_deps, open_gates }.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(status: TaskStatus, rule: Rule) -> Standing {
        Standing {
            id: "t".into(),
            status,
            open_deps: 0,
            open_gates: 0,
            attempt: 1,
            max_attempts: 3,
            lease: None,
            last_token: None,
            rule,
        }
    }

    fn leased(is_live: bool) -> Standing {
        let lease = Some(Lease { holder: "w".into(), is_live });
        Standing { lease, last_token: Some(7), ..standing(TaskStatus::InProgress, Rule::Allowed) }
    }

    fn sqlstate(standing: &Standing, target: TaskStatus, claim: Claim) -> &'static str {
        standing.permit(target, claim).unwrap_err().sqlstate()
    }

    #[test]
    fn the_table_decides_and_force_passes_over_it() {
        let task = standing(TaskStatus::Pending, Rule::Forbidden);
        assert_eq!(task.permit(TaskStatus::Completed, Claim::Outsider), Ok(None));
        assert_eq!(task.permit(TaskStatus::Completed, Claim::Force), Ok(Some(Transition::Now)));
        assert_eq!(task.permit(TaskStatus::Pending, Claim::Outsider), Ok(Some(Transition::None)));
    }

    #[test]
    fn guards_are_kept() {
        let task = Standing { open_gates: 1, ..standing(TaskStatus::Pending, Rule::WhenReady) };
        assert_eq!(sqlstate(&task, TaskStatus::InProgress, Claim::Outsider), "55000");
        let task = standing(TaskStatus::InProgress, Rule::WhenSubtasksEnded);
        let permitted = task.permit(TaskStatus::Completed, Claim::Outsider);
        assert_eq!(permitted, Ok(Some(Transition::AfterSubtasks)));
    }

    #[test]
    fn only_the_holder_moves_a_leased_task() {
        let target = TaskStatus::Review;
        assert_eq!(sqlstate(&leased(true), target, Claim::Outsider), "55006");
        assert_eq!(sqlstate(&leased(true), target, Claim::Holder(6)), "55006");
        assert_eq!(leased(true).permit(target, Claim::Holder(7)), Ok(Some(Transition::Now)));
        assert_eq!(leased(true).permit(target, Claim::Force), Ok(Some(Transition::Now)));
    }

    #[test]
    fn a_lease_that_is_over_counts_until_somebody_takes_the_task() {
        let target = TaskStatus::Review;
        assert_eq!(leased(false).permit(target, Claim::Holder(7)), Ok(Some(Transition::Now)));
        assert_eq!(leased(false).permit(target, Claim::Outsider), Ok(Some(Transition::Now)));
        let taken = Standing { lease: None, ..leased(true) };
        assert_eq!(sqlstate(&taken, target, Claim::Holder(7)), "55006");
    }

    #[test]
    fn an_end_that_was_reported_already_is_no_error_for_its_reporter() {
        let ended =
            Standing { last_token: Some(7), ..standing(TaskStatus::Completed, Rule::Forbidden) };
        let repeated = ended.permit(TaskStatus::Completed, Claim::Holder(7));
        assert_eq!(repeated, Ok(Some(Transition::None)));
        assert_eq!(sqlstate(&ended, TaskStatus::Completed, Claim::Holder(6)), "55006");
        assert_eq!(sqlstate(&ended, TaskStatus::Failed, Claim::Holder(7)), "55006");
    }
}
