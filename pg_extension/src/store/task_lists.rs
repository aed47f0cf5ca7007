//! Many new tasks in one statement, with what they wait for. It must not know how callers describe
//! them.

use pgrx::Uuid;
use pgrx::pg_sys::BuiltinOid::{TEXTOID, VARCHAROID};

use super::plan::{Access, Plan, bind};
use super::schema::Table;
use super::{dependencies, events, random};
use crate::domain::task_list::{Rows, TaskList};
use crate::error::DomainError;

thread_local! {
    static INSERT: Plan = const { Plan::new(
        c"WITH made AS (
            INSERT INTO taskmaster.tasks
              (id, status, title, description, type, priority, assigned_to,
               parent_task_id, requirements, metadata, complexity_score,
               affected_files, acceptance_criteria, tags, estimated_hours,
               actual_hours, repository_url, branch_name, pr_number, linear_issue_id,
               github_issue_number, codegen_session_id, run_after, max_attempts)
            SELECT id, coalesce(status, 'pending'), title, description, coalesce(type,
                   'general'), coalesce(priority, 0), assigned_to, parent_task_id,
                   coalesce(requirements, '[]'), coalesce(metadata, '{}'),
                   coalesce(complexity_score, 5), coalesce(affected_files, '[]'),
                   coalesce(acceptance_criteria, '[]'), coalesce(tags, '[]'),
                   estimated_hours, actual_hours, repository_url, branch_name,
                   pr_number, linear_issue_id, github_issue_number,
                   codegen_session_id, run_after, coalesce(max_attempts, 3)
            FROM pg_catalog.jsonb_to_recordset($1::pg_catalog.jsonb) AS item(
              ord pg_catalog.int4, id pg_catalog.uuid, status pg_catalog.varchar,
              title pg_catalog.varchar, description pg_catalog.text, type
              pg_catalog.varchar, priority pg_catalog.int4, assigned_to
              pg_catalog.varchar, parent_task_id pg_catalog.uuid, requirements
              pg_catalog.jsonb, metadata pg_catalog.jsonb, complexity_score
              pg_catalog.int4, affected_files pg_catalog.jsonb, acceptance_criteria
              pg_catalog.jsonb, tags pg_catalog.jsonb, estimated_hours
              pg_catalog.numeric, actual_hours pg_catalog.numeric, repository_url
              pg_catalog.varchar, branch_name pg_catalog.varchar, pr_number
              pg_catalog.int4, linear_issue_id pg_catalog.varchar, github_issue_number
              pg_catalog.int4, codegen_session_id pg_catalog.varchar, run_after
              pg_catalog.timestamptz, max_attempts pg_catalog.int4)
            ORDER BY ord
            RETURNING id, status)
          INSERT INTO taskmaster.task_events (task_id, kind, to_status)
          SELECT id, $2, status FROM made",
        &[TEXTOID, VARCHAROID],
        Access::Write,
        &[Table::Tasks, Table::TaskEvents],
    ) };

    static INSERT_EDGES: Plan = const { Plan::new(
        c"INSERT INTO taskmaster.task_dependencies (task_id, depends_on)
          SELECT task_id, depends_on FROM pg_catalog.jsonb_to_recordset($1::pg_catalog.jsonb)
            AS item(ord pg_catalog.int4, task_id pg_catalog.uuid, depends_on pg_catalog.uuid)
          ORDER BY ord",
        &[TEXTOID],
        Access::Write,
        &[],
    ) };

    static PARSE_IDS: Plan = const { Plan::new(
        c"SELECT id::pg_catalog.uuid FROM pg_catalog.jsonb_array_elements_text($1::pg_catalog.jsonb)
            AS id ORDER BY 1",
        &[TEXTOID],
        Access::Write,
        &[],
    ) };
}

/// Inserts all tasks of the list, or none, and gives their ids in the order of the list.
///
/// # Errors
/// 23503 when a task that the list names does not exist.
pub(crate) fn insert(list: TaskList) -> Result<Vec<Uuid>, DomainError> {
    let ids: Vec<Uuid> = (0..list.len()).map(|_| random::uuid()).collect();
    let texts: Vec<String> = ids.iter().map(ToString::to_string).collect();
    insert_rows(&list.rows(&texts), "created")?;
    Ok(ids)
}

/// Inserts rows that have their ids; `kind` is what their events are called.
///
/// # Errors
/// As [`insert`].
pub(super) fn insert_rows(rows: &Rows, kind: &str) -> Result<(), DomainError> {
    hold_referenced(&rows.referenced)?;
    events::announce();
    INSERT.with(|plan| plan.run(&[bind(rows.tasks.to_string()), bind(kind)]));
    if rows.edges.as_array().is_some_and(|edges| !edges.is_empty()) {
        INSERT_EDGES.with(|plan| plan.run(&[bind(rows.edges.to_string())]));
    }
    Ok(())
}

fn hold_referenced(texts: &[String]) -> Result<(), DomainError> {
    if texts.is_empty() {
        return Ok(());
    }
    let texts = serde_json::json!(texts).to_string();
    let ids: Vec<Uuid> = PARSE_IDS.with(|plan| plan.rows(&[bind(texts)], |row| row.get_known(1)));
    dependencies::hold(&ids)
}
