//! From an accepted socket to a running session: handshake, login, the move to the worker that owns the pool, greeting.
//!
//! Must not know what a session does once it runs.

use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use tokio::net::{TcpListener, UnixListener};
use tokio::sync::oneshot;
use tokio::task::{AbortHandle, spawn_local};
use tokio::time::{sleep, timeout};

use crate::error::ClientFacing;
use crate::gate::{AtLogin, Country, Entrance, Visitor};
use crate::http;
use crate::listener::console::{self, CONSOLES_MAX};
use crate::listener::places::{Kind, Place, TooMany};
use crate::listener::presence::Visit;
use crate::listener::worker::{LoggedIn, Order, TaskGuard, Worker};
use crate::net::proxy_protocol;
use crate::net::socket::{Peer, Socket};
use crate::net::stream::ClientStream;
use crate::net::tls::TlsPolicy;
use crate::pool::PoolKey;
use crate::pool::registry::{Blueprint, ServerLogin};
use crate::session::auth::{Identity, LoginError, authenticate};
use crate::session::login::{Guest, Host, open_session};
use crate::session::run::{Session, SessionEnd};
use crate::session::slot::{peer_of, worker_of};
use crate::session::startup::{CancelKey, Handshake, Startup, handshake};
use crate::wire::error_response::error_response;

/// A client at one of the doors.
pub(super) struct Arrival {
    pub(super) socket: Socket,
    pub(super) peer: Peer,
    pub(super) entrance: Entrance,
    pub(super) country: Option<Country>,
    pub(super) identity: Option<http::Identity>,
}

/// Pause after a failed accept.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);
/// How often failed accepts are told of.
const TROUBLE_TOLD_EVERY: Duration = Duration::from_secs(60);

/// Accepts TCP clients until the task is aborted.
pub(super) async fn accept_tcp(worker: Rc<Worker>, listener: TcpListener) {
    let mut trouble = Trouble::default();
    loop {
        match listener.accept().await {
            Ok((stream, address)) => match Socket::tcp(stream) {
                Ok(socket) => begin(&worker, socket, Peer::Tcp(address.into())),
                Err(error) => tracing::debug!(%address, %error, "a client was gone at once"),
            },
            Err(error) => trouble.sit_out(&error).await,
        }
    }
}

/// Accepts clients on the unix socket until the task is aborted.
pub(super) async fn accept_unix(worker: Rc<Worker>, listener: UnixListener) {
    let mut trouble = Trouble::default();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => begin(&worker, Socket::unix(stream), Peer::Unix),
            Err(error) => trouble.sit_out(&error).await,
        }
    }
}

/// Passes a cancel request on to the session with this key, if it is on this worker.
pub(super) async fn cancel(worker: &Worker, key: CancelKey) {
    worker.slots.cancel(&key).await;
}

/// Greets a client that was moved to this worker, and serves it.
pub(super) async fn welcome(worker: Rc<Worker>, mut client: Box<LoggedIn>) {
    match client.guest.stream.attach() {
        Ok(()) => greet(&worker, *client).await,
        Err(error) => tracing::debug!(%error, "a client could not be moved between workers"),
    }
}

/// Clients that cannot be accepted, for want of descriptors or memory, which others may give back.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    told_at: Option<Instant>,
}

impl Trouble {
    /// Waits a little, and says why now and then: a flood of clients is not to become a flood of lines.
    pub(super) async fn sit_out(&mut self, error: &io::Error) {
        if self.told_at.is_none_or(|told| told.elapsed() > TROUBLE_TOLD_EVERY) {
            self.told_at = Some(Instant::now());
            tracing::error!(%error, "cannot accept clients; raise the limit of open files if this goes on");
        }
        sleep(ACCEPT_RETRY).await;
    }
}

fn begin(worker: &Rc<Worker>, socket: Socket, peer: Peer) {
    let visit = worker.common.presence.begin();
    let arrival =
        Arrival { socket, peer, entrance: Entrance::Direct, country: None, identity: None };
    let networks = &worker.config().proxy_networks;
    let is_in = |ip| networks.iter().any(|network| network.contains(ip));
    match arrival.peer.ip().is_some_and(is_in) {
        true => worker.spawn(pass_on(Rc::clone(worker), arrival, visit)),
        false => worker.spawn(serve(Rc::clone(worker), arrival, visit)),
    }
}

/// Serves a client that a load balancer passes on, as the one that it says it is.
async fn pass_on(worker: Rc<Worker>, mut arrival: Arrival, visit: Visit) {
    let patience = worker.config().login_timeout;
    match timeout(patience, proxy_protocol::read(&mut arrival.socket)).await {
        Ok(Ok(Some(address))) => arrival.peer = Peer::Tcp(address.into()),
        Ok(Ok(None)) => {}
        Ok(Err(error)) => {
            return tracing::info!(peer = %arrival.peer, %error, "a connection was refused");
        }
        Err(_) => return tracing::debug!(peer = %arrival.peer, "no PROXY protocol header in time"),
    }
    serve(worker, arrival, visit).await;
}

/// Serves a client from its first packet on.
pub(super) async fn serve(worker: Rc<Worker>, arrival: Arrival, visit: Visit) {
    let config = worker.config();
    let Arrival { socket, peer, entrance, country, identity } = arrival;
    let tls = tls_at(entrance, &config.tls);
    let Ok(shaken) = timeout(config.login_timeout, handshake(socket, peer.clone(), &tls)).await
    else {
        return tracing::debug!(%peer, "a client said nothing until the login timeout");
    };
    match shaken {
        Ok(Handshake::Startup(stream, startup)) => {
            let (user, database) = (startup.user.clone(), startup.database.clone());
            let ends_at = identity.as_ref().map(|identity| identity.ends_at);
            let identity = identity.map(|identity| identity.name);
            let address = peer.ip();
            let visitor = Visitor { address, country, entrance, identity, user, database };
            login(&worker, stream, startup, (visitor, ends_at, visit)).await;
        }
        Ok(Handshake::Cancel(_stream, key)) => route_cancel(&worker, key).await,
        Ok(Handshake::Closed) => {}
        Err(error) => tracing::info!(%peer, %error, "a client was refused"),
    }
}

/// Tells a client why it is not served, once it has said what it wants.
pub(super) async fn refuse(
    worker: &Rc<Worker>,
    socket: Socket,
    peer: Peer,
    error: &dyn ClientFacing,
) {
    let config = worker.config();
    let tls = tls_at(Entrance::Tunnel, &config.tls);
    let shaken = timeout(config.login_timeout, handshake(socket, peer, &tls)).await;
    if let Ok(Ok(Handshake::Startup(stream, _))) = shaken {
        stream.farewell(&error_response(error)).await;
    }
}

/// What came through the tunnel is encrypted up to this machine: TLS inside of that is as the client wishes.
fn tls_at(entrance: Entrance, tls: &TlsPolicy) -> TlsPolicy {
    match (entrance, tls) {
        (Entrance::Tunnel, TlsPolicy::Require(listener)) => TlsPolicy::Allow(listener.clone()),
        (_, tls) => tls.clone(),
    }
}

/// The canceller's connection stays open until the request has reached the server, as with PostgreSQL.
async fn route_cancel(worker: &Rc<Worker>, key: CancelKey) {
    if peer_of(&key) != worker.common.peer_id() {
        if let Some(peers) = &worker.common.peers {
            peers.forward(&key).await;
        }
        return;
    }
    let target = worker_of(&key);
    if target == worker.number {
        return cancel(worker, key).await;
    }
    let (done, finished) = oneshot::channel();
    if worker.tell(target, Order::Cancel(key, done)).is_ok() {
        let _ = finished.await;
    }
}

async fn login(
    worker: &Rc<Worker>,
    mut stream: ClientStream,
    startup: Startup,
    (visitor, ends_at, visit): (Visitor, Option<SystemTime>, Visit),
) {
    let config = worker.config();
    if let Err(refusal) = worker.common.gate.admit(&visitor) {
        tracing::info!(peer = %stream.peer(), user = startup.user, %refusal, "login refused");
        return stream.farewell(&error_response(&AtLogin(refusal))).await;
    }
    let for_console = config.admin.is_console(&startup.database);
    // Operators have places of their own, so that a full house can still be looked at.
    let taken = match for_console {
        true => Place::take(&worker.common.consoles, CONSOLES_MAX),
        false => take_place(worker, stream.peer()).map(|place| place.with(visit)),
    };
    let mut place = match taken {
        Ok(place) => place,
        Err(error) => return stream.farewell(&error_response(&error)).await,
    };
    let proved = authenticate(&mut stream, &startup, &config.credentials);
    let proved = timeout(config.login_timeout, proved).await;
    let identity = match proved.unwrap_or(Err(LoginError::Late(config.login_timeout))) {
        Ok(identity) => identity,
        Err(error) => {
            tracing::info!(peer = %stream.peer(), user = startup.user, %error, "login refused");
            if let LoginError::Rejected { .. } = error {
                sleep(worker.common.gate.failed(&visitor)).await;
            }
            return stream.farewell(&error_response(&error)).await;
        }
    };
    worker.common.gate.succeeded(&visitor);
    if for_console {
        let client =
            LoggedIn { guest: Guest { stream, startup, identity, visitor }, place, ends_at };
        return worker.spawn(console::open(Rc::clone(worker), client));
    }
    if let Err(error) = join_crowd(worker, &mut place, &startup, &identity) {
        tracing::info!(peer = %stream.peer(), user = identity.user, "login refused: too many clients");
        return stream.farewell(&error_response(&error)).await;
    }
    let identity = towards_server(&config.blueprint, &startup, identity);
    settle_in(
        worker,
        LoggedIn { guest: Guest { stream, startup, identity, visitor }, place, ends_at },
    )
    .await;
}

/// The client's pool belongs to one worker: there it is served, and its socket moves there once.
async fn settle_in(worker: &Rc<Worker>, mut client: LoggedIn) {
    let owner = worker.owner_of(&key_of(&client));
    if owner == worker.number {
        return greet(worker, client).await;
    }
    if client.guest.stream.detach().is_ok() {
        // A worker that is gone takes its clients with it: the process is ending.
        let _ = worker.tell(owner, Order::Serve(Box::new(client)));
    }
}

async fn greet(worker: &Rc<Worker>, client: LoggedIn) {
    let LoggedIn { guest, place, ends_at } = client;
    let (registry, slots, gate) = (&worker.registry, &worker.slots, &worker.common.gate);
    let host = Host { registry, slots, gate };
    if let Some(session) = open_session(guest, host).await {
        // A task of its own: the memory that the login took is given back while the session lives (I7).
        let task = worker.begin_task();
        let end = ends_at.map(|at| Ending::at(worker, at, session.open.key().pid as u32));
        spawn_local(attend(Box::new(Attended { session, place, task, end })));
    }
}

/// A session and what it takes up; given back in this order.
struct Attended {
    session: Session,
    place: Place,
    task: TaskGuard,
    end: Option<Ending>,
}

/// The end of a session whose client is believed for a time; none when dropped before.
struct Ending(AbortHandle);

impl Ending {
    fn at(worker: &Rc<Worker>, at: SystemTime, client: u32) -> Self {
        let worker = Rc::clone(worker);
        let ending = async move {
            sleep(at.duration_since(SystemTime::now()).unwrap_or_default()).await;
            if worker.slots.kill(client) {
                tracing::info!(client, "a session has outlived its token");
            }
        };
        Self(spawn_local(ending).abort_handle())
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A session's task. All that it needs is in one box: an idle client costs what this future is large, in steps of 128
/// bytes, and a future holds its arguments twice (I7).
async fn attend(mut attended: Box<Attended>) {
    let end = attended.session.run().await;
    report(attended.session.client.stream.peer(), &end);
    let Attended { session, place, task, end } = *attended;
    drop((end, session));
    drop((place, task));
}

fn report(peer: &Peer, end: &SessionEnd) {
    match end {
        SessionEnd::Malformed(_) | SessionEnd::Refused(_) | SessionEnd::TimedOut(_) => {
            tracing::info!(%peer, %end, "a session was ended");
        }
        SessionEnd::ServerLost(_) => tracing::warn!(%peer, %end, "a session was lost"),
        end => tracing::debug!(%peer, %end, "a session ended"),
    }
}

fn join_crowd(
    worker: &Worker,
    place: &mut Place,
    startup: &Startup,
    identity: &Identity,
) -> Result<(), TooMany> {
    place.join(&worker.common.crowd, Kind::User(identity.user.clone()))?;
    place.join(&worker.common.crowd, Kind::Database(startup.database.clone()))
}

/// Who the client is to the server: another user when the database has one for all of its clients.
fn towards_server(blueprint: &Blueprint, startup: &Startup, identity: Identity) -> Identity {
    match blueprint.logins.get(&startup.database) {
        Some(ServerLogin { user, secret }) => {
            Identity { user: user.clone(), secret: secret.clone() }
        }
        None => identity,
    }
}

fn key_of(client: &LoggedIn) -> PoolKey {
    let Guest { startup, identity, .. } = &client.guest;
    PoolKey { database: startup.database.clone(), user: identity.user.clone() }
}

/// A place for a client, in total and among those from its address.
fn take_place(worker: &Worker, peer: &Peer) -> Result<Place, TooMany> {
    let mut place = Place::take(&worker.common.clients, worker.config().client_max)?;
    if let Peer::Tcp(address) = peer {
        place.join(&worker.common.crowd, Kind::Address(address.get().ip().to_canonical()))?;
    }
    Ok(place)
}
