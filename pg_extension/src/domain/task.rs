//! A task as its creator describes it. It must not know how tasks are stored or change.

use super::argument::{Argument, is_blank};
use super::vocabulary::TASK_TYPES;
use crate::error::DomainError;

/// The scalar arguments of `create_task` as SQL passed them.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct TaskArguments<'a> {
    pub(crate) title: Option<&'a str>,
    pub(crate) description: Option<&'a str>,
    pub(crate) task_type: Option<&'a str>,
    pub(crate) priority: Option<i32>,
    pub(crate) assigned_to: Option<&'a str>,
}

/// A task whose arguments fit their columns and rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NewTask<'a> {
    pub(crate) title: &'a str,
    pub(crate) description: Option<&'a str>,
    pub(crate) task_type: &'static str,
    pub(crate) priority: i32,
    pub(crate) assigned_to: Option<&'a str>,
}

/// `tasks.title` and `tasks.assigned_to` are `varchar(255)`.
const NAME_LENGTH_MAX: usize = 255;

impl<'a> NewTask<'a> {
    /// Checks the arguments; NULL for one that has a default means the default.
    ///
    /// # Errors
    /// 22004 no title, 22001 too long, 23514 blank title or priority outside 0 to 10, 22023
    /// unknown type.
    pub(crate) fn parse(arguments: TaskArguments<'a>) -> Result<Self, DomainError> {
        Ok(Self {
            title: parse_title(arguments.title)?,
            description: arguments.description,
            task_type: TASK_TYPES
                .pick(Argument("p_type"), arguments.task_type.unwrap_or("general"))?,
            priority: parse_priority(arguments.priority.unwrap_or(0))?,
            assigned_to: Argument("p_assigned_to")
                .optional(arguments.assigned_to, NAME_LENGTH_MAX)?,
        })
    }
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
