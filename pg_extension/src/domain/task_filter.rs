//! Which tasks a caller means, as a JSON object. It must not know what is done with them.

use serde_json::Value;

use super::argument::Argument;
use super::document::{require_object, require_texts};
use super::task_field::is_uuid;
use super::task_status::TaskStatus;
use super::vocabulary::TASK_TYPES;
use crate::error::{DomainError, TaskRefusal};

/// A checked filter; what is not given does not filter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TaskFilter {
    pub(crate) ids: Option<Vec<String>>,
    pub(crate) status: Option<&'static str>,
    pub(crate) task_type: Option<&'static str>,
    pub(crate) assigned_to: Option<String>,
    pub(crate) parent_task_id: Option<String>,
    /// A JSON array of texts, all of which a task must have.
    pub(crate) tags: Option<String>,
}

const KEYS: [&str; 6] = ["ids", "status", "type", "assigned_to", "parent_task_id", "tags"];

const ARGUMENT: &str = "p_filter";

impl TaskFilter {
    /// Checks the document.
    ///
    /// # Errors
    /// 22023 not an object, an unknown key, or a value that is none of the key's; 54000 too many
    /// ids or tags.
    pub(crate) fn parse(document: &Value) -> Result<Self, DomainError> {
        let mut filter = Self::default();
        for (key, value) in require_object(ARGUMENT, document)? {
            match key.as_str() {
                "ids" => filter.ids = Some(ids(value)?),
                "status" => {
                    let status = TaskStatus::parse(Argument("status"), Some(text(value)?))?;
                    filter.status = Some(status.as_str());
                }
                "type" => filter.task_type = Some(TASK_TYPES.pick(Argument("type"), text(value)?)?),
                "assigned_to" => filter.assigned_to = Some(text(value)?.to_owned()),
                "parent_task_id" => filter.parent_task_id = Some(id(value)?),
                "tags" => {
                    require_texts("tags", value)?;
                    filter.tags = Some(value.to_string());
                }
                _ => {
                    let (key, allowed) = (key.chars().take(100).collect(), KEYS.to_vec());
                    return Err(TaskRefusal::UnknownKey { argument: ARGUMENT, key, allowed }.into());
                }
            }
        }
        Ok(filter)
    }
}

fn ids(value: &Value) -> Result<Vec<String>, DomainError> {
    require_texts("ids", value)?;
    value.as_array().into_iter().flatten().map(id).collect()
}

fn id(value: &Value) -> Result<String, DomainError> {
    let id = text(value)?;
    let wrong = TaskRefusal::WrongShape { argument: ARGUMENT, expected: "UUIDs as ids" };
    if is_uuid(id) { Ok(id.to_owned()) } else { Err(wrong.into()) }
}

fn text(value: &Value) -> Result<&str, DomainError> {
    let wrong = TaskRefusal::WrongShape { argument: ARGUMENT, expected: "texts as values" };
    value.as_str().ok_or(wrong.into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_given_filters() {
        let filter = TaskFilter::parse(&json!({ "status": "done", "tags": ["a"], "type": "test" }));
        let expected = TaskFilter {
            status: Some("completed"),
            tags: Some("[\"a\"]".into()),
            task_type: Some("test"),
            ..TaskFilter::default()
        };
        assert_eq!(filter, Ok(expected));
    }

    #[test]
    fn what_is_no_filter_is_refused() {
        for document in [
            json!([]),
            json!({ "titel": "x" }),
            json!({ "status": "x" }),
            json!({ "ids": ["x"] }),
            json!({ "assigned_to": 1 }),
        ] {
            let error = TaskFilter::parse(&document).unwrap_err();
            assert_eq!(error.sqlstate(), "22023", "{document}");
        }
    }
}
