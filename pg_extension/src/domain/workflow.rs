//! A workflow as its creator describes it, and one report about a step of it. It must not know
//! how workflows are stored.

use std::collections::BTreeSet;

use serde_json::Value;

use super::argument::Argument;
use super::vocabulary::{Vocabulary, WORKFLOW_TYPES};
use crate::error::{DomainError, WorkflowError};

/// The arguments of `create_workflow` as SQL passed them.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct WorkflowArguments<'a> {
    pub(crate) workflow_type: Option<&'a str>,
    pub(crate) total_steps: Option<i32>,
    pub(crate) timeout_minutes: Option<i32>,
    pub(crate) steps: Option<&'a Value>,
    pub(crate) max_retries: Option<i32>,
    pub(crate) idempotency_key: Option<&'a str>,
}

/// A workflow whose arguments fit their rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewWorkflow<'a> {
    pub(crate) workflow_type: &'static str,
    pub(crate) total_steps: i32,
    pub(crate) timeout_minutes: i32,
    /// The names of its steps, each once, in order; none when they are not known.
    pub(crate) steps: Vec<&'a str>,
    pub(crate) max_retries: i32,
    pub(crate) idempotency_key: Option<&'a str>,
}

/// A report about one step whose arguments fit their rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StepReport<'a> {
    pub(crate) name: &'a str,
    pub(crate) status: StepStatus,
    pub(crate) error_message: Option<&'a str>,
    /// Which attempt the reporter worked on, if it says so.
    pub(crate) expected_attempt: Option<i32>,
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
const STEPS_MAX: usize = 1000;
const RETRIES_DEFAULT: i32 = 3;
const RETRIES_MAX: i32 = 1000;
const KEY_LENGTH_MAX: usize = 255;

impl<'a> NewWorkflow<'a> {
    /// Checks the arguments; NULL means the default of the SQL signature.
    ///
    /// # Errors
    /// 22023 for an unknown type, a negative number of steps, a timeout outside 1 to 1440 minutes,
    /// steps that are no list of names or not as many as announced, retries outside 0 to 1000, a
    /// blank key; 22001 for a type, name or key no column could hold.
    pub(crate) fn parse(arguments: WorkflowArguments<'a>) -> Result<Self, DomainError> {
        let kind = arguments.workflow_type.unwrap_or("standard");
        let total = arguments.total_steps.unwrap_or(0);
        let total = Argument("p_total_steps").within(total, 0, i32::MAX)?;
        let timeout = arguments.timeout_minutes.unwrap_or(60);
        let key = Argument("p_idempotency_key");
        let retries = arguments.max_retries.unwrap_or(RETRIES_DEFAULT);
        let workflow = Self {
            workflow_type: WORKFLOW_TYPES.pick(Argument("p_workflow_type"), kind)?,
            total_steps: total,
            timeout_minutes: Argument("p_timeout_minutes").within(
                timeout,
                1,
                TIMEOUT_MINUTES_MAX,
            )?,
            steps: arguments.steps.map_or_else(|| Ok(Vec::new()), parse_steps)?,
            max_retries: Argument("p_max_retries").within(retries, 0, RETRIES_MAX)?,
            idempotency_key: arguments
                .idempotency_key
                .map(|value| key.name(Some(value), KEY_LENGTH_MAX))
                .transpose()?,
        };
        workflow.with_total_of_steps()
    }

    /// Steps that are named need not be counted by the caller, and may not be otherwise.
    fn with_total_of_steps(mut self) -> Result<Self, DomainError> {
        let named = self.steps.len();
        let count = i32::try_from(named).unwrap_or(i32::MAX);
        if named == 0 || count == self.total_steps {
            return Ok(self);
        }
        if self.total_steps != 0 {
            return Err(WorkflowError::TotalDiffers { total: self.total_steps, named }.into());
        }
        self.total_steps = count;
        Ok(self)
    }
}

/// The names of `p_steps`: a list of texts, or of objects with a `name`.
fn parse_steps(steps: &Value) -> Result<Vec<&str>, DomainError> {
    let bad = |reason: String| DomainError::from(WorkflowError::BadSteps { reason });
    let steps = steps.as_array().ok_or_else(|| bad("it is not an array".into()))?;
    if steps.len() > STEPS_MAX {
        return Err(bad(format!("it has {} elements, at most {STEPS_MAX} fit", steps.len())));
    }
    let mut names = Vec::with_capacity(steps.len());
    let mut seen = BTreeSet::new();
    for (index, step) in steps.iter().enumerate() {
        let name = step.as_str().or_else(|| step.get("name")?.as_str());
        let name = name.ok_or_else(|| bad(format!("element {index} has no name")))?;
        let name = Argument("p_steps").name(Some(name), STEP_NAME_LENGTH_MAX)?;
        if !seen.insert(name) {
            return Err(bad(format!("\"{name}\" stands there twice")));
        }
        names.push(name);
    }
    Ok(names)
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
        expected_attempt: Option<i32>,
    ) -> Result<Self, DomainError> {
        Ok(Self {
            name: Argument("p_step_name").name(name, STEP_NAME_LENGTH_MAX)?,
            status: StepStatus::parse(status)?,
            error_message,
            expected_attempt: expected_attempt
                .map(|attempt| Argument("p_expected_attempt").within(attempt, 1, i32::MAX))
                .transpose()?,
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
    use serde_json::json;

    use super::*;

    #[test]
    fn step_words_and_variants_agree() {
        for (status, word) in StepStatus::ALL.into_iter().zip(STEP_STATUSES.words()) {
            assert_eq!(StepStatus::parse(Some(word)), Ok(status));
        }
    }

    fn workflow(arguments: WorkflowArguments<'_>) -> Result<NewWorkflow<'_>, DomainError> {
        NewWorkflow::parse(arguments)
    }

    #[test]
    fn workflow_defaults_are_those_of_the_signature() {
        let expected = NewWorkflow {
            workflow_type: "standard",
            total_steps: 0,
            timeout_minutes: 60,
            steps: Vec::new(),
            max_retries: 3,
            idempotency_key: None,
        };
        assert_eq!(workflow(WorkflowArguments::default()), Ok(expected));
    }

    #[test]
    fn named_steps_are_counted() {
        let steps = json!(["build", {"name": "test", "note": 1}]);
        let arguments = WorkflowArguments { steps: Some(&steps), ..WorkflowArguments::default() };
        let workflow = NewWorkflow::parse(arguments).unwrap();
        assert_eq!((workflow.steps, workflow.total_steps), (vec!["build", "test"], 2));
        let differing = WorkflowArguments { total_steps: Some(3), ..arguments };
        assert_eq!(NewWorkflow::parse(differing).unwrap_err().sqlstate(), "22023");
    }

    #[test]
    fn steps_that_are_no_names_are_refused() {
        for steps in [
            json!({}),
            json!("a"),
            json!([1]),
            json!([" "]),
            json!(["a", "a"]),
            json!([{"n": "a"}]),
            json!(vec!["x"; 1001]),
        ] {
            let arguments =
                WorkflowArguments { steps: Some(&steps), ..WorkflowArguments::default() };
            assert_eq!(workflow(arguments).unwrap_err().sqlstate(), "22023", "{steps}");
        }
    }

    #[test]
    fn each_rule_refuses() {
        let refused = |arguments| workflow(arguments).unwrap_err().sqlstate();
        let given = WorkflowArguments::default();
        let long = "k".repeat(256);
        assert_eq!(refused(WorkflowArguments { workflow_type: Some("nightly"), ..given }), "22023");
        assert_eq!(refused(WorkflowArguments { total_steps: Some(-1), ..given }), "22023");
        assert_eq!(refused(WorkflowArguments { timeout_minutes: Some(0), ..given }), "22023");
        assert_eq!(refused(WorkflowArguments { timeout_minutes: Some(1441), ..given }), "22023");
        assert_eq!(refused(WorkflowArguments { max_retries: Some(-1), ..given }), "22023");
        assert_eq!(refused(WorkflowArguments { idempotency_key: Some(""), ..given }), "22023");
        assert_eq!(refused(WorkflowArguments { idempotency_key: Some(&long), ..given }), "22001");
        let step = |name, status, attempt| {
            StepReport::parse(name, status, None, attempt).unwrap_err().sqlstate()
        };
        assert_eq!(step(Some(" "), Some("failed"), None), "22023");
        assert_eq!(step(Some("a"), Some("done"), None), "22023");
        assert_eq!(step(Some("a"), None, None), "22004");
        assert_eq!(step(Some("a"), Some("failed"), Some(0)), "22023");
    }
}
