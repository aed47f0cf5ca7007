//! `register_integration`, `integration_status`.

use pgrx::datum::TimestampWithTimeZone;
use pgrx::iter::TableIterator;
use pgrx::{AnyNumeric, JsonB, Uuid, default, name, pg_extern};

use crate::domain::argument::Argument;
use crate::domain::integration::{IntegrationArguments, NewIntegration};
use crate::store::moment::timestamp;
use crate::store::{Jsonb, OrRaise, Varchar, integrations};

/// A configuration is a handful of settings.
const CONFIGURATION_BYTES_MAX: usize = 64 * 1024;

/// Registers an integration, or brings the one of this type and name up to date, and returns its
/// id. Secrets in plain text are refused. A rate or URL that is NULL is the one known for the
/// service.
#[pg_extern(volatile, parallel_unsafe)]
fn register_integration(
    p_type: Option<Varchar<'_>>,
    p_name: Option<Varchar<'_>>,
    p_configuration: default!(Option<Jsonb>, "'{}'"),
    p_rate_limit_per_minute: default!(Option<i32>, "NULL"),
    p_health_check_url: default!(Option<Varchar<'_>>, "NULL"),
) -> Uuid {
    let argument = Argument("p_configuration");
    let document = argument.required(p_configuration).or_raise();
    let configuration = document.read(argument.0, CONFIGURATION_BYTES_MAX).or_raise();
    let arguments = IntegrationArguments {
        integration_type: Varchar::text(&p_type),
        name: Varchar::text(&p_name),
        configuration: Some(&configuration),
        rate_limit_per_minute: p_rate_limit_per_minute,
        health_check_url: Varchar::text(&p_health_check_url),
    };
    integrations::register(&NewIntegration::parse(arguments).or_raise(), document)
}

/// Each integration: its health, its breaker, its limits as the service told them, and the calls of
/// the last hour.
#[pg_extern(stable, parallel_safe)]
#[expect(clippy::type_complexity, reason = "the SQL signature is the contract")]
fn integration_status() -> TableIterator<
    'static,
    (
        name!(integration_id, Uuid),
        name!(integration_type, String),
        name!(integration_name, String),
        name!(status, Option<String>),
        name!(health_status, Option<String>),
        name!(breaker, String),
        name!(last_health_check, Option<TimestampWithTimeZone>),
        name!(rate_limit_ok, bool),
        name!(blocked_until, Option<TimestampWithTimeZone>),
        name!(remote_limits, Option<JsonB>),
        name!(calls_last_hour, i64),
        name!(errors_last_hour, i64),
        name!(avg_response_time_ms, Option<AnyNumeric>),
        name!(p95_response_time_ms, Option<f64>),
        name!(tokens_last_hour, AnyNumeric),
        name!(cost_usd_last_hour, AnyNumeric),
    ),
> {
    TableIterator::new(integrations::status().into_iter().map(|standing| {
        (
            standing.id,
            standing.integration_type,
            standing.name,
            standing.status,
            standing.health_status,
            standing.breaker,
            standing.last_health_check.map(timestamp),
            crate::store::rate_limits::would_allow(standing.id),
            standing.blocked_until.map(timestamp),
            standing.remote,
            standing.calls,
            standing.errors,
            standing.average_ms,
            standing.p95_ms,
            standing.tokens,
            standing.cost_usd,
        )
    }))
}
