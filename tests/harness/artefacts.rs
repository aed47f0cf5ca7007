//! Where the build left what the tests run: the proxy binary and the extension's files.
//!
//! Cargo does not build another package's binary for a test, so `make test` builds them first and
//! this file says clearly when that did not happen.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// `<target>/<profile>`, the directory two levels above the running test binary.
///
/// # Panics
/// When the running binary is not in a cargo target directory.
pub fn profile_dir() -> PathBuf {
    let exe = std::env::current_exe().expect("a process knows its executable");
    let deps = exe.parent().expect("an executable is in a directory");
    let profile = if deps.ends_with("deps") { deps.parent() } else { Some(deps) };
    profile.expect("cargo's deps directory is inside a profile directory").to_path_buf()
}

/// The repository's root directory.
pub fn repository_dir() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("tests/ is inside the repository").to_path_buf()
}

/// The `taskmaster` binary: `TASKMASTER_BIN`, or the one beside the running test.
///
/// # Panics
/// When it is missing, or older than one of the sources it was built from.
pub fn taskmaster_bin() -> PathBuf {
    if let Some(path) = std::env::var_os("TASKMASTER_BIN") {
        return PathBuf::from(path);
    }
    let bin = profile_dir().join("taskmaster");
    let advice = "run `make test`, or `cargo build -p taskmaster-proxy` with this target directory";
    let built =
        modified(&bin).unwrap_or_else(|| panic!("{} is not there: {advice}", bin.display()));
    if let Some(newer) = newer_source(&bin.with_extension("d"), built) {
        panic!("{} is older than {newer}: {advice}", bin.display());
    }
    bin
}

/// The directory with `taskmaster.so`, the control file and the install script:
/// `TASKMASTER_EXTENSION_DIR`, or `<target>/<profile>/extension`.
///
/// # Panics
/// When it is not there.
pub fn extension_dir() -> PathBuf {
    let dir = match std::env::var_os("TASKMASTER_EXTENSION_DIR") {
        Some(path) => PathBuf::from(path),
        None => profile_dir().join("extension"),
    };
    let built = dir.join("taskmaster.control").exists();
    assert!(built, "the extension is not in {}: run `make test`", dir.display());
    dir
}

fn modified(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}

/// The first source in cargo's dep-info file that changed after `built`.
fn newer_source(dep_info: &Path, built: SystemTime) -> Option<String> {
    let text = std::fs::read_to_string(dep_info).ok()?;
    let (_, sources) = text.split_once(": ")?;
    let mut sources = sources.split_whitespace();
    let newer = sources.find(|path| modified(Path::new(path)).is_some_and(|time| time > built));
    newer.map(str::to_owned)
}
