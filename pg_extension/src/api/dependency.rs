//! `add_dependency`, `remove_dependency`, `explain_not_ready`, `detect_stalls`.

use pgrx::datum::TimestampWithTimeZone;
use pgrx::iter::TableIterator;
use pgrx::{Uuid, default, name, pg_extern};

use crate::domain::argument::Argument;
use crate::domain::dependency::NewDependency;
use crate::store::{JsonText, OrRaise, dependencies, readiness};

/// Makes a task wait for another and returns whether that is new. It is content when the other has
/// one of the statuses in `p_satisfied_by`; the type `related` waits for nothing.
#[pg_extern(volatile, parallel_unsafe)]
fn add_dependency(
    p_task_id: Option<Uuid>,
    p_depends_on: Option<Uuid>,
    p_type: default!(Option<&str>, "'blocks'"),
    p_satisfied_by: default!(Option<Vec<Option<String>>>, "'{completed}'"),
) -> bool {
    let task = Argument("p_task_id").required(p_task_id).or_raise();
    let other = Argument("p_depends_on").required(p_depends_on).or_raise();
    NewDependency::parse(p_type, p_satisfied_by)
        .and_then(|dependency| dependencies::put(task, other, dependency))
        .or_raise()
}

/// Lets a task wait for another no more and returns whether it did.
#[pg_extern(volatile, parallel_unsafe)]
fn remove_dependency(p_task_id: Option<Uuid>, p_depends_on: Option<Uuid>) -> bool {
    let task = Argument("p_task_id").required(p_task_id).or_raise();
    let other = Argument("p_depends_on").required(p_depends_on).or_raise();
    dependencies::remove(task, other)
}

/// Why a task cannot be claimed now: `ready`, and the `reasons` if it is not.
#[pg_extern(stable, strict, parallel_safe)]
fn explain_not_ready(p_task_id: Uuid) -> JsonText {
    readiness::explain(p_task_id).or_raise()
}

/// The tasks that will not go on unless somebody does something, and why.
#[pg_extern(stable, parallel_safe)]
fn detect_stalls() -> TableIterator<
    'static,
    (
        name!(task_id, Uuid),
        name!(reason, String),
        name!(since, Option<TimestampWithTimeZone>),
        name!(detail, JsonText),
    ),
> {
    let stalls = readiness::stalls().into_iter();
    TableIterator::new(stalls.map(|stall| (stall.task, stall.reason, stall.since, stall.detail)))
}
