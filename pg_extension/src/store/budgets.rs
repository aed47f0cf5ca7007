//! `taskmaster.task_budgets`: what the calls for a task used, and what they may use. It must not
//! know who asks.

use pgrx::pg_sys::BuiltinOid::{INT8OID, NUMERICOID, UUIDOID};
use pgrx::{AnyNumeric, Uuid};

use super::Number;
use super::plan::{Access, Plan, bind};
use super::schema::Table;
use crate::error::{DomainError, IntegrationError};

/// One row of `task_budget()`.
pub(crate) struct Budget {
    pub(crate) state: String,
    pub(crate) tokens_used: i64,
    pub(crate) tokens_max: Option<i64>,
    pub(crate) cost_usd_used: AnyNumeric,
    pub(crate) cost_usd_max: Option<AnyNumeric>,
}

/// The limits of a budget as SQL passed them; `None` is no limit.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) tokens_max: Option<i64>,
    pub(crate) cost_usd_max: Option<Number>,
    pub(crate) warn_ratio: Option<Number>,
}

thread_local! {
    static SET: Plan = const { Plan::new(
        c"INSERT INTO taskmaster.task_budgets (task_id, tokens_max, cost_usd_max, warn_ratio)
          SELECT id, $2, $3, coalesce($4, 0.8) FROM taskmaster.tasks WHERE id = $1
          ON CONFLICT (task_id) DO UPDATE SET
            tokens_max = excluded.tokens_max,
            cost_usd_max = excluded.cost_usd_max,
            warn_ratio = excluded.warn_ratio
          RETURNING true",
        &[UUIDOID, INT8OID, NUMERICOID, NUMERICOID],
        Access::Write,
        &[Table::Tasks, Table::TaskBudgets],
    ) };

    static READ: Plan = const { Plan::new(
        c"SELECT CASE
              WHEN tokens_max IS NULL AND cost_usd_max IS NULL THEN 'unlimited'
              WHEN tokens_used >= tokens_max OR cost_usd_used >= cost_usd_max THEN 'exceeded'
              WHEN tokens_used >= tokens_max * warn_ratio
                OR cost_usd_used >= cost_usd_max * warn_ratio THEN 'warn'
              ELSE 'ok' END,
            coalesce(tokens_used, 0), tokens_max, coalesce(cost_usd_used, 0), cost_usd_max
          FROM taskmaster.tasks LEFT JOIN taskmaster.task_budgets ON task_id = id WHERE id = $1",
        &[UUIDOID],
        Access::Read,
        &[Table::Tasks, Table::TaskBudgets],
    ) };
}

/// Sets both limits; NULL lifts one.
///
/// # Errors
/// P0002 no such task; 23514 a negative limit, or a ratio outside 0 to 1.
pub(crate) fn set(task: Uuid, limits: Limits) -> Result<(), DomainError> {
    let values =
        [bind(task), bind(limits.tokens_max), bind(limits.cost_usd_max), bind(limits.warn_ratio)];
    let set = SET.with(|plan| plan.row(&values, |_| ()));
    set.ok_or_else(|| missing(task))
}

/// Where the task stands.
///
/// # Errors
/// P0002 no such task.
pub(crate) fn read(task: Uuid) -> Result<Budget, DomainError> {
    let budget = READ.with(|plan| {
        plan.row(&[bind(task)], |row| Budget {
            state: row.get_known(1),
            tokens_used: row.get_known(2),
            tokens_max: row.get(3),
            cost_usd_used: row.get_known(4),
            cost_usd_max: row.get(5),
        })
    });
    budget.ok_or_else(|| missing(task))
}

/// Whether the task has used up its budget.
///
/// # Errors
/// P0002 no such task.
pub(super) fn is_exceeded(task: Uuid) -> Result<bool, DomainError> {
    Ok(read(task)?.state == "exceeded")
}

fn missing(task: Uuid) -> DomainError {
    IntegrationError::BudgetTaskMissing { id: task.to_string() }.into()
}
