//! `taskmaster.system_metrics`: measurements as they are reported. It must not know what they mean.

use pgrx::Uuid;
use pgrx::pg_sys::BuiltinOid::{JSONBOID, NUMERICOID, TIMESTAMPTZOID, VARCHAROID};

use super::clock::{bind_time, now, transaction_start};
use super::direct_insert::{Cell, Column, DirectInsert};
use super::plan::{Access, Plan, bind};
use super::schema::Table;
use super::{Jsonb, Number};
use crate::domain::argument::Argument;
use crate::domain::instant::{Instant, MINUTE_US};
use crate::domain::metric::{DOCUMENT_SIZE_MAX, NewMetric, is_late};
use crate::error::DomainError;

/// What a measurement carries that is passed on as it came.
#[derive(Clone, Copy)]
pub(crate) struct Payload {
    pub(crate) value: Option<Number>,
    pub(crate) tags: Option<Jsonb>,
    pub(crate) metadata: Option<Jsonb>,
}

/// The columns that a measurement has a value for.
pub(super) const COLUMN_COUNT: usize = 9;

thread_local! {
    static DIRECT: DirectInsert = const { DirectInsert::new(
        Table::SystemMetrics,
        &[
            Column::varchar(c"metric_name", 100),
            Column::new(c"metric_value", NUMERICOID),
            Column::varchar(c"component", 100),
            Column::varchar(c"metric_type", 50),
            Column::new(c"tags", JSONBOID),
            Column::varchar(c"metric_unit", 20),
            Column::varchar(c"source_system", 50),
            Column::new(c"metric_metadata", JSONBOID),
            Column::new(c"recorded_at", TIMESTAMPTZOID),
        ],
        c"id",
    ) };

    static INSERT: Plan = const { Plan::new(
        c"INSERT INTO taskmaster.system_metrics
            (metric_name, metric_value, component, metric_type, tags, metric_unit, source_system, metric_metadata)
          VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
          RETURNING id",
        &[VARCHAROID, NUMERICOID, VARCHAROID, VARCHAROID, JSONBOID, VARCHAROID, VARCHAROID, JSONBOID],
        Access::Write,
        &[Table::SystemMetrics],
    ) };

    // A statement of its own, because the default of the column is not a value that could be passed.
    static INSERT_AT: Plan = const { Plan::new(
        c"INSERT INTO taskmaster.system_metrics
            (metric_name, metric_value, component, metric_type, tags, metric_unit, source_system, metric_metadata,
             recorded_at)
          VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
          RETURNING id",
        &[
            VARCHAROID, NUMERICOID, VARCHAROID, VARCHAROID, JSONBOID, VARCHAROID, VARCHAROID, JSONBOID,
            TIMESTAMPTZOID,
        ],
        Access::Write,
        &[Table::SystemMetrics],
    ) };

    static MARK_LATE: Plan = const { Plan::new(
        c"INSERT INTO taskmaster.metric_dirty_buckets (bucket) VALUES ($1)",
        &[TIMESTAMPTZOID],
        Access::Write,
        &[Table::MetricDirtyBuckets],
    ) };
}

/// Inserts the measurement and returns its id. One that comes late marks its minute, in the same transaction.
///
/// # Errors
/// 22004 no value; 22023 a value that is not finite, or tags or metadata that are not an object; 54000 too large.
pub(crate) fn insert(metric: &NewMetric<'_>, payload: Payload) -> Result<Uuid, DomainError> {
    let cells = cells(metric, payload)?;
    let id = DIRECT.with(|insert| insert.one(&cells)).or_else(|| insert_by_plan(&cells));
    let recorded_at = metric.recorded_at.unwrap_or_else(transaction_start);
    if is_late(recorded_at, now()) {
        mark_late(recorded_at);
    }
    Ok(id.expect("INSERT of one row returns one row"))
}

/// The columns in the order of the statements.
pub(super) fn cells(
    metric: &NewMetric<'_>,
    payload: Payload,
) -> Result<[Cell; COLUMN_COUNT], DomainError> {
    let value = Argument("p_metric_value").required(payload.value)?.finite()?;
    let tags = document(payload.tags, Argument("p_tags"))?;
    let metadata = document(payload.metadata, Argument("p_metric_metadata"))?;
    Ok([
        Cell::Value(bind(metric.name)),
        Cell::Value(bind(value)),
        Cell::Value(bind(metric.component)),
        Cell::Value(bind(metric.metric_type)),
        Cell::Value(bind(tags)),
        Cell::Value(bind(metric.unit)),
        Cell::Value(bind(metric.source_system)),
        Cell::Value(bind(metadata)),
        metric.recorded_at.map_or(Cell::Default, |at| Cell::Value(bind_time(at))),
    ])
}

fn document(value: Option<Jsonb>, argument: Argument) -> Result<Jsonb, DomainError> {
    match Jsonb::object(value, argument)? {
        Some(document) => document.bounded(argument, DOCUMENT_SIZE_MAX),
        None => Ok(Jsonb::empty_object()),
    }
}

fn insert_by_plan(cells: &[Cell; COLUMN_COUNT]) -> Option<Uuid> {
    let values = cells.map(|cell| match cell {
        Cell::Value(value) => value,
        Cell::Default => None,
    });
    match cells[8] {
        Cell::Default => INSERT.with(|plan| plan.row(&values[..8], |row| row.get_known(1))),
        Cell::Value(_) => INSERT_AT.with(|plan| plan.row(&values, |row| row.get_known(1))),
    }
}

/// Inserts the rows, in an order that need not be theirs.
pub(super) fn insert_rows(rows: &[[Cell; COLUMN_COUNT]]) {
    if !DIRECT.with(|insert| insert.many(rows.iter().map(|row| &row[..]))) {
        rows.iter().for_each(|row| {
            insert_by_plan(row);
        });
    }
}

fn mark_late(recorded_at: Instant) {
    MARK_LATE.with(|plan| plan.run(&[bind_time(recorded_at.floor(MINUTE_US))]));
}
