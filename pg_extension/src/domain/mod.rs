//! The rules of tasks, workflows, metrics and API calls, as pure Rust: arguments in, a validated
//! value or a [`crate::error::DomainError`] out. It must not know pgrx, SQL or a clock.

pub(crate) mod api_call;
pub(crate) mod argument;
pub(crate) mod backoff;
pub(crate) mod breaker;
pub(crate) mod claim;
pub(crate) mod completion;
pub(crate) mod dependency;
pub(crate) mod document;
pub(crate) mod gate;
pub(crate) mod graph;
pub(crate) mod health;
pub(crate) mod health_check;
pub(crate) mod host;
pub(crate) mod integration;
pub(crate) mod metric;
pub(crate) mod moment;
pub(crate) mod rate_headers;
pub(crate) mod rate_limit;
pub(crate) mod redaction;
pub(crate) mod secret;
pub(crate) mod standing;
pub(crate) mod status_change;
pub(crate) mod task;
pub(crate) mod task_field;
pub(crate) mod task_filter;
pub(crate) mod task_list;
pub(crate) mod task_status;
pub(crate) mod taskmaster_import;
pub(crate) mod taskmaster_json;
pub(crate) mod vocabulary;
pub(crate) mod workflow;
pub(crate) mod workflow_status;
