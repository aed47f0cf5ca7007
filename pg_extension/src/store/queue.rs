//! The queue as a whole: what comes next, leases that nobody renewed, failed tasks that are to be
//! tried again, and tasks that are not wanted any more. It must not know how single tasks are worked
//! on.

use pgrx::Uuid;
use pgrx::pg_sys::BuiltinOid::{BOOLOID, INT4OID, TEXTARRAYOID, TEXTOID, UUIDOID};

use super::plan::{Access, Plan, Row, bind};
use super::schema::Table;
use super::{events, task_moves};
use crate::domain::task_filter::TaskFilter;
use crate::domain::task_status::TaskStatus;
use crate::error::DomainError;

/// A task as lists show it.
pub(crate) struct Brief {
    pub(crate) id: Uuid,
    pub(crate) display_id: Option<i64>,
    pub(crate) title: String,
    pub(crate) status: String,
    pub(crate) priority: Option<i32>,
    pub(crate) task_type: String,
    pub(crate) assigned_to: Option<String>,
    pub(crate) parent: Option<Uuid>,
    pub(crate) dependencies: i64,
}

thread_local! {
    // The order of Task Master: subtasks of what is being worked on, then the urgent, then those
    // that waited for the least, then the oldest number.
    static NEXT: Plan = const { Plan::new(
        c"SELECT t.id, t.display_id, t.title::pg_catalog.text, t.status::pg_catalog.text, t.priority,
                 t.type::pg_catalog.text, t.assigned_to::pg_catalog.text, t.parent_task_id,
                 (SELECT pg_catalog.count(*) FROM taskmaster.task_dependencies AS d
                  WHERE d.task_id = t.id AND d.dependency_type = 'blocks') AS dependencies
          FROM taskmaster.tasks AS t
          LEFT JOIN taskmaster.tasks AS parent ON parent.id = t.parent_task_id
          WHERE t.status = 'pending' AND t.open_deps = 0 AND t.open_gates = 0
            AND (t.run_after IS NULL OR t.run_after <= pg_catalog.clock_timestamp())
            AND ($1 IS NULL OR t.assigned_to IS NULL OR t.assigned_to = $1)
            AND ($2 IS NULL OR t.type::pg_catalog.text = ANY ($2))
            AND NOT EXISTS (SELECT FROM taskmaster.tasks AS child
                            WHERE child.parent_task_id = t.id
                              AND child.status NOT IN ('completed', 'cancelled'))
          ORDER BY coalesce(parent.status = 'in_progress', false) DESC, t.priority DESC,
                   dependencies, t.display_id
          LIMIT $3",
        &[TEXTOID, TEXTARRAYOID, INT4OID],
        Access::Read,
        &[Table::Tasks, Table::TaskEvents],
    ) };

    static REQUEUE_EXPIRED: Plan = const { Plan::new(
        c"WITH expired AS (
            SELECT id, claimed_by FROM taskmaster.tasks
            WHERE claimed_by IS NOT NULL
              AND claim_expires_at <= (SELECT pg_catalog.clock_timestamp())
            ORDER BY id LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED),
          moved AS (
            UPDATE taskmaster.tasks AS t SET
              status = CASE WHEN t.attempt < t.max_attempts THEN 'pending' ELSE 'failed' END,
              claimed_by = NULL, claim_expires_at = NULL
            WHERE t.id = ANY (ARRAY(SELECT id FROM expired))
            RETURNING t.id, t.status, t.attempt, t.claim_token)
          INSERT INTO taskmaster.task_events (task_id, kind, from_status, to_status, payload)
          SELECT moved.id, 'lease_expired', 'in_progress', moved.status,
                 pg_catalog.jsonb_build_object('worker', expired.claimed_by,
                   'attempt', moved.attempt, 'claim_token', moved.claim_token)
          FROM moved JOIN expired USING (id) RETURNING true",
        &[INT4OID],
        Access::Write,
        &[Table::Tasks, Table::TaskEvents],
    ) };

    static REDRIVE: Plan = const { Plan::new(
        c"WITH failed AS (
            SELECT t.id FROM taskmaster.tasks AS t
            WHERE t.status = 'failed' AND coalesce($1, 'failed') = 'failed'
              AND ($2 IS NULL OR t.id = ANY ($2::pg_catalog.uuid[]))
              AND ($3 IS NULL OR t.type = $3) AND ($4 IS NULL OR t.assigned_to = $4)
              AND ($5 IS NULL OR t.parent_task_id = $5::pg_catalog.uuid)
              AND ($6 IS NULL OR t.tags @> $6::pg_catalog.jsonb)
            ORDER BY t.id LIMIT $7 FOR NO KEY UPDATE SKIP LOCKED),
          moved AS (
            UPDATE taskmaster.tasks AS t SET status = 'pending', attempt = 0, run_after = NULL
            WHERE t.id = ANY (ARRAY(SELECT id FROM failed)) RETURNING t.id)
          INSERT INTO taskmaster.task_events (task_id, kind, from_status, to_status)
          SELECT id, 'redriven', 'failed', 'pending' FROM moved RETURNING true",
        &[TEXTOID, TEXTARRAYOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, INT4OID],
        Access::Write,
        &[Table::Tasks, Table::TaskEvents],
    ) };

    // The tree and all that waits for a task of it are locked in the order of their ids, before
    // anything is written.
    static CANCEL: Plan = const { Plan::new(
        c"WITH RECURSIVE tree(id) AS (
            SELECT $1 UNION
            SELECT child.id FROM tree JOIN taskmaster.tasks AS child ON child.parent_task_id = tree.id
            WHERE $3),
          locked AS (
            SELECT t.id, t.status, t.claimed_by FROM taskmaster.tasks AS t
            WHERE t.id = ANY (ARRAY(
              SELECT id FROM tree UNION ALL
              SELECT d.task_id FROM tree JOIN taskmaster.task_dependencies AS d
                ON d.depends_on = tree.id))
            ORDER BY t.id FOR NO KEY UPDATE),
          doomed AS (
            SELECT locked.* FROM locked JOIN tree USING (id)
            JOIN taskmaster.task_status_transitions AS rule
              ON rule.from_status = locked.status AND rule.to_status = 'cancelled'),
          moved AS (
            UPDATE taskmaster.tasks AS t SET
              status = 'cancelled', completed_at = NULL, run_after = NULL,
              claimed_by = NULL, claim_expires_at = NULL
            WHERE t.id = ANY (ARRAY(SELECT id FROM doomed)) RETURNING t.id),
          logged AS (
            INSERT INTO taskmaster.task_events (task_id, kind, from_status, to_status, payload)
            SELECT id, 'cancelled', doomed.status, 'cancelled',
                   pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object(
                     'reason', $2, 'worker', doomed.claimed_by, 'root', $1))
            FROM moved JOIN doomed USING (id))
          SELECT id FROM moved",
        &[UUIDOID, TEXTOID, BOOLOID],
        Access::Write,
        &[Table::Tasks, Table::TaskEvents],
    ) };
}

/// The longest reason for a cancellation, in characters.
const REASON_LENGTH_MAX: usize = 4000;

/// Whether what is below a task goes with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    Alone,
    WithSubtasks,
}

/// The tasks that should be taken next, for `assignee` when one is named.
pub(crate) fn next(
    assignee: Option<&str>,
    types: Option<Vec<Option<String>>>,
    limit: i32,
) -> Vec<Brief> {
    NEXT.with(|plan| plan.rows(&[bind(assignee), bind(types), bind(limit)], read_brief))
}

/// Takes tasks away from workers whose leases are over, at most `limit`; gives how many. Each is
/// tried again while it may be, and has failed otherwise.
pub(crate) fn requeue_expired(limit: i32) -> i32 {
    events::announce();
    count(REQUEUE_EXPIRED.with(|plan| plan.rows(&[bind(limit)], |_| ())).len())
}

/// Gives failed tasks all their attempts back, at most `limit`; gives how many.
pub(crate) fn redrive(filter: TaskFilter, limit: i32) -> i32 {
    events::announce();
    let values = [
        bind(filter.status),
        bind(filter.ids),
        bind(filter.task_type),
        bind(filter.assigned_to),
        bind(filter.parent_task_id),
        bind(filter.tags),
        bind(limit),
    ];
    count(REDRIVE.with(|plan| plan.rows(&values, |_| ())).len())
}

/// Cancels the task, with what is below it when asked to; gives how many. Whoever holds one of them
/// is told so by the next heartbeat. A task that has ended stays as it is below another, and is
/// refused when it is the one that was named.
///
/// # Errors
/// P0002 no such task, 55000 it cannot be cancelled any more, 22001 a reason too long.
pub(crate) fn cancel(id: Uuid, reason: Option<&str>, reach: Reach) -> Result<i32, DomainError> {
    let reason =
        crate::domain::argument::Argument("p_reason").optional(reason, REASON_LENGTH_MAX)?;
    events::announce();
    let values = [bind(id), bind(reason), bind(reach == Reach::WithSubtasks)];
    let moved = CANCEL.with(|plan| plan.rows(&values, |row| row.get_known::<Uuid>(1)));
    if !moved.contains(&id) {
        let standing = task_moves::lock(id, TaskStatus::Cancelled)?;
        if standing.status != TaskStatus::Cancelled {
            return Err(task_moves::illegal(&standing, TaskStatus::Cancelled));
        }
    }
    Ok(count(moved.len()))
}

fn count(rows: usize) -> i32 {
    i32::try_from(rows).unwrap_or(i32::MAX)
}

fn read_brief(row: &Row) -> Brief {
    Brief {
        id: row.get_known(1),
        display_id: row.get(2),
        title: row.get_known(3),
        status: row.get_known(4),
        priority: row.get(5),
        task_type: row.get_known(6),
        assigned_to: row.get(7),
        parent: row.get(8),
        dependencies: row.get_known(9),
    }
}
