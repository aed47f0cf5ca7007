//! The rules of tasks, workflows, metrics and API calls, as pure Rust: arguments in, a validated
//! value or a [`crate::error::DomainError`] out. It must not know pgrx, SQL or a clock.

pub(crate) mod api_call;
pub(crate) mod argument;
pub(crate) mod audit_row;
pub(crate) mod audit_seal;
pub(crate) mod completion;
pub(crate) mod identity;
pub(crate) mod merkle;
pub(crate) mod metric;
pub(crate) mod status_change;
pub(crate) mod task;
pub(crate) mod task_status;
pub(crate) mod vocabulary;
pub(crate) mod vouch;
pub(crate) mod workflow;
pub(crate) mod workflow_status;
