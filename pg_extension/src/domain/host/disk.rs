//! A file system's room, as statvfs(3) counts it. It must not know which file system.

use serde_json::{Value, json};

use super::percent;

/// Blocks and inodes of a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Disk {
    /// In bytes.
    pub(crate) block_size: u64,
    pub(crate) blocks: u64,
    pub(crate) blocks_free: u64,
    /// Without those that only the superuser may take.
    pub(crate) blocks_available: u64,
    pub(crate) inodes: u64,
    pub(crate) inodes_free: u64,
}

impl Disk {
    /// What is used of what ordinary programs may use, as df(1) reckons it.
    pub(crate) fn used_percent(self) -> f64 {
        let used = self.blocks.saturating_sub(self.blocks_free);
        percent(used, used + self.blocks_available)
    }

    pub(super) fn to_json(self) -> Value {
        let inodes_used = self.inodes.saturating_sub(self.inodes_free);
        json!({
            "total_bytes": self.blocks.saturating_mul(self.block_size),
            "available_bytes": self.blocks_available.saturating_mul(self.block_size),
            "used_percent": self.used_percent(),
            "inodes_used_percent": percent(inodes_used, self.inodes),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_the_superuser_may_take_counts_for_nobody() {
        let disk = Disk {
            block_size: 4096,
            blocks: 1000,
            blocks_free: 150,
            blocks_available: 100,
            inodes: 200,
            inodes_free: 150,
        };
        assert_eq!(disk.used_percent(), 89.47);
        let shown = disk.to_json();
        assert_eq!(shown["available_bytes"], 409_600);
        assert_eq!(shown["inodes_used_percent"], 25.0);
    }
}
