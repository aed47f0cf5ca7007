//! A measurement as its reporter describes it. It must not know how metrics are stored; its value
//! is checked where the number is held.

use super::argument::Argument;
use super::vocabulary::METRIC_TYPES;
use crate::error::DomainError;

/// The labels of a measurement, fitting their columns and rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NewMetric<'a> {
    pub(crate) name: &'a str,
    pub(crate) component: Option<&'a str>,
    pub(crate) metric_type: &'static str,
}

/// `system_metrics.metric_name` and `.component` are `varchar(100)`.
const NAME_LENGTH_MAX: usize = 100;

impl<'a> NewMetric<'a> {
    /// Checks the arguments; NULL for the type means `gauge`.
    ///
    /// # Errors
    /// 22004 no name, 22001 too long, 22023 blank name or unknown type.
    pub(crate) fn parse(
        name: Option<&'a str>,
        component: Option<&'a str>,
        metric_type: Option<&str>,
    ) -> Result<Self, DomainError> {
        Ok(Self {
            name: Argument("p_metric_name").name(name, NAME_LENGTH_MAX)?,
            component: Argument("p_component").optional(component, NAME_LENGTH_MAX)?,
            metric_type: METRIC_TYPES
                .pick(Argument("p_metric_type"), metric_type.unwrap_or("gauge"))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_has_its_sqlstate() {
        let refused = |name, component, metric_type| {
            NewMetric::parse(name, component, metric_type).unwrap_err().sqlstate()
        };
        let long = "x".repeat(101);
        assert_eq!(refused(None, None, None), "22004");
        assert_eq!(refused(Some(""), None, None), "22023");
        assert_eq!(refused(Some(&long), None, None), "22001");
        assert_eq!(refused(Some("cpu"), Some(&long), None), "22001");
        assert_eq!(refused(Some("cpu"), None, Some("summary")), "22023");
        assert_eq!(NewMetric::parse(Some("cpu"), None, None).unwrap().metric_type, "gauge");
    }
}
