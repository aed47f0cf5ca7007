//! `create_task`, `update_task_status`, `get_task_hierarchy`, `calculate_task_completion`.

use pgrx::iter::TableIterator;
use pgrx::{AnyNumeric, Uuid, default, name, pg_extern};

use crate::domain::argument::Argument;
use crate::domain::completion::Completion;
use crate::domain::status_change::StatusChange;
use crate::domain::task::{NewTask, TaskArguments};
use crate::store::tasks::TaskLinks;
use crate::store::{Jsonb, OrRaise, Varchar, number, tasks, tree};

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
) -> Uuid {
    let arguments = TaskArguments {
        title: Varchar::text(&p_title),
        description: p_description,
        task_type: Varchar::text(&p_type),
        priority: p_priority,
        assigned_to: Varchar::text(&p_assigned_to),
    };
    let links =
        TaskLinks { parent: p_parent_task_id, requirements: p_requirements, metadata: p_metadata };
    NewTask::parse(arguments).and_then(|task| tasks::insert(&task, links)).or_raise()
}

/// Moves a task to another status and returns true. The status a task has already is accepted and
/// writes nothing.
#[pg_extern(volatile, parallel_unsafe)]
fn update_task_status(
    p_task_id: Option<Uuid>,
    p_new_status: Option<Varchar<'_>>,
    p_user_id: default!(Option<Varchar<'_>>, "NULL"),
    p_notes: default!(Option<&str>, "NULL"),
) -> bool {
    let id = Argument("p_task_id").required(p_task_id).or_raise();
    StatusChange::parse(Varchar::text(&p_new_status), Varchar::text(&p_user_id), p_notes)
        .and_then(|change| tasks::change_status(id, &change))
        .or_raise();
    true
}

/// The task and everything below it, by level, title and id.
#[pg_extern(stable, strict, parallel_safe)]
fn get_task_hierarchy(
    p_task_id: Uuid,
) -> TableIterator<
    'static,
    (
        name!(task_id, Uuid),
        name!(title, Varchar<'static>),
        name!(status, Option<Varchar<'static>>),
        name!(level, i32),
        name!(path, String),
    ),
> {
    let branches = tree::hierarchy(p_task_id).or_raise().into_iter();
    TableIterator::new(branches.map(|branch| {
        let status = branch.status.map(Varchar::from);
        (branch.id, Varchar::from(branch.title), status, branch.level, branch.path)
    }))
}

/// How far the task is, in percent with two decimals: the mean of its subtasks, each measured the
/// same way; cancelled ones do not count.
#[pg_extern(stable, strict, parallel_safe)]
fn calculate_task_completion(p_task_id: Uuid) -> AnyNumeric {
    let nodes = tree::live_nodes(p_task_id).or_raise();
    number::of_completion(Completion::of_tree(&nodes))
}
