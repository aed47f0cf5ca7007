//! The extension's files as the build leaves them: library, control file, SQL scripts.
//!
//! Only finds them. Must not know where they are copied to.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use super::{EmbeddedError, Installation};

/// Files of the extension `taskmaster`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtensionArtefacts {
    /// `taskmaster.so`.
    pub library: PathBuf,
    /// `taskmaster.control` and every `taskmaster--*.sql`.
    pub scripts: Vec<PathBuf>,
}

impl ExtensionArtefacts {
    /// The files in `dir`, where all of them lie side by side.
    ///
    /// # Errors
    /// [`EmbeddedError::NoExtension`] when one of them is missing.
    pub fn in_dir(dir: &Path) -> Result<Self, EmbeddedError> {
        Self::collect(dir, dir).ok_or_else(|| missing(&[dir.to_owned()]))
    }

    /// The files in `named`, or else in `extension/` beside the executable, or else in the system.
    ///
    /// # Errors
    /// [`EmbeddedError::NoExtension`] when they are not in `named`, or nowhere.
    pub fn find(named: Option<&Path>, system: &Installation) -> Result<Self, EmbeddedError> {
        if let Some(named) = named {
            return Self::in_dir(named);
        }
        let beside = beside_executable();
        let share = system.sharedir.join("extension");
        let found = beside.as_deref().and_then(|dir| Self::collect(dir, dir));
        found
            .or_else(|| Self::collect(&system.pkglibdir, &share))
            .ok_or_else(|| missing(&beside.into_iter().chain([share]).collect::<Vec<_>>()))
    }

    fn collect(library_dir: &Path, script_dir: &Path) -> Option<Self> {
        let library = library_dir.join("taskmaster.so");
        let control = script_dir.join("taskmaster.control");
        let mut scripts = vec![control.clone()];
        for entry in fs::read_dir(script_dir).ok()?.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with("taskmaster--") && name.ends_with(".sql") {
                scripts.push(entry.path());
            }
        }
        let complete = library.is_file() && control.is_file() && scripts.len() > 1;
        complete.then_some(Self { library, scripts })
    }
}

fn beside_executable() -> Option<PathBuf> {
    let executable = env::current_exe().ok()?;
    Some(executable.parent()?.join("extension"))
}

fn missing(places: &[PathBuf]) -> EmbeddedError {
    let shown: Vec<_> = places.iter().map(|place| place.display().to_string()).collect();
    EmbeddedError::NoExtension { searched: shown.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_lacks_one_of_the_files_is_refused() {
        let dir = env::temp_dir().join(format!("taskmaster-artefacts-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("taskmaster.so"), "").unwrap();
        fs::write(dir.join("taskmaster.control"), "").unwrap();
        assert!(ExtensionArtefacts::in_dir(&dir).is_err());
        fs::write(dir.join("taskmaster--0.1.0.sql"), "").unwrap();
        let found = ExtensionArtefacts::in_dir(&dir).unwrap();
        assert_eq!(found.scripts.len(), 2);
        fs::remove_dir_all(&dir).unwrap();
    }
}
