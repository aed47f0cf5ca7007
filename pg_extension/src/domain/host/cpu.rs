//! `/proc/stat` and `/proc/loadavg` (proc(5)). It must not know when they were read.

use serde_json::{Value, json};

use super::percent;

/// Time that all processors together spent since the machine started, in ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CpuTimes {
    busy: u64,
    total: u64,
    processors: u32,
}

/// How busy the processors were over a while.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct CpuUse {
    /// 100 is all processors.
    pub(crate) percent: f64,
    pub(crate) over_ms: u64,
    pub(crate) processors: u32,
}

/// Mean numbers of tasks that ran or waited for the disk.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Load {
    one_minute: f64,
    five_minutes: f64,
    fifteen_minutes: f64,
}

/// user, nice, system, idle, iowait, irq, softirq, steal. The two that may follow, guest and
/// guest_nice, are part of user and nice already.
const FIELDS: usize = 8;
const IDLE: usize = 3;
const IOWAIT: usize = 4;

impl CpuTimes {
    /// Reads `/proc/stat`; kernels before 2.6 have four fields only.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let total_line = text.lines().find_map(|line| line.strip_prefix("cpu "))?;
        let fields: Vec<u64> = total_line
            .split_whitespace()
            .take(FIELDS)
            .map_while(|field| field.parse().ok())
            .collect();
        if fields.len() <= IDLE {
            return None;
        }
        let total = fields.iter().sum::<u64>();
        let idle = fields[IDLE] + fields.get(IOWAIT).copied().unwrap_or_default();
        let is_processor = |line: &&str| {
            line.strip_prefix("cpu")
                .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        };
        let processors = text.lines().filter(is_processor).count();
        Some(Self { busy: total - idle, total, processors: u32::try_from(processors).ok()?.max(1) })
    }

    /// How busy the processors were since `earlier`, or `None` when no tick has passed. Some kernels
    /// count idle time backwards now and then.
    pub(crate) fn since(self, earlier: Self, over_ms: u64) -> Option<CpuUse> {
        let total = self.total.checked_sub(earlier.total).filter(|total| *total > 0)?;
        let busy = self.busy.saturating_sub(earlier.busy).min(total);
        Some(CpuUse { percent: percent(busy, total), over_ms, processors: self.processors })
    }
}

impl CpuUse {
    pub(super) fn to_json(self) -> Value {
        json!({"percent": self.percent, "over_ms": self.over_ms, "processors": self.processors})
    }
}

impl Load {
    /// Reads `/proc/loadavg`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut fields = text.split_whitespace().map_while(|field| field.parse::<f64>().ok());
        Some(Self {
            one_minute: fields.next()?,
            five_minutes: fields.next()?,
            fifteen_minutes: fields.next()?,
        })
    }

    pub(super) fn to_json(self) -> Value {
        json!({"1m": self.one_minute, "5m": self.five_minutes, "15m": self.fifteen_minutes})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Linux 6.1 with guest times, 2.6.32 without, 2.4 with four fields.
    const NEW: &str = "cpu  445373 88286 119254 20697 661 0 5892 689 10 0\n\
        cpu0 219055 49955 57288 10950 174 0 2640 350 5 0\ncpu1 226317 38331 61966 9747 487 0 3252 338 5 0\n\
        intr 1 2 3\nctxt 5\nbtime 1\nprocesses 3\n";
    const MIDDLE: &str = "cpu  100 0 50 800 40 5 5 0\ncpu0 100 0 50 800 40 5 5 0\n";
    const OLD: &str = "cpu  100 0 50 850\ncpu0 100 0 50 850\n";

    #[test]
    fn each_kernels_form_is_read() {
        let new = CpuTimes::parse(NEW).unwrap();
        assert_eq!(
            (new.total, new.processors),
            (445373 + 88286 + 119254 + 20697 + 661 + 5892 + 689, 2)
        );
        assert_eq!(new.total - new.busy, 20697 + 661);
        let middle = CpuTimes::parse(MIDDLE).unwrap();
        assert_eq!((middle.busy, middle.total), (160, 1000));
        assert_eq!(CpuTimes::parse(OLD), Some(CpuTimes { busy: 150, total: 1000, processors: 1 }));
        for text in ["", "cpu  1 2\n", "cpu0 1 2 3 4\n", "cpu  a b c d\n"] {
            assert_eq!(CpuTimes::parse(text), None, "{text}");
        }
    }

    #[test]
    fn use_is_the_difference_of_two_readings() {
        let earlier = CpuTimes { busy: 100, total: 1000, processors: 2 };
        let later = CpuTimes { busy: 175, total: 1200, processors: 2 };
        let used = later.since(earlier, 1000).unwrap();
        assert_eq!((used.percent, used.over_ms), (37.5, 1000));
        assert_eq!(earlier.since(earlier, 5), None);
        assert_eq!(earlier.since(later, 5), None, "the counters began anew");
    }

    #[test]
    fn the_load_has_three_numbers() {
        let load = Load::parse("14.37 17.53 17.22 20/267 7378\n").unwrap();
        assert_eq!(load.to_json(), json!({"1m": 14.37, "5m": 17.53, "15m": 17.22}));
        assert_eq!(Load::parse("1.0 2.0"), None);
    }
}
