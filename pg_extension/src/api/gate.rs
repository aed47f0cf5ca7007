//! `add_gate`, `resolve_gate`, `resolve_due_gates`.

use pgrx::{Uuid, default, pg_extern};

use crate::domain::argument::Argument;
use crate::domain::gate::NewGate;
use crate::store::{Jsonb, OrRaise, gates};

/// The largest description of what a gate waits for.
const AWAIT_BYTES_MAX: usize = 65_536;

/// Makes a task wait for something outside and returns the gate's id. A timer says `until` when.
#[pg_extern(volatile, parallel_unsafe)]
fn add_gate(p_task_id: Option<Uuid>, p_gate_type: Option<&str>, p_await: Option<Jsonb>) -> Uuid {
    let task = Argument("p_task_id").required(p_task_id).or_raise();
    let document = Argument("p_await").required(p_await).or_raise();
    document
        .read("p_await", AWAIT_BYTES_MAX)
        .and_then(|value| NewGate::parse(p_gate_type, &value))
        .and_then(|gate| gates::insert(task, &gate, document))
        .or_raise()
}

/// Opens a gate and returns whether it was closed.
#[pg_extern(volatile, parallel_unsafe)]
fn resolve_gate(
    p_gate_id: Option<Uuid>,
    p_by: default!(Option<&str>, "NULL"),
    p_result: default!(Option<Jsonb>, "NULL"),
) -> bool {
    let id = Argument("p_gate_id").required(p_gate_id).or_raise();
    gates::resolve(id, p_by, p_result).or_raise()
}

/// Opens the timers whose time has come and returns how many.
#[pg_extern(volatile, parallel_unsafe)]
fn resolve_due_gates(p_limit: default!(Option<i32>, "100")) -> i32 {
    gates::resolve_due(Argument("p_limit").within(p_limit.unwrap_or(100), 1, 10_000).or_raise())
}
