//! The health of the system as checks with a verdict each, in the form of health+json
//! (draft-inadarei-api-health-check-06). It must not know where the figures come from.

use serde_json::{Map, Value, json};

use super::moment::Moment;

/// How well something is; the worst of all checks is that of the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    Pass,
    Warn,
    Fail,
}

/// One measurement and its verdict.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Check {
    /// Component and measurement, such as `postgresql:connections`.
    name: &'static str,
    observed: Value,
    unit: &'static str,
    verdict: Verdict,
}

/// From where on a number is worrying, and from where on too much.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Limits {
    pub(crate) warn: f64,
    pub(crate) fail: f64,
}

/// All checks of one moment.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct HealthSnapshot {
    pub(crate) at: Moment,
    pub(crate) checks: Vec<Check>,
    /// What could not be looked at, and why.
    pub(crate) notes: Vec<String>,
    /// The version of the tables.
    pub(crate) schema_version: Option<String>,
}

impl Limits {
    /// Worrying from `warn` on, but never too much.
    pub(crate) const fn warn(warn: f64) -> Self {
        Self { warn, fail: f64::INFINITY }
    }

    pub(crate) const fn new(warn: f64, fail: f64) -> Self {
        Self { warn, fail }
    }

    /// No amount is worrying.
    pub(crate) const NONE: Self = Self { warn: f64::INFINITY, fail: f64::INFINITY };

    fn verdict(self, value: f64) -> Verdict {
        if value >= self.fail {
            Verdict::Fail
        } else if value >= self.warn {
            Verdict::Warn
        } else {
            Verdict::Pass
        }
    }
}

impl Verdict {
    /// The word of the draft.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }

    /// The word of `get_system_health`.
    pub(crate) fn as_health_status(self) -> &'static str {
        match self {
            Self::Pass => "healthy",
            Self::Warn => "degraded",
            Self::Fail => "unhealthy",
        }
    }
}

impl Check {
    /// A number against its limits.
    pub(crate) fn number(
        name: &'static str,
        value: f64,
        unit: &'static str,
        limits: Limits,
    ) -> Self {
        let rounded = (value * 100.0).round() / 100.0;
        let whole = rounded.fract() == 0.0 && rounded.abs() < 1e15;
        let observed = if whole { json!(rounded as i64) } else { json!(rounded) };
        Self { name, observed, unit, verdict: limits.verdict(value) }
    }

    fn to_json(&self, at: &str) -> Value {
        let component_type = match self.name.split(':').next() {
            Some("postgresql") => "datastore",
            Some("host") => "system",
            _ => "component",
        };
        json!([{
            "componentType": component_type,
            "observedValue": self.observed,
            "observedUnit": self.unit,
            "status": self.verdict.as_str(),
            "time": at,
        }])
    }
}

impl HealthSnapshot {
    /// The worst verdict.
    pub(crate) fn verdict(&self) -> Verdict {
        self.checks.iter().map(|check| check.verdict).max().unwrap_or(Verdict::Pass)
    }

    /// The document with every check.
    pub(crate) fn to_json(&self) -> Value {
        self.document(|_| true)
    }

    /// The document with the checks alone that do not pass.
    pub(crate) fn to_brief_json(&self) -> Value {
        self.document(|check| check.verdict != Verdict::Pass)
    }

    fn document(&self, shown: impl Fn(&Check) -> bool) -> Value {
        let at = self.at.to_rfc3339();
        let checks: Map<String, Value> = self
            .checks
            .iter()
            .filter(|check| shown(check))
            .map(|check| (check.name.to_owned(), check.to_json(&at)))
            .collect();
        json!({
            "status": self.verdict().as_str(),
            "version": env!("CARGO_PKG_VERSION"),
            "releaseId": self.schema_version,
            "serviceId": "taskmaster",
            "description": "health of the database and of the work in it",
            "notes": self.notes,
            "checks": checks,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(values: &[f64]) -> HealthSnapshot {
        let limits = Limits::new(80.0, 100.0);
        let names = ["postgresql:connections", "host:memory"];
        let checks = names.iter().zip(values);
        HealthSnapshot {
            at: Moment(0),
            checks: checks
                .map(|(name, value)| Check::number(name, *value, "percent", limits))
                .collect(),
            notes: Vec::new(),
            schema_version: Some("0011".into()),
        }
    }

    #[test]
    fn the_whole_is_as_bad_as_its_worst_part() {
        assert_eq!(snapshot(&[]).verdict(), Verdict::Pass);
        assert_eq!(snapshot(&[79.9, 10.0]).verdict(), Verdict::Pass);
        assert_eq!(snapshot(&[80.0, 10.0]).verdict(), Verdict::Warn);
        assert_eq!(snapshot(&[80.0, 100.0]).verdict(), Verdict::Fail);
        assert_eq!(Limits::warn(5.0).verdict(1e300), Verdict::Warn);
        assert_eq!(Limits::NONE.verdict(1e300), Verdict::Pass);
    }

    #[test]
    fn the_document_has_the_shape_of_the_draft() {
        let document = snapshot(&[12.0, 85.123]).to_json();
        assert_eq!(document["status"], "warn");
        let expected = json!([{
            "componentType": "system", "observedValue": 85.12, "observedUnit": "percent",
            "status": "warn", "time": "2000-01-01T00:00:00Z"
        }]);
        assert_eq!(document["checks"]["host:memory"], expected);
        assert_eq!(document["checks"]["postgresql:connections"][0]["observedValue"], 12);
    }

    #[test]
    fn the_brief_one_shows_what_is_wrong() {
        let brief = snapshot(&[12.0, 85.0]).to_brief_json();
        let shown: Vec<_> = brief["checks"].as_object().unwrap().keys().collect();
        assert_eq!(shown, ["host:memory"]);
    }
}
