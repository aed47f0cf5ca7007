//! The operating system user the private server runs as.
//!
//! PostgreSQL refuses to run as root (`check_root` in src/backend/main/main.c), so root hands the
//! server to the user `postgres`.
//! Must not know where the directories lie or what the server is started with.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use nix::unistd::{Uid, User, geteuid};

use super::EmbeddedError;

/// Who runs the server and owns its files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Account {
    /// The user who runs this program.
    Caller,
    /// Another user; only root can choose one.
    Other {
        /// User id.
        uid: u32,
        /// Primary group id.
        gid: u32,
    },
}

impl Account {
    /// The account for a new cluster: the caller, or `postgres` when the caller is root.
    ///
    /// # Errors
    /// [`EmbeddedError::NoAccount`] when root finds no user `postgres`.
    pub fn for_new_cluster() -> Result<Self, EmbeddedError> {
        if !geteuid().is_root() {
            return Ok(Self::Caller);
        }
        let user = User::from_name("postgres").ok().flatten().ok_or(EmbeddedError::NoAccount)?;
        Ok(Self::Other { uid: user.uid.as_raw(), gid: user.gid.as_raw() })
    }

    /// Makes `command` run as this account.
    pub fn apply<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        match *self {
            Self::Caller => command,
            Self::Other { uid, gid } => command.uid(uid).gid(gid),
        }
    }

    /// Hands `path` to this account.
    ///
    /// # Errors
    /// What the system answers.
    pub fn own(&self, path: &Path) -> Result<(), EmbeddedError> {
        let Self::Other { uid, gid } = *self else { return Ok(()) };
        chown(path, Some(uid), Some(gid)).map_err(EmbeddedError::io("change the owner of", path))
    }

    /// Whether this account can walk to `dir`: every directory on the way lets it through.
    ///
    /// # Errors
    /// A directory on the way cannot be looked at.
    pub fn can_reach(&self, dir: &Path) -> Result<bool, EmbeddedError> {
        let Self::Other { uid, gid } = *self else { return Ok(true) };
        for step in dir.ancestors().filter(|step| !step.as_os_str().is_empty()) {
            let found = fs::metadata(step).map_err(EmbeddedError::io("read", step))?;
            if !lets_through(&found, uid, gid) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether `uid` is this account or the caller.
    pub(super) fn is_or_caller(&self, uid: u32) -> bool {
        let same = matches!(*self, Self::Other { uid: own, .. } if own == uid);
        same || Uid::from_raw(uid) == geteuid()
    }
}

/// `apply` drops the supplementary groups (std calls setgroups with none), so only `gid` counts.
fn lets_through(dir: &fs::Metadata, uid: u32, gid: u32) -> bool {
    let mode = dir.permissions().mode();
    let bit = match () {
        () if dir.uid() == uid => 0o100,
        () if dir.gid() == gid => 0o010,
        () => 0o001,
    };
    mode & bit != 0
}
