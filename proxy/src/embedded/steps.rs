//! The progress lines of `taskmaster up`: one per step, with how long it took.
//!
//! Writes to standard output and ignores a reader that went away: progress is not worth dying for.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// Columns up to the duration, indentation included.
const WIDTH: usize = 22;

/// Prints the steps as they are done.
#[derive(Debug)]
pub struct Steps {
    started: Instant,
    output: Output,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Output {
    /// The name is shown while the step runs.
    Terminal,
    /// Whole lines only.
    Plain,
}

impl Steps {
    /// Starts the clock.
    #[must_use]
    pub fn new() -> Self {
        let terminal = io::stdout().is_terminal();
        let output = if terminal { Output::Terminal } else { Output::Plain };
        Self { started: Instant::now(), output }
    }

    /// Does `work` and prints how long it took.
    ///
    /// # Errors
    /// Those of `work`, unchanged.
    pub fn run<T, E>(&self, name: &str, work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let started = self.begin(name);
        let outcome = work();
        self.end(name, started, outcome.is_ok());
        outcome
    }

    /// Awaits `work` and prints how long it took.
    ///
    /// # Errors
    /// Those of `work`, unchanged.
    pub async fn wait<T, E>(
        &self,
        name: &str,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let started = self.begin(name);
        let outcome = work.await;
        self.end(name, started, outcome.is_ok());
        outcome
    }

    /// Prints a line of its own between the steps.
    pub fn say(&self, text: &str) {
        emit(&format!("{text}\n"));
    }

    /// The time since the first step.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    fn begin(&self, name: &str) -> Instant {
        if self.output == Output::Terminal {
            emit(&dotted(name));
        }
        Instant::now()
    }

    fn end(&self, name: &str, started: Instant, done: bool) {
        let label = if self.output == Output::Terminal { String::new() } else { dotted(name) };
        let result = if done { seconds(started.elapsed()) } else { "failed".to_owned() };
        emit(&format!("{label}{result}\n"));
    }
}

impl Default for Steps {
    fn default() -> Self {
        Self::new()
    }
}

/// `1.2 s`.
#[must_use]
pub(super) fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

fn dotted(name: &str) -> String {
    let dots = WIDTH.saturating_sub(name.len() + 4).max(2);
    format!("  {name} {} ", ".".repeat(dots))
}

fn emit(text: &str) {
    let mut stdout = io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes());
    let _ = stdout.flush();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_any_length_end_in_the_same_column() {
        assert_eq!(dotted("initdb"), "  initdb ............ ");
        assert_eq!(dotted("migrations").len(), dotted("proxy").len());
        assert!(dotted("a name that is far longer than the column").ends_with(" .. "));
    }

    #[test]
    fn durations_have_one_decimal() {
        assert_eq!(seconds(Duration::from_millis(1249)), "1.2 s");
    }
}
