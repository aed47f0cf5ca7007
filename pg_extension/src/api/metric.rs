//! `record_metric`, `record_metrics`, `record_metric_arrays`.

use pgrx::datum::{Array, TimestampWithTimeZone};
use pgrx::{Uuid, default, pg_extern};

use crate::domain::argument::Argument;
use crate::domain::instant::Instant;
use crate::domain::metric::{MetricArguments, NewMetric};
use crate::store::metric_batch::{self, MetricArrays};
use crate::store::metrics::Payload;
use crate::store::{Jsonb, Number, OrRaise, Varchar, clock, metrics};

/// Records a measurement and returns its id. NULL for an argument that has a default means the
/// default.
#[pg_extern(volatile, parallel_unsafe)]
#[expect(clippy::too_many_arguments, reason = "the SQL signature is the contract")]
fn record_metric(
    p_metric_name: Option<Varchar<'_>>,
    p_metric_value: Option<Number>,
    p_component: default!(Option<Varchar<'_>>, "NULL"),
    p_metric_type: default!(Option<Varchar<'_>>, "'gauge'"),
    p_tags: default!(Option<Jsonb>, "'{}'"),
    p_metric_unit: default!(Option<Varchar<'_>>, "NULL"),
    p_source_system: default!(Option<Varchar<'_>>, "NULL"),
    p_recorded_at: default!(Option<TimestampWithTimeZone>, "NULL"),
    p_metric_metadata: default!(Option<Jsonb>, "'{}'"),
) -> Uuid {
    let arguments = MetricArguments {
        name: Varchar::text(&p_metric_name),
        component: Varchar::text(&p_component),
        metric_type: Varchar::text(&p_metric_type),
        unit: Varchar::text(&p_metric_unit),
        source_system: Varchar::text(&p_source_system),
        recorded_at: p_recorded_at.map(|at| Instant(at.into())),
    };
    let payload = Payload { value: p_metric_value, tags: p_tags, metadata: p_metric_metadata };
    NewMetric::parse(arguments, clock::now)
        .and_then(|metric| metrics::insert(&metric, payload))
        .or_raise()
}

/// Records measurements, all or none, and returns their number. Each is an object with the arguments of `record_metric`,
/// without `p_`, as keys.
#[pg_extern(volatile, parallel_unsafe)]
fn record_metrics(p_metrics: Option<Jsonb>) -> i32 {
    let metrics = Argument("p_metrics").required(p_metrics);
    metrics.and_then(metric_batch::insert_objects).or_raise()
}

/// Records measurements, all or none, and returns their number. Element by element the arrays are the arguments of
/// `record_metric`; an array that is not given means the default for all.
#[pg_extern(volatile, parallel_unsafe)]
#[expect(clippy::too_many_arguments, reason = "the SQL signature is the contract")]
fn record_metric_arrays<'a>(
    p_names: Option<Array<'a, Varchar<'a>>>,
    p_values: Option<Array<'a, Number>>,
    p_components: default!(Option<Array<'a, Varchar<'a>>>, "NULL"),
    p_types: default!(Option<Array<'a, Varchar<'a>>>, "NULL"),
    p_tags: default!(Option<Array<'a, Jsonb>>, "NULL"),
    p_units: default!(Option<Array<'a, Varchar<'a>>>, "NULL"),
    p_sources: default!(Option<Array<'a, Varchar<'a>>>, "NULL"),
    p_recorded_at: default!(Option<Array<'a, TimestampWithTimeZone>>, "NULL"),
) -> i32 {
    let arrays = MetricArrays {
        names: Argument("p_names").required(p_names).or_raise(),
        values: Argument("p_values").required(p_values).or_raise(),
        components: p_components,
        types: p_types,
        tags: p_tags,
        units: p_units,
        sources: p_sources,
        recorded_at: p_recorded_at,
    };
    metric_batch::insert_arrays(&arrays).or_raise()
}
