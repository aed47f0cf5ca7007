//! What the command line tells its caller: one line, one exit code.

use std::fmt::Display;
use std::io;

use crate::config::ConfigError;
use crate::embedded::EmbeddedError;
use crate::listener::ListenerError;

/// A verb that failed. Displays as `cause: what to do`.
#[derive(Debug, thiserror::Error)]
#[error("{line}{excerpt}")]
pub struct CliError {
    line: String,
    /// Lines of a file below it, each after a line break.
    excerpt: String,
    exit_code: u8,
}

impl CliError {
    /// Something failed while it ran: exit code 1.
    pub(super) fn failure(line: impl Display) -> Self {
        Self { line: one_line(&line), excerpt: String::new(), exit_code: 1 }
    }

    /// What was asked for cannot be done as it is written: exit code 2.
    pub(super) fn usage(line: impl Display) -> Self {
        Self { line: one_line(&line), excerpt: String::new(), exit_code: 2 }
    }

    /// A failure with an exit code of its own.
    pub(super) fn with_exit_code(line: impl Display, exit_code: u8) -> Self {
        Self { line: one_line(&line), excerpt: String::new(), exit_code }
    }

    /// The same, with the lines of a file that it is about below it.
    pub(super) fn with_excerpt(mut self, excerpt: &str) -> Self {
        self.excerpt = excerpt.lines().map(|line| format!("\n  {line}")).collect();
        self
    }

    /// The operating system refused something every program needs.
    pub(super) fn system(error: io::Error) -> Self {
        Self::failure(format!(
            "the system refused to start the runtime ({error}): raise its limits"
        ))
    }

    /// 1 for a failure, 2 for wrong usage or configuration; `migrate` has codes of its own.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        self.exit_code
    }
}

impl From<ConfigError> for CliError {
    fn from(error: ConfigError) -> Self {
        Self::usage(error)
    }
}

impl From<EmbeddedError> for CliError {
    fn from(error: EmbeddedError) -> Self {
        Self::failure(error)
    }
}

impl From<ListenerError> for CliError {
    fn from(error: ListenerError) -> Self {
        match &error {
            ListenerError::Bind { .. } => Self::failure(format!(
                "{error}: stop the program that has it, or set listen.host and listen.port"
            )),
            ListenerError::Worker(_) => Self::failure(format!(
                "{error}: see the log, and raise the limits of processes and open files"
            )),
            ListenerError::Resolve { .. } | ListenerError::Peers { .. } => Self::failure(error),
        }
    }
}

fn one_line(text: &impl Display) -> String {
    text.to_string()
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_went_wrong_is_told_in_one_line() {
        let error = CliError::failure("first\n  second\n\n");
        assert_eq!((error.to_string().as_str(), error.exit_code()), ("first, second", 1));
        assert_eq!(CliError::usage("x").exit_code(), 2);
        assert_eq!(error.with_excerpt("SELECT\n  ^").to_string(), "first, second\n  SELECT\n    ^");
    }
}
