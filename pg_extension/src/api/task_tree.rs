//! `get_task_hierarchy`, `get_task_tree`, `calculate_task_completion`.

use pgrx::iter::TableIterator;
use pgrx::{AnyNumeric, Uuid, default, name, pg_extern};

use crate::domain::argument::Argument;
use crate::domain::completion::{Completion, Mode};
use crate::store::{OrRaise, Varchar, number, tree};

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

/// The task and everything below it, or every task there is, depth first.
#[pg_extern(stable, parallel_safe)]
#[expect(clippy::type_complexity, reason = "the SQL signature is the contract")]
fn get_task_tree(
    p_task_id: default!(Option<Uuid>, "NULL"),
    p_max_depth: default!(Option<i32>, "50"),
) -> TableIterator<
    'static,
    (
        name!(task_id, Uuid),
        name!(title, String),
        name!(status, Option<String>),
        name!(level, i32),
        name!(path, String),
        name!(parent_task_id, Option<Uuid>),
        name!(priority, Option<i32>),
        name!(completion, AnyNumeric),
        name!(open_deps, i32),
        name!(ready, bool),
        name!(ord, i32),
    ),
> {
    let depth = Argument("p_max_depth").within(p_max_depth.unwrap_or(50), 0, 100).or_raise();
    let limbs = tree::limbs(p_task_id, depth).or_raise().into_iter();
    TableIterator::new(limbs.zip(1..).map(|(limb, ord)| {
        let branch = limb.branch;
        let completion = number::of_completion(limb.completion);
        (
            branch.id,
            branch.title,
            branch.status,
            branch.level,
            branch.path,
            limb.parent,
            limb.priority,
            completion,
            limb.open_deps,
            limb.is_ready,
            ord,
        )
    }))
}

/// How far the task is, in percent with two decimals; cancelled subtasks do not count. By mode
/// `recursive`, the mean of the subtasks, each measured the same way; `leaf`, the share of completed
/// tasks without subtasks; `weighted`, the same by estimated hours or else complexity; `children`,
/// the share of completed direct subtasks.
#[pg_extern(stable, strict, parallel_safe)]
fn calculate_task_completion(p_task_id: Uuid, p_mode: default!(&str, "'recursive'")) -> AnyNumeric {
    let mode = Mode::parse(p_mode).or_raise();
    let nodes = tree::live_nodes(p_task_id).or_raise();
    number::of_completion(Completion::of_tree(&nodes, mode))
}
