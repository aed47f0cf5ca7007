//! What a run did, and how the steps stand.

use std::fmt;
use std::time::Duration;

use crate::{Step, Version};

/// What one `up` or `down` did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// The steps that were applied or reverted, in the order in which that happened.
    pub steps: Vec<StepRun>,
    /// How many partitions were missing and are made now; 0 after `down`.
    pub partitions_made: i32,
}

/// One step that was applied or reverted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepRun {
    /// Its number.
    pub version: Version,
    /// Its name in words.
    pub name: String,
    /// How long the attempt took that succeeded.
    pub duration: Duration,
    /// How many attempts it took.
    pub attempts: u32,
}

/// How a step stands in a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepState {
    /// Applied, with the text that this binary has.
    Applied,
    /// Not applied.
    Pending,
    /// Applied with another text than the one that this binary has.
    Changed,
    /// Applied by a binary that knows more steps than this one.
    Unknown,
    /// Stopped between two of its statements.
    Unfinished,
}

impl fmt::Display for StepState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Applied => "applied",
            Self::Pending => "pending",
            Self::Changed => "changed",
            Self::Unknown => "unknown",
            Self::Unfinished => "unfinished",
        })
    }
}

/// How a database stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The steps that the binary knows, then those that it does not.
    pub steps: Vec<StepStatus>,
    /// The extension, where it is installed.
    pub extension: Option<ExtensionStatus>,
}

impl Status {
    /// True when `up` would find nothing to do.
    pub fn is_current(&self) -> bool {
        self.steps.iter().all(|step| step.state == StepState::Applied)
            && !self.extension.as_ref().is_some_and(ExtensionStatus::is_due)
    }
}

/// The installed extension beside the server's files of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtensionStatus {
    /// The version that is installed.
    pub installed: String,
    /// The version that an update would bring; none when the files are gone.
    pub available: Option<String>,
}

impl ExtensionStatus {
    /// True when the two differ: `up` updates it, or says that the files are the older ones.
    pub fn is_due(&self) -> bool {
        self.available.as_ref() != Some(&self.installed)
    }
}

/// One line of `status`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepStatus {
    /// Its number.
    pub version: Version,
    /// Its name in words.
    pub name: String,
    /// How it stands.
    pub state: StepState,
    /// When it was applied: RFC 3339, UTC.
    pub applied_at: Option<String>,
    /// How long that took.
    pub execution_time_ms: Option<i64>,
}

impl StepStatus {
    pub(crate) fn pending(step: &Step) -> Self {
        Self {
            version: step.version,
            name: step.description(),
            state: StepState::Pending,
            applied_at: None,
            execution_time_ms: None,
        }
    }
}
