//! A metric over time, read from rollups and, where there are none, from the measurements. It must not know which of them
//! answer: `domain::rollup::Sources` says so.

use pgrx::datum::{Interval, TimestampWithTimeZone};
use pgrx::pg_sys::BuiltinOid::{
    FLOAT8OID, INTERVALOID, JSONBOID, TEXTARRAYOID, TEXTOID, TIMESTAMPTZARRAYOID, TIMESTAMPTZOID,
    VARCHAROID,
};
use pgrx::{IntoDatum, JsonB};

use super::Jsonb;
use super::clock::{bind_time, timestamp};
use super::plan::{Access, Plan, bind};
use super::rollups::watermarks_of_reader;
use super::schema::Table;
use crate::domain::argument::Argument;
use crate::domain::instant::Instant;
use crate::domain::rollup::{Sources, Span};
use crate::domain::series_query::SeriesQuery;
use crate::error::DomainError;

/// One bucket of one series.
pub(crate) struct Point {
    pub(crate) bucket: TimestampWithTimeZone,
    pub(crate) labels: JsonB,
    pub(crate) value: Option<f64>,
}

thread_local! {
    // Rollups and measurements are brought into one form, as if each measurement were a bucket of its own, and put together by
    // labels and step. The measurements are at most those of the two ends of the span.
    static SERIES: Plan = const { Plan::new(
        c"WITH pieces AS (
            SELECT * FROM ROWS FROM (pg_catalog.unnest($6), pg_catalog.unnest($7), pg_catalog.unnest($8))
              AS p (resolution, piece_from, piece_to)),
          points AS (
            SELECT s.series_id::pg_catalog.text AS source, s.metric_type, s.is_overflow,
                   pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('component', s.component)) || s.tags AS labels,
                   r.bucket AS at, r.samples, r.sum, r.min, r.max, r.first, r.last, r.increase, r.sketch
            FROM taskmaster.metric_series AS s
            JOIN pieces AS p ON true
            JOIN taskmaster.metric_rollups AS r ON r.series_id = s.series_id AND r.resolution = p.resolution
             AND r.bucket >= p.piece_from AND r.bucket < p.piece_to
            WHERE s.metric_name = $1
            UNION ALL
            SELECT 'raw', m.metric_type, false,
                   pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('component', m.component))
                     || coalesce(m.tags, '{}'),
                   m.recorded_at, 1, v.value, v.value, v.value, v.value, v.value,
                   CASE WHEN m.metric_type = 'counter' THEN 0.0 END,
                   CASE WHEN $4 = 'quantile' THEN taskmaster.ddsketch_of(v.value) END
            FROM taskmaster.system_metrics AS m,
                 LATERAL (SELECT taskmaster.finite_double(m.metric_value) AS value) AS v
            WHERE m.metric_name = $1
              AND ((m.recorded_at >= $9 AND m.recorded_at < $10) OR (m.recorded_at >= $11 AND m.recorded_at < $12))),
          steps AS (
            SELECT p.*, greatest(pg_catalog.date_bin($3, p.at, '2000-01-01 00:00:00+00'), $2) AS bucket,
                   CASE WHEN p.increase IS NOT NULL AND NOT p.is_overflow AND $4 IN ('rate', 'increase') THEN
                     p.first - pg_catalog.lag(p.last) OVER (PARTITION BY p.labels ORDER BY p.at) END AS change
            FROM points AS p WHERE p.labels @> $13)
          SELECT bucket, labels,
                 CASE $4 WHEN 'avg' THEN pg_catalog.sum(sum) / pg_catalog.sum(samples)::pg_catalog.float8
                         WHEN 'sum' THEN pg_catalog.sum(sum)
                         WHEN 'min' THEN pg_catalog.min(min)
                         WHEN 'max' THEN pg_catalog.max(max)
                         WHEN 'count' THEN pg_catalog.sum(samples)::pg_catalog.float8
                         WHEN 'last' THEN (pg_catalog.array_agg(last ORDER BY at DESC))[1]
                         WHEN 'quantile' THEN taskmaster.ddsketch_quantile(taskmaster.ddsketch_merge(sketch), $5)
                         ELSE pg_catalog.sum(increase
                                + CASE WHEN change >= 0 THEN change WHEN change < 0 THEN first ELSE 0 END)
                              / CASE $4 WHEN 'rate' THEN
                                  extract(epoch FROM least(pg_catalog.date_bin($3, bucket, '2000-01-01 00:00:00+00') + $3,
                                                           $14) - bucket)::pg_catalog.float8 ELSE 1 END
                 END
          FROM steps GROUP BY labels, bucket ORDER BY bucket, labels",
        &[
            VARCHAROID, TIMESTAMPTZOID, INTERVALOID, TEXTOID, FLOAT8OID, TEXTARRAYOID, TIMESTAMPTZARRAYOID,
            TIMESTAMPTZARRAYOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID, JSONBOID,
            TIMESTAMPTZOID,
        ],
        Access::Read,
        &[Table::SystemMetrics, Table::MetricRollups, Table::MetricSeries],
    ) };
}

/// The answer, by bucket and labels.
///
/// # Errors
/// 22023 when the filter is not an object.
pub(crate) fn series(
    query: &SeriesQuery<'_>,
    filter: Option<Jsonb>,
) -> Result<Vec<Point>, DomainError> {
    let filter = Jsonb::object(filter, Argument("p_filter"))?.unwrap_or_else(Jsonb::empty_object);
    let rolled_until = watermarks_of_reader().map(|mark| mark.rolled_until);
    let sources = Sources::of(query.span, query.step_us, rolled_until);
    let words: Vec<_> = sources.rollups.iter().map(|(resolution, _)| resolution.as_str()).collect();
    let times = |of: fn(&Span) -> Instant| -> Vec<_> {
        sources.rollups.iter().map(|(_, span)| timestamp(of(span))).collect()
    };
    let mut raw = sources.raw.iter().copied();
    let nothing = Span { from: query.span.from, to: query.span.from };
    let (head, tail) = (raw.next().unwrap_or(nothing), raw.next().unwrap_or(nothing));
    let values = [
        bind(query.name),
        bind_time(query.span.from),
        bind(Interval::from_micros(query.step_us)),
        bind(query.aggregate.word()),
        bind(query.aggregate.share()),
        words.into_datum(),
        times(|span| span.from).into_datum(),
        times(|span| span.to).into_datum(),
        bind_time(head.from),
        bind_time(head.to),
        bind_time(tail.from),
        bind_time(tail.to),
        bind(filter),
        bind_time(query.span.to),
    ];
    Ok(SERIES.with(|plan| {
        plan.rows(&values, |row| Point {
            bucket: row.get_known(1),
            labels: row.get_known(2),
            value: row.get(3),
        })
    }))
}
