//! `taskmaster.task_gates`: what tasks wait for outside. The table's trigger keeps the counters of
//! open gates. It must not know what any gate waits for.

use pgrx::Uuid;
use pgrx::pg_sys::BuiltinOid::{INT4OID, JSONBOID, TEXTOID, UUIDOID, VARCHAROID};
use serde_json::json;

use super::plan::{Access, Plan, bind};
use super::schema::Table;
use super::{Jsonb, dependencies, events};
use crate::domain::gate::NewGate;
use crate::error::{DomainError, TaskRefusal};

thread_local! {
    static INSERT: Plan = const { Plan::new(
        c"INSERT INTO taskmaster.task_gates (task_id, gate_type, await, due_at)
          SELECT $1, $2, $3, $4::pg_catalog.timestamptz
          WHERE EXISTS (SELECT FROM taskmaster.tasks WHERE id = $1)
          RETURNING id",
        &[UUIDOID, VARCHAROID, JSONBOID, TEXTOID],
        Access::Write,
        &[Table::Tasks, Table::TaskGates],
    ) };

    // Two that resolve a gate at once: the second finds it resolved.
    static RESOLVE: Plan = const { Plan::new(
        c"UPDATE taskmaster.task_gates
          SET resolved_at = pg_catalog.clock_timestamp(),
              resolved_by = coalesce($2, taskmaster.current_actor()), result = $3
          WHERE id = $1 AND resolved_at IS NULL
          RETURNING task_id",
        &[UUIDOID, TEXTOID, JSONBOID],
        Access::Write,
        &[Table::Tasks, Table::TaskGates],
    ) };

    static EXISTS: Plan = const { Plan::new(
        c"SELECT true FROM taskmaster.task_gates WHERE id = $1",
        &[UUIDOID],
        Access::Write,
        &[],
    ) };

    // Tasks are locked by the trigger in the order of the rows, so that is the order of their ids.
    static RESOLVE_DUE: Plan = const { Plan::new(
        c"WITH due AS (
            SELECT id FROM taskmaster.task_gates
            WHERE resolved_at IS NULL AND due_at <= (SELECT pg_catalog.clock_timestamp())
            ORDER BY task_id, id LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED),
          resolved AS (
            UPDATE taskmaster.task_gates
            SET resolved_at = pg_catalog.clock_timestamp(), resolved_by = 'timer'
            WHERE id = ANY (ARRAY(SELECT id FROM due)) AND resolved_at IS NULL
            RETURNING id, task_id)
          INSERT INTO taskmaster.task_events (task_id, kind, payload)
          SELECT task_id, 'gate_resolved',
                 pg_catalog.jsonb_build_object('gate_id', id, 'by', 'timer')
          FROM resolved RETURNING true",
        &[INT4OID],
        Access::Write,
        &[Table::Tasks, Table::TaskGates, Table::TaskEvents],
    ) };
}

/// Who resolves a gate may be named in so many characters.
const BY_LENGTH_MAX: usize = 255;

/// Makes the task wait for the gate and gives the gate's id.
///
/// # Errors
/// P0002 no such task; 22007 or 22008 a timer's time that is none.
pub(crate) fn insert(task: Uuid, gate: &NewGate, await_: Jsonb) -> Result<Uuid, DomainError> {
    events::announce();
    let values = [bind(task), bind(gate.gate_type), bind(await_), bind(gate.due_at.as_deref())];
    let id = INSERT.with(|plan| plan.row(&values, |row| row.get_known::<Uuid>(1)));
    let id = id.ok_or_else(|| DomainError::TaskMissing { id: task.to_string() })?;
    let payload = json!({ "gate_id": id.to_string(), "type": gate.gate_type });
    dependencies::log(task, "gate_added", &payload);
    Ok(id)
}

/// Opens the gate; gives false when it stood open already.
///
/// # Errors
/// P0002 no such gate, 22001 a name too long, 54000 a result too large.
pub(crate) fn resolve(
    id: Uuid,
    by: Option<&str>,
    result: Option<Jsonb>,
) -> Result<bool, DomainError> {
    let by = crate::domain::argument::Argument("p_by").optional(by, BY_LENGTH_MAX)?;
    let result = Jsonb::kept(result, "p_result")?;
    events::announce();
    let values = [bind(id), bind(by), bind(result)];
    let task = RESOLVE.with(|plan| plan.row(&values, |row| row.get_known::<Uuid>(1)));
    let Some(task) = task else {
        let exists = EXISTS.with(|plan| plan.row(&values[..1], |row| row.get_known::<bool>(1)));
        let missing = TaskRefusal::GateMissing { id: id.to_string() };
        return exists.map(|_| false).ok_or(missing.into());
    };
    dependencies::log(task, "gate_resolved", &json!({ "gate_id": id.to_string(), "by": by }));
    Ok(true)
}

/// Opens the timers whose time has come, at most `limit`; gives how many.
pub(crate) fn resolve_due(limit: i32) -> i32 {
    events::announce();
    let resolved = RESOLVE_DUE.with(|plan| plan.rows(&[bind(limit)], |_| ()));
    i32::try_from(resolved.len()).unwrap_or(i32::MAX)
}
