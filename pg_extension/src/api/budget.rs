//! `set_task_budget`, `task_budget`.

use pgrx::iter::TableIterator;
use pgrx::{AnyNumeric, Uuid, default, name, pg_extern};

use crate::domain::argument::Argument;
use crate::store::budgets::{self, Limits};
use crate::store::{Number, OrRaise};

/// Limits the tokens and the cost of the calls for a task and returns true. NULL is no limit.
#[pg_extern(volatile, parallel_unsafe)]
fn set_task_budget(
    p_task_id: Option<Uuid>,
    p_tokens_max: default!(Option<i64>, "NULL"),
    p_cost_usd_max: default!(Option<Number>, "NULL"),
    p_warn_ratio: default!(Option<Number>, "0.8"),
) -> bool {
    let task = Argument("p_task_id").required(p_task_id).or_raise();
    let limits =
        Limits { tokens_max: p_tokens_max, cost_usd_max: p_cost_usd_max, warn_ratio: p_warn_ratio };
    budgets::set(task, limits).or_raise();
    true
}

/// What the calls for a task have used and may use; `state` is unlimited, ok, warn or exceeded.
#[pg_extern(stable, strict, parallel_safe)]
#[expect(clippy::type_complexity, reason = "the SQL signature is the contract")]
fn task_budget(
    p_task_id: Uuid,
) -> TableIterator<
    'static,
    (
        name!(state, String),
        name!(tokens_used, i64),
        name!(tokens_max, Option<i64>),
        name!(cost_usd_used, AnyNumeric),
        name!(cost_usd_max, Option<AnyNumeric>),
    ),
> {
    let budget = budgets::read(p_task_id).or_raise();
    TableIterator::once((
        budget.state,
        budget.tokens_used,
        budget.tokens_max,
        budget.cost_usd_used,
        budget.cost_usd_max,
    ))
}
