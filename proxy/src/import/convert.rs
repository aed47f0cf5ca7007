//! One value of PgBouncer's in our unit and within our bounds.
//!
//! Must not know which settings there are.

use toml::Value;

use super::numbers::{milliseconds, whole, word};
use super::source::Given;
use super::{Carrier, ImportError};

/// The longest time that a setting of ours may have.
pub(super) const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// The longest life of a connection.
pub(super) const LIFETIME_MAX_MS: i64 = 30 * DAY_MS;
/// The most connections that a pool may have: PostgreSQL has no more.
pub(super) const CONNECTIONS_MAX: i64 = 262_143;
/// The most of everything else that is counted.
pub(super) const MANY: i64 = 1_000_000;

/// What a value counts, and what a zero stands for in ours.
#[derive(Clone, Copy, Debug)]
pub(super) enum Unit {
    Count {
        most: i64,
        zero: i64,
    },
    /// Theirs in seconds, ours in milliseconds.
    Time {
        least_ms: i64,
        most_ms: i64,
        zero_ms: i64,
    },
    Mode,
}

pub(super) const CONNECTIONS: Unit = Unit::Count { most: CONNECTIONS_MAX, zero: 0 };
pub(super) const POOL_SIZE: Unit = Unit::Count { most: CONNECTIONS_MAX, zero: CONNECTIONS_MAX };
pub(super) const LIMIT: Unit = Unit::Count { most: MANY, zero: 0 };
/// A time of which zero is no limit in both.
pub(super) const TIMEOUT: Unit = Unit::Time { least_ms: 0, most_ms: DAY_MS, zero_ms: 0 };
/// A time that ours cannot do without: no limit becomes a day.
pub(super) const WAIT: Unit = Unit::Time { least_ms: 1, most_ms: DAY_MS, zero_ms: DAY_MS };
pub(super) const LIFETIME: Unit =
    Unit::Time { least_ms: 1_000, most_ms: LIFETIME_MAX_MS, zero_ms: LIFETIME_MAX_MS };

/// The value for our configuration; none when theirs says that it is not set. What does not fit is named.
pub(super) fn convert(
    carrier: &mut Carrier<'_>,
    given: &Given,
    unit: Unit,
) -> Result<Option<Value>, ImportError> {
    let (number, least, most, zero, what) = match unit {
        Unit::Mode => return mode(carrier, given).map(Some),
        Unit::Count { most, zero } => (whole(given)?, 0, most, zero, ""),
        // -1 stands for what is not set.
        Unit::Time { .. } if given.value.starts_with('-') => (whole(given)?, 0, 0, 0, ""),
        Unit::Time { least_ms, most_ms, zero_ms } => {
            (milliseconds(given)?, least_ms, most_ms, zero_ms, " ms")
        }
    };
    Ok(match number {
        ..0 => None,
        0 => Some(zero.into()),
        _ => {
            let bounded = number.clamp(least, most);
            if bounded != number {
                let why = format!("ours goes from {least} to {most}{what}");
                carrier.leave(given, &why, &format!("{bounded} was written"));
            }
            Some(bounded.into())
        }
    })
}

fn mode(carrier: &mut Carrier<'_>, given: &Given) -> Result<Value, ImportError> {
    let mode = word(given, &["session", "transaction", "statement"])?;
    if mode != "statement" {
        return Ok(mode.into());
    }
    let instead =
        "transaction was written, which lets clients use transactions of several statements";
    carrier.leave(given, "there is no statement pooling", instead);
    Ok("transaction".into())
}
