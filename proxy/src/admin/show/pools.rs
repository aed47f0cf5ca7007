//! SHOW POOLS, DATABASES, USERS and PREPARED. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::admin::Config;
use crate::admin::table::{Column, Kind, Row, row};
use crate::pool::PoolMode;
use crate::pool::snapshot::{DatabaseView, PoolView, Snapshot};

use Kind::{Int, Text};

/// As PgBouncer 1.23 has them.
pub(super) const POOLS: [Column; 16] = [
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
];

/// As PgBouncer 1.23 has them, then how the proxy knows what sessions hold: by the reports of the extension or by the
/// text of statements; none while there is no server connection.
pub(super) const DATABASES: [Column; 14] = [
    ("name", Text),
    ("host", Text),
    ("port", Int),
    ("database", Text),
    ("force_user", Text),
    ("pool_size", Int),
    ("min_pool_size", Int),
    ("reserve_pool", Int),
    ("pool_mode", Text),
    ("max_connections", Int),
    ("current_connections", Int),
    ("paused", Int),
    ("disabled", Int),
    ("session_state_by", Text),
];

/// As PgBouncer 1.23 has them, then what the console lets the user do.
pub(super) const USERS: [Column; 5] = [
    ("name", Text),
    ("pool_mode", Text),
    ("max_user_connections", Int),
    ("current_connections", Int),
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

pub(super) fn databases(snapshots: &[Snapshot]) -> Vec<Row> {
    let mut connections: BTreeMap<&str, usize> = BTreeMap::new();
    for pool in all(snapshots) {
        *connections.entry(&pool.key.database).or_default() += servers_len(pool);
    }
    let mut reporting: BTreeMap<&str, bool> = BTreeMap::new();
    for pool in all(snapshots).filter(|pool| pool.servers_active + pool.servers_idle > 0) {
        *reporting.entry(&pool.key.database).or_default() |= pool.servers_reporting > 0;
    }
    let mut views: BTreeMap<&str, &DatabaseView> = BTreeMap::new();
    for database in snapshots.iter().flat_map(|snapshot| &snapshot.databases) {
        views.entry(&database.name).or_insert(database);
    }
    let current = |name: &str| connections.get(name).copied().unwrap_or(0);
    let by = |name: &str| {
        reporting.get(name).map(|reports| if *reports { "extension" } else { "statements" })
    };
    let row = |(name, view)| [database(view, current(name)), row![by(name)]].concat();
    views.into_iter().map(row).collect()
}

pub(super) fn users(snapshots: &[Snapshot], config: &Config) -> Vec<Row> {
    let mut connections: BTreeMap<&str, usize> = BTreeMap::new();
    for pool in all(snapshots) {
        *connections.entry(&pool.key.user).or_default() += servers_len(pool);
    }
    let named = config.users.iter().chain(&config.stats_users).map(String::as_str);
    let names: BTreeSet<&str> = connections.keys().copied().chain(named).collect();
    let row = |name: &str| {
        let role = match config.role_of(name) {
            Ok(crate::admin::Role::Admin) => Some("admin"),
            Ok(crate::admin::Role::Stats) => Some("stats"),
            Err(_) => None,
        };
        // No limit is 0, as in PgBouncer.
        row![name, None::<&str>, 0_u32, connections.get(name).copied().unwrap_or(0), role]
    };
    names.into_iter().map(row).collect()
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
    ]
}

fn database(view: &DatabaseView, connections: usize) -> Row {
    row![
        view.name.as_str(),
        view.host.as_str(),
        view.port,
        view.name_on_server.as_str(),
        None::<&str>,
        view.pool_max,
        view.pool_min,
        0_u32,
        mode(view.mode),
        0_u32,
        connections,
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
