//! SHOW POOLS, DATABASES, USERS and PREPARED. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::admin::Config;
use crate::admin::table::{Column, Kind, Row, row};
use crate::pool::snapshot::{DatabaseView, PoolView, Snapshot};
use crate::pool::{PoolKey, PoolMode};

use Kind::{Int, Text};

/// As PgBouncer 1.25 has them.
pub(super) const POOLS: [Column; 17] = [
    ("database", Text),
    ("user", Text),
    ("cl_active", Int),
    ("cl_waiting", Int),
    ("cl_active_cancel_req", Int),
    ("cl_waiting_cancel_req", Int),
    ("sv_active", Int),
    ("sv_active_cancel", Int),
    ("sv_being_canceled", Int),
    ("sv_idle", Int),
    ("sv_used", Int),
    ("sv_tested", Int),
    ("sv_login", Int),
    ("maxwait", Int),
    ("maxwait_us", Int),
    ("pool_mode", Text),
    ("load_balance_hosts", Text),
];

/// As PgBouncer 1.25 has them; then how the proxy knows what sessions hold, by the reports of the extension or by the
/// text of statements, none while there is no server connection; then the reserve by the name it had up to 1.23.
pub(super) const DATABASES: [Column; 19] = [
    ("name", Text),
    ("host", Text),
    ("port", Int),
    ("database", Text),
    ("force_user", Text),
    ("pool_size", Int),
    ("min_pool_size", Int),
    ("reserve_pool_size", Int),
    ("server_lifetime", Int),
    ("pool_mode", Text),
    ("load_balance_hosts", Text),
    ("max_connections", Int),
    ("current_connections", Int),
    ("max_client_connections", Int),
    ("current_client_connections", Int),
    ("paused", Int),
    ("disabled", Int),
    ("session_state_by", Text),
    ("reserve_pool", Int),
];

/// As PgBouncer 1.25 has them, then what the console lets the user do.
pub(super) const USERS: [Column; 9] = [
    ("name", Text),
    ("pool_size", Int),
    ("reserve_pool_size", Int),
    ("pool_mode", Text),
    ("max_user_connections", Int),
    ("current_connections", Int),
    ("max_user_client_connections", Int),
    ("current_client_connections", Int),
    ("console", Text),
];

/// PgBouncer has no such table.
pub(super) const PREPARED: [Column; 6] = [
    ("database", Text),
    ("user", Text),
    ("name", Text),
    ("query", Text),
    ("used_by", Int),
    ("bytes", Int),
];

pub(super) fn pools(snapshots: &[Snapshot]) -> Vec<Row> {
    all(snapshots).map(pool).collect()
}

pub(super) fn databases(snapshots: &[Snapshot], config: &Config) -> Vec<Row> {
    let used = used(snapshots, |key| &key.database);
    let mut reporting: BTreeMap<&str, bool> = BTreeMap::new();
    for pool in all(snapshots).filter(|pool| pool.servers_active + pool.servers_idle > 0) {
        *reporting.entry(&pool.key.database).or_default() |= pool.servers_reporting > 0;
    }
    let mut views: BTreeMap<&str, &DatabaseView> = BTreeMap::new();
    for database in snapshots.iter().flat_map(|snapshot| &snapshot.databases) {
        views.entry(&database.name).or_insert(database);
    }
    let by = |name: &str| {
        reporting.get(name).map(|reports| if *reports { "extension" } else { "statements" })
    };
    let row = |(name, view): (&str, &DatabaseView)| {
        let used = used.get(name).copied().unwrap_or_default();
        let max = config.clients_max_of(name);
        [database(view, used, max), row![by(name), view.reserve]].concat()
    };
    views.into_iter().map(row).collect()
}

pub(super) fn users(snapshots: &[Snapshot], config: &Config) -> Vec<Row> {
    let used = used(snapshots, |key| &key.user);
    let named = config.users.iter().chain(&config.stats_users).chain(config.single_users.keys());
    let names: BTreeSet<&str> = used.keys().copied().chain(named.map(String::as_str)).collect();
    names.into_iter().map(|name| user(name, used.get(name).copied(), config)).collect()
}

/// Clients and server connections.
#[derive(Clone, Copy, Default)]
struct Used {
    clients: usize,
    servers: usize,
}

fn used(snapshots: &[Snapshot], by: impl Fn(&PoolKey) -> &String) -> BTreeMap<&str, Used> {
    let mut used: BTreeMap<&str, Used> = BTreeMap::new();
    for pool in all(snapshots) {
        let one = used.entry(by(&pool.key)).or_default();
        one.clients += pool.clients_len;
        one.servers += servers_len(pool);
    }
    used
}

fn user(name: &str, used: Option<Used>, config: &Config) -> Row {
    let role = match config.role_of(name) {
        Ok(crate::admin::Role::Admin) => Some("admin"),
        Ok(crate::admin::Role::Stats) => Some("stats"),
        Err(_) => None,
    };
    let (used, terms) = (used.unwrap_or_default(), config.user_terms(name));
    row![
        name,
        terms.pool_max,
        terms.reserve,
        terms.mode.map(mode),
        limit(terms.connections_max),
        used.servers,
        limit(terms.clients_max),
        used.clients,
        role,
    ]
}

/// No limit is 0, as in PgBouncer.
fn limit(most: Option<usize>) -> usize {
    most.unwrap_or_default()
}

pub(super) fn prepared(snapshots: &[Snapshot]) -> Vec<Row> {
    let of_pool = |pool: &PoolView| -> Vec<Row> {
        let key = &pool.key;
        let rows = pool.statements.iter().map(|statement| {
            let (name, query) = (statement.name.as_str(), statement.query.as_str());
            let (used_by, bytes) = (statement.used_by, statement.bytes);
            row![key.database.as_str(), key.user.as_str(), name, query, used_by, bytes]
        });
        rows.collect()
    };
    all(snapshots).flat_map(of_pool).collect()
}

pub(super) fn all(snapshots: &[Snapshot]) -> impl Iterator<Item = &PoolView> {
    snapshots.iter().flat_map(|snapshot| &snapshot.pools)
}

pub(super) fn servers_len(pool: &PoolView) -> usize {
    pool.servers_active
        + pool.servers_being_cancelled
        + pool.servers_idle
        + pool.servers_tested
        + pool.servers_connecting
}

fn pool(pool: &PoolView) -> Row {
    row![
        pool.key.database.as_str(),
        pool.key.user.as_str(),
        pool.clients_len - pool.clients_waiting,
        pool.clients_waiting,
        pool.cancels,
        0_u32,
        pool.servers_active,
        0_u32,
        pool.servers_being_cancelled,
        pool.servers_idle,
        0_u32,
        pool.servers_tested,
        pool.servers_connecting,
        pool.wait_max.as_secs(),
        pool.wait_max.subsec_micros(),
        mode(pool.mode),
        None::<&str>,
    ]
}

fn database(view: &DatabaseView, used: Used, clients_max: Option<usize>) -> Row {
    row![
        view.name.as_str(),
        view.host.as_str(),
        view.port,
        view.name_on_server.as_str(),
        view.login.as_deref(),
        view.pool_max,
        view.pool_min,
        view.reserve,
        view.server_lifetime.as_secs(),
        mode(view.mode),
        None::<&str>,
        limit(view.connections_max),
        used.servers,
        limit(clients_max),
        used.clients,
        view.is_paused,
        view.is_disabled,
    ]
}

fn mode(mode: PoolMode) -> &'static str {
    match mode {
        PoolMode::Session => "session",
        PoolMode::Transaction => "transaction",
    }
}
