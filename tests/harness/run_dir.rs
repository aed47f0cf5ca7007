//! Where the harness keeps files: one directory per user and machine for what can be reused (the
//! relocated PostgreSQL, the template cluster), and below it one per test process, removed by the
//! reaper when that process ends.

use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::unistd::{Uid, User};

/// The user and group a PostgreSQL server runs as.
#[derive(Debug, Clone, Copy)]
pub struct Owner {
    /// Numeric user id.
    pub uid: u32,
    /// Numeric group id.
    pub gid: u32,
}

/// Who owns the servers: ourselves, or `postgres` when we are root, because PostgreSQL refuses to
/// run as root.
pub fn server_owner() -> Option<Owner> {
    if !Uid::effective().is_root() {
        return None;
    }
    let user = User::from_name("postgres")
        .expect("the user database can be read")
        .expect("running as root needs a user `postgres`; install the postgresql package");
    Some(Owner { uid: user.uid.as_raw(), gid: user.gid.as_raw() })
}

/// Gives `path` to the server's owner; nothing to do when that is ourselves.
pub fn give_to_server(path: &Path) {
    if let Some(owner) = server_owner() {
        chown(path, Some(owner.uid), Some(owner.gid))
            .unwrap_or_else(|error| panic!("chown {}: {error}", path.display()));
    }
}

/// The directory shared by all test processes of this user on this machine.
pub fn machine_dir() -> PathBuf {
    let uid = Uid::effective();
    let root = std::env::temp_dir().join(format!("taskmaster-tests-{uid}"));
    make_open_dir(&root);
    root
}

/// This process's own directory; removed when the process ends.
pub fn process_dir() -> &'static Path {
    static DIR: OnceLock<PathBuf> = OnceLock::new();
    DIR.get_or_init(|| {
        let runs = machine_dir().join("run");
        make_open_dir(&runs);
        sweep(&runs);
        let dir = runs.join(std::process::id().to_string());
        make_open_dir(&dir);
        dir
    })
}

/// A fresh directory of this process, named after what it is for.
pub fn fresh_dir(purpose: &str) -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let dir = process_dir().join(format!("{purpose}{number}"));
    make_open_dir(&dir);
    dir
}

/// Makes `dir` if it is not there, readable for the server's owner.
pub fn make_open_dir(dir: &Path) {
    std::fs::create_dir_all(dir).unwrap_or_else(|error| panic!("mkdir {}: {error}", dir.display()));
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(dir, open)
        .unwrap_or_else(|error| panic!("chmod {}: {error}", dir.display()));
}

/// Removes the directories of processes that no longer exist. Their reaper normally has; this is
/// for a machine that lost power or a reaper that was killed too.
fn sweep(runs: &Path) {
    let Ok(entries) = std::fs::read_dir(runs) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let gone = !Path::new("/proc").join(&name).exists();
        if gone && name.to_string_lossy().parse::<u32>().is_ok() {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}
