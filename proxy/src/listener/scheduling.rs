//! How the kernel schedules a worker's thread among all that want to run. Must not know what the thread does.

use std::fmt;

use rustix::process::getpriority_process;
use thread_priority::unix::{
    NormalThreadSchedulePolicy, ThreadSchedulePolicy, set_thread_priority_and_policy,
    thread_native_id,
};
use thread_priority::{ThreadPriority, ThreadPriorityOsValue};

/// The policy of a worker's thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scheduling {
    /// `SCHED_BATCH`: a worker that wakes up does not interrupt who runs on its core, such as the server or the client that
    /// has just sent something to it. It finds more work at once when its turn comes, for fewer switches and less CPU time.
    /// Needs no privilege (sched(7)).
    #[default]
    Batch,
    /// `SCHED_OTHER`, as every program: shorter waits where others keep all cores busy for longer than a moment.
    Normal,
}

impl Scheduling {
    /// Gives the calling thread this policy. Where the system refuses, the thread goes on as it is.
    pub(super) fn apply(self) {
        if self == Self::Batch
            && let Err(error) = set_batch()
        {
            tracing::info!(%error, "workers run under the usual policy instead of SCHED_BATCH");
        }
    }
}

impl fmt::Display for Scheduling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Batch => "batch",
            Self::Normal => "normal",
        })
    }
}

/// The library sets a nice value together with the policy, and gives only that of 0 to choose: a process that an operator
/// gave another one keeps what it was given.
fn set_batch() -> Result<(), String> {
    let nice = getpriority_process(None).map_err(|error| error.to_string())?;
    if nice != 0 {
        return Err(format!("the process has the nice value {nice}"));
    }
    let policy = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Batch);
    let priority = ThreadPriority::Os(ThreadPriorityOsValue::default());
    let set = set_thread_priority_and_policy(thread_native_id(), priority, policy);
    set.map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use thread_priority::unix::thread_schedule_policy;

    use super::*;

    #[test]
    fn a_thread_gets_the_policy_and_keeps_its_priority() {
        std::thread::spawn(|| {
            if getpriority_process(None) != Ok(0) {
                return;
            }
            Scheduling::Normal.apply();
            let other = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Other);
            assert_eq!(thread_schedule_policy().unwrap(), other);
            Scheduling::Batch.apply();
            let batch = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Batch);
            assert_eq!(thread_schedule_policy().unwrap(), batch);
            assert_eq!(getpriority_process(None), Ok(0));
        })
        .join()
        .unwrap();
    }
}
