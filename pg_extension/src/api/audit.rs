//! `seal_audit`, `verify_audit`, and the part of an erasure that concerns the audit.

use pgrx::datum::TimestampWithTimeZone;
use pgrx::iter::TableIterator;
use pgrx::{Uuid, default, name, pg_extern, pg_sys};

use crate::domain::argument::Argument;
use crate::store::audit::{Erasure, Verdict};
use crate::store::{OrRaise, audit};

/// Seals the rows of the audit that are final, and months that are over; returns the number of rows.
#[pg_extern(volatile, parallel_unsafe)]
fn seal_audit(p_until: default!(Option<TimestampWithTimeZone>, "NULL")) -> i64 {
    audit::seal(p_until).or_raise()
}

/// Compares the sealed rows with what was sealed: for each partition whether it is as it was, and
/// otherwise the first row that is not. No id when it is a seal that is not as it was.
#[pg_extern(volatile, parallel_unsafe)]
fn verify_audit(
    p_from: default!(Option<TimestampWithTimeZone>, "NULL"),
    p_to: default!(Option<TimestampWithTimeZone>, "NULL"),
) -> TableIterator<
    'static,
    (
        name!(partition, String),
        name!(ok, bool),
        name!(first_bad, Option<i64>),
        name!(reason, Option<String>),
    ),
> {
    let verdicts =
        audit::verify(p_from.map_or(i64::MIN, instant_us), p_to.map_or(i64::MAX, instant_us));
    TableIterator::new(verdicts.into_iter().map(|Verdict { partition, fault }| {
        let is_ok = fault.is_none();
        let (id, reason) = fault.map_or((None, None), |(id, reason)| (id, Some(reason)));
        (partition, is_ok, id, reason)
    }))
}

/// Erases what the audit holds of a subject and returns the number of rows; for `erase_subject`.
#[pg_extern(volatile, parallel_unsafe)]
fn redact_audit(
    p_subject: Option<&str>,
    p_pseudonym: Option<&str>,
    p_request: Option<Uuid>,
    p_text_columns: Option<Vec<String>>,
    p_dry_run: Option<bool>,
) -> i64 {
    let erasure = Erasure {
        subject: Argument("p_subject").name(p_subject, 255).or_raise(),
        pseudonym: Argument("p_pseudonym").name(p_pseudonym, 255).or_raise(),
        request: Argument("p_request").required(p_request).or_raise(),
        text_columns: p_text_columns.unwrap_or_default(),
    };
    audit::redact(&erasure, !p_dry_run.unwrap_or(true))
}

/// Microseconds from 1970 to 2000, where PostgreSQL begins to count.
const EPOCH_US: i64 = 946_684_800_000_000;

fn instant_us(time: TimestampWithTimeZone) -> i64 {
    pg_sys::TimestampTz::from(time).saturating_add(EPOCH_US)
}
