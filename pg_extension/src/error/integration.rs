//! Refusals of the functions about integrations.

use serde_json::{Value, json};
use thiserror::Error;

/// Why a call about an integration is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum IntegrationError {
    #[error("{path} holds a secret in plain text")]
    PlainSecret { path: String },
    #[error("\"{value}\" is no type of integration")]
    BadType { value: String },
    #[error("integration \"{name}\" is not registered")]
    Missing { name: String },
    #[error("integration \"{name}\" may not be called now: {reason}")]
    RateLimited { name: String, reason: &'static str, retry_after_ms: i32 },
    #[error("the budget of task {id} is used up")]
    BudgetExceeded { id: String },
    #[error("task {id} does not exist")]
    BudgetTaskMissing { id: String },
}

impl IntegrationError {
    pub(super) fn sqlstate(&self) -> &'static str {
        match self {
            Self::PlainSecret { .. } | Self::BadType { .. } => "22023",
            Self::RateLimited { .. } | Self::BudgetExceeded { .. } => "53400",
            Self::Missing { .. } | Self::BudgetTaskMissing { .. } => "P0002",
        }
    }

    pub(super) fn detail(&self) -> Value {
        match self {
            Self::PlainSecret { path } => json!({ "path": path }),
            Self::BadType { value } => json!({ "argument": "p_type", "value": value }),
            Self::Missing { name } => json!({ "integration_name": name }),
            Self::RateLimited { name, reason, retry_after_ms } => json!({
                "integration_name": name, "reason": reason, "retry_after_ms": retry_after_ms
            }),
            Self::BudgetExceeded { id } | Self::BudgetTaskMissing { id } => {
                json!({ "task_id": id })
            }
        }
    }

    pub(super) fn hint(&self) -> String {
        match self {
            Self::PlainSecret { .. } => {
                "Store where the secret is: env:NAME, file:/path or vault:path. If it was sent over \
                 an open line or written to a log, change it."
                    .into()
            }
            Self::BadType { .. } => {
                "Pass a word of small letters, digits, - and _, such as github.".into()
            }
            Self::Missing { .. } => "Register it with register_integration.".into(),
            Self::RateLimited { retry_after_ms, .. } => {
                format!("Try again in {} s.", f64::from(*retry_after_ms) / 1000.0)
            }
            Self::BudgetExceeded { .. } => "Raise it with set_task_budget, or stop.".into(),
            Self::BudgetTaskMissing { .. } => "Look the id up in taskmaster.tasks.".into(),
        }
    }
}
