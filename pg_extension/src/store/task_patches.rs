//! Changes of what a task says, by a JSON object of columns. It must not know which values a column
//! may have.

use pgrx::Uuid;
use pgrx::pg_sys::BuiltinOid::{JSONBOID, TEXTOID, UUIDOID};
use serde_json::{Map, Value, json};

use super::plan::{Access, Plan, bind};
use super::schema::Table;
use super::{Jsonb, dependencies, events};
use crate::error::{DomainError, TaskRefusal};

thread_local! {
    static LOCK: Plan = const { Plan::new(
        c"SELECT version FROM taskmaster.tasks WHERE id = $1 FOR NO KEY UPDATE",
        &[UUIDOID],
        Access::Write,
        &[Table::Tasks, Table::TaskEvents],
    ) };

    // Whether the wanted parent is the task or stands below it, and whether it exists.
    static IS_BELOW: Plan = const { Plan::new(
        c"WITH RECURSIVE above(id) AS (
            SELECT $2::pg_catalog.uuid
            UNION
            SELECT t.parent_task_id FROM above JOIN taskmaster.tasks AS t ON t.id = above.id
            WHERE t.parent_task_id IS NOT NULL)
          SELECT EXISTS (SELECT FROM above WHERE id = $1),
                 EXISTS (SELECT FROM taskmaster.tasks WHERE id = $2::pg_catalog.uuid)",
        &[UUIDOID, TEXTOID],
        Access::Write,
        &[],
    ) };

    // A column that the object does not name stays as it is; the trigger counts the version.
    static PATCH: Plan = const { Plan::new(
        c"UPDATE taskmaster.tasks SET
            title = CASE WHEN $2 ? 'title' THEN $2 ->> 'title' ELSE title END,
            description = CASE WHEN $2 ? 'description' THEN $2 ->> 'description' ELSE description END,
            type = CASE WHEN $2 ? 'type' THEN $2 ->> 'type' ELSE type END,
            priority = CASE WHEN $2 ? 'priority' THEN ($2 ->> 'priority')::pg_catalog.int4 ELSE priority END,
            assigned_to = CASE WHEN $2 ? 'assigned_to' THEN $2 ->> 'assigned_to' ELSE assigned_to END,
            parent_task_id = CASE WHEN $2 ? 'parent_task_id' THEN ($2 ->> 'parent_task_id')::pg_catalog.uuid ELSE parent_task_id END,
            requirements = CASE WHEN $2 ? 'requirements' THEN $2 -> 'requirements' ELSE requirements END,
            metadata = CASE WHEN $2 ? 'metadata' THEN $2 -> 'metadata' ELSE metadata END,
            complexity_score = CASE WHEN $2 ? 'complexity_score' THEN ($2 ->> 'complexity_score')::pg_catalog.int4 ELSE complexity_score END,
            affected_files = CASE WHEN $2 ? 'affected_files' THEN $2 -> 'affected_files' ELSE affected_files END,
            acceptance_criteria = CASE WHEN $2 ? 'acceptance_criteria' THEN $2 -> 'acceptance_criteria' ELSE acceptance_criteria END,
            tags = CASE WHEN $2 ? 'tags' THEN $2 -> 'tags' ELSE tags END,
            estimated_hours = CASE WHEN $2 ? 'estimated_hours' THEN ($2 ->> 'estimated_hours')::pg_catalog.numeric ELSE estimated_hours END,
            actual_hours = CASE WHEN $2 ? 'actual_hours' THEN ($2 ->> 'actual_hours')::pg_catalog.numeric ELSE actual_hours END,
            repository_url = CASE WHEN $2 ? 'repository_url' THEN $2 ->> 'repository_url' ELSE repository_url END,
            branch_name = CASE WHEN $2 ? 'branch_name' THEN $2 ->> 'branch_name' ELSE branch_name END,
            pr_number = CASE WHEN $2 ? 'pr_number' THEN ($2 ->> 'pr_number')::pg_catalog.int4 ELSE pr_number END,
            linear_issue_id = CASE WHEN $2 ? 'linear_issue_id' THEN $2 ->> 'linear_issue_id' ELSE linear_issue_id END,
            github_issue_number = CASE WHEN $2 ? 'github_issue_number' THEN ($2 ->> 'github_issue_number')::pg_catalog.int4 ELSE github_issue_number END,
            codegen_session_id = CASE WHEN $2 ? 'codegen_session_id' THEN $2 ->> 'codegen_session_id' ELSE codegen_session_id END,
            run_after = CASE WHEN $2 ? 'run_after' THEN ($2 ->> 'run_after')::pg_catalog.timestamptz ELSE run_after END,
            max_attempts = CASE WHEN $2 ? 'max_attempts' THEN ($2 ->> 'max_attempts')::pg_catalog.int4 ELSE max_attempts END
          WHERE id = $1 RETURNING version",
        &[UUIDOID, JSONBOID],
        Access::Write,
        &[],
    ) };

    // Two that move tasks below each other wait for each other here. Taken apart from the check, so
    // that the check sees what the one before has committed.
    static SERIALIZE: Plan = const { Plan::new(
        c"SELECT pg_catalog.pg_advisory_xact_lock(
            pg_catalog.hashtextextended('taskmaster.tasks.parent_task_id', 0))",
        &[],
        Access::Write,
        &[],
    ) };
}

/// Writes the columns that `fields` names and gives the task's version after.
///
/// # Errors
/// P0002 no such task, 40001 it is not at the expected version, 23503 a parent that does not exist,
/// 23514 one that is the task or below it, 22007 or 22008 a time that is none.
pub(crate) fn patch(
    id: Uuid,
    patch: Jsonb,
    fields: &Map<String, Value>,
    expected: Option<i64>,
) -> Result<i64, DomainError> {
    let present = LOCK.with(|plan| plan.row(&[bind(id)], |row| row.get_known::<i64>(1)));
    let present = present.ok_or_else(|| DomainError::TaskMissing { id: id.to_string() })?;
    if let Some(expected) = expected.filter(|expected| *expected != present) {
        return Err(TaskRefusal::VersionMismatch { id: id.to_string(), expected, present }.into());
    }
    if let Some(parent) = fields.get("parent_task_id").and_then(Value::as_str) {
        require_parent(id, parent)?;
    }
    events::announce();
    let version = PATCH.with(|plan| plan.row(&[bind(id), bind(patch)], |row| row.get_known(1)));
    if version != Some(present) {
        let names: Vec<_> = fields.keys().collect();
        dependencies::log(id, "updated", &json!({ "fields": names, "version": version }));
    }
    Ok(version.unwrap_or(present))
}

fn require_parent(id: Uuid, parent: &str) -> Result<(), DomainError> {
    SERIALIZE.with(|plan| plan.run(&[]));
    let values = [bind(id), bind(parent)];
    let found = IS_BELOW.with(|plan| plan.row(&values, |row| (row.get_known(1), row.get_known(2))));
    match found {
        Some((false, true)) => Ok(()),
        Some((false, false)) => Err(DomainError::ParentMissing { id: parent.to_owned() }),
        _ => {
            let parent = parent.to_owned();
            Err(TaskRefusal::BelowItself { id: id.to_string(), parent }.into())
        }
    }
}
