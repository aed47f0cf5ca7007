//! The life of a workflow: what a step's report makes of it. It must not know how the progress it
//! is given was counted.

use super::vocabulary::Vocabulary;
use super::workflow::{StepReport, StepStatus};

/// Where a workflow stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WorkflowStatus {
    Initialized,
    Running,
    Completed,
    Failed,
    Cancelled,
    Timeout,
}

/// How many steps are behind a workflow, besides the one being reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Distinct other steps whose latest report says completed or skipped.
    pub(crate) finished_others: i64,
    /// The announced number of steps; 0 when it is not known.
    pub(crate) total_steps: i32,
}

/// `workflows.status`, as stored.
pub(crate) const WORKFLOW_STATUSES: Vocabulary =
    Vocabulary(&["initialized", "running", "completed", "failed", "cancelled", "timeout"]);

/// The name that ends a workflow when completed, whatever its total says.
const FINAL_STEP: &str = "final";

impl WorkflowStatus {
    const ALL: [Self; 6] = [
        Self::Initialized,
        Self::Running,
        Self::Completed,
        Self::Failed,
        Self::Cancelled,
        Self::Timeout,
    ];

    /// The status a row holds, or `None` for a word this version does not know.
    pub(crate) fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }

    /// The stored spelling.
    pub(crate) fn as_str(self) -> &'static str {
        WORKFLOW_STATUSES.words()[self as usize]
    }

    /// Whether steps may still be reported.
    pub(crate) fn takes_steps(self) -> bool {
        matches!(self, Self::Initialized | Self::Running)
    }

    /// Whether [`Self::Running`] may follow a retry.
    pub(crate) fn is_retryable(self) -> bool {
        matches!(self, Self::Failed | Self::Timeout)
    }

    /// The status after `step` is reported to a workflow that takes steps.
    pub(crate) fn after(step: &StepReport<'_>, progress: Progress) -> Self {
        let is_final = step.name == FINAL_STEP && step.status == StepStatus::Completed;
        match step.status {
            StepStatus::Failed => Self::Failed,
            status if is_final || progress.is_complete_with(status) => Self::Completed,
            _ => Self::Running,
        }
    }
}

impl Progress {
    fn is_complete_with(self, status: StepStatus) -> bool {
        let finished = self.finished_others + i64::from(status.is_finished());
        self.total_steps > 0 && finished >= i64::from(self.total_steps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(
        name: &str,
        status: StepStatus,
        finished_others: i64,
        total_steps: i32,
    ) -> WorkflowStatus {
        let step = StepReport { name, status, error_message: None, expected_attempt: None };
        WorkflowStatus::after(&step, Progress { finished_others, total_steps })
    }

    #[test]
    fn words_and_variants_agree() {
        for (status, word) in WorkflowStatus::ALL.into_iter().zip(WORKFLOW_STATUSES.words()) {
            assert_eq!(WorkflowStatus::from_word(word), Some(status));
        }
    }

    #[test]
    fn the_first_step_sets_running() {
        assert_eq!(after("build", StepStatus::Pending, 0, 3), WorkflowStatus::Running);
        assert_eq!(after("build", StepStatus::Completed, 0, 0), WorkflowStatus::Running);
    }

    #[test]
    fn completes_with_the_last_step_or_the_final_one() {
        assert_eq!(after("test", StepStatus::Completed, 1, 2), WorkflowStatus::Completed);
        assert_eq!(after("test", StepStatus::Skipped, 1, 2), WorkflowStatus::Completed);
        assert_eq!(after("test", StepStatus::Running, 1, 2), WorkflowStatus::Running);
        assert_eq!(after("final", StepStatus::Completed, 0, 9), WorkflowStatus::Completed);
        assert_eq!(after("final", StepStatus::Skipped, 0, 9), WorkflowStatus::Running);
    }

    #[test]
    fn a_failed_step_fails_the_workflow() {
        assert_eq!(after("final", StepStatus::Failed, 8, 9), WorkflowStatus::Failed);
    }

    #[test]
    fn an_ended_workflow_takes_no_steps() {
        let open: Vec<_> = WorkflowStatus::ALL.into_iter().filter(|s| s.takes_steps()).collect();
        assert_eq!(open, [WorkflowStatus::Initialized, WorkflowStatus::Running]);
        let again: Vec<_> = WorkflowStatus::ALL.into_iter().filter(|s| s.is_retryable()).collect();
        assert_eq!(again, [WorkflowStatus::Failed, WorkflowStatus::Timeout]);
    }
}
