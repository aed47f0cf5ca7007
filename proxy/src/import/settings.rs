//! The settings of `[pgbouncer]`: PgBouncer's default of each, and what becomes of it.
//!
//! Knows every setting of PgBouncer's documentation (config.md) up to 1.26.

use super::convert::{
    CONNECTIONS, DAY_MS, LIFETIME, LIMIT, MANY, POOL_SIZE, TIMEOUT, Unit, WAIT, convert,
};
use super::numbers::{milliseconds, whole};
use super::source::Given;
use super::{Carrier, ImportError};

/// A setting, PgBouncer's default of it, and what becomes of it.
type Setting = (&'static str, &'static str, Rule);

/// What becomes of a setting.
#[derive(Clone, Copy)]
enum Rule {
    /// Written under our name.
    As(&'static str, Unit, Defaults),
    /// These values say what happens here anyway; why others do not work, and what to do instead.
    Only(&'static [&'static str], &'static str, &'static str),
    /// There is nothing to do for it here, and why.
    Unneeded(&'static str),
    /// Its own way.
    Own(fn(&mut Carrier<'_>, &Given) -> Result<(), ImportError>),
    /// Another module of the import deals with it.
    Elsewhere,
}

/// Whether PgBouncer's default is written, too.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Defaults {
    /// It differs from ours.
    Written,
    /// It is ours, or ours is as good.
    Ours,
}

use Defaults::{Ours, Written};
use Rule::{As, Elsewhere, Only, Own, Unneeded};

const OFF: &[&str] = &["0", "0.0", ""];
const STDERR: &str = "redirect standard error, or let the service manager keep it";
const KERNEL: &str = "sockets are set up by the proxy";

const SETTINGS: &[Setting] = &[
    ("logfile", "", Only(&[""], "the log goes to standard error", STDERR)),
    (
        "pidfile",
        "",
        Only(&[""], "serve stays in the foreground", "let the service manager know the process"),
    ),
    ("listen_addr", "", Elsewhere),
    ("listen_port", "6432", Elsewhere),
    ("unix_socket_dir", "/tmp", Elsewhere),
    ("unix_socket_mode", "0777", Elsewhere),
    ("unix_socket_group", "", Elsewhere),
    ("user", "", Only(&[""], "serve does not change its user", "start it as that user")),
    ("pool_mode", "session", As("pool.mode", Unit::Mode, Written)),
    ("max_client_conn", "100", Own(clients)),
    ("default_pool_size", "20", As("pool.max", POOL_SIZE, Written)),
    ("min_pool_size", "0", Own(min_pool_size)),
    ("reserve_pool_size", "0", Own(reserve)),
    ("reserve_pool_timeout", "5", Elsewhere),
    ("max_db_connections", "0", As("limits.database_connections_max", LIMIT, Ours)),
    ("max_db_client_connections", "0", As("limits.database_clients_max", LIMIT, Ours)),
    ("max_user_connections", "0", As("limits.user_connections_max", LIMIT, Ours)),
    ("max_user_client_connections", "0", As("limits.user_clients_max", LIMIT, Ours)),
    (
        "server_round_robin",
        "0",
        Only(
            OFF,
            "the connection that was used last is used first",
            "nothing, unless addresses behind one name are to be used evenly",
        ),
    ),
    ("track_extra_parameters", "IntervalStyle", Unneeded("every setting follows its client")),
    (
        "ignore_startup_parameters",
        "",
        Unneeded("startup parameters are given to the server instead of ignored"),
    ),
    ("peer_id", "0", Elsewhere),
    ("disable_pqexec", "0", Only(OFF, "the simple query protocol cannot be turned off", "nothing")),
    (
        "application_name_add_host",
        "0",
        Only(OFF, "application_name stays as the client gave it", "SHOW CLIENTS has the address"),
    ),
    ("conffile", "", Unneeded("serve --config names the file")),
    ("service_name", "pgbouncer", Unneeded("it is for Windows")),
    ("job_name", "pgbouncer", Unneeded("it is for Windows")),
    (
        "stats_period",
        "60",
        As(
            "admin.stats_period_ms",
            Unit::Time { least_ms: 10, most_ms: DAY_MS, zero_ms: 60_000 },
            Ours,
        ),
    ),
    (
        "max_prepared_statements",
        "200",
        As("pool.statements_max", Unit::Count { most: 100_000, zero: 0 }, Ours),
    ),
    (
        "scram_iterations",
        "4096",
        Only(
            &["4096"],
            "verifiers of given passwords have 4096 iterations",
            "give verifiers in auth_file",
        ),
    ),
    ("auth_type", "md5", Elsewhere),
    ("auth_hba_file", "", Elsewhere),
    ("auth_ident_file", "", Elsewhere),
    ("auth_file", "", Elsewhere),
    ("auth_user", "", Elsewhere),
    ("auth_query", "", Elsewhere),
    ("auth_dbname", "", Elsewhere),
    ("auth_ldap_options", "", Elsewhere),
    ("syslog", "0", Only(OFF, "the log goes to standard error", STDERR)),
    ("syslog_ident", "pgbouncer", Unneeded("the log goes to standard error")),
    ("syslog_facility", "daemon", Unneeded("the log goes to standard error")),
    ("log_connections", "1", Unneeded("refused logins are logged, others are in SHOW CLIENTS")),
    ("log_disconnections", "1", Unneeded("sessions that end in an error are logged")),
    ("log_pooler_errors", "1", Unneeded("errors are logged once, where they are handled")),
    ("log_stats", "1", Unneeded("SHOW STATS has them")),
    ("verbose", "0", Own(verbose)),
    ("admin_users", "", Elsewhere),
    ("stats_users", "", Elsewhere),
    (
        "server_reset_query",
        "DISCARD ALL",
        Only(
            &["DISCARD ALL", "DISCARD ALL;", "DEALLOCATE ALL", "DEALLOCATE ALL;"],
            "what a session leaves behind is known and cleaned",
            "nothing, unless the query does something for the next client",
        ),
    ),
    (
        "server_reset_query_always",
        "0",
        Unneeded("what a session leaves behind is known and cleaned"),
    ),
    ("server_check_delay", "30", Elsewhere),
    ("server_check_query", "<empty>", Own(check)),
    (
        "server_fast_close",
        "0",
        Only(OFF, "a session keeps its connection to its end", "KILL_CLIENT in the console"),
    ),
    ("server_lifetime", "3600", Own(lifetime)),
    ("server_idle_timeout", "600", As("pool.idle_timeout_ms", WAIT, Written)),
    (
        "server_connect_timeout",
        "15",
        As(
            "server.connect_timeout_ms",
            Unit::Time { least_ms: 10, most_ms: DAY_MS, zero_ms: DAY_MS },
            Written,
        ),
    ),
    (
        "server_login_retry",
        "15",
        As(
            "server.connect_retry_interval_ms",
            Unit::Time { least_ms: 1, most_ms: DAY_MS, zero_ms: 1 },
            Ours,
        ),
    ),
    (
        "client_login_timeout",
        "60",
        As(
            "listen.login_timeout_ms",
            Unit::Time { least_ms: 100, most_ms: DAY_MS, zero_ms: DAY_MS },
            Written,
        ),
    ),
    (
        "autodb_idle_timeout",
        "3600",
        Unneeded("pools without clients and connections are forgotten, their counters are not"),
    ),
    (
        "pool_idle_timeout",
        "0",
        Unneeded("pools without clients and connections are forgotten, their counters are not"),
    ),
    ("dns_max_ttl", "15", Unneeded("names are looked up for every new connection")),
    ("dns_nxdomain_ttl", "15", Unneeded("names are looked up for every new connection")),
    (
        "dns_zone_check_period",
        "0",
        Only(OFF, "zones are not watched", "RECONNECT in the console after a change"),
    ),
    (
        "resolv_conf",
        "",
        Only(&[""], "names are looked up as the system does", "set the system's resolver up"),
    ),
    (
        "query_wait_notify",
        "5",
        Only(&["0", "5", "5.0"], "clients that wait are not told", "SHOW CLIENTS has them"),
    ),
    ("login_notify_message", "", Only(&[""], "nothing is said after a login", "nothing")),
    ("query_timeout", "0", As("limits.query_timeout_ms", TIMEOUT, Ours)),
    ("query_wait_timeout", "120", As("pool.acquire_timeout_ms", WAIT, Written)),
    ("cancel_wait_timeout", "10", Unneeded("cancel requests do not queue for a connection")),
    ("client_idle_timeout", "0", As("limits.client_idle_timeout_ms", TIMEOUT, Ours)),
    ("idle_transaction_timeout", "0", As("limits.idle_in_transaction_timeout_ms", TIMEOUT, Ours)),
    ("transaction_timeout", "0", As("limits.transaction_timeout_ms", TIMEOUT, Ours)),
    ("pkt_buf", "4096", Unneeded("buffers are made when there is something to read")),
    (
        "max_packet_size",
        "2147483647",
        Only(&["2147483647"], "messages may be as long as the protocol allows", "nothing"),
    ),
    ("listen_backlog", "128", Unneeded(KERNEL)),
    ("sbuf_loopcnt", "5", Unneeded("connections take turns by themselves")),
    (
        "so_reuseport",
        "0",
        Only(
            OFF,
            "one process has all sockets",
            "listen.workers for more cores, listen.peer_dir and serve --take-over for restarts",
        ),
    ),
    ("tcp_defer_accept", "1", Unneeded(KERNEL)),
    ("tcp_socket_buffer", "0", Unneeded(KERNEL)),
    ("tcp_keepalive", "1", Only(&["1"], "keep-alive cannot be turned off", "nothing")),
    (
        "tcp_keepcnt",
        "0",
        Unneeded("peers that are gone are found by keep-alive with times of our own"),
    ),
    (
        "tcp_keepidle",
        "0",
        Unneeded("peers that are gone are found by keep-alive with times of our own"),
    ),
    (
        "tcp_keepintvl",
        "0",
        Unneeded("peers that are gone are found by keep-alive with times of our own"),
    ),
    (
        "tcp_user_timeout",
        "0",
        Only(OFF, "it is the system's", "net.ipv4.tcp_retries2 of the system"),
    ),
    ("client_tls_sslmode", "disable", Elsewhere),
    ("client_tls_key_file", "", Elsewhere),
    ("client_tls_cert_file", "", Elsewhere),
    ("client_tls_ca_file", "", Elsewhere),
    ("client_tls_protocols", "secure", Elsewhere),
    ("client_tls_ciphers", "default", Elsewhere),
    ("client_tls13_ciphers", "", Elsewhere),
    ("client_tls_ecdhcurve", "auto", Elsewhere),
    ("client_tls_dheparams", "auto", Elsewhere),
    ("server_tls_sslmode", "prefer", Elsewhere),
    ("server_tls_ca_file", "", Elsewhere),
    ("server_tls_key_file", "", Elsewhere),
    ("server_tls_cert_file", "", Elsewhere),
    ("server_tls_protocols", "secure", Elsewhere),
    ("server_tls_ciphers", "default", Elsewhere),
    ("server_tls13_ciphers", "", Elsewhere),
];

/// PgBouncer's default.
pub(super) fn default_of(name: &str) -> &'static str {
    SETTINGS.iter().find(|(known, ..)| *known == name).map_or("", |(_, default, _)| default)
}

/// The names of all settings.
#[cfg(test)]
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    SETTINGS.iter().map(|(name, ..)| *name)
}

/// Carries all of them but those that other modules do.
pub(super) fn carry(carrier: &mut Carrier<'_>) -> Result<(), ImportError> {
    for (name, _, rule) in SETTINGS {
        let given = carrier.setting(name);
        match rule {
            As(key, unit, defaults) => {
                if !given.is_default() || *defaults == Written {
                    write(carrier, &given, key, *unit)?;
                }
            }
            Only(values, why, instead) => keep_to(carrier, &given, values, (why, instead)),
            Unneeded(why) => carrier.pass_over(&given, why),
            Own(own) => own(carrier, &given)?,
            Elsewhere => {}
        }
    }
    let unknown = |given: &&Given| !SETTINGS.iter().any(|(name, ..)| *name == given.name);
    for given in carrier.source.given().filter(unknown) {
        let instead = "correct it if it is mistyped; PgBouncer up to 1.26 does not know it either";
        carrier.leave(given, "there is no such setting", instead);
    }
    Ok(())
}

/// Takes a setting that has to have one of these values.
pub(super) fn keep_to(
    carrier: &mut Carrier<'_>,
    given: &Given,
    values: &[&str],
    (why, instead): (&str, &str),
) {
    if values.iter().any(|value| value.eq_ignore_ascii_case(&given.value)) {
        carrier.pass_over(given, why);
    } else {
        carrier.leave(given, why, instead);
    }
}

fn write(
    carrier: &mut Carrier<'_>,
    given: &Given,
    key: &str,
    unit: Unit,
) -> Result<(), ImportError> {
    if let Some(value) = convert(carrier, given, unit)? {
        carrier.set(key, value, &given.origin());
    }
    Ok(())
}

/// Requests of all clients may wait, as in PgBouncer.
fn clients(carrier: &mut Carrier<'_>, given: &Given) -> Result<(), ImportError> {
    write(carrier, given, "listen.client_max", Unit::Count { most: MANY, zero: MANY })?;
    let clients = whole(given)?.min(MANY);
    if clients > 10_000 {
        carrier.set("pool.queue_len_max", clients, "as many as there may be clients");
    }
    Ok(())
}

/// No more than there may be at all, as in PgBouncer.
fn min_pool_size(carrier: &mut Carrier<'_>, given: &Given) -> Result<(), ImportError> {
    let most = match whole(&carrier.setting("default_pool_size"))? {
        0 => return write(carrier, given, "pool.min", CONNECTIONS),
        most => most,
    };
    carrier.set("pool.min", whole(given)?.clamp(0, most), &given.origin());
    Ok(())
}

/// A reserve that is never opened is none.
fn reserve(carrier: &mut Carrier<'_>, given: &Given) -> Result<(), ImportError> {
    let after = carrier.setting("reserve_pool_timeout");
    if milliseconds(&after)? == 0 {
        carrier.set("pool.reserve", 0, "reserve_pool_timeout = 0 turns it off");
        return Ok(());
    }
    if !given.is_default() {
        write(carrier, given, "pool.reserve", CONNECTIONS)?;
    }
    if !after.is_default() {
        write(carrier, &after, "pool.reserve_after_ms", TIMEOUT)?;
    }
    Ok(())
}

fn verbose(carrier: &mut Carrier<'_>, given: &Given) -> Result<(), ImportError> {
    let level = match whole(given)? {
        ..=0 => return Ok(()),
        1 => "debug",
        _ => "trace",
    };
    carrier.set("log.level", level, &given.origin());
    Ok(())
}

/// PgBouncer asks after a connection was idle for a while; so does ours, with `test_while_idle` alone.
fn check(carrier: &mut Carrier<'_>, given: &Given) -> Result<(), ImportError> {
    let delay = carrier.setting("server_check_delay");
    if !delay.is_default() {
        let unit = Unit::Time { least_ms: 1, most_ms: DAY_MS, zero_ms: 1 };
        write(carrier, &delay, "pool.test_idle_interval_ms", unit)?;
    }
    let query = given.value.trim_end_matches(';');
    if query == "<empty>" || query.eq_ignore_ascii_case("select 1") {
        let why = "connections are looked at before a client gets one, and asked now and then";
        carrier.pass_over(given, why);
        return Ok(());
    }
    carrier.set("pool.test_on_borrow", false, "server_check_query, asked of idle ones alone");
    carrier.set("pool.test_on_return", false, "server_check_query, asked of idle ones alone");
    match query {
        "" => carrier.set("pool.test_while_idle", false, "server_check_query is empty"),
        query => carrier.set("pool.test_query", query, &given.origin()),
    }
    Ok(())
}

/// A connection of no lifetime is used once.
fn lifetime(carrier: &mut Carrier<'_>, given: &Given) -> Result<(), ImportError> {
    if given.is_default() {
        return Ok(());
    }
    if milliseconds(given)? == 0 {
        carrier.set("pool.max_uses", 1, "server_lifetime = 0");
        return Ok(());
    }
    write(carrier, given, "pool.max_lifetime_ms", LIFETIME)
}
