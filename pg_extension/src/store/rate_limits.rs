//! `taskmaster.integration_rate_state`: the limiter's state, changed under its row's lock only. It
//! must not know how a limit is reckoned.

use pgrx::pg_sys::BuiltinOid::{INT4OID, INT8OID, JSONBOID, TIMESTAMPTZOID, UUIDOID};
use pgrx::{JsonB, Uuid};
use serde_json::{Value, json};

use super::moment::clock;
use super::plan::{Access, Plan, Row, bind};
use super::schema::Table;
use super::{Jsonb, budgets, health_checks};
use crate::domain::api_call::DOCUMENT_READ_MAX;
use crate::domain::breaker::Permit;
use crate::domain::moment::Moment;
use crate::domain::rate_headers::Observation;
use crate::domain::rate_limit::{
    Algorithm, Decision, RateLimit, RateState, Reason, Verdict, limit_of,
};
use crate::error::DomainError;

/// One attempt to call an integration.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attempt {
    pub(crate) integration: Uuid,
    pub(crate) cost: Option<i32>,
    pub(crate) algorithm: Algorithm,
    /// Whose budget the call is for.
    pub(crate) task: Option<Uuid>,
}

/// An attempt's answer, and when it was given.
pub(crate) struct Answer {
    pub(crate) decision: Decision,
    pub(crate) now: Moment,
}

/// The integration's own row as far as it matters here.
struct Terms {
    limit: RateLimit,
    /// Whether the circuit breaker is anything but closed.
    guarded: bool,
    /// Whether the calls logged in this minute are fewer than the limit.
    usage_left: bool,
}

thread_local! {
    static TERMS: Plan = const { Plan::new(
        c"SELECT rate_limit_requests, coalesce(rate_limit_per_minute, 60), rate_window_seconds,
            rate_burst,
            EXISTS (SELECT FROM taskmaster.integration_health
                    WHERE integration_id = $1 AND breaker <> 'closed'),
            coalesce(usage_reset_at <= pg_catalog.clock_timestamp(), true)
              OR coalesce(current_usage, 0) < coalesce(rate_limit_per_minute, 60)
          FROM taskmaster.external_integrations WHERE id = $1",
        &[UUIDOID],
        Access::Read,
        &[Table::ExternalIntegrations, Table::IntegrationHealth],
    ) };

    static READ: Plan = const { Plan::new(
        c"SELECT window_started_at, window_used, arrival_at, remote_remaining, remote_reset_at,
            blocked_until
          FROM taskmaster.integration_rate_state WHERE integration_id = $1",
        &[UUIDOID],
        Access::Read,
        &[Table::IntegrationRateState],
    ) };

    static LOCK: Plan = const { Plan::new(
        c"SELECT window_started_at, window_used, arrival_at, remote_remaining, remote_reset_at,
            blocked_until
          FROM taskmaster.integration_rate_state WHERE integration_id = $1 FOR NO KEY UPDATE",
        &[UUIDOID],
        Access::Write,
        &[Table::IntegrationRateState],
    ) };

    static ADD: Plan = const { Plan::new(
        c"INSERT INTO taskmaster.integration_rate_state (integration_id) VALUES ($1)
          ON CONFLICT DO NOTHING",
        &[UUIDOID],
        Access::Write,
        &[Table::IntegrationRateState],
    ) };

    static SAVE: Plan = const { Plan::new(
        c"UPDATE taskmaster.integration_rate_state SET
            window_started_at = $2, window_used = $3, arrival_at = $4, remote_remaining = $5,
            remote_reset_at = $6, blocked_until = $7, remote = remote || $8
          WHERE integration_id = $1",
        &[UUIDOID, TIMESTAMPTZOID, INT4OID, TIMESTAMPTZOID, INT8OID, TIMESTAMPTZOID,
          TIMESTAMPTZOID, JSONBOID],
        Access::Write,
        &[Table::IntegrationRateState],
    ) };
}

/// Whether the call may be made, and takes what it costs. The row stays locked until the caller's
/// transaction ends, so that transaction had better be short.
///
/// # Errors
/// 22023 for a cost that could never be allowed, P0002 for a task that does not exist.
pub(crate) fn acquire(attempt: Attempt) -> Result<Answer, DomainError> {
    let id = attempt.integration;
    let terms = terms(id);
    let cost = terms.limit.cost(attempt.cost, attempt.algorithm)?;
    if let Some(task) = attempt.task
        && budgets::is_exceeded(task)?
    {
        return Ok(refused(Reason::Budget, Moment(i64::MAX), clock()));
    }
    // The order of locks is the same everywhere: integration, health, rate.
    let guard = terms.guarded.then(|| health_checks::lock(id));
    let state = lock(id);
    let now = clock();
    let (next, decision) = state.acquire(&terms.limit, attempt.algorithm, cost, now);
    if decision.verdict != Verdict::Allowed {
        return Ok(Answer { decision, now });
    }
    if let Some(health) = guard {
        let (health, permit) = health.permit(now);
        health_checks::save_breaker(id, &health);
        if let Permit::Refused { retry_at } = permit {
            return Ok(refused(Reason::Breaker, retry_at, now));
        }
    }
    save(id, &next, json!({}));
    Ok(Answer { decision, now })
}

fn refused(reason: Reason, retry_at: Moment, now: Moment) -> Answer {
    let verdict = Verdict::Refused { reason, retry_at };
    Answer { decision: Decision { verdict, remaining: 0, reset_at: retry_at }, now }
}

/// Whether one more call would fit, by what was acquired, logged and said by the service. Changes
/// nothing.
pub(crate) fn would_allow(id: Uuid) -> bool {
    let terms = terms(id);
    let state = READ.with(|plan| plan.row(&[bind(id)], read_state)).unwrap_or_default();
    let (_, decision) = state.acquire(&terms.limit, Algorithm::Window, 1, clock());
    terms.usage_left && decision.verdict == Verdict::Allowed
}

/// Heeds what an answer's headers say and returns what was understood.
pub(crate) fn observe(id: Uuid, headers: &serde_json::Map<String, Value>) -> Value {
    let now = clock();
    let observation = Observation::read(headers, now);
    if !observation.is_empty() {
        let state = lock(id);
        save(id, &observation.applied(state, now), observation.scopes());
    }
    observation.summary()
}

/// [`observe`] for a log, which passes over what it cannot read.
pub(super) fn observe_logged(id: Uuid, headers: Jsonb) {
    if headers.size() > DOCUMENT_READ_MAX {
        return;
    }
    if let Ok(Value::Object(headers)) = serde_json::from_str(&headers.text()) {
        observe(id, &headers);
    }
}

fn terms(id: Uuid) -> Terms {
    let terms = TERMS.with(|plan| {
        plan.row(&[bind(id)], |row| Terms {
            limit: limit_of(row.get(1), row.get_known(2), row.get_known(3), row.get(4)),
            guarded: row.get_known(5),
            usage_left: row.get_known(6),
        })
    });
    terms.expect("the integration was found by the caller's statement")
}

fn lock(id: Uuid) -> RateState {
    let locked = || LOCK.with(|plan| plan.row(&[bind(id)], read_state));
    locked().unwrap_or_else(|| {
        ADD.with(|plan| plan.run(&[bind(id)]));
        locked().expect("the row was inserted now or by another session that has committed")
    })
}

fn save(id: Uuid, state: &RateState, remote: Value) {
    let values = [
        bind(id),
        bind(state.window_started_at),
        bind(state.window_used),
        bind(state.arrival_at),
        bind(state.remote_remaining),
        bind(state.remote_reset_at),
        bind(state.blocked_until),
        bind(JsonB(remote)),
    ];
    SAVE.with(|plan| plan.run(&values));
}

fn read_state(row: &Row) -> RateState {
    RateState {
        window_started_at: row.get(1),
        window_used: row.get_known(2),
        arrival_at: row.get(3),
        remote_remaining: row.get(4),
        remote_reset_at: row.get(5),
        blocked_until: row.get(6),
    }
}
