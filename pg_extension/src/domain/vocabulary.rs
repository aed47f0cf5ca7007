//! Closed lists of words an argument may hold. It must not know what the words mean.

use std::fmt;

use super::argument::Argument;
use crate::error::DomainError;

/// Words an argument or a column may hold, in the order messages list them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Vocabulary(pub(crate) &'static [&'static str]);

/// `tasks.type`.
pub(crate) const TASK_TYPES: Vocabulary = Vocabulary(&[
    "general",
    "bug_fix",
    "feature",
    "enhancement",
    "refactor",
    "documentation",
    "test",
    "deployment",
]);

/// `workflows.workflow_type`.
pub(crate) const WORKFLOW_TYPES: Vocabulary =
    Vocabulary(&["standard", "hotfix", "rollback", "deployment", "validation", "cleanup"]);

/// `system_metrics.metric_type`.
pub(crate) const METRIC_TYPES: Vocabulary = Vocabulary(&["gauge", "counter", "histogram", "timer"]);

/// What `metric_series` says about a bucket, besides percentiles.
pub(crate) const SERIES_AGGREGATES: Vocabulary =
    Vocabulary(&["avg", "sum", "min", "max", "count", "last", "increase", "rate"]);

/// The sections of `openmetrics`.
pub(crate) const SECTIONS: Vocabulary =
    Vocabulary(&["tasks", "workflows", "metrics", "integrations", "pg"]);

/// `api_access_logs.method`: the methods of RFC 9110, and PATCH of RFC 5789.
pub(crate) const METHODS: Vocabulary =
    Vocabulary(&["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"]);

/// The longest word a column of `varchar(50)` can hold.
const WORD_LENGTH_MAX: usize = 50;

impl Vocabulary {
    /// The words themselves.
    pub(crate) fn words(self) -> &'static [&'static str] {
        self.0
    }

    /// The word equal to `value`, or 22001 when it could not be one, or 22023.
    pub(crate) fn pick(self, argument: Argument, value: &str) -> Result<&'static str, DomainError> {
        argument.bounded(value, WORD_LENGTH_MAX)?;
        let word = self.0.iter().find(|word| **word == value).copied();
        word.ok_or_else(|| self.unknown(argument, value))
    }

    /// The refusal of `value`, which the caller has bounded.
    pub(crate) fn unknown(self, argument: Argument, value: &str) -> DomainError {
        DomainError::UnknownWord { argument: argument.0, value: value.into(), allowed: self }
    }
}

impl fmt::Display for Vocabulary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn picks_only_its_own_words() {
        let argument = Argument("p_metric_type");
        assert_eq!(METRIC_TYPES.pick(argument, "timer"), Ok("timer"));
        let error = METRIC_TYPES.pick(argument, "Timer").unwrap_err();
        assert_eq!(error.to_string(), "\"Timer\" is not a value of p_metric_type");
        assert_eq!(error.hint(), "Known values: gauge, counter, histogram, timer.");
        assert_eq!(METRIC_TYPES.pick(argument, &"x".repeat(51)).unwrap_err().sqlstate(), "22001");
    }
}
