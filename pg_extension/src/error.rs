//! Why a call is refused: one variant per reason, with the SQLSTATE, DETAIL (a JSON object for
//! programs), HINT (a sentence for people) and constraint name the client receives.
//!
//! It must not know pgrx or SPI: `store::diagnostic` turns these values into server errors.

mod integration;
mod task;
mod workflow;

use serde_json::json;
use thiserror::Error;

pub(crate) use task::TaskRefusal;

use crate::domain::vocabulary::Vocabulary;

pub(crate) use integration::IntegrationError;
pub(crate) use workflow::WorkflowError;

/// A refusal of one of the stored functions.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum DomainError {
    #[error("{argument} must not be null")]
    Null { argument: &'static str },
    #[error("{argument} has {length} characters, at most {length_max} fit")]
    TooLong { argument: &'static str, length: usize, length_max: usize },
    #[error("p_title must not be blank")]
    BlankTitle,
    #[error("{argument} must not be blank")]
    Blank { argument: &'static str },
    #[error("p_priority must lie between 0 and 10, not {value}")]
    PriorityOutOfRange { value: i32 },
    #[error("{argument} must lie between {min} and {max}, not {value}")]
    OutOfRange { argument: &'static str, value: i32, min: i32, max: i32 },
    #[error("\"{value}\" is not a value of {argument}")]
    UnknownWord { argument: &'static str, value: String, allowed: Vocabulary },
    #[error("{argument} must be a JSON object")]
    NotAnObject { argument: &'static str },
    #[error("{argument} has {len} elements, at most {len_max} are allowed")]
    TooManyRows { argument: &'static str, len: usize, len_max: usize },
    #[error("{argument} must be a JSON array of objects")]
    NotAnArray { argument: &'static str },
    #[error("{argument} has {length} elements, p_names has {expected}")]
    ArrayLength { argument: &'static str, length: usize, expected: usize },
    #[error("\"{key}\" is not a key of a metric")]
    UnknownKey { key: String },
    #[error("{key} must be {expected}")]
    WrongType { key: String, expected: &'static str },
    #[error("row {row}: {error}")]
    InRow { row: usize, error: Box<DomainError> },
    #[error("{argument} must be a time, not infinity")]
    NotATime { argument: &'static str },
    #[error("{argument} lies more than a day ahead")]
    TimeAhead { argument: &'static str },
    #[error("p_metric_value must be a finite number")]
    NotFinite,
    #[error("p_from must be before p_to")]
    EmptySpan,
    #[error("p_step must be at least one second, and without months")]
    StepLength,
    #[error("the answer would have {buckets} buckets, at most {buckets_max} are allowed")]
    TooManyBuckets { buckets: i64, buckets_max: i64 },
    #[error("the bytes are not a sketch of ddsketch_agg")]
    NotASketch,
    #[error("p_quantile must lie between 0 and 1")]
    NotAShare,
    #[error("parent task {id} does not exist")]
    ParentMissing { id: String },
    #[error("task {id} does not exist")]
    ReferencedTaskMissing { id: String, constraint: Constraint },
    #[error("task {id} already has a workflow that has not ended")]
    WorkflowActive { id: String },
    #[error("task {id} does not exist")]
    TaskMissing { id: String },
    #[error("workflow {id} does not exist")]
    WorkflowMissing { id: String },
    #[error("a task cannot go from {from} to {to}")]
    IllegalTransition {
        id: String,
        from: &'static str,
        to: &'static str,
        allowed: Vec<&'static str>,
    },
    #[error("the task has subtasks that are neither completed nor cancelled: {open}")]
    OpenSubtasks { id: String, open: i64 },
    #[error("the workflow is {status} and takes no more steps")]
    WorkflowEnded { id: String, status: &'static str },
    #[error("the {noun} has the unknown status \"{status}\"")]
    UnknownStoredStatus { noun: &'static str, id: String, status: String, allowed: Vocabulary },
    #[error("the workflow already holds {records_max} step records")]
    StepRecordsFull { id: String, records_max: i32 },
    #[error("the task hierarchy is deeper than {depth_max} levels")]
    HierarchyTooDeep { id: String, depth_max: i32 },
    #[error("the transaction's isolation level does not show which other transactions have ended")]
    NotReadCommitted,
    #[error("no proxy that this database knows vouches for the identity")]
    NotVouched { last_sequence: i64 },
    #[error("member \"{member}\" of p_identity is not one of an identity, or not of its form")]
    BadIdentity { member: String },
    #[error("table taskmaster.{table} does not exist")]
    SchemaMissing { table: &'static str },
    #[error(transparent)]
    Task(#[from] TaskRefusal),
    #[error(transparent)]
    Integration(#[from] IntegrationError),
    #[error(transparent)]
    Workflow(#[from] WorkflowError),
}

/// The table constraint a refusal stands for, as the client sees it in the error's fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Constraint {
    pub(crate) table: &'static str,
    pub(crate) name: &'static str,
}

impl DomainError {
    /// The five characters of the SQLSTATE (PostgreSQL documentation, appendix A).
    pub(crate) fn sqlstate(&self) -> &'static str {
        match self {
            Self::TooLong { .. } => "22001",
            Self::Null { .. } => "22004",
            Self::OutOfRange { .. }
            | Self::Blank { .. }
            | Self::UnknownWord { .. }
            | Self::NotAnObject { .. }
            | Self::NotATime { .. }
            | Self::NotAnArray { .. }
            | Self::TimeAhead { .. }
            | Self::NotASketch
            | Self::NotAShare
            | Self::EmptySpan
            | Self::StepLength
            | Self::UnknownKey { .. }
            | Self::WrongType { .. }
            | Self::NotFinite
            | Self::BadIdentity { .. } => "22023",
            Self::ArrayLength { .. } => "2202E",
            Self::InRow { error, .. } => error.sqlstate(),
            Self::ParentMissing { .. } | Self::ReferencedTaskMissing { .. } => "23503",
            Self::WorkflowActive { .. } => "23505",
            Self::BlankTitle | Self::PriorityOutOfRange { .. } => "23514",
            Self::StepRecordsFull { .. }
            | Self::TooManyBuckets { .. }
            | Self::TooManyRows { .. } => "54000",
            Self::NotReadCommitted => "25001",
            Self::NotVouched { .. } => "42501",
            Self::HierarchyTooDeep { .. } => "54001",
            Self::IllegalTransition { .. }
            | Self::OpenSubtasks { .. }
            | Self::WorkflowEnded { .. }
            | Self::UnknownStoredStatus { .. }
            | Self::SchemaMissing { .. } => "55000",
            Self::TaskMissing { .. } | Self::WorkflowMissing { .. } => "P0002",
            Self::Task(refusal) => refusal.sqlstate(),
            Self::Integration(error) => error.sqlstate(),
            Self::Workflow(error) => error.sqlstate(),
        }
    }

    /// The facts of the refusal as one JSON object.
    pub(crate) fn detail(&self) -> String {
        let detail = match self {
            Self::Null { argument }
            | Self::Blank { argument }
            | Self::NotAnObject { argument }
            | Self::NotATime { argument }
            | Self::NotAnArray { argument }
            | Self::TimeAhead { argument } => {
                json!({ "argument": argument })
            }
            Self::TooManyRows { argument, len, len_max } => {
                json!({ "argument": argument, "len": len, "len_max": len_max })
            }
            Self::ArrayLength { argument, length, expected } => {
                json!({ "argument": argument, "length": length, "expected": expected })
            }
            Self::UnknownKey { key } => json!({ "key": key }),
            Self::TooManyBuckets { buckets, buckets_max } => {
                json!({ "buckets": buckets, "buckets_max": buckets_max })
            }
            Self::WrongType { key, expected } => json!({ "key": key, "expected": expected }),
            Self::InRow { row, error } => return error.detail_in_row(*row),
            Self::TooLong { argument, length, length_max } => {
                json!({ "argument": argument, "length": length, "length_max": length_max })
            }
            Self::BlankTitle => json!({ "argument": "p_title" }),
            Self::PriorityOutOfRange { value } => {
                json!({ "argument": "p_priority", "value": value, "min": 0, "max": 10 })
            }
            Self::OutOfRange { argument, value, min, max } => {
                json!({ "argument": argument, "value": value, "min": min, "max": max })
            }
            Self::UnknownWord { argument, value, allowed } => {
                json!({ "argument": argument, "value": value, "allowed": allowed.words() })
            }
            Self::NotFinite => json!({ "argument": "p_metric_value" }),
            Self::Task(refusal) => refusal.detail(),
            Self::Integration(error) => error.detail(),
            Self::Workflow(error) => error.detail(),
            other => other.detail_of_row(),
        };
        detail.to_string()
    }

    /// What the caller can do about it.
    pub(crate) fn hint(&self) -> String {
        match self {
            Self::Null { argument } => format!("Pass a value for {argument}."),
            Self::TooLong { .. } => {
                "Shorten the value; long text belongs in a text or jsonb argument.".into()
            }
            Self::BlankTitle | Self::Blank { .. } => "Pass at least one visible character.".into(),
            Self::PriorityOutOfRange { .. } | Self::OutOfRange { .. } => {
                "Pass a value within the range.".into()
            }
            Self::UnknownWord { allowed, .. } => format!("Known values: {allowed}."),
            Self::NotAnObject { argument } => {
                format!("Pass an object such as {{\"key\": \"value\"}} for {argument}.")
            }
            Self::Integration(error) => error.hint(),
            Self::Workflow(error) => error.hint(),
            Self::TooManyRows { .. } => "Make several calls.".into(),
            Self::NotAnArray { .. } => "Pass an array such as [{\"key\": \"value\"}].".into(),
            Self::ArrayLength { .. } => {
                "Pass arrays of equal length, with NULL for what is not there.".into()
            }
            Self::UnknownKey { .. } => {
                "The keys are the arguments of record_metric without p_, such as metric_name."
                    .into()
            }
            Self::WrongType { expected, .. } => format!("Pass {expected} or null."),
            Self::InRow { error, .. } => error.hint(),
            Self::EmptySpan => "Pass a span such as now() - interval '1 hour' to now().".into(),
            Self::StepLength => "Pass a step such as interval '5 minutes'.".into(),
            Self::TooManyBuckets { .. } => "Pass a longer step or a shorter span.".into(),
            Self::NotASketch => "Pass what ddsketch_agg or ddsketch_merge returned.".into(),
            Self::NotAShare => "Pass 0.5 for the median, 0.99 for the 99th percentile.".into(),
            Self::NotATime { .. } => "Pass a point in time.".into(),
            Self::TimeAhead { .. } => "Check the clock of the machine that measures.".into(),
            Self::NotFinite => "Leave NaN and infinity out; they have no JSON form.".into(),
            Self::Task(refusal) => refusal.hint(),
            other => other.hint_of_row(),
        }
    }

    /// The table constraint the refusal stands for, if there is one.
    pub(crate) fn constraint(&self) -> Option<Constraint> {
        let of_tasks = |name| Some(Constraint { table: "tasks", name });
        match self {
            Self::BlankTitle => of_tasks("tasks_title_check"),
            Self::PriorityOutOfRange { .. } => of_tasks("tasks_priority_check"),
            Self::ParentMissing { .. } => of_tasks("tasks_parent_task_id_fkey"),
            Self::ReferencedTaskMissing { constraint, .. } => Some(*constraint),
            Self::Task(refusal) => refusal.constraint(),
            Self::WorkflowActive { .. } => {
                Some(Constraint { table: "workflows", name: "workflows_active_task_id_key" })
            }
            Self::Workflow(WorkflowError::KeyReused { .. }) => {
                let name = "workflows_task_id_idempotency_key_key";
                Some(Constraint { table: "workflows", name })
            }
            _ => None,
        }
    }

    /// The refusal of one of many rows, counted from zero.
    pub(crate) fn in_row(self, row: usize) -> Self {
        Self::InRow { row, error: Box::new(self) }
    }

    fn detail_in_row(&self, row: usize) -> String {
        let detail = serde_json::from_str(&self.detail());
        let mut detail: serde_json::Value = detail.expect("a detail is JSON");
        detail["row"] = row.into();
        detail.to_string()
    }

    fn detail_of_row(&self) -> serde_json::Value {
        match self {
            Self::ParentMissing { id } => json!({ "parent_task_id": id }),
            Self::ReferencedTaskMissing { id, .. }
            | Self::WorkflowActive { id }
            | Self::TaskMissing { id } => {
                json!({ "task_id": id })
            }
            Self::WorkflowMissing { id } => json!({ "workflow_id": id }),
            Self::IllegalTransition { id, from, to, allowed } => {
                json!({ "task_id": id, "from": from, "to": to, "allowed": allowed })
            }
            Self::OpenSubtasks { id, open } => json!({ "task_id": id, "open_subtasks": open }),
            Self::WorkflowEnded { id, status } => json!({ "workflow_id": id, "status": status }),
            Self::UnknownStoredStatus { noun, id, status, .. } => {
                json!({ format!("{noun}_id"): id, "status": status })
            }
            Self::StepRecordsFull { id, records_max } => {
                json!({ "workflow_id": id, "records_max": records_max })
            }
            Self::HierarchyTooDeep { id, depth_max } => {
                json!({ "task_id": id, "depth_max": depth_max })
            }
            Self::SchemaMissing { table } => json!({ "schema": "taskmaster", "table": table }),
            Self::NotVouched { last_sequence } => json!({ "last_sequence": last_sequence }),
            Self::BadIdentity { member } => json!({ "argument": "p_identity", "member": member }),
            _ => json!({}),
        }
    }

    fn hint_of_row(&self) -> String {
        match self {
            Self::IllegalTransition { from, allowed, .. } => {
                format!("Allowed from {from}: {}.", allowed.join(", "))
            }
            Self::WorkflowActive { .. } => {
                "Report its steps to the end or cancel it before another is started.".into()
            }
            Self::OpenSubtasks { .. } => "Complete or cancel the subtasks first.".into(),
            Self::WorkflowEnded { .. } => "Start a new workflow with create_workflow.".into(),
            Self::UnknownStoredStatus { noun, allowed, .. } => {
                format!("Set taskmaster.{noun}s.status to one of: {allowed}.")
            }
            Self::StepRecordsFull { .. } => {
                "Report a step when it starts and when it ends, not as a heartbeat.".into()
            }
            Self::HierarchyTooDeep { .. } => "Ask for a subtask further down.".into(),
            Self::SchemaMissing { .. } => "run `taskmaster migrate up`".into(),
            Self::NotReadCommitted => "Use READ COMMITTED.".into(),
            Self::NotVouched { .. } => "Only a proxy with a key in taskmaster.proxy_keys can set \
                the identity, with numbers that rise; log in through it."
                .into(),
            Self::BadIdentity { .. } => "Members are actor and tenant (text, up to 255 \
                characters), client_addr (an IP address) and client_port."
                .into(),
            Self::WorkflowMissing { .. } => "Look the id up in taskmaster.workflows.".into(),
            _ => "Look the id up in taskmaster.tasks.".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn detail_is_json_and_names_the_argument() {
        let error = DomainError::TooLong { argument: "p_title", length: 300, length_max: 255 };
        let detail: serde_json::Value = serde_json::from_str(&error.detail()).unwrap();
        assert_eq!(detail, json!({ "argument": "p_title", "length": 300, "length_max": 255 }));
        assert_eq!(error.to_string(), "p_title has 300 characters, at most 255 fit");
    }

    #[test]
    fn check_violations_name_their_constraint() {
        let name = |error: DomainError| error.constraint().map(|constraint| constraint.name);
        assert_eq!(name(DomainError::BlankTitle), Some("tasks_title_check"));
        let out_of_range = DomainError::PriorityOutOfRange { value: 11 };
        assert_eq!(out_of_range.sqlstate(), "23514");
        assert_eq!(name(out_of_range), Some("tasks_priority_check"));
        assert_eq!(name(DomainError::NotFinite), None);
    }

    #[test]
    fn missing_schema_says_which_command_helps() {
        let error = DomainError::SchemaMissing { table: "tasks" };
        assert_eq!(
            (error.sqlstate(), error.hint().as_str()),
            ("55000", "run `taskmaster migrate up`")
        );
    }
}
