//! `taskmaster.external_integrations`: which one a name stands for, registration, and how each
//! stands. It must not know what may be registered.

use pgrx::pg_sys::BuiltinOid::{INT4OID, JSONBOID, VARCHAROID};
use pgrx::{AnyNumeric, JsonB, Uuid};

use super::Jsonb;
use super::diagnostic::warn;
use super::plan::{Access, Plan, Row, bind};
use super::schema::Table;
use crate::domain::argument::Argument;
use crate::domain::integration::NewIntegration;
use crate::domain::moment::Moment;
use crate::error::{DomainError, IntegrationError};
use crate::warning::Warning;

/// How callers name an integration: a type only tells apart those that share a name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct IntegrationName<'a> {
    pub(crate) name: &'a str,
    pub(crate) integration_type: Option<&'a str>,
}

/// An integration a name may stand for.
struct Candidate {
    id: Uuid,
    integration_type: String,
}

/// One row of `integration_status()`.
pub(crate) struct Standing {
    pub(crate) id: Uuid,
    pub(crate) integration_type: String,
    pub(crate) name: String,
    pub(crate) status: Option<String>,
    pub(crate) health_status: Option<String>,
    pub(crate) breaker: String,
    pub(crate) last_health_check: Option<Moment>,
    pub(crate) remote: Option<JsonB>,
    pub(crate) blocked_until: Option<Moment>,
    pub(crate) calls: i64,
    pub(crate) errors: i64,
    pub(crate) average_ms: Option<AnyNumeric>,
    pub(crate) p95_ms: Option<f64>,
    pub(crate) tokens: AnyNumeric,
    pub(crate) cost_usd: AnyNumeric,
}

thread_local! {
    // The table's uniqueness is by type and name; two rows are enough to know that a name alone
    // does not tell which one is meant.
    static FIND: Plan = const { Plan::new(
        c"SELECT id, integration_type::pg_catalog.text FROM taskmaster.external_integrations
          WHERE integration_name = $1 AND ($2 IS NULL OR integration_type = $2)
          ORDER BY status IS DISTINCT FROM 'active', created_at, id LIMIT 2",
        &[VARCHAROID, VARCHAROID],
        Access::Read,
        &[Table::ExternalIntegrations],
    ) };

    // The preset lies below the configuration; of the headers both count.
    static REGISTER: Plan = const { Plan::new(
        c"WITH merged AS (
            SELECT $4::jsonb || $3 || CASE
              WHEN pg_catalog.jsonb_typeof($3 -> 'headers') = 'object' AND $4 ? 'headers'
              THEN pg_catalog.jsonb_build_object('headers', ($4 -> 'headers') || ($3 -> 'headers'))
              ELSE '{}' END AS configuration)
          INSERT INTO taskmaster.external_integrations AS present
            (integration_type, integration_name, configuration, rate_limit_per_minute,
             rate_limit_requests, rate_window_seconds, health_check_url)
          SELECT $1, $2, configuration, $5, $6, $7, $8 FROM merged
          ON CONFLICT (integration_type, integration_name) DO UPDATE SET
            configuration = excluded.configuration,
            rate_limit_per_minute = excluded.rate_limit_per_minute,
            rate_limit_requests = excluded.rate_limit_requests,
            rate_window_seconds = excluded.rate_window_seconds,
            health_check_url = excluded.health_check_url
          RETURNING id",
        &[VARCHAROID, VARCHAROID, JSONBOID, JSONBOID, INT4OID, INT4OID, INT4OID, VARCHAROID],
        Access::Write,
        &[Table::ExternalIntegrations, Table::IntegrationRateState],
    ) };

    static STATUS: Plan = const { Plan::new(
        c"SELECT i.id, i.integration_type::text, i.integration_name::text, i.status::text,
            i.health_status::text, coalesce(h.breaker, 'closed')::text, i.last_health_check,
            s.remote, s.blocked_until, coalesce(c.calls, 0), coalesce(c.errors, 0), c.average_ms,
            c.p95_ms, coalesce(c.tokens, 0), coalesce(c.cost_usd, 0)
          FROM taskmaster.external_integrations i
          LEFT JOIN taskmaster.integration_health h ON h.integration_id = i.id
          LEFT JOIN taskmaster.integration_rate_state s ON s.integration_id = i.id
          LEFT JOIN LATERAL (
            SELECT pg_catalog.count(*) AS calls,
              pg_catalog.count(*) FILTER (WHERE l.response_status >= 400 OR l.response_status = 0
                OR l.response_status IS NULL) AS errors,
              pg_catalog.avg(l.response_time_ms) AS average_ms,
              pg_catalog.percentile_cont(0.95) WITHIN GROUP (ORDER BY l.response_time_ms) AS p95_ms,
              pg_catalog.sum(coalesce(l.tokens_in, 0) + coalesce(l.tokens_out, 0)) AS tokens,
              pg_catalog.sum(l.cost_usd) AS cost_usd
            FROM taskmaster.api_access_logs l
            WHERE l.integration_id = i.id
              AND l.\"timestamp\" > pg_catalog.now() - interval '1 hour') c ON true
          ORDER BY i.integration_type, i.integration_name",
        &[],
        Access::Read,
        &[Table::ExternalIntegrations, Table::IntegrationHealth],
    ) };
}

/// The integration a name stands for. An unknown name, and one that several share, draws a warning.
pub(super) fn find(which: IntegrationName<'_>) -> Option<Uuid> {
    let values = [bind(which.name), bind(which.integration_type)];
    let candidates = FIND.with(|plan| {
        plan.rows(&values, |row| Candidate {
            id: row.get_known(1),
            integration_type: row.get_known(2),
        })
    });
    if let [first, _, ..] = candidates.as_slice() {
        warn(&Warning::AmbiguousIntegration {
            name: which.name.to_owned(),
            integration_type: first.integration_type.clone(),
        });
    }
    candidates.first().map(|candidate| candidate.id)
}

/// The integration that `p_integration_name` and `p_integration_type` stand for.
///
/// # Errors
/// 22004 no name, P0002 no such integration.
pub(crate) fn require(
    name: Option<&str>,
    integration_type: Option<&str>,
) -> Result<Uuid, DomainError> {
    let name = Argument("p_integration_name").required(name)?;
    let missing = || IntegrationError::Missing { name: name.to_owned() }.into();
    find(IntegrationName { name, integration_type }).ok_or_else(missing)
}

/// Inserts the integration, or brings the one of this type and name up to date; returns its id.
pub(crate) fn register(integration: &NewIntegration<'_>, configuration: Jsonb) -> Uuid {
    let values = [
        bind(integration.integration_type),
        bind(integration.name),
        bind(configuration),
        bind(JsonB(integration.preset.clone())),
        bind(integration.rate_limit_per_minute),
        bind(integration.limit_requests),
        bind(integration.window_seconds),
        bind(integration.health_check_url.as_deref()),
    ];
    let id = REGISTER.with(|plan| plan.row(&values, |row| row.get_known(1)));
    id.expect("INSERT or UPDATE of one row returns one row")
}

/// How each integration stands, with the figures of the last hour.
pub(crate) fn status() -> Vec<Standing> {
    STATUS.with(|plan| plan.rows(&[], read_standing))
}

fn read_standing(row: &Row) -> Standing {
    Standing {
        id: row.get_known(1),
        integration_type: row.get_known(2),
        name: row.get_known(3),
        status: row.get(4),
        health_status: row.get(5),
        breaker: row.get_known(6),
        last_health_check: row.get(7),
        remote: row.get(8),
        blocked_until: row.get(9),
        calls: row.get_known(10),
        errors: row.get_known(11),
        average_ms: row.get(12),
        p95_ms: row.get(13),
        tokens: row.get_known(14),
        cost_usd: row.get_known(15),
    }
}
