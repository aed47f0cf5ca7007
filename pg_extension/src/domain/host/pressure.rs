//! `/proc/pressure/*` (Documentation/accounting/psi.rst of Linux, from 4.20 on). It must not know
//! which kernels have it.

use serde_json::{Value, json};

/// The share of the last ten seconds in which some task waited, in percent.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Pressure {
    pub(crate) cpu: Option<f64>,
    pub(crate) memory: Option<f64>,
    pub(crate) io: Option<f64>,
}

/// The `avg10` of a file's line `some`.
pub(crate) fn some_of(text: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix("some "))?;
    line.split(' ').find_map(|field| field.strip_prefix("avg10="))?.parse().ok()
}

impl Pressure {
    pub(super) fn to_json(self) -> Value {
        json!({"cpu_percent": self.cpu, "memory_percent": self.memory, "io_percent": self.io})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_some_counts() {
        let text = "some avg10=97.28 avg60=80.15 avg300=81.46 total=2982672705\n\
            full avg10=0.50 avg60=0.00 avg300=0.00 total=0\n";
        assert_eq!(some_of(text), Some(97.28));
        assert_eq!(some_of("full avg10=1.0\n"), None);
        assert_eq!(some_of(""), None);
    }
}
