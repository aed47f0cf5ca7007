//! `taskmaster.metric_rollups`: measurements summed up by minute, minutes by hour, hours by day, and how far each has come.
//! It must not know when it is called.

use std::ffi::CStr;

use pgrx::pg_sys::BuiltinOid::{INT4OID, INTERVALOID, TEXTOID, TIMESTAMPTZOID};

use super::clock::bind_time;
use super::plan::{Access, Plan, Row, bind};
use super::schema::Table;
use crate::domain::instant::{Instant, MINUTE_US};
use crate::domain::metric::LATE_AFTER_US;
use crate::domain::rollup::{Resolution, Span, Watermark, join, remake};

/// What was done for one resolution.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rolled {
    pub(crate) resolution: &'static str,
    pub(crate) buckets: i64,
    pub(crate) rows: i64,
}

/// How much one call may do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Nothing after this is rolled up.
    pub(crate) until: Option<Instant>,
    /// Minutes to be made, and minutes to be made anew.
    pub(crate) buckets_max: i32,
    /// Series of one name.
    pub(crate) series_max: i32,
}

const WATERMARKS_SQL: &CStr =
    c"SELECT resolution::pg_catalog.text, rolled_until, source_gone_until FROM taskmaster.rollup_watermarks";

thread_local! {
    static LOCK: Plan = const { Plan::new(
        c"SELECT pg_catalog.pg_try_advisory_xact_lock(
            pg_catalog.hashtextextended('taskmaster.roll_up_metrics', 0))",
        &[],
        Access::Write,
        &[Table::MetricRollups],
    ) };

    // A measurement is inserted within moments of its time, or marks its minute. So when every transaction that still runs
    // got its id after some time, what they may yet commit is not older than that time less those moments. Each call leaves
    // its own id and the time before it as a sample; the latest sample that no running transaction precedes is the horizon.
    static HORIZON: Plan = const { Plan::new(
        c"WITH me AS MATERIALIZED (
            SELECT pg_catalog.pg_current_xact_id() AS xid,
                   pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot()) AS oldest),
          best AS MATERIALIZED (
            SELECT s.xid, s.sampled_at FROM taskmaster.rollup_samples AS s, me
            WHERE s.xid <= me.oldest ORDER BY s.xid DESC LIMIT 1),
          pruned AS (
            DELETE FROM taskmaster.rollup_samples USING best WHERE rollup_samples.xid < best.xid),
          sampled AS (
            INSERT INTO taskmaster.rollup_samples (xid, sampled_at)
            SELECT xid, pg_catalog.now() FROM me ON CONFLICT DO NOTHING)
          SELECT CASE WHEN me.oldest >= me.xid THEN pg_catalog.now()
                      ELSE (SELECT sampled_at FROM best) END
          FROM me",
        &[],
        Access::Write,
        &[Table::RollupWatermarks],
    ) };

    static WATERMARKS: Plan = const { Plan::new(
        WATERMARKS_SQL,
        &[],
        Access::Write,
        &[Table::RollupWatermarks],
    ) };

    // The same on the snapshot of a reader.
    static WATERMARKS_OF_READER: Plan = const { Plan::new(
        WATERMARKS_SQL,
        &[],
        Access::Read,
        &[Table::RollupWatermarks],
    ) };

    static ADVANCE: Plan = const { Plan::new(
        c"UPDATE taskmaster.rollup_watermarks SET rolled_until = $2 WHERE resolution = $1",
        &[TEXTOID, TIMESTAMPTZOID],
        Access::Write,
        &[Table::RollupWatermarks],
    ) };

    static FIRST_AFTER: Plan = const { Plan::new(
        c"SELECT pg_catalog.min(recorded_at) FROM taskmaster.system_metrics
          WHERE recorded_at >= $1 AND recorded_at < $2",
        &[TIMESTAMPTZOID, TIMESTAMPTZOID],
        Access::Write,
        &[Table::SystemMetrics],
    ) };

    // Marks and measurements of one transaction are seen together, so what is taken here can be read after.
    static TAKE_DIRTY: Plan = const { Plan::new(
        c"WITH due AS MATERIALIZED (
            SELECT DISTINCT bucket FROM taskmaster.metric_dirty_buckets ORDER BY bucket LIMIT $1),
          gone AS (
            DELETE FROM taskmaster.metric_dirty_buckets USING due WHERE metric_dirty_buckets.bucket = due.bucket)
          SELECT bucket FROM due",
        &[INT4OID],
        Access::Write,
        &[Table::MetricDirtyBuckets],
    ) };

    static CLEAR: Plan = const { Plan::new(
        c"DELETE FROM taskmaster.metric_rollups WHERE resolution = $1 AND bucket >= $2 AND bucket < $3",
        &[TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID],
        Access::Write,
        &[Table::MetricRollups],
    ) };

    // One statement: labels that are new become series as long as their name has room, the others share a series. What a
    // counter grew by is measured between neighbours of the same labels, so that a shared series adds up growth.
    static ROLL_MINUTES: Plan = const { Plan::new(
        c"WITH raw AS MATERIALIZED (
            SELECT metric_name, component, metric_type, metric_unit, coalesce(tags, '{}') AS tags, recorded_at, id,
                   taskmaster.finite_double(metric_value) AS value,
                   pg_catalog.date_bin('1 minute', recorded_at, '2000-01-01 00:00:00+00') AS bucket,
                   taskmaster.metric_labels_key(component, metric_type, metric_unit, coalesce(tags, '{}')) AS labels_key
            FROM taskmaster.system_metrics WHERE recorded_at >= $1 AND recorded_at < $2),
          labels AS MATERIALIZED (
            SELECT DISTINCT ON (metric_name, labels_key)
                   metric_name, labels_key, component, metric_type, metric_unit, tags
            FROM raw ORDER BY metric_name, labels_key),
          fresh AS MATERIALIZED (
            SELECT l.*, pg_catalog.row_number() OVER (PARTITION BY l.metric_name ORDER BY l.labels_key)
                        + coalesce(known.series, 0) > $3 AS exceeds
            FROM labels AS l
            LEFT JOIN (SELECT s.metric_name, pg_catalog.count(*) AS series FROM taskmaster.metric_series AS s
                       WHERE s.metric_name IN (SELECT metric_name FROM labels) AND NOT s.is_overflow
                       GROUP BY s.metric_name) AS known ON known.metric_name = l.metric_name
            WHERE NOT EXISTS (SELECT FROM taskmaster.metric_series AS s
                              WHERE s.metric_name = l.metric_name AND s.labels_key = l.labels_key)),
          made AS (
            INSERT INTO taskmaster.metric_series
              (metric_name, component, metric_type, metric_unit, tags, labels_key, is_overflow)
            SELECT metric_name, component, metric_type, metric_unit, tags, labels_key, false
            FROM fresh WHERE NOT exceeds
            UNION ALL
            SELECT DISTINCT metric_name, NULL, metric_type, NULL, '{\"overflow\": \"true\"}'::pg_catalog.jsonb,
                   taskmaster.metric_labels_key(NULL, metric_type, NULL, '{\"overflow\": \"true\"}'), true
            FROM fresh WHERE exceeds
            ON CONFLICT (metric_name, labels_key) DO NOTHING
            RETURNING series_id, metric_name, labels_key, metric_type, is_overflow),
          series AS MATERIALIZED (
            SELECT series_id, metric_name, labels_key, metric_type, is_overflow FROM made
            UNION ALL
            SELECT series_id, metric_name, labels_key, metric_type, is_overflow FROM taskmaster.metric_series
            WHERE metric_name IN (SELECT metric_name FROM labels)),
          target AS MATERIALIZED (
            SELECT l.metric_name, l.labels_key, coalesce(own.series_id, shared.series_id) AS series_id
            FROM labels AS l
            LEFT JOIN series AS own ON own.metric_name = l.metric_name AND own.labels_key = l.labels_key
            LEFT JOIN series AS shared ON shared.metric_name = l.metric_name
                                      AND shared.metric_type = l.metric_type AND shared.is_overflow),
          points AS (
            SELECT t.series_id, r.bucket, r.recorded_at, r.id, r.value,
                   CASE WHEN r.metric_type = 'counter' THEN
                     r.value - coalesce(pg_catalog.lag(r.value) OVER neighbours, r.value) END AS change
            FROM raw AS r JOIN target AS t ON t.metric_name = r.metric_name AND t.labels_key = r.labels_key
            WINDOW neighbours AS (
              PARTITION BY r.metric_name, r.labels_key, r.bucket ORDER BY r.recorded_at, r.id)),
          rolled AS (
            INSERT INTO taskmaster.metric_rollups
              (series_id, resolution, bucket, samples, sum, min, max, first, last, increase, sketch)
            SELECT series_id, 'minute', bucket, pg_catalog.count(*), pg_catalog.sum(value), pg_catalog.min(value),
                   pg_catalog.max(value),
                   (pg_catalog.array_agg(value ORDER BY recorded_at, id))[1],
                   (pg_catalog.array_agg(value ORDER BY recorded_at DESC, id DESC))[1],
                   pg_catalog.sum(CASE WHEN change >= 0 THEN change WHEN change < 0 THEN value END),
                   taskmaster.ddsketch_agg(value)
            FROM points GROUP BY series_id, bucket
            ON CONFLICT (series_id, resolution, bucket) DO UPDATE SET
              samples = excluded.samples, sum = excluded.sum, min = excluded.min, max = excluded.max,
              first = excluded.first, last = excluded.last, increase = excluded.increase, sketch = excluded.sketch
            RETURNING 1)
          SELECT pg_catalog.count(*) FROM rolled",
        &[TIMESTAMPTZOID, TIMESTAMPTZOID, INT4OID],
        Access::Write,
        &[Table::SystemMetrics, Table::MetricRollups, Table::MetricSeries],
    ) };

    // Between two buckets of a counter lies growth, too; a series that many labels share has no neighbours to compare.
    static ROLL_COARSER: Plan = const { Plan::new(
        c"WITH finer AS (
            SELECT r.*, pg_catalog.date_bin($3, r.bucket, '2000-01-01 00:00:00+00') AS coarse,
                   CASE WHEN r.increase IS NOT NULL AND NOT s.is_overflow THEN
                     r.first - pg_catalog.lag(r.last) OVER (
                       PARTITION BY r.series_id, pg_catalog.date_bin($3, r.bucket, '2000-01-01 00:00:00+00')
                       ORDER BY r.bucket) END AS change
            FROM taskmaster.metric_rollups AS r JOIN taskmaster.metric_series AS s USING (series_id)
            WHERE r.resolution = $2 AND r.bucket >= $4 AND r.bucket < $5),
          rolled AS (
            INSERT INTO taskmaster.metric_rollups
              (series_id, resolution, bucket, samples, sum, min, max, first, last, increase, sketch)
            SELECT series_id, $1, coarse, pg_catalog.sum(samples), pg_catalog.sum(sum), pg_catalog.min(min),
                   pg_catalog.max(max),
                   (pg_catalog.array_agg(first ORDER BY bucket))[1],
                   (pg_catalog.array_agg(last ORDER BY bucket DESC))[1],
                   pg_catalog.sum(increase
                     + CASE WHEN change >= 0 THEN change WHEN change < 0 THEN first ELSE 0 END),
                   taskmaster.ddsketch_merge(sketch)
            FROM finer GROUP BY series_id, coarse
            ON CONFLICT (series_id, resolution, bucket) DO UPDATE SET
              samples = excluded.samples, sum = excluded.sum, min = excluded.min, max = excluded.max,
              first = excluded.first, last = excluded.last, increase = excluded.increase, sketch = excluded.sketch
            RETURNING 1)
          SELECT pg_catalog.count(*) FROM rolled",
        &[TEXTOID, TEXTOID, INTERVALOID, TIMESTAMPTZOID, TIMESTAMPTZOID],
        Access::Write,
        &[Table::MetricRollups, Table::MetricSeries],
    ) };
}

/// Rolls up what has come since the last call and what came late before. Nothing when another session is at it.
pub(crate) fn roll_up(limits: Limits) -> Vec<Rolled> {
    let locked = LOCK.with(|plan| plan.row(&[], |row| row.get_known::<bool>(1)));
    if locked != Some(true) {
        return Vec::new();
    }
    let marks = watermarks();
    let ready = ready_until(limits.until);
    let Some(from) = marks[0].rolled_until.or_else(|| begin(ready)) else { return Vec::new() };
    let dirty = TAKE_DIRTY.with(|plan| plan.rows(&[bind(limits.buckets_max)], |row| time(row, 1)));
    let minutes = Watermark { rolled_until: Some(from), ..marks[0] };
    let (remade, gone) = remake(dirty.into_iter(), minutes);
    let mut spans = join(&remade, Resolution::Minute);
    let mut rows = spans.iter().map(|span| remake_minutes(*span, limits.series_max)).sum::<i64>();
    if let Some(window) = window(from, ready, limits.buckets_max) {
        rows += roll_minutes(window, limits.series_max);
        advance(Resolution::Minute, window.to);
        spans.push(window);
    }
    let mut rolled = vec![summary(Resolution::Minute, &spans, rows)];
    rolled.push(roll_coarser(Resolution::Hour, &mut spans, limits.buckets_max));
    rolled.push(roll_coarser(Resolution::Day, &mut spans, limits.buckets_max));
    if gone > 0 {
        rolled.push(Rolled { resolution: "gone", buckets: gone as i64, rows: 0 });
    }
    rolled
}

/// How far each resolution has come for a reader's snapshot, in the order of [`Resolution::ALL`].
pub(super) fn watermarks_of_reader() -> [Watermark; 3] {
    WATERMARKS_OF_READER.with(read_watermarks)
}

fn watermarks() -> [Watermark; 3] {
    WATERMARKS.with(read_watermarks)
}

fn read_watermarks(plan: &Plan) -> [Watermark; 3] {
    let rows = plan.rows(&[], |row| {
        let mark = Watermark {
            rolled_until: row.get::<i64>(2).map(Instant),
            source_gone_until: time(row, 3),
        };
        (row.get_known::<String>(1), mark)
    });
    Resolution::ALL.map(|resolution| {
        let found = rows.iter().find(|(word, _)| word == resolution.as_str());
        let none = Watermark { rolled_until: None, source_gone_until: Instant(i64::MIN) };
        found.map_or(none, |(_, mark)| *mark)
    })
}

/// The end of the last minute that nothing can be added to any more without marking it.
fn ready_until(until: Option<Instant>) -> Option<Instant> {
    let horizon = HORIZON.with(|plan| plan.row(&[], |row| row.get::<i64>(1).map(Instant)));
    let ready = horizon.flatten()?.plus(-LATE_AFTER_US);
    Some(until.map_or(ready, |until| ready.min(until)).floor(MINUTE_US))
}

/// Sets all watermarks to the first measurement, and returns its minute; to what is ready when there is none yet.
fn begin(ready: Option<Instant>) -> Option<Instant> {
    let ready = ready?;
    let first = first_after(Instant(i64::MIN + 1)).unwrap_or(ready).min(ready);
    for resolution in Resolution::ALL {
        advance(resolution, first.floor(resolution.step_us()));
    }
    Some(first.floor(MINUTE_US))
}

fn first_after(from: Instant) -> Option<Instant> {
    let values = [bind_time(from), bind_time(Instant(i64::MAX))];
    FIRST_AFTER.with(|plan| plan.row(&values, |row| row.get::<i64>(1).map(Instant))).flatten()
}

/// The minutes to be rolled up now. A long stretch without measurements is passed over.
fn window(from: Instant, ready: Option<Instant>, buckets_max: i32) -> Option<Span> {
    let whole = Span::new(from, ready?)?;
    let limit = from.plus(i64::from(buckets_max) * MINUTE_US);
    if limit >= whole.to {
        return Some(whole);
    }
    let first = first_after(from).unwrap_or(whole.to).floor(MINUTE_US).min(whole.to);
    Some(if first > limit { Span { from, to: first } } else { Span { from, to: limit } })
}

fn remake_minutes(span: Span, series_max: i32) -> i64 {
    clear(Resolution::Minute, span);
    roll_minutes(span, series_max)
}

fn roll_minutes(span: Span, series_max: i32) -> i64 {
    let values = [bind_time(span.from), bind_time(span.to), bind(series_max)];
    ROLL_MINUTES.with(|plan| plan.row(&values, |row| row.get_known(1))).unwrap_or(0)
}

/// Makes the buckets of `resolution` that became complete, and anew those below its watermark that `spans` changed; `spans`
/// then are what was made.
fn roll_coarser(resolution: Resolution, spans: &mut Vec<Span>, buckets_max: i32) -> Rolled {
    let marks = watermarks();
    let index = Resolution::ALL.iter().position(|other| *other == resolution).unwrap_or(0);
    let (mark, finer) = (marks[index], marks[index - 1]);
    let changed = spans.iter().flat_map(|span| span.touched(resolution));
    let (remade, _) = remake(changed, mark);
    let mut made = join(&remade, resolution);
    let mut rows = 0;
    for span in &made {
        clear(resolution, *span);
        rows += roll_from_finer(resolution, Resolution::ALL[index - 1], *span);
    }
    let from = mark.rolled_until.unwrap_or(Instant(0));
    let complete = finer.rolled_until.map(|until| until.floor(resolution.step_us()));
    let limit = from.plus(i64::from(buckets_max).saturating_mul(resolution.step_us()));
    if let Some(window) = complete.and_then(|to| Span::new(from, to)) {
        // What is passed over because nothing was measured is passed over here in steps.
        let window = window.before(limit).unwrap_or(window);
        rows += roll_from_finer(resolution, Resolution::ALL[index - 1], window);
        advance(resolution, window.to);
        made.push(window);
    }
    let summary = summary(resolution, &made, rows);
    *spans = made;
    summary
}

fn roll_from_finer(resolution: Resolution, finer: Resolution, span: Span) -> i64 {
    let step = pgrx::datum::Interval::from_micros(resolution.step_us());
    let values = [
        bind(resolution.as_str()),
        bind(finer.as_str()),
        bind(step),
        bind_time(span.from),
        bind_time(span.to),
    ];
    ROLL_COARSER.with(|plan| plan.row(&values, |row| row.get_known(1))).unwrap_or(0)
}

fn clear(resolution: Resolution, span: Span) {
    let values = [bind(resolution.as_str()), bind_time(span.from), bind_time(span.to)];
    CLEAR.with(|plan| plan.run(&values));
}

fn advance(resolution: Resolution, to: Instant) {
    ADVANCE.with(|plan| plan.run(&[bind(resolution.as_str()), bind_time(to)]));
}

fn summary(resolution: Resolution, spans: &[Span], rows: i64) -> Rolled {
    let buckets = spans.iter().map(|span| span.buckets(resolution)).sum();
    Rolled { resolution: resolution.as_str(), buckets, rows }
}

fn time(row: &Row, column: i32) -> Instant {
    Instant(row.get_known(column))
}
