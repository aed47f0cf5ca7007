//! `taskmaster.workflows`: new workflows and reports of their steps. It must not know when a
//! workflow ends.

use pgrx::Uuid;
use pgrx::pg_sys::BuiltinOid::{INT4OID, JSONBOID, TEXTOID, UUIDOID, VARCHAROID};

use super::Jsonb;
use super::plan::{Access, Plan, Row, bind};
use super::schema::Table;
use crate::domain::workflow::{NewWorkflow, StepReport};
use crate::domain::workflow_status::{Progress, WORKFLOW_STATUSES, WorkflowStatus};
use crate::error::{Constraint, DomainError};

/// What a locked workflow says about itself.
struct Standing {
    status: Option<String>,
    progress: Progress,
    records: i32,
}

/// Every report rewrites the list of those before it, so the list is bounded.
const RECORDS_MAX: i32 = 10_000;

const TASK_FOREIGN_KEY: Constraint =
    Constraint { table: "workflows", name: "workflows_task_id_fkey" };

thread_local! {
    // No row comes back when the task is missing, or has a workflow that has not ended: the only
    // uniqueness of the table besides its key.
    static INSERT: Plan = const { Plan::new(
        c"INSERT INTO taskmaster.workflows (task_id, workflow_type, total_steps, timeout_minutes)
          SELECT $1, $2, $3, $4
          WHERE EXISTS (SELECT FROM taskmaster.tasks WHERE id = $1)
          ON CONFLICT DO NOTHING
          RETURNING id",
        &[UUIDOID, VARCHAROID, INT4OID, INT4OID],
        Access::Write,
        &[Table::Workflows, Table::Tasks],
    ) };

    static TASK_EXISTS: Plan = const { Plan::new(
        c"SELECT true FROM taskmaster.tasks WHERE id = $1",
        &[UUIDOID],
        Access::Write,
        &[Table::Tasks],
    ) };

    // Of each other step the latest record counts.
    static LOCK: Plan = const { Plan::new(
        c"SELECT status::pg_catalog.text, coalesce(total_steps, 0),
            (SELECT pg_catalog.count(*) FROM (
               SELECT DISTINCT ON (record ->> 'step_name' COLLATE \"C\")
                 record ->> 'step_name' AS name, record ->> 'status' AS status
               FROM pg_catalog.jsonb_array_elements(CASE
                 WHEN pg_catalog.jsonb_typeof(steps_completed) = 'array' THEN steps_completed
                 ELSE '[]' END) WITH ORDINALITY AS records(record, number)
               ORDER BY record ->> 'step_name' COLLATE \"C\", number DESC) AS latest
             WHERE latest.name <> $2 AND latest.status IN ('completed', 'skipped')),
            CASE WHEN pg_catalog.jsonb_typeof(steps_completed) = 'array'
                 THEN pg_catalog.jsonb_array_length(steps_completed) ELSE 0 END
          FROM taskmaster.workflows WHERE id = $1 FOR NO KEY UPDATE",
        &[UUIDOID, VARCHAROID],
        Access::Write,
        &[Table::Workflows],
    ) };

    static ADD_STEP: Plan = const { Plan::new(
        c"UPDATE taskmaster.workflows SET
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
        &[Table::Workflows],
    ) };
}

/// Inserts the workflow and returns its id.
///
/// # Errors
/// 23503 when the task does not exist, 23505 when it has a workflow that has not ended.
pub(crate) fn insert(task: Uuid, workflow: &NewWorkflow) -> Result<Uuid, DomainError> {
    let values = [
        bind(task),
        bind(workflow.workflow_type),
        bind(workflow.total_steps),
        bind(workflow.timeout_minutes),
    ];
    let id = INSERT.with(|plan| plan.row(&values, |row| row.get_known(1)));
    id.ok_or_else(|| why_not_inserted(task))
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
/// P0002 no such workflow, 55000 the workflow has ended, 54000 its list of records is full.
pub(crate) fn report_step(
    id: Uuid,
    step: &StepReport<'_>,
    result: Option<Jsonb>,
) -> Result<(), DomainError> {
    let standing = lock(id, step)?;
    require_open(id, &standing)?;
    let status = WorkflowStatus::after(step, standing.progress);
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

fn lock(id: Uuid, step: &StepReport<'_>) -> Result<Standing, DomainError> {
    let standing = LOCK.with(|plan| plan.row(&[bind(id), bind(step.name)], read_standing));
    standing.ok_or_else(|| DomainError::WorkflowMissing { id: id.to_string() })
}

fn read_standing(row: &Row) -> Standing {
    let progress = Progress { total_steps: row.get_known(2), finished_others: row.get_known(3) };
    Standing { status: row.get(1), progress, records: row.get_known(4) }
}

fn require_open(id: Uuid, standing: &Standing) -> Result<(), DomainError> {
    let id = id.to_string();
    match standing.status.as_deref().and_then(WorkflowStatus::from_word) {
        None => Err(DomainError::UnknownStoredStatus {
            noun: "workflow",
            id,
            status: standing.status.clone().unwrap_or_default(),
            allowed: WORKFLOW_STATUSES,
        }),
        Some(status) if !status.takes_steps() => {
            Err(DomainError::WorkflowEnded { id, status: status.as_str() })
        }
        Some(_) if standing.records >= RECORDS_MAX => {
            Err(DomainError::StepRecordsFull { id, records_max: RECORDS_MAX })
        }
        Some(_) => Ok(()),
    }
}
