//! SHOW CLIENTS, SERVERS and SOCKETS. Pure.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use crate::admin::show::pools;
use crate::admin::table::{Column, Kind, Row, Value, row};
use crate::admin::time::utc;
use crate::backend::target::Address;
use crate::net::socket::Peer;
use crate::pool::PoolKey;
use crate::pool::snapshot::{Activity, ClientView, ServerView, Snapshot};

use Kind::{Int, Text};

/// As PgBouncer 1.25 has them. `ptr` and `link` are the two numbers by which a connection and its counterpart are
/// found in the other table: the process id that the client was told, and that of the backend.
pub(super) const CONNECTION: &[Column] = &[
    ("type", Text),
    ("user", Text),
    ("database", Text),
    ("replication", Text),
    ("state", Text),
    ("addr", Text),
    ("port", Int),
    ("local_addr", Text),
    ("local_port", Int),
    ("connect_time", Text),
    ("request_time", Text),
    ("wait", Int),
    ("wait_us", Int),
    ("close_needed", Int),
    ("ptr", Text),
    ("link", Text),
    ("remote_pid", Int),
    ("tls", Text),
    ("application_name", Text),
    ("prepared_statements", Int),
    ("id", Int),
];

/// Where the state stands in a row.
const STATE: usize = 4;

/// Why a client keeps its server connection between transactions, and since when.
pub(super) const PIN: &[Column] = &[("pin_reason", Text), ("pinned_since", Text)];

/// The client that a server connection serves, by the `id` in SHOW CLIENTS.
pub(super) const SERVES: &[Column] = &[("client_id", Int)];

pub(super) fn clients(snapshots: &[Snapshot]) -> Vec<Row> {
    let of_pool = |pool: &crate::pool::snapshot::PoolView| -> Vec<Row> {
        pool.clients.iter().map(|view| [client(&pool.key, view), pin(view)].concat()).collect()
    };
    pools::all(snapshots).flat_map(of_pool).collect()
}

pub(super) fn servers(snapshots: &[Snapshot]) -> Vec<Row> {
    let of_pool = |pool: &crate::pool::snapshot::PoolView| -> Vec<Row> {
        pool.servers.iter().map(|view| [server(&pool.key, view), serves(view)].concat()).collect()
    };
    pools::all(snapshots).flat_map(of_pool).collect()
}

/// What PgBouncer says of a socket's buffers. Here a socket has one while there is something to read.
const BUFFERS: &[Column] = &[
    ("recv_pos", Int),
    ("pkt_pos", Int),
    ("pkt_remain", Int),
    ("send_pos", Int),
    ("send_remain", Int),
    ("pkt_avail", Int),
    ("send_avail", Int),
];

pub(super) fn socket_columns() -> Vec<Column> {
    [CONNECTION, BUFFERS, PIN, SERVES].concat()
}

/// Both, each with the other's columns empty.
pub(super) fn sockets(snapshots: &[Snapshot], is_shown: impl Fn(Activity) -> bool) -> Vec<Row> {
    let blank = |columns: &[Column]| vec![Value::Null; columns.len()];
    // Their states say which end they are of.
    let of = |end: &str, mut row: Row| {
        if let Some(Value::Text(state)) = row.get_mut(STATE) {
            state.insert_str(0, end);
        }
        row
    };
    let mut rows = Vec::new();
    for pool in pools::all(snapshots) {
        let clients = pool.clients.iter().filter(|view| is_shown(view.activity));
        rows.extend(clients.map(|view| {
            let row = of("cl_", client(&pool.key, view));
            [row, blank(BUFFERS), pin(view), blank(SERVES)].concat()
        }));
        let servers = pool.servers.iter().filter(|view| is_shown(view.activity));
        rows.extend(servers.map(|view| {
            let row = of("sv_", server(&pool.key, view));
            [row, blank(BUFFERS), blank(PIN), serves(view)].concat()
        }));
    }
    rows
}

fn client(key: &PoolKey, view: &ClientView) -> Row {
    let (address, port) = peer(&view.peer);
    let (local, local_port) = socket(view.local);
    let waited = match view.activity {
        Activity::Waiting(waited) => waited,
        _ => Duration::ZERO,
    };
    row![
        "C",
        key.user.as_str(),
        key.database.as_str(),
        "none",
        state(view.activity),
        address,
        port,
        local,
        local_port,
        utc(view.connected_at),
        time(view.requested_at),
        waited.as_secs(),
        waited.subsec_micros(),
        0_u32,
        view.id.to_string(),
        number(view.server),
        0_u32,
        tls(view.is_tls),
        view.application_name.as_str(),
        view.statements,
        view.id,
    ]
}

fn server(key: &PoolKey, view: &ServerView) -> Row {
    let (address, port) = match &view.address {
        Address::Tcp(address) => socket(Some(*address)),
        Address::Unix(_) => ("unix".to_owned(), None),
    };
    let (local, local_port) = socket(view.local);
    row![
        "S",
        key.user.as_str(),
        key.database.as_str(),
        "none",
        state(view.activity),
        address,
        port,
        local,
        local_port,
        utc(view.connected_at),
        time(view.requested_at),
        0_u32,
        0_u32,
        view.close_needed,
        view.pid.to_string(),
        number(view.client),
        view.pid,
        tls(view.is_tls),
        view.application_name.as_str(),
        view.statements,
        view.pid,
    ]
}

fn pin(view: &ClientView) -> Row {
    row![view.pin_reason.as_str(), view.pinned_since.map(utc)]
}

fn serves(view: &ServerView) -> Row {
    row![(view.client != 0).then_some(view.client)]
}

fn state(activity: Activity) -> &'static str {
    match activity {
        Activity::Active => "active",
        Activity::Waiting(_) => "waiting",
        Activity::Idle => "idle",
        Activity::Tested => "tested",
    }
}

fn peer(peer: &Peer) -> (String, Option<u16>) {
    match peer {
        Peer::Tcp(address) => socket(Some(address.get())),
        Peer::Unix => socket(None),
    }
}

fn socket(address: Option<SocketAddr>) -> (String, Option<u16>) {
    match address {
        Some(address) => (address.ip().to_string(), Some(address.port())),
        None => ("unix".to_owned(), None),
    }
}

fn time(time: Option<SystemTime>) -> Option<String> {
    time.map(utc)
}

/// A counterpart's number; empty for none.
fn number<N: PartialEq + Default + ToString>(number: N) -> String {
    if number == N::default() { String::new() } else { number.to_string() }
}

fn tls(is_tls: bool) -> &'static str {
    if is_tls { "TLS" } else { "" }
}
