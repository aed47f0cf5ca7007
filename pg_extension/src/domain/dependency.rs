//! That one task waits for another, as its caller words it. It must not know what either is like.

use super::argument::Argument;
use super::task_status::TaskStatus;
use super::vocabulary::Vocabulary;
use crate::error::{DomainError, TaskRefusal};

/// `task_dependencies.dependency_type`.
const DEPENDENCY_TYPES: Vocabulary = Vocabulary(&["blocks", "related"]);

/// The ends that may satisfy a dependency.
const ENDS: Vocabulary = Vocabulary(&["completed", "failed", "cancelled"]);

/// A dependency whose arguments fit their rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewDependency {
    pub(crate) dependency_type: &'static str,
    /// In the order of the statuses, each once.
    pub(crate) satisfied_by: Vec<String>,
}

impl NewDependency {
    /// Checks the arguments; NULL for one that has a default means the default.
    ///
    /// # Errors
    /// 22023 unknown type, or an end that is none; 22004 a null among the ends.
    pub(crate) fn parse(
        dependency_type: Option<&str>,
        satisfied_by: Option<Vec<Option<String>>>,
    ) -> Result<Self, DomainError> {
        let argument = Argument("p_type");
        let dependency_type =
            DEPENDENCY_TYPES.pick(argument, dependency_type.unwrap_or("blocks"))?;
        let words = satisfied_by.unwrap_or_else(|| vec![Some("completed".into())]);
        let ends = words.iter().map(|word| parse_end(word.as_deref()));
        let mut ends = ends.collect::<Result<Vec<_>, _>>()?;
        ends.sort_unstable();
        ends.dedup();
        if ends.is_empty() {
            let (argument, expected) = ("p_satisfied_by", "at least one status");
            return Err(TaskRefusal::WrongShape { argument, expected }.into());
        }
        let satisfied_by = ends.into_iter().map(|end| end.as_str().to_owned()).collect();
        Ok(Self { dependency_type, satisfied_by })
    }
}

fn parse_end(word: Option<&str>) -> Result<TaskStatus, DomainError> {
    let argument = Argument("p_satisfied_by");
    let status = TaskStatus::parse(argument, word)?;
    if status.is_end() { Ok(status) } else { Err(ENDS.unknown(argument, status.as_str())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Vec<String>, DomainError> {
        let words = words.iter().map(|word| Some((*word).to_owned())).collect();
        NewDependency::parse(None, Some(words)).map(|dependency| dependency.satisfied_by)
    }

    #[test]
    fn ends_are_taken_once_and_in_order() {
        assert_eq!(parse(&["cancelled", "done", "completed"]).unwrap(), ["completed", "cancelled"]);
        let default = NewDependency::parse(None, None).unwrap();
        assert_eq!(
            (default.dependency_type, default.satisfied_by),
            ("blocks", vec!["completed".to_owned()])
        );
    }

    #[test]
    fn what_is_no_end_is_refused() {
        assert_eq!(parse(&["in_progress"]).unwrap_err().sqlstate(), "22023");
        assert_eq!(parse(&[]).unwrap_err().sqlstate(), "22023");
        let null = NewDependency::parse(None, Some(vec![None])).unwrap_err();
        assert_eq!(null.sqlstate(), "22004");
        assert_eq!(NewDependency::parse(Some("subtask"), None).unwrap_err().sqlstate(), "22023");
    }
}
