//! `roll_up_metrics`, `metric_series`.

use pgrx::datum::{Interval, TimestampWithTimeZone};
use pgrx::iter::TableIterator;
use pgrx::{JsonB, default, name, pg_extern};

use crate::domain::argument::Argument;
use crate::domain::instant::Instant;
use crate::domain::series_query::SeriesQuery;
use crate::guc::METRIC_SERIES_MAX;
use crate::store::rollups::{Limits, roll_up};
use crate::store::{Jsonb, OrRaise, Varchar, clock, series};

/// Sums up what was measured since the last call, and what came late, by minute, hour and day. At most `p_max_buckets`
/// minutes at a time; no rows when another session is at it. "gone" counts minutes that were late for rollups whose
/// measurements are not there any more.
#[pg_extern(volatile, parallel_unsafe)]
fn roll_up_metrics(
    p_until: default!(Option<TimestampWithTimeZone>, "NULL"),
    p_max_buckets: default!(Option<i32>, "1000"),
) -> TableIterator<'static, (name!(resolution, String), name!(buckets, i64), name!(rows, i64))> {
    let buckets_max = p_max_buckets.unwrap_or(1000);
    let buckets_max = Argument("p_max_buckets").within(buckets_max, 1, 100_000).or_raise();
    let until = p_until.map(|until| Instant(until.into()));
    let rolled = roll_up(Limits { until, buckets_max, series_max: METRIC_SERIES_MAX.get() });
    TableIterator::new(
        rolled.into_iter().map(|done| (done.resolution.into(), done.buckets, done.rows)),
    )
}

/// A metric over time: one row for each bucket of `p_step` and each combination of labels that contains `p_filter`. The labels
/// are the tags and the component. Read from the coarsest rollups that fit, and from the measurements where there are none.
#[pg_extern(stable, parallel_safe)]
fn metric_series(
    p_name: Option<Varchar<'_>>,
    p_from: Option<TimestampWithTimeZone>,
    p_to: Option<TimestampWithTimeZone>,
    p_step: Option<Interval>,
    p_agg: default!(Option<Varchar<'_>>, "'avg'"),
    p_filter: default!(Option<Jsonb>, "'{}'"),
) -> TableIterator<
    'static,
    (name!(bucket, TimestampWithTimeZone), name!(labels, JsonB), name!(value, Option<f64>)),
> {
    let [from, to] = [p_from, p_to].map(|at| at.map(|at| Instant(at.into())));
    let step =
        Argument("p_step").required(p_step).map(|step| clock::fixed_length(&step)).or_raise();
    let points =
        SeriesQuery::parse(Varchar::text(&p_name), (from, to), step, Varchar::text(&p_agg))
            .and_then(|query| series::series(&query, p_filter))
            .or_raise();
    TableIterator::new(points.into_iter().map(|point| (point.bucket, point.labels, point.value)))
}
