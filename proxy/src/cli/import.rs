//! `taskmaster import-pgbouncer`: writes what the import makes, and says what it left out.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::{CliError, ImportArgs};
use crate::config::{Config, Environment};
use crate::import::{Import, Keeping, import};

/// Something was left out.
pub(super) const LEFT_OUT: u8 = 3;

pub(super) fn run(arguments: &ImportArgs) -> Result<(), CliError> {
    let place = arguments.out.as_deref().map(Place::new).transpose()?;
    let keeping = place.as_ref().map_or(Keeping::Nowhere, |place| {
        Keeping::Below(PathBuf::from(place.secrets.file_name().unwrap_or_default()))
    });
    let import = import(&arguments.ini, keeping).map_err(CliError::usage)?;
    match &place {
        Some(place) => place.write(&import, arguments.force)?,
        None => {
            let written = io::stdout().write_all(import.text.as_bytes());
            written.map_err(|error| CliError::failure(format!("cannot write: {error}")))?;
        }
    }
    let mut lines: Vec<_> = import.left.iter().map(ToString::to_string).collect();
    lines.extend(objection(&import, place.as_ref()));
    lines.iter().for_each(|line| eprintln!("left out: {line}"));
    if lines.is_empty() {
        return Ok(());
    }
    let what = match lines.len() {
        1 => "1 setting was not carried over".to_owned(),
        count => format!("{count} settings were not carried over"),
    };
    Err(CliError::with_exit_code(format!("{what}: see the lines above"), LEFT_OUT))
}

/// What `serve --check` would say to the result.
fn objection(import: &Import, place: Option<&Place>) -> Option<String> {
    let path = place.map_or(Path::new("taskmaster.toml"), |place| &place.file);
    let config = Config::parse(&import.text, path, &Environment::default());
    config.and_then(|config| config.listener()).err().map(|error| error.to_string())
}

/// The file to write, and the directory beside it for secrets.
struct Place {
    file: PathBuf,
    secrets: PathBuf,
}

impl Place {
    fn new(file: &Path) -> Result<Self, CliError> {
        let Some(stem) = file.file_stem() else {
            return Err(CliError::usage("--out names no file: give one, such as taskmaster.toml"));
        };
        let mut name = stem.to_owned();
        name.push(".secrets");
        Ok(Self { file: file.to_owned(), secrets: file.with_file_name(name) })
    }

    /// Writes all files, or none when one is there already.
    fn write(&self, import: &Import, force: bool) -> Result<(), CliError> {
        let secrets =
            import.secrets.iter().map(|secret| (self.secrets.join(&secret.name), &secret.text));
        let secrets: Vec<_> = secrets.collect();
        let mut files = secrets.iter().map(|(path, _)| path.as_path()).chain([self.file.as_path()]);
        if !force && let Some(there) = files.find(|path| path.exists()) {
            let line =
                format!("{} is there already: name another file, or give --force", there.display());
            return Err(CliError::usage(line));
        }
        if !secrets.is_empty() {
            make_private_dir(&self.secrets).map_err(|error| cannot_write(&self.secrets, &error))?;
        }
        for (path, text) in &secrets {
            write(path, text, 0o600).map_err(|error| cannot_write(path, &error))?;
        }
        write(&self.file, &import.text, 0o644).map_err(|error| cannot_write(&self.file, &error))
    }
}

fn make_private_dir(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o700))
}

/// Writes a new file and puts it in the place of an old one, so that no old mode stays.
fn write(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let new = path.with_added_extension("new");
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&new)?;
    file.write_all(text.as_bytes())?;
    fs::rename(&new, path)
}

fn cannot_write(path: &Path, error: &io::Error) -> CliError {
    CliError::failure(format!(
        "cannot write {}: {error}: choose another place for --out",
        path.display()
    ))
}
