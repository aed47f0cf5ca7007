//! `claim_task`, `heartbeat`, `complete_task`, `fail_task`, `release_task`.

use pgrx::datum::{Interval, TimestampWithTimeZone};
use pgrx::iter::TableIterator;
use pgrx::{Uuid, default, name, pg_extern};

use crate::domain::argument::Argument;
use crate::domain::claim::{ClaimRequest, parse_delay, parse_lease};
use crate::domain::standing::Claim;
use crate::store::claims::{self, Overlap, Wanted};
use crate::store::leases::{self, Retry};
use crate::store::{JsonText, Jsonb, Number, OrRaise};

/// Leases the next ready tasks to a worker. The token that comes with a task is higher than that of
/// every lease before, and whoever reports on the task names it. A task of this id, or nothing, when
/// there is a `p_task_id`.
#[pg_extern(volatile, parallel_unsafe)]
#[expect(clippy::too_many_arguments, reason = "the SQL signature is the contract")]
fn claim_task(
    p_worker_id: Option<&str>,
    p_lease: default!(Option<Interval>, "'5 minutes'"),
    p_limit: default!(Option<i32>, "1"),
    p_types: default!(Option<Vec<Option<String>>>, "NULL"),
    p_tags: default!(Option<Jsonb>, "NULL"),
    p_task_id: default!(Option<Uuid>, "NULL"),
    p_avoid_file_overlap: default!(Option<bool>, "true"),
) -> TableIterator<
    'static,
    (
        name!(task_id, Uuid),
        name!(claim_token, i64),
        name!(attempt, i32),
        name!(claim_expires_at, TimestampWithTimeZone),
        name!(title, String),
        name!(payload, JsonText),
    ),
> {
    let lease_us = p_lease.map(|lease| lease.as_micros());
    let overlap =
        if p_avoid_file_overlap == Some(false) { Overlap::Allowed } else { Overlap::Refused };
    let wanted = Wanted { types: p_types, tags: p_tags, task: p_task_id, overlap };
    let claimed = ClaimRequest::parse(p_worker_id, lease_us, p_limit)
        .and_then(|request| claims::claim(&request, &wanted))
        .or_raise();
    TableIterator::new(
        claimed.into_iter().map(|task| {
            (task.id, task.token, task.attempt, task.expires_at, task.title, task.payload)
        }),
    )
}

/// Says that the holder of a lease is alive. `ok` is false when the lease is not its any more;
/// `cancel_requested` then says whether that is because the task was cancelled.
#[pg_extern(volatile, parallel_unsafe)]
fn heartbeat(
    p_task_id: Option<Uuid>,
    p_claim_token: Option<i64>,
    p_extend: default!(Option<Interval>, "'5 minutes'"),
    p_progress: default!(Option<Jsonb>, "NULL"),
) -> TableIterator<
    'static,
    (
        name!(ok, bool),
        name!(cancel_requested, bool),
        name!(claim_expires_at, Option<TimestampWithTimeZone>),
    ),
> {
    let id = Argument("p_task_id").required(p_task_id).or_raise();
    let token = Argument("p_claim_token").required(p_claim_token).or_raise();
    let extend_us = parse_lease("p_extend", p_extend.map(|extend| extend.as_micros())).or_raise();
    let beat = leases::heartbeat(id, token, extend_us, p_progress).or_raise();
    TableIterator::once((beat.is_held, beat.is_cancelled, beat.expires_at))
}

/// Completes a task and returns those that waited for it and wait for nothing now.
#[pg_extern(volatile, parallel_unsafe)]
fn complete_task(
    p_task_id: Option<Uuid>,
    p_claim_token: default!(Option<i64>, "NULL"),
    p_result: default!(Option<Jsonb>, "NULL"),
    p_actual_hours: default!(Option<Number>, "NULL"),
) -> TableIterator<'static, (name!(unblocked, Uuid),)> {
    let id = Argument("p_task_id").required(p_task_id).or_raise();
    let claim = Claim::of(p_claim_token, None);
    let unblocked = leases::complete(id, claim, p_result, p_actual_hours).or_raise();
    TableIterator::new(unblocked.into_iter().map(|id| (id,)))
}

/// Ends an attempt at a task that failed. While it may be tried again it is pending, after a wait
/// that grows with each attempt or is `p_retry_after`.
#[pg_extern(volatile, parallel_unsafe)]
fn fail_task(
    p_task_id: Option<Uuid>,
    p_claim_token: default!(Option<i64>, "NULL"),
    p_error: default!(Option<Jsonb>, "NULL"),
    p_retryable: default!(Option<bool>, "true"),
    p_retry_after: default!(Option<Interval>, "NULL"),
) -> TableIterator<'static, (name!(status, String), name!(run_after, Option<TimestampWithTimeZone>))>
{
    let id = Argument("p_task_id").required(p_task_id).or_raise();
    let wait = p_retry_after.map(|wait| parse_delay("p_retry_after", wait.as_micros()));
    let retry = match (p_retryable, wait.transpose().or_raise()) {
        (Some(false), _) => Retry::Never,
        (_, Some(us)) => Retry::AfterUs(us),
        _ => Retry::BackOff,
    };
    let failure = leases::fail(id, Claim::of(p_claim_token, None), p_error, retry).or_raise();
    TableIterator::once((failure.status.as_str().to_owned(), failure.run_after))
}

/// Gives a task back untouched and returns true; the attempt does not count.
#[pg_extern(volatile, parallel_unsafe)]
fn release_task(
    p_task_id: Option<Uuid>,
    p_claim_token: Option<i64>,
    p_delay: default!(Option<Interval>, "'0'"),
) -> bool {
    let id = Argument("p_task_id").required(p_task_id).or_raise();
    let token = Argument("p_claim_token").required(p_claim_token).or_raise();
    let delay = p_delay.map_or(0, |delay| delay.as_micros());
    parse_delay("p_delay", delay)
        .and_then(|delay_us| leases::release(id, token, delay_us))
        .or_raise();
    true
}
