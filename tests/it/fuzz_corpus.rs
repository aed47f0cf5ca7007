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
fn the_client_of_the_login_target_gets_in_when_it_does_everything_right() {
    assert!(login::succeeds(&login::honest()));
    // The last byte spoils the proof.
    let mut spoiled = login::honest();
    *spoiled.last_mut().unwrap() = 1;
    assert!(!login::succeeds(&spoiled));
}
