//! A task as its creator describes it. It must not know how tasks are stored or change.

use super::argument::{Argument, is_blank};
use super::vocabulary::TASK_TYPES;
use crate::error::{DomainError, TaskRefusal};

/// The scalar arguments of `create_task` as SQL passed them.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct TaskArguments<'a> {
    pub(crate) title: Option<&'a str>,
    pub(crate) description: Option<&'a str>,
    pub(crate) task_type: Option<&'a str>,
    pub(crate) priority: Option<i32>,
    pub(crate) assigned_to: Option<&'a str>,
    pub(crate) complexity_score: Option<i32>,
    pub(crate) repository_url: Option<&'a str>,
    pub(crate) branch_name: Option<&'a str>,
    pub(crate) idempotency_key: Option<&'a str>,
    pub(crate) max_attempts: Option<i32>,
    pub(crate) linear_issue_id: Option<&'a str>,
    pub(crate) github_issue_number: Option<i32>,
}

/// A task whose arguments fit their columns and rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NewTask<'a> {
    pub(crate) title: &'a str,
    pub(crate) description: Option<&'a str>,
    pub(crate) task_type: &'static str,
    pub(crate) priority: i32,
    pub(crate) assigned_to: Option<&'a str>,
    pub(crate) complexity_score: i32,
    pub(crate) repository_url: Option<&'a str>,
    pub(crate) branch_name: Option<&'a str>,
    pub(crate) idempotency_key: Option<&'a str>,
    pub(crate) max_attempts: i32,
    pub(crate) linear_issue_id: Option<&'a str>,
    pub(crate) github_issue_number: Option<i32>,
}

/// `tasks.title`, `assigned_to`, `branch_name` and `linear_issue_id` are `varchar(255)`.
const NAME_LENGTH_MAX: usize = 255;

/// `tasks.repository_url` is `varchar(500)`.
const URL_LENGTH_MAX: usize = 500;

impl<'a> NewTask<'a> {
    /// Checks the arguments; NULL for one that has a default means the default.
    ///
    /// # Errors
    /// 22004 no title, 22001 too long, 23514 blank title or a number out of its range, 22023
    /// unknown type or blank key.
    pub(crate) fn parse(arguments: TaskArguments<'a>) -> Result<Self, DomainError> {
        let key = arguments.idempotency_key;
        Ok(Self {
            title: parse_title(arguments.title)?,
            description: arguments.description,
            task_type: TASK_TYPES
                .pick(Argument("p_type"), arguments.task_type.unwrap_or("general"))?,
            priority: parse_priority(arguments.priority.unwrap_or(0))?,
            assigned_to: Argument("p_assigned_to")
                .optional(arguments.assigned_to, NAME_LENGTH_MAX)?,
            complexity_score: parse_complexity(arguments.complexity_score.unwrap_or(5))?,
            repository_url: Argument("p_repository_url")
                .optional(arguments.repository_url, URL_LENGTH_MAX)?,
            branch_name: Argument("p_branch_name")
                .optional(arguments.branch_name, NAME_LENGTH_MAX)?,
            idempotency_key: key
                .map(|key| Argument("p_idempotency_key").name(Some(key), NAME_LENGTH_MAX))
                .transpose()?,
            max_attempts: parse_attempts(arguments.max_attempts.unwrap_or(3))?,
            linear_issue_id: Argument("p_linear_issue_id")
                .optional(arguments.linear_issue_id, NAME_LENGTH_MAX)?,
            github_issue_number: arguments.github_issue_number.map(parse_issue).transpose()?,
        })
    }
}

fn parse_complexity(value: i32) -> Result<i32, DomainError> {
    within("p_complexity_score", value, (1, 10), "tasks_complexity_score_check")
}

fn parse_attempts(value: i32) -> Result<i32, DomainError> {
    within("p_max_attempts", value, (1, 100), "tasks_max_attempts_check")
}

fn parse_issue(value: i32) -> Result<i32, DomainError> {
    within("p_github_issue_number", value, (1, i32::MAX), "tasks_github_issue_number_check")
}

fn within(
    argument: &'static str,
    value: i32,
    (min, max): (i32, i32),
    constraint: &'static str,
) -> Result<i32, DomainError> {
    if (min..=max).contains(&value) {
        return Ok(value);
    }
    let (value, min, max) = (value.into(), min.into(), max.into());
    Err(TaskRefusal::OutOfCheck { argument, value, min, max, constraint }.into())
}

fn parse_title(title: Option<&str>) -> Result<&str, DomainError> {
    let argument = Argument("p_title");
    let title = argument.bounded(argument.required(title)?, NAME_LENGTH_MAX)?;
    if is_blank(title) {
        return Err(DomainError::BlankTitle);
    }
    Ok(title)
}

fn parse_priority(value: i32) -> Result<i32, DomainError> {
    if (0..=10).contains(&value) {
        return Ok(value);
    }
    Err(DomainError::PriorityOutOfRange { value })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn titled(title: &str) -> TaskArguments<'_> {
        TaskArguments { title: Some(title), ..TaskArguments::default() }
    }

    fn refusal(arguments: TaskArguments<'_>) -> &'static str {
        NewTask::parse(arguments).unwrap_err().sqlstate()
    }

    #[test]
    fn nulls_mean_the_defaults() {
        let task = NewTask::parse(titled("a")).unwrap();
        assert_eq!((task.task_type, task.priority, task.assigned_to), ("general", 0, None));
    }

    #[test]
    fn each_rule_has_its_sqlstate() {
        assert_eq!(refusal(TaskArguments::default()), "22004");
        assert_eq!(refusal(titled(" \n")), "23514");
        assert_eq!(refusal(titled(&"x".repeat(256))), "22001");
        assert_eq!(refusal(TaskArguments { priority: Some(11), ..titled("a") }), "23514");
        assert_eq!(refusal(TaskArguments { priority: Some(-1), ..titled("a") }), "23514");
        assert_eq!(refusal(TaskArguments { task_type: Some("epic"), ..titled("a") }), "22023");
        assert_eq!(refusal(TaskArguments { complexity_score: Some(0), ..titled("a") }), "23514");
        assert_eq!(refusal(TaskArguments { max_attempts: Some(0), ..titled("a") }), "23514");
        assert_eq!(refusal(TaskArguments { github_issue_number: Some(0), ..titled("a") }), "23514");
        assert_eq!(refusal(TaskArguments { idempotency_key: Some(" "), ..titled("a") }), "22023");
    }

    #[test]
    fn the_edges_of_the_ranges_are_allowed() {
        let title = "é".repeat(255);
        for priority in [0, 10] {
            let arguments = TaskArguments { priority: Some(priority), ..titled(&title) };
            assert_eq!(NewTask::parse(arguments).unwrap().priority, priority);
        }
    }
}
