//! What the console, or a signal, asks of the process as a whole, and what it is answered.
//!
//! Must not know who asks or how it is done.

use std::fmt;

use tokio::sync::oneshot;

use crate::pool::control::Command;

/// A wish that concerns the whole process.
#[derive(Debug)]
pub enum Ask {
    /// To end.
    Shutdown(Shutdown),
    /// To have every worker do something.
    Command(Command),
    /// To read the configuration again.
    Reload(oneshot::Sender<Answer>),
    /// To change one setting until the configuration is read again.
    Set(Assignment, oneshot::Sender<Answer>),
}

/// How the process is asked to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    /// At once.
    Now,
    /// Once the transactions have ended that are under way.
    WaitForServers,
    /// Once the clients have left that are connected.
    WaitForClients,
}

/// What became of the settings: what is left as it was and why, or why nothing changed.
pub type Answer = Result<Vec<String>, Refused>;

/// Settings that cannot be used. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refused(pub String);

/// A setting and its new value, both as the operator wrote them.
#[derive(Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The setting.
    pub key: String,
    /// Its value, without quotes.
    pub value: String,
}

impl Assignment {
    /// Reads `key = value` or `key TO value`. None when it is neither.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (key, rest) =
            text.trim().split_at_checked(text.trim().find([' ', '\t', '\n', '='])?)?;
        let rest = rest.trim_start();
        let value = match rest.strip_prefix('=') {
            Some(value) => value,
            None => rest.get(..2).filter(|to| to.eq_ignore_ascii_case("to")).map(|_| &rest[2..])?,
        };
        let value = value.trim().trim_end_matches(';').trim_end();
        let unquoted = value.strip_prefix('\'').and_then(|value| value.strip_suffix('\''));
        let value = unquoted.map_or_else(|| value.to_owned(), |inner| inner.replace("''", "'"));
        Some(Self { key: key.to_ascii_lowercase(), value })
    }
}

/// What may be a secret is not shown.
impl fmt::Debug for Assignment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.key.contains("password") {
            true => f.write_str(&self.key),
            false => write!(f, "{} = {}", self.key, self.value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assignments_are_read_as_postgresql_writes_them() {
        let assignment = |key: &str, value: &str| {
            Some(Assignment { key: key.to_owned(), value: value.to_owned() })
        };
        for (text, expected) in [
            ("pool.max = 5", assignment("pool.max", "5")),
            ("Pool.max=5;", assignment("pool.max", "5")),
            ("pool.mode TO 'session' ;", assignment("pool.mode", "session")),
            ("pool.test_query = 'select ''a'''", assignment("pool.test_query", "select 'a'")),
            ("pool.max", None),
            ("session characteristics as transaction read only", None),
        ] {
            assert_eq!(Assignment::parse(text), expected, "{text}");
        }
    }

    #[test]
    fn a_password_is_not_shown() {
        let secret = Assignment { key: "auth.password".into(), value: "hush".into() };
        assert_eq!(format!("{secret:?}"), "auth.password");
    }
}
