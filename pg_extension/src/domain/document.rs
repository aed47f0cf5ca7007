//! JSON documents that callers send: bounded in size and depth before anybody looks into them, and
//! checked for the shapes that columns need. It must not know which function took a document.

use serde_json::{Map, Value};

use crate::error::{DomainError, TaskRefusal};

/// The most entries that a list of texts (files, tags) may have.
const TEXTS_MAX: usize = 1_000;

/// The longest entry of such a list, in characters.
const TEXT_LENGTH_MAX: usize = 1_024;

/// The document in `text`, which PostgreSQL has made of a `jsonb`.
///
/// # Errors
/// 54000 larger than `bytes_max`, 54001 nested more than 127 levels, 22023 a number that does not
/// fit.
pub(crate) fn parse(
    argument: &'static str,
    text: &str,
    bytes_max: usize,
) -> Result<Value, DomainError> {
    require_size(argument, text.len(), bytes_max)?;
    serde_json::from_str(text).map_err(|error| {
        let reason = error.to_string();
        if reason.starts_with("recursion limit") {
            return TaskRefusal::TooDeep { argument }.into();
        }
        TaskRefusal::Unreadable { argument, reason }.into()
    })
}

/// 54000 when a document is larger than `bytes_max`.
pub(crate) fn require_size(
    argument: &'static str,
    size: usize,
    size_max: usize,
) -> Result<(), DomainError> {
    if size > size_max {
        return Err(TaskRefusal::TooLarge { argument, size, size_max, unit: "bytes" }.into());
    }
    Ok(())
}

/// 22023 when `value` is not a list of texts; 54000 and 22001 when there are too many or one is too
/// long.
pub(crate) fn require_texts(argument: &'static str, value: &Value) -> Result<(), DomainError> {
    let wrong = TaskRefusal::WrongShape { argument, expected: "a JSON array of texts" };
    let Some(list) = value.as_array() else { return Err(wrong.into()) };
    if list.len() > TEXTS_MAX {
        let (size, size_max) = (list.len(), TEXTS_MAX);
        return Err(TaskRefusal::TooLarge { argument, size, size_max, unit: "entries" }.into());
    }
    for entry in list {
        let Some(text) = entry.as_str() else { return Err(wrong.into()) };
        super::argument::Argument(argument).bounded(text, TEXT_LENGTH_MAX)?;
    }
    Ok(())
}

/// The object in `value`, or 22023.
pub(crate) fn require_object<'a>(
    argument: &'static str,
    value: &'a Value,
) -> Result<&'a Map<String, Value>, DomainError> {
    value.as_object().ok_or(DomainError::NotAnObject { argument })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn size_depth_and_numbers_are_bounded() {
        let refuse = |text: &str| parse("p_tasks", text, 300).unwrap_err().sqlstate();
        assert_eq!(refuse(&"1".repeat(301)), "54000");
        assert_eq!(refuse(&format!("{}{}", "[".repeat(128), "]".repeat(128))), "54001");
        assert_eq!(refuse("1e999"), "22023");
        assert_eq!(parse("p_tasks", "[1]", 300), Ok(json!([1])));
    }

    #[test]
    fn lists_of_texts_hold_texts() {
        let refuse = |value: Value| require_texts("p_tags", &value).unwrap_err().sqlstate();
        assert_eq!(refuse(json!({})), "22023");
        assert_eq!(refuse(json!(["a", 1])), "22023");
        assert_eq!(refuse(json!(["x".repeat(1025)])), "22001");
        assert_eq!(refuse(json!(vec!["x"; 1001])), "54000");
        assert!(require_texts("p_tags", &json!(["a", "b"])).is_ok());
    }
}
