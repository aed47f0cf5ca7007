//! The directory that `taskmaster up` keeps everything in, and who may use it.
//!
//! Knows the layout, the mark that says the directory is ours, and the lock that lets one process
//! use it at a time. A new directory is made as a sibling and renamed when it is whole. Must not
//! know what is in the parts.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::files::{make_dir, remove_dir, write_file};
use super::place::short_name;
use super::{Account, EmbeddedError, Place, socket_path_fits};

const LAYOUT: u32 = 1;
const MARK: &str = "state.toml";

/// A state directory that this process holds.
#[derive(Debug)]
pub struct StateDir {
    root: PathBuf,
    /// Held as long as this value lives.
    _lock: File,
}

/// What the mark of a state directory says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Mark {
    layout: u32,
    /// The private server's port in the last run.
    pub(super) port: u16,
}

impl StateDir {
    /// Takes the directory at `place` if there is one.
    ///
    /// # Errors
    /// It is not ours, in use, of another layout, or may not be written.
    pub(super) fn open(place: &Place) -> Result<Option<(Self, Mark)>, EmbeddedError> {
        let root = place.real();
        if is_vacant(root)? {
            return Ok(None);
        }
        if !root.join(MARK).is_file() {
            return Err(EmbeddedError::NotOurs(place.shown().to_owned()));
        }
        require_own(root)?;
        let lock = lock(root)?;
        let mark = Mark::read(root)?;
        Ok(Some((Self { root: root.to_owned(), _lock: lock }, mark)))
    }

    /// Starts a new directory beside `place`; [`StateDir::settle`] puts it there.
    ///
    /// # Errors
    /// Another process is making it, or it may not be written.
    pub(super) fn begin(place: &Place) -> Result<Self, EmbeddedError> {
        let root = making(place.real());
        if root.join("lock").exists() || (root.exists() && is_vacant(&root)?) {
            // Someone makes it at this moment, or was killed while doing so.
            drop(lock(&root)?);
            remove_dir(&root)?;
        }
        make_dir(&root, 0o755)?;
        let lock = lock(&root)?;
        Ok(Self { root, _lock: lock })
    }

    /// Marks the new directory as whole and moves it to `place`.
    ///
    /// # Errors
    /// What the system answers.
    pub(super) fn settle(&mut self, place: &Place, port: u16) -> Result<(), EmbeddedError> {
        self.remember(port)?;
        let real = place.real();
        fs::rename(&self.root, real).map_err(EmbeddedError::io("rename to", real))?;
        self.root = real.to_owned();
        place.link()
    }

    /// Writes the mark with the port the private server has now.
    ///
    /// # Errors
    /// The mark cannot be written.
    pub(super) fn remember(&self, port: u16) -> Result<(), EmbeddedError> {
        let text = format!("# Made by taskmaster up.\nlayout = {LAYOUT}\nport = {port}\n");
        write_file(&self.root.join(MARK), &text, 0o644)
    }

    /// Removes the directory and all in it.
    ///
    /// # Errors
    /// What the system answers.
    pub(super) fn remove(&self, place: &Place) -> Result<(), EmbeddedError> {
        place.unlink();
        remove_dir(&self.root)
    }

    /// The relocated PostgreSQL.
    pub(super) fn tree(&self) -> PathBuf {
        self.root.join("pgsql")
    }

    /// The data directory of the cluster.
    pub(super) fn data(&self) -> PathBuf {
        self.root.join("data")
    }

    /// The folder of the server's log.
    pub(super) fn log(&self) -> PathBuf {
        self.root.join("log")
    }

    /// The folder of the certificates.
    pub(super) fn tls(&self) -> PathBuf {
        self.root.join("tls")
    }

    /// The folder of the passwords.
    pub(super) fn secrets(&self) -> PathBuf {
        self.root.join("secrets")
    }

    /// The configuration that the proxy is started with.
    pub(super) fn config_file(&self) -> PathBuf {
        self.root.join("taskmaster.toml")
    }

    /// libpq's password file for the application's role.
    pub(super) fn passfile(&self) -> PathBuf {
        self.root.join("pgpass")
    }

    /// The socket's directory, made if need be: inside, or a short one in /tmp when paths get long.
    ///
    /// # Errors
    /// It cannot be made, or someone else made the one in /tmp.
    pub(super) fn socket_dir(&self, port: u16, account: Account) -> Result<PathBuf, EmbeddedError> {
        let inside = self.root.join("run");
        let fits = socket_path_fits(&inside, port);
        let dir = if fits { inside } else { short_socket_dir(&self.root) };
        match fs::symlink_metadata(&dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                make_dir(&dir, 0o700)?;
                account.own(&dir)?;
            }
            Err(error) => return Err(EmbeddedError::io("read", &dir)(error)),
            Ok(found) if is_private(&found, account) => {}
            Ok(_) => return Err(EmbeddedError::NotOurs(dir)),
        }
        Ok(dir)
    }
}

impl Mark {
    fn read(root: &Path) -> Result<Self, EmbeddedError> {
        let path = root.join(MARK);
        let text = fs::read_to_string(&path).map_err(EmbeddedError::io("read", &path))?;
        let mark: Self = toml::from_str(&text).map_err(|error| {
            let broken = io::Error::new(io::ErrorKind::InvalidData, error.message().to_owned());
            EmbeddedError::io("understand", &path)(broken)
        })?;
        if mark.layout == LAYOUT {
            return Ok(mark);
        }
        Err(EmbeddedError::OtherLayout { path: root.to_owned(), found: mark.layout, known: LAYOUT })
    }
}

/// Nothing there, or an empty directory, which a rename replaces.
fn is_vacant(root: &Path) -> Result<bool, EmbeddedError> {
    match fs::read_dir(root) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(EmbeddedError::io("read", root)(error)),
    }
}

fn require_own(root: &Path) -> Result<(), EmbeddedError> {
    let uid = fs::metadata(root).map_err(EmbeddedError::io("read", root))?.uid();
    if uid == nix::unistd::geteuid().as_raw() {
        return Ok(());
    }
    Err(EmbeddedError::OtherUser { path: root.to_owned(), uid })
}

fn making(root: &Path) -> PathBuf {
    root.with_added_extension("making")
}

/// The lock goes with the process, however it ends; the file names the holder for the others.
fn lock(root: &Path) -> Result<File, EmbeddedError> {
    let path = root.join("lock");
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).create(true).truncate(false).mode(0o644).open(&path);
    let mut file = file.map_err(EmbeddedError::io("open", &path))?;
    if file.try_lock().is_err() {
        let mut holder = String::new();
        let _ = file.read_to_string(&mut holder);
        let holder = format!("a running taskmaster (pid {})", holder.trim());
        return Err(EmbeddedError::AlreadyRunning { path: root.to_owned(), holder });
    }
    let written = file.set_len(0).and_then(|()| file.rewind());
    written
        .and_then(|()| writeln!(file, "{}", std::process::id()))
        .map_err(EmbeddedError::io("write", &path))?;
    Ok(file)
}

fn short_socket_dir(root: &Path) -> PathBuf {
    Path::new("/tmp").join(format!("taskmaster-{}", short_name(root)))
}

fn is_private(found: &fs::Metadata, account: Account) -> bool {
    found.is_dir() && found.mode() & 0o077 == 0 && account.is_or_caller(found.uid())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(name: &str) -> Place {
        let dir =
            std::env::temp_dir().join(format!("taskmaster-state-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        Place::resolve(&dir, Account::Caller).unwrap()
    }

    #[test]
    fn a_new_directory_appears_whole_and_is_found_again() {
        let place = place("whole");
        assert!(StateDir::open(&place).unwrap().is_none());
        let mut state = StateDir::begin(&place).unwrap();
        assert!(!place.real().exists());
        state.settle(&place, 54399).unwrap();
        drop(state);
        let (state, mark) = StateDir::open(&place).unwrap().unwrap();
        assert_eq!(mark.port, 54399);
        state.remove(&place).unwrap();
        assert!(!place.real().exists());
    }

    #[test]
    fn one_process_at_a_time_and_the_refusal_names_the_other() {
        let place = place("lock");
        let mut state = StateDir::begin(&place).unwrap();
        assert!(matches!(StateDir::begin(&place), Err(EmbeddedError::AlreadyRunning { .. })));
        state.settle(&place, 54399).unwrap();
        let refusal = StateDir::open(&place).unwrap_err().to_string();
        assert!(refusal.contains(&format!("pid {}", std::process::id())), "{refusal}");
        state.remove(&place).unwrap();
    }

    #[test]
    fn what_a_killed_run_left_half_made_is_made_anew() {
        let place = place("killed");
        drop(StateDir::begin(&place).unwrap());
        let state = StateDir::begin(&place).unwrap();
        state.remove(&place).unwrap();
    }

    #[test]
    fn a_directory_of_someone_else_is_left_alone() {
        let place = place("foreign");
        fs::create_dir(place.real()).unwrap();
        assert!(StateDir::open(&place).unwrap().is_none(), "an empty one may be used");
        fs::write(place.real().join("thesis.txt"), "years of work").unwrap();
        assert!(matches!(StateDir::open(&place), Err(EmbeddedError::NotOurs(_))));
        fs::remove_dir_all(place.real()).unwrap();
    }
}
