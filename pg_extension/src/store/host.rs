//! The files in which Linux tells about the machine, and the room on the disk that holds the
//! database. It must not know what they mean.

use std::cell::Cell;
use std::ffi::CStr;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::statvfs::statvfs;
use pgrx::pg_sys;

use crate::domain::host::HostStats;
use crate::domain::host::cgroup::{self, Cgroup, CgroupFiles};
use crate::domain::host::cpu::{CpuTimes, CpuUse, Load};
use crate::domain::host::disk::Disk;
use crate::domain::host::memory::Memory;
use crate::domain::host::pressure::{Pressure, some_of};

/// Longer than any of these files needs to be read.
const FILE_BYTES_MAX: u64 = 256 * 1024;

/// A reading of the processors' times is compared with one that is at least this old.
const SAMPLE_AGE_MIN: Duration = Duration::from_millis(500);
/// An older one says nothing about the present.
const SAMPLE_AGE_MAX: Duration = Duration::from_secs(300);
/// How long to wait for a second reading when there is none to compare with.
const SAMPLE_WAIT: Duration = Duration::from_millis(100);

thread_local! {
    static SAMPLE: Cell<Option<(Instant, CpuTimes)>> = const { Cell::new(None) };
}

/// The machine's figures. The first call of a session takes a tenth of a second, in which it watches
/// the processors.
pub(crate) fn read() -> HostStats {
    let mut notes = Vec::new();
    let mut text = |path: &str| {
        read_file(Path::new(path)).map_err(|error| notes.push(format!("{path}: {error}"))).ok()
    };
    let load = text("/proc/loadavg").as_deref().and_then(Load::parse);
    let memory = text("/proc/meminfo").as_deref().and_then(Memory::parse);
    let group = text("/proc/self/cgroup");
    let cpu = text("/proc/stat").as_deref().and_then(CpuTimes::parse).and_then(cpu_use);
    let disk = disk().map_err(|error| notes.push(format!("statvfs: {error}"))).ok();
    let pressure = |name| read_file(&Path::new("/proc/pressure").join(name)).ok();
    let pressure = |name| pressure(name).as_deref().and_then(some_of);
    HostStats {
        cpu,
        load,
        memory,
        cgroup: group.as_deref().and_then(read_cgroup),
        pressure: Pressure { cpu: pressure("cpu"), memory: pressure("memory"), io: pressure("io") },
        disk,
        notes,
    }
}

fn cpu_use(now: CpuTimes) -> Option<CpuUse> {
    let kept =
        SAMPLE.get().filter(|(at, _)| (SAMPLE_AGE_MIN..SAMPLE_AGE_MAX).contains(&at.elapsed()));
    let (since, earlier, now) = match kept {
        Some((at, earlier)) => (at, earlier, now),
        None => {
            let since = Instant::now();
            thread::sleep(SAMPLE_WAIT);
            let later = read_file(Path::new("/proc/stat")).ok()?;
            (since, now, CpuTimes::parse(&later)?)
        }
    };
    SAMPLE.set(Some((Instant::now(), now)));
    let over_ms = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
    now.since(earlier, over_ms)
}

/// The group's files, where the unified hierarchy has them: alone, or beside that of cgroup v1.
fn read_cgroup(proc_self_cgroup: &str) -> Option<Cgroup> {
    let path = cgroup::path(proc_self_cgroup)?.trim_start_matches('/');
    ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].iter().find_map(|mount| {
        let directory = Path::new(mount).join(path);
        let text = |name: &str| read_file(&directory.join(name)).unwrap_or_default();
        Cgroup::parse(&CgroupFiles {
            memory_max: text("memory.max"),
            memory_current: text("memory.current"),
            memory_stat: text("memory.stat"),
            cpu_max: text("cpu.max"),
            cpu_stat: text("cpu.stat"),
        })
    })
}

fn disk() -> nix::Result<Disk> {
    // SAFETY: the postmaster sets DataDir before it accepts connections, and nobody changes it.
    let directory = unsafe { CStr::from_ptr(pg_sys::DataDir) };
    let room = statvfs(directory)?;
    Ok(Disk {
        block_size: room.fragment_size(),
        blocks: room.blocks(),
        blocks_free: room.blocks_free(),
        blocks_available: room.blocks_available(),
        inodes: room.files(),
        inodes_free: room.files_free(),
    })
}

fn read_file(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(FILE_BYTES_MAX).read_to_string(&mut text)?;
    Ok(text)
}
