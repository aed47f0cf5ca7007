//! `acquire_rate_limit`, `check_rate_limit`, `observe_rate_headers`.

use pgrx::datum::TimestampWithTimeZone;
use pgrx::iter::TableIterator;
use pgrx::{JsonB, Uuid, default, name, pg_extern};

use crate::domain::argument::Argument;
use crate::domain::rate_limit::{Algorithm, Strictness, Verdict};
use crate::error::DomainError;
use crate::store::moment::timestamp;
use crate::store::rate_limits::{self, Attempt};
use crate::store::{Jsonb, OrRaise, Varchar, integrations};

/// Headers of one answer.
const HEADERS_BYTES_MAX: usize = 64 * 1024;

/// Takes `p_cost` requests of the integration's limit when they are there. In mode `strict` a
/// refusal is an error; in mode `report` it is a row. The limiter stays locked until the
/// transaction ends, so call it in one of its own.
#[pg_extern(volatile, parallel_unsafe)]
#[expect(clippy::type_complexity, reason = "the SQL signature is the contract")]
fn acquire_rate_limit(
    p_integration_name: Option<Varchar<'_>>,
    p_cost: default!(Option<i32>, "1"),
    p_algorithm: default!(Option<Varchar<'_>>, "'window'"),
    p_task_id: default!(Option<Uuid>, "NULL"),
    p_mode: default!(Option<Varchar<'_>>, "'report'"),
    p_integration_type: default!(Option<Varchar<'_>>, "NULL"),
) -> TableIterator<
    'static,
    (
        name!(allowed, bool),
        name!(remaining, i32),
        name!(reset_at, Option<TimestampWithTimeZone>),
        name!(retry_after_ms, i32),
        name!(reason, Option<String>),
    ),
> {
    let name = Varchar::text(&p_integration_name);
    let algorithm = Algorithm::parse(Varchar::text(&p_algorithm)).or_raise();
    let strictness = Strictness::parse(Varchar::text(&p_mode)).or_raise();
    let integration = integrations::require(name, Varchar::text(&p_integration_type)).or_raise();
    let attempt = Attempt { integration, cost: p_cost, algorithm, task: p_task_id };
    let answer = rate_limits::acquire(attempt).or_raise();
    let refusal = answer.decision.refusal(answer.now);
    strictness
        .accept(refusal, name.unwrap_or_default(), p_task_id.map(|id| id.to_string()))
        .or_raise();
    let (reason, retry_after_ms) = refusal.map_or((None, 0), |(reason, wait)| (Some(reason), wait));
    let reset_at = answer.decision.known_reset().map(timestamp);
    TableIterator::once((
        answer.decision.verdict == Verdict::Allowed,
        answer.decision.remaining,
        reset_at,
        retry_after_ms,
        reason.map(|reason| reason.as_str().to_owned()),
    ))
}

/// Whether one more call fits into the integration's limit. Reads only, and reserves nothing:
/// acquire_rate_limit does.
#[pg_extern(stable, strict, parallel_safe)]
fn check_rate_limit(p_integration_name: Varchar<'_>) -> bool {
    let name = Some(p_integration_name);
    let integration = integrations::require(Varchar::text(&name), None).or_raise();
    rate_limits::would_allow(integration)
}

/// Reads the rate-limit headers of an answer, heeds them from now on, and returns what was
/// understood.
#[pg_extern(volatile, parallel_unsafe)]
fn observe_rate_headers(
    p_integration_name: Option<Varchar<'_>>,
    p_headers: Option<Jsonb>,
    p_integration_type: default!(Option<Varchar<'_>>, "NULL"),
) -> JsonB {
    let argument = Argument("p_headers");
    let headers = argument.required(p_headers).or_raise();
    let headers = headers.read(argument.0, HEADERS_BYTES_MAX).or_raise();
    let name = Varchar::text(&p_integration_name);
    let integration = integrations::require(name, Varchar::text(&p_integration_type)).or_raise();
    let not_an_object = DomainError::NotAnObject { argument: argument.0 };
    let headers = headers.as_object().ok_or(not_an_object).or_raise();
    JsonB(rate_limits::observe(integration, headers))
}
