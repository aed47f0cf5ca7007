//! Why a call about tasks is refused, beyond what every noun shares.

use serde_json::{Value, json};
use thiserror::Error;

use super::Constraint;

/// A refusal of one of the functions over tasks, dependencies, gates, leases and events.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum TaskRefusal {
    #[error("{argument} must lie between {min} and {max}, not {value}")]
    OutOfCheck { argument: &'static str, value: i64, min: i64, max: i64, constraint: &'static str },
    #[error("{argument} must be {expected}")]
    WrongShape { argument: &'static str, expected: &'static str },
    #[error("{argument} cannot be read: {reason}")]
    Unreadable { argument: &'static str, reason: String },
    #[error("{argument} is {size} {unit} large, at most {size_max} are taken")]
    TooLarge { argument: &'static str, size: usize, size_max: usize, unit: &'static str },
    #[error("{argument} is nested too deeply")]
    TooDeep { argument: &'static str },
    #[error("{argument} has the unknown key \"{key}\"")]
    UnknownKey { argument: &'static str, key: String, allowed: Vec<&'static str> },
    #[error("the reference \"{reference}\" is used more than once")]
    DuplicateReference { reference: String },
    #[error("the reference \"{reference}\" is neither a task of the list nor an id")]
    UnknownReference { reference: String },
    #[error("the tasks of the list wait for each other: {}", path.join(" > "))]
    CycleInList { path: Vec<String> },
    #[error("a task cannot wait for itself")]
    WaitsForItself { id: String },
    #[error("the task waits for {open_deps} tasks and {open_gates} gates")]
    NotReady { id: String, open_deps: i32, open_gates: i32 },
    #[error("the task is leased to {holder}")]
    LeaseHeld { id: String, holder: String },
    #[error("the lease with token {token} is over")]
    StaleToken { id: String, token: i64 },
    #[error("the task is at version {present}, not {expected}")]
    VersionMismatch { id: String, expected: i64, present: i64 },
    #[error("the idempotency key was used for another request")]
    KeyReused { key: String },
    #[error("the request with this idempotency key is not visible yet")]
    KeyInvisible { key: String },
    #[error("gate {id} does not exist")]
    GateMissing { id: String },
    #[error("a task cannot be below itself")]
    BelowItself { id: String, parent: String },
    #[error("{function} must not run in a transaction with one snapshot")]
    OldSnapshot { function: &'static str },
    #[error("events cannot be read in order on a replica")]
    OnReplica,
}

impl TaskRefusal {
    /// The five characters of the SQLSTATE.
    pub(super) fn sqlstate(&self) -> &'static str {
        match self {
            Self::WrongShape { .. }
            | Self::Unreadable { .. }
            | Self::UnknownKey { .. }
            | Self::DuplicateReference { .. } => "22023",
            Self::UnknownReference { .. } => "23503",
            Self::KeyReused { .. } => "23505",
            Self::OutOfCheck { .. }
            | Self::CycleInList { .. }
            | Self::WaitsForItself { .. }
            | Self::BelowItself { .. } => "23514",
            Self::OldSnapshot { .. } => "25001",
            Self::VersionMismatch { .. } | Self::KeyInvisible { .. } => "40001",
            Self::TooLarge { .. } => "54000",
            Self::TooDeep { .. } => "54001",
            Self::NotReady { .. } | Self::OnReplica => "55000",
            Self::LeaseHeld { .. } | Self::StaleToken { .. } => "55006",
            Self::GateMissing { .. } => "P0002",
        }
    }

    /// The facts of the refusal as one JSON object.
    pub(super) fn detail(&self) -> Value {
        match self {
            Self::OutOfCheck { argument, value, min, max, .. } => {
                json!({ "argument": argument, "value": value, "min": min, "max": max })
            }
            Self::WrongShape { argument, .. }
            | Self::Unreadable { argument, .. }
            | Self::TooDeep { argument } => json!({ "argument": argument }),
            Self::TooLarge { argument, size, size_max, unit } => {
                json!({ "argument": argument, "size": size, "size_max": size_max, "unit": unit })
            }
            Self::UnknownKey { argument, key, allowed } => {
                json!({ "argument": argument, "key": key, "allowed": allowed })
            }
            Self::DuplicateReference { reference } | Self::UnknownReference { reference } => {
                json!({ "reference": reference })
            }
            Self::CycleInList { path } => json!({ "path": path }),
            other => other.detail_of_row(),
        }
    }

    fn detail_of_row(&self) -> Value {
        match self {
            Self::WaitsForItself { id } => json!({ "task_id": id }),
            Self::NotReady { id, open_deps, open_gates } => {
                json!({ "task_id": id, "open_deps": open_deps, "open_gates": open_gates })
            }
            Self::LeaseHeld { id, holder } => json!({ "task_id": id, "claimed_by": holder }),
            Self::StaleToken { id, token } => json!({ "task_id": id, "claim_token": token }),
            Self::VersionMismatch { id, expected, present } => {
                json!({ "task_id": id, "expected": expected, "present": present })
            }
            Self::KeyReused { key } | Self::KeyInvisible { key } => {
                json!({ "idempotency_key": key })
            }
            Self::GateMissing { id } => json!({ "gate_id": id }),
            Self::BelowItself { id, parent } => json!({ "task_id": id, "parent_task_id": parent }),
            Self::OldSnapshot { function } => json!({ "function": function }),
            _ => json!({}),
        }
    }

    /// What the caller can do about it.
    pub(super) fn hint(&self) -> String {
        match self {
            Self::OutOfCheck { .. } => "Pass a value within the range.".into(),
            Self::WrongShape { expected, .. } => format!("Pass {expected}."),
            Self::Unreadable { .. } => "Numbers must fit into 64 bits.".into(),
            Self::TooLarge { .. } => {
                "Send it in several calls, or keep it elsewhere and store where it is.".into()
            }
            Self::TooDeep { .. } => "Nest at most 100 levels.".into(),
            Self::UnknownKey { allowed, .. } => format!("Known keys: {}.", allowed.join(", ")),
            Self::DuplicateReference { .. } => {
                "Give each task of the list a \"ref\" of its own.".into()
            }
            Self::UnknownReference { .. } => {
                "Name the \"ref\" of a task in the same list, or the id of one that exists.".into()
            }
            Self::CycleInList { .. } => "Remove one of the dependencies on the path.".into(),
            Self::WaitsForItself { .. } => "Name another task to wait for.".into(),
            other => other.hint_of_row(),
        }
    }

    fn hint_of_row(&self) -> String {
        match self {
            Self::NotReady { .. } => "explain_not_ready() says what it waits for.",
            Self::LeaseHeld { .. } => {
                "Pass the holder's claim token, wait until the lease is over, or take it away with p_force."
            }
            Self::StaleToken { .. } => {
                "Stop working on the task: somebody else may have it. claim_task() gives a new one."
            }
            Self::VersionMismatch { .. } => "Read the task again and repeat the change.",
            Self::KeyReused { .. } => "Use a new key for each request, and the same only to repeat one.",
            Self::KeyInvisible { .. } => "Repeat the transaction.",
            Self::GateMissing { .. } => "Look the id up in taskmaster.task_gates.",
            Self::BelowItself { .. } => "Choose a parent that is not among the task's own subtasks.",
            Self::OldSnapshot { .. } => "Call it in READ COMMITTED, where each statement sees what was committed.",
            Self::OnReplica => "Read the events from the primary server.",
            _ => "Look the id up in taskmaster.tasks.",
        }
        .into()
    }

    /// The table constraint the refusal stands for, if there is one.
    pub(super) fn constraint(&self) -> Option<Constraint> {
        let (table, name) = match self {
            Self::OutOfCheck { constraint, .. } => ("tasks", *constraint),
            Self::CycleInList { .. } => ("task_dependencies", "task_dependencies_acyclic"),
            Self::WaitsForItself { .. } => ("task_dependencies", "task_dependencies_self_check"),
            Self::BelowItself { .. } => ("tasks", "tasks_parent_task_id_check"),
            Self::KeyReused { .. } => ("idempotency_keys", "idempotency_keys_pkey"),
            _ => return None,
        };
        Some(Constraint { table, name })
    }
}

#[cfg(test)]
mod tests {
    use super::super::DomainError;
    use super::*;

    #[test]
    fn a_refusal_carries_its_fields_through_the_common_error() {
        let error = DomainError::from(TaskRefusal::StaleToken { id: "x".into(), token: 7 });
        assert_eq!(error.sqlstate(), "55006");
        assert_eq!(error.to_string(), "the lease with token 7 is over");
        assert_eq!(error.detail(), r#"{"claim_token":7,"task_id":"x"}"#);
        assert!(error.hint().starts_with("Stop working"), "{}", error.hint());
        let error =
            DomainError::from(TaskRefusal::CycleInList { path: vec!["a".into(), "a".into()] });
        assert_eq!(error.constraint().unwrap().name, "task_dependencies_acyclic");
    }
}
