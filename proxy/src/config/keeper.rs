//! The settings while they are in force: where they were read, what an operator has changed since, and what a change
//! leaves as it is.
//!
//! Must not know who asks for a change.

use std::path::PathBuf;

use serde::Deserialize;
use toml::{Table, Value};

use super::raw::{self, Overlay};
use super::translation::translated;
use super::{Config, ConfigError, Environment};
use crate::admin::{Assignment, Refused};
use crate::listener::{self, Change, Source};
use crate::pool::PoolMode;

/// Reads the environment, which `.env` may have changed.
type ReadEnvironment = Box<dyn Fn() -> Result<Environment, ConfigError> + Send>;

/// The settings in force.
pub struct Keeper {
    path: Option<PathBuf>,
    environment: ReadEnvironment,
    /// What was set one by one since the file was read.
    set: Vec<Assignment>,
    started: Config,
    config: Config,
    listener: listener::Config,
}

impl Keeper {
    /// Reads the file, if one is named, and the environment.
    ///
    /// # Errors
    /// As [`Config::load`] and [`Config::listener`].
    pub fn load(
        path: Option<PathBuf>,
        environment: impl Fn() -> Result<Environment, ConfigError> + Send + 'static,
    ) -> Result<Self, ConfigError> {
        let config = Config::load(path.as_deref(), &environment()?)?;
        let listener = config.listener()?;
        let (set, started) = (Vec::new(), config.clone());
        Ok(Self { path, environment: Box::new(environment), set, started, config, listener })
    }

    /// The settings that hold now.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What the listener is started with.
    pub fn listener(&self) -> listener::Config {
        self.listener.clone()
    }

    /// Reads everything with `set` over it. What is in force stays so when that fails.
    fn read(&mut self, set: Vec<Assignment>) -> Result<Change, ConfigError> {
        let environment = (self.environment)()?;
        let mut raw = Config::raw(self.path.as_deref())?;
        for assignment in &set {
            raw.overlay(over(assignment, &environment)?);
        }
        let path = self.path.clone().unwrap_or_default();
        let config = Config::typed(raw, &path, &environment)?;
        if let Some(key) = set.iter().find_map(|set| self.unchangeable(&config, &set.key)) {
            return Err(ConfigError::Conflict {
                what: format!("{key} cannot change while clients are served"),
                remedy: "write it into the configuration file and restart".to_owned(),
            });
        }
        let listener = config.listener_after(&self.config, &self.listener)?;
        let left = self.left(&config);
        (self.set, self.config, self.listener) = (set, config, listener);
        Ok(Change { config: self.listener.clone(), left })
    }

    fn unchangeable(&self, config: &Config, key: &str) -> Option<&'static str> {
        at_start(&self.started, config).into_iter().find(|changed| *changed == key)
    }

    /// What holds later than at once.
    fn left(&self, config: &Config) -> Vec<String> {
        let changed = at_start(&self.started, config).into_iter();
        let mut left: Vec<_> =
            changed.map(|key| format!("{key} holds from the next start on")).collect();
        let (old, new) = (&self.config.clients, &config.clients);
        for (key, old, new) in [
            ("limits.user_clients_max", old.user, new.user),
            ("limits.database_clients_max", old.database, new.database),
            ("limits.address_clients_max", old.address, new.address),
        ] {
            if old.is_none() && new.is_some() {
                left.push(format!("{key} counts the clients that come from now on"));
            }
        }
        let modes = |config: &Config| {
            let databases = config.databases.iter().map(|own| (own.name.clone(), own.own.mode));
            let users = config.users.iter().map(|own| (own.name.clone(), own.own.mode));
            let given = |(_, mode): &(_, Option<PoolMode>)| mode.is_some();
            let databases: Vec<_> = databases.filter(given).collect();
            (config.pool.mode, databases, users.filter(given).collect::<Vec<_>>())
        };
        if modes(&self.config) != modes(config) {
            left.push("pool modes hold for the clients that come from now on".to_owned());
        }
        left
    }
}

impl Source for Keeper {
    fn reload(&mut self) -> Result<Change, Refused> {
        self.read(Vec::new()).map_err(|error| Refused(error.to_string()))
    }

    fn set(&mut self, assignment: &Assignment) -> Result<Change, Refused> {
        let assignment = translated(assignment);
        let earlier = self.set.iter().filter(|earlier| earlier.key != assignment.key);
        let set = earlier.cloned().chain([assignment.clone()]).collect();
        self.read(set).map_err(|error| Refused(error.to_string()))
    }
}

/// The settings that differ and cannot change while clients are served.
fn at_start(old: &Config, new: &Config) -> Vec<&'static str> {
    let (was, is) = (&old.listen, &new.listen);
    let changes = [
        ("listen.host", was.host != is.host),
        ("listen.port", was.port != is.port),
        ("listen.unix_socket_dir", was.unix_socket_dir != is.unix_socket_dir),
        ("listen.peer_dir", was.peer_dir != is.peer_dir),
        ("listen.workers", was.workers != is.workers),
        ("listen.scheduling", was.scheduling != is.scheduling),
        (
            "tunnel.host",
            old.tunnel.as_ref().map(|t| &t.host) != new.tunnel.as_ref().map(|t| &t.host),
        ),
        ("tunnel.port", old.tunnel.as_ref().map(|t| t.port) != new.tunnel.as_ref().map(|t| t.port)),
        ("log.format", old.log.format != new.log.format),
    ];
    changes.into_iter().filter(|(_, changed)| *changed).map(|(key, _)| key).collect()
}

/// A file that gives this setting alone. The first reading of its value that the setting takes is the one that is meant.
fn over(assignment: &Assignment, environment: &Environment) -> Result<raw::File, ConfigError> {
    let Assignment { key, value } = assignment;
    if let Some(found) = environment.overriding(key) {
        return Err(ConfigError::Conflict {
            what: format!("{key} comes from {} of the environment, which goes before", found.name),
            remedy: "change it there".to_owned(),
        });
    }
    if key.contains("password") {
        return Err(ConfigError::Conflict {
            what: format!("{key} is a secret, and commands are logged"),
            remedy: "write it into a file, then RELOAD".to_owned(),
        });
    }
    let mut refusal = String::new();
    for value in readings(value) {
        match raw::File::deserialize(table(key, value)) {
            Ok(file) => return Ok(file),
            Err(error) => refusal = error.message().replace('\n', ", "),
        }
    }
    let remedy = "SHOW CONFIG lists the settings".to_owned();
    Err(ConfigError::Conflict { what: format!("{key} = {value}: {refusal}"), remedy })
}

fn readings(value: &str) -> Vec<Value> {
    let list = value.split(',').map(|part| part.trim().trim_matches('"'));
    let list = list.filter(|part| !part.is_empty()).map(|part| Value::String(part.to_owned()));
    let truth = match value.to_ascii_lowercase().as_str() {
        "true" | "on" => Some(Value::Boolean(true)),
        "false" | "off" => Some(Value::Boolean(false)),
        _ => None,
    };
    let number = value.parse().ok().map(Value::Integer);
    let whole = [Value::Array(list.collect()), Value::String(value.to_owned())];
    number.into_iter().chain(truth).chain(whole).collect()
}

/// The tables around a dotted key.
fn table(key: &str, value: Value) -> Table {
    let mut parts = key.rsplit('.');
    let last = parts.next().unwrap_or_default().to_owned();
    let innermost = Table::from_iter([(last, value)]);
    parts.fold(innermost, |inner, name| Table::from_iter([(name.to_owned(), Value::Table(inner))]))
}
