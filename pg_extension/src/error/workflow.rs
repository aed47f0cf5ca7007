//! Refusals of the functions about workflows and their steps.

use serde_json::{Value, json};
use thiserror::Error;

/// Why a call about a workflow is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum WorkflowError {
    #[error("p_steps is no list of step names: {reason}")]
    BadSteps { reason: String },
    #[error("p_total_steps is {total}, but p_steps names {named}")]
    TotalDiffers { total: i32, named: usize },
    #[error("the workflow has no step \"{step}\"")]
    UnknownStep { id: String, step: String },
    #[error(
        "the report is about attempt {expected} of step \"{step}\", which is at attempt {attempt}"
    )]
    StaleAttempt { id: String, step: String, expected: i32, attempt: i32 },
    #[error("the workflow is {status} and cannot be retried")]
    NotRetryable { id: String, status: &'static str },
    #[error("the workflow was retried {retries} times, which is all that it may")]
    RetriesUsedUp { id: String, retries: i32 },
    #[error("the workflow is {status} and cannot be cancelled")]
    NotCancellable { id: String, status: &'static str },
    #[error("p_idempotency_key was used for another workflow of the task")]
    KeyReused { task: String, id: String },
}

impl WorkflowError {
    pub(super) fn sqlstate(&self) -> &'static str {
        match self {
            Self::BadSteps { .. } | Self::TotalDiffers { .. } | Self::UnknownStep { .. } => "22023",
            Self::KeyReused { .. } => "23505",
            Self::NotRetryable { .. }
            | Self::RetriesUsedUp { .. }
            | Self::NotCancellable { .. } => "55000",
            Self::StaleAttempt { .. } => "55006",
        }
    }

    pub(super) fn detail(&self) -> Value {
        match self {
            Self::BadSteps { reason } => json!({ "argument": "p_steps", "reason": reason }),
            Self::TotalDiffers { total, named } => {
                json!({ "argument": "p_total_steps", "value": total, "named": named })
            }
            Self::UnknownStep { id, step } => json!({ "workflow_id": id, "step_name": step }),
            Self::StaleAttempt { id, step, expected, attempt } => json!({
                "workflow_id": id, "step_name": step, "expected": expected, "attempt": attempt
            }),
            Self::NotRetryable { id, status } | Self::NotCancellable { id, status } => {
                json!({ "workflow_id": id, "status": status })
            }
            Self::RetriesUsedUp { id, retries } => {
                json!({ "workflow_id": id, "retry_count": retries })
            }
            Self::KeyReused { task, id } => json!({ "task_id": task, "workflow_id": id }),
        }
    }

    pub(super) fn hint(&self) -> String {
        match self {
            Self::BadSteps { .. } => {
                "Pass names, each once, such as [\"build\", \"test\", \"final\"].".into()
            }
            Self::TotalDiffers { .. } => "Leave p_total_steps out when p_steps is given.".into(),
            Self::UnknownStep { .. } => "get_workflow shows the steps there are.".into(),
            Self::StaleAttempt { .. } => {
                "The workflow was retried meanwhile: drop this result.".into()
            }
            Self::NotRetryable { .. } => "Only what failed or timed out is retried.".into(),
            Self::RetriesUsedUp { .. } => {
                "Raise taskmaster.workflows.max_retries, or start a new workflow.".into()
            }
            Self::NotCancellable { .. } => "It has ended; nothing is left to cancel.".into(),
            Self::KeyReused { .. } => "Use a new key for each workflow.".into(),
        }
    }
}
