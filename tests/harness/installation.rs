//! A private copy of the installed PostgreSQL with the extension under test, the same that
//! `taskmaster up` makes: nothing is written into system directories.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use nix::fcntl::{Flock, FlockArg};
use taskmaster_proxy::embedded::{ExtensionArtefacts, Installation as System, PrivateTree};

use crate::{artefacts, run_dir};

/// A PostgreSQL installation with our extension in it.
#[derive(Debug)]
pub struct Installation {
    /// The relocated tree.
    pub tree: PrivateTree,
    /// Directory of the system's own executables, such as `psql` and `pgbench`.
    pub system_bin_dir: PathBuf,
    /// Stands for the server's version and place: equal means its data directories fit.
    pub server: String,
}

impl Installation {
    /// The installation of this run, made when it is first asked for and shared by every test
    /// process of this machine that has the same extension files.
    ///
    /// # Panics
    /// When PostgreSQL or the built extension is missing, with what to do.
    pub fn get() -> &'static Self {
        static INSTALLATION: OnceLock<Installation> = OnceLock::new();
        INSTALLATION.get_or_init(|| {
            let system = system();
            let dir = artefacts::extension_dir();
            let root = run_dir::machine_dir().join(format!("tree-{}", fingerprint(&system, &dir)));
            build_once(&root, |root| {
                let extension = ExtensionArtefacts::in_dir(&dir).expect("just found there");
                PrivateTree::make(root, &system, &extension).expect("a tree in a fresh directory");
            });
            Self {
                tree: PrivateTree::at(&root, &system),
                server: fingerprint(&system, Path::new("")),
                system_bin_dir: system.bindir,
            }
        })
    }
}

/// The PostgreSQL that the extension was built against, or the one this machine has.
fn system() -> System {
    let pg_config = std::env::var_os("PGRX_PG_CONFIG_PATH").map(PathBuf::from);
    let bin_dir = pg_config.as_deref().and_then(Path::parent);
    let found = System::find(bin_dir, Some(15));
    found.unwrap_or_else(|error| panic!("{error}; `make setup` installs it"))
}

/// Runs `build` on a scratch directory and renames it to `path`, unless `path` is there already;
/// one process at a time, under a lock file beside it.
pub fn build_once(path: &Path, build: impl FnOnce(&Path)) {
    let file = fs::File::create(path.with_extension("lock")).expect("a lock file can be made");
    let _lock = Flock::lock(file, FlockArg::LockExclusive)
        .unwrap_or_else(|(_, error)| panic!("{}: {error}", path.display()));
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

fn entries(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten();
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

/// Names, sizes and times are enough: a rebuilt extension file has a new time.
fn fingerprint(system: &System, extension: &Path) -> String {
    let mut hasher = DefaultHasher::new();
    (&system.bindir, system.major).hash(&mut hasher);
    for path in entries(extension) {
        let metadata = fs::metadata(&path).expect("an entry just listed can be examined");
        (path, metadata.len(), metadata.modified().ok()).hash(&mut hasher);
    }
    format!("{:016x}", hasher.finish())
}
