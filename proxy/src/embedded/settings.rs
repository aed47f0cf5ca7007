//! What a private server is started with, and its configuration file.
//!
//! The settings go to `taskmaster.conf` in the data directory, which `postgresql.conf` includes,
//! so that what a user adds to `postgresql.conf` stays. Must not know processes.

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::{Account, EmbeddedError};

const FILE: &str = "taskmaster.conf";
const INCLUDE: &str = "include 'taskmaster.conf'";
/// How much of the log's end is searched for the cause of a failed start, in bytes.
const LOG_TAIL: usize = 64 * 1024;

/// Where a server lives and how it runs.
#[derive(Debug, Clone)]
pub struct ClusterSettings {
    /// The data directory.
    pub data_dir: PathBuf,
    /// The directory of the unix socket, which exists; see [`socket_path_fits`].
    pub socket_dir: PathBuf,
    /// Addresses of `listen_addresses`; empty for none.
    pub listen_addresses: String,
    /// The port, which also names the socket.
    pub port: u16,
    /// Where the server's standard error goes.
    pub log_file: PathBuf,
    /// The major version of the server.
    pub major: u32,
    /// Further settings by name, such as `("fsync", "off")`.
    pub further: Vec<(String, String)>,
}

impl ClusterSettings {
    /// Writes the settings into the data directory, which must exist.
    ///
    /// # Errors
    /// A file cannot be written.
    pub(super) fn write(&self, account: Account) -> Result<(), EmbeddedError> {
        let path = self.data_dir.join(FILE);
        fs::write(&path, self.render()).map_err(EmbeddedError::io("write", &path))?;
        account.own(&path)?;
        include_in(&self.data_dir.join("postgresql.conf"))
    }

    /// The server's last FATAL or PANIC message after the first `from` bytes of the log.
    pub(super) fn last_complaint(&self, from: u64) -> Option<String> {
        let log = fs::read(&self.log_file).ok()?;
        let recent = log.get(usize::try_from(from).ok()?..)?;
        let tail = &recent[recent.len().saturating_sub(LOG_TAIL)..];
        complaint_in(&String::from_utf8_lossy(tail))
    }

    fn render(&self) -> String {
        let mut text =
            String::from("# Written at every start; put your own into postgresql.conf.\n");
        let sockets = format!("\"{}\"", self.socket_dir.display().to_string().replace('"', "\"\""));
        let port = self.port.to_string();
        let own = [
            ("listen_addresses", self.listen_addresses.as_str()),
            ("port", &port),
            ("unix_socket_directories", &sockets),
            ("unix_socket_permissions", "0700"),
            ("password_encryption", "scram-sha-256"),
            ("cluster_name", "taskmaster"),
        ];
        let further = self.further.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        for (name, value) in own.into_iter().chain(further) {
            let _ = writeln!(text, "{name} = '{}'", escape(value));
        }
        text
    }
}

fn complaint_in(log: &str) -> Option<String> {
    log.lines().rev().find_map(|line| {
        let (_, message) = line.split_once("FATAL:").or_else(|| line.split_once("PANIC:"))?;
        Some(message.trim().to_owned())
    })
}

/// Whether the server's socket in `dir` keeps to the 107 bytes that `sockaddr_un` has for a path.
#[must_use]
pub fn socket_path_fits(dir: &Path, port: u16) -> bool {
    dir.join(format!(".s.PGSQL.{port}")).as_os_str().len() <= 107
}

/// Quotes as the configuration file's grammar wants it (`DeescapeQuotedString` in guc-file.l).
fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('\'', "''")
}

fn include_in(main: &Path) -> Result<(), EmbeddedError> {
    let text = fs::read_to_string(main).map_err(EmbeddedError::io("read", main))?;
    if text.lines().any(|line| line.trim() == INCLUDE) {
        return Ok(());
    }
    let mut file =
        OpenOptions::new().append(true).open(main).map_err(EmbeddedError::io("open", main))?;
    writeln!(file, "\n{INCLUDE}").map_err(EmbeddedError::io("write", main))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(socket_dir: &str) -> ClusterSettings {
        ClusterSettings {
            data_dir: "/d".into(),
            socket_dir: socket_dir.into(),
            listen_addresses: "127.0.0.1".into(),
            port: 54321,
            log_file: "/l".into(),
            major: 15,
            further: vec![("fsync".into(), "off".into())],
        }
    }

    #[test]
    fn a_socket_directory_with_quotes_and_commas_stays_one_directory() {
        let text = settings("/a 'b', \"c\"\\d").render();
        let expected = r#"unix_socket_directories = '"/a ''b'', ""c""\\d"'"#;
        assert!(text.contains(expected), "{text}");
    }

    #[test]
    fn further_settings_come_last_and_so_win() {
        assert!(settings("/run").render().ends_with("fsync = 'off'\n"));
    }

    #[test]
    fn the_cause_of_a_failed_start_is_the_last_fatal_message() {
        let log = "2026 [1] FATAL:  first\n2026 [1] FATAL:  second\n2026 [1] LOG:  down\n";
        assert_eq!(complaint_in(log).as_deref(), Some("second"));
        assert_eq!(complaint_in("LOG:  fine\n"), None);
    }

    #[test]
    fn a_socket_path_has_107_bytes_at_most() {
        let name = "/.s.PGSQL.54321".len();
        assert!(socket_path_fits(Path::new(&format!("/{}", "x".repeat(107 - name - 1))), 54321));
        assert!(!socket_path_fits(Path::new(&format!("/{}", "x".repeat(107 - name))), 54321));
    }
}
