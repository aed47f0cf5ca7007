//! What the server's statistics and the tables say about the health of the system. Nothing of it
//! needs a superuser; what the caller may not see is left out with a note.

use std::time::Instant;

use pgrx::AnyNumeric;
use pgrx::datum::TimestampWithTimeZone;
use pgrx::pg_sys::BuiltinOid::VARCHAROID;

use super::host;
use super::moment::clock;
use super::plan::{Access, Plan, Row, bind};
use super::schema::Table;
use crate::domain::health::{Check, HealthSnapshot, Limits};
use crate::domain::host::HostStats;

/// One row of `get_system_health()`.
pub(crate) struct ComponentHealth {
    pub(crate) component: String,
    pub(crate) status: Option<String>,
    pub(crate) last_check: Option<TimestampWithTimeZone>,
    pub(crate) metrics: i64,
    pub(crate) response_time: Option<AnyNumeric>,
}

/// What the caller may look at.
struct Sight {
    statistics: bool,
    /// The tables of ours that may not be read, or are not there.
    hidden_tables: Option<String>,
}

/// Fewer reads than this say nothing about the cache.
const BLOCKS_READ_MIN: f64 = 100_000.0;
const TRANSACTIONS_MIN: f64 = 1000.0;

/// A share in percent of which it is `worst` that is bad when small.
const CACHE_MISSES: Limits = Limits::warn(2.0);
const ROLLBACKS: Limits = Limits::warn(10.0);

thread_local! {
    static SIGHT: Plan = const { Plan::new(
        c"SELECT pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE'),
            (SELECT pg_catalog.string_agg(name, ', ') FROM pg_catalog.unnest(ARRAY['tasks',
               'workflows', 'workflow_steps', 'external_integrations', 'integration_health',
               'schema_migrations', 'system_metrics_default', 'api_access_logs_default']) AS name
             WHERE coalesce(NOT pg_catalog.has_table_privilege(
               pg_catalog.to_regclass('taskmaster.' || name), 'SELECT'), true))",
        &[],
        Access::Read,
        &[],
    ) };

    // What everybody may see.
    static SERVER: Plan = const { Plan::new(
        c"SELECT
            100.0::float8 * (SELECT pg_catalog.sum(numbackends) FROM pg_catalog.pg_stat_database)
              / (pg_catalog.current_setting('max_connections')::int
                 - pg_catalog.current_setting('superuser_reserved_connections')::int),
            (blks_hit + blks_read)::float8, blks_read::float8,
            (xact_commit + xact_rollback)::float8, xact_rollback::float8, deadlocks::float8,
            pg_catalog.pg_database_size(d.oid)::float8, pg_catalog.age(d.datfrozenxid)::float8,
            CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.date_part('epoch',
              pg_catalog.clock_timestamp() - pg_catalog.pg_last_xact_replay_timestamp()) END,
            pg_catalog.date_part('epoch',
              pg_catalog.clock_timestamp() - pg_catalog.pg_postmaster_start_time())
          FROM pg_catalog.pg_database d JOIN pg_catalog.pg_stat_database s ON s.datid = d.oid
          WHERE d.datname = pg_catalog.current_database()",
        &[],
        Access::Read,
        &[],
    ) };

    // Of other users' sessions only members of pg_read_all_stats see these.
    static SESSIONS: Plan = const { Plan::new(
        c"SELECT pg_catalog.count(*) FILTER (WHERE state = 'active')::float8,
            pg_catalog.count(*) FILTER (WHERE state LIKE 'idle in transaction%')::float8,
            pg_catalog.count(*) FILTER (WHERE wait_event_type = 'Lock')::float8,
            coalesce(pg_catalog.max(pg_catalog.date_part('epoch',
              pg_catalog.clock_timestamp() - xact_start)), 0),
            (SELECT coalesce(pg_catalog.max(pg_catalog.date_part('epoch', replay_lag)), 0)
             FROM pg_catalog.pg_stat_replication)
          FROM pg_catalog.pg_stat_activity
          WHERE backend_type = 'client backend' AND pid <> pg_catalog.pg_backend_pid()",
        &[],
        Access::Read,
        &[],
    ) };

    // Counts stop where more makes no difference: this must stay quick on a large board.
    static WORK: Plan = const { Plan::new(
        c"SELECT
            (SELECT pg_catalog.count(*) FROM (SELECT FROM taskmaster.tasks
              WHERE status = 'pending' LIMIT 10000) AS t)::float8,
            (SELECT pg_catalog.count(*) FROM (SELECT FROM taskmaster.tasks
              WHERE status = 'in_progress' LIMIT 10000) AS t)::float8,
            (SELECT pg_catalog.count(*) FROM taskmaster.workflows
              WHERE status IN ('initialized', 'running'))::float8,
            (SELECT pg_catalog.count(*) FROM taskmaster.workflows
              WHERE status IN ('initialized', 'running')
                AND coalesce(resumed_at, started_at) + timeout_minutes * interval '1 minute'
                    < pg_catalog.clock_timestamp() - interval '1 minute')::float8,
            (SELECT pg_catalog.count(*) FROM taskmaster.external_integrations
              WHERE status = 'active' AND health_status IN ('unhealthy', 'timeout'))::float8,
            (SELECT pg_catalog.count(*) FROM taskmaster.integration_health
              WHERE breaker <> 'closed')::float8,
            (SELECT pg_catalog.count(*) FROM (
              SELECT FROM taskmaster.system_metrics_default
              UNION ALL SELECT FROM taskmaster.api_access_logs_default LIMIT 1000) AS t)::float8,
            (SELECT pg_catalog.count(*) FROM pg_catalog.pg_inherits
              JOIN pg_catalog.pg_class c ON c.oid = inhrelid
              WHERE inhparent = 'taskmaster.system_metrics'::regclass
                AND c.relname ~ '_p[0-9]{8}$'
                AND pg_catalog.right(c.relname, 8) > pg_catalog.to_char(
                  pg_catalog.clock_timestamp() AT TIME ZONE 'UTC', 'YYYYMMDD'))::float8,
            (SELECT pg_catalog.max(version) FROM taskmaster.schema_migrations)",
        &[],
        Access::Read,
        &[],
    ) };

    // The components are the database, the integrations, and what reports metrics.
    static COMPONENTS: Plan = const { Plan::new(
        c"WITH metric AS (
            SELECT coalesce(component, 'system') AS component, pg_catalog.max(recorded_at) AS last,
              pg_catalog.count(*) AS metrics,
              pg_catalog.avg(metric_value) FILTER (WHERE metric_name ~ 'response_time') AS response
            FROM taskmaster.system_metrics
            WHERE recorded_at > pg_catalog.now() - interval '1 hour' GROUP BY 1),
          call AS (
            SELECT integration_id, pg_catalog.avg(response_time_ms) AS response
            FROM taskmaster.api_access_logs
            WHERE \"timestamp\" > pg_catalog.now() - interval '1 hour' GROUP BY 1),
          integration AS (
            SELECT integration_name AS component, health_status, last_health_check, call.response
            FROM taskmaster.external_integrations LEFT JOIN call ON integration_id = id)
          SELECT 'database', $1::pg_catalog.text, pg_catalog.clock_timestamp(),
            coalesce((SELECT metrics FROM metric WHERE component = 'database'), 0),
            (SELECT response FROM metric WHERE component = 'database')
          UNION ALL
          SELECT i.component, i.health_status, i.last_health_check, coalesce(m.metrics, 0),
            coalesce(i.response, m.response)
          FROM integration i LEFT JOIN metric m USING (component)
          UNION ALL
          SELECT m.component, 'active', m.last, m.metrics, m.response FROM metric m
          WHERE m.component <> 'database'
            AND NOT EXISTS (SELECT FROM integration i WHERE i.component = m.component)
          ORDER BY 1",
        &[VARCHAROID],
        Access::Read,
        &[Table::SystemMetrics, Table::ApiAccessLogs, Table::ExternalIntegrations],
    ) };
}

/// Everything that can be seen of the health of the system, now.
pub(crate) fn snapshot() -> HealthSnapshot {
    let began = Instant::now();
    let sight = SIGHT.with(|plan| {
        plan.row(&[], |row| Sight { statistics: row.get_known(1), hidden_tables: row.get(2) })
    });
    let sight = sight.expect("a SELECT without FROM yields one row");
    let mut checks = SERVER.with(|plan| plan.row(&[], server_checks)).unwrap_or_default();
    let mut notes = Vec::new();
    let mut schema_version = None;
    if sight.statistics {
        checks.extend(SESSIONS.with(|plan| plan.row(&[], session_checks)).unwrap_or_default());
    } else {
        notes.push("sessions and replication: the caller is no member of pg_monitor".to_owned());
    }
    match &sight.hidden_tables {
        None => {
            let work = WORK.with(|plan| plan.row(&[], |row| (work_checks(row), row.get(9))));
            let (work, version) = work.unwrap_or_default();
            checks.extend(work);
            schema_version = version;
        }
        Some(tables) => notes.push(format!("tasks and workflows: {tables} cannot be read")),
    }
    let millis = began.elapsed().as_secs_f64() * 1000.0;
    checks.push(Check::number(
        "postgresql:responseTime",
        millis,
        "ms",
        Limits::new(1000.0, 2000.0),
    ));
    let host = host::read();
    checks.extend(host_checks(&host));
    notes.extend(host.notes);
    HealthSnapshot { at: clock(), checks, notes, schema_version }
}

/// Each component with its health and the figures of the last hour; `database` is that of the
/// database itself.
pub(crate) fn components(database: &str) -> Vec<ComponentHealth> {
    COMPONENTS.with(|plan| {
        plan.rows(&[bind(database)], |row| ComponentHealth {
            component: row.get_known(1),
            status: row.get(2),
            last_check: row.get(3),
            metrics: row.get_known(4),
            response_time: row.get(5),
        })
    })
}

fn server_checks(row: &Row) -> Vec<Check> {
    let number = |column| row.get::<f64>(column).unwrap_or_default();
    let (blocks, read) = (number(2), number(3));
    let (transactions, rolled_back) = (number(4), number(5));
    let misses = if blocks > 0.0 { 100.0 * read / blocks } else { 0.0 };
    let rollbacks = if transactions > 0.0 { 100.0 * rolled_back / transactions } else { 0.0 };
    let of = |limits, enough: bool| if enough { limits } else { Limits::NONE };
    let misses_limits = of(CACHE_MISSES, read >= BLOCKS_READ_MIN);
    let rollback_limits = of(ROLLBACKS, transactions >= TRANSACTIONS_MIN);
    let mut checks = vec![
        Check::number("postgresql:connections", number(1), "percent", Limits::new(80.0, 100.0)),
        Check::number("postgresql:cacheMisses", misses, "percent", misses_limits),
        Check::number("postgresql:rollbacks", rollbacks, "percent", rollback_limits),
        Check::number("postgresql:deadlocks", number(6), "count", Limits::NONE),
        Check::number("postgresql:databaseSize", number(7), "bytes", Limits::NONE),
        Check::number(
            "postgresql:transactionIdAge",
            number(8),
            "transactions",
            Limits::new(1e9, 1.8e9),
        ),
        Check::number("postgresql:uptime", number(10), "s", Limits::NONE),
    ];
    if let Some(lag) = row.get::<f64>(9) {
        checks.push(Check::number("postgresql:replayLag", lag, "s", Limits::new(5.0, 3600.0)));
    }
    checks
}

fn session_checks(row: &Row) -> Vec<Check> {
    let number = |column| row.get::<f64>(column).unwrap_or_default();
    vec![
        Check::number("postgresql:activeSessions", number(1), "count", Limits::NONE),
        Check::number("postgresql:idleInTransaction", number(2), "count", Limits::NONE),
        Check::number("postgresql:waitingForLocks", number(3), "count", Limits::warn(10.0)),
        Check::number("postgresql:oldestTransaction", number(4), "s", Limits::new(120.0, 3600.0)),
        Check::number("postgresql:replicationLag", number(5), "s", Limits::new(5.0, 3600.0)),
    ]
}

fn work_checks(row: &Row) -> Vec<Check> {
    let number = |column| row.get::<f64>(column).unwrap_or_default();
    // Fewer than two days ahead is worrying: the number of days that are missing up to there.
    let missing = (2.0 - number(8)).max(0.0);
    vec![
        Check::number("tasks:pending", number(1), "count", Limits::NONE),
        Check::number("tasks:inProgress", number(2), "count", Limits::NONE),
        Check::number("workflows:active", number(3), "count", Limits::NONE),
        Check::number("workflows:overdue", number(4), "count", Limits::warn(1.0)),
        Check::number("integrations:unhealthy", number(5), "count", Limits::warn(1.0)),
        Check::number("integrations:breakersOpen", number(6), "count", Limits::warn(1.0)),
        Check::number("partitions:defaultRows", number(7), "count", Limits::warn(1.0)),
        Check::number("partitions:daysMissing", missing, "count", Limits::new(1.0, 2.0)),
    ]
}

fn host_checks(host: &HostStats) -> Vec<Check> {
    let check = |name, value: Option<f64>, limits| {
        value.map(|value| Check::number(name, value, "percent", limits))
    };
    let checks = [
        check("host:cpu", host.cpu.map(|cpu| cpu.percent), Limits::warn(80.0)),
        check("host:memory", host.memory_percent(), Limits::new(85.0, 95.0)),
        check("host:disk", host.disk.map(|disk| disk.used_percent()), Limits::new(90.0, 97.0)),
    ];
    checks.into_iter().flatten().collect()
}
