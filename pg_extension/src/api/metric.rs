//! `record_metric`.

use pgrx::datum::TimestampWithTimeZone;
use pgrx::{Uuid, default, pg_extern};

use crate::domain::instant::Instant;
use crate::domain::metric::{MetricArguments, NewMetric};
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
