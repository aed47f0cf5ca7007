//! `taskmaster.task_dependencies`. The table's triggers refuse cycles and keep the counters of open
//! dependencies; this only writes edges. It must not know when an edge is satisfied.

use pgrx::Uuid;
use pgrx::pg_sys::BuiltinOid::{TEXTARRAYOID, TEXTOID, UUIDARRAYOID, UUIDOID, VARCHAROID};
use serde_json::json;

use super::events;
use super::plan::{Access, Plan, bind};
use super::schema::Table;
use crate::domain::dependency::NewDependency;
use crate::domain::task_list::PREREQUISITES_MAX;
use crate::error::{Constraint, DomainError, TaskRefusal};

thread_local! {
    // In the order of their ids, as everybody who locks more than one.
    static HOLD: Plan = const { Plan::new(
        c"SELECT id FROM taskmaster.tasks WHERE id = ANY ($1) ORDER BY id FOR SHARE",
        &[UUIDARRAYOID],
        Access::Write,
        &[Table::Tasks, Table::TaskDependencies],
    ) };

    static INSERT_OF_NEW: Plan = const { Plan::new(
        c"INSERT INTO taskmaster.task_dependencies (task_id, depends_on)
          SELECT $1, prerequisite FROM pg_catalog.unnest($2) AS prerequisite",
        &[UUIDOID, UUIDARRAYOID],
        Access::Write,
        &[],
    ) };

    static FIND: Plan = const { Plan::new(
        c"SELECT dependency_type = $3 AND satisfied_by = $4 FROM taskmaster.task_dependencies
          WHERE task_id = $1 AND depends_on = $2",
        &[UUIDOID, UUIDOID, VARCHAROID, TEXTARRAYOID],
        Access::Write,
        &[Table::Tasks, Table::TaskDependencies],
    ) };

    static MISSING: Plan = const { Plan::new(
        c"SELECT id FROM pg_catalog.unnest($1) WITH ORDINALITY AS wanted(id, place)
          WHERE NOT EXISTS (SELECT FROM taskmaster.tasks WHERE tasks.id = wanted.id)
          ORDER BY place LIMIT 1",
        &[UUIDARRAYOID],
        Access::Write,
        &[Table::Tasks, Table::TaskDependencies],
    ) };

    static PUT: Plan = const { Plan::new(
        c"INSERT INTO taskmaster.task_dependencies (task_id, depends_on, dependency_type, satisfied_by)
          VALUES ($1, $2, $3, $4)
          ON CONFLICT (task_id, depends_on) DO UPDATE SET
            dependency_type = excluded.dependency_type, satisfied_by = excluded.satisfied_by",
        &[UUIDOID, UUIDOID, VARCHAROID, TEXTARRAYOID],
        Access::Write,
        &[],
    ) };

    static DELETE: Plan = const { Plan::new(
        c"DELETE FROM taskmaster.task_dependencies WHERE task_id = $1 AND depends_on = $2
          RETURNING true",
        &[UUIDOID, UUIDOID],
        Access::Write,
        &[Table::Tasks, Table::TaskDependencies],
    ) };

    static LOG: Plan = const { Plan::new(
        c"INSERT INTO taskmaster.task_events (task_id, kind, payload)
          VALUES ($1, $2, $3::pg_catalog.jsonb)",
        &[UUIDOID, VARCHAROID, TEXTOID],
        Access::Write,
        &[Table::TaskEvents],
    ) };
}

/// The foreign key that a missing task to wait for would violate.
const FOREIGN_KEY: Constraint =
    Constraint { table: "task_dependencies", name: "task_dependencies_depends_on_fkey" };

/// The ids, each once and in order; 22004 when one is null, 54000 when there are too many.
pub(super) fn require_ids(
    argument: &'static str,
    ids: Option<Vec<Option<Uuid>>>,
) -> Result<Vec<Uuid>, DomainError> {
    let Some(ids) = ids else { return Ok(Vec::new()) };
    let (size, size_max) = (ids.len(), PREREQUISITES_MAX);
    if size > size_max {
        return Err(TaskRefusal::TooLarge { argument, size, size_max, unit: "entries" }.into());
    }
    let ids: Option<Vec<Uuid>> = ids.into_iter().collect();
    let mut ids = ids.ok_or(DomainError::Null { argument })?;
    ids.sort_by_key(|id| *id.as_bytes());
    ids.dedup();
    Ok(ids)
}

/// Holds the tasks as they are until the transaction ends.
///
/// # Errors
/// 23503 for the first that does not exist.
pub(super) fn hold(ids: &[Uuid]) -> Result<(), DomainError> {
    let found = HOLD.with(|plan| plan.rows(&[bind(ids.to_vec())], |row| row.get_known::<Uuid>(1)));
    match ids.iter().find(|id| !found.contains(id)) {
        None => Ok(()),
        Some(id) => {
            Err(DomainError::ReferencedTaskMissing { id: id.to_string(), constraint: FOREIGN_KEY })
        }
    }
}

/// Makes a task that this transaction has just made wait for others.
///
/// # Errors
/// 23503 when one of them does not exist.
pub(super) fn insert_of_new(task: Uuid, prerequisites: Vec<Uuid>) -> Result<(), DomainError> {
    hold(&prerequisites)?;
    INSERT_OF_NEW.with(|plan| plan.run(&[bind(task), bind(prerequisites)]));
    Ok(())
}

/// Makes `task` wait for `depends_on`; gives false when it does already, in the same way.
///
/// # Errors
/// P0002 one of them does not exist, 23514 they are the same or would wait for each other.
pub(crate) fn put(
    task: Uuid,
    depends_on: Uuid,
    dependency: NewDependency,
) -> Result<bool, DomainError> {
    if task == depends_on {
        return Err(TaskRefusal::WaitsForItself { id: task.to_string() }.into());
    }
    let pair = bind(vec![task, depends_on]);
    let missing = MISSING.with(|plan| plan.row(&[pair], |row| row.get_known::<Uuid>(1)));
    if let Some(id) = missing {
        return Err(DomainError::TaskMissing { id: id.to_string() });
    }
    let kind = dependency.dependency_type;
    let satisfied_by = dependency.satisfied_by;
    let payload =
        json!({ "depends_on": depends_on.to_string(), "type": kind, "satisfied_by": satisfied_by });
    let values = [bind(task), bind(depends_on), bind(kind), bind(satisfied_by)];
    if FIND.with(|plan| plan.row(&values, |row| row.get_known(1))) == Some(true) {
        return Ok(false);
    }
    events::announce();
    PUT.with(|plan| plan.run(&values));
    log(task, "dependency_added", &payload);
    Ok(true)
}

/// Lets `task` wait for `depends_on` no more; gives false when it did not.
pub(crate) fn remove(task: Uuid, depends_on: Uuid) -> bool {
    events::announce();
    let values = [bind(task), bind(depends_on)];
    let is_gone = DELETE.with(|plan| plan.row(&values, |row| row.get_known(1))).unwrap_or(false);
    if is_gone {
        log(task, "dependency_removed", &json!({ "depends_on": depends_on.to_string() }));
    }
    is_gone
}

/// Writes an event that is no change of status.
pub(super) fn log(task: Uuid, kind: &str, payload: &serde_json::Value) {
    LOG.with(|plan| plan.run(&[bind(task), bind(kind), bind(payload.to_string())]));
}
