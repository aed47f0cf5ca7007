//! The partitions of tables partitioned by time, and what is removed of them and of the rollups when it is old. It must not
//! know when it is called.

use std::ffi::CStr;

use pgrx::datum::TimestampWithTimeZone;
use pgrx::pg_sys::BuiltinOid::{INT4OID, TEXTOID, TIMESTAMPTZOID};

use super::clock::{bind_time, now};
use super::plan::{Access, Plan, bind};
use super::schema::Table;
use crate::domain::instant::{DAY_US, Instant};

/// A partition, or what is wrong with those of a table.
pub(crate) struct PartitionStatus {
    pub(crate) table_name: String,
    pub(crate) partition: Option<String>,
    pub(crate) lower_bound: Option<TimestampWithTimeZone>,
    pub(crate) upper_bound: Option<TimestampWithTimeZone>,
    pub(crate) rows_est: i64,
    pub(crate) bytes: i64,
    pub(crate) problem: Option<String>,
}

/// Something old, and what was done with it.
pub(crate) struct Retired {
    pub(crate) table_name: String,
    pub(crate) action: String,
    pub(crate) partition: Option<String>,
    pub(crate) rows_est: i64,
    pub(crate) bytes: i64,
}

/// A partition older than its policy says.
struct OldPartition {
    retired: Retired,
    /// It is not rolled up yet.
    waits: bool,
    upper_bound: Instant,
}

/// The table that rollups are made of.
const METRICS: &str = "system_metrics";

/// What became of a partition.
const DROPPED: &str = "dropped";

/// Partitions dropped in one call: each takes a lock that stops everybody for a moment.
const DROPS_MAX: usize = 4;

/// Rollups deleted in one call, of each resolution.
const DELETES_MAX: i32 = 10_000;

// The rows of a default partition are counted, up to a bound: there should be none.
const STATUS_SQL: &CStr =
    c"WITH known AS (
        SELECT b.*, CASE WHEN b.is_default THEN
                 taskmaster.rows_in_default(b.partition)
               ELSE greatest(c.reltuples, 0)::pg_catalog.int8 END AS rows_est,
               coalesce(pg_catalog.pg_total_relation_size(b.partition_oid), 0) AS bytes
        FROM taskmaster.partition_bounds AS b JOIN pg_catalog.pg_class AS c ON c.oid = b.partition_oid)
      SELECT table_name::pg_catalog.text, partition::pg_catalog.text, lower_bound, upper_bound, rows_est, bytes,
             CASE WHEN is_default AND rows_est > 0 THEN
               'rows in the default partition: ensure_partitions() moves them' END
      FROM known
      UNION ALL
      SELECT table_name::pg_catalog.text, NULL, pg_catalog.max(upper_bound), NULL, 0, 0,
             'no partition from here on: ensure_partitions() makes them'
      FROM known GROUP BY table_name
      HAVING coalesce(pg_catalog.max(upper_bound), '-infinity') < pg_catalog.clock_timestamp() + interval '1 day'
      ORDER BY 1, 3 NULLS FIRST, 2";

thread_local! {
    static STATUS: Plan = const { Plan::new(
        STATUS_SQL,
        &[],
        Access::Write,
        &[Table::RetentionPolicies, Table::AuditLog],
    ) };

    // The same on the snapshot of a reader.
    static STATUS_OF_READER: Plan = const { Plan::new(
        STATUS_SQL,
        &[],
        Access::Read,
        &[Table::RetentionPolicies, Table::AuditLog],
    ) };

    // Measurements that are not rolled up yet are not old, whatever their age.
    static OLD_PARTITIONS: Plan = const { Plan::new(
        c"SELECT b.table_name::pg_catalog.text, b.partition::pg_catalog.text,
                 greatest(c.reltuples, 0)::pg_catalog.int8, pg_catalog.pg_total_relation_size(b.partition_oid),
                 b.table_name = 'system_metrics' AND b.upper_bound > coalesce(w.rolled_until, '-infinity'),
                 b.upper_bound
          FROM taskmaster.retention_policies AS r
          JOIN taskmaster.partition_bounds AS b ON b.table_name = r.data_set AND NOT b.is_default
          JOIN pg_catalog.pg_class AS c ON c.oid = b.partition_oid
          LEFT JOIN taskmaster.rollup_watermarks AS w ON w.resolution = 'minute'
          WHERE b.upper_bound <= pg_catalog.clock_timestamp() - r.keep
          ORDER BY b.upper_bound, b.table_name",
        &[],
        Access::Write,
        &[Table::RetentionPolicies],
    ) };

    // Rollups whose next coarser ones are done.
    static OLD_ROLLUPS: Plan = const { Plan::new(
        c"WITH due AS (
            SELECT w.resolution, least(pg_catalog.clock_timestamp() - r.keep, coarser.rolled_until) AS cutoff
            FROM taskmaster.retention_policies AS r
            JOIN taskmaster.rollup_watermarks AS w ON r.data_set = 'metric_rollups.' || w.resolution
            LEFT JOIN taskmaster.rollup_watermarks AS coarser
              ON coarser.resolution = CASE w.resolution WHEN 'minute' THEN 'hour' WHEN 'hour' THEN 'day' END
            WHERE w.resolution = 'day' OR coarser.rolled_until IS NOT NULL)
          SELECT resolution::pg_catalog.text, cutoff,
                 (SELECT pg_catalog.count(*) FROM (
                    SELECT FROM taskmaster.metric_rollups AS old
                    WHERE old.resolution = due.resolution AND old.bucket < due.cutoff LIMIT 1000000) AS old)
          FROM due",
        &[],
        Access::Write,
        &[Table::RetentionPolicies, Table::MetricRollups],
    ) };

    // What is gone is noted before it goes, in the same transaction.
    static DELETE_ROLLUPS: Plan = const { Plan::new(
        c"WITH noted AS (
            UPDATE taskmaster.rollup_watermarks SET source_gone_until = greatest(source_gone_until, $2)
            WHERE resolution = CASE $1 WHEN 'minute' THEN 'hour' WHEN 'hour' THEN 'day' END),
          old AS (
            SELECT series_id, resolution, bucket FROM taskmaster.metric_rollups
            WHERE resolution = $1 AND bucket < $2 ORDER BY bucket LIMIT $3),
          gone AS (
            DELETE FROM taskmaster.metric_rollups AS r USING old
            WHERE r.series_id = old.series_id AND r.resolution = old.resolution AND r.bucket = old.bucket
            RETURNING 1)
          SELECT pg_catalog.count(*) FROM gone",
        &[TEXTOID, TIMESTAMPTZOID, INT4OID],
        Access::Write,
        &[Table::MetricRollups],
    ) };

    static DROP: Plan = const { Plan::new(
        c"SELECT taskmaster.attempt(pg_catalog.format(
            'SELECT taskmaster.drop_partition(%L, %L)::pg_catalog.int4', $1, $2)) ->> 'sqlstate'",
        &[TEXTOID, TEXTOID],
        Access::Write,
        &[Table::RetentionPolicies],
    ) };

    static NOTE_GONE: Plan = const { Plan::new(
        c"UPDATE taskmaster.rollup_watermarks SET source_gone_until = greatest(source_gone_until, $1)
          WHERE resolution = 'minute'",
        &[TIMESTAMPTZOID],
        Access::Write,
        &[Table::RollupWatermarks],
    ) };

    static DELETE_BEFORE: Plan = const { Plan::new(
        c"SELECT taskmaster.delete_before($1, $2)",
        &[TEXTOID, TIMESTAMPTZOID],
        Access::Write,
        &[Table::RetentionPolicies],
    ) };
}

/// Every partition, and what is wrong, for a reader's snapshot.
pub(crate) fn status_of_reader() -> Vec<PartitionStatus> {
    STATUS_OF_READER.with(read_status)
}

/// The same, as it is now.
pub(super) fn status() -> Vec<PartitionStatus> {
    STATUS.with(read_status)
}

fn read_status(plan: &Plan) -> Vec<PartitionStatus> {
    plan.rows(&[], |row| PartitionStatus {
        table_name: row.get_known(1),
        partition: row.get(2),
        lower_bound: row.get(3),
        upper_bound: row.get(4),
        rows_est: row.get_known(5),
        bytes: row.get_known(6),
        problem: row.get(7),
    })
}

/// What is older than its policy says, without touching it.
pub(crate) fn old() -> Vec<Retired> {
    let mut old: Vec<_> = old_partitions().into_iter().map(|old| old.retired).collect();
    old.extend(old_rollups().into_iter().map(|(retired, _, _)| retired));
    old
}

/// Removes what is older than its policy says, so much as fits one call.
pub(crate) fn remove_old() -> Vec<Retired> {
    let (mut removed, mut gone_until) = (Vec::new(), None);
    for mut old in old_partitions().into_iter().filter(|old| !old.waits).take(DROPS_MAX) {
        old.retired.action = drop_partition(&old.retired);
        if old.retired.action == DROPPED && old.retired.table_name == METRICS {
            gone_until = gone_until.max(Some(old.upper_bound));
        }
        removed.push(old.retired);
    }
    if let Some(gone_until) = gone_until {
        NOTE_GONE.with(|plan| plan.run(&[bind_time(gone_until)]));
    }
    for (mut rollups, resolution, cutoff) in old_rollups() {
        let values = [bind(resolution), bind(cutoff), bind(DELETES_MAX)];
        let deleted = DELETE_ROLLUPS.with(|plan| plan.row(&values, |row| row.get_known::<i64>(1)));
        rollups.rows_est = deleted.unwrap_or(0);
        rollups.action = "deleted".into();
        removed.push(rollups);
    }
    removed
}

/// Removes the rows of a partitioned table that are older than so many days, and returns their number.
pub(crate) fn delete_older(table: &'static str, days: i32) -> i64 {
    let before = now().plus(-i64::from(days) * DAY_US);
    if table == METRICS {
        NOTE_GONE.with(|plan| plan.run(&[bind_time(before)]));
    }
    let values = [bind(table), bind_time(before)];
    let deleted = DELETE_BEFORE.with(|plan| plan.row(&values, |row| row.get_known(1)));
    deleted.unwrap_or(0)
}

fn old_partitions() -> Vec<OldPartition> {
    OLD_PARTITIONS.with(|plan| {
        plan.rows(&[], |row| {
            let waits = row.get_known::<bool>(5);
            let action = if waits { "wait for the roll-up" } else { "drop" };
            let retired = Retired {
                table_name: row.get_known(1),
                action: action.into(),
                partition: row.get(2),
                rows_est: row.get_known(3),
                bytes: row.get_known(4),
            };
            OldPartition { retired, waits, upper_bound: Instant(row.get_known(6)) }
        })
    })
}

/// The rollups of one resolution, and before when they are old. Only those of which there are any.
fn old_rollups() -> Vec<(Retired, String, TimestampWithTimeZone)> {
    let mut old = OLD_ROLLUPS.with(|plan| {
        plan.rows(&[], |row| {
            let resolution: String = row.get_known(1);
            let retired = Retired {
                table_name: format!("metric_rollups.{resolution}"),
                action: "delete".into(),
                partition: None,
                rows_est: row.get_known(3),
                bytes: 0,
            };
            (retired, resolution, row.get_known(2))
        })
    });
    old.retain(|(retired, _, _)| retired.rows_est > 0);
    old
}

fn drop_partition(partition: &Retired) -> String {
    let values = [bind(partition.table_name.as_str()), bind(partition.partition.as_deref())];
    let failure = DROP.with(|plan| plan.row(&values, |row| row.get::<String>(1))).flatten();
    failure.map_or_else(|| DROPPED.into(), |sqlstate| format!("failed with {sqlstate}"))
}
