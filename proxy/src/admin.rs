//! The admin console: a virtual database that shows what the pools do and takes an operator's commands.
//!
//! Speaks PgBouncer's language (its documentation, usage.md, "Admin console"), so that what watches PgBouncer can watch
//! this. Sees the pools through snapshots alone. Must not know sessions or listeners.

mod act;
mod ask;
pub mod console;
mod extended;
mod reply;
mod show;
mod statement;
mod table;
mod time;

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use crate::error::{ClientFacing, Severity, SqlState};
use crate::pool::PoolMode;
pub use ask::{Answer, Ask, Assignment, Refused, Shutdown};

/// Settings of the console.
#[derive(Clone, Debug)]
pub struct Config {
    /// The names under which it is reached as a database.
    pub databases: Vec<String>,
    /// Who may do everything.
    pub users: Vec<String>,
    /// Who may look.
    pub stats_users: Vec<String>,
    /// How long a command waits for server connections to be given back.
    pub wait_timeout: Duration,
    /// What `SHOW CONFIG` shows.
    pub settings: Vec<Setting>,
    /// What holds for all users, as far as it is shown.
    pub user: UserTerms,
    /// What holds for single users instead.
    pub single_users: BTreeMap<String, UserTerms>,
    /// Clients of one database at most; none is any number.
    pub database_clients_max: Option<usize>,
    /// The same of single databases.
    pub single_database_clients_max: HashMap<String, Option<usize>>,
}

/// What `SHOW USERS` shows of the settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserTerms {
    /// Server connections of each pool at most, where the user has an own number.
    pub pool_max: Option<usize>,
    /// The reserve of each pool, where the user has an own one.
    pub reserve: Option<usize>,
    /// The mode of the pools, where the user has an own one.
    pub mode: Option<PoolMode>,
    /// Server connections at most; none is any number.
    pub connections_max: Option<usize>,
    /// Clients at most; none is any number.
    pub clients_max: Option<usize>,
}

/// One setting as `SHOW CONFIG` shows it. Never a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its name in the configuration file.
    pub key: &'static str,
    /// Its value.
    pub value: String,
    /// What it is when it is not given.
    pub default: String,
    /// When another value holds.
    pub changes: Changes,
}

/// When another value of a setting holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changes {
    /// At once, after RELOAD or SET.
    Live,
    /// From the next start on.
    AtStart,
}

/// True when the console knows what this statement asks for. Nothing is done.
pub fn understands(statement: &str) -> bool {
    statement::Statement::parse(statement).is_some()
}

/// What a user may do in the console.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Everything.
    Admin,
    /// SHOW alone.
    Stats,
}

/// A user who may not use the console.
#[derive(Debug, thiserror::Error)]
#[error("user \"{0}\" may not use the admin console")]
pub struct NotAllowed(pub String);

impl Config {
    /// True when a client that names this database means the console.
    pub fn is_console(&self, database: &str) -> bool {
        self.databases.iter().any(|name| name == database)
    }

    /// What is shown of the settings of this user.
    pub fn user_terms(&self, name: &str) -> &UserTerms {
        self.single_users.get(name).unwrap_or(&self.user)
    }

    /// Clients of this database at most; none is any number.
    pub fn clients_max_of(&self, database: &str) -> Option<usize> {
        let single = self.single_database_clients_max.get(database);
        single.copied().unwrap_or(self.database_clients_max)
    }

    /// What this user may do.
    ///
    /// # Errors
    /// Nothing, because it is in neither list.
    pub fn role_of(&self, user: &str) -> Result<Role, NotAllowed> {
        let is_in = |users: &[String]| users.iter().any(|name| name == user);
        match (is_in(&self.users), is_in(&self.stats_users)) {
            (true, _) => Ok(Role::Admin),
            (false, true) => Ok(Role::Stats),
            (false, false) => Err(NotAllowed(user.to_owned())),
        }
    }
}

impl ClientFacing for NotAllowed {
    fn sqlstate(&self) -> SqlState {
        SqlState::INVALID_AUTHORIZATION_SPECIFICATION
    }

    fn severity(&self) -> Severity {
        Severity::Fatal
    }

    fn message(&self) -> String {
        self.to_string()
    }

    fn hint(&self) -> Option<String> {
        Some("Name the user in admin.users or admin.stats_users.".into())
    }
}
