//! A question about a metric over time, as its asker puts it. It must not know how it is answered.

use super::argument::Argument;
use super::instant::{Instant, SECOND_US};
use super::metric::NAME_LENGTH_MAX;
use super::rollup::Span;
use super::vocabulary::SERIES_AGGREGATES;
use crate::error::DomainError;

/// A question that can be answered.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct SeriesQuery<'a> {
    pub(crate) name: &'a str,
    pub(crate) span: Span,
    pub(crate) step_us: i64,
    pub(crate) aggregate: Aggregate,
}

/// What is said about each bucket.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Aggregate {
    /// One of the words of [`SERIES_AGGREGATES`] that names a column or a quotient.
    Plain(&'static str),
    /// The quantile, between 0 and 1.
    Quantile(f64),
}

/// How many buckets an answer may have for each series.
const BUCKETS_MAX: i64 = 50_000;

impl<'a> SeriesQuery<'a> {
    /// Checks the arguments; `step` is in microseconds and None when it is not of a fixed length.
    ///
    /// # Errors
    /// 22004 for NULL; 22023 an empty or endless span, a step below a second or with months, an unknown aggregate; 54000
    /// more than 50,000 buckets.
    pub(crate) fn parse(
        name: Option<&'a str>,
        (from, to): (Option<Instant>, Option<Instant>),
        step_us: Option<i64>,
        aggregate: Option<&str>,
    ) -> Result<Self, DomainError> {
        let name = Argument("p_name").name(name, NAME_LENGTH_MAX)?;
        let [from, to] = [("p_from", from), ("p_to", to)].map(|(argument, at)| {
            let argument = Argument(argument);
            argument.required(at).and_then(|at| at.finite(argument))
        });
        let (from, to) = (from?, to?);
        let span = Span::new(from, to).ok_or(DomainError::EmptySpan)?;
        let step_us = step_us.filter(|step| *step >= SECOND_US).ok_or(DomainError::StepLength)?;
        let buckets = (to.0.saturating_sub(from.0)) / step_us + 1;
        if buckets > BUCKETS_MAX {
            return Err(DomainError::TooManyBuckets { buckets, buckets_max: BUCKETS_MAX });
        }
        let aggregate = Aggregate::parse(aggregate.unwrap_or("avg"))?;
        Ok(Self { name, span, step_us, aggregate })
    }
}

impl Aggregate {
    fn parse(word: &str) -> Result<Self, DomainError> {
        let argument = Argument("p_agg");
        let percent = word.strip_prefix('p').and_then(|digits| digits.parse::<f64>().ok());
        match percent {
            Some(percent) if (0.0..=100.0).contains(&percent) => {
                Ok(Self::Quantile(percent / 100.0))
            }
            _ => Ok(Self::Plain(SERIES_AGGREGATES.pick(argument, word)?)),
        }
    }

    /// The word for the statement; `quantile` for every quantile.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Plain(word) => word,
            Self::Quantile(_) => "quantile",
        }
    }

    /// The quantile, if it is one.
    pub(crate) fn share(self) -> Option<f64> {
        match self {
            Self::Plain(_) => None,
            Self::Quantile(share) => Some(share),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::instant::{DAY_US, HOUR_US};

    fn parse(to: i64, step_us: i64, aggregate: &str) -> Result<SeriesQuery<'static>, DomainError> {
        let span = (Some(Instant(0)), Some(Instant(to)));
        SeriesQuery::parse(Some("cpu"), span, Some(step_us), Some(aggregate))
    }

    #[test]
    fn aggregates_are_words_and_percentiles() {
        let aggregate = |word| parse(DAY_US, HOUR_US, word).map(|query| query.aggregate);
        assert_eq!(aggregate("rate"), Ok(Aggregate::Plain("rate")));
        assert_eq!(aggregate("p50"), Ok(Aggregate::Quantile(0.5)));
        assert_eq!(
            aggregate("p99.9").unwrap().share().map(|share| (share * 1e4) as i64),
            Some(9990)
        );
        for word in ["p101", "p-1", "pNaN", "median", ""] {
            assert_eq!(aggregate(word).unwrap_err().sqlstate(), "22023", "{word}");
        }
    }

    #[test]
    fn spans_and_steps_are_bounded() {
        assert_eq!(parse(0, HOUR_US, "avg").unwrap_err().sqlstate(), "22023");
        assert_eq!(parse(DAY_US, SECOND_US - 1, "avg").unwrap_err().sqlstate(), "22023");
        assert_eq!(parse(DAY_US, SECOND_US, "avg").unwrap_err().sqlstate(), "54000");
        assert_eq!(parse(i64::MAX, HOUR_US, "avg").unwrap_err().sqlstate(), "22023");
        assert!(parse(30 * DAY_US, HOUR_US, "avg").is_ok());
    }
}
