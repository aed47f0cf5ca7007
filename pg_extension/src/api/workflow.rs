//! `create_workflow`, `update_workflow_step`, `get_workflow`, `retry_workflow`, `cancel_workflow`,
//! `expire_workflows`, `get_workflow_performance`.

use pgrx::datum::Interval;
use pgrx::iter::TableIterator;
use pgrx::{AnyNumeric, JsonB, Uuid, default, name, pg_extern};

use crate::domain::argument::Argument;
use crate::domain::workflow::{NewWorkflow, StepReport, WorkflowArguments};
use crate::store::{Jsonb, OrRaise, Varchar, workflow_ends, workflow_views, workflows};

/// A thousand names.
const STEPS_BYTES_MAX: usize = 1024 * 1024;
const REASON_LENGTH_MAX: usize = 4000;
const EXPIRE_MAX: i32 = 10_000;

/// Creates a workflow for a task and returns its id; with an idempotency key, the id of the one that
/// the same call made before. NULL for an argument that has a default means the default.
#[pg_extern(volatile, parallel_unsafe)]
#[expect(clippy::too_many_arguments, reason = "the SQL signature is the contract")]
fn create_workflow(
    p_task_id: Option<Uuid>,
    p_workflow_type: default!(Option<Varchar<'_>>, "'standard'"),
    p_total_steps: default!(Option<i32>, "0"),
    p_timeout_minutes: default!(Option<i32>, "60"),
    p_steps: default!(Option<Jsonb>, "NULL"),
    p_max_retries: default!(Option<i32>, "3"),
    p_metadata: default!(Option<Jsonb>, "'{}'"),
    p_idempotency_key: default!(Option<Varchar<'_>>, "NULL"),
) -> Uuid {
    let task = Argument("p_task_id").required(p_task_id).or_raise();
    let steps = p_steps.map(|steps| steps.read("p_steps", STEPS_BYTES_MAX).or_raise());
    let arguments = WorkflowArguments {
        workflow_type: Varchar::text(&p_workflow_type),
        total_steps: p_total_steps,
        timeout_minutes: p_timeout_minutes,
        steps: steps.as_ref(),
        max_retries: p_max_retries,
        idempotency_key: Varchar::text(&p_idempotency_key),
    };
    NewWorkflow::parse(arguments)
        .and_then(|workflow| workflows::insert(task, &workflow, p_metadata))
        .or_raise()
}

/// Records what became of a step, moves the workflow on and returns true. A report about another
/// attempt than the step's present one is refused when it says which it is about.
#[pg_extern(volatile, parallel_unsafe)]
fn update_workflow_step(
    p_workflow_id: Option<Uuid>,
    p_step_name: Option<Varchar<'_>>,
    p_step_status: Option<Varchar<'_>>,
    p_step_result: default!(Option<Jsonb>, "NULL"),
    p_error_message: default!(Option<&str>, "NULL"),
    p_expected_attempt: default!(Option<i32>, "NULL"),
) -> bool {
    let id = Argument("p_workflow_id").required(p_workflow_id).or_raise();
    let (name, status) = (Varchar::text(&p_step_name), Varchar::text(&p_step_status));
    StepReport::parse(name, status, p_error_message, p_expected_attempt)
        .and_then(|step| workflows::report_step(id, &step, p_step_result))
        .or_raise();
    true
}

/// The workflow as JSON, with its steps in order, each with its attempt.
#[pg_extern(stable, strict, parallel_safe)]
fn get_workflow(p_workflow_id: Uuid) -> JsonB {
    workflow_views::get(p_workflow_id).or_raise()
}

/// Sets a workflow that failed or timed out to work again, from a step or else from the first that
/// is not done, and returns the number of the retry.
#[pg_extern(volatile, parallel_unsafe)]
fn retry_workflow(
    p_workflow_id: Option<Uuid>,
    p_from_step: default!(Option<Varchar<'_>>, "NULL"),
) -> i32 {
    let id = Argument("p_workflow_id").required(p_workflow_id).or_raise();
    workflow_ends::retry(id, Varchar::text(&p_from_step)).or_raise()
}

/// Cancels a workflow, skips what it has not done and returns true; false when it was cancelled
/// before.
#[pg_extern(volatile, parallel_unsafe)]
fn cancel_workflow(p_workflow_id: Option<Uuid>, p_reason: default!(Option<&str>, "NULL")) -> bool {
    let id = Argument("p_workflow_id").required(p_workflow_id).or_raise();
    let reason = Argument("p_reason").optional(p_reason, REASON_LENGTH_MAX).or_raise();
    workflow_ends::cancel(id, reason.unwrap_or("cancelled")).or_raise()
}

/// Ends workflows whose time is over, with status `timeout`, and returns how many.
#[pg_extern(volatile, parallel_unsafe)]
fn expire_workflows(p_limit: default!(Option<i32>, "100")) -> i32 {
    let limit = Argument("p_limit").within(p_limit.unwrap_or(100), 1, EXPIRE_MAX).or_raise();
    workflow_ends::expire(limit)
}

/// How the workflows of each type performed that began within `p_since`: the share of those ended
/// that completed, in percent, and how long the completed ones took.
#[pg_extern(stable, strict, parallel_safe)]
#[expect(clippy::type_complexity, reason = "the SQL signature is the contract")]
fn get_workflow_performance(
    p_since: default!(Interval, "'30 days'"),
) -> TableIterator<
    'static,
    (
        name!(workflow_type, Option<Varchar<'static>>),
        name!(total_workflows, i64),
        name!(success_rate, Option<AnyNumeric>),
        name!(avg_duration, Option<Interval>),
        name!(avg_retry_count, Option<AnyNumeric>),
        name!(p50_duration, Option<Interval>),
        name!(p95_duration, Option<Interval>),
    ),
> {
    TableIterator::new(workflow_views::performance(p_since).into_iter().map(|kind| {
        (
            kind.workflow_type.map(Varchar::from),
            kind.total,
            kind.success_rate,
            kind.average,
            kind.average_retries,
            kind.p50,
            kind.p95,
        )
    }))
}
