//! The files of an installed extension, and how they reach a directory that a server may be
//! reading: each appears whole or not at all, and one that is there already is left alone, so that
//! its modification time says when it changed. It must not know how the script is made.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use eyre::WrapErr;
use pgrx_sql_entity_graph::ControlFile;

use crate::script::installation_script;
use crate::upgrade::{EARLIER, Earlier};

/// The files' contents.
pub(crate) struct Artefacts {
    library: Vec<u8>,
    control: String,
    scripts: Vec<Script>,
}

/// One SQL script and its file name.
struct Script {
    name: String,
    sql: String,
}

/// The version of the extension: its own, which both crates share.
const VERSION: &str = env!("CARGO_PKG_VERSION");

const CONTROL_TEMPLATE: &str = include_str!("../../taskmaster.control");

impl Artefacts {
    /// The files for a built library.
    ///
    /// # Errors
    /// When the library does not hold the extension's SQL, or an update to it is not possible.
    pub(crate) fn of(library: Vec<u8>) -> eyre::Result<Self> {
        let control = CONTROL_TEMPLATE.replace("@CARGO_VERSION@", VERSION);
        let parsed = ControlFile::from_str(&control).wrap_err("taskmaster.control is malformed")?;
        let scripts = scripts(installation_script(&library, &parsed)?)?;
        Ok(Self { library, control, scripts })
    }

    /// Brings `directory` up to date. The control file comes last: it is what makes PostgreSQL see
    /// the others.
    ///
    /// # Errors
    /// When the directory or a file in it cannot be written.
    pub(crate) fn write(&self, directory: &Path) -> eyre::Result<()> {
        fs::create_dir_all(directory)
            .wrap_err_with(|| format!("cannot make {}", directory.display()))?;
        replace(&directory.join("taskmaster.so"), &self.library, 0o755)?;
        for Script { name, sql } in &self.scripts {
            replace(&directory.join(name), sql.as_bytes(), 0o644)?;
        }
        replace(&directory.join("taskmaster.control"), self.control.as_bytes(), 0o644)
    }
}

/// The scripts of this version and of the ways to it.
fn scripts(installation: String) -> eyre::Result<Vec<Script>> {
    let mut scripts = Vec::new();
    for earlier in EARLIER {
        let Earlier { version, installation: frozen, .. } = earlier;
        let name = format!("taskmaster--{version}--{VERSION}.sql");
        scripts.push(Script { name, sql: earlier.update_script(&installation)? });
        let name = format!("taskmaster--{version}.sql");
        scripts.push(Script { name, sql: frozen.to_owned() });
    }
    scripts.push(Script { name: format!("taskmaster--{VERSION}.sql"), sql: installation });
    Ok(scripts)
}

/// Writes `content` to `path` by way of a temporary file beside it, unless it is there already.
fn replace(path: &Path, content: &[u8], mode: u32) -> eyre::Result<()> {
    if fs::read(path).is_ok_and(|present| present == content) {
        return Ok(());
    }
    write_and_rename(path, content, mode)
        .wrap_err_with(|| format!("cannot write {}", path.display()))
}

fn write_and_rename(path: &Path, content: &[u8], mode: u32) -> eyre::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    file.write_all(content)?;
    // Temporary files are private; a server that runs as another user must read these.
    file.as_file().set_permissions(fs::Permissions::from_mode(mode))?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    #[test]
    fn the_control_file_carries_the_version_and_no_schema() {
        let control = CONTROL_TEMPLATE.replace("@CARGO_VERSION@", VERSION);
        let parsed = ControlFile::from_str(&control).unwrap();
        assert_eq!(parsed.default_version, VERSION);
        assert_eq!(parsed.module_pathname.as_deref(), Some("$libdir/taskmaster"));
        assert!(!parsed.relocatable && parsed.superuser && !parsed.trusted);
        assert_eq!(parsed.schema, None);
    }

    #[test]
    fn unchanged_content_is_not_written_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        replace(&path, b"one", 0o644).unwrap();
        let long_ago = SystemTime::now() - Duration::from_secs(3600);
        fs::File::open(&path).unwrap().set_modified(long_ago).unwrap();
        replace(&path, b"one", 0o644).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), long_ago);
        replace(&path, b"two", 0o644).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
    }

    #[test]
    fn nothing_is_left_beside_the_file() {
        let directory = tempfile::tempdir().unwrap();
        replace(&directory.path().join("file"), b"one", 0o755).unwrap();
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
