//! `create_workflow`, `update_workflow_step`.

use pgrx::{Uuid, default, pg_extern};

use crate::domain::argument::Argument;
use crate::domain::workflow::{NewWorkflow, StepReport};
use crate::store::{Jsonb, OrRaise, Varchar, workflows};

/// Creates a workflow for a task and returns its id. NULL for an argument that has a default means
/// the default.
#[pg_extern(volatile, parallel_unsafe)]
fn create_workflow(
    p_task_id: Option<Uuid>,
    p_workflow_type: default!(Option<Varchar<'_>>, "'standard'"),
    p_total_steps: default!(Option<i32>, "0"),
    p_timeout_minutes: default!(Option<i32>, "60"),
) -> Uuid {
    let task = Argument("p_task_id").required(p_task_id).or_raise();
    NewWorkflow::parse(Varchar::text(&p_workflow_type), p_total_steps, p_timeout_minutes)
        .and_then(|workflow| workflows::insert(task, &workflow))
        .or_raise()
}

/// Records what became of a step, moves the workflow on and returns true.
#[pg_extern(volatile, parallel_unsafe)]
fn update_workflow_step(
    p_workflow_id: Option<Uuid>,
    p_step_name: Option<Varchar<'_>>,
    p_step_status: Option<Varchar<'_>>,
    p_step_result: default!(Option<Jsonb>, "NULL"),
    p_error_message: default!(Option<&str>, "NULL"),
) -> bool {
    let id = Argument("p_workflow_id").required(p_workflow_id).or_raise();
    let (name, status) = (Varchar::text(&p_step_name), Varchar::text(&p_step_status));
    StepReport::parse(name, status, p_error_message)
        .and_then(|step| workflows::report_step(id, &step, p_step_result))
        .or_raise();
    true
}
