//! `taskmaster.system_metrics`: measurements as they are reported. It must not know what they mean.

use pgrx::Uuid;
use pgrx::pg_sys::BuiltinOid::{JSONBOID, NUMERICOID, VARCHAROID};

use super::plan::{Access, Plan, bind};
use super::schema::Table;
use super::{Jsonb, Number};
use crate::domain::argument::Argument;
use crate::domain::metric::NewMetric;
use crate::error::DomainError;

thread_local! {
    static INSERT: Plan = const { Plan::new(
        c"INSERT INTO taskmaster.system_metrics
            (metric_name, metric_value, component, metric_type, tags)
          VALUES ($1, $2, $3, $4, coalesce($5, '{}'::pg_catalog.jsonb))
          RETURNING id",
        &[VARCHAROID, NUMERICOID, VARCHAROID, VARCHAROID, JSONBOID],
        Access::Write,
        &[Table::SystemMetrics],
    ) };
}

/// Inserts the measurement and returns its id.
///
/// # Errors
/// 22004 no value; 22023 a value that is not finite, or tags that are not an object.
pub(crate) fn insert(
    metric: &NewMetric<'_>,
    value: Option<Number>,
    tags: Option<Jsonb>,
) -> Result<Uuid, DomainError> {
    let value = Argument("p_metric_value").required(value)?.finite()?;
    let tags = Jsonb::object(tags, Argument("p_tags"))?;
    let values = [
        bind(metric.name),
        bind(value),
        bind(metric.component),
        bind(metric.metric_type),
        bind(tags),
    ];
    let id = INSERT.with(|plan| plan.row(&values, |row| row.get_known(1)));
    Ok(id.expect("INSERT of one row returns one row"))
}
