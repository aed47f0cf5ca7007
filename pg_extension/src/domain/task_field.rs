//! What a task may be given by name in a JSON object: the columns, and what fits into each. It must
//! not know whether the object makes a task or changes one.

use serde_json::{Map, Value};

use super::argument::{Argument, is_blank};
use super::document::{require_object, require_texts};
use super::vocabulary::{TASK_TYPES, Vocabulary};
use crate::error::{DomainError, TaskRefusal};

/// A column that callers may write, by its name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    shape: Shape,
    presence: Presence,
}

#[derive(Debug, Clone, Copy)]
enum Shape {
    /// Not blank, as the title.
    Title,
    Text {
        length_max: usize,
    },
    Word(Vocabulary),
    Integer {
        min: i64,
        max: i64,
        constraint: &'static str,
    },
    Hours,
    Texts,
    List,
    Object,
    Id,
    Time,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Presence {
    Nullable,
    Required,
}

const fn field(name: &'static str, shape: Shape) -> Field {
    Field { name, shape, presence: Presence::Nullable }
}

const fn required(name: &'static str, shape: Shape) -> Field {
    Field { name, shape, presence: Presence::Required }
}

const fn integer(name: &'static str, (min, max): (i64, i64), constraint: &'static str) -> Field {
    required(name, Shape::Integer { min, max, constraint })
}

const fn number(name: &'static str, constraint: &'static str) -> Field {
    field(name, Shape::Integer { min: 1, max: i32::MAX as i64, constraint })
}

/// Every field, in the order of messages.
pub(crate) const FIELDS: [Field; 22] = [
    required("title", Shape::Title),
    field("description", Shape::Text { length_max: 1_000_000 }),
    required("type", Shape::Word(TASK_TYPES)),
    integer("priority", (0, 10), "tasks_priority_check"),
    field("assigned_to", Shape::Text { length_max: 255 }),
    field("parent_task_id", Shape::Id),
    required("requirements", Shape::List),
    required("metadata", Shape::Object),
    integer("complexity_score", (1, 10), "tasks_complexity_score_check"),
    required("affected_files", Shape::Texts),
    required("acceptance_criteria", Shape::List),
    required("tags", Shape::Texts),
    field("estimated_hours", Shape::Hours),
    field("actual_hours", Shape::Hours),
    field("repository_url", Shape::Text { length_max: 500 }),
    field("branch_name", Shape::Text { length_max: 255 }),
    number("pr_number", "tasks_pr_number_check"),
    field("linear_issue_id", Shape::Text { length_max: 255 }),
    number("github_issue_number", "tasks_github_issue_number_check"),
    field("codegen_session_id", Shape::Text { length_max: 255 }),
    field("run_after", Shape::Time),
    integer("max_attempts", (1, 100), "tasks_max_attempts_check"),
];

/// Checks each entry of `object` against its field; keys in `others` are for the caller.
///
/// # Errors
/// 22023 unknown key or wrong shape, 22004 null where there must be a value, 22001 too long, 23514
/// out of range or a blank title.
pub(crate) fn check(
    argument: &'static str,
    object: &Map<String, Value>,
    others: &[&'static str],
) -> Result<(), DomainError> {
    for (key, value) in object {
        match FIELDS.iter().find(|field| field.name == key) {
            Some(field) => field.check(value)?,
            None if others.contains(&key.as_str()) => {}
            None => return Err(unknown(argument, key, others)),
        }
    }
    Ok(())
}

fn unknown(argument: &'static str, key: &str, others: &[&'static str]) -> DomainError {
    let allowed = FIELDS.iter().map(|field| field.name).chain(others.iter().copied()).collect();
    // A key may be as long as its document; the message need not be.
    let key = key.chars().take(100).collect();
    TaskRefusal::UnknownKey { argument, key, allowed }.into()
}

impl Field {
    fn check(&self, value: &Value) -> Result<(), DomainError> {
        if value.is_null() {
            return match self.presence {
                Presence::Nullable => Ok(()),
                Presence::Required => Err(DomainError::Null { argument: self.name }),
            };
        }
        match self.shape {
            Shape::Title => self.check_title(value),
            Shape::Text { length_max } => {
                Argument(self.name).bounded(self.text(value)?, length_max).map(|_| ())
            }
            Shape::Word(words) => words.pick(Argument(self.name), self.text(value)?).map(|_| ()),
            Shape::Integer { min, max, constraint } => {
                self.check_integer(value, (min, max), constraint)
            }
            Shape::Hours => self.check_hours(value),
            Shape::Texts => require_texts(self.name, value),
            Shape::List => self.require(value.is_array(), "a JSON array"),
            Shape::Object => require_object(self.name, value).map(|_| ()),
            Shape::Id => self.require(is_uuid(self.text(value)?), "a UUID"),
            Shape::Time => self.text(value).map(|_| ()),
        }
    }

    fn check_title(&self, value: &Value) -> Result<(), DomainError> {
        let title = Argument(self.name).bounded(self.text(value)?, 255)?;
        if is_blank(title) { Err(DomainError::BlankTitle) } else { Ok(()) }
    }

    fn check_integer(
        &self,
        value: &Value,
        (min, max): (i64, i64),
        constraint: &'static str,
    ) -> Result<(), DomainError> {
        self.require(value.as_i64().is_some(), "a whole number")?;
        let value = value.as_i64().unwrap_or_default();
        if (min..=max).contains(&value) {
            return Ok(());
        }
        let argument = self.name;
        Err(TaskRefusal::OutOfCheck { argument, value, min, max, constraint }.into())
    }

    fn check_hours(&self, value: &Value) -> Result<(), DomainError> {
        let hours = value.as_f64().unwrap_or(f64::NAN);
        self.require((0.0..1_000_000.0).contains(&hours), "a number of hours below 1,000,000")
    }

    fn text<'a>(&self, value: &'a Value) -> Result<&'a str, DomainError> {
        let wrong = TaskRefusal::WrongShape { argument: self.name, expected: "a text" };
        value.as_str().ok_or(wrong.into())
    }

    fn require(&self, holds: bool, expected: &'static str) -> Result<(), DomainError> {
        let argument = self.name;
        if holds { Ok(()) } else { Err(TaskRefusal::WrongShape { argument, expected }.into()) }
    }
}

/// Whether `text` is a UUID in its usual form.
pub(crate) fn is_uuid(text: &str) -> bool {
    let is_hyphen = |index| [8, 13, 18, 23].contains(&index);
    text.len() == 36
        && text.bytes().enumerate().all(|(index, byte)| match is_hyphen(index) {
            true => byte == b'-',
            false => byte.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn sqlstate(object: Value) -> &'static str {
        let object = object.as_object().unwrap();
        check("p_patch", object, &["ref"]).map_or_else(|error| error.sqlstate(), |()| "00000")
    }

    #[test]
    fn each_shape_has_its_refusal() {
        for (object, expected) in [
            (json!({ "title": "t", "ref": 1, "priority": 10, "run_after": null }), "00000"),
            (json!({ "title": null }), "22004"),
            (json!({ "title": " " }), "23514"),
            (json!({ "title": 1 }), "22023"),
            (json!({ "title": "x".repeat(256) }), "22001"),
            (json!({ "type": "epic" }), "22023"),
            (json!({ "priority": 11 }), "23514"),
            (json!({ "priority": 1.5 }), "22023"),
            (json!({ "estimated_hours": -1 }), "22023"),
            (json!({ "tags": ["a", 1] }), "22023"),
            (json!({ "metadata": [] }), "22023"),
            (json!({ "parent_task_id": "x" }), "22023"),
            (json!({ "status": "done" }), "22023"),
        ] {
            assert_eq!(sqlstate(object.clone()), expected, "{object}");
        }
    }

    #[test]
    fn an_unknown_key_is_told_the_known_ones() {
        let object = json!({ "titel": "t" });
        let error = check("p_patch", object.as_object().unwrap(), &["ref"]).unwrap_err();
        assert!(error.hint().contains("title, description"), "{}", error.hint());
        assert!(error.hint().ends_with("max_attempts, ref."), "{}", error.hint());
    }
}
