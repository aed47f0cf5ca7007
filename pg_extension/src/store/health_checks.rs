//! `taskmaster.integration_health` and its history: checks that were made, and those that are due.
//! It must not know what checks add up to.

use pgrx::Uuid;
use pgrx::pg_sys::BuiltinOid::{
    BOOLOID, INT4OID, INTERVALOID, TEXTOID, TIMESTAMPTZOID, UUIDOID, VARCHAROID,
};

use super::moment::clock;
use super::plan::{Access, Plan, Row, bind};
use super::schema::Table;
use crate::domain::breaker::{Breaker, Health};
use crate::domain::health_check::HealthCheck;
use crate::domain::moment::Moment;

/// One row of `due_health_checks()`.
pub(crate) struct DueCheck {
    pub(crate) integration: Uuid,
    pub(crate) integration_type: String,
    pub(crate) name: String,
    pub(crate) url: String,
    pub(crate) breaker: String,
    pub(crate) leased_until: Moment,
}

thread_local! {
    static ADD: Plan = const { Plan::new(
        c"INSERT INTO taskmaster.integration_health (integration_id) VALUES ($1)
          ON CONFLICT DO NOTHING",
        &[UUIDOID],
        Access::Write,
        &[Table::IntegrationHealth],
    ) };

    static LOCK: Plan = const { Plan::new(
        c"SELECT breaker::pg_catalog.text, recent::pg_catalog.text, open_until, opens, probes_used,
            probes_since
          FROM taskmaster.integration_health WHERE integration_id = $1 FOR NO KEY UPDATE",
        &[UUIDOID],
        Access::Write,
        &[Table::IntegrationHealth],
    ) };

    static SAVE: Plan = const { Plan::new(
        c"UPDATE taskmaster.integration_health SET
            breaker = $2, recent = $3, open_until = $4, opens = $5, probes_used = $6,
            probes_since = $7
          WHERE integration_id = $1",
        &[UUIDOID, VARCHAROID, VARCHAROID, TIMESTAMPTZOID, INT4OID, INT4OID, TIMESTAMPTZOID],
        Access::Write,
        &[Table::IntegrationHealth],
    ) };

    // First of all, because every function locks the integration before its health.
    static TOUCH: Plan = const { Plan::new(
        c"UPDATE taskmaster.external_integrations
          SET last_health_check = pg_catalog.clock_timestamp() WHERE id = $1",
        &[UUIDOID],
        Access::Write,
        &[Table::ExternalIntegrations],
    ) };

    // A few of the oldest rows go with each new one, which keeps the history bounded.
    static RECORD: Plan = const { Plan::new(
        c"WITH outdated AS (
            DELETE FROM taskmaster.integration_health_history WHERE id IN (
              SELECT id FROM taskmaster.integration_health_history
              WHERE integration_id = $1 AND checked_at < pg_catalog.now() - interval '30 days'
              ORDER BY checked_at LIMIT 10)),
          integration AS (
            UPDATE taskmaster.external_integrations SET health_status = $5 WHERE id = $1
            RETURNING health_check_interval_seconds AS seconds),
          scheduled AS (
            UPDATE taskmaster.integration_health SET leased_until = NULL,
              next_check_at = greatest(
                pg_catalog.clock_timestamp() + integration.seconds * interval '1 second',
                CASE WHEN breaker = 'open' THEN open_until END)
            FROM integration WHERE integration_id = $1)
          INSERT INTO taskmaster.integration_health_history
            (integration_id, ok, response_time_ms, error, health_status, breaker)
          VALUES ($1, $2, $3, $4, $5, $6)",
        &[UUIDOID, BOOLOID, INT4OID, TEXTOID, VARCHAROID, VARCHAROID],
        Access::Write,
        &[Table::ExternalIntegrations, Table::IntegrationHealth, Table::IntegrationHealthHistory],
    ) };

    static ADD_MISSING: Plan = const { Plan::new(
        c"INSERT INTO taskmaster.integration_health (integration_id)
          SELECT id FROM taskmaster.external_integrations i
          WHERE health_check_url IS NOT NULL AND NOT EXISTS (
            SELECT FROM taskmaster.integration_health h WHERE h.integration_id = i.id)
          ON CONFLICT DO NOTHING",
        &[],
        Access::Write,
        &[Table::ExternalIntegrations, Table::IntegrationHealth],
    ) };

    static LEASE: Plan = const { Plan::new(
        c"WITH due AS (
            SELECT h.integration_id
            FROM taskmaster.integration_health h
            JOIN taskmaster.external_integrations i ON i.id = h.integration_id
            WHERE h.next_check_at <= pg_catalog.clock_timestamp()
              AND (h.leased_until IS NULL OR h.leased_until <= pg_catalog.clock_timestamp())
              AND i.health_check_url IS NOT NULL
              AND (i.status IS NULL OR i.status IN ('active', 'error'))
            ORDER BY h.next_check_at, h.integration_id LIMIT $1
            FOR NO KEY UPDATE OF h SKIP LOCKED)
          UPDATE taskmaster.integration_health h
          SET leased_until = pg_catalog.clock_timestamp() + $2
          FROM due, taskmaster.external_integrations i
          WHERE h.integration_id = due.integration_id AND i.id = h.integration_id
          RETURNING i.id, i.integration_type::pg_catalog.text, i.integration_name::pg_catalog.text,
            i.health_check_url::pg_catalog.text, h.breaker::pg_catalog.text, h.leased_until",
        &[INT4OID, INTERVALOID],
        Access::Write,
        &[Table::ExternalIntegrations, Table::IntegrationHealth],
    ) };
}

/// Records a check and returns the breaker's state after it.
pub(crate) fn record(id: Uuid, check: &HealthCheck<'_>) -> &'static str {
    TOUCH.with(|plan| plan.run(&[bind(id)]));
    let health = lock(id).after_check(check.passed, clock());
    save_breaker(id, &health);
    let values = [
        bind(id),
        bind(check.passed),
        bind(check.response_time_ms),
        bind(check.error.as_deref()),
        bind(check.status(&health)),
        bind(health.breaker.as_str()),
    ];
    RECORD.with(|plan| plan.run(&values));
    health.breaker.as_str()
}

/// Leases at most `limit` checks that are due and that nobody else has leased.
pub(crate) fn lease(limit: i32, lease: pgrx::datum::Interval) -> Vec<DueCheck> {
    ADD_MISSING.with(|plan| plan.run(&[]));
    LEASE.with(|plan| {
        plan.rows(&[bind(limit), bind(lease)], |row| DueCheck {
            integration: row.get_known(1),
            integration_type: row.get_known(2),
            name: row.get_known(3),
            url: row.get_known(4),
            breaker: row.get_known(5),
            leased_until: row.get_known(6),
        })
    })
}

pub(super) fn lock(id: Uuid) -> Health {
    let locked = || LOCK.with(|plan| plan.row(&[bind(id)], read_health));
    locked().unwrap_or_else(|| {
        ADD.with(|plan| plan.run(&[bind(id)]));
        locked().expect("the row was inserted now or by another session that has committed")
    })
}

pub(super) fn save_breaker(id: Uuid, health: &Health) {
    let values = [
        bind(id),
        bind(health.breaker.as_str()),
        bind(health.recent_word()),
        bind(health.open_until),
        bind(health.opens),
        bind(health.probes_used),
        bind(health.probes_since),
    ];
    SAVE.with(|plan| plan.run(&values));
}

fn read_health(row: &Row) -> Health {
    Health {
        breaker: Breaker::from_word(&row.get_known::<String>(1)),
        recent: Health::checks_of(&row.get_known::<String>(2)),
        open_until: row.get(3),
        opens: row.get_known(4),
        probes_used: row.get_known(5),
        probes_since: row.get(6),
    }
}
