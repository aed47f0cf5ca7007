//! What a call that succeeds still has to say: warnings the client receives beside its result.
//!
//! It must not know pgrx or SPI: `store::diagnostic` sends these values.

use serde_json::json;
use thiserror::Error;

/// A condition under which a call is carried out, but not as its caller may think.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum Warning {
    #[error("integration \"{name}\" is not registered")]
    UnknownIntegration { name: String },
    #[error("integration name \"{name}\" is used more than once")]
    AmbiguousIntegration { name: String, integration_type: String },
    #[error("{job} failed: {message}")]
    JobFailed { job: &'static str, sqlstate: String, message: String },
}

impl Warning {
    /// Class 01: the statement goes on.
    pub(crate) fn sqlstate(&self) -> &'static str {
        "01000"
    }

    /// The facts of the warning as one JSON object.
    pub(crate) fn detail(&self) -> String {
        match self {
            Self::UnknownIntegration { name } => json!({ "integration_name": name }),
            Self::AmbiguousIntegration { name, integration_type } => {
                json!({ "integration_name": name, "logged_under": integration_type })
            }
            Self::JobFailed { job, sqlstate, .. } => json!({ "job": job, "sqlstate": sqlstate }),
        }
        .to_string()
    }

    /// What was done, and what the caller can do.
    pub(crate) fn hint(&self) -> String {
        match self {
            Self::UnknownIntegration { .. } => {
                "The call is logged without an integration, its name kept in request_headers; \
                 register it in taskmaster.external_integrations."
            }
            Self::AmbiguousIntegration { .. } => {
                "The call is logged under the oldest active integration of that name; give each \
                 a name of its own."
            }
            Self::JobFailed { .. } => "The other jobs went on; the next tick tries it again.",
        }
        .into()
    }
}
