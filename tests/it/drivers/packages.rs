//! Drivers' packages in other languages, installed once for each content of their lock files.

use std::fs;
use std::path::{Path, PathBuf};

use harness::installation::build_once;
use harness::program::Program;
use harness::{artefacts, run_dir};

/// The driver's directory in the repository, its name, and a directory outside of the repository
/// where its packages are installed once for each content of `lock`.
fn installed(name: &str, lock: &str, install: impl FnOnce(&Path, &Path)) -> PathBuf {
    let source = artefacts::repository_dir().join("tests/drivers").join(name);
    let text = fs::read(source.join(lock)).expect("the lock file is in the repository");
    let digest = text.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let dir = run_dir::machine_dir().join(format!("driver-{name}-{digest:016x}"));
    build_once(&dir, |dir| install(&source, dir));
    dir
}

fn install(program: Program) {
    let finished = program.run_blocking();
    let advice = "the driver tests install packages with pip and npm";
    assert!(finished.status.success(), "{advice}: {}", finished.report());
}

/// Python with the drivers' packages.
pub(crate) fn python() -> PathBuf {
    let dir = installed("python", "requirements.txt", |source, dir| {
        install(Program::new("python3").args(["-m", "venv"]).args([dir]));
        let pip = Program::new(dir.join("bin/python")).args(["-m", "pip", "install", "--quiet"]);
        install(pip.args(["--no-deps", "-r"]).args([source.join("requirements.txt")]));
    });
    dir.join("bin/python")
}

/// A program of ours for node. It is copied beside the installed packages, because node looks for packages
/// from the program's place upwards.
pub(crate) fn node(program: &str) -> PathBuf {
    let dir = installed("node", "package-lock.json", |source, dir| {
        for name in ["package.json", "package-lock.json"] {
            fs::copy(source.join(name), dir.join(name)).expect("the file is in the repository");
        }
        let npm = Program::new("npm").args(["ci", "--no-audit", "--no-fund"]);
        install(npm.current_dir(dir));
    });
    let own = run_dir::fresh_dir("node");
    let source = artefacts::repository_dir().join("tests/drivers/node");
    for name in ["package.json", program] {
        fs::copy(source.join(name), own.join(name)).expect("the file is in the repository");
    }
    let packages = own.join("node_modules");
    std::os::unix::fs::symlink(dir.join("node_modules"), packages).expect("a fresh directory");
    own.join(program)
}
