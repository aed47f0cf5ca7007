//! The rules of each section: defaults, bounds, and what must fit together.
//!
//! Must not know where a value comes from; see `reader`.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::time::Duration;

use super::reader::{Reader, TIME_MAX_MS};
use super::{Admin, ConfigError, DEFAULT_USER, Database, Listen, Log, LogFormat, raw};
use crate::backend::statement::StatementLimits;
use crate::backend::target::{self, ChannelBinding};
use crate::listener::{ClientLimits, Scheduling};
use crate::net::tls::{ListenerTlsConfig, ListenerTlsMode, SslMode, SslNegotiation};
use crate::pool::config::{Test, Testing};
use crate::pool::overdue::Timeouts;
use crate::pool::registry::Admits;
use crate::pool::{self, PoolMode};
use crate::session::auth;
use crate::wire::greeting::Protocol;

pub(super) const POOL_MODES: [(&str, PoolMode); 2] =
    [("transaction", PoolMode::Transaction), ("session", PoolMode::Session)];
const TLS_MODES: [(&str, ListenerTlsMode); 3] = [
    ("disable", ListenerTlsMode::Disable),
    ("allow", ListenerTlsMode::Allow),
    ("require", ListenerTlsMode::Require),
];
const SSL_MODES: [(&str, SslMode); 5] = [
    ("disable", SslMode::Disable),
    ("prefer", SslMode::Prefer),
    ("require", SslMode::Require),
    ("verify-ca", SslMode::VerifyCa),
    ("verify-full", SslMode::VerifyFull),
];
const SSL_NEGOTIATIONS: [(&str, SslNegotiation); 2] =
    [("postgres", SslNegotiation::Postgres), ("direct", SslNegotiation::Direct)];
const CHANNEL_BINDINGS: [(&str, ChannelBinding); 3] = [
    ("disable", ChannelBinding::Disable),
    ("prefer", ChannelBinding::Prefer),
    ("require", ChannelBinding::Require),
];
const PROTOCOL_VERSIONS: [(&str, Protocol); 2] = [("3.0", Protocol::V3_0), ("3.2", Protocol::V3_2)];
const ADMITS: [(&str, Admits); 2] = [("any", Admits::Any), ("listed", Admits::Listed)];
const SCHEDULINGS: [(&str, Scheduling); 2] =
    [("batch", Scheduling::Batch), ("normal", Scheduling::Normal)];
const LOG_FORMATS: [(&str, LogFormat); 2] = [("text", LogFormat::Text), ("json", LogFormat::Json)];
/// The console, by its own name and by the one that tools for PgBouncer expect.
const CONSOLE_NAMES: [&str; 2] = ["taskmaster_admin", "pgbouncer"];
/// A cancel key names its worker in six bits, and its session in twenty: no more than a million clients.
const WORKERS_MAX: i64 = 64;
/// PostgreSQL's own limit of `max_connections` (guc_tables.c).
pub(super) const CONNECTIONS_MAX: i64 = 262_143;

pub(super) fn listen(read: &Reader<'_>, raw: &raw::Listen) -> Result<Listen, ConfigError> {
    let host = read.text("listen.host", raw.host.as_ref())?;
    let workers = read.number("listen.workers", raw.workers, 1, 1..=WORKERS_MAX)?;
    let workers = usize::try_from(workers).ok().and_then(NonZeroUsize::new);
    Ok(Listen {
        host: host.unwrap_or_else(|| "127.0.0.1".to_owned()),
        port: read.count("listen.port", raw.port, 6432, 0..=65_535)?,
        unix_socket_dir: read.path("listen.unix_socket_dir", raw.unix_socket_dir.as_ref())?,
        peer_dir: read.path("listen.peer_dir", raw.peer_dir.as_ref())?,
        workers: workers.unwrap_or(NonZeroUsize::MIN),
        scheduling: read
            .word("listen.scheduling", raw.scheduling.as_ref(), &SCHEDULINGS)?
            .unwrap_or_default(),
        proxy_networks: super::gate::all(read, "listen.proxy_protocol", &raw.proxy_protocol)?,
        client_max: read.count("listen.client_max", raw.client_max, 10_000, 1..=1_000_000)?,
        login_timeout: read.time(
            "listen.login_timeout_ms",
            raw.login_timeout_ms,
            Duration::from_secs(15),
            100,
        )?,
        leave_timeout: read.time(
            "listen.leave_timeout_ms",
            raw.leave_timeout_ms,
            Duration::from_secs(45),
            0,
        )?,
        drain_timeout: read.time(
            "listen.drain_timeout_ms",
            raw.drain_timeout_ms,
            Duration::from_secs(30),
            0,
        )?,
    })
}

pub(super) fn tls(
    read: &Reader<'_>,
    raw: &raw::ListenTls,
) -> Result<ListenerTlsConfig, ConfigError> {
    let mode = read.word("listen.tls.mode", raw.mode.as_ref(), &TLS_MODES)?.unwrap_or_default();
    let cert_file = read.path("listen.tls.cert_file", raw.cert_file.as_ref())?;
    let key_file = read.path("listen.tls.key_file", raw.key_file.as_ref())?;
    let half = cert_file.is_some() != key_file.is_some();
    if half || (mode == ListenerTlsMode::Require && cert_file.is_none()) {
        return Err(ConfigError::Conflict {
            what: format!("listen.tls.mode is {mode} and a certificate or its key is missing"),
            remedy: "give both listen.tls.cert_file and listen.tls.key_file".to_owned(),
        });
    }
    Ok(ListenerTlsConfig { mode, cert_file, key_file })
}

pub(super) fn server(read: &Reader<'_>, raw: &raw::Server) -> Result<target::Config, ConfigError> {
    let default = target::Config::default();
    let timeout = raw.connect_timeout_ms;
    Ok(target::Config {
        host: read.text("server.host", raw.host.as_ref())?.unwrap_or(default.host),
        port: read.count("server.port", raw.port, default.port, 1..=65_535)?,
        ssl_root_cert_file: read
            .path("server.ssl_root_cert_file", raw.ssl_root_cert_file.as_ref())?,
        connect_timeout: read.time(
            "server.connect_timeout_ms",
            timeout,
            default.connect_timeout,
            10,
        )?,
        ..server_security(read, raw)?
    })
}

/// How much the server is trusted, and what must fit together for that.
fn server_security(read: &Reader<'_>, raw: &raw::Server) -> Result<target::Config, ConfigError> {
    let word = raw.ssl_mode.as_ref();
    let ssl_mode = read.word("server.ssl_mode", word, &SSL_MODES)?.unwrap_or_default();
    let word = raw.ssl_negotiation.as_ref();
    let ssl_negotiation =
        read.word("server.ssl_negotiation", word, &SSL_NEGOTIATIONS)?.unwrap_or_default();
    let word = raw.channel_binding.as_ref();
    let channel_binding =
        read.word("server.channel_binding", word, &CHANNEL_BINDINGS)?.unwrap_or_default();
    let word = raw.max_protocol_version.as_ref();
    let version = read.word("server.max_protocol_version", word, &PROTOCOL_VERSIONS)?;
    let weak = matches!(ssl_mode, SslMode::Disable | SslMode::Prefer);
    if ssl_negotiation == SslNegotiation::Direct && weak {
        let rule = "give require, verify-ca or verify-full: ssl_negotiation is direct";
        return Err(read.refuse("server.ssl_mode", ssl_mode, rule));
    }
    if channel_binding == ChannelBinding::Require && ssl_mode == SslMode::Disable {
        let rule = "give require or better: channel_binding is require";
        return Err(read.refuse("server.ssl_mode", ssl_mode, rule));
    }
    let max_protocol_version = version.unwrap_or(Protocol::V3_2);
    let seed = target::Config { ssl_mode, ssl_negotiation, channel_binding, ..Default::default() };
    Ok(target::Config { max_protocol_version, ..seed })
}

pub(super) fn auth(
    read: &Reader<'_>,
    raw: &raw::Auth,
    dbname: Option<&str>,
) -> Result<auth::Config, ConfigError> {
    let minute = Duration::from_secs(60);
    let user = asker(read, raw)?;
    let password =
        read.password("auth.password", raw.password.as_ref(), raw.password_file.as_ref())?;
    if user.is_none() && password.is_some() {
        return Err(ConfigError::Conflict {
            what: "auth.user is empty, and auth.password is given".to_owned(),
            remedy: "leave the password out, or name the user".to_owned(),
        });
    }
    Ok(auth::Config {
        users: logins(read, raw, user.as_deref())?,
        user,
        password,
        query: read.text("auth.query", raw.query.as_ref())?,
        // Roles belong to the whole server, and every server has this database.
        database: dbname.unwrap_or("postgres").to_owned(),
        cache_ttl: read.time("auth.cache_ttl_ms", raw.cache_ttl_ms, minute, 0)?,
    })
}

/// Who asks the server for verifiers. An empty name stands for nobody.
fn asker(read: &Reader<'_>, raw: &raw::Auth) -> Result<Option<String>, ConfigError> {
    let is_empty = raw.user.as_ref().is_some_and(String::is_empty);
    if is_empty && read.environment.overriding("auth.user").is_none() {
        return Ok(None);
    }
    let user = read.text("auth.user", raw.user.as_ref())?;
    Ok(Some(user.unwrap_or_else(|| DEFAULT_USER.to_owned())))
}

pub(super) fn admits(read: &Reader<'_>, raw: &raw::Auth) -> Result<Admits, ConfigError> {
    Ok(read.word("auth.databases", raw.databases.as_ref(), &ADMITS)?.unwrap_or_default())
}

fn logins(
    read: &Reader<'_>,
    raw: &raw::Auth,
    first: Option<&str>,
) -> Result<Vec<auth::User>, ConfigError> {
    let mut names: BTreeSet<_> = first.map(str::to_owned).into_iter().collect();
    let mut logins = Vec::with_capacity(raw.users.len());
    for (at, user) in raw.users.iter().enumerate() {
        let key = format!("auth.users[{at}]");
        let name = read.text(&format!("{key}.name"), user.name.as_ref())?;
        let name = name.ok_or_else(|| missing(&format!("{key}.name")))?;
        let check = check(read, &key, user)?;
        if !names.insert(name.clone()) {
            return Err(read.refuse(&format!("{key}.name"), &name, "give each user once"));
        }
        logins.push(auth::User { name, check });
    }
    Ok(logins)
}

/// A password, or what PostgreSQL keeps of one.
fn check(read: &Reader<'_>, at: &str, raw: &raw::Login) -> Result<auth::Check, ConfigError> {
    let (password_key, verifier_key) = (format!("{at}.password"), format!("{at}.verifier"));
    let password =
        read.password(&password_key, raw.password.as_ref(), raw.password_file.as_ref())?;
    let verifier =
        read.password(&verifier_key, raw.verifier.as_ref(), raw.verifier_file.as_ref())?;
    match (password, verifier) {
        (Some(password), None) => Ok(auth::Check::Password(password)),
        (None, Some(text)) => {
            auth::Check::verifier(text.reveal().to_owned()).ok_or_else(|| ConfigError::Conflict {
                what: format!("{verifier_key} is neither SCRAM-SHA-256$... nor md5..."),
                remedy: "give what pg_authid.rolpassword holds, or the password".to_owned(),
            })
        }
        (None, None) => Err(missing(&password_key)),
        (Some(_), Some(_)) => Err(ConfigError::Conflict {
            what: format!("{password_key} and {verifier_key} are both given"),
            remedy: "leave one of them out".to_owned(),
        }),
    }
}

pub(super) fn pool(
    read: &Reader<'_>,
    raw: &raw::Pool,
    server: &raw::Server,
) -> Result<pool::Config, ConfigError> {
    let seed = pool::Config::default();
    let max = read.count("pool.max", raw.max, seed.max, 1..=CONNECTIONS_MAX)?;
    let min = read.count("pool.min", raw.min, seed.min.min(max), 0..=CONNECTIONS_MAX)?;
    if min > max {
        return Err(read.refuse(
            "pool.min",
            min,
            &format!("give at most pool.max, which is {max}"),
        ));
    }
    let mode = read.word("pool.mode", raw.mode.as_ref(), &POOL_MODES)?;
    let reserve = read.count("pool.reserve", raw.reserve, seed.reserve, 0..=CONNECTIONS_MAX)?;
    let test = tests(read, raw, &seed.test)?;
    let sized = pool::Config { mode: mode.unwrap_or_default(), min, max, reserve, test, ..seed };
    pool_limits(read, raw, pool_times(read, raw, server, sized)?)
}

fn tests(read: &Reader<'_>, raw: &raw::Pool, seed: &Test) -> Result<Test, ConfigError> {
    let testing = |name: &str, given, default| {
        let on = read.truth(&format!("pool.{name}"), given, default == Testing::On)?;
        Ok::<_, ConfigError>(if on { Testing::On } else { Testing::Off })
    };
    // Unlike other texts it may be empty.
    let query = raw.test_query.as_ref().filter(|query| !query.is_empty());
    let query = read.text("pool.test_query", query)?.unwrap_or_default();
    let interval = raw.test_idle_interval_ms;
    Ok(Test {
        on_borrow: testing("test_on_borrow", raw.test_on_borrow, seed.on_borrow)?,
        on_return: testing("test_on_return", raw.test_on_return, seed.on_return)?,
        while_idle: testing("test_while_idle", raw.test_while_idle, seed.while_idle)?,
        query: query.into(),
        idle_interval: read.time("pool.test_idle_interval_ms", interval, seed.idle_interval, 1)?,
    })
}

fn pool_times(
    read: &Reader<'_>,
    raw: &raw::Pool,
    server: &raw::Server,
    seed: pool::Config,
) -> Result<pool::Config, ConfigError> {
    let pool = |name: &str, given, default, least| {
        read.time(&format!("pool.{name}_ms"), given, default, least)
    };
    let (retry, down) = (server.connect_retry_interval_ms, server.down_after_ms);
    let retry =
        read.time("server.connect_retry_interval_ms", retry, seed.connect_retry_interval, 1);
    Ok(pool::Config {
        acquire_timeout: pool("acquire_timeout", raw.acquire_timeout_ms, seed.acquire_timeout, 1)?,
        idle_timeout: pool("idle_timeout", raw.idle_timeout_ms, seed.idle_timeout, 1)?,
        destroy_timeout: pool("destroy_timeout", raw.destroy_timeout_ms, seed.destroy_timeout, 1)?,
        reap_interval: pool("reap_interval", raw.reap_interval_ms, seed.reap_interval, 10)?,
        reserve_after: pool("reserve_after", raw.reserve_after_ms, seed.reserve_after, 0)?,
        max_lifetime: lifetime(
            read,
            "pool.max_lifetime_ms",
            raw.max_lifetime_ms,
            seed.max_lifetime,
        )?,
        connect_retry_interval: retry?,
        down_after: read.time("server.down_after_ms", down, seed.down_after, 0)?,
        ..seed
    })
}

/// A connection may live longer than a day: thirty.
pub(super) fn lifetime(
    read: &Reader<'_>,
    key: &str,
    given: Option<i64>,
    default: Duration,
) -> Result<Duration, ConfigError> {
    let default = i64::try_from(default.as_millis()).unwrap_or(TIME_MAX_MS);
    let ms = read.number(key, given, default, 1_000..=30 * TIME_MAX_MS)?;
    Ok(Duration::from_millis(ms.unsigned_abs()))
}

fn pool_limits(
    read: &Reader<'_>,
    raw: &raw::Pool,
    seed: pool::Config,
) -> Result<pool::Config, ConfigError> {
    let count = |name: &str, given, default, bounds| {
        read.count(&format!("pool.{name}"), given, default, bounds)
    };
    let (queue, pools) = (seed.queue_len_max, seed.pools_max);
    Ok(pool::Config {
        max_uses: read.count("pool.max_uses", raw.max_uses, seed.max_uses, 1..=4_294_967_295)?,
        statements: statements(read, raw, &seed.statements)?,
        queue_len_max: count("queue_len_max", raw.queue_len_max, queue, 0..=1_000_000)?,
        pools_max: count("pools_max", raw.pools_max, pools, 1..=100_000)?,
        ..seed
    })
}

fn statements(
    read: &Reader<'_>,
    raw: &raw::Pool,
    seed: &StatementLimits,
) -> Result<StatementLimits, ConfigError> {
    let count = |name: &str, given, default, bounds| {
        read.count(&format!("pool.{name}"), given, default, bounds)
    };
    let (server_bytes, client_bytes) = (raw.statements_bytes_max, raw.client_statements_bytes_max);
    let (client, shared) = (raw.client_statements_max, raw.shared_statements_bytes_max);
    let bytes = 16_384..=1 << 30;
    Ok(StatementLimits {
        server_len: count("statements_max", raw.statements_max, seed.server_len, 0..=100_000)?,
        server_bytes: count(
            "statements_bytes_max",
            server_bytes,
            seed.server_bytes,
            bytes.clone(),
        )?,
        client_len: count("client_statements_max", client, seed.client_len, 1..=1_000_000)?,
        client_bytes: count("client_statements_bytes_max", client_bytes, seed.client_bytes, bytes)?,
        shared_bytes: count(
            "shared_statements_bytes_max",
            shared,
            seed.shared_bytes,
            1 << 20..=1 << 40,
        )?,
    })
}

pub(super) fn timeouts(read: &Reader<'_>, raw: &raw::Limits) -> Result<Timeouts, ConfigError> {
    let time = |name: &str, given| read.timeout(&format!("limits.{name}"), given, None);
    Ok(Timeouts {
        query: time("query_timeout_ms", raw.query_timeout_ms)?,
        transaction: time("transaction_timeout_ms", raw.transaction_timeout_ms)?,
        idle_in_transaction: time(
            "idle_in_transaction_timeout_ms",
            raw.idle_in_transaction_timeout_ms,
        )?,
        client_idle: time("client_idle_timeout_ms", raw.client_idle_timeout_ms)?,
    })
}

/// Zero stands for none.
fn most(read: &Reader<'_>, name: &str, given: Option<i64>) -> Result<Option<usize>, ConfigError> {
    let most = read.count(&format!("limits.{name}"), given, 0, 0..=1_000_000)?;
    Ok(Some(most).filter(|most| *most > 0))
}

pub(super) fn budget(
    read: &Reader<'_>,
    raw: &raw::Limits,
) -> Result<pool::budget::Limits, ConfigError> {
    Ok(pool::budget::Limits {
        server: most(read, "server_connections_max", raw.server_connections_max)?,
        user: most(read, "user_connections_max", raw.user_connections_max)?,
        database: most(read, "database_connections_max", raw.database_connections_max)?,
        ..Default::default()
    })
}

pub(super) fn clients(read: &Reader<'_>, raw: &raw::Limits) -> Result<ClientLimits, ConfigError> {
    Ok(ClientLimits {
        user: most(read, "user_clients_max", raw.user_clients_max)?,
        address: most(read, "address_clients_max", raw.address_clients_max)?,
        database: most(read, "database_clients_max", raw.database_clients_max)?,
        ..Default::default()
    })
}

/// Whoever asks for verifiers may command, unless others are named.
pub(super) fn admin(
    read: &Reader<'_>,
    raw: &raw::Admin,
    auth_user: Option<&str>,
    databases: &[Database],
) -> Result<Admin, ConfigError> {
    let names = raw.databases.clone().unwrap_or_else(|| CONSOLE_NAMES.map(str::to_owned).into());
    if let Some(taken) = databases.iter().find(|database| names.contains(&database.name)) {
        let rule = "give the console another name in admin.databases";
        return Err(read.refuse("databases.name", &taken.name, rule));
    }
    let minute = Duration::from_secs(60);
    Ok(Admin {
        databases: names,
        users: raw
            .users
            .clone()
            .unwrap_or_else(|| auth_user.map(str::to_owned).into_iter().collect()),
        stats_users: raw.stats_users.clone().unwrap_or_default(),
        wait_timeout: read.time("admin.wait_timeout_ms", raw.wait_timeout_ms, minute, 1)?,
        stats_period: read.time("admin.stats_period_ms", raw.stats_period_ms, minute, 10)?,
    })
}

pub(super) fn log(read: &Reader<'_>, raw: &raw::Log) -> Result<Log, ConfigError> {
    let format = read.word("log.format", raw.format.as_ref(), &LOG_FORMATS)?;
    let level = read.text("log.level", raw.level.as_ref())?.unwrap_or_else(|| "info".to_owned());
    // `try_new` takes the same directives as RUST_LOG does.
    if tracing_subscriber::EnvFilter::try_new(&level).is_err() {
        let rule = "give error, warn, info, debug or trace, or directives such as info,taskmaster_proxy::pool=debug";
        return Err(read.refuse("log.level", &level, rule));
    }
    Ok(Log { format: format.unwrap_or_default(), level })
}

pub(super) fn missing(key: &str) -> ConfigError {
    ConfigError::Conflict {
        what: format!("{key} is missing"),
        remedy: "give it, or leave the whole entry out".to_owned(),
    }
}
