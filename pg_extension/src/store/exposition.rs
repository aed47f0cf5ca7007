//! The figures of `openmetrics()`, a statement for each section. It must not know the format.

use pgrx::JsonB;
use serde_json::Value;

use super::plan::{Access, Plan, Row};
use super::schema::Table;
use crate::domain::openmetrics::{Kind, Sample};

thread_local! {
    static TASKS: Plan = const { Plan::new(
        c"SELECT 'taskmaster_tasks', 'gauge', NULL, 'Tasks by status.',
                 pg_catalog.jsonb_build_object('status', coalesce(status, '')), NULL::pg_catalog.float8,
                 pg_catalog.count(*)::pg_catalog.float8
          FROM taskmaster.tasks GROUP BY status",
        &[],
        Access::Read,
        &[Table::Tasks],
    ) };

    static WORKFLOWS: Plan = const { Plan::new(
        c"SELECT 'taskmaster_workflows', 'gauge', NULL, 'Workflows by type and status.',
                 pg_catalog.jsonb_build_object('type', coalesce(workflow_type, ''), 'status', coalesce(status, '')),
                 NULL::pg_catalog.float8, pg_catalog.count(*)::pg_catalog.float8
          FROM taskmaster.workflows GROUP BY workflow_type, status",
        &[],
        Access::Read,
        &[Table::Workflows],
    ) };

    static INTEGRATIONS: Plan = const { Plan::new(
        c"SELECT f.name, 'gauge', NULL, f.help,
                 pg_catalog.jsonb_build_object('type', i.integration_type, 'name', i.integration_name),
                 NULL::pg_catalog.float8, f.value
          FROM taskmaster.external_integrations AS i, LATERAL (VALUES
            ('taskmaster_integration_usage', 'Calls in the window of the rate limit.',
             coalesce(i.current_usage, 0)::pg_catalog.float8),
            ('taskmaster_integration_limit', 'Calls that a minute may have.',
             coalesce(i.rate_limit_per_minute, 0)::pg_catalog.float8),
            ('taskmaster_integration_healthy', '1 when the last health check passed.',
             (i.health_status IS NOT DISTINCT FROM 'healthy')::pg_catalog.int4::pg_catalog.float8))
            AS f (name, help, value)",
        &[],
        Access::Read,
        &[Table::ExternalIntegrations],
    ) };

    static DATABASE: Plan = const { Plan::new(
        c"SELECT f.name, f.kind, f.unit, f.help, pg_catalog.jsonb_build_object('datname', d.datname),
                 NULL::pg_catalog.float8, f.value
          FROM pg_catalog.pg_stat_database AS d, LATERAL (VALUES
            ('pg_stat_database_numbackends', 'gauge', NULL, 'Backends connected to the database.',
             d.numbackends::pg_catalog.float8),
            ('pg_stat_database_xact_commit', 'counter', NULL, 'Transactions committed.', d.xact_commit),
            ('pg_stat_database_xact_rollback', 'counter', NULL, 'Transactions rolled back.', d.xact_rollback),
            ('pg_stat_database_blks_read', 'counter', NULL, 'Blocks read from disk.', d.blks_read),
            ('pg_stat_database_blks_hit', 'counter', NULL, 'Blocks found in the buffer cache.', d.blks_hit),
            ('pg_stat_database_deadlocks', 'counter', NULL, 'Deadlocks.', d.deadlocks),
            ('pg_stat_database_temp', 'counter', 'bytes', 'Data written to temporary files.', d.temp_bytes),
            ('pg_database_size', 'gauge', 'bytes', 'Size of the database.',
             pg_catalog.pg_database_size(d.datid)))
            AS f (name, kind, unit, help, value)
          WHERE d.datname = pg_catalog.current_database()
          UNION ALL
          SELECT 'pg_settings_max_connections', 'gauge', NULL, 'The greatest number of connections.', '{}', NULL,
                 pg_catalog.current_setting('max_connections')::pg_catalog.float8",
        &[],
        Access::Read,
        &[],
    ) };

    // The last figure of each series of the last quarter of an hour, and percentiles of what is timed.
    static METRICS: Plan = const { Plan::new(
        c"WITH recent AS MATERIALIZED (
            SELECT metric_name, metric_type, metric_unit,
                   pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('component', component))
                     || coalesce(tags, '{}') AS labels,
                   taskmaster.finite_double(metric_value) AS value, recorded_at, id
            FROM taskmaster.system_metrics
            WHERE recorded_at > pg_catalog.now() - interval '15 minutes'),
          last AS (
            SELECT DISTINCT ON (metric_name, metric_type, metric_unit, labels)
                   metric_name, metric_type, metric_unit, labels, value
            FROM recent WHERE metric_type NOT IN ('timer', 'histogram')
            ORDER BY metric_name, metric_type, metric_unit, labels, recorded_at DESC, id DESC LIMIT 10000),
          timed AS (
            SELECT metric_name, metric_type, metric_unit, labels, taskmaster.ddsketch_agg(value) AS sketch
            FROM recent WHERE metric_type IN ('timer', 'histogram')
            GROUP BY metric_name, metric_type, metric_unit, labels
            ORDER BY metric_name, metric_type, metric_unit, labels LIMIT 10000)
          SELECT 'taskmaster_metric_' || metric_name, metric_type::pg_catalog.text, metric_unit::pg_catalog.text,
                 'Reported to record_metric as ' || metric_name || '.', labels, NULL::pg_catalog.float8, value
          FROM last
          UNION ALL
          SELECT 'taskmaster_metric_' || metric_name, metric_type, metric_unit,
                 'Reported to record_metric as ' || metric_name || ', of the last 15 minutes.', labels, q.share,
                 taskmaster.ddsketch_quantile(sketch, q.share)
          FROM timed, LATERAL (VALUES (0.5::pg_catalog.float8), (0.9), (0.99)) AS q (share)
          UNION ALL
          SELECT 'taskmaster_rollup_lag', 'gauge', 'seconds', 'How far the rollups are behind.',
                 pg_catalog.jsonb_build_object('resolution', resolution), NULL,
                 extract(epoch FROM pg_catalog.now() - rolled_until)::pg_catalog.float8
          FROM taskmaster.rollup_watermarks WHERE rolled_until IS NOT NULL",
        &[],
        Access::Read,
        &[Table::SystemMetrics, Table::RollupWatermarks],
    ) };
}

/// The figures of a section, one of the words of `SECTIONS`.
pub(crate) fn samples(section: &str) -> Vec<Sample> {
    let plan = match section {
        "tasks" => &TASKS,
        "workflows" => &WORKFLOWS,
        "integrations" => &INTEGRATIONS,
        "pg" => &DATABASE,
        _ => &METRICS,
    };
    plan.with(|plan| plan.rows(&[], sample))
}

fn sample(row: &Row) -> Sample {
    let labels = match row.get_known::<JsonB>(5).0 {
        Value::Object(labels) => labels,
        _ => serde_json::Map::new(),
    };
    Sample {
        name: row.get_known(1),
        kind: Kind::of_metric(&row.get_known::<String>(2)),
        unit: row.get(3),
        help: row.get_known(4),
        labels,
        quantile: row.get(6),
        value: row.get(7).unwrap_or(f64::NAN),
    }
}
