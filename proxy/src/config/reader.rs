//! Takes settings one by one: the environment first, then the file, then the default; checks bounds.
//!
//! Must not know which settings there are.

use std::fmt::Display;
use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::raw::Hidden;
use super::{ConfigError, Environment, Origin};
use crate::backend::secret::Password;

/// The longest time that a setting may have: one day.
pub(super) const TIME_MAX_MS: i64 = 24 * 60 * 60 * 1000;
/// A password file may have this many bytes; a longer one is some other file.
const PASSWORD_FILE_MAX: u64 = 64 * 1024;

/// Where the settings come from.
pub(super) struct Reader<'a> {
    pub(super) file: &'a Path,
    pub(super) environment: &'a Environment,
}

/// A value and the name it was given by.
struct Found<T> {
    key: String,
    value: T,
    origin: Origin,
}

impl Reader<'_> {
    /// A number within `bounds`.
    pub(super) fn number(
        &self,
        key: &str,
        given: Option<i64>,
        default: i64,
        bounds: RangeInclusive<i64>,
    ) -> Result<i64, ConfigError> {
        let rule = || format!("give a whole number from {} to {}", bounds.start(), bounds.end());
        let Some(found) = self.find_number(key, given, &rule)? else { return Ok(default) };
        if bounds.contains(&found.value) {
            return Ok(found.value);
        }
        Err(found.refused(rule()))
    }

    /// A number within `bounds`, of a type that holds all of them.
    pub(super) fn count<T: TryFrom<i64>>(
        &self,
        key: &str,
        given: Option<i64>,
        default: T,
        bounds: RangeInclusive<i64>,
    ) -> Result<T, ConfigError> {
        if given.is_none() && self.environment.overriding(key).is_none() {
            return Ok(default);
        }
        let value = self.number(key, given, *bounds.start(), bounds)?;
        let rule = "give a smaller number".to_owned();
        T::try_from(value).map_err(|_| self.found(key, value).refused(rule))
    }

    /// A time in milliseconds, from `least_ms` up to a day.
    pub(super) fn time(
        &self,
        key: &str,
        given: Option<i64>,
        default: Duration,
        least_ms: i64,
    ) -> Result<Duration, ConfigError> {
        if given.is_none() && self.environment.overriding(key).is_none() {
            return Ok(default);
        }
        let ms = self.number(key, given, least_ms, least_ms..=TIME_MAX_MS)?;
        Ok(Duration::from_millis(ms.unsigned_abs()))
    }

    /// A time in milliseconds up to a day; zero stands for none.
    pub(super) fn timeout(
        &self,
        key: &str,
        given: Option<i64>,
        default: Option<Duration>,
    ) -> Result<Option<Duration>, ConfigError> {
        let time = self.time(key, given, default.unwrap_or_default(), 0)?;
        Ok(Some(time).filter(|time| !time.is_zero()))
    }

    /// True or false; the environment may say it in other words too.
    pub(super) fn truth(
        &self,
        key: &str,
        given: Option<bool>,
        default: bool,
    ) -> Result<bool, ConfigError> {
        let words = [("true", true), ("false", false), ("on", true), ("off", false)];
        let given = given.map(|given| given.to_string());
        Ok(self.word(key, given.as_ref(), &words)?.unwrap_or(default))
    }

    /// One of some words.
    pub(super) fn word<T: Copy>(
        &self,
        key: &str,
        given: Option<&String>,
        words: &[(&str, T)],
    ) -> Result<Option<T>, ConfigError> {
        let Some(found) = self.text_found(key, given) else { return Ok(None) };
        let matching = words.iter().find(|(word, _)| *word == found.value);
        match matching {
            Some((_, value)) => Ok(Some(*value)),
            None => {
                let all: Vec<_> = words.iter().map(|(word, _)| *word).collect();
                Err(found.refused(format!("give one of {}", all.join(", "))))
            }
        }
    }

    /// A text that is not empty.
    pub(super) fn text(
        &self,
        key: &str,
        given: Option<&String>,
    ) -> Result<Option<String>, ConfigError> {
        let Some(found) = self.text_found(key, given) else { return Ok(None) };
        if found.value.is_empty() || found.value.contains('\0') {
            return Err(found.refused("give a text, or leave the key out".to_owned()));
        }
        Ok(Some(found.value))
    }

    /// A path; a relative one starts at the folder of the configuration file.
    pub(super) fn path(
        &self,
        key: &str,
        given: Option<&String>,
    ) -> Result<Option<PathBuf>, ConfigError> {
        let folder = self.file.parent().unwrap_or(Path::new(""));
        Ok(self.text(key, given)?.map(|path| folder.join(path)))
    }

    /// A password, given as it is or as the first line of a file; the environment goes before both.
    pub(super) fn password(
        &self,
        key: &str,
        given: Option<&Hidden>,
        file: Option<&String>,
    ) -> Result<Option<Password>, ConfigError> {
        if let Some(found) = self.environment.overriding(key) {
            return Ok(Some(Password::new(found.value.to_owned())));
        }
        let path = self.path(&format!("{key}_file"), file)?;
        match (given, path) {
            (Some(_), Some(_)) => Err(ConfigError::Conflict {
                what: format!("{key} and {key}_file are both given in {}", self.file.display()),
                remedy: "leave one of them out".to_owned(),
            }),
            (Some(given), None) => Ok(Some(Password::new(given.0.clone()))),
            (None, Some(path)) => read_password(&path).map(Some),
            (None, None) => Ok(None),
        }
    }

    /// The refusal of a value of the file or the environment, for rules across settings.
    pub(super) fn refuse(&self, key: &str, value: impl Display, rule: &str) -> ConfigError {
        self.found(key, value).refused(rule.to_owned())
    }

    fn find_number(
        &self,
        key: &str,
        given: Option<i64>,
        rule: &impl Fn() -> String,
    ) -> Result<Option<Found<i64>>, ConfigError> {
        let Some(found) = self.environment.overriding(key) else {
            return Ok(given.map(|value| self.found(key, value)));
        };
        let origin = Origin::Environment;
        let name = found.name.to_owned();
        match found.value.parse::<i64>() {
            // The one name of the original that counts in seconds.
            Ok(seconds) if name.ends_with("_SECONDS") => {
                let value = seconds.saturating_mul(1000);
                Ok(Some(Found { key: key.to_owned(), value, origin }))
            }
            Ok(value) => Ok(Some(Found { key: name, value, origin })),
            Err(_) => Err(Found { key: name, value: found.value, origin }.refused(rule())),
        }
    }

    fn text_found(&self, key: &str, given: Option<&String>) -> Option<Found<String>> {
        match self.environment.overriding(key) {
            Some(found) => Some(Found {
                key: found.name.to_owned(),
                value: found.value.to_owned(),
                origin: Origin::Environment,
            }),
            None => given.map(|value| self.found(key, value.clone())),
        }
    }

    fn found<T>(&self, key: &str, value: T) -> Found<T> {
        match self.environment.overriding(key) {
            Some(found) => Found { key: found.name.to_owned(), value, origin: Origin::Environment },
            None => {
                Found { key: key.to_owned(), value, origin: Origin::File(self.file.to_owned()) }
            }
        }
    }
}

impl<T: Display> Found<T> {
    fn refused(self, rule: String) -> ConfigError {
        let Self { key, value, origin } = self;
        ConfigError::Value { key, value: value.to_string(), origin, rule }
    }
}

fn read_password(path: &Path) -> Result<Password, ConfigError> {
    let unreadable = |source| ConfigError::Unreadable { path: path.to_owned(), source };
    let found = fs::metadata(path).map_err(unreadable)?;
    if found.len() > PASSWORD_FILE_MAX {
        return Err(no_password(path));
    }
    let text = fs::read_to_string(path).map_err(unreadable)?;
    match text.lines().next() {
        Some(line) if !line.is_empty() => Ok(Password::new(line.to_owned())),
        _ => Err(no_password(path)),
    }
}

fn no_password(path: &Path) -> ConfigError {
    ConfigError::Conflict {
        what: format!("{} holds no password", path.display()),
        remedy: "write the password into its first line".to_owned(),
    }
}
