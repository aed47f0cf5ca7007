//! Why a configuration was refused: one line that names the key, the value, the bound and the way out.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}: name an existing file with --config", path.display())]
    Unreadable {
        /// The configuration file, or one that it names.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// The file is not TOML, or has a key that is unknown or of another type.
    #[error("{}{at}: {message}: see taskmaster.example.toml for every key and its type", path.display())]
    Syntax {
        /// The configuration file.
        path: PathBuf,
        /// `:line:column`, or empty.
        at: String,
        /// What the parser said, in one line.
        message: String,
    },
    /// A value outside of its bounds.
    #[error("{key} = {value} ({origin}) is not allowed: {rule}")]
    Value {
        /// The dotted key or the name of the environment variable.
        key: String,
        /// The value as it was given; never a secret.
        value: String,
        /// Where it was given.
        origin: Origin,
        /// What is allowed.
        rule: String,
    },
    /// Settings that do not fit together, or one that is missing.
    #[error("{what}: {remedy}")]
    Conflict {
        /// What does not fit.
        what: String,
        /// What to do.
        remedy: String,
    },
}

/// Where a value was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// In the configuration file.
    File(PathBuf),
    /// In the environment or in `.env`.
    Environment,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "in {}", path.display()),
            Self::Environment => f.write_str("from the environment"),
        }
    }
}
