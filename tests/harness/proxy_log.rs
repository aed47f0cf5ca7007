//! The log of a proxy under test, and which of its warnings the test announced.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// A log file in JSON lines.
#[derive(Debug)]
pub struct ProxyLog {
    path: PathBuf,
    expected: Mutex<Vec<String>>,
}

impl ProxyLog {
    pub(crate) fn new(path: &Path) -> Self {
        Self { path: path.to_path_buf(), expected: Mutex::new(Vec::new()) }
    }

    /// Everything so far.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.path).unwrap_or_default()).into_owned()
    }

    /// Announces that warnings and errors containing `part` are right in this test.
    pub fn expect(&self, part: &str) {
        self.expected.lock().unwrap_or_else(PoisonError::into_inner).push(part.to_owned());
    }

    /// The first line that no test announced: a warning, an error, a panic, or no JSON at all.
    pub fn unexpected(&self) -> Option<String> {
        let expected = self.expected.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let announced = |line: &str| expected.iter().any(|part| line.contains(part));
        let text = self.text();
        let mut lines = text.lines().filter(|line| is_alarm(line));
        lines.find(|line| !announced(line)).map(str::to_owned)
    }
}

fn is_alarm(line: &str) -> bool {
    match serde_json::from_str::<serde_json::Value>(line) {
        Ok(value) => matches!(value["level"].as_str(), Some("WARN" | "ERROR") | None),
        // What is not JSON is the panic handler's or a library's own print.
        Err(_) => !line.trim().is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::is_alarm;

    #[test]
    fn warnings_errors_and_foreign_lines_are_alarms() {
        assert!(!is_alarm(r#"{"level":"INFO","message":"WARN is only a word here"}"#));
        assert!(is_alarm(r#"{"level":"WARN","message":"x"}"#));
        assert!(is_alarm(r#"{"level":"ERROR","message":"x"}"#));
        assert!(is_alarm("thread 'main' panicked at src/main.rs:1:1:"));
    }
}
