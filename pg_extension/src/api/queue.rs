//! `next_task`, `requeue_expired`, `redrive_tasks`, `cancel_task`.

use pgrx::iter::TableIterator;
use pgrx::{Uuid, default, name, pg_extern};

use crate::domain::argument::Argument;
use crate::domain::task_filter::TaskFilter;
use crate::store::queue::{self, Reach};
use crate::store::{Jsonb, OrRaise};

/// The largest filter.
const FILTER_BYTES_MAX: usize = 65_536;

/// The tasks that should be taken next, and takes none: subtasks of what is being worked on first,
/// then by priority, then those that waited for the least.
#[pg_extern(stable, parallel_safe)]
#[expect(clippy::type_complexity, reason = "the SQL signature is the contract")]
fn next_task(
    p_assigned_to: default!(Option<&str>, "NULL"),
    p_types: default!(Option<Vec<Option<String>>>, "NULL"),
    p_limit: default!(Option<i32>, "1"),
) -> TableIterator<
    'static,
    (
        name!(task_id, Uuid),
        name!(display_id, Option<i64>),
        name!(title, String),
        name!(status, String),
        name!(priority, Option<i32>),
        name!(task_type, String),
        name!(assigned_to, Option<String>),
        name!(parent_task_id, Option<Uuid>),
        name!(dependencies, i64),
    ),
> {
    let limit = Argument("p_limit").within(p_limit.unwrap_or(1), 1, 10_000).or_raise();
    let tasks = queue::next(p_assigned_to, p_types, limit).into_iter();
    TableIterator::new(tasks.map(|task| {
        (
            task.id,
            task.display_id,
            task.title,
            task.status,
            task.priority,
            task.task_type,
            task.assigned_to,
            task.parent,
            task.dependencies,
        )
    }))
}

/// Takes tasks away from workers whose leases are over and returns how many.
#[pg_extern(volatile, parallel_unsafe)]
fn requeue_expired(p_limit: default!(Option<i32>, "100")) -> i32 {
    queue::requeue_expired(Argument("p_limit").within(p_limit.unwrap_or(100), 1, 10_000).or_raise())
}

/// Gives the failed tasks that fit the filter all their attempts back and returns how many. The
/// filter's keys are `ids`, `type`, `assigned_to`, `parent_task_id` and `tags`.
#[pg_extern(volatile, parallel_unsafe)]
fn redrive_tasks(
    p_filter: default!(Option<Jsonb>, "'{}'"),
    p_limit: default!(Option<i32>, "100"),
) -> i32 {
    let limit = Argument("p_limit").within(p_limit.unwrap_or(100), 1, 10_000).or_raise();
    let filter = Argument("p_filter").required(p_filter);
    let document = filter.and_then(|filter| filter.read("p_filter", FILTER_BYTES_MAX)).or_raise();
    queue::redrive(TaskFilter::parse(&document).or_raise(), limit)
}

/// Cancels a task, and with `p_cascade` everything below it that has not ended, and returns how
/// many.
#[pg_extern(volatile, parallel_unsafe)]
fn cancel_task(
    p_task_id: Option<Uuid>,
    p_reason: default!(Option<&str>, "NULL"),
    p_cascade: default!(Option<bool>, "false"),
) -> i32 {
    let id = Argument("p_task_id").required(p_task_id).or_raise();
    let reach = if p_cascade == Some(true) { Reach::WithSubtasks } else { Reach::Alone };
    queue::cancel(id, p_reason, reach).or_raise()
}
