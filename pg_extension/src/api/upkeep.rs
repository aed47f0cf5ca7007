//! `partition_status`, `apply_retention`, `cleanup_old_data`, `tick`.

use pgrx::datum::TimestampWithTimeZone;
use pgrx::iter::TableIterator;
use pgrx::{JsonB, default, name, pg_extern};

use crate::domain::argument::Argument;
use crate::store::{OrRaise, partitions, upkeep};

/// Every partition with its bounds and size, and what is wrong: rows in a default partition, none for the days to come.
#[pg_extern(stable, parallel_unsafe)]
#[expect(clippy::type_complexity, reason = "the columns are the contract")]
fn partition_status() -> TableIterator<
    'static,
    (
        name!(table_name, String),
        name!(partition, Option<String>),
        name!(lower_bound, Option<TimestampWithTimeZone>),
        name!(upper_bound, Option<TimestampWithTimeZone>),
        name!(rows_est, i64),
        name!(bytes, i64),
        name!(problem, Option<String>),
    ),
> {
    TableIterator::new(partitions::status_of_reader().into_iter().map(|status| {
        let bounds = (status.lower_bound, status.upper_bound);
        let size = (status.rows_est, status.bytes);
        (status.table_name, status.partition, bounds.0, bounds.1, size.0, size.1, status.problem)
    }))
}

/// What is older than `retention_policies` say. Removed only when `p_dry_run` is false, and then in bounded steps: call it again
/// until it returns no rows.
#[pg_extern(volatile, parallel_unsafe)]
fn apply_retention(
    p_dry_run: default!(Option<bool>, "true"),
) -> TableIterator<
    'static,
    (
        name!(table_name, String),
        name!(action, String),
        name!(partition, Option<String>),
        name!(rows_est, i64),
        name!(bytes, i64),
    ),
> {
    let retired =
        if p_dry_run.unwrap_or(true) { partitions::old() } else { partitions::remove_old() };
    TableIterator::new(
        retired
            .into_iter()
            .map(|old| (old.table_name, old.action, old.partition, old.rows_est, old.bytes)),
    )
}

/// Removes metrics and API logs that are older than so many days, at once, and returns how many rows went. Rollups stay. The
/// audit keeps its own time, because it is removed only when it is sealed.
#[pg_extern(volatile, parallel_unsafe)]
fn cleanup_old_data(
    p_audit_retention_days: default!(Option<i32>, "90"),
    p_metrics_retention_days: default!(Option<i32>, "30"),
    p_api_logs_retention_days: default!(Option<i32>, "7"),
) -> TableIterator<'static, (name!(table_name, String), name!(deleted_count, i64))> {
    let days = |name, value: Option<i32>, default| {
        Argument(name).within(value.unwrap_or(default), 0, 36_500).or_raise()
    };
    days("p_audit_retention_days", p_audit_retention_days, 90);
    let metrics = days("p_metrics_retention_days", p_metrics_retention_days, 30);
    let api_logs = days("p_api_logs_retention_days", p_api_logs_retention_days, 7);
    let tables = [("system_metrics", metrics), ("api_access_logs", api_logs)];
    TableIterator::new(
        tables
            .into_iter()
            .map(|(table, days)| (table.to_owned(), partitions::delete_older(table, days))),
    )
}

/// All periodic work, in bounded pieces that take turns until nothing is left or the time is over; never in two sessions at
/// once. Returns what was done, what failed, and what was left.
#[pg_extern(volatile, parallel_unsafe)]
fn tick(p_budget_ms: default!(Option<i32>, "200")) -> JsonB {
    let budget = Argument("p_budget_ms").within(p_budget_ms.unwrap_or(200), 1, 600_000);
    JsonB(upkeep::tick(budget.or_raise()))
}
