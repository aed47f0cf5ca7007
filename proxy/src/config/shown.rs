//! The settings as the console's SHOW CONFIG lists them: by their names here, and those that PgBouncer has too by its
//! names and in its units. Never a secret.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Config, Environment};
use crate::admin::{Changes, Setting};
use crate::pool::PoolMode;
use crate::pool::config::Testing;

type Shown = Vec<(&'static str, String)>;

/// What cannot change while clients are served.
const AT_START: [&str; 10] = [
    "tunnel.host",
    "tunnel.port",
    "listen.host",
    "listen.port",
    "listen.unix_socket_dir",
    "listen.peer_dir",
    "listen.workers",
    "listen.scheduling",
    "listen_addr",
    "listen_port",
];

/// All settings that may be shown, with their defaults.
pub(super) fn settings(config: &Config) -> Vec<Setting> {
    let defaults = Config::parse("", Path::new(""), &Environment::default());
    let defaults = defaults.map_or_else(|_| Vec::new(), |config| shown(&config));
    let pairs = shown(config).into_iter().enumerate();
    let setting = |(at, (key, value)): (usize, (&'static str, String))| {
        let default = defaults.get(at).map(|(_, value)| value.clone()).unwrap_or_default();
        let changes = if AT_START.contains(&key) { Changes::AtStart } else { Changes::Live };
        Setting { key, value, default, changes }
    };
    pairs.map(setting).collect()
}

fn shown(config: &Config) -> Shown {
    [listen(config), server(config), pool(config), limits(config), pgbouncer(config)].concat()
}

fn listen(config: &Config) -> Shown {
    let (listen, admin) = (&config.listen, &config.admin);
    let dir = |dir: &Option<PathBuf>| {
        dir.as_ref().map(|dir| dir.display().to_string()).unwrap_or_default()
    };
    vec![
        ("listen.host", listen.host.clone()),
        ("listen.port", listen.port.to_string()),
        ("listen.unix_socket_dir", dir(&listen.unix_socket_dir)),
        ("listen.peer_dir", dir(&listen.peer_dir)),
        ("listen.workers", listen.workers.to_string()),
        ("listen.scheduling", listen.scheduling.to_string()),
        ("listen.client_max", listen.client_max.to_string()),
        ("listen.proxy_protocol", words(&listen.proxy_networks)),
        ("listen.login_timeout_ms", ms(listen.login_timeout)),
        ("listen.leave_timeout_ms", ms(listen.leave_timeout)),
        ("listen.drain_timeout_ms", ms(listen.drain_timeout)),
        ("listen.tls.mode", config.tls.mode.to_string()),
        (
            "tunnel.host",
            config.tunnel.as_ref().map_or_else(String::new, |tunnel| tunnel.host.clone()),
        ),
        (
            "tunnel.port",
            config.tunnel.as_ref().map_or_else(String::new, |tunnel| tunnel.port.to_string()),
        ),
        ("admin.databases", admin.databases.join(", ")),
        ("admin.users", admin.users.join(", ")),
        ("admin.stats_users", admin.stats_users.join(", ")),
        ("admin.wait_timeout_ms", ms(admin.wait_timeout)),
        ("admin.stats_period_ms", ms(admin.stats_period)),
    ]
}

fn words(list: &[impl ToString]) -> String {
    list.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn server(config: &Config) -> Shown {
    let (server, auth) = (&config.server, &config.auth);
    vec![
        ("server.host", server.host.clone()),
        ("server.port", server.port.to_string()),
        ("server.connect_timeout_ms", ms(server.connect_timeout)),
        ("server.connect_retry_interval_ms", ms(config.pool.connect_retry_interval)),
        ("server.down_after_ms", ms(config.pool.down_after)),
        ("auth.user", auth.user.clone().unwrap_or_default()),
        ("auth.cache_ttl_ms", ms(auth.cache_ttl)),
        ("log.level", config.log.level.clone()),
    ]
}

fn pool(config: &Config) -> Shown {
    let pool = &config.pool;
    let statements = &pool.statements;
    vec![
        ("pool.mode", mode(pool.mode)),
        ("pool.min", pool.min.to_string()),
        ("pool.max", pool.max.to_string()),
        ("pool.acquire_timeout_ms", ms(pool.acquire_timeout)),
        ("pool.idle_timeout_ms", ms(pool.idle_timeout)),
        ("pool.destroy_timeout_ms", ms(pool.destroy_timeout)),
        ("pool.reap_interval_ms", ms(pool.reap_interval)),
        ("pool.max_uses", pool.max_uses.to_string()),
        ("pool.max_lifetime_ms", ms(pool.max_lifetime)),
        ("pool.reserve", pool.reserve.to_string()),
        ("pool.reserve_after_ms", ms(pool.reserve_after)),
        ("pool.test_on_borrow", truth(pool.test.on_borrow)),
        ("pool.test_on_return", truth(pool.test.on_return)),
        ("pool.test_while_idle", truth(pool.test.while_idle)),
        ("pool.test_query", pool.test.query.to_string()),
        ("pool.test_idle_interval_ms", ms(pool.test.idle_interval)),
        ("pool.statements_max", statements.server_len.to_string()),
        ("pool.statements_bytes_max", statements.server_bytes.to_string()),
        ("pool.client_statements_max", statements.client_len.to_string()),
        ("pool.client_statements_bytes_max", statements.client_bytes.to_string()),
        ("pool.shared_statements_bytes_max", statements.shared_bytes.to_string()),
        ("pool.queue_len_max", pool.queue_len_max.to_string()),
        ("pool.pools_max", pool.pools_max.to_string()),
    ]
}

fn limits(config: &Config) -> Shown {
    let timeouts = &config.pool.timeouts;
    let time = |time: Option<Duration>| ms(time.unwrap_or_default());
    vec![
        ("limits.query_timeout_ms", time(timeouts.query)),
        ("limits.transaction_timeout_ms", time(timeouts.transaction)),
        ("limits.idle_in_transaction_timeout_ms", time(timeouts.idle_in_transaction)),
        ("limits.client_idle_timeout_ms", time(timeouts.client_idle)),
        ("gate.login_failures_max", count(config.gate.patience.failures_max.map(|n| n as usize))),
        ("gate.login_failures_window_ms", ms(config.gate.patience.window)),
        ("gate.login_ban_ms", ms(config.gate.patience.ban)),
        ("gate.tracked_max", config.gate.tracked_max.to_string()),
        ("limits.server_connections_max", count(config.budget.server)),
        ("limits.user_connections_max", count(config.budget.user)),
        ("limits.database_connections_max", count(config.budget.database)),
        ("limits.user_clients_max", count(config.clients.user)),
        ("limits.database_clients_max", count(config.clients.database)),
        ("limits.address_clients_max", count(config.clients.address)),
    ]
}

/// What exporters and dashboards look for.
fn pgbouncer(config: &Config) -> Shown {
    let (listen, pool) = (&config.listen, &config.pool);
    vec![
        ("listen_addr", listen.host.clone()),
        ("listen_port", listen.port.to_string()),
        ("max_client_conn", listen.client_max.to_string()),
        ("max_db_connections", count(config.budget.database)),
        ("max_user_connections", count(config.budget.user)),
        ("max_user_client_connections", count(config.clients.user)),
        ("max_db_client_connections", count(config.clients.database)),
        ("pool_mode", mode(pool.mode)),
        ("default_pool_size", pool.max.to_string()),
        ("min_pool_size", pool.min.to_string()),
        ("reserve_pool_size", pool.reserve.to_string()),
        ("reserve_pool_timeout", seconds(pool.reserve_after)),
        ("query_timeout", seconds(pool.timeouts.query.unwrap_or_default())),
        ("transaction_timeout", seconds(pool.timeouts.transaction.unwrap_or_default())),
        (
            "idle_transaction_timeout",
            seconds(pool.timeouts.idle_in_transaction.unwrap_or_default()),
        ),
        ("client_idle_timeout", seconds(pool.timeouts.client_idle.unwrap_or_default())),
        ("server_check_query", pool.test.query.to_string()),
        ("max_prepared_statements", pool.statements.server_len.to_string()),
        ("query_wait_timeout", seconds(pool.acquire_timeout)),
        ("server_idle_timeout", seconds(pool.idle_timeout)),
        ("server_lifetime", seconds(pool.max_lifetime)),
        ("server_connect_timeout", seconds(config.server.connect_timeout)),
        ("client_login_timeout", seconds(listen.login_timeout)),
        ("stats_period", seconds(config.admin.stats_period)),
        ("admin_users", config.admin.users.join(", ")),
        ("stats_users", config.admin.stats_users.join(", ")),
        ("auth_user", config.auth.user.clone().unwrap_or_default()),
    ]
}

fn truth(testing: Testing) -> String {
    (testing == Testing::On).to_string()
}

fn count(most: Option<usize>) -> String {
    most.unwrap_or_default().to_string()
}

fn ms(time: Duration) -> String {
    time.as_millis().to_string()
}

fn seconds(time: Duration) -> String {
    time.as_secs_f64().to_string()
}

fn mode(mode: PoolMode) -> String {
    match mode {
        PoolMode::Session => "session".to_owned(),
        PoolMode::Transaction => "transaction".to_owned(),
    }
}
