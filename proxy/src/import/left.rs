//! What could not be carried over, in one line each. Never holds a secret.

use std::fmt;

/// A setting that our configuration does not have, or does not have like this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    setting: String,
    value: String,
    why: String,
    instead: String,
}

impl LeftOut {
    /// Of PgBouncer's words, why not, and what to do instead.
    pub(super) fn new(setting: &str, value: &str, why: &str, instead: &str) -> Self {
        let line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let (setting, value) = (line(setting), line(value));
        Self { setting, value, why: line(why), instead: line(instead) }
    }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { setting, value, why, instead } = self;
        write!(f, "{setting} = {value}: {why}; {instead}")
    }
}
