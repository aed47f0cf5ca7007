//! The configuration: one TOML file, the environment over it, typed and checked once.
//!
//! Composes what the layers below define and knows every bound. Must not open sockets or start
//! anything; reads the configuration file and the password files it names.

mod assembly;
mod environment;
mod error;
mod gate;
mod keeper;
mod own;
mod raw;
mod reader;
mod sections;
mod shown;
mod syntax;
mod translation;
mod tunnel;
mod weakness;

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use environment::Environment;
pub use error::{ConfigError, Origin};
pub use keeper::Keeper;

use crate::backend::secret::Password;
use crate::backend::target;
use crate::listener::{ClientLimits, Scheduling};
use crate::net::tls::ListenerTlsConfig;
use crate::pool;
use crate::pool::config::Overrides;
use crate::pool::registry::Admits;
use crate::session::auth;

/// The database of the original project, which the migrations go to when none is named.
pub const DEFAULT_DATABASE: &str = "codegen-taskmaster-db";
/// The user of the original project, who logs in when none is named.
pub const DEFAULT_USER: &str = "software_developer";

/// Everything that `taskmaster serve` is told. Debug shows no secret.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where clients come in.
    pub listen: Listen,
    /// TLS towards clients.
    pub tls: ListenerTlsConfig,
    /// The PostgreSQL behind.
    pub server: target::Config,
    /// The database that the migrations go to and that `auth.user` logs in to.
    pub dbname: Option<String>,
    /// Who may log in and how that is found out.
    pub auth: auth::Config,
    /// Every pool, unless `databases` says otherwise.
    pub pool: pool::Config,
    /// How many server connections all pools may have.
    pub budget: pool::budget::Limits,
    /// How many clients there may be of one kind.
    pub clients: ClientLimits,
    /// Where clients come in that the edge sends, if it does.
    pub tunnel: Option<Tunnel>,
    /// Who may come in, and how often.
    pub gate: crate::gate::Config,
    /// What differs for single databases.
    pub databases: Vec<Database>,
    /// Which databases clients may name.
    pub admits: Admits,
    /// What differs for single users; goes before what differs for databases.
    pub users: Vec<User>,
    /// The admin console.
    pub admin: Admin,
    /// What is logged.
    pub log: Log,
}

/// Where clients come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// A name or an address; all it resolves to are listened on.
    pub host: String,
    /// The port; 0 lets the system choose.
    pub port: u16,
    /// Where `.s.PGSQL.<port>` is made.
    pub unix_socket_dir: Option<PathBuf>,
    /// Where this process and those before and after it find each other.
    pub peer_dir: Option<PathBuf>,
    /// Threads that serve clients.
    pub workers: NonZeroUsize,
    /// How the kernel schedules them.
    pub scheduling: Scheduling,
    /// Clients at once.
    pub client_max: usize,
    /// From where connections begin with a header of the PROXY protocol.
    pub proxy_networks: Vec<crate::gate::Network>,
    /// From the first byte to the end of the login.
    pub login_timeout: Duration,
    /// How long a shutdown waits for clients to leave by themselves, if it does.
    pub leave_timeout: Duration,
    /// How long a shutdown waits for transactions.
    pub drain_timeout: Duration,
}

/// Where clients come in that the edge sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tunnel {
    /// A loopback address.
    pub host: String,
    /// The port; 0 lets the system choose.
    pub port: u16,
    /// Whose tokens are believed.
    pub access: Option<TunnelAccess>,
}

/// Whose tokens are believed at the tunnel's door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TunnelAccess {
    /// Which tokens.
    pub tokens: crate::http::AccessConfig,
    /// By whom the server of the keys is certified; Mozilla's roots without one.
    pub keys_root_cert_file: Option<PathBuf>,
}

/// What differs for one database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Database {
    /// The name that clients use.
    pub name: String,
    /// The name on the server, when it is another.
    pub dbname: Option<String>,
    /// The host of its server, when it is another than `server.host`.
    pub host: Option<String>,
    /// The port of its server, when it is another than `server.port`.
    pub port: Option<u16>,
    /// As whom all its server connections log in; none is each as its client.
    pub login: Option<Login>,
    /// What its pools are like.
    pub own: Overrides,
    /// How many it may have.
    pub limits: OwnLimits,
}

/// As whom the server connections of a database log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The role.
    pub user: String,
    /// Its password; none is that of `auth.users`, if it is there.
    pub password: Option<Password>,
}

/// What differs for one user of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The role.
    pub name: String,
    /// What its pools are like.
    pub own: Overrides,
    /// How many it may have.
    pub limits: OwnLimits,
}

/// How many one database or one user may have; none is as for all, 0 is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OwnLimits {
    /// Server connections in all its pools together.
    pub connections: Option<usize>,
    /// Clients.
    pub clients: Option<usize>,
}

/// The admin console.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admin {
    /// The names under which it is reached as a database; none at all turns it off.
    pub databases: Vec<String>,
    /// Who may do everything.
    pub users: Vec<String>,
    /// Who may look.
    pub stats_users: Vec<String>,
    /// How long a command waits for server connections to be given back.
    pub wait_timeout: Duration,
    /// How long a period is over which averages are taken.
    pub stats_period: Duration,
}

/// What is logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// How a line looks.
    pub format: LogFormat,
    /// A level, or directives as in RUST_LOG.
    pub level: String,
}

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl Config {
    /// Reads the file, if one is named, and puts the environment over it.
    ///
    /// # Errors
    /// The first refusal, in one line that names the key, its value, the bound and what to do.
    pub fn load(path: Option<&Path>, environment: &Environment) -> Result<Self, ConfigError> {
        Self::typed(Self::raw(path)?, path.unwrap_or(Path::new("")), environment)
    }

    /// Checks `text` as if it had been read from `path`.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(text: &str, path: &Path, environment: &Environment) -> Result<Self, ConfigError> {
        Self::typed(Self::raw_text(text, path)?, path, environment)
    }

    /// What is written in the file, unchecked; without a file nothing is.
    fn raw(path: Option<&Path>) -> Result<raw::File, ConfigError> {
        let Some(path) = path else { return Ok(raw::File::default()) };
        let unreadable = |source| ConfigError::Unreadable { path: path.to_owned(), source };
        let text = fs::read_to_string(path).map_err(unreadable)?;
        Self::raw_text(&text, path)
    }

    fn raw_text(text: &str, path: &Path) -> Result<raw::File, ConfigError> {
        toml::from_str(text).map_err(|error| syntax::refusal(text, path, &error))
    }

    fn typed(raw: raw::File, path: &Path, environment: &Environment) -> Result<Self, ConfigError> {
        let read = reader::Reader { file: path, environment };
        let dbname = read.text("server.dbname", raw.server.dbname.as_ref())?;
        let timeouts = sections::timeouts(&read, &raw.limits)?;
        let auth = sections::auth(&read, &raw.auth, dbname.as_deref())?;
        let databases = own::databases(&read, &raw.databases)?;
        Ok(Self {
            admin: sections::admin(&read, &raw.admin, auth.user.as_deref(), &databases)?,
            listen: sections::listen(&read, &raw.listen)?,
            tls: sections::tls(&read, &raw.listen.tls)?,
            server: sections::server(&read, &raw.server)?,
            auth,
            dbname,
            pool: pool::Config { timeouts, ..sections::pool(&read, &raw.pool, &raw.server)? },
            databases,
            admits: sections::admits(&read, &raw.auth)?,
            users: own::users(&read, &raw.users)?,
            budget: sections::budget(&read, &raw.limits)?,
            clients: sections::clients(&read, &raw.limits)?,
            gate: gate::gate(&read, &raw.gate, &raw.tunnel)?,
            tunnel: tunnel::tunnel(&read, &raw.tunnel)?,
            log: sections::log(&read, &raw.log)?,
        })
    }
}

#[cfg(test)]
mod tests;
