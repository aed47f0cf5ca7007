//! `get_task_events`.

use pgrx::datum::TimestampWithTimeZone;
use pgrx::iter::TableIterator;
use pgrx::{Uuid, default, name, pg_extern};

use crate::domain::argument::Argument;
use crate::store::{JsonText, OrRaise, events};

/// The events after number `p_after_seq`, in order, of one task or of all. Who goes on from the last
/// number received misses none: an event that may still come before another holds that one back.
#[pg_extern(volatile, parallel_unsafe)]
#[expect(clippy::type_complexity, reason = "the SQL signature is the contract")]
fn get_task_events(
    p_after_seq: default!(Option<i64>, "0"),
    p_limit: default!(Option<i32>, "1000"),
    p_task_id: default!(Option<Uuid>, "NULL"),
) -> TableIterator<
    'static,
    (
        name!(seq, i64),
        name!(occurred_at, TimestampWithTimeZone),
        name!(task_id, Uuid),
        name!(kind, String),
        name!(from_status, Option<String>),
        name!(to_status, Option<String>),
        name!(actor, Option<String>),
        name!(payload, JsonText),
    ),
> {
    let limit = Argument("p_limit").within(p_limit.unwrap_or(1_000), 1, 100_000).or_raise();
    let events = events::read(p_after_seq.unwrap_or(0), limit, p_task_id).or_raise().into_iter();
    TableIterator::new(events.map(|event| {
        (
            event.seq,
            event.occurred_at,
            event.task_id,
            event.kind,
            event.from_status,
            event.to_status,
            event.actor,
            event.payload,
        )
    }))
}
