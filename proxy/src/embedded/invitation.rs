//! How a client gets in: the password file, one `psql` line, one URL.
//!
//! Pure but for the password file. Must not know how the server was made.

use std::path::{Path, PathBuf};

use super::files::write_file;
use super::{EmbeddedError, roles};

/// What a client needs to connect with `sslmode=verify-full`.
#[derive(Debug, Clone)]
pub(super) struct Invitation {
    /// The proxy's port on localhost.
    pub(super) port: u16,
    /// The certificate of the private authority.
    pub(super) authority: PathBuf,
    /// libpq's password file.
    pub(super) passfile: PathBuf,
}

impl Invitation {
    /// A line to paste into a shell.
    pub(super) fn psql(&self) -> String {
        let conninfo: Vec<_> = self
            .parameters()
            .iter()
            .map(|(name, value)| format!("{name}={}", quoted(value)))
            .collect();
        format!("psql {}", shell_quoted(&conninfo.join(" ")))
    }

    /// A URL for every client that builds on libpq.
    pub(super) fn url(&self) -> String {
        let (user, database) = (roles::APPLICATION, roles::DATABASE);
        let authority = encoded(&self.authority.to_string_lossy());
        let passfile = encoded(&self.passfile.to_string_lossy());
        format!(
            "postgresql://{user}@localhost:{}/{database}?sslmode=verify-full&sslrootcert={authority}&passfile={passfile}",
            self.port
        )
    }

    fn parameters(&self) -> [(&'static str, String); 7] {
        [
            ("host", "localhost".to_owned()),
            ("port", self.port.to_string()),
            ("dbname", roles::DATABASE.to_owned()),
            ("user", roles::APPLICATION.to_owned()),
            ("sslmode", "verify-full".to_owned()),
            ("sslrootcert", self.authority.to_string_lossy().into_owned()),
            ("passfile", self.passfile.to_string_lossy().into_owned()),
        ]
    }
}

/// Writes libpq's password file: the application's password for this machine, on any port.
///
/// # Errors
/// What the system answers.
pub(super) fn write_passfile(path: &Path, password: &str) -> Result<(), EmbeddedError> {
    let line = |host| format!("{host}:*:*:{}:{password}\n", roles::APPLICATION);
    write_file(path, &["localhost", "127.0.0.1"].map(line).concat(), 0o600)
}

/// A conninfo value; see "Keyword/Value Connection Strings" in the libpq manual.
fn quoted(value: &str) -> String {
    if value.bytes().all(is_plain) {
        return value.to_owned();
    }
    format!("'{}'", value.replace('\\', "\\\\").replace('\'', "\\'"))
}

fn shell_quoted(text: &str) -> String {
    if text.contains(['$', '`', '"', '\\', '!']) {
        return format!("'{}'", text.replace('\'', "'\\''"));
    }
    format!("\"{text}\"")
}

/// Percent-encodes what may not stand in the query of a URI (RFC 3986).
fn encoded(value: &str) -> String {
    let escape = |byte: u8| match byte {
        byte if is_plain(byte) => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    value.bytes().map(escape).collect()
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invitation(dir: &str) -> Invitation {
        let dir = Path::new(dir);
        Invitation { port: 6432, authority: dir.join("ca.crt"), passfile: dir.join("pgpass") }
    }

    #[test]
    fn a_plain_path_needs_no_quotes() {
        let made = invitation("/srv/x/.taskmaster");
        assert!(made.psql().starts_with("psql \"host=localhost port=6432 "), "{}", made.psql());
        assert!(made.psql().ends_with("passfile=/srv/x/.taskmaster/pgpass\""), "{}", made.psql());
        assert!(made.url().contains("sslrootcert=/srv/x/.taskmaster/ca.crt&"), "{}", made.url());
    }

    #[test]
    fn a_path_with_a_space_and_a_quote_survives_shell_and_libpq() {
        let made = invitation("/o'brien's work");
        assert!(made.psql().contains(r"passfile='\''/o\'\''brien"), "{}", made.psql());
        assert!(made.url().contains("/o%27brien%27s%20work/ca.crt"), "{}", made.url());
    }
}
