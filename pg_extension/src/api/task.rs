//! `create_task`, `create_tasks`, `update_task`, `update_task_status`.

use pgrx::datum::TimestampWithTimeZone;
use pgrx::iter::TableIterator;
use pgrx::{Uuid, default, name, pg_extern};

use crate::domain::argument::Argument;
use crate::domain::document;
use crate::domain::standing::Claim;
use crate::domain::status_change::StatusChange;
use crate::domain::task::{NewTask, TaskArguments};
use crate::domain::task_field;
use crate::domain::task_list::TaskList;
use crate::store::tasks::TaskLinks;
use crate::store::{Jsonb, Number, OrRaise, Varchar, task_lists, task_moves, task_patches, tasks};

/// The largest list of tasks, and the largest patch of one.
const LIST_BYTES_MAX: usize = 64 * 1_048_576;
const PATCH_BYTES_MAX: usize = 4 * 1_048_576;

/// Creates a task and returns its id. NULL for an argument that has a default means the default.
#[pg_extern(volatile, parallel_unsafe)]
#[expect(clippy::too_many_arguments, reason = "the SQL signature is the contract")]
fn create_task(
    p_title: Option<Varchar<'_>>,
    p_description: default!(Option<&str>, "NULL"),
    p_type: default!(Option<Varchar<'_>>, "'general'"),
    p_priority: default!(Option<i32>, "0"),
    p_assigned_to: default!(Option<Varchar<'_>>, "NULL"),
    p_parent_task_id: default!(Option<Uuid>, "NULL"),
    p_requirements: default!(Option<Jsonb>, "'[]'"),
    p_metadata: default!(Option<Jsonb>, "'{}'"),
    p_complexity_score: default!(Option<i32>, "5"),
    p_affected_files: default!(Option<Jsonb>, "'[]'"),
    p_acceptance_criteria: default!(Option<Jsonb>, "'[]'"),
    p_tags: default!(Option<Jsonb>, "'[]'"),
    p_estimated_hours: default!(Option<Number>, "NULL"),
    p_repository_url: default!(Option<&str>, "NULL"),
    p_branch_name: default!(Option<&str>, "NULL"),
    p_depends_on: default!(Option<Vec<Option<Uuid>>>, "NULL"),
    p_idempotency_key: default!(Option<&str>, "NULL"),
    p_run_after: default!(Option<TimestampWithTimeZone>, "NULL"),
    p_max_attempts: default!(Option<i32>, "3"),
    p_linear_issue_id: default!(Option<&str>, "NULL"),
    p_github_issue_number: default!(Option<i32>, "NULL"),
) -> Uuid {
    let arguments = TaskArguments {
        title: Varchar::text(&p_title),
        description: p_description,
        task_type: Varchar::text(&p_type),
        priority: p_priority,
        assigned_to: Varchar::text(&p_assigned_to),
        complexity_score: p_complexity_score,
        repository_url: p_repository_url,
        branch_name: p_branch_name,
        idempotency_key: p_idempotency_key,
        max_attempts: p_max_attempts,
        linear_issue_id: p_linear_issue_id,
        github_issue_number: p_github_issue_number,
    };
    let links = TaskLinks {
        parent: p_parent_task_id,
        requirements: p_requirements,
        metadata: p_metadata,
        affected_files: p_affected_files,
        acceptance_criteria: p_acceptance_criteria,
        tags: p_tags,
        estimated_hours: p_estimated_hours,
        run_after: p_run_after,
        depends_on: p_depends_on,
    };
    NewTask::parse(arguments).and_then(|task| tasks::insert(&task, links)).or_raise()
}

/// Creates every task of a JSON array, or none, and returns their ids by their place, from 1. The
/// keys of an entry are the columns of a task, `ref`, and `parent` and `depends_on`, which name
/// entries by their `ref` and other tasks by their id.
#[pg_extern(volatile, parallel_unsafe)]
fn create_tasks(
    p_tasks: Option<Jsonb>,
) -> TableIterator<'static, (name!(ord, i32), name!(task_id, Uuid))> {
    let document = Argument("p_tasks").required(p_tasks);
    let document = document.and_then(|tasks| tasks.read("p_tasks", LIST_BYTES_MAX)).or_raise();
    let ids = TaskList::parse(&document).and_then(task_lists::insert).or_raise();
    TableIterator::new((1..).zip(ids))
}

/// Writes the columns that the JSON object names and returns the task's version; with an expected
/// version only if nobody has changed the task since.
#[pg_extern(volatile, parallel_unsafe)]
fn update_task(
    p_task_id: Option<Uuid>,
    p_patch: Option<Jsonb>,
    p_expected_version: default!(Option<i64>, "NULL"),
) -> i64 {
    let id = Argument("p_task_id").required(p_task_id).or_raise();
    let patch = Argument("p_patch").required(p_patch).or_raise();
    let document = patch.read("p_patch", PATCH_BYTES_MAX).or_raise();
    let fields = document::require_object("p_patch", &document).or_raise();
    task_field::check("p_patch", fields, &[])
        .and_then(|()| task_patches::patch(id, patch, fields, p_expected_version))
        .or_raise()
}

/// Moves a task to another status and returns true. The status a task has already is accepted and
/// writes nothing. While somebody holds the task, it takes the holder's token, or `p_force`, which
/// takes the lease away and passes over the rules.
#[pg_extern(volatile, parallel_unsafe)]
fn update_task_status(
    p_task_id: Option<Uuid>,
    p_new_status: Option<Varchar<'_>>,
    p_user_id: default!(Option<Varchar<'_>>, "NULL"),
    p_notes: default!(Option<&str>, "NULL"),
    p_claim_token: default!(Option<i64>, "NULL"),
    p_force: default!(Option<bool>, "false"),
) -> bool {
    let id = Argument("p_task_id").required(p_task_id).or_raise();
    let claim = Claim::of(p_claim_token, p_force);
    StatusChange::parse(Varchar::text(&p_new_status), Varchar::text(&p_user_id), p_notes, claim)
        .and_then(|change| task_moves::change_status(id, &change))
        .or_raise();
    true
}
