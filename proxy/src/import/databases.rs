//! `[databases]`: the server behind, and what differs for one database.

use toml::Value;

use super::convert::{CONNECTIONS, LIFETIME, LIMIT, POOL_SIZE, Unit, WAIT, convert};
use super::numbers::{milliseconds, whole};
use super::source::{Given, Item};
use super::{Carrier, ImportError};

/// The entry for all databases that have none.
pub(super) const FALLBACK: &str = "*";

/// What one database may have of its own.
struct Own {
    theirs: &'static str,
    /// The setting of `[pgbouncer]` that holds where a database has none.
    global: &'static str,
    ours: &'static str,
    /// Ours for all.
    for_all: &'static str,
    unit: Unit,
}

const fn own(
    theirs: &'static str,
    global: &'static str,
    ours: &'static str,
    for_all: &'static str,
    unit: Unit,
) -> Own {
    Own { theirs, global, ours, for_all, unit }
}

const OWN: [Own; 9] = [
    own("pool_mode", "pool_mode", "pool_mode", "pool.mode", Unit::Mode),
    own("pool_size", "default_pool_size", "pool_max", "pool.max", POOL_SIZE),
    own("min_pool_size", "min_pool_size", "pool_min", "pool.min", CONNECTIONS),
    own("reserve_pool", "reserve_pool_size", "pool_reserve", "pool.reserve", CONNECTIONS),
    own("reserve_pool_size", "reserve_pool_size", "pool_reserve", "pool.reserve", CONNECTIONS),
    own(
        "query_wait_timeout",
        "query_wait_timeout",
        "acquire_timeout_ms",
        "pool.acquire_timeout_ms",
        WAIT,
    ),
    own("server_lifetime", "server_lifetime", "max_lifetime_ms", "pool.max_lifetime_ms", LIFETIME),
    own(
        "max_db_connections",
        "max_db_connections",
        "connections_max",
        "limits.database_connections_max",
        LIMIT,
    ),
    own(
        "max_db_client_connections",
        "max_db_client_connections",
        "clients_max",
        "limits.database_clients_max",
        LIMIT,
    ),
];

/// What else one may have: of `logins`, and what is dealt with here.
const OTHERS: [&str; 9] = [
    "dbname",
    "host",
    "port",
    "user",
    "password",
    "auth_user",
    "auth_query",
    "auth_dbname",
    "load_balance_hosts",
];

const ON_SERVER: &str = "alter database ... set ... on the server";
const LEFT: [(&str, &str, &str); 6] = [
    ("connect_query", "nothing is run on new connections", ON_SERVER),
    ("client_encoding", "connections begin as the server has it", ON_SERVER),
    ("datestyle", "connections begin as the server has it", ON_SERVER),
    ("timezone", "connections begin as the server has it", ON_SERVER),
    ("application_name", "it is the client's", "let clients set it"),
    ("target_session_attrs", "a server is taken as it is", "name the host that is meant"),
];

/// Where a server is.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Server {
    host: String,
    port: i64,
}

/// The server behind. Comes first, so that the file reads in the usual order.
pub(super) fn carry_server(carrier: &mut Carrier<'_>) -> Result<(), ImportError> {
    match main_server(carrier)? {
        Some(main) => {
            carrier.set("server.host", main.host.as_str(), "");
            carrier.set("server.port", main.port, "");
        }
        None => {
            let given = Given { name: "[databases]".into(), value: String::new(), place: None };
            carrier.leave(&given, "no server is named", "name one in server.host");
        }
    }
    Ok(())
}

pub(super) fn carry(carrier: &mut Carrier<'_>) -> Result<(), ImportError> {
    let source = carrier.source;
    let Some(main) = main_server(carrier)? else {
        carrier.set("auth.databases", "listed", "[databases] is empty");
        return Ok(());
    };
    let fallback = source.databases.iter().find(|database| database.name == FALLBACK);
    match fallback {
        Some(fallback) => carry_fallback(carrier, fallback)?,
        None => carrier.set("auth.databases", "listed", "there is no * in [databases]"),
    }
    for database in source.databases.iter().filter(|database| database.name != FALLBACK) {
        carry_one(carrier, database, fallback, &main)?;
    }
    Ok(())
}

/// The server of `*`, else that of the first database.
fn main_server(carrier: &mut Carrier<'_>) -> Result<Option<Server>, ImportError> {
    let databases = &carrier.source.databases;
    let fallback = databases.iter().find(|database| database.name == FALLBACK);
    fallback.or(databases.first()).map(|item| server_of(carrier, item)).transpose()
}

/// Where an entry's server is. PgBouncer takes the unix socket in its own directory when no host is given.
pub(super) fn server_of(carrier: &Carrier<'_>, item: &Item) -> Result<Server, ImportError> {
    let host = match item.text("host") {
        Some(hosts) => hosts.split(',').next().unwrap_or(hosts).to_owned(),
        None => carrier.setting("unix_socket_dir").value,
    };
    let port = item.get("databases", "port").map(|port| whole(&port)).transpose()?;
    Ok(Server { host, port: port.unwrap_or(5432) })
}

/// What `*` has of its own holds for all; the listed ones then say themselves what held for them.
fn carry_fallback(carrier: &mut Carrier<'_>, item: &Item) -> Result<(), ImportError> {
    let reserve = milliseconds(&carrier.setting("reserve_pool_timeout"))?;
    for own in OWN.iter().filter(|own| reserve > 0 || own.ours != "pool_reserve") {
        let Some(given) = item.get("databases", own.theirs) else { continue };
        if let Some(value) = convert(carrier, &given, own.unit)? {
            carrier.set(own.for_all, value, &given.name);
        }
    }
    for name in ["dbname", "user", "password"] {
        let Some(mut given) = item.get("databases", name) else { continue };
        if name == "password" {
            "...".clone_into(&mut given.value);
        }
        let instead = "list the databases that clients name, each with it";
        carrier.leave(&given, "it cannot be for databases that are not listed", instead);
    }
    leave_rest(carrier, item);
    if let (Some(min), Some(max)) =
        (carrier.document.number("pool.min"), carrier.document.number("pool.max"))
        && min > max
    {
        carrier.set("pool.min", max, "min_pool_size, at most pool.max");
    }
    Ok(())
}

fn carry_one(
    carrier: &mut Carrier<'_>,
    item: &Item,
    fallback: Option<&Item>,
    main: &Server,
) -> Result<(), ImportError> {
    let mut lines: Vec<(&str, Value, String)> =
        vec![("name", item.name.as_str().into(), String::new())];
    if let Some(dbname) = item.text("dbname").filter(|dbname| *dbname != item.name) {
        lines.push(("dbname", dbname.into(), String::new()));
    }
    let server = server_of(carrier, item)?;
    if server != *main {
        leave_verifiers(carrier, item);
        lines.push(("host", server.host.into(), String::new()));
        lines.push(("port", server.port.into(), String::new()));
    }
    lines.extend(login(carrier, item));
    let reserve = milliseconds(&carrier.setting("reserve_pool_timeout"))?;
    for own in OWN.iter().filter(|own| reserve > 0 || own.ours != "pool_reserve") {
        if let Some((value, from)) = own_value(carrier, item, fallback, own)? {
            lines.retain(|(key, ..)| *key != own.ours);
            lines.push((own.ours, value, from));
        }
    }
    keep_min_below_max(&mut lines);
    leave_rest(carrier, item);
    let table = carrier.document.push("databases");
    lines.into_iter().for_each(|(key, value, from)| table.set(key, value, &from));
    Ok(())
}

/// Who is looked up is looked up on the main server.
fn leave_verifiers(carrier: &mut Carrier<'_>, item: &Item) {
    let is_asked =
        item.text("auth_user").is_some() || !carrier.setting("auth_user").value.is_empty();
    let given = item.get("databases", "host").filter(|_| is_asked && item.text("user").is_none());
    if let Some(given) = given {
        let why = "users that are not in auth_file are looked up on the server of [server] alone";
        carrier.leave(&given, why, "let them have the same passwords on both, or name user=");
    }
}

/// What a database has of its own: given, or what holds for all where `*` has something else.
fn own_value(
    carrier: &mut Carrier<'_>,
    item: &Item,
    fallback: Option<&Item>,
    own: &Own,
) -> Result<Option<(Value, String)>, ImportError> {
    let given = match item.get("databases", own.theirs) {
        Some(given) => given,
        None if fallback.is_some_and(|all| all.text(own.theirs).is_some()) => {
            carrier.setting(own.global)
        }
        None => return Ok(None),
    };
    let from = if given.is_default() { given.origin() } else { own.theirs.to_owned() };
    Ok(convert(carrier, &given, own.unit)?.map(|value| (value, from)))
}

/// As whom all connections of the database log in.
fn login(carrier: &mut Carrier<'_>, item: &Item) -> Vec<(&'static str, Value, String)> {
    let mut lines = Vec::new();
    let password = item.get("databases", "password");
    match (item.text("user"), password) {
        (Some(user), password) => {
            lines.push(("user", user.into(), String::new()));
            let Some(mut given) = password else { return lines };
            let owner = format!("database-{}", item.name);
            match carrier.keep(&owner, "password", &given.value) {
                Some(path) => lines.push(("password_file", path.into(), String::new())),
                None => {
                    "...".clone_into(&mut given.value);
                    carrier.leave(&given, NO_FILES, WITH_FILES);
                }
            }
        }
        (None, Some(mut given)) => {
            "...".clone_into(&mut given.value);
            carrier.leave(&given, "there is no user that it belongs to", "nothing");
        }
        (None, None) => {}
    }
    lines
}

pub(super) const NO_FILES: &str = "passwords are written to files alone";
pub(super) const WITH_FILES: &str = "give --out";

fn keep_min_below_max(lines: &mut [(&str, Value, String)]) {
    let number = |key: &str, lines: &[(&str, Value, String)]| {
        lines.iter().find(|(name, ..)| *name == key).and_then(|(_, value, _)| value.as_integer())
    };
    let Some((min, max)) = number("pool_min", lines).zip(number("pool_max", lines)) else { return };
    if let Some(line) = lines.iter_mut().find(|(name, ..)| *name == "pool_min") {
        line.1 = min.min(max).into();
    }
}

fn leave_rest(carrier: &mut Carrier<'_>, item: &Item) {
    if let Some(given) = item.get("databases", "host") {
        if given.value.contains(',') {
            let instead = "the first was written; name the one that is to be used";
            carrier.leave(&given, "a database has one host", instead);
        }
        if given.value.starts_with('@') {
            carrier.leave(&given, "unix sockets are in the file system", "name a directory");
        }
    }
    for name in item.names() {
        let Some(given) = item.get("databases", name) else { continue };
        if OTHERS.contains(&name) || OWN.iter().any(|own| own.theirs == name) {
            continue;
        }
        match LEFT.iter().find(|(left, ..)| *left == name) {
            Some(("target_session_attrs", ..)) if given.value == "any" => {}
            Some((_, why, instead)) => carrier.leave(&given, why, instead),
            None => carrier.leave(
                &given,
                "databases have no such setting",
                "correct it if it is mistyped",
            ),
        }
    }
}
