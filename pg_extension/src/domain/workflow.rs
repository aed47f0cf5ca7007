//! A workflow as its creator describes it, and one report about a step of it. It must not know
//! how workflows are stored.

use super::argument::Argument;
use super::vocabulary::{Vocabulary, WORKFLOW_TYPES};
use crate::error::DomainError;

/// A workflow whose arguments fit their rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NewWorkflow {
    pub(crate) workflow_type: &'static str,
    pub(crate) total_steps: i32,
    pub(crate) timeout_minutes: i32,
}

/// A report about one step whose arguments fit their rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StepReport<'a> {
    pub(crate) name: &'a str,
    pub(crate) status: StepStatus,
    pub(crate) error_message: Option<&'a str>,
}

/// Where a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StepStatus {
    Pending,
    Running,
    Completed,
    Failed,
    Skipped,
}

const STEP_STATUSES: Vocabulary =
    Vocabulary(&["pending", "running", "completed", "failed", "skipped"]);

/// `workflows.current_step` is `varchar(100)`.
const STEP_NAME_LENGTH_MAX: usize = 100;

const TIMEOUT_MINUTES_MAX: i32 = 1440;

impl NewWorkflow {
    /// Checks the arguments; NULL means the default of the SQL signature.
    ///
    /// # Errors
    /// 22023 for an unknown type, a negative number of steps or a timeout outside 1 to 1440
    /// minutes; 22001 for a type no column could hold.
    pub(crate) fn parse(
        workflow_type: Option<&str>,
        total_steps: Option<i32>,
        timeout_minutes: Option<i32>,
    ) -> Result<Self, DomainError> {
        Ok(Self {
            workflow_type: WORKFLOW_TYPES
                .pick(Argument("p_workflow_type"), workflow_type.unwrap_or("standard"))?,
            total_steps: Argument("p_total_steps").within(total_steps.unwrap_or(0), 0, i32::MAX)?,
            timeout_minutes: Argument("p_timeout_minutes").within(
                timeout_minutes.unwrap_or(60),
                1,
                TIMEOUT_MINUTES_MAX,
            )?,
        })
    }
}

impl<'a> StepReport<'a> {
    /// Checks the arguments.
    ///
    /// # Errors
    /// 22004 for a missing name or status, 22001 too long, 22023 blank name or unknown status.
    pub(crate) fn parse(
        name: Option<&'a str>,
        status: Option<&str>,
        error_message: Option<&'a str>,
    ) -> Result<Self, DomainError> {
        Ok(Self {
            name: Argument("p_step_name").name(name, STEP_NAME_LENGTH_MAX)?,
            status: StepStatus::parse(status)?,
            error_message,
        })
    }
}

impl StepStatus {
    const ALL: [Self; 5] =
        [Self::Pending, Self::Running, Self::Completed, Self::Failed, Self::Skipped];

    /// The stored spelling.
    pub(crate) fn as_str(self) -> &'static str {
        STEP_STATUSES.words()[self as usize]
    }

    /// Whether the step counts towards the workflow's total.
    pub(crate) fn is_finished(self) -> bool {
        matches!(self, Self::Completed | Self::Skipped)
    }

    fn parse(value: Option<&str>) -> Result<Self, DomainError> {
        let argument = Argument("p_step_status");
        let word = STEP_STATUSES.pick(argument, argument.required(value)?)?;
        let status = Self::ALL.into_iter().find(|status| status.as_str() == word);
        status.ok_or_else(|| STEP_STATUSES.unknown(argument, word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn step_words_and_variants_agree() {
        for (status, word) in StepStatus::ALL.into_iter().zip(STEP_STATUSES.words()) {
            assert_eq!(StepStatus::parse(Some(word)), Ok(status));
        }
    }

    #[test]
    fn workflow_defaults_are_those_of_the_signature() {
        let workflow = NewWorkflow::parse(None, None, None).unwrap();
        assert_eq!(
            workflow,
            NewWorkflow { workflow_type: "standard", total_steps: 0, timeout_minutes: 60 }
        );
    }

    #[test]
    fn each_rule_refuses() {
        let refused = |workflow_type, steps, timeout| {
            NewWorkflow::parse(workflow_type, steps, timeout).unwrap_err().sqlstate()
        };
        assert_eq!(refused(Some("nightly"), None, None), "22023");
        assert_eq!(refused(None, Some(-1), None), "22023");
        assert_eq!(refused(None, None, Some(0)), "22023");
        assert_eq!(refused(None, None, Some(1441)), "22023");
        assert_eq!(
            StepReport::parse(Some(" "), Some("failed"), None).unwrap_err().sqlstate(),
            "22023"
        );
        assert_eq!(
            StepReport::parse(Some("a"), Some("done"), None).unwrap_err().sqlstate(),
            "22023"
        );
        assert_eq!(StepReport::parse(Some("a"), None, None).unwrap_err().sqlstate(), "22004");
    }
}
