//! A point in time, and the ways in which HTTP headers write one. It must not know a clock: whoever
//! calls says what time it is.

/// Microseconds since 2000-01-01 00:00 UTC: PostgreSQL's `timestamptz`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(pub(crate) i64);

pub(crate) const MICROS_PER_SECOND: i64 = 1_000_000;

/// 2000-01-01 in seconds since 1970.
const EPOCH_UNIX_SECONDS: i64 = 946_684_800;

/// The year 9999 in seconds since 1970: later is taken for milliseconds, or for nonsense.
const UNIX_SECONDS_MAX: i64 = 253_402_300_799;

/// Epoch numbers from here on count milliseconds; as seconds they would lie after the year 5138.
const MILLISECONDS_FROM: i64 = 100_000_000_000;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

impl Moment {
    /// The moment `micros` later; the end of time when there is none.
    pub(crate) fn plus(self, micros: i64) -> Self {
        Self(self.0.saturating_add(micros))
    }

    /// The moment `seconds` later.
    pub(crate) fn plus_seconds(self, seconds: i64) -> Self {
        self.plus(seconds.saturating_mul(MICROS_PER_SECOND))
    }

    /// Milliseconds from `earlier` until this moment, rounded up; 0 when it is over.
    pub(crate) fn millis_since(self, earlier: Self) -> i32 {
        let micros = self.0.saturating_sub(earlier.0).max(0);
        i32::try_from(micros.saturating_add(999) / 1000).unwrap_or(i32::MAX)
    }

    /// The moment of an epoch number, in seconds or, when too large for that, milliseconds.
    pub(crate) fn from_unix(number: i64) -> Option<Self> {
        if number < 0 || number / 1000 > UNIX_SECONDS_MAX {
            return None;
        }
        let millis = if number >= MILLISECONDS_FROM { number } else { number * 1000 };
        Some(Self((millis - EPOCH_UNIX_SECONDS * 1000) * 1000))
    }

    /// The moment of an HTTP date such as `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, section
    /// 5.6.7; the two obsolete forms are not read).
    pub(crate) fn from_http_date(text: &str) -> Option<Self> {
        let (_, rest) = text.split_once(", ")?;
        let [day, month, year, time, "GMT"] = rest.split(' ').collect::<Vec<_>>()[..] else {
            return None;
        };
        let month = MONTHS.iter().position(|name| *name == month)? + 1;
        from_civil([year.parse().ok()?, month.try_into().ok()?, day.parse().ok()?], time)
    }

    /// The moment of a timestamp such as `2025-01-31T10:00:00.5Z` or with `+02:00` (RFC 3339).
    pub(crate) fn from_rfc3339(text: &str) -> Option<Self> {
        let (date, time) = text.split_once(['T', 't', ' '])?;
        let [year, month, day] = numbers(date, '-')?;
        let zone = time.find(['Z', 'z', '+', '-'])?;
        let (clock, offset) = time.split_at(zone);
        let moment = from_civil([year, month, day], clock.split('.').next()?)?;
        Some(moment.plus_seconds(-offset_seconds(offset)?))
    }

    /// RFC 3339 in UTC, to the second.
    pub(crate) fn to_rfc3339(self) -> String {
        let seconds = self.0.div_euclid(MICROS_PER_SECOND) + EPOCH_UNIX_SECONDS;
        let (year, month, day) = civil_from_days(seconds.div_euclid(86_400));
        let time = seconds.rem_euclid(86_400);
        let (hour, minute, second) = (time / 3600, time / 60 % 60, time % 60);
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

fn from_civil([year, month, day]: [i64; 3], time: &str) -> Option<Moment> {
    let [hour, minute, second] = numbers(time, ':')?;
    let is_date =
        (1970..=9999).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    // A leap second is the 60th.
    if !is_date || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let unix = days_from_civil(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
    Some(Moment((unix - EPOCH_UNIX_SECONDS) * MICROS_PER_SECOND))
}

/// Three numbers without signs.
fn numbers(text: &str, separator: char) -> Option<[i64; 3]> {
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let parts: Option<Vec<i64>> = text
        .split(separator)
        .map(|part| digits(part).then(|| part.parse().ok()).flatten())
        .collect();
    parts?.try_into().ok()
}

fn offset_seconds(text: &str) -> Option<i64> {
    if text.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let [_, hours, minutes] = numbers(&format!("0:{}", text.get(1..)?), ':')?;
    let seconds = hours * 3600 + minutes * 60;
    Some(if text.starts_with('-') { -seconds } else { seconds })
}

/// Days since 1970 of a date of the Gregorian calendar, by years that begin in March.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_of_one_moment_reads_the_same() {
        // `date -d 'Sun, 06 Nov 1994 08:49:37 GMT' +%s` says 784111777.
        let expected = Moment::from_unix(784_111_777).unwrap();
        assert_eq!(Moment::from_http_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(expected));
        for text in
            ["1994-11-06T08:49:37Z", "1994-11-06T10:49:37.25+02:00", "1994-11-06t03:19:37-05:30"]
        {
            assert_eq!(Moment::from_rfc3339(text), Some(expected), "{text}");
        }
        assert_eq!(Moment::from_unix(784_111_777_000), Some(expected));
        assert_eq!(expected.to_rfc3339(), "1994-11-06T08:49:37Z");
        assert_eq!(Moment(0).to_rfc3339(), "2000-01-01T00:00:00Z");
    }

    #[test]
    fn every_day_survives_the_round_trip() {
        for days in (0..2_900_000).step_by(13) {
            let (year, month, day) = civil_from_days(days);
            assert_eq!(days_from_civil(year, month, day), days);
        }
        assert_eq!(civil_from_days(days_from_civil(2024, 2, 29)), (2024, 2, 29));
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in
            ["", "tomorrow", "Sun, 32 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 CET"]
        {
            assert_eq!(Moment::from_http_date(text), None, "{text}");
        }
        for text in [
            "",
            "2024-01-01",
            "2024-13-01T00:00:00Z",
            "2024-01-01T24:00:00Z",
            "2024-01-01T00:00:00",
        ] {
            assert_eq!(Moment::from_rfc3339(text), None, "{text}");
        }
        assert_eq!(Moment::from_unix(-1), None);
        assert_eq!(Moment::from_unix(i64::MAX), None);
    }

    #[test]
    fn waits_are_rounded_up_and_never_negative() {
        assert_eq!(Moment(1001).millis_since(Moment(0)), 2);
        assert_eq!(Moment(0).millis_since(Moment(5000)), 0);
        assert_eq!(Moment(i64::MAX).millis_since(Moment(0)), i32::MAX);
    }
}
