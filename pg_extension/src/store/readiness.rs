//! Why tasks do not get on: what one of them waits for, and which of all of them never will go on by
//! themselves. It must not change anything.

use std::collections::HashMap;

use pgrx::Uuid;
use pgrx::datum::TimestampWithTimeZone;
use pgrx::pg_sys::BuiltinOid::UUIDOID;

use super::JsonText;
use super::plan::{Access, Plan, bind};
use super::schema::Table;
use crate::domain::graph;
use crate::error::DomainError;

/// A task that does not get on.
pub(crate) struct Stall {
    pub(crate) task: Uuid,
    pub(crate) reason: String,
    pub(crate) since: Option<TimestampWithTimeZone>,
    pub(crate) detail: JsonText,
}

thread_local! {
    static EXPLAIN: Plan = const { Plan::new(
        c"WITH t AS (SELECT * FROM taskmaster.tasks WHERE id = $1),
          reasons(place, reason) AS (
            SELECT 1, pg_catalog.jsonb_build_object('reason', 'status', 'status', status)
            FROM t WHERE status IS DISTINCT FROM 'pending'
            UNION ALL
            SELECT 2, pg_catalog.jsonb_build_object('reason', 'claimed', 'claimed_by', claimed_by,
                     'claim_expires_at', claim_expires_at)
            FROM t WHERE claimed_by IS NOT NULL
            UNION ALL
            SELECT 3, pg_catalog.jsonb_build_object('reason', 'dependency', 'task_id', other.id,
                     'title', other.title, 'status', other.status, 'satisfied_by', d.satisfied_by)
            FROM t JOIN taskmaster.task_dependencies AS d ON d.task_id = t.id
            JOIN taskmaster.tasks AS other ON other.id = d.depends_on
            WHERE d.dependency_type = 'blocks' AND NOT d.satisfied
            UNION ALL
            SELECT 4, pg_catalog.jsonb_build_object('reason', 'gate', 'gate_id', g.id,
                     'gate_type', g.gate_type, 'await', g.await, 'due_at', g.due_at)
            FROM t JOIN taskmaster.task_gates AS g ON g.task_id = t.id
            WHERE g.resolved_at IS NULL
            UNION ALL
            SELECT 5, pg_catalog.jsonb_build_object('reason', 'run_after', 'run_after', run_after)
            FROM t WHERE run_after > pg_catalog.clock_timestamp()
            UNION ALL
            SELECT 6, pg_catalog.jsonb_build_object('reason', 'subtask', 'task_id', child.id,
                     'title', child.title, 'status', child.status)
            FROM t JOIN taskmaster.tasks AS child ON child.parent_task_id = t.id
            WHERE child.status NOT IN ('completed', 'cancelled')
            UNION ALL
            SELECT 7, pg_catalog.jsonb_build_object('reason', 'files', 'task_id', busy.id,
                     'title', busy.title, 'claimed_by', busy.claimed_by)
            FROM t JOIN taskmaster.tasks AS busy ON busy.id <> t.id
             AND busy.status = 'in_progress' AND busy.affected_files <> '[]'
             AND busy.affected_files ?| ARRAY(
               SELECT pg_catalog.jsonb_array_elements_text(t.affected_files)))
          SELECT pg_catalog.jsonb_build_object('task_id', t.id, 'title', t.title,
                   'ready', NOT EXISTS (SELECT FROM reasons),
                   'reasons', coalesce((SELECT pg_catalog.jsonb_agg(reason ORDER BY place, reason)
                                        FROM reasons), '[]'))::pg_catalog.text
          FROM t",
        &[UUIDOID],
        Access::Read,
        &[Table::Tasks, Table::TaskGates],
    ) };

    static STALLS: Plan = const { Plan::new(
        c"SELECT t.id, 'lease_expired', t.claim_expires_at, pg_catalog.jsonb_build_object(
                   'claimed_by', t.claimed_by, 'heartbeat_at', t.heartbeat_at)::pg_catalog.text
          FROM taskmaster.tasks AS t
          WHERE t.claimed_by IS NOT NULL AND t.claim_expires_at <= pg_catalog.clock_timestamp()
          UNION ALL
          SELECT t.id, 'dependency_' || other.status, other.updated_at,
                 pg_catalog.jsonb_build_object('depends_on', other.id, 'title', other.title,
                   'satisfied_by', d.satisfied_by)::pg_catalog.text
          FROM taskmaster.task_dependencies AS d
          JOIN taskmaster.tasks AS t ON t.id = d.task_id
           AND t.status NOT IN ('completed', 'failed', 'cancelled')
          JOIN taskmaster.tasks AS other ON other.id = d.depends_on
           AND other.status IN ('completed', 'failed', 'cancelled')
          WHERE d.dependency_type = 'blocks' AND NOT d.satisfied
          UNION ALL
          SELECT t.id, 'timer_overdue', g.due_at, pg_catalog.jsonb_build_object(
                   'gate_id', g.id)::pg_catalog.text
          FROM taskmaster.task_gates AS g JOIN taskmaster.tasks AS t ON t.id = g.task_id
           AND t.status NOT IN ('completed', 'failed', 'cancelled')
          WHERE g.resolved_at IS NULL AND g.due_at <= pg_catalog.clock_timestamp()
          UNION ALL
          SELECT t.id, 'subtask_failed', child.updated_at, pg_catalog.jsonb_build_object(
                   'subtask', child.id, 'title', child.title)::pg_catalog.text
          FROM taskmaster.tasks AS t JOIN taskmaster.tasks AS child
            ON child.parent_task_id = t.id AND child.status = 'failed'
          WHERE t.status NOT IN ('completed', 'failed', 'cancelled')
          ORDER BY 3, 1, 2",
        &[],
        Access::Read,
        &[Table::Tasks, Table::TaskGates],
    ) };

    static OPEN_EDGES: Plan = const { Plan::new(
        c"SELECT task_id, depends_on FROM taskmaster.task_dependencies
          WHERE dependency_type = 'blocks' AND NOT satisfied",
        &[],
        Access::Read,
        &[],
    ) };
}

/// What the task waits for, as a JSON object; `ready` when it waits for nothing.
///
/// # Errors
/// P0002 no such task.
pub(crate) fn explain(id: Uuid) -> Result<JsonText, DomainError> {
    let text = EXPLAIN.with(|plan| plan.row(&[bind(id)], |row| row.get_known(1)));
    text.map(JsonText).ok_or_else(|| DomainError::TaskMissing { id: id.to_string() })
}

/// The tasks that will not go on unless somebody does something, longest first; those that wait in a
/// circle, or for it, last.
pub(crate) fn stalls() -> Vec<Stall> {
    let mut stalls = STALLS.with(|plan| {
        plan.rows(&[], |row| Stall {
            task: row.get_known(1),
            reason: row.get_known(2),
            since: row.get(3),
            detail: JsonText(row.get_known(4)),
        })
    });
    stalls.extend(circular().into_iter().map(|task| Stall {
        task,
        reason: "dependency_cycle".to_owned(),
        since: None,
        detail: JsonText("{}".to_owned()),
    }));
    stalls
}

/// The tasks that wait for themselves by way of others, and those that wait for such.
pub(super) fn circular() -> Vec<Uuid> {
    let pairs = OPEN_EDGES
        .with(|plan| plan.rows(&[], |row| (row.get_known::<Uuid>(1), row.get_known::<Uuid>(2))));
    let (mut places, mut ids) = (HashMap::new(), Vec::new());
    let mut edges: Vec<Vec<usize>> = Vec::new();
    for (task, other) in pairs {
        let [task, other] = [task, other].map(|id| {
            *places.entry(id).or_insert_with(|| {
                ids.push(id);
                edges.push(Vec::new());
                ids.len() - 1
            })
        });
        edges[task].push(other);
    }
    graph::entangled(&edges).into_iter().map(|place| ids[place]).collect()
}
