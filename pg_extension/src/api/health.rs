//! `health_snapshot`, `host_stats`, `get_system_health`.

use pgrx::datum::TimestampWithTimeZone;
use pgrx::iter::TableIterator;
use pgrx::{AnyNumeric, JsonB, default, name, pg_extern};

use crate::store::{Varchar, health, host};

/// The health of the system as health+json: of the server, the work and the machine. Without
/// `p_detail` only the checks that do not pass are shown. What the caller may not see is left out
/// with a note.
#[pg_extern(volatile, parallel_restricted)]
fn health_snapshot(p_detail: default!(Option<bool>, "true")) -> JsonB {
    let snapshot = health::snapshot();
    JsonB(match p_detail {
        Some(false) => snapshot.to_brief_json(),
        _ => snapshot.to_json(),
    })
}

/// The machine's processors, load, memory, control group, pressure and disk, as Linux tells them.
#[pg_extern(volatile, parallel_restricted)]
fn host_stats() -> JsonB {
    JsonB(host::read().to_json())
}

/// Each component with its health, when that was last looked at, its metrics of the last hour and
/// its mean response time in milliseconds.
#[pg_extern(volatile, parallel_restricted)]
#[expect(clippy::type_complexity, reason = "the SQL signature is the contract")]
fn get_system_health() -> TableIterator<
    'static,
    (
        name!(component, Varchar<'static>),
        name!(status, Option<Varchar<'static>>),
        name!(last_check, Option<TimestampWithTimeZone>),
        name!(metrics_count, i64),
        name!(avg_response_time, Option<AnyNumeric>),
    ),
> {
    let database = health::snapshot().verdict().as_health_status();
    TableIterator::new(health::components(database).into_iter().map(|component| {
        (
            Varchar::from(component.component),
            component.status.map(Varchar::from),
            component.last_check,
            component.metrics,
            component.response_time,
        )
    }))
}
