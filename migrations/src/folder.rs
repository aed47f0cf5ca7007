//! A project's own steps: files in a folder.
//!
//! `NNNN_name.up.sql`, and beside it `.down.sql` and `.verify.sql`. Must not know what
//! is in them beyond their headers.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::location::Location;
use crate::step::file_name;
use crate::{Header, MigrateError, Plan, Step, StepKind, Version};

/// The longest file that is read: 16 MiB.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// The files of one step, by what they are for.
type Texts = BTreeMap<&'static str, String>;

/// The ways a step's file may end.
const DIRECTIONS: [&str; 3] = ["up", "down", "verify"];

/// Reads the steps of a folder. Files that do not end in `.sql` are no concern of it.
///
/// # Errors
/// [`MigrateError::BadFolder`] for a folder or file that cannot be read and for a name that is not
/// a step's; [`MigrateError::BadScript`] for a text in another encoding than UTF-8 and for a
/// header; and those of [`Plan::new`].
pub fn load(folder: &Path) -> Result<Plan, MigrateError> {
    let mut steps: BTreeMap<(Version, String), Texts> = BTreeMap::new();
    for path in sql_files(folder)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let (version, words, direction) = parse_name(&name).ok_or_else(|| {
            bad(&path, "a step's file is called NNNN_name.up.sql, .down.sql or .verify.sql")
        })?;
        let text = read(&path, &name)?;
        steps.entry((version, words)).or_default().insert(direction, text);
    }
    let steps =
        steps.into_iter().map(|((version, name), texts)| step(folder, version, name, texts));
    Plan::new(steps.collect::<Result<_, _>>()?)
}

/// Makes the files of a folder's next step, and the folder where there is none. Gives their paths.
///
/// # Errors
/// Those of [`load`]: what follows a folder that is not in order would not be, either.
pub fn new_step(folder: &Path, name: &str) -> Result<Vec<PathBuf>, MigrateError> {
    let words = words(name)
        .ok_or_else(|| bad(folder, "a step's name is letters, digits and underscores"))?;
    fs::create_dir_all(folder).map_err(|error| bad(folder, error))?;
    let version = load(folder)?.steps().last().map_or(Version::FIRST, |last| last.version.next());
    let mut paths = Vec::new();
    for (direction, text) in [("up", UP), ("down", DOWN), ("verify", VERIFY)] {
        let path = folder.join(file_name(version, &words, direction));
        let mut file = fs::File::create_new(&path).map_err(|error| bad(&path, error))?;
        io::Write::write_all(&mut file, text.as_bytes()).map_err(|error| bad(&path, error))?;
        paths.push(path);
    }
    Ok(paths)
}

const UP: &str = "\
-- What it changes, and why.
--
-- What the runner is to know, each on a line that opens with \"-- taskmaster:\"
--   requires = [\"0001\"]            steps that come first; taskmaster:0025 is one of the product's
--   conflicts = [\"other:0002\"]     steps beside which it cannot be
--   transaction = false            each statement by itself (CREATE INDEX CONCURRENTLY)
--   lock_timeout = \"2s\"            how long a statement waits for a lock
--   statement_timeout = \"10min\"    how long a statement runs
--   destructive = true             rows that it changes are backed up, too
--   irreversible = \"why\"           there is no way down
--   search_path = \"app\"            where names without a schema are looked for (public)
--   ignore = [\"renaming-table\"]    what \"migrate lint\" is to let through

";
const DOWN: &str = "-- The way back, to exactly what was there before.\n\n";
const VERIFY: &str = "\
-- Queries; each row that one returns is a complaint, and fails the step.

";

fn sql_files(folder: &Path) -> Result<Vec<PathBuf>, MigrateError> {
    let entries = fs::read_dir(folder).map_err(|error| bad(folder, error))?;
    let paths =
        entries.map(|entry| entry.map(|entry| entry.path()).map_err(|error| bad(folder, error)));
    let mut paths = paths.collect::<Result<Vec<_>, _>>()?;
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "sql"));
    paths.sort();
    Ok(paths)
}

/// `0003_add_gates.up.sql` is the way up of step 3, "add_gates".
fn parse_name(name: &str) -> Option<(Version, String, &'static str)> {
    let (stem, direction) = name.strip_suffix(".sql")?.rsplit_once('.')?;
    let direction = DIRECTIONS.into_iter().find(|known| *known == direction)?;
    let (number, rest) = stem.split_once('_')?;
    let version: Version = (number.len() == 4).then(|| number.parse().ok())??;
    (words(rest)? == rest).then(|| (version, rest.to_owned(), direction))
}

/// A name as it stands in a file's: lower case, with underscores.
fn words(name: &str) -> Option<String> {
    let words = name.trim().to_ascii_lowercase().replace([' ', '-'], "_");
    let fits = !words.is_empty() && words.len() <= 100;
    let plain = words.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    (fits && plain).then_some(words)
}

fn read(path: &Path, name: &str) -> Result<String, MigrateError> {
    let length = fs::metadata(path).map_err(|error| bad(path, error))?.len();
    if length > FILE_BYTES_MAX {
        return Err(bad(path, "longer than 16 MiB"));
    }
    let bytes = fs::read(path).map_err(|error| bad(path, error))?;
    String::from_utf8(bytes).map_err(|error| {
        let readable =
            String::from_utf8_lossy(&error.as_bytes()[..error.utf8_error().valid_up_to()]);
        MigrateError::BadScript {
            file: name.to_owned(),
            location: Location::of(&readable, readable.len()),
            reason: "not in UTF-8: save the file in that encoding".to_owned(),
        }
    })
}

fn step(
    folder: &Path,
    version: Version,
    name: String,
    mut texts: Texts,
) -> Result<Step, MigrateError> {
    let file = file_name(version, &name, "up");
    let up = texts.remove("up").ok_or_else(|| bad(&folder.join(&file), "the file is missing"))?;
    let kind = Header::parse(&file, &up)?.kind.unwrap_or(StepKind::Schema);
    Ok(Step {
        version,
        name: name.into(),
        kind,
        up: up.into(),
        down: texts.remove("down").map(Into::into),
        verify: texts.remove("verify").map(Into::into),
    })
}

fn bad(path: &Path, reason: impl ToString) -> MigrateError {
    MigrateError::BadFolder { path: path.display().to_string(), reason: reason.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_are_understood() {
        let parsed = parse_name("0003_add_gates.up.sql").unwrap();
        assert_eq!(
            (parsed.0.to_string().as_str(), parsed.1.as_str(), parsed.2),
            ("0003", "add_gates", "up")
        );
        for other in [
            "3_a.up.sql",
            "0003_a.sql",
            "0003_a.UP.sql",
            "0003.up.sql",
            "0003_A.up.sql",
            "0000_a.up.sql",
        ] {
            assert!(parse_name(other).is_none(), "{other}");
        }
        assert_eq!(words("Add Gates-2").as_deref(), Some("add_gates_2"));
        assert!(words("../x").is_none() && words(" ").is_none());
    }
}
