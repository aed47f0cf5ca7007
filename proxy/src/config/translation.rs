//! Settings that PgBouncer has too, by its names and in its units (its documentation, config.md), for operators who are
//! used to them.
//!
//! Must not know values' bounds.

use crate::admin::Assignment;

/// How a value of PgBouncer's is written here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Same,
    Seconds,
}

const NAMES: [(&str, &str, Unit); 27] = [
    ("admin_users", "admin.users", Unit::Same),
    ("auth_user", "auth.user", Unit::Same),
    ("client_idle_timeout", "limits.client_idle_timeout_ms", Unit::Seconds),
    ("client_login_timeout", "listen.login_timeout_ms", Unit::Seconds),
    ("default_pool_size", "pool.max", Unit::Same),
    ("idle_transaction_timeout", "limits.idle_in_transaction_timeout_ms", Unit::Seconds),
    ("listen_addr", "listen.host", Unit::Same),
    ("listen_port", "listen.port", Unit::Same),
    ("max_client_conn", "listen.client_max", Unit::Same),
    ("max_db_client_connections", "limits.database_clients_max", Unit::Same),
    ("max_db_connections", "limits.database_connections_max", Unit::Same),
    ("max_prepared_statements", "pool.statements_max", Unit::Same),
    ("max_user_client_connections", "limits.user_clients_max", Unit::Same),
    ("max_user_connections", "limits.user_connections_max", Unit::Same),
    ("min_pool_size", "pool.min", Unit::Same),
    ("pool_mode", "pool.mode", Unit::Same),
    ("query_timeout", "limits.query_timeout_ms", Unit::Seconds),
    ("query_wait_timeout", "pool.acquire_timeout_ms", Unit::Seconds),
    ("reserve_pool_size", "pool.reserve", Unit::Same),
    ("reserve_pool_timeout", "pool.reserve_after_ms", Unit::Seconds),
    ("server_check_query", "pool.test_query", Unit::Same),
    ("server_connect_timeout", "server.connect_timeout_ms", Unit::Seconds),
    ("server_idle_timeout", "pool.idle_timeout_ms", Unit::Seconds),
    ("server_lifetime", "pool.max_lifetime_ms", Unit::Seconds),
    ("stats_period", "admin.stats_period_ms", Unit::Seconds),
    ("stats_users", "admin.stats_users", Unit::Same),
    ("transaction_timeout", "limits.transaction_timeout_ms", Unit::Seconds),
];

/// The same under our name and in our unit. What PgBouncer does not have stays as it is.
pub(super) fn translated(assignment: &Assignment) -> Assignment {
    let found = NAMES.iter().find(|(theirs, ..)| *theirs == assignment.key);
    let Some((_, ours, unit)) = found else { return assignment.clone() };
    let value = match (unit, assignment.value.parse::<f64>()) {
        (Unit::Seconds, Ok(seconds)) => (seconds * 1_000.0).to_string(),
        _ => assignment.value.clone(),
    };
    Assignment { key: (*ours).to_owned(), value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_become_milliseconds() {
        for (key, value, expected) in [
            ("query_timeout", "1.5", ("limits.query_timeout_ms", "1500")),
            ("pool_mode", "session", ("pool.mode", "session")),
            ("pool.max", "3", ("pool.max", "3")),
        ] {
            let found = translated(&Assignment { key: key.into(), value: value.into() });
            assert_eq!((found.key.as_str(), found.value.as_str()), expected);
        }
    }
}
