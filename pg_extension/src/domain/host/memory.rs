//! `/proc/meminfo` (proc(5)). It must not know control groups.

use serde_json::{Value, json};

use super::{keyed, percent};

/// The machine's memory, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Memory {
    total: u64,
    /// What programs could get without swapping.
    available: u64,
    swap_total: u64,
    swap_free: u64,
}

impl Memory {
    /// Reads `/proc/meminfo`. Kernels before 3.14 do not say what is available: then it is what is
    /// free, and the caches.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let bytes = |key| keyed(text, key).map(|kibibytes| kibibytes.saturating_mul(1024));
        let caches = || {
            let parts =
                ["Buffers", "Cached", "SReclaimable"].map(|key| bytes(key).unwrap_or_default());
            Some(bytes("MemFree")? + parts.iter().sum::<u64>())
        };
        let total = bytes("MemTotal")?;
        Some(Self {
            total,
            available: bytes("MemAvailable").or_else(caches)?.min(total),
            swap_total: bytes("SwapTotal").unwrap_or_default(),
            swap_free: bytes("SwapFree").unwrap_or_default(),
        })
    }

    pub(super) fn used_percent(self) -> f64 {
        percent(self.total - self.available, self.total)
    }

    pub(super) fn to_json(self) -> Value {
        json!({
            "total_bytes": self.total,
            "available_bytes": self.available,
            "used_percent": self.used_percent(),
            "swap_total_bytes": self.swap_total,
            "swap_used_bytes": self.swap_total.saturating_sub(self.swap_free),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_kernel_says_what_is_available() {
        let text = "MemTotal:       24684084 kB\nMemFree:          808136 kB\n\
            MemAvailable:   21415668 kB\nBuffers:          208364 kB\nCached:         20481112 kB\n\
            SwapCached:            0 kB\nSwapTotal:       2097148 kB\nSwapFree:        2097000 kB\n\
            HugePages_Total:       0\n";
        let memory = Memory::parse(text).unwrap();
        assert_eq!(memory.available, 21_415_668 * 1024);
        assert_eq!(memory.used_percent(), 13.24);
        assert_eq!(memory.to_json()["swap_used_bytes"], 148 * 1024);
    }

    #[test]
    fn for_an_old_kernel_it_is_reckoned() {
        let text = "MemTotal:     1000 kB\nMemFree:       100 kB\nBuffers:        50 kB\n\
            Cached:        300 kB\nSReclaimable:   50 kB\n";
        let memory = Memory::parse(text).unwrap();
        assert_eq!((memory.available, memory.used_percent()), (500 * 1024, 50.0));
        assert_eq!(Memory::parse("MemTotal: 5 kB\n"), None);
        assert_eq!(Memory::parse(""), None);
    }
}
