//! `timestamptz` between PostgreSQL and the rules, and the clock. It must not know what a time is
//! about.

use std::ops::Range;

use pgrx::datum::TimestampWithTimeZone;
use pgrx::{FromDatum, IntoDatum, pg_sys};

use crate::domain::moment::Moment;

/// What time it is, as `clock_timestamp()` says: the start of a long transaction is no time to
/// reckon limits from.
pub(crate) fn clock() -> Moment {
    // SAFETY: reads the system's clock.
    Moment(unsafe { pg_sys::GetCurrentTimestamp() })
}

/// `MIN_TIMESTAMP` and `END_TIMESTAMP` of `src/include/datatype/timestamp.h`.
const TIMESTAMPS: Range<i64> = -211_813_488_000_000_000..9_223_371_331_200_000_000;

/// The moment as a result of a function.
pub(crate) fn timestamp(moment: Moment) -> TimestampWithTimeZone {
    let clamped = moment.0.clamp(TIMESTAMPS.start, TIMESTAMPS.end - 1);
    TimestampWithTimeZone::try_from(clamped).expect("a moment within the range is a timestamptz")
}

impl FromDatum for Moment {
    unsafe fn from_polymorphic_datum(
        datum: pg_sys::Datum,
        is_null: bool,
        _type_oid: pg_sys::Oid,
    ) -> Option<Self> {
        // A timestamptz is passed by value (`timestamp.h`).
        (!is_null).then_some(Self(datum.value() as i64))
    }
}

impl IntoDatum for Moment {
    fn into_datum(self) -> Option<pg_sys::Datum> {
        Some(self.0.into())
    }

    fn type_oid() -> pg_sys::Oid {
        pg_sys::TIMESTAMPTZOID
    }
}
