//! What a task waits for outside the database, as its caller words it. It must not know a clock.

use serde_json::Value;

use super::argument::Argument;
use super::document::require_object;
use super::vocabulary::Vocabulary;
use crate::error::{DomainError, TaskRefusal};

/// `task_gates.gate_type`.
const GATE_TYPES: Vocabulary = Vocabulary(&["gh:pr", "gh:run", "timer", "human", "integration"]);

/// A gate whose arguments fit their rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewGate {
    pub(crate) gate_type: &'static str,
    /// When a timer opens, for PostgreSQL to read.
    pub(crate) due_at: Option<String>,
}

impl NewGate {
    /// Checks the type, and that a timer says `until` when.
    ///
    /// # Errors
    /// 22004 no type, 22023 unknown type, not an object, or a timer without a time.
    pub(crate) fn parse(gate_type: Option<&str>, await_: &Value) -> Result<Self, DomainError> {
        let argument = Argument("p_gate_type");
        let gate_type = GATE_TYPES.pick(argument, argument.required(gate_type)?)?;
        let object = require_object("p_await", await_)?;
        let due_at = object.get("until").and_then(Value::as_str).map(str::to_owned);
        match (gate_type, due_at) {
            ("timer", None) => {
                let expected = "an object with the time of a timer, such as {\"until\": \"2031-01-01T00:00:00Z\"}";
                Err(TaskRefusal::WrongShape { argument: "p_await", expected }.into())
            }
            ("timer", due_at) => Ok(Self { gate_type, due_at }),
            (gate_type, _) => Ok(Self { gate_type, due_at: None }),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_timers_have_a_time_and_they_must() {
        let until = json!({ "until": "2031-01-01" });
        let timer = NewGate::parse(Some("timer"), &until).unwrap();
        assert_eq!(timer.due_at.as_deref(), Some("2031-01-01"));
        assert_eq!(NewGate::parse(Some("human"), &until).unwrap().due_at, None);
        let refuse = |word, value| NewGate::parse(word, &value).unwrap_err().sqlstate();
        assert_eq!(refuse(Some("timer"), json!({})), "22023");
        assert_eq!(refuse(Some("moon"), json!({})), "22023");
        assert_eq!(refuse(Some("human"), json!([])), "22023");
        assert_eq!(refuse(None, json!({})), "22004");
    }
}
