//! How a workflow ends other than by its steps, and how it goes on after a failure: cancellation,
//! timeouts and retries. It must not know which status may follow which.

use pgrx::Uuid;
use pgrx::pg_sys::BuiltinOid::{INT4OID, TEXTARRAYOID, TEXTOID, UUIDOID, VARCHAROID};

use super::plan::{Access, Plan, bind};
use super::schema::Table;
use super::workflows::{Standing, lock};
use crate::domain::workflow_status::WorkflowStatus;
use crate::error::{DomainError, WorkflowError};

/// What becomes of a workflow that ends early, and of its open steps.
struct End<'a> {
    status: WorkflowStatus,
    /// Steps in one of these states get `step_status`.
    open: &'a [&'a str],
    step_status: &'a str,
    reason: &'a str,
}

thread_local! {
    static END: Plan = const { Plan::new(
        c"WITH ended AS (
            UPDATE taskmaster.workflow_steps SET status = $4,
              finished_at = pg_catalog.clock_timestamp(), error = $5
            WHERE workflow_id = $1 AND status = ANY ($3)
            RETURNING name, step_no, status)
          UPDATE taskmaster.workflows SET
            status = $2,
            steps_completed = CASE WHEN pg_catalog.jsonb_typeof(steps_completed) = 'array'
                                   THEN steps_completed ELSE '[]' END
              || (SELECT coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
                    'step_name', name, 'status', status, 'timestamp', pg_catalog.now(),
                    'result', NULL, 'error_message', $5) ORDER BY step_no), '[]') FROM ended),
            error_log = CASE WHEN pg_catalog.jsonb_typeof(error_log) = 'array'
                             THEN error_log ELSE '[]' END
              || pg_catalog.jsonb_build_object('step_name', current_step, 'error_message', $5,
                   'timestamp', pg_catalog.now(), 'status', $2)
          WHERE id = $1",
        &[UUIDOID, VARCHAROID, TEXTARRAYOID, VARCHAROID, TEXTOID],
        Access::Write,
        &[Table::Workflows, Table::WorkflowSteps],
    ) };

    static OVERDUE: Plan = const { Plan::new(
        c"SELECT id FROM taskmaster.workflows
          WHERE status IN ('initialized', 'running')
            AND coalesce(resumed_at, started_at) + timeout_minutes * interval '1 minute'
                <= pg_catalog.clock_timestamp()
          ORDER BY started_at, id LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED",
        &[INT4OID],
        Access::Write,
        &[Table::Workflows],
    ) };

    static OTHER_ACTIVE: Plan = const { Plan::new(
        c"SELECT true FROM taskmaster.workflows
          WHERE task_id = $1 AND id <> $2 AND status IN ('initialized', 'running')",
        &[UUIDOID, UUIDOID],
        Access::Write,
        &[Table::Workflows],
    ) };

    // Where to begin: the step that is named, or else the first that is not done.
    static FROM_STEP: Plan = const { Plan::new(
        c"SELECT step_no, (SELECT pg_catalog.count(*)::integer FROM taskmaster.workflow_steps later
                           WHERE later.workflow_id = $1 AND later.step_no >= step.step_no)
          FROM taskmaster.workflow_steps step
          WHERE workflow_id = $1
            AND CASE WHEN $2 IS NULL THEN status NOT IN ('completed', 'skipped')
                     ELSE name = $2 END
          ORDER BY step_no LIMIT 1",
        &[UUIDOID, VARCHAROID],
        Access::Write,
        &[Table::WorkflowSteps],
    ) };

    static RETRY: Plan = const { Plan::new(
        c"WITH reset AS (
            UPDATE taskmaster.workflow_steps SET status = 'pending', attempt = attempt + 1,
              started_at = NULL, finished_at = NULL, result = NULL, error = NULL
            WHERE workflow_id = $1 AND step_no >= $2
            RETURNING name, step_no)
          UPDATE taskmaster.workflows SET
            status = 'running', retry_count = coalesce(retry_count, 0) + 1,
            resumed_at = pg_catalog.clock_timestamp(), completed_at = NULL,
            current_step = coalesce(
              (SELECT name FROM reset ORDER BY step_no LIMIT 1), current_step),
            steps_completed = CASE WHEN pg_catalog.jsonb_typeof(steps_completed) = 'array'
                                   THEN steps_completed ELSE '[]' END
              || (SELECT coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
                    'step_name', name, 'status', 'pending', 'timestamp', pg_catalog.now(),
                    'result', NULL, 'error_message', NULL) ORDER BY step_no), '[]') FROM reset)
          WHERE id = $1
          RETURNING retry_count",
        &[UUIDOID, INT4OID],
        Access::Write,
        &[Table::Workflows, Table::WorkflowSteps],
    ) };
}

/// Cancels the workflow and skips what it has not done; false when it was cancelled before.
///
/// # Errors
/// P0002 no such workflow, 55000 it has ended otherwise.
pub(crate) fn cancel(id: Uuid, reason: &str) -> Result<bool, DomainError> {
    let status = lock(id)?.status()?;
    if status == WorkflowStatus::Cancelled {
        return Ok(false);
    }
    if !status.takes_steps() {
        let id = id.to_string();
        return Err(WorkflowError::NotCancellable { id, status: status.as_str() }.into());
    }
    let status = WorkflowStatus::Cancelled;
    end(id, End { status, open: &["pending", "running"], step_status: "skipped", reason });
    Ok(true)
}

/// Ends at most `limit` workflows whose time is over and returns how many; those that others have
/// locked are left for the next time.
pub(crate) fn expire(limit: i32) -> i32 {
    let overdue: Vec<Uuid> = OVERDUE.with(|plan| plan.rows(&[bind(limit)], |row| row.get_known(1)));
    let (status, reason) = (WorkflowStatus::Timeout, "the workflow's time is over");
    for id in &overdue {
        end(*id, End { status, open: &["running"], step_status: "failed", reason });
    }
    i32::try_from(overdue.len()).expect("no more than the limit")
}

fn end(id: Uuid, end: End<'_>) {
    let values = [
        bind(id),
        bind(end.status.as_str()),
        bind(end.open.to_vec()),
        bind(end.step_status),
        bind(end.reason),
    ];
    END.with(|plan| plan.run(&values));
}

/// Sets the workflow to work again, from the named step or the first that is not done, and returns
/// the number of the retry.
///
/// # Errors
/// P0002 no such workflow; 55000 it has not failed or may not be retried again; 22023 no such step;
/// 23505 another workflow of the task is at work; 54000 its list of records is full.
pub(crate) fn retry(id: Uuid, from_step: Option<&str>) -> Result<i32, DomainError> {
    let standing = lock(id)?;
    require_retryable(id, &standing)?;
    let from: Option<(i32, i32)> = FROM_STEP.with(|plan| {
        plan.row(&[bind(id), bind(from_step)], |row| (row.get_known(1), row.get_known(2)))
    });
    if let (None, Some(step)) = (from, from_step) {
        let (id, step) = (id.to_string(), step.to_owned());
        return Err(WorkflowError::UnknownStep { id, step }.into());
    }
    // Everything is done already: the workflow goes on after its last step.
    let (step_no, resets) = from.unwrap_or((i32::MAX, 0));
    standing.require_room(resets)?;
    let number = RETRY.with(|plan| plan.row(&[bind(id), bind(step_no)], |row| row.get_known(1)));
    Ok(number.expect("the row is locked"))
}

fn require_retryable(id: Uuid, standing: &Standing) -> Result<(), DomainError> {
    let status = standing.status()?;
    let workflow = || id.to_string();
    if !status.is_retryable() {
        let status = status.as_str();
        return Err(WorkflowError::NotRetryable { id: workflow(), status }.into());
    }
    if standing.retry_count >= standing.max_retries {
        let retries = standing.retry_count;
        return Err(WorkflowError::RetriesUsedUp { id: workflow(), retries }.into());
    }
    let others = [bind(standing.task), bind(id)];
    if OTHER_ACTIVE.with(|plan| plan.row(&others, |_| ())).is_some() {
        let task = standing.task.map(|task| task.to_string()).unwrap_or_default();
        return Err(DomainError::WorkflowActive { id: task });
    }
    Ok(())
}
