//! A worker's wish for tasks, and how long a lease may be. It must not know which tasks there are.

use super::argument::Argument;
use crate::error::{DomainError, TaskRefusal};

/// `tasks.claimed_by`.
const WORKER_LENGTH_MAX: usize = 255;

/// The most tasks that one call hands out.
const CLAIMS_MAX: i32 = 1_000;

/// A lease of more than a week is no lease.
const LEASE_MAX_US: i64 = 7 * 24 * 3_600 * 1_000_000;

/// A wish whose arguments fit their rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ClaimRequest<'a> {
    pub(crate) worker: &'a str,
    pub(crate) lease_us: i64,
    /// How many tasks at most.
    pub(crate) limit: usize,
}

impl<'a> ClaimRequest<'a> {
    /// Checks the arguments; NULL for one that has a default means the default.
    ///
    /// # Errors
    /// 22004 no worker, 22001 its name is too long, 22023 blank name, or lease or limit out of
    /// range.
    pub(crate) fn parse(
        worker: Option<&'a str>,
        lease_us: Option<i128>,
        limit: Option<i32>,
    ) -> Result<Self, DomainError> {
        let limit = Argument("p_limit").within(limit.unwrap_or(1), 1, CLAIMS_MAX)?;
        Ok(Self {
            worker: Argument("p_worker_id").name(worker, WORKER_LENGTH_MAX)?,
            lease_us: parse_lease("p_lease", lease_us)?,
            limit: usize::try_from(limit).unwrap_or(1),
        })
    }
}

/// A lease in microseconds: more than nothing, at most a week, five minutes unless said otherwise.
///
/// # Errors
/// 22023.
pub(crate) fn parse_lease(argument: &'static str, us: Option<i128>) -> Result<i64, DomainError> {
    let us = us.map_or(Ok(300_000_000), i64::try_from).unwrap_or(i64::MAX);
    if (1..=LEASE_MAX_US).contains(&us) {
        return Ok(us);
    }
    let expected = "an interval of more than nothing and at most 7 days";
    Err(TaskRefusal::WrongShape { argument, expected }.into())
}

/// A wait in microseconds: nothing or more, at most a year.
///
/// # Errors
/// 22023.
pub(crate) fn parse_delay(argument: &'static str, us: i128) -> Result<i64, DomainError> {
    const YEAR_US: i64 = 366 * 24 * 3_600 * 1_000_000;
    match i64::try_from(us) {
        Ok(us) if (0..=YEAR_US).contains(&us) => Ok(us),
        _ => {
            let expected = "an interval of nothing or more, at most a year";
            Err(TaskRefusal::WrongShape { argument, expected }.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leases_and_limits_have_bounds() {
        let parse = |us, limit| ClaimRequest::parse(Some("w"), us, limit);
        let default = parse(None, None).unwrap();
        assert_eq!((default.lease_us, default.limit), (300_000_000, 1));
        for (us, limit) in [
            (Some(0), None),
            (Some(-1), None),
            (Some(i128::MAX), None),
            (None, Some(0)),
            (None, Some(1001)),
        ] {
            assert_eq!(parse(us, limit).unwrap_err().sqlstate(), "22023", "{us:?} {limit:?}");
        }
        assert_eq!(ClaimRequest::parse(None, None, None).unwrap_err().sqlstate(), "22004");
        assert_eq!(ClaimRequest::parse(Some(" "), None, None).unwrap_err().sqlstate(), "22023");
    }

    #[test]
    fn a_delay_may_be_nothing_but_not_less() {
        assert_eq!(parse_delay("p_delay", 0), Ok(0));
        assert_eq!(parse_delay("p_delay", -1).unwrap_err().sqlstate(), "22023");
        assert_eq!(parse_delay("p_delay", i128::MAX).unwrap_err().sqlstate(), "22023");
    }
}
