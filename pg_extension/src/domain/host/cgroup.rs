//! The control group that the server runs in, of cgroup v2 (Documentation/admin-guide/cgroup-v2.rst
//! of Linux). It must not know where the hierarchy is mounted.

use serde_json::{Value, json};

use super::{keyed, percent};

/// The limits of the group and what it uses; `None` where nothing is limited or said.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Cgroup {
    pub(crate) memory_max: Option<u64>,
    /// In bytes, without file pages that nobody used lately.
    pub(crate) memory_used: Option<u64>,
    /// How many processors' time the group may take.
    pub(crate) cpu_max: Option<f64>,
    pub(crate) throttled_micros: Option<u64>,
}

/// The texts of the group's files, empty where there is no such file.
#[derive(Debug, Clone, Default)]
pub(crate) struct CgroupFiles {
    pub(crate) memory_max: String,
    pub(crate) memory_current: String,
    pub(crate) memory_stat: String,
    pub(crate) cpu_max: String,
    pub(crate) cpu_stat: String,
}

/// The group's path in the unified hierarchy, by `/proc/self/cgroup`. A path that leads out of the
/// mounted tree (`/../..`, seen from inside a namespace) is none.
pub(crate) fn path(proc_self_cgroup: &str) -> Option<&str> {
    let path = proc_self_cgroup.lines().find_map(|line| line.strip_prefix("0::"))?;
    let inside = path.starts_with('/') && !path.split('/').any(|part| part == "..");
    inside.then_some(path)
}

impl Cgroup {
    /// Reads the group's files; `None` when none of them says anything, as for the root group.
    pub(crate) fn parse(files: &CgroupFiles) -> Option<Self> {
        let inactive = keyed(&files.memory_stat, "inactive_file").unwrap_or_default();
        let current: Option<u64> = files.memory_current.trim().parse().ok();
        let group = Self {
            memory_max: files.memory_max.trim().parse().ok(),
            memory_used: current.map(|bytes| bytes.saturating_sub(inactive)),
            cpu_max: quota(&files.cpu_max),
            throttled_micros: keyed(&files.cpu_stat, "throttled_usec"),
        };
        (group != Self::default()).then_some(group)
    }

    /// How much of its memory the group uses, where it is limited.
    pub(super) fn memory_percent(self) -> Option<f64> {
        Some(percent(self.memory_used?, self.memory_max?))
    }

    pub(super) fn to_json(self) -> Value {
        json!({
            "memory_max_bytes": self.memory_max,
            "memory_used_bytes": self.memory_used,
            "memory_used_percent": self.memory_percent(),
            "cpu_max": self.cpu_max,
            "throttled_us": self.throttled_micros,
        })
    }
}

/// `200000 100000` is two processors, `max 100000` no limit.
fn quota(text: &str) -> Option<f64> {
    let (quota, period) = text.trim().split_once(' ')?;
    let (quota, period): (f64, f64) = (quota.parse().ok()?, period.parse().ok()?);
    (period > 0.0).then_some(quota / period)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_is_that_of_the_unified_hierarchy() {
        let hybrid = "9:name=systemd:/\n4:memory:/a/b\n0::/system.slice/postgresql.service\n";
        assert_eq!(path(hybrid), Some("/system.slice/postgresql.service"));
        assert_eq!(path("0::/\n"), Some("/"));
        assert_eq!(path("4:memory:/a\n"), None);
        assert_eq!(path("0::/../../etc\n"), None);
    }

    #[test]
    fn limits_and_use_are_read() {
        let files = CgroupFiles {
            memory_max: "1073741824\n".into(),
            memory_current: "900000000\n".into(),
            memory_stat: "anon 5\nfile 7\ninactive_file 100000000\nactive_file 3\n".into(),
            cpu_max: "150000 100000\n".into(),
            cpu_stat: "usage_usec 9\nnr_periods 3\nnr_throttled 1\nthrottled_usec 4500\n".into(),
        };
        let group = Cgroup::parse(&files).unwrap();
        assert_eq!(group.memory_used, Some(800_000_000));
        assert_eq!((group.memory_percent(), group.cpu_max), (Some(74.51), Some(1.5)));
        assert_eq!(group.throttled_micros, Some(4500));
    }

    #[test]
    fn no_limit_is_none() {
        let files = CgroupFiles {
            memory_max: "max\n".into(),
            memory_current: "5\n".into(),
            cpu_max: "max 100000\n".into(),
            ..CgroupFiles::default()
        };
        let group = Cgroup::parse(&files).unwrap();
        assert_eq!((group.memory_max, group.cpu_max, group.memory_percent()), (None, None, None));
        assert_eq!(Cgroup::parse(&CgroupFiles::default()), None);
    }
}
