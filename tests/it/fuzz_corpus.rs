//! The inputs that fuzzing has found worth keeping, played again: `fuzz/run.sh` adds to them.
#![allow(
    unreachable_pub,
    reason = "the files below belong to the fuzzing crate, which exports them"
)]

use std::fs;
use std::path::PathBuf;

use harness::artefacts::repository_dir;

#[path = "../../fuzz/src/login.rs"]
mod login;
#[path = "../../fuzz/src/model.rs"]
mod model;
#[path = "../../fuzz/src/relay.rs"]
mod relay;
#[path = "../../fuzz/src/startup.rs"]
mod startup;
#[path = "../../fuzz/src/wire.rs"]
mod wire;

/// Runs the function of a target over its corpus, which must not be empty.
fn replay(target: &str, run: fn(&[u8])) {
    let dir = repository_dir().join("fuzz/corpus").join(target);
    let entries = fs::read_dir(&dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    let paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    assert!(paths.len() >= 5, "only {} inputs in {}", paths.len(), dir.display());
    for path in paths {
        // What panics below is told apart by this line.
        eprintln!("{}", path.display());
        run(&fs::read(&path).unwrap());
    }
}

#[test]
fn the_corpus_of_the_wire() {
    replay("wire", wire::run);
}

#[test]
fn the_corpus_of_the_startup_packet() {
    replay("startup", startup::run);
}

#[test]
fn the_corpus_of_the_login() {
    replay("login", login::run);
}

#[test]
fn the_corpus_of_the_relay() {
    replay("relay", relay::run);
}

#[test]
fn the_client_of_the_login_target_gets_in_when_it_does_everything_right() {
    assert!(login::succeeds(&login::honest()));
    // The last byte spoils the proof.
    let mut spoiled = login::honest();
    *spoiled.last_mut().unwrap() = 1;
    assert!(!login::succeeds(&spoiled));
}

/// The fuzzing crate has a lock file of its own, which nothing else here looks at: `run.sh` refuses to build with an old one.
#[test]
fn the_lock_file_of_the_fuzzing_crate_knows_what_the_proxy_depends_on() {
    let read = |path: &str| -> toml::Table {
        fs::read_to_string(repository_dir().join(path)).unwrap().parse().unwrap()
    };
    let lock = read("fuzz/Cargo.lock");
    let packages = lock["package"].as_array().unwrap();
    let proxy =
        packages.iter().find(|package| package["name"].as_str() == Some("taskmaster-proxy"));
    let locked = proxy.unwrap()["dependencies"].as_array().unwrap();
    let locked = |name: &str| {
        locked.iter().filter_map(toml::Value::as_str).any(|of| of.split(' ').next() == Some(name))
    };
    let manifest = read("proxy/Cargo.toml");
    let dependencies = manifest["dependencies"].as_table().unwrap();
    for name in dependencies.keys() {
        assert!(locked(name), "{name} is missing: run cargo metadata in fuzz/ once");
    }
}
