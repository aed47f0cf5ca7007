//! A private, relocated PostgreSQL installation: the system's files plus the extension.
//!
//! PostgreSQL finds its shared files and modules relative to its own executable
//! (`make_relative_path` in src/port/path.c), so a tree with the same relative layout works from
//! anywhere and the system's directories are never written to. Programs that look for their
//! siblings are copied, because the server resolves links to itself (`find_my_exec` in
//! src/common/exec.c); everything else is linked. Must not know about data directories.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Component, Path, PathBuf};

use super::files::{make_dir, remove_dir, set_mode};
use super::{EmbeddedError, ExtensionArtefacts, Installation};

/// The programs that find their files relative to themselves.
const COPIED: [&str; 3] = ["postgres", "initdb", "pg_ctl"];

/// A relocated installation with the extension in it, readable by every user.
#[derive(Debug, Clone)]
pub struct PrivateTree {
    bindir: PathBuf,
}

/// The three directories of the tree.
struct Layout {
    bindir: PathBuf,
    sharedir: PathBuf,
    pkglibdir: PathBuf,
}

impl PrivateTree {
    /// Makes the tree at `root`, in place of what is there.
    ///
    /// No server that runs from `root` may be up. The extension's files are copied, so that a
    /// later build does not change a library that a server has mapped.
    ///
    /// # Errors
    /// A file cannot be read, or `root` cannot be written.
    pub fn make(
        root: &Path,
        from: &Installation,
        extension: &ExtensionArtefacts,
    ) -> Result<Self, EmbeddedError> {
        remove_dir(root)?;
        make_dir(root, 0o755)?;
        let layout = Layout::within(root, from);
        for dir in [&layout.bindir, &layout.sharedir, &layout.pkglibdir] {
            fs::create_dir_all(dir).map_err(EmbeddedError::io("create", dir))?;
        }
        open_to_all(root)?;
        fill_programs(&from.bindir, &layout.bindir)?;
        link_entries(&from.pkglibdir, &layout.pkglibdir, &[])?;
        link_entries(&from.sharedir, &layout.sharedir, &["extension"])?;
        add_extension(from, &layout, extension)?;
        Ok(Self { bindir: layout.bindir })
    }

    /// The tree that [`PrivateTree::make`] made at `root` from the same installation.
    #[must_use]
    pub fn at(root: &Path, from: &Installation) -> Self {
        Self { bindir: Layout::within(root, from).bindir }
    }

    /// The path of a program such as `postgres`, `initdb` or `pg_dump`.
    #[must_use]
    pub fn program(&self, name: &str) -> PathBuf {
        self.bindir.join(name)
    }
}

impl Layout {
    /// Keeps what follows the common start of the three directories.
    fn within(root: &Path, from: &Installation) -> Self {
        let dirs = [&from.bindir, &from.sharedir, &from.pkglibdir];
        let common = common_components(&dirs);
        let moved = |dir: &Path| root.join(dir.components().skip(common).collect::<PathBuf>());
        Self {
            bindir: moved(&from.bindir),
            sharedir: moved(&from.sharedir),
            pkglibdir: moved(&from.pkglibdir),
        }
    }
}

fn common_components(dirs: &[&PathBuf; 3]) -> usize {
    let [first, second, third] = dirs.map(|dir| dir.components().collect::<Vec<Component>>());
    let same = |at: usize| first[at] == second[at] && first[at] == third[at];
    let shortest = first.len().min(second.len()).min(third.len());
    (0..shortest).take_while(|&at| same(at)).count()
}

/// A umask of 077 must not hide the tree from the account the server runs as.
fn open_to_all(dir: &Path) -> Result<(), EmbeddedError> {
    set_mode(dir, 0o755)?;
    for entry in entries(dir)? {
        if entry.is_dir() {
            open_to_all(&entry)?;
        }
    }
    Ok(())
}

fn fill_programs(from: &Path, to: &Path) -> Result<(), EmbeddedError> {
    link_entries(from, to, &COPIED)?;
    for name in COPIED {
        copy(&from.join(name), &to.join(name), 0o755)?;
    }
    Ok(())
}

fn link_entries(from: &Path, to: &Path, without: &[&str]) -> Result<(), EmbeddedError> {
    for entry in entries(from)? {
        let Some(name) = entry.file_name() else { continue };
        if without.iter().all(|other| name != *other) {
            let link = to.join(name);
            symlink(&entry, &link).map_err(EmbeddedError::io("create", &link))?;
        }
    }
    Ok(())
}

fn add_extension(
    from: &Installation,
    layout: &Layout,
    extension: &ExtensionArtefacts,
) -> Result<(), EmbeddedError> {
    let scripts = layout.sharedir.join("extension");
    make_dir(&scripts, 0o755)?;
    link_entries(&from.sharedir.join("extension"), &scripts, &[])?;
    for script in &extension.scripts {
        replace(script, &scripts)?;
    }
    replace(&extension.library, &layout.pkglibdir)
}

/// Puts a copy of `file` into `dir`, in place of a link of that name.
fn replace(file: &Path, dir: &Path) -> Result<(), EmbeddedError> {
    let to = dir.join(file.file_name().unwrap_or_default());
    if to.symlink_metadata().is_ok() {
        fs::remove_file(&to).map_err(EmbeddedError::io("remove", &to))?;
    }
    copy(file, &to, 0o644)
}

fn copy(from: &Path, to: &Path, mode: u32) -> Result<(), EmbeddedError> {
    fs::copy(from, to).map_err(EmbeddedError::io("copy to", to))?;
    set_mode(to, mode)
}

fn entries(dir: &Path) -> Result<Vec<PathBuf>, EmbeddedError> {
    let read = fs::read_dir(dir).map_err(EmbeddedError::io("read", dir))?;
    Ok(read.flatten().map(|entry| entry.path()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(bin: &str, share: &str, lib: &str) -> [PathBuf; 3] {
        let from = Installation {
            bindir: bin.into(),
            sharedir: share.into(),
            pkglibdir: lib.into(),
            major: 15,
        };
        let made = Layout::within(Path::new("/r"), &from);
        [made.bindir, made.sharedir, made.pkglibdir]
    }

    #[test]
    fn debian_keeps_its_version_directories() {
        let made = layout(
            "/usr/lib/postgresql/15/bin",
            "/usr/share/postgresql/15",
            "/usr/lib/postgresql/15/lib",
        );
        let expected = ["lib/postgresql/15/bin", "share/postgresql/15", "lib/postgresql/15/lib"];
        assert_eq!(made, expected.map(|dir| Path::new("/r").join(dir)));
    }

    #[test]
    fn an_installation_under_one_prefix_keeps_bin_share_and_lib() {
        let made = layout("/opt/pg/bin", "/opt/pg/share", "/opt/pg/lib/postgresql");
        let expected = ["bin", "share", "lib/postgresql"];
        assert_eq!(made, expected.map(|dir| Path::new("/r").join(dir)));
    }
}
