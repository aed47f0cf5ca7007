//! `record_health_check`, `due_health_checks`.

use pgrx::datum::{Interval, TimestampWithTimeZone};
use pgrx::iter::TableIterator;
use pgrx::{Uuid, default, name, pg_extern};

use crate::domain::argument::Argument;
use crate::domain::health_check::HealthCheck;
use crate::store::moment::timestamp;
use crate::store::{OrRaise, Varchar, health_checks, integrations};

const DUE_MAX: i32 = 1000;

/// Records the outcome of a health check and returns the state of the circuit breaker after it:
/// closed, open or half_open. Three failures of the last five open it, two passes in a row close it.
#[pg_extern(volatile, parallel_unsafe)]
fn record_health_check(
    p_integration_name: Option<Varchar<'_>>,
    p_ok: Option<bool>,
    p_response_time_ms: default!(Option<i32>, "NULL"),
    p_error: default!(Option<&str>, "NULL"),
    p_integration_type: default!(Option<Varchar<'_>>, "NULL"),
) -> &'static str {
    let check = HealthCheck::parse(p_ok, p_response_time_ms, p_error).or_raise();
    let name = Varchar::text(&p_integration_name);
    let integration = integrations::require(name, Varchar::text(&p_integration_type)).or_raise();
    health_checks::record(integration, &check)
}

/// Leases health checks that are due: nobody else gets them until `leased_until`, or until
/// record_health_check tells their outcome. Whoever calls makes the request; the server does not.
#[pg_extern(volatile, parallel_unsafe)]
fn due_health_checks(
    p_limit: default!(Option<i32>, "10"),
    p_lease: default!(Option<Interval>, "'1 minute'"),
) -> TableIterator<
    'static,
    (
        name!(integration_id, Uuid),
        name!(integration_type, String),
        name!(integration_name, String),
        name!(health_check_url, String),
        name!(breaker, String),
        name!(leased_until, TimestampWithTimeZone),
    ),
> {
    let limit = Argument("p_limit").within(p_limit.unwrap_or(10), 1, DUE_MAX).or_raise();
    let lease = Argument("p_lease").required(p_lease).or_raise();
    TableIterator::new(health_checks::lease(limit, lease).into_iter().map(|due| {
        let leased_until = timestamp(due.leased_until);
        (due.integration, due.integration_type, due.name, due.url, due.breaker, leased_until)
    }))
}
