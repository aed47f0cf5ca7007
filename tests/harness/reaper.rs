//! A watchdog child that outlives this process by a moment: when our end of its standard input
//! closes, whether by a clean exit, a panic or SIGKILL, it ends every process still registered and
//! removes this process's directory.
//!
//! A parent-death signal alone would not do: it is tied to the thread that spawned the child, and
//! test threads end before the cluster they started does.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

use nix::sys::signal::Signal;

use crate::run_dir;

/// Reads `add SIGNAL PID` and `forget PID`; at end of input signals what is left, waits a bounded
/// time, kills, and removes the directory `$1`.
const SCRIPT: &str = r#"
kept=""
while read -r verb first second; do
  case $verb in
    add) kept="$kept $first:$second" ;;
    forget)
      left=""
      for entry in $kept; do [ "${entry#*:}" = "$first" ] || left="$left $entry"; done
      kept=$left ;;
  esac
done
# A zombie has ended; who reaps it is not our business.
runs() { kill -0 "$1" 2>/dev/null && ! grep -q '^State:.Z' "/proc/$1/status" 2>/dev/null; }
for entry in $kept; do kill "-${entry%%:*}" "${entry#*:}" 2>/dev/null; done
for entry in $kept; do
  tries=0
  while runs "${entry#*:}" && [ $tries -lt 100 ]; do
    sleep 0.05; tries=$((tries + 1))
  done
  kill -KILL "${entry#*:}" 2>/dev/null
done
rm -rf "$1"
"#;

/// Registers a process to be sent `signal` when this process ends.
pub fn adopt(pid: u32, signal: Signal) {
    // `kill` of the shell knows names without the SIG prefix.
    let name = signal.as_str().trim_start_matches("SIG");
    tell(&format!("add {name} {pid}\n"));
}

/// Takes a process that has ended off the list, so that its number is never signalled again.
pub fn forget(pid: u32) {
    tell(&format!("forget {pid}\n"));
}

fn tell(line: &str) {
    static REAPER: OnceLock<Mutex<Child>> = OnceLock::new();
    let reaper = REAPER.get_or_init(|| Mutex::new(start()));
    let mut reaper = reaper.lock().unwrap_or_else(PoisonError::into_inner);
    let input = reaper.stdin.as_mut().expect("standard input was piped");
    input.write_all(line.as_bytes()).expect("the reaper listens as long as this process lives");
}

/// Starts the shell in a process group of its own, so that Ctrl-C and a test runner's group kill
/// do not take it down with us.
fn start() -> Child {
    Command::new("/bin/sh")
        .args(["-c", SCRIPT, "reaper"])
        .arg(run_dir::process_dir())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .current_dir("/")
        .process_group(0)
        .spawn()
        .expect("/bin/sh starts")
}
