//! The environment variables that override the file, and `.env`.
//!
//! Knows the names of the original project's `.env` and which setting each one overrides. Must not
//! know what a setting means.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use super::ConfigError;

/// The setting behind each variable; times are in milliseconds unless the name says otherwise.
const OVERRIDES: [(&str, &str); 19] = [
    ("server.host", "DB_HOST"),
    ("server.port", "DB_PORT"),
    ("server.dbname", "DB_NAME"),
    ("auth.user", "DB_USER"),
    ("auth.password", "DB_PASSWORD"),
    ("server.ssl_mode", "DB_SSL_MODE"),
    ("pool.min", "DB_POOL_MIN"),
    ("pool.max", "DB_POOL_MAX"),
    ("pool.idle_timeout_ms", "DB_POOL_IDLE_TIMEOUT"),
    ("pool.acquire_timeout_ms", "DB_POOL_ACQUIRE_TIMEOUT"),
    ("server.connect_timeout_ms", "DB_POOL_CREATE_TIMEOUT"),
    ("pool.destroy_timeout_ms", "DB_POOL_DESTROY_TIMEOUT"),
    ("pool.reap_interval_ms", "DB_POOL_REAP_INTERVAL"),
    ("server.connect_retry_interval_ms", "DB_POOL_CREATE_RETRY_INTERVAL"),
    ("pool.max_uses", "DB_POOL_MAX_USES"),
    ("pool.max_lifetime_ms", "DB_POOL_MAX_LIFETIME_SECONDS"),
    ("pool.test_on_borrow", "DB_POOL_TEST_ON_BORROW"),
    ("pool.test_on_return", "DB_POOL_TEST_ON_RETURN"),
    ("pool.test_while_idle", "DB_POOL_TEST_WHILE_IDLE"),
];

/// Variables by name. A variable that is set to nothing counts as not set.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

/// An override that was found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Override<'a> {
    pub(super) name: &'static str,
    pub(super) value: &'a str,
}

impl Environment {
    /// The variables of this process, and those of `.env` in the working directory that it lacks.
    ///
    /// # Errors
    /// `.env` is there and cannot be read or understood.
    pub fn of_process() -> Result<Self, ConfigError> {
        let mut found = Self::default();
        found.add_file(Path::new(".env"))?;
        for (name, value) in std::env::vars_os() {
            if let (Ok(name), Ok(value)) = (name.into_string(), value.into_string()) {
                found.0.insert(name, value);
            }
        }
        Ok(found)
    }

    /// Keeps the variables whose names start with `prefix`.
    #[must_use]
    pub fn with_prefix(mut self, prefix: &str) -> Self {
        self.0.retain(|name, _| name.starts_with(prefix));
        self
    }

    pub(super) fn overriding(&self, key: &str) -> Option<Override<'_>> {
        let (_, name) = OVERRIDES.iter().find(|(setting, _)| *setting == key)?;
        let value =
            self.0.get(*name).map(|value| value.trim()).filter(|value| !value.is_empty())?;
        Some(Override { name, value })
    }

    fn add_file(&mut self, path: &Path) -> Result<(), ConfigError> {
        let Ok(lines) = dotenvy::from_path_iter(path) else { return Ok(()) };
        for line in lines {
            // The parser's message quotes the line, which may hold a password.
            let (name, value) = line.map_err(|_| ConfigError::Conflict {
                what: format!("a line of {} is not NAME=value", path.display()),
                remedy: "quote values that have blanks or special characters".to_owned(),
            })?;
            self.0.insert(name, value);
        }
        Ok(())
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Environment {
    fn from(pairs: [(&str, &str); N]) -> Self {
        Self(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into())
    }
}

/// The values may be secrets.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
