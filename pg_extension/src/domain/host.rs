//! What a machine says about itself, read from the texts that Linux gives: pure, so that samples of
//! several kernels test it. It must not know a file or a clock.

pub(crate) mod cgroup;
pub(crate) mod cpu;
pub(crate) mod disk;
pub(crate) mod memory;
pub(crate) mod pressure;

use serde_json::{Value, json};

use cgroup::Cgroup;
use cpu::{CpuUse, Load};
use disk::Disk;
use memory::Memory;
use pressure::Pressure;

/// What could be read; `None` where it could not.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct HostStats {
    pub(crate) cpu: Option<CpuUse>,
    pub(crate) load: Option<Load>,
    pub(crate) memory: Option<Memory>,
    pub(crate) cgroup: Option<Cgroup>,
    pub(crate) pressure: Pressure,
    /// Of the file system that holds the database.
    pub(crate) disk: Option<Disk>,
    /// What could not be read, and why.
    pub(crate) notes: Vec<String>,
}

impl HostStats {
    /// The figures as one document.
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "cpu": self.cpu.map(CpuUse::to_json),
            "load": self.load.map(Load::to_json),
            "memory": self.memory.map(Memory::to_json),
            "cgroup": self.cgroup.map(Cgroup::to_json),
            "pressure": self.pressure.to_json(),
            "disk": self.disk.map(Disk::to_json),
            "notes": self.notes,
        })
    }

    /// How much of the memory that the server may have is used, in percent: of the control group's
    /// where that is limited, else of the machine's.
    pub(crate) fn memory_percent(&self) -> Option<f64> {
        let limited = self.cgroup.and_then(Cgroup::memory_percent);
        limited.or_else(|| self.memory.map(Memory::used_percent))
    }
}

/// `part` of `whole` in percent with two decimals; 0 of nothing is 0.
pub(crate) fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        return 0.0;
    }
    (part as f64 / whole as f64 * 10_000.0).round() / 100.0
}

/// The number after `key` in a text of lines such as `key 12`, `key: 12 kB`.
fn keyed(text: &str, key: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| {
        let rest = line.strip_prefix(key)?;
        rest.strip_prefix(':').or_else(|| rest.starts_with(' ').then_some(rest))
    })?;
    value.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_whole_words() {
        let text = "MemTotal:       16 kB\nMem 3\nnr_throttled 7\n";
        assert_eq!(keyed(text, "MemTotal"), Some(16));
        assert_eq!(keyed(text, "nr_throttled"), Some(7));
        assert_eq!(keyed(text, "nr"), None);
        assert_eq!(keyed(text, "Mem"), Some(3));
    }

    #[test]
    fn the_control_groups_memory_goes_before_the_machines() {
        let memory = Memory::parse("MemTotal: 100 kB\nMemAvailable: 40 kB\n");
        let mut stats = HostStats { memory, ..HostStats::default() };
        assert_eq!(stats.memory_percent(), Some(60.0));
        stats.cgroup =
            Some(Cgroup { memory_max: Some(1000), memory_used: Some(900), ..Cgroup::default() });
        assert_eq!(stats.memory_percent(), Some(90.0));
        stats.cgroup = Some(Cgroup { memory_used: Some(900), ..Cgroup::default() });
        assert_eq!(stats.memory_percent(), Some(60.0));
    }

    #[test]
    fn nothing_read_is_said_to_be_nothing() {
        let shown = HostStats::default().to_json();
        assert_eq!(shown["cpu"], Value::Null);
        assert_eq!(shown["notes"], json!([]));
        assert_eq!(percent(1, 0), 0.0);
    }
}
