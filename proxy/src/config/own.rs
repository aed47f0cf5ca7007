//! `[[databases]]` and `[[users]]`: what differs for one of them, checked.
//!
//! Must not know where a value comes from; see `reader`.

use std::collections::BTreeSet;
use std::time::Duration;

use super::reader::Reader;
use super::sections::{CONNECTIONS_MAX, POOL_MODES, lifetime, missing};
use super::{ConfigError, Database, Login, OwnLimits, User, raw};
use crate::pool::config::Overrides;
use crate::pool::overdue::OwnTimeouts;

/// What both sections have, as it was given.
struct Given<'a> {
    mode: Option<&'a String>,
    min: Option<i64>,
    max: Option<i64>,
    reserve: Option<i64>,
    acquire_timeout_ms: Option<i64>,
    max_lifetime_ms: Option<i64>,
    query_timeout_ms: Option<i64>,
    transaction_timeout_ms: Option<i64>,
    idle_in_transaction_timeout_ms: Option<i64>,
    client_idle_timeout_ms: Option<i64>,
    connections_max: Option<i64>,
    clients_max: Option<i64>,
}

macro_rules! given {
    ($raw:expr) => {
        Given {
            mode: $raw.pool_mode.as_ref(),
            min: $raw.pool_min,
            max: $raw.pool_max,
            reserve: $raw.pool_reserve,
            acquire_timeout_ms: $raw.acquire_timeout_ms,
            max_lifetime_ms: $raw.max_lifetime_ms,
            query_timeout_ms: $raw.query_timeout_ms,
            transaction_timeout_ms: $raw.transaction_timeout_ms,
            idle_in_transaction_timeout_ms: $raw.idle_in_transaction_timeout_ms,
            client_idle_timeout_ms: $raw.client_idle_timeout_ms,
            connections_max: $raw.connections_max,
            clients_max: $raw.clients_max,
        }
    };
}

pub(super) fn databases(
    read: &Reader<'_>,
    raw: &[raw::Database],
) -> Result<Vec<Database>, ConfigError> {
    let read_one = |(at, one)| database(read, &format!("databases[{at}]"), one);
    let databases = raw.iter().enumerate().map(read_one).collect::<Result<Vec<_>, _>>()?;
    once(read, "databases", databases.iter().map(|database| &database.name))?;
    Ok(databases)
}

pub(super) fn users(read: &Reader<'_>, raw: &[raw::User]) -> Result<Vec<User>, ConfigError> {
    let read_one = |(at, one)| user(read, &format!("users[{at}]"), one);
    let users = raw.iter().enumerate().map(read_one).collect::<Result<Vec<_>, _>>()?;
    once(read, "users", users.iter().map(|user| &user.name))?;
    Ok(users)
}

fn once<'a>(
    read: &Reader<'_>,
    section: &str,
    names: impl Iterator<Item = &'a String>,
) -> Result<(), ConfigError> {
    let mut seen = BTreeSet::new();
    for (at, name) in names.enumerate() {
        if !seen.insert(name) {
            let key = format!("{section}[{at}].name");
            return Err(read.refuse(&key, name, "give each name once"));
        }
    }
    Ok(())
}

fn database(read: &Reader<'_>, at: &str, raw: &raw::Database) -> Result<Database, ConfigError> {
    let key = |name: &str| format!("{at}.{name}");
    let name = read.text(&key("name"), raw.name.as_ref())?;
    let port = raw.port.map(|port| read.count(&key("port"), Some(port), 5432, 1..=65_535));
    Ok(Database {
        name: name.ok_or_else(|| missing(&key("name")))?,
        dbname: read.text(&key("dbname"), raw.dbname.as_ref())?,
        host: read.text(&key("host"), raw.host.as_ref())?,
        port: port.transpose()?,
        login: login(read, at, raw)?,
        own: overrides(read, at, &given!(raw))?,
        limits: limits(read, at, &given!(raw))?,
    })
}

fn user(read: &Reader<'_>, at: &str, raw: &raw::User) -> Result<User, ConfigError> {
    let key = format!("{at}.name");
    let name = read.text(&key, raw.name.as_ref())?;
    Ok(User {
        name: name.ok_or_else(|| missing(&key))?,
        own: overrides(read, at, &given!(raw))?,
        limits: limits(read, at, &given!(raw))?,
    })
}

fn login(read: &Reader<'_>, at: &str, raw: &raw::Database) -> Result<Option<Login>, ConfigError> {
    let key = format!("{at}.password");
    let password = read.password(&key, raw.password.as_ref(), raw.password_file.as_ref())?;
    match (read.text(&format!("{at}.user"), raw.user.as_ref())?, password) {
        (Some(user), password) => Ok(Some(Login { user, password })),
        (None, None) => Ok(None),
        (None, Some(_)) => Err(ConfigError::Conflict {
            what: format!("{key} is given without {at}.user"),
            remedy: "name the user whose password it is".to_owned(),
        }),
    }
}

fn overrides(read: &Reader<'_>, at: &str, given: &Given<'_>) -> Result<Overrides, ConfigError> {
    let key = |name: &str| format!("{at}.{name}");
    let count = |name: &str, given: Option<i64>, bounds| {
        given.map(|most| read.count(&key(name), Some(most), 0, bounds)).transpose()
    };
    let mode = read.word(&key("pool_mode"), given.mode, &POOL_MODES)?;
    let (min, max) = (
        count("pool_min", given.min, 0..=CONNECTIONS_MAX)?,
        count("pool_max", given.max, 1..=CONNECTIONS_MAX)?,
    );
    if let (Some(min), Some(max)) = (min, max)
        && min > max
    {
        let rule = format!("give at most pool_max, which is {max}");
        return Err(read.refuse(&key("pool_min"), min, &rule));
    }
    let ms = given.max_lifetime_ms;
    let lifetime = ms.map(|ms| lifetime(read, &key("max_lifetime_ms"), Some(ms), Duration::ZERO));
    Ok(Overrides {
        mode,
        min,
        max,
        reserve: count("pool_reserve", given.reserve, 0..=CONNECTIONS_MAX)?,
        acquire_timeout: time(read, &key("acquire_timeout_ms"), given.acquire_timeout_ms, 1)?,
        max_lifetime: lifetime.transpose()?,
        timeouts: timeouts(read, at, given)?,
    })
}

fn timeouts(read: &Reader<'_>, at: &str, given: &Given<'_>) -> Result<OwnTimeouts, ConfigError> {
    let time = |name: &str, given| time(read, &format!("{at}.{name}"), given, 0);
    let waiting = given.idle_in_transaction_timeout_ms;
    Ok(OwnTimeouts {
        query: time("query_timeout_ms", given.query_timeout_ms)?,
        transaction: time("transaction_timeout_ms", given.transaction_timeout_ms)?,
        idle_in_transaction: time("idle_in_transaction_timeout_ms", waiting)?,
        client_idle: time("client_idle_timeout_ms", given.client_idle_timeout_ms)?,
    })
}

fn time(
    read: &Reader<'_>,
    key: &str,
    given: Option<i64>,
    least_ms: i64,
) -> Result<Option<Duration>, ConfigError> {
    given.map(|ms| read.time(key, Some(ms), Duration::ZERO, least_ms)).transpose()
}

fn limits(read: &Reader<'_>, at: &str, given: &Given<'_>) -> Result<OwnLimits, ConfigError> {
    let most = |name: &str, given: Option<i64>| {
        let key = format!("{at}.{name}");
        given.map(|most| read.count(&key, Some(most), 0, 0..=1_000_000)).transpose()
    };
    Ok(OwnLimits {
        connections: most("connections_max", given.connections_max)?,
        clients: most("clients_max", given.clients_max)?,
    })
}
