//! Why a private PostgreSQL could not be made, started or stopped.
//!
//! Every text is one line of the form `cause: what to do`. Must not know the command line's exit codes.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A refusal or failure of the private PostgreSQL.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmbeddedError {
    /// A file or directory could not be read, written or made.
    #[error("cannot {action} {}: {source}: {}", path.display(), remedy(source))]
    Io {
        /// What was tried, a verb such as "create".
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// No PostgreSQL server was found on this machine, or not in the directory that was named.
    #[error(
        "initdb was not found in {searched}: install it (apt-get install postgresql-15) or name its directory with --pg-bindir"
    )]
    NoInstallation {
        /// The directories that were looked at.
        searched: String,
    },
    /// A program of the installation does not do what it should.
    #[error("{} failed: {detail}: reinstall that PostgreSQL or name another with --pg-bindir", program.display())]
    BrokenInstallation {
        /// The program that was run.
        program: PathBuf,
        /// What it said.
        detail: String,
    },
    /// The data directory belongs to another major version.
    #[error("{} was made by PostgreSQL {made_by} and the server found is {found}: install postgresql-{made_by} or name it with --pg-bindir, or choose another --data-dir", path.display())]
    OtherMajor {
        /// The data directory.
        path: PathBuf,
        /// The major version in its PG_VERSION.
        made_by: u32,
        /// The major version of the installation.
        found: u32,
    },
    /// The directory holds something that this program did not make.
    #[error("{} was not made by taskmaster: choose another directory with --data-dir", .0.display())]
    NotOurs(PathBuf),
    /// The directory belongs to another user, whose files this run would take over.
    #[error("{} was made by another user (uid {uid}): run as that user, or choose another --data-dir", path.display())]
    OtherUser {
        /// The state directory.
        path: PathBuf,
        /// Its owner.
        uid: u32,
    },
    /// The directory was made by a version with another layout.
    #[error("{} has layout {found} and this taskmaster knows {known}: use the taskmaster that made it, or choose another --data-dir", path.display())]
    OtherLayout {
        /// The state directory.
        path: PathBuf,
        /// The layout in it.
        found: u32,
        /// The layout this version writes.
        known: u32,
    },
    /// Another `taskmaster up` holds the directory.
    #[error("{} is in use by {holder}: stop that one, or choose another --data-dir", path.display())]
    AlreadyRunning {
        /// The state directory.
        path: PathBuf,
        /// Who holds it, as far as can be told.
        holder: String,
    },
    /// The proxy's port is taken.
    #[error(
        "port {port} of {host} is in use{by}: stop that program or choose another port with --port"
    )]
    PortInUse {
        /// The address asked for.
        host: String,
        /// The port asked for.
        port: u16,
        /// ` by name (pid n)`, or empty when it cannot be told.
        by: String,
    },
    /// The proxy's port may not be opened by this user.
    #[error("port {port} of {host} cannot be opened: {source}: choose another port with --port")]
    PortRefused {
        /// The address asked for.
        host: String,
        /// The port asked for.
        port: u16,
        /// What the system answered.
        source: io::Error,
    },
    /// No port is left for the private server.
    #[error(
        "no port between {first} and {last} is free for the private PostgreSQL: free one of them"
    )]
    NoFreePort {
        /// The lowest port tried.
        first: u16,
        /// The highest port tried.
        last: u16,
    },
    /// The extension's files are nowhere.
    #[error(
        "taskmaster.so and taskmaster.control were not found in {searched}: build them with `make build` or name their directory with --extension-dir"
    )]
    NoExtension {
        /// The directories that were looked at.
        searched: String,
    },
    /// PostgreSQL does not run as root and there is no other account to use.
    #[error(
        "PostgreSQL does not run as root and this machine has no user postgres: create it (useradd --system postgres) or run as another user"
    )]
    NoAccount,
    /// `initdb` failed.
    #[error("initdb failed: {0}: correct that and run it again")]
    Initdb(String),
    /// The server ended before it was ready.
    #[error("PostgreSQL did not start: {0}: correct that and run it again")]
    NotStarted(String),
    /// The server was not ready in time.
    #[error("PostgreSQL was not ready after {} s: look at {}", after.as_secs(), log.display())]
    NotReady {
        /// How long was waited.
        after: Duration,
        /// Where the server writes its log.
        log: PathBuf,
    },
    /// A server that should stop goes on running.
    #[error("PostgreSQL (pid {pid}) did not stop: end it with kill -QUIT {pid}")]
    NotStopped {
        /// Its process id.
        pid: i32,
    },
    /// Processes of an earlier server still use the data directory.
    #[error("processes of an earlier PostgreSQL still use {}: end them (pid {pids})", path.display())]
    LeftOver {
        /// The data directory.
        path: PathBuf,
        /// Their process ids, separated by spaces.
        pids: String,
    },
    /// The server ended while it should run.
    #[error("the private PostgreSQL ended by itself ({status}): look at {} and run it again", log.display())]
    ServerDied {
        /// How it ended.
        status: String,
        /// Where the server writes its log.
        log: PathBuf,
    },
    /// A statement of the set-up failed.
    #[error("cannot {action}: {detail}: correct that and run it again")]
    Sql {
        /// What was tried.
        action: &'static str,
        /// What the server answered.
        detail: String,
    },
    /// The migrations could not be applied.
    #[error("{0}")]
    Migrations(String),
    /// A certificate could not be made.
    #[error(
        "cannot make the certificates: {0}: remove the folder tls of the data directory and run it again"
    )]
    Certificate(String),
    /// The random number generator of the system failed.
    #[error("the system gives no random numbers: see that /dev/urandom can be read")]
    Random,
    /// Someone pressed Ctrl-C while the server was being made.
    #[error("interrupted before it was ready: run it again")]
    Interrupted,
    /// The proxy could not serve.
    #[error("{0}")]
    Proxy(String),
}

impl EmbeddedError {
    /// Wraps what the system answered to `action` on `path`; made to be given to `map_err`.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }

    /// Wraps what the server answered to `action`; made to be given to `map_err`.
    pub(crate) fn sql(action: &'static str) -> impl FnOnce(tokio_postgres::Error) -> Self {
        move |error| Self::Sql { action, detail: sql_detail(&error) }
    }
}

fn sql_detail(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(db) => format!("{} (SQLSTATE {})", db.message(), db.code().code()),
        None => match std::error::Error::source(error) {
            Some(cause) => format!("{error}: {cause}"),
            None => error.to_string(),
        },
    }
}

fn remedy(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "run as a user who may write there, or choose another directory with --data-dir"
        }
        io::ErrorKind::NotFound => "create it first, or choose another directory with --data-dir",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "free some space",
        io::ErrorKind::CrossesDevices | io::ErrorKind::ResourceBusy => {
            "it is a mount point; name a directory inside it with --data-dir"
        }
        _ => "correct that and run it again",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_is_one_line_that_says_what_to_do() {
        let refusals = [
            EmbeddedError::NoAccount,
            EmbeddedError::NotOurs("/tmp/x".into()),
            EmbeddedError::NoInstallation { searched: "/usr/bin".into() },
            EmbeddedError::io("create", Path::new("/x"))(io::ErrorKind::PermissionDenied.into()),
            EmbeddedError::OtherMajor { path: "/x".into(), made_by: 14, found: 15 },
        ];
        for refusal in refusals {
            let text = refusal.to_string();
            assert!(!text.contains('\n'), "{text}");
            assert!(text.contains(": "), "{text}");
        }
    }

    #[test]
    fn a_refused_permission_names_the_option_that_helps() {
        let refusal =
            EmbeddedError::io("create", Path::new("/x"))(io::ErrorKind::PermissionDenied.into());
        assert!(refusal.to_string().contains("--data-dir"));
    }
}
