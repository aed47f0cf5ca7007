//! `taskmaster.workflows` and `taskmaster.workflow_steps`: new workflows and reports of their
//! steps. It must not know when a workflow ends.

use pgrx::Uuid;
use pgrx::pg_sys::BuiltinOid::{INT4OID, JSONBOID, TEXTARRAYOID, TEXTOID, UUIDOID, VARCHAROID};

use super::Jsonb;
use super::plan::{Access, Plan, Row, bind};
use super::schema::Table;
use crate::domain::argument::Argument;
use crate::domain::workflow::{NewWorkflow, StepReport};
use crate::domain::workflow_status::{Progress, WORKFLOW_STATUSES, WorkflowStatus};
use crate::error::{Constraint, DomainError, WorkflowError};

/// What a locked workflow says about itself.
pub(super) struct Standing {
    id: Uuid,
    status: Option<String>,
    total_steps: i32,
    records: i32,
    pub(super) retry_count: i32,
    pub(super) max_retries: i32,
    pub(super) task: Option<Uuid>,
}

/// How a step and those beside it stand, read when the workflow is locked.
struct StepStanding {
    finished_others: i64,
    /// `None` before the first report of a step that was not planned.
    attempt: Option<i32>,
    /// Whether the workflow's steps were named when it was created.
    is_planned: bool,
}

/// Every report rewrites the list of those before it, so the list is bounded.
const RECORDS_MAX: i32 = 10_000;

/// Notes about a workflow, not its results.
const METADATA_BYTES_MAX: usize = 1024 * 1024;

/// The name that ends a workflow, whether it was planned or not.
const FINAL_STEP: &str = "final";

const TASK_FOREIGN_KEY: Constraint =
    Constraint { table: "workflows", name: "workflows_task_id_fkey" };

thread_local! {
    // No row comes back when the task is missing, has a workflow that has not ended, or has one of
    // this key.
    static INSERT: Plan = const { Plan::new(
        c"WITH made AS (
            INSERT INTO taskmaster.workflows
              (task_id, workflow_type, total_steps, timeout_minutes, max_retries, metadata,
               idempotency_key, idempotency_hash)
            SELECT $1, $2, $3, $4, $5, coalesce($6, '{}'), $7,
              CASE WHEN $7 IS NOT NULL THEN pg_catalog.sha256(pg_catalog.convert_to(
                pg_catalog.jsonb_build_array($2, $3, $4, $5, $6, $8)::pg_catalog.text, 'UTF8'))
              END
            WHERE EXISTS (SELECT FROM taskmaster.tasks WHERE id = $1)
            ON CONFLICT DO NOTHING
            RETURNING id),
          planned AS (
            INSERT INTO taskmaster.workflow_steps (workflow_id, name, step_no, planned)
            SELECT made.id, step.name, step.number, true
            FROM made, pg_catalog.unnest($8) WITH ORDINALITY AS step(name, number))
          SELECT id FROM made",
        &[UUIDOID, VARCHAROID, INT4OID, INT4OID, INT4OID, JSONBOID, VARCHAROID, TEXTARRAYOID],
        Access::Write,
        &[Table::Workflows, Table::Tasks, Table::WorkflowSteps],
    ) };

    static OF_KEY: Plan = const { Plan::new(
        c"SELECT id, idempotency_hash = pg_catalog.sha256(pg_catalog.convert_to(
            pg_catalog.jsonb_build_array($3::varchar, $4, $5, $6, $7, $8)::pg_catalog.text, 'UTF8'))
          FROM taskmaster.workflows WHERE task_id = $1 AND idempotency_key = $2",
        &[UUIDOID, VARCHAROID, VARCHAROID, INT4OID, INT4OID, INT4OID, JSONBOID, TEXTARRAYOID],
        Access::Write,
        &[Table::Workflows],
    ) };

    static TASK_EXISTS: Plan = const { Plan::new(
        c"SELECT true FROM taskmaster.tasks WHERE id = $1",
        &[UUIDOID],
        Access::Write,
        &[Table::Tasks],
    ) };

    static LOCK: Plan = const { Plan::new(
        c"SELECT id, status::pg_catalog.text, coalesce(total_steps, 0),
            CASE WHEN pg_catalog.jsonb_typeof(steps_completed) = 'array'
                 THEN pg_catalog.jsonb_array_length(steps_completed) ELSE 0 END,
            coalesce(retry_count, 0), coalesce(max_retries, 0), task_id
          FROM taskmaster.workflows WHERE id = $1 FOR NO KEY UPDATE",
        &[UUIDOID],
        Access::Write,
        &[Table::Workflows],
    ) };

    // A statement of its own: one that waited for the workflow's lock would not see the steps that
    // the other session left.
    static PROGRESS: Plan = const { Plan::new(
        c"SELECT pg_catalog.count(*) FILTER (
              WHERE name <> $2 AND status IN ('completed', 'skipped')),
            max(attempt) FILTER (WHERE name = $2),
            coalesce(pg_catalog.bool_or(planned), false)
          FROM taskmaster.workflow_steps WHERE workflow_id = $1",
        &[UUIDOID, VARCHAROID],
        Access::Write,
        &[Table::WorkflowSteps],
    ) };

    static ADD_STEP: Plan = const { Plan::new(
        c"WITH step AS (
            INSERT INTO taskmaster.workflow_steps AS present
              (workflow_id, name, step_no, status, started_at, finished_at, result, error)
            SELECT $1, $3, coalesce(max(step_no), 0) + 1, $4,
              CASE WHEN $4 <> 'pending' THEN pg_catalog.clock_timestamp() END,
              CASE WHEN $4 IN ('completed', 'failed', 'skipped')
                   THEN pg_catalog.clock_timestamp() END, $5, $6
            FROM taskmaster.workflow_steps WHERE workflow_id = $1
            ON CONFLICT (workflow_id, name) DO UPDATE SET
              status = excluded.status,
              started_at = CASE WHEN excluded.status <> 'pending'
                                THEN coalesce(present.started_at, excluded.started_at) END,
              finished_at = excluded.finished_at,
              result = coalesce(excluded.result, present.result),
              error = excluded.error)
          UPDATE taskmaster.workflows SET
            status = $2,
            current_step = $3,
            completed_at = CASE WHEN $2 = 'completed' THEN pg_catalog.now() ELSE completed_at END,
            steps_completed =
              CASE WHEN pg_catalog.jsonb_typeof(steps_completed) = 'array'
                   THEN steps_completed ELSE '[]' END
              || pg_catalog.jsonb_build_object(
                   'step_name', $3, 'status', $4, 'timestamp', pg_catalog.now(),
                   'result', $5, 'error_message', $6),
            error_log = CASE
              WHEN $4 = 'failed' OR $6 IS NOT NULL THEN
                CASE WHEN pg_catalog.jsonb_typeof(error_log) = 'array'
                     THEN error_log ELSE '[]' END
                || pg_catalog.jsonb_build_object(
                     'step_name', $3, 'error_message', $6, 'timestamp', pg_catalog.now())
              ELSE error_log END
          WHERE id = $1",
        &[UUIDOID, VARCHAROID, VARCHAROID, VARCHAROID, JSONBOID, TEXTOID],
        Access::Write,
        &[Table::Workflows, Table::WorkflowSteps],
    ) };
}

/// Inserts the workflow and returns its id, or that of the one which its key has made.
///
/// # Errors
/// 23503 when the task does not exist; 23505 when it has a workflow that has not ended, or the key
/// stands for another workflow; 22023 and 54000 for metadata that is no object or too large.
pub(crate) fn insert(
    task: Uuid,
    workflow: &NewWorkflow<'_>,
    metadata: Option<Jsonb>,
) -> Result<Uuid, DomainError> {
    let argument = Argument("p_metadata");
    let metadata = Jsonb::object(metadata, argument)?;
    let metadata = metadata.map(|document| document.bounded(argument, METADATA_BYTES_MAX));
    let metadata = metadata.transpose()?;
    let steps = || bind((!workflow.steps.is_empty()).then(|| workflow.steps.clone()));
    let values = [
        bind(task),
        bind(workflow.workflow_type),
        bind(workflow.total_steps),
        bind(workflow.timeout_minutes),
        bind(workflow.max_retries),
        bind(metadata),
        bind(workflow.idempotency_key),
        steps(),
    ];
    let id = INSERT.with(|plan| plan.row(&values, |row| row.get_known(1)));
    if let Some(id) = id {
        return Ok(id);
    }
    let values =
        [values[0], values[6], values[1], values[2], values[3], values[4], values[5], values[7]];
    let of_key: Option<(Uuid, bool)> =
        OF_KEY.with(|plan| plan.row(&values, |row| (row.get_known(1), row.get_known(2))));
    match of_key {
        Some((id, true)) => Ok(id),
        Some((id, false)) => {
            Err(WorkflowError::KeyReused { task: task.to_string(), id: id.to_string() }.into())
        }
        None => Err(why_not_inserted(task)),
    }
}

fn why_not_inserted(task: Uuid) -> DomainError {
    let exists = TASK_EXISTS.with(|plan| plan.row(&[bind(task)], |_| ())).is_some();
    let id = task.to_string();
    if exists {
        return DomainError::WorkflowActive { id };
    }
    DomainError::ReferencedTaskMissing { id, constraint: TASK_FOREIGN_KEY }
}

/// Records the step under the workflow's row lock and moves the workflow on.
///
/// # Errors
/// P0002 no such workflow, 55000 the workflow has ended, 54000 its list of records is full, 22023 a
/// step that was not planned, 55006 another attempt of the step than the one reported.
pub(crate) fn report_step(
    id: Uuid,
    step: &StepReport<'_>,
    result: Option<Jsonb>,
) -> Result<(), DomainError> {
    let standing = lock(id)?;
    let status = standing.status()?;
    if !status.takes_steps() {
        let id = id.to_string();
        return Err(DomainError::WorkflowEnded { id, status: status.as_str() });
    }
    standing.require_room(1)?;
    let beside = step_standing(id, step);
    beside.accept(id, step)?;
    let status = WorkflowStatus::after(step, standing.progress(&beside));
    let values = [
        bind(id),
        bind(status.as_str()),
        bind(step.name),
        bind(step.status.as_str()),
        bind(result),
        bind(step.error_message),
    ];
    ADD_STEP.with(|plan| plan.run(&values));
    Ok(())
}

/// Locks the workflow until the transaction ends.
///
/// # Errors
/// P0002 no such workflow.
pub(super) fn lock(id: Uuid) -> Result<Standing, DomainError> {
    let standing = LOCK.with(|plan| plan.row(&[bind(id)], read_standing));
    standing.ok_or_else(|| DomainError::WorkflowMissing { id: id.to_string() })
}

fn step_standing(id: Uuid, step: &StepReport<'_>) -> StepStanding {
    let standing = PROGRESS.with(|plan| {
        plan.row(&[bind(id), bind(step.name)], |row| StepStanding {
            finished_others: row.get_known(1),
            attempt: row.get(2),
            is_planned: row.get_known(3),
        })
    });
    standing.expect("an aggregate without groups yields one row")
}

impl StepStanding {
    fn accept(&self, id: Uuid, step: &StepReport<'_>) -> Result<(), DomainError> {
        let (id, name) = (id.to_string(), step.name.to_owned());
        if self.is_planned && self.attempt.is_none() && step.name != FINAL_STEP {
            return Err(WorkflowError::UnknownStep { id, step: name }.into());
        }
        let attempt = self.attempt.unwrap_or(1);
        match step.expected_attempt.filter(|expected| *expected != attempt) {
            Some(expected) => {
                Err(WorkflowError::StaleAttempt { id, step: name, expected, attempt }.into())
            }
            None => Ok(()),
        }
    }
}

fn read_standing(row: &Row) -> Standing {
    Standing {
        id: row.get_known(1),
        status: row.get(2),
        total_steps: row.get_known(3),
        records: row.get_known(4),
        retry_count: row.get_known(5),
        max_retries: row.get_known(6),
        task: row.get(7),
    }
}

impl Standing {
    /// # Errors
    /// 55000 for a word that this version does not know.
    pub(super) fn status(&self) -> Result<WorkflowStatus, DomainError> {
        let status = self.status.as_deref().and_then(WorkflowStatus::from_word);
        status.ok_or_else(|| DomainError::UnknownStoredStatus {
            noun: "workflow",
            id: self.id.to_string(),
            status: self.status.clone().unwrap_or_default(),
            allowed: WORKFLOW_STATUSES,
        })
    }

    /// # Errors
    /// 54000 when so many more records would be too many.
    pub(super) fn require_room(&self, more: i32) -> Result<(), DomainError> {
        if self.records > RECORDS_MAX - more {
            let id = self.id.to_string();
            return Err(DomainError::StepRecordsFull { id, records_max: RECORDS_MAX });
        }
        Ok(())
    }

    fn progress(&self, beside: &StepStanding) -> Progress {
        Progress { finished_others: beside.finished_others, total_steps: self.total_steps }
    }
}
