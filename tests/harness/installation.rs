//! A private copy of the installed PostgreSQL, so that the extension under test can be added
//! without writing into system directories.
//!
//! PostgreSQL finds its library and share directories relative to its own executable
//! (`make_relative_path` in `src/port/path.c`), and resolves symlinks of that executable first. So
//! the executables are copied, and everything else in the same relative layout is a symlink.

use std::collections::hash_map::DefaultHasher;
use std::ffi::OsStr;
use std::fs;
use std::hash::{Hash, Hasher};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use nix::fcntl::{Flock, FlockArg};

use crate::{artefacts, run_dir};

/// The executables a server needs; client programs are used where they are installed.
const EXECUTABLES: [&str; 4] = ["postgres", "initdb", "pg_ctl", "pg_controldata"];

/// A PostgreSQL installation with our extension in it.
#[derive(Debug)]
pub struct Installation {
    /// Directory of the copied executables.
    pub bin_dir: PathBuf,
    /// Directory of the system's own executables, such as `psql` and `pgbench`.
    pub system_bin_dir: PathBuf,
    /// Stands for the server's version and place: equal means its data directories fit.
    pub server: String,
}

impl Installation {
    /// The installation of this run, made when it is first asked for and shared by every test
    /// process of this machine that has the same extension files.
    pub fn get() -> &'static Self {
        static INSTALLATION: OnceLock<Installation> = OnceLock::new();
        INSTALLATION.get_or_init(|| {
            let layout = Layout::of_system();
            let extension = artefacts::extension_dir();
            let name = format!("postgresql-{}", fingerprint(&layout, extension.as_deref()));
            let root = run_dir::machine_dir().join(name);
            build_once(&root, |root| layout.relocate(root, extension.as_deref()));
            Self {
                bin_dir: root.join(layout.relative(&layout.bin)),
                system_bin_dir: layout.bin.clone(),
                server: fingerprint(&layout, None),
            }
        })
    }
}

/// Runs `build` on a scratch directory and renames it to `path`, unless `path` is there already;
/// one process at a time, under a lock file beside it.
pub fn build_once(path: &Path, build: impl FnOnce(&Path)) {
    let file = fs::File::create(path.with_extension("lock")).expect("a lock file can be made");
    let _lock = Flock::lock(file, FlockArg::LockExclusive).expect("a lock file can be locked");
    if path.exists() {
        return;
    }
    remove_old(path.parent().expect("the directory is inside the machine's"));
    let scratch = path.with_extension("part");
    if scratch.exists() {
        fs::remove_dir_all(&scratch).expect("what an interrupted run left can be removed");
    }
    run_dir::make_open_dir(&scratch);
    build(&scratch);
    fs::rename(&scratch, path).expect("a finished directory can be renamed");
}

/// Removes what was built more than a day ago: each rebuilt extension makes a new installation,
/// and no test run lasts that long.
fn remove_old(dir: &Path) {
    let day = Duration::from_secs(24 * 60 * 60);
    for path in entries(dir) {
        let built = fs::metadata(&path).and_then(|metadata| metadata.modified()).ok();
        let age = built.and_then(|built| built.elapsed().ok()).unwrap_or_default();
        if age > day && path.is_dir() && !path.ends_with("run") {
            let _ = fs::remove_dir_all(&path);
        }
    }
}

/// The three directories that `pg_config` reports.
struct Layout {
    bin: PathBuf,
    share: PathBuf,
    package_lib: PathBuf,
    version: String,
    prefix: PathBuf,
}

impl Layout {
    fn of_system() -> Self {
        let configured = std::env::var_os("PGRX_PG_CONFIG_PATH").map(PathBuf::from);
        let debian = PathBuf::from("/usr/lib/postgresql/15/bin/pg_config");
        let pg_config = configured.unwrap_or(debian);
        let output = Command::new(&pg_config)
            .args(["--bindir", "--sharedir", "--pkglibdir", "--version"])
            .output()
            .unwrap_or_else(|error| panic!("{} (see `make setup`): {error}", pg_config.display()));
        let text = String::from_utf8(output.stdout).expect("pg_config prints paths in UTF-8");
        let mut lines = text.lines().map(str::to_owned);
        let mut next = || lines.next().expect("pg_config prints one line for each option");
        let [bin, share, package_lib] = [next(), next(), next()].map(PathBuf::from);
        let prefix = common_prefix(&common_prefix(&bin, &share), &package_lib);
        Self { bin, share, package_lib, version: next(), prefix }
    }

    fn relative<'a>(&self, path: &'a Path) -> &'a Path {
        path.strip_prefix(&self.prefix).expect("the prefix is common to all three directories")
    }

    fn relocate(&self, root: &Path, extension: Option<&Path>) {
        let bin = root.join(self.relative(&self.bin));
        fs::create_dir_all(&bin).expect("a directory below the root can be made");
        for name in EXECUTABLES {
            fs::copy(self.bin.join(name), bin.join(name))
                .unwrap_or_else(|error| panic!("copying {name}: {error}"));
        }
        let libraries = root.join(self.relative(&self.package_lib));
        mirror(&self.package_lib, &libraries);
        let share = root.join(self.relative(&self.share));
        mirror(&self.share, &share);
        let extensions = share.join("extension");
        fs::remove_file(&extensions).expect("the extension directory was mirrored as a symlink");
        mirror(&self.share.join("extension"), &extensions);
        if let Some(files) = extension {
            add_extension(files, &libraries, &extensions);
        }
    }
}

/// Fills `target` with symlinks to the entries of `source`.
fn mirror(source: &Path, target: &Path) {
    fs::create_dir_all(target).expect("a directory below the root can be made");
    for path in entries(source) {
        let name = path.file_name().expect("a directory entry has a name");
        let link = target.join(name);
        if !link.exists() {
            symlink(&path, &link)
                .unwrap_or_else(|error| panic!("linking {}: {error}", path.display()));
        }
    }
}

fn add_extension(files: &Path, libraries: &Path, extensions: &Path) {
    for path in entries(files) {
        let name = path.file_name().expect("a directory entry has a name");
        let is_library = path.extension() == Some(OsStr::new("so"));
        let target = if is_library { libraries } else { extensions }.join(name);
        // An installed copy may have been mirrored; the one under test replaces it.
        let _ = fs::remove_file(&target);
        fs::copy(&path, &target)
            .unwrap_or_else(|error| panic!("copying {}: {error}", path.display()));
    }
}

fn entries(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

fn common_prefix(left: &Path, right: &Path) -> PathBuf {
    left.components().zip(right.components()).take_while(|(l, r)| l == r).map(|(l, _)| l).collect()
}

/// Names, sizes and times are enough: a rebuilt extension file has a new time.
fn fingerprint(layout: &Layout, extension: Option<&Path>) -> String {
    let mut hasher = DefaultHasher::new();
    (&layout.version, &layout.bin).hash(&mut hasher);
    for path in extension.map(entries).unwrap_or_default() {
        let metadata = fs::metadata(&path).expect("an entry just listed can be examined");
        (path, metadata.len(), metadata.modified().ok()).hash(&mut hasher);
    }
    format!("{:016x}", hasher.finish())
}
