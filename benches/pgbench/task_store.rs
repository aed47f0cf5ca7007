//! What it costs to create a task, and to claim the next one however many there are. A section of the results of its own.

mod claim;
mod create;

use std::fmt::{self, Display, Formatter};

use harness::Cluster;

use crate::error::BenchError;

/// The figures, and what they were taken on.
#[derive(Debug)]
pub(crate) struct TaskStore {
    create: create::Create,
    claim: claim::Claim,
    /// The machine and the versions.
    machine: String,
}

/// Takes all of them.
///
/// # Errors
/// When a figure cannot be read.
pub(crate) async fn measure(cluster: &Cluster, machine: String) -> Result<TaskStore, BenchError> {
    let claim = claim::measure(cluster).await?;
    Ok(TaskStore { claim, create: create::measure(cluster).await?, machine })
}

impl Display for TaskStore {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "## Tasks: creating and claiming

Written by `make bench BENCH=\"--only task-store\"`. Instructions are those of the backend in user mode as valgrind counts
them, the login taken off; they do not depend on what else the machine does. Times are medians of interleaved rounds, in parentheses
the least and the greatest. {}.

{}
{}",
            self.machine, self.create, self.claim
        )
    }
}
