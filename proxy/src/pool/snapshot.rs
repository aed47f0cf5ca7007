//! The pools of one worker at one moment, as plain data that may go to another thread.
//!
//! Must not know who asks for it.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use crate::backend::target::Address;
use crate::backend::vitals::Vitals;
use crate::net::socket::Peer;
use crate::net::tcp_address::TcpAddress;
use crate::pool::budget::Scope;
use crate::pool::counters::{Averages, Totals};
use crate::pool::registry::Registry;
use crate::pool::roster::ClientEntry;
use crate::pool::shell::Terms;
use crate::pool::{Pool, PoolKey, PoolMode};

/// How much is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// Figures of pools and databases.
    Figures,
    /// Also each client and each server connection.
    Connections,
    /// Also each prepared statement.
    Statements,
}

/// One worker's pools.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The pools, by their keys.
    pub pools: Vec<PoolView>,
    /// The databases that are configured or were used, by their names.
    pub databases: Vec<DatabaseView>,
    /// Whether a PAUSE of everything is in force.
    pub is_paused: bool,
}

/// One pool.
#[derive(Clone, Debug)]
pub struct PoolView {
    /// Which one.
    pub key: PoolKey,
    /// When clients give server connections back.
    pub mode: PoolMode,
    /// Clients that wait for a server connection.
    pub clients_waiting: usize,
    /// All clients.
    pub clients_len: usize,
    /// Server connections that serve a client.
    pub servers_active: usize,
    /// Cancel requests on their way to server connections.
    pub cancels: u32,
    /// Server connections that would be free if no cancel request were on its way to them.
    pub servers_being_cancelled: usize,
    /// Server connections that nobody uses.
    pub servers_idle: usize,
    /// Server connections that are being cleaned or asked for a greeting.
    pub servers_tested: usize,
    /// Server connections that report themselves what their sessions hold.
    pub servers_reporting: usize,
    /// Server connections that are being made.
    pub servers_connecting: usize,
    /// How long the longest waiter has been waiting.
    pub wait_max: Duration,
    /// Each client; empty unless asked for.
    pub clients: Vec<ClientView>,
    /// Each server connection; empty unless asked for.
    pub servers: Vec<ServerView>,
    /// How many prepared statements its clients share.
    pub statements_len: usize,
    /// Bytes of memory that they take, about.
    pub statements_bytes: usize,
    /// Each of them; empty unless asked for.
    pub statements: Vec<StatementView>,
}

/// One database as clients name it.
#[derive(Clone, Debug)]
pub struct DatabaseView {
    /// Its name.
    pub name: String,
    /// The host of its server, or the path of its unix socket.
    pub host: String,
    /// The port of its server; none for a unix socket.
    pub port: Option<u16>,
    /// Its name on the server.
    pub name_on_server: String,
    /// As whom all its server connections log in; none is each as its client.
    pub login: Option<String>,
    /// Server connections beyond the most for clients that wait too long, for each of its pools.
    pub reserve: usize,
    /// Server connections at most in all its pools together.
    pub connections_max: Option<usize>,
    /// Server connections at most, for each of its pools.
    pub pool_max: usize,
    /// Server connections kept open, for each of its pools.
    pub pool_min: usize,
    /// When its server connections are replaced.
    pub server_lifetime: Duration,
    /// When clients give server connections back.
    pub mode: PoolMode,
    /// What was counted since the start.
    pub totals: Totals,
    /// What was counted in the last whole period.
    pub averages: Option<Averages>,
    /// Whether requests queue up until RESUME.
    pub is_paused: bool,
    /// Whether newcomers are refused until ENABLE.
    pub is_disabled: bool,
}

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// Joined to its counterpart.
    Active,
    /// A client that waits for a server connection.
    Waiting(Duration),
    /// Neither.
    Idle,
    /// A server connection that is being cleaned or asked for a greeting.
    Tested,
}

/// One client.
#[derive(Clone, Debug)]
pub struct ClientView {
    /// The process id that it was told.
    pub id: u32,
    /// What it is doing.
    pub activity: Activity,
    /// Where it comes from.
    pub peer: Peer,
    /// The address that it connected to.
    pub local: Option<SocketAddr>,
    /// Whether it is encrypted.
    pub is_tls: bool,
    /// When its login was done.
    pub connected_at: SystemTime,
    /// When its last request began.
    pub requested_at: Option<SystemTime>,
    /// The process id of the backend that serves it; 0 for none.
    pub server: i32,
    /// The name that its application gave itself.
    pub application_name: String,
    /// Named statements that it has.
    pub statements: usize,
    /// Why it keeps its server connection between transactions; empty when it does not.
    pub pin_reason: String,
    /// Since when it keeps it.
    pub pinned_since: Option<SystemTime>,
}

/// One server connection.
#[derive(Clone, Debug)]
pub struct ServerView {
    /// The process id of its backend.
    pub pid: i32,
    /// What it is doing.
    pub activity: Activity,
    /// Where the server is.
    pub address: Address,
    /// This end of the connection.
    pub local: Option<SocketAddr>,
    /// Whether it is encrypted.
    pub is_tls: bool,
    /// When it was connected.
    pub connected_at: SystemTime,
    /// When it was last sent a request.
    pub requested_at: Option<SystemTime>,
    /// The client that it serves, by its number; 0 for none.
    pub client: u32,
    /// The name that the client's application gave itself.
    pub application_name: String,
    /// Named statements that it has.
    pub statements: usize,
    /// Whether it is closed instead of serving another client.
    pub close_needed: bool,
}

/// One prepared statement that the clients of a pool share.
#[derive(Clone, Debug)]
pub struct StatementView {
    /// Its name on servers.
    pub name: String,
    /// Its text.
    pub query: String,
    /// Clients and server connections that have it.
    pub used_by: usize,
    /// Bytes of memory that it takes, about.
    pub bytes: usize,
}

impl Registry {
    /// The pools as they are now.
    pub fn snapshot(&self, detail: Detail) -> Snapshot {
        let now = Moment::now();
        let pools = self.pools.borrow();
        let mut pools: Vec<_> = pools.values().map(|pool| view(pool, detail, now)).collect();
        pools.sort_by(|a, b| a.key.cmp(&b.key));
        let mut names = self.known_databases();
        names.sort();
        let databases = names.into_iter().map(|name| self.database(name)).collect();
        Snapshot { pools, databases, is_paused: self.gates.borrow().is_all_paused() }
    }

    fn database(&self, name: String) -> DatabaseView {
        let gates = self.gates.borrow();
        let blueprint = self.blueprint();
        let Terms { config, target, database_on_server } = blueprint.terms_of(&name);
        let (host, port) = target.host_and_port();
        let counters = self.counters.borrow().get(&name).map(Rc::clone).unwrap_or_default();
        DatabaseView {
            host,
            port,
            name_on_server: database_on_server,
            login: blueprint.logins.get(&name).map(|login| login.user.clone()),
            reserve: config.reserve,
            connections_max: blueprint.budget.max_of(Scope::Database, &name),
            pool_max: config.max,
            pool_min: config.min,
            server_lifetime: config.max_lifetime,
            mode: config.mode,
            totals: counters.totals(),
            averages: counters.averages(),
            is_paused: gates.is_paused(&name),
            is_disabled: gates.is_disabled(&name),
            name,
        }
    }
}

/// One moment on both clocks.
#[derive(Clone, Copy)]
struct Moment {
    instant: Instant,
    time: SystemTime,
}

impl Moment {
    fn now() -> Self {
        Self { instant: Instant::now(), time: SystemTime::now() }
    }

    fn time_of(self, instant: Instant) -> SystemTime {
        let ago = self.instant.saturating_duration_since(instant);
        self.time.checked_sub(ago).unwrap_or(self.time)
    }

    fn since(self, instant: Instant) -> Duration {
        self.instant.saturating_duration_since(instant)
    }
}

fn view(pool: &Rc<Pool>, detail: Detail, now: Moment) -> PoolView {
    let (clients, servers) = (pool.roster.clients(), pool.roster.servers());
    let (state, interner) = (pool.state.borrow(), pool.interner.borrow());
    let active = servers.iter().filter(|vitals| vitals.client.get() != 0).count();
    let cancelled = |vitals: &&Rc<Vitals>| vitals.client.get() == 0 && vitals.cancels.get() > 0;
    let being_cancelled = servers.iter().filter(cancelled).count();
    let waits = clients.iter().filter_map(|entry| entry.waiting_since());
    let waits: Vec<_> = waits.map(|since| now.since(since)).collect();
    let mut view = PoolView {
        key: pool.key.clone(),
        mode: pool.terms().config.mode,
        clients_waiting: waits.len(),
        clients_len: clients.len(),
        servers_active: active,
        cancels: servers.iter().map(|vitals| vitals.cancels.get()).sum(),
        servers_being_cancelled: being_cancelled,
        servers_idle: state.idle_len(),
        servers_tested: state.active_len().saturating_sub(active + being_cancelled),
        servers_reporting: servers.iter().filter(|vitals| vitals.reports).count(),
        servers_connecting: state.connecting_len(),
        wait_max: waits.into_iter().max().unwrap_or_default(),
        clients: Vec::new(),
        servers: Vec::new(),
        statements: Vec::new(),
        statements_len: interner.len(),
        statements_bytes: interner.bytes(),
    };
    if detail != Detail::Figures {
        view.clients = clients.iter().map(|entry| client(entry, now)).collect();
        let is_idle = |vitals: &Rc<Vitals>| {
            state.idle().iter().any(|server| Rc::ptr_eq(&server.vitals, vitals))
        };
        view.servers =
            servers.iter().map(|vitals| server(vitals, is_idle(vitals), &clients, now)).collect();
    }
    if detail == Detail::Statements {
        view.statements = interner.statements().map(statement).collect();
    }
    view
}

fn client(entry: &ClientEntry, now: Moment) -> ClientView {
    let activity = match (entry.waiting_since(), entry.server()) {
        (Some(since), _) => Activity::Waiting(now.since(since)),
        (None, 0) => Activity::Idle,
        (None, _) => Activity::Active,
    };
    let pin = entry.pin();
    let by_mode = activity == Activity::Active && entry.mode == PoolMode::Session;
    let mut reasons: Vec<_> = pin.map(|pin| pin.holds.names()).into_iter().collect();
    if by_mode {
        reasons.push("session_mode".to_owned());
    }
    ClientView {
        id: entry.id,
        activity,
        peer: entry.peer.clone(),
        local: entry.local.as_ref().map(TcpAddress::get),
        is_tls: entry.is_tls,
        connected_at: entry.connected_at,
        requested_at: entry.requested_at.get().map(|instant| now.time_of(instant)),
        server: entry.server(),
        application_name: entry.application_name(),
        statements: entry.statements.get(),
        pin_reason: reasons.join(","),
        pinned_since: pin.map(|pin| now.time_of(pin.since)),
    }
}

fn server(vitals: &Vitals, is_idle: bool, clients: &[Rc<ClientEntry>], now: Moment) -> ServerView {
    let client = vitals.client.get();
    let activity = match (client, is_idle) {
        (0, true) => Activity::Idle,
        (0, false) => Activity::Tested,
        _ => Activity::Active,
    };
    let served = clients.binary_search_by_key(&client, |entry| entry.id);
    ServerView {
        pid: vitals.key.pid,
        activity,
        address: vitals.key.address.clone(),
        local: vitals.local,
        is_tls: vitals.is_tls,
        connected_at: vitals.connected_at,
        requested_at: vitals.requested_at.get().map(|instant| now.time_of(instant)),
        client,
        application_name: served
            .map_or_else(|_| String::new(), |at| clients[at].application_name()),
        statements: vitals.statements.get(),
        close_needed: vitals.close_needed.get(),
    }
}

fn statement(statement: &Rc<crate::backend::statement::Statement>) -> StatementView {
    let query = crate::wire::frontend::query_of(&statement.body);
    StatementView {
        name: String::from_utf8_lossy(&statement.name).into_owned(),
        query: String::from_utf8_lossy(query).into_owned(),
        // One is the interner's own.
        used_by: Rc::strong_count(statement).saturating_sub(1),
        bytes: statement.memory_len(),
    }
}
