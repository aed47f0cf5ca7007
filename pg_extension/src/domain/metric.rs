//! A measurement as its reporter describes it. It must not know how metrics are stored; its value
//! is checked where the number is held.

use super::argument::Argument;
use super::instant::{DAY_US, Instant, SECOND_US};
use super::vocabulary::METRIC_TYPES;
use crate::error::DomainError;

/// The labels of a measurement and its time, fitting their columns and rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NewMetric<'a> {
    pub(crate) name: &'a str,
    pub(crate) component: Option<&'a str>,
    pub(crate) metric_type: &'static str,
    pub(crate) unit: Option<&'a str>,
    pub(crate) source_system: Option<&'a str>,
    /// None for now.
    pub(crate) recorded_at: Option<Instant>,
}

/// The arguments that [`NewMetric::parse`] checks.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct MetricArguments<'a> {
    pub(crate) name: Option<&'a str>,
    pub(crate) component: Option<&'a str>,
    pub(crate) metric_type: Option<&'a str>,
    pub(crate) unit: Option<&'a str>,
    pub(crate) source_system: Option<&'a str>,
    pub(crate) recorded_at: Option<Instant>,
}

/// `system_metrics.metric_name` and `.component` are `varchar(100)`.
pub(crate) const NAME_LENGTH_MAX: usize = 100;

/// `system_metrics.metric_unit` is `varchar(20)`.
pub(crate) const UNIT_LENGTH_MAX: usize = 20;

/// `system_metrics.metric_type` and `.source_system` are `varchar(50)`.
pub(crate) const WORD_LENGTH_MAX: usize = 50;

/// The size of a measurement's tags and of its metadata, in bytes as stored.
pub(crate) const DOCUMENT_SIZE_MAX: usize = 16 * 1024;

/// How many measurements one call may bring.
pub(crate) const ROWS_MAX: usize = 10_000;

/// How long after its time a measurement may be inserted and still count as in time. Rollups wait as long before they close
/// a minute; what comes later marks its minute.
pub(crate) const LATE_AFTER_US: i64 = 30 * SECOND_US;

/// How far ahead of the clock a measurement may be: partitions are made for a week.
const AHEAD_MAX_US: i64 = DAY_US;

impl<'a> NewMetric<'a> {
    /// Checks the arguments against the clock; NULL for the type means `gauge`.
    ///
    /// # Errors
    /// 22004 no name, 22001 too long, 22023 blank name, unknown type, or a time that is none or far ahead.
    pub(crate) fn parse(
        arguments: MetricArguments<'a>,
        clock: impl FnOnce() -> Instant,
    ) -> Result<Self, DomainError> {
        let unit = Argument("p_metric_unit").optional(arguments.unit, UNIT_LENGTH_MAX)?;
        let source_system =
            Argument("p_source_system").optional(arguments.source_system, WORD_LENGTH_MAX)?;
        Ok(Self {
            name: Argument("p_metric_name").name(arguments.name, NAME_LENGTH_MAX)?,
            component: Argument("p_component").optional(arguments.component, NAME_LENGTH_MAX)?,
            metric_type: METRIC_TYPES
                .pick(Argument("p_metric_type"), arguments.metric_type.unwrap_or("gauge"))?,
            unit,
            source_system,
            recorded_at: arguments.recorded_at.map(|at| check_time(at, clock())).transpose()?,
        })
    }
}

/// Whether a measurement of `recorded_at` that is inserted now comes after rollups may have closed its minute.
pub(crate) fn is_late(recorded_at: Instant, now: Instant) -> bool {
    recorded_at.plus(LATE_AFTER_US) < now
}

fn check_time(at: Instant, now: Instant) -> Result<Instant, DomainError> {
    let argument = Argument("p_recorded_at");
    let at = at.finite(argument)?;
    if at > now.plus(AHEAD_MAX_US) {
        return Err(DomainError::TimeAhead { argument: argument.0 });
    }
    Ok(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant(1_000 * DAY_US);

    fn parse(arguments: MetricArguments<'_>) -> Result<NewMetric<'_>, DomainError> {
        NewMetric::parse(arguments, || NOW)
    }

    #[test]
    fn each_rule_has_its_sqlstate() {
        let refused = |arguments| parse(arguments).unwrap_err().sqlstate();
        let long = "x".repeat(101);
        let cpu = MetricArguments { name: Some("cpu"), ..MetricArguments::default() };
        assert_eq!(refused(MetricArguments::default()), "22004");
        assert_eq!(refused(MetricArguments { name: Some(""), ..cpu }), "22023");
        assert_eq!(refused(MetricArguments { name: Some(&long), ..cpu }), "22001");
        assert_eq!(refused(MetricArguments { component: Some(&long), ..cpu }), "22001");
        assert_eq!(refused(MetricArguments { metric_type: Some("summary"), ..cpu }), "22023");
        assert_eq!(refused(MetricArguments { unit: Some(&long[..21]), ..cpu }), "22001");
        assert_eq!(refused(MetricArguments { source_system: Some(&long[..51]), ..cpu }), "22001");
        assert_eq!(parse(cpu).unwrap().metric_type, "gauge");
    }

    #[test]
    fn a_time_is_finite_and_not_far_ahead() {
        let at = |recorded_at| {
            parse(MetricArguments {
                name: Some("cpu"),
                recorded_at: Some(recorded_at),
                ..MetricArguments::default()
            })
        };
        assert_eq!(at(Instant(i64::MAX)).unwrap_err().sqlstate(), "22023");
        assert_eq!(at(NOW.plus(DAY_US + 1)).unwrap_err().sqlstate(), "22023");
        assert_eq!(at(NOW.plus(DAY_US)).unwrap().recorded_at, Some(NOW.plus(DAY_US)));
        assert_eq!(at(Instant(0)).unwrap().recorded_at, Some(Instant(0)));
    }

    #[test]
    fn late_is_what_comes_after_the_grace() {
        assert!(!is_late(NOW, NOW.plus(LATE_AFTER_US)));
        assert!(is_late(NOW, NOW.plus(LATE_AFTER_US + 1)));
    }
}
