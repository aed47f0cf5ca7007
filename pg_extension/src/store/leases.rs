//! What the holder of a task's lease does with it: it says that it is alive, and how the work ended.
//! Every such call names the token that it was given, and a token that is not the task's last one is
//! refused. It must not know how leases are given.

use pgrx::Uuid;
use pgrx::datum::TimestampWithTimeZone;
use pgrx::pg_sys::BuiltinOid::{INT8OID, JSONBOID, UUIDOID};
use serde_json::json;

use super::plan::{Access, Plan, bind};
use super::schema::Table;
use super::task_moves::{self, Move};
use super::{Jsonb, Number, random};
use crate::domain::backoff;
use crate::domain::standing::Claim;
use crate::domain::task_status::TaskStatus;
use crate::error::DomainError;

/// What a heartbeat is answered.
pub(crate) struct Beat {
    /// Whether the lease is still the caller's.
    pub(crate) is_held: bool,
    /// Whether it is not because the task was cancelled.
    pub(crate) is_cancelled: bool,
    pub(crate) expires_at: Option<TimestampWithTimeZone>,
}

/// What becomes of a task that failed.
pub(crate) struct Failure {
    pub(crate) status: TaskStatus,
    /// Until when it waits before it is tried again.
    pub(crate) run_after: Option<TimestampWithTimeZone>,
}

/// Whether and when a failed task is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Retry {
    Never,
    /// After a wait that grows with each attempt.
    BackOff,
    /// After so many microseconds.
    AfterUs(i64),
}

thread_local! {
    // No index names the columns that a heartbeat moves, so it stays on its page.
    static BEAT: Plan = const { Plan::new(
        c"WITH beat AS (
            UPDATE taskmaster.tasks SET
              heartbeat_at = pg_catalog.clock_timestamp(),
              claim_expires_at = pg_catalog.clock_timestamp() + $3 * interval '1 microsecond'
            WHERE id = $1 AND claim_token = $2 AND claimed_by IS NOT NULL
            RETURNING id, attempt, claim_expires_at),
          progress AS (
            INSERT INTO taskmaster.task_contexts (task_id, context_type, attempt, context_data)
            SELECT id, 'progress', attempt, $4 FROM beat WHERE $4 IS NOT NULL
            ON CONFLICT (task_id, attempt) WHERE context_type = 'progress' DO UPDATE SET
              context_data = excluded.context_data, created_at = excluded.created_at)
          SELECT claim_expires_at FROM beat",
        &[UUIDOID, INT8OID, INT8OID, JSONBOID],
        Access::Write,
        &[Table::Tasks, Table::TaskEvents],
    ) };

    static IS_CANCELLED: Plan = const { Plan::new(
        c"SELECT coalesce(status = 'cancelled' AND claim_token = $2, false)
          FROM taskmaster.tasks WHERE id = $1",
        &[UUIDOID, INT8OID],
        Access::Write,
        &[],
    ) };

    static UNBLOCKED: Plan = const { Plan::new(
        c"SELECT t.id FROM taskmaster.task_dependencies AS d
          JOIN taskmaster.tasks AS t ON t.id = d.task_id
          WHERE d.depends_on = $1 AND d.dependency_type = 'blocks' AND d.satisfied
            AND t.status = 'pending' AND t.open_deps = 0 AND t.open_gates = 0
          ORDER BY t.id",
        &[UUIDOID],
        Access::Write,
        &[],
    ) };
}

/// Says that the holder is alive, and what it has come to; the lease ends so much later.
///
/// # Errors
/// P0002 no such task, 54000 progress too large.
pub(crate) fn heartbeat(
    id: Uuid,
    token: i64,
    extend_us: i64,
    progress: Option<Jsonb>,
) -> Result<Beat, DomainError> {
    let progress = Jsonb::kept(progress, "p_progress")?;
    let values = [bind(id), bind(token), bind(extend_us), bind(progress)];
    let expires_at = BEAT.with(|plan| plan.row(&values, |row| row.get_known(1)));
    if expires_at.is_some() {
        return Ok(Beat { is_held: true, is_cancelled: false, expires_at });
    }
    let is_cancelled = IS_CANCELLED.with(|plan| plan.row(&values[..2], |row| row.get_known(1)));
    let missing = || DomainError::TaskMissing { id: id.to_string() };
    let is_cancelled = is_cancelled.ok_or_else(missing)?;
    Ok(Beat { is_held: false, is_cancelled, expires_at: None })
}

/// Completes the task; gives the tasks that waited for it and wait for nothing now.
///
/// # Errors
/// P0002, 55000 and 55006 as [`task_moves::change_status`]; 54000 a result too large, 22023 hours
/// that are none.
pub(crate) fn complete(
    id: Uuid,
    claim: Claim,
    result: Option<Jsonb>,
    actual_hours: Option<Number>,
) -> Result<Vec<Uuid>, DomainError> {
    let result = Jsonb::kept(result, "p_result")?;
    let actual_hours = Number::hours(actual_hours, "p_actual_hours")?;
    let to = TaskStatus::Completed;
    let standing = task_moves::lock(id, to)?;
    if task_moves::is_to_move(id, &standing, to, claim)? {
        let change = Move::new(to, "completed", json!({ "attempt": standing.attempt }));
        task_moves::write(id, standing.status, &Move { actual_hours, ..change });
        task_moves::add_context(id, "result", standing.attempt, result);
    }
    Ok(UNBLOCKED.with(|plan| plan.rows(&[bind(id)], |row| row.get_known(1))))
}

/// Ends the attempt: the task is tried again while it may be, and has failed otherwise.
///
/// # Errors
/// P0002, 55000 and 55006 as [`task_moves::change_status`]; 54000 an error too large.
pub(crate) fn fail(
    id: Uuid,
    claim: Claim,
    error: Option<Jsonb>,
    retry: Retry,
) -> Result<Failure, DomainError> {
    let error = Jsonb::kept(error, "p_error")?;
    let standing = task_moves::lock(id, TaskStatus::Failed)?;
    if !task_moves::is_to_move(id, &standing, TaskStatus::Failed, claim)? {
        return Ok(Failure { status: TaskStatus::Failed, run_after: None });
    }
    let delay_us =
        delay_us(retry, standing.attempt).filter(|_| standing.attempt < standing.max_attempts);
    let (status, kind) = match delay_us {
        Some(_) => (TaskStatus::Pending, "retried"),
        None => (TaskStatus::Failed, "failed"),
    };
    let change = Move::new(status, kind, json!({ "attempt": standing.attempt }));
    // A wait of nothing is no wait: the task is ready at once.
    let delay_us = delay_us.filter(|us| *us > 0);
    let run_after = task_moves::write(id, standing.status, &Move { delay_us, ..change });
    task_moves::add_context(id, "error", standing.attempt, error);
    Ok(Failure { status, run_after })
}

fn delay_us(retry: Retry, attempt: i32) -> Option<i64> {
    match retry {
        Retry::Never => None,
        Retry::AfterUs(us) => Some(us),
        Retry::BackOff => Some(backoff::delay_ms(attempt, random::share()) * 1_000),
    }
}

/// Gives the task back untouched: the attempt does not count.
///
/// # Errors
/// P0002 no such task, 55006 the token is not that of its lease.
pub(crate) fn release(id: Uuid, token: i64, delay_us: i64) -> Result<(), DomainError> {
    let standing = task_moves::lock(id, TaskStatus::Pending)?;
    standing.check_lease(Claim::Holder(token))?;
    let change = Move::new(TaskStatus::Pending, "released", json!({ "attempt": standing.attempt }));
    let attempt = Some((standing.attempt - 1).max(0));
    let delay_us = Some(delay_us).filter(|us| *us > 0);
    task_moves::write(id, standing.status, &Move { attempt, delay_us, ..change });
    Ok(())
}
