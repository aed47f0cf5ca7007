//! `record_metric`.

use pgrx::{Uuid, default, pg_extern};

use crate::domain::metric::NewMetric;
use crate::store::{Jsonb, Number, OrRaise, Varchar, metrics};

/// Records a measurement and returns its id. NULL for an argument that has a default means the
/// default.
#[pg_extern(volatile, parallel_unsafe)]
fn record_metric(
    p_metric_name: Option<Varchar<'_>>,
    p_metric_value: Option<Number>,
    p_component: default!(Option<Varchar<'_>>, "NULL"),
    p_metric_type: default!(Option<Varchar<'_>>, "'gauge'"),
    p_tags: default!(Option<Jsonb>, "'{}'"),
) -> Uuid {
    let (name, component) = (Varchar::text(&p_metric_name), Varchar::text(&p_component));
    NewMetric::parse(name, component, Varchar::text(&p_metric_type))
        .and_then(|metric| metrics::insert(&metric, p_metric_value, p_tags))
        .or_raise()
}
