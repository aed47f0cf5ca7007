//! Directories and files with exact modes, whatever the umask.
//!
//! Must not know what they are for.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use super::EmbeddedError;

/// Makes a directory with exactly `mode`, whatever the umask.
///
/// # Errors
/// What the system answers; an existing directory is an error.
pub(super) fn make_dir(path: &Path, mode: u32) -> Result<(), EmbeddedError> {
    fs::create_dir(path).map_err(EmbeddedError::io("create", path))?;
    set_mode(path, mode)
}

/// Sets exactly `mode`, whatever the umask.
///
/// # Errors
/// What the system answers.
pub(super) fn set_mode(path: &Path, mode: u32) -> Result<(), EmbeddedError> {
    let permissions = fs::Permissions::from_mode(mode);
    fs::set_permissions(path, permissions).map_err(EmbeddedError::io("set the mode of", path))
}

/// Removes a directory and all in it; one that is not there is no error.
///
/// # Errors
/// What the system answers.
pub(super) fn remove_dir(path: &Path) -> Result<(), EmbeddedError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(EmbeddedError::io("remove", path)(error))
        }
        _ => Ok(()),
    }
}

/// Writes beside the file and renames, so that a reader never meets half of it.
///
/// # Errors
/// What the system answers.
pub(super) fn write_file(path: &Path, text: &str, mode: u32) -> Result<(), EmbeddedError> {
    let new = path.with_added_extension("new");
    let _ = fs::remove_file(&new);
    let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&new);
    let mut file = file.map_err(EmbeddedError::io("create", &new))?;
    file.write_all(text.as_bytes()).map_err(EmbeddedError::io("write", &new))?;
    set_mode(&new, mode)?;
    fs::rename(&new, path).map_err(EmbeddedError::io("rename to", path))
}
