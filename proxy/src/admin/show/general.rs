//! SHOW HELP, VERSION, CONFIG, LISTS, MEM and STATE. Pure, but for the memory of the process.

use std::collections::BTreeSet;

use crate::admin::show::{Facts, pools};
use crate::admin::table::{Column, Kind, Row, row};
use crate::admin::{Changes, Config};
use crate::backend::server::Server;
use crate::pool::roster::ClientEntry;
use crate::pool::snapshot::{PoolView, Snapshot};

use Kind::{Int, Text};

/// What watches PgBouncer reads its version from here; the console follows that of 1.25.
pub(super) const VERSION: &str =
    concat!("PgBouncer 1.25.1 compatible (taskmaster ", env!("CARGO_PKG_VERSION"), ")");

/// As PgBouncer has them.
pub(super) const CONFIG: [Column; 4] =
    [("key", Text), ("value", Text), ("default", Text), ("changeable", Text)];

/// As PgBouncer has them.
pub(super) const MEMORY: [Column; 5] =
    [("name", Text), ("size", Int), ("used", Int), ("free", Int), ("memtotal", Int)];

/// As PgBouncer has them.
pub(super) const PEERS: [Column; 4] =
    [("peer_id", Int), ("host", Text), ("port", Int), ("pool_size", Int)];

/// As PgBouncer has them.
pub(super) const PEER_POOLS: [Column; 5] = [
    ("peer_id", Int),
    ("cl_active_cancel_req", Int),
    ("cl_waiting_cancel_req", Int),
    ("sv_active_cancel", Int),
    ("sv_login", Int),
];

/// As PgBouncer has them.
pub(super) const DNS_HOSTS: [Column; 3] = [("hostname", Text), ("ttl", Int), ("addrs", Text)];

/// As PgBouncer has them.
pub(super) const DNS_ZONES: [Column; 3] = [("zonename", Text), ("serial", Int), ("count", Int)];

const HELP: [(&str, &str); 18] = [
    ("SHOW HELP|VERSION|CONFIG|STATE|LISTS|MEM", "the proxy itself"),
    ("SHOW DATABASES|USERS|POOLS", "what clients use and how much of it"),
    (
        "SHOW CLIENTS|SERVERS|SOCKETS|ACTIVE_SOCKETS",
        "each connection; why a client keeps its server connection",
    ),
    ("SHOW STATS|STATS_TOTALS|STATS_AVERAGES|TOTALS|PINS", "what was counted"),
    ("SHOW LIMITS|BANS", "who may come in and how often; who is kept out for now"),
    ("SHOW PREPARED_STATEMENTS", "the statements that clients share"),
    ("PAUSE [db]", "let requests queue up; done once no server connection is left"),
    ("RESUME [db]", "go on after PAUSE or KILL"),
    ("RECONNECT [db]", "replace server connections as they become free"),
    ("WAIT_CLOSE [db]", "wait until RECONNECT has replaced them"),
    ("DISABLE db / ENABLE db", "refuse newcomers / let them in again"),
    ("KILL [db]", "end all clients and server connections, and pause until RESUME"),
    ("KILL_CLIENT id", "end one client"),
    ("BAN address|network [time]", "keep newcomers from there out, such as 203.0.113.0/24 10min"),
    ("UNBAN address|network", "let them in again, those with too many failed logins, too"),
    ("RELOAD", "read the configuration again; what was SET is forgotten"),
    ("SET key = value", "change a setting until RELOAD; SHOW CONFIG lists them"),
    (
        "SHUTDOWN [WAIT_FOR_SERVERS|WAIT_FOR_CLIENTS]",
        "end at once / when transactions have ended / when clients have left",
    ),
];

pub(super) fn help() -> Vec<Row> {
    HELP.iter().map(|(command, purpose)| row![*command, *purpose]).collect()
}

pub(super) fn config(config: &Config) -> Vec<Row> {
    let setting = |setting: &crate::admin::Setting| {
        let changeable = if setting.changes == Changes::Live { "yes" } else { "no" };
        row![setting.key, setting.value.as_str(), setting.default.as_str(), changeable]
    };
    config.settings.iter().map(setting).collect()
}

/// The lists that PgBouncer has. What the proxy has no use for, such as a cache of names, is empty.
pub(super) fn lists(facts: &Facts<'_>) -> Vec<Row> {
    let pools: Vec<&PoolView> = pools::all(facts.snapshots).collect();
    let named = facts.config.users.iter().chain(&facts.config.stats_users);
    let users = pools.iter().map(|pool| &pool.key.user);
    let databases = facts.snapshots.iter().flat_map(|snapshot| &snapshot.databases);
    let used_clients: usize = pools.iter().map(|pool| pool.clients_len).sum();
    let used_servers: usize = pools.iter().map(|pool| pools::servers_len(pool)).sum();
    [
        ("databases", databases.map(|view| &view.name).collect::<BTreeSet<_>>().len()),
        ("users", users.chain(named).collect::<BTreeSet<_>>().len()),
        ("peers", 0),
        ("pools", pools.len()),
        ("peer_pools", 0),
        ("free_clients", 0),
        ("used_clients", used_clients),
        ("login_clients", facts.connected.saturating_sub(used_clients)),
        ("free_servers", 0),
        ("used_servers", used_servers),
        ("dns_names", 0),
        ("dns_zones", 0),
        ("dns_queries", 0),
        ("dns_pending", 0),
    ]
    .map(|(list, items)| row![list, items])
    .into()
}

/// What is kept of connections, and what the whole process has in memory.
pub(super) fn memory(snapshots: &[Snapshot]) -> Vec<Row> {
    let clients: usize = pools::all(snapshots).map(|pool| pool.clients_len).sum();
    let servers: usize = pools::all(snapshots).map(pools::servers_len).sum();
    let statements: usize = pools::all(snapshots).map(|pool| pool.statements_len).sum();
    let bytes: usize = pools::all(snapshots).map(|pool| pool.statements_bytes).sum();
    let kept = |name: &str, size: usize, used: usize| row![name, size, used, 0_u32, size * used];
    let resident = resident_bytes();
    vec![
        kept("client_entry", size_of::<ClientEntry>(), clients),
        kept("server", size_of::<Server>(), servers),
        row!["prepared_statement", None::<u32>, statements, 0_u32, bytes],
        row!["process", None::<u32>, None::<u32>, None::<u32>, resident],
    ]
}

/// Whether requests are served, as PgBouncer says it.
pub(super) fn state(snapshots: &[Snapshot]) -> Vec<Row> {
    let paused = snapshots.iter().any(|snapshot| snapshot.is_paused);
    let word = |yes: bool| if yes { "yes" } else { "no" };
    vec![row!["active", word(!paused)], row!["paused", word(paused)], row!["suspended", "no"]]
}

/// `VmRSS` of proc(5); none where there is no such file.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1_024)
}
