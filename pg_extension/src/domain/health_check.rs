//! One health check of an integration as whoever made it reports it. It must not know what checks
//! add up to.

use std::borrow::Cow;

use super::argument::Argument;
use super::breaker::{Breaker, Health};
use super::redaction::redact_text;
use crate::error::DomainError;

/// A check whose arguments fit their rules, its error without secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HealthCheck<'a> {
    pub(crate) passed: bool,
    pub(crate) response_time_ms: Option<i32>,
    pub(crate) error: Option<Cow<'a, str>>,
}

const ERROR_LENGTH_MAX: usize = 4000;

impl<'a> HealthCheck<'a> {
    /// Checks the arguments.
    ///
    /// # Errors
    /// 22004 no outcome, 22023 a negative duration.
    pub(crate) fn parse(
        passed: Option<bool>,
        response_time_ms: Option<i32>,
        error: Option<&'a str>,
    ) -> Result<Self, DomainError> {
        let duration = Argument("p_response_time_ms");
        Ok(Self {
            passed: Argument("p_ok").required(passed)?,
            response_time_ms: response_time_ms
                .map(|millis| duration.within(millis, 0, i32::MAX))
                .transpose()?,
            error: error.map(|error| shortened(redact_text(error))),
        })
    }

    /// `external_integrations.health_status` after this check.
    pub(crate) fn status(&self, health: &Health) -> &'static str {
        let error = self.error.as_deref().unwrap_or_default().to_ascii_lowercase();
        let timed_out = error.contains("timeout") || error.contains("timed out");
        let is_down = health.breaker != Breaker::Closed;
        if is_down && !self.passed && timed_out { "timeout" } else { health.status() }
    }
}

fn shortened(text: Cow<'_, str>) -> Cow<'_, str> {
    match text.char_indices().nth(ERROR_LENGTH_MAX) {
        Some((end, _)) => Cow::Owned(format!("{}...", &text[..end])),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::moment::Moment;

    #[test]
    fn errors_are_kept_short_and_without_secrets() {
        let long = format!("token=abc {}", "é".repeat(5000));
        let check = HealthCheck::parse(Some(false), Some(1), Some(&long)).unwrap();
        let error = check.error.unwrap();
        assert!(error.starts_with("token=[redacted] é") && error.ends_with("é..."));
        assert_eq!(error.chars().count(), ERROR_LENGTH_MAX + 3);
    }

    #[test]
    fn each_rule_has_its_sqlstate() {
        let refused =
            |passed, millis| HealthCheck::parse(passed, millis, None).unwrap_err().sqlstate();
        assert_eq!(refused(None, None), "22004");
        assert_eq!(refused(Some(true), Some(-1)), "22023");
    }

    #[test]
    fn a_service_that_is_down_because_it_does_not_answer_is_said_to() {
        let check = HealthCheck::parse(Some(false), None, Some("Timed out after 5 s")).unwrap();
        let mut health = Health::default();
        assert_eq!(check.status(&health), "unknown");
        for _ in 0..3 {
            health = health.after_check(false, Moment(0));
        }
        assert_eq!(check.status(&health), "timeout");
        let refused = HealthCheck::parse(Some(false), None, Some("refused")).unwrap();
        assert_eq!(refused.status(&health), "unhealthy");
    }
}
