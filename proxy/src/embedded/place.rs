//! Where a state directory really lies.
//!
//! The account that runs the server must be able to walk there. When it cannot (a folder under
//! /root), the directory is kept in /var/lib/taskmaster and a link stands where it was asked for.
//! Must not know what is in the directory.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::files::set_mode;
use super::{Account, EmbeddedError};

const SHARED: &str = "/var/lib/taskmaster";

/// The path a user gave and the directory behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    shown: PathBuf,
    real: PathBuf,
}

impl Place {
    /// Resolves `dir`, which need not exist; its parent must.
    ///
    /// # Errors
    /// The parent does not exist or cannot be looked at.
    pub fn resolve(dir: &Path, account: Account) -> Result<Self, EmbeddedError> {
        let shown = std::path::absolute(dir).map_err(EmbeddedError::io("read", dir))?;
        if let Ok(real) = fs::canonicalize(&shown) {
            return Ok(Self { shown, real });
        }
        if let Ok(real) = fs::read_link(&shown) {
            return Ok(Self { shown, real });
        }
        let parent = shown.parent().unwrap_or(Path::new("/"));
        let parent = fs::canonicalize(parent).map_err(EmbeddedError::io("use", parent))?;
        let real = parent.join(shown.file_name().unwrap_or_default());
        let real = if account.can_reach(&parent)? { real } else { shared(&real) };
        Ok(Self { shown, real })
    }

    /// The path as the user gave it, made absolute.
    #[must_use]
    pub fn shown(&self) -> &Path {
        &self.shown
    }

    /// The directory itself.
    #[must_use]
    pub fn real(&self) -> &Path {
        &self.real
    }

    /// Whether a link stands where the directory was asked for.
    #[must_use]
    pub fn is_elsewhere(&self) -> bool {
        self.real.starts_with(SHARED) && !self.shown.starts_with(SHARED)
    }

    /// Makes the parent of the directory when it lies elsewhere.
    pub(super) fn prepare(&self) -> Result<(), EmbeddedError> {
        if !self.is_elsewhere() {
            return Ok(());
        }
        let shared = Path::new(SHARED);
        fs::create_dir_all(shared).map_err(EmbeddedError::io("create", shared))?;
        set_mode(shared, 0o755)
    }

    /// Makes the link when the directory lies elsewhere.
    pub(super) fn link(&self) -> Result<(), EmbeddedError> {
        if !self.is_elsewhere() || fs::read_link(&self.shown).is_ok() {
            return Ok(());
        }
        symlink(&self.real, &self.shown).map_err(EmbeddedError::io("create", &self.shown))
    }

    /// Removes the link again.
    pub(super) fn unlink(&self) {
        if self.is_elsewhere() && fs::read_link(&self.shown).is_ok_and(|to| to == self.real) {
            let _ = fs::remove_file(&self.shown);
        }
    }
}

fn shared(path: &Path) -> PathBuf {
    Path::new(SHARED).join(short_name(path))
}

/// 16 hexadecimal digits that stand for `path`.
pub(super) fn short_name(path: &Path) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, path.as_os_str().as_bytes());
    digest.as_ref()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_can_be_reached_stays_where_it_is() {
        let place = Place::resolve(Path::new("/tmp/taskmaster-place"), Account::Caller).unwrap();
        assert_eq!(place.shown(), place.real());
        assert!(!place.is_elsewhere());
    }

    #[test]
    fn a_missing_parent_is_refused() {
        let refusal = Place::resolve(Path::new("/nonexistent/x/y"), Account::Caller).unwrap_err();
        assert!(refusal.to_string().contains("/nonexistent/x"), "{refusal}");
    }

    #[test]
    fn each_path_has_its_own_place_in_the_shared_directory() {
        let (one, other) = (shared(Path::new("/root/a")), shared(Path::new("/root/b")));
        assert_ne!(one, other);
        assert!(one.starts_with(SHARED));
    }
}
