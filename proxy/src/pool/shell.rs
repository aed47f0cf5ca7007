//! One pool: waiting, handing over and taking back server connections of one database and user.
//!
//! Owned by one worker thread, so nothing here locks. Must not know clients.

use std::cell::{Cell, RefCell};
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::backend::dial::{ConnectError, Login};
use crate::backend::secret::Secret;
use crate::backend::server::{Server, Taint};
use crate::backend::statement::{Interner, SchemaEpoch};
use crate::backend::target::Target;
use crate::pool::apart::Loan;
use crate::pool::config::{Config, Testing};
use crate::pool::connect::Outage;
use crate::pool::counters::Counters;
use crate::pool::greeting::Greetings;
use crate::pool::pooled_server::PooledServer;
use crate::pool::refusal::AcquireError;
use crate::pool::room::Want;
use crate::pool::roster::{ClientEntry, Roster};
use crate::pool::state::{ConnectPermit, PoolState, Release, WaiterId};
use crate::pool::ticket::Ticket;

/// What tells one pool from another.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PoolKey {
    /// The database as clients name it.
    pub database: String,
    /// The role.
    pub user: String,
}

/// The server connections of one database and user.
#[derive(Debug)]
pub struct Pool {
    /// Which database and user.
    pub key: PoolKey,
    /// The statements its clients prepared.
    pub interner: RefCell<Interner>,
    /// Its clients and server connections as they are seen from outside.
    pub roster: Rc<Roster>,
    pub(super) greetings: RefCell<Greetings>,
    pub(super) outage: RefCell<Outage>,
    pub(super) state: RefCell<PoolState<Box<Server>, Waiter>>,
    pub(super) terms: RefCell<Rc<Terms>>,
    /// Moves on when the connections that there are become of no use.
    pub(super) era: Cell<u64>,
    secret: RefCell<Rc<Secret>>,
    chores: mpsc::UnboundedSender<Chore>,
    clients: Cell<usize>,
    /// Of a pool that is one client's alone: its place in the pool that all share.
    loan: Option<Loan>,
    /// Its part in the budget of all pools.
    pub(super) ticket: Option<Ticket>,
}

pub(super) type Waiter = oneshot::Sender<Result<PooledServer, Rc<ConnectError>>>;

/// Work that a drop or a release leaves to the worker's janitor task.
#[derive(Debug)]
pub enum Chore {
    /// Open a connection.
    Connect(Rc<Pool>, ConnectPermit),
    /// Make a connection fit for the next client, or close it.
    CleanUp(PooledServer),
    /// See whether an idle connection is still good.
    Test(PooledServer),
}

/// What a pool is to be like. An operator may change it while the pool lives.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Its settings.
    pub config: Config,
    /// Where its server is.
    pub target: Arc<Target>,
    /// The database's name on the server.
    pub database_on_server: String,
}

/// How a pool is made.
#[derive(Debug)]
pub struct PoolSpec {
    /// What it is like at first.
    pub terms: Terms,
    /// Shared by all pools of the database.
    pub schema: SchemaEpoch,
    /// Counts its work, together with the other pools of its database.
    pub counters: Rc<Counters>,
    /// The place of a pool that is one client's alone.
    pub loan: Option<Loan>,
    /// Its part in the budget of all pools.
    pub ticket: Option<Ticket>,
}

impl Pool {
    /// An empty pool. Its chores are done by whoever reads the other end of `chores`.
    pub fn new(
        key: PoolKey,
        spec: PoolSpec,
        secret: Secret,
        chores: mpsc::UnboundedSender<Chore>,
    ) -> Rc<Self> {
        let config = &spec.terms.config;
        let mut interner = Interner::new(spec.schema);
        interner.limits = config.statements;
        let state = PoolState::new(config.max, config.queue_len_max).with_reserve(config.reserve);
        Rc::new(Self {
            key,
            interner: RefCell::new(interner),
            roster: Roster::new(spec.counters),
            greetings: RefCell::default(),
            outage: RefCell::default(),
            state: RefCell::new(state),
            terms: RefCell::new(Rc::new(spec.terms)),
            era: Cell::new(0),
            secret: RefCell::new(Rc::new(secret)),
            chores,
            clients: Cell::new(0),
            loan: spec.loan,
            ticket: spec.ticket,
        })
    }

    /// What the pool is like now.
    pub fn terms(&self) -> Rc<Terms> {
        Rc::clone(&self.terms.borrow())
    }

    /// Takes the secret of the latest login for connections made from now on: a changed password comes in this way.
    pub fn renew_secret(&self, secret: Secret) {
        *self.secret.borrow_mut() = Rc::new(secret);
    }

    /// A server connection, at once when one is idle, else first come, first served.
    ///
    /// # Cancel safety
    /// Cancel safe: a connection handed over to a dropped future goes to the next waiter.
    pub async fn acquire(self: &Rc<Self>) -> Result<PooledServer, AcquireError> {
        if let Some(server) = self.borrow().await {
            return Ok(server);
        }
        let known = self.outage.borrow().refuses_now(&self.terms().config);
        match known.filter(|error| !self.can_wait_for_others(error)) {
            Some(error) => Err(AcquireError::NoServer(error)),
            None => self.wait().await,
        }
    }

    /// The same for a client, whose wait is counted when there is one.
    ///
    /// # Cancel safety
    /// As [`Self::acquire`].
    pub async fn acquire_for(
        self: &Rc<Self>,
        client: &ClientEntry,
    ) -> Result<PooledServer, AcquireError> {
        if let Some(server) = self.borrow().await {
            return Ok(server);
        }
        let _waiting = client.wait();
        self.acquire().await
    }

    /// Counts a client in; the count goes down when the guard is dropped.
    pub fn admit(self: &Rc<Self>) -> ClientGuard {
        self.clients.set(self.clients.get() + 1);
        ClientGuard(Rc::clone(self))
    }

    /// True when a newcomer would have to wait for another client.
    pub fn is_saturated(&self) -> bool {
        let state = self.state.borrow();
        let is_full = state.total() >= self.terms().config.max || self.limited().is_some();
        state.is_paused() || (state.idle_len() == 0 && is_full)
    }

    /// True when neither a client nor a connection is left.
    pub fn is_unused(&self) -> bool {
        self.clients.get() == 0 && self.state.borrow().total() == 0
    }

    /// Closes what was idle too long or lived too long, and opens what `min` asks for.
    pub fn reap(self: &Rc<Self>) {
        let (total, idle_len) = {
            let state = self.state.borrow();
            (state.total(), state.idle_len())
        };
        let min = if self.clients.get() > 0 { self.terms().config.min } else { 0 };
        let mut state = self.state.borrow_mut();
        let mut reaped = state.reap(idle_len, |server| self.is_expired(server));
        let spare = total.saturating_sub(reaped.len()).saturating_sub(min);
        reaped.extend(
            state.reap(spare, |server| {
                server.idle_since.elapsed() > self.terms().config.idle_timeout
            }),
        );
        drop(state);
        reaped.iter_mut().for_each(|server| server.say_goodbye());
        self.account_for_all();
        self.test_idle();
        self.open_for_min(min);
    }

    /// Closes all idle connections: the pool is going away.
    pub fn close_idle(&self) {
        let reaped = self.state.borrow_mut().reap(usize::MAX, |_| true);
        reaped.into_iter().for_each(|mut server| server.say_goodbye());
        self.account();
    }

    pub(super) fn secret(&self) -> Rc<Secret> {
        Rc::clone(&self.secret.borrow())
    }

    pub(super) fn login_as<'a>(&'a self, secret: &'a Secret, terms: &'a Terms) -> Login<'a> {
        Login {
            user: &self.key.user,
            database: &terms.database_on_server,
            secret,
            application_name: "taskmaster",
            own: None,
        }
    }

    pub(super) fn adopt(self: &Rc<Self>, permit: ConnectPermit, server: Box<Server>) {
        self.roster.enter_server(&server.vitals);
        let release = self.state.borrow_mut().connected(permit, server);
        self.deliver(release);
        if self.state.borrow().is_paused() {
            self.close_idle();
        }
    }

    pub(super) fn refuse_waiters(&self, error: &Rc<ConnectError>) {
        let waiters: Vec<_> = self.state.borrow_mut().take_waiters().collect();
        for waiter in waiters {
            let _ = waiter.send(Err(Rc::clone(error)));
        }
    }

    pub(super) fn open_for_waiters(self: &Rc<Self>) {
        while self.open(Want::Waiters) {}
    }

    fn open_for_min(self: &Rc<Self>, min: usize) {
        if !self.outage.borrow().is_on() {
            while self.open(Want::Min(min)) {}
        }
    }

    pub(super) fn take_idle(self: &Rc<Self>) -> Option<PooledServer> {
        loop {
            let mut server = self.state.borrow_mut().take_idle()?;
            if self.terms.borrow().config.test.on_borrow == Testing::Off {
                return Some(PooledServer::new(server, self));
            }
            match server.check_idle() {
                Ok(()) => return Some(PooledServer::new(server, self)),
                Err(fault) => {
                    tracing::debug!(pool = %self.key, %fault, "an idle server connection is gone");
                    self.state.borrow_mut().closed();
                    self.account();
                }
            }
        }
    }

    async fn wait(self: &Rc<Self>) -> Result<PooledServer, AcquireError> {
        let (waiter, receiver) = oneshot::channel();
        let queued = self.state.borrow_mut().enqueue(waiter);
        let id = queued.map_err(|_| AcquireError::QueueFull(self.terms().config.queue_len_max))?;
        let _place = Place { pool: self, id };
        if self.outage.borrow().refuses_now(&self.terms().config).is_none() {
            self.open_for_waiters();
        }
        match timeout(self.terms().config.acquire_timeout, self.receive(receiver)).await {
            Ok(Ok(Ok(server))) => Ok(server),
            Ok(Ok(Err(error))) => Err(AcquireError::NoServer(error)),
            Ok(Err(_)) | Err(_) => Err(self.waited_in_vain()),
        }
    }

    /// Waits for what is handed over; after a while the reserve is opened.
    async fn receive<T>(
        self: &Rc<Self>,
        mut receiver: oneshot::Receiver<T>,
    ) -> Result<T, oneshot::error::RecvError> {
        if self.terms().config.reserve > 0 {
            if let Ok(received) = timeout(self.terms().config.reserve_after, &mut receiver).await {
                return received;
            }
            self.open(Want::Overdue);
        }
        receiver.await
    }

    fn waited_in_vain(&self) -> AcquireError {
        match self.outage.borrow().error() {
            Some(error) => AcquireError::NoServer(error),
            None => {
                let waited = AcquireError::Timeout(self.terms().config.acquire_timeout.as_millis());
                self.limited().unwrap_or(waited)
            }
        }
    }

    /// Takes a connection out of the count that was lent.
    pub(super) fn take_back(self: &Rc<Self>) {
        self.state.borrow_mut().closed();
        self.account();
        self.open_for_waiters();
    }

    /// INVARIANT I4 and I6: only a connection at rest, untainted and with no cancel request under way changes hands.
    pub(super) fn recycle(self: &Rc<Self>, mut server: Box<Server>) {
        server.vitals.client.set(0);
        if self.loan.is_some() {
            server.say_goodbye();
            return self.discard(server);
        }
        let fit = server.is_at_rest() && server.taint == Taint::Clean && server.cancels.get() == 0;
        if fit && !self.terms().config.test.asks_on_return() {
            self.put_back(server);
        } else {
            self.order(Chore::CleanUp(PooledServer::new(server, self)));
        }
    }

    pub(super) fn put_back(self: &Rc<Self>, mut server: Box<Server>) {
        server.idle_since = Instant::now();
        self.settle(server);
    }

    /// Hands a connection that is fit for anybody to the longest waiter, or keeps it, or closes it when its time has come.
    pub(super) fn settle(self: &Rc<Self>, mut server: Box<Server>) {
        let refused = |state: &PoolState<_, _>| state.is_over_max() || state.is_paused();
        let unwanted = self.is_expired(&server) || refused(&self.state.borrow());
        if unwanted || self.makes_room() {
            server.say_goodbye();
            return self.discard(server);
        }
        let release = self.state.borrow_mut().release(server);
        self.deliver(release);
    }

    pub(super) fn discard(self: &Rc<Self>, server: Box<Server>) {
        drop(server);
        self.state.borrow_mut().closed();
        self.account();
        self.open_for_waiters();
    }

    fn deliver(self: &Rc<Self>, release: Release<Box<Server>, Waiter>) {
        match release {
            // A waiter that is gone gives the guard back, and dropping it serves the next one.
            Release::HandOver(waiter, server) => {
                let _ = waiter.send(Ok(PooledServer::new(server, self)));
            }
            Release::Surplus(mut server) => {
                server.say_goodbye();
                self.account();
            }
            Release::Idle => {}
        }
    }

    fn is_expired(&self, server: &Server) -> bool {
        server.vitals.close_needed.get()
            || server.uses >= self.terms.borrow().config.max_uses
            || server.retires_at.is_some_and(|at| Instant::now() >= at)
    }

    pub(super) fn order(&self, chore: Chore) {
        match self.chores.send(chore) {
            Ok(()) => {}
            // The worker is gone: its connections close with it.
            Err(mpsc::error::SendError(Chore::CleanUp(server) | Chore::Test(server))) => {
                server.forget();
            }
            Err(mpsc::error::SendError(Chore::Connect(pool, permit))) => {
                pool.state.borrow_mut().connect_failed(permit);
            }
        }
    }
}

impl std::fmt::Display for PoolKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.user, self.database)
    }
}

/// A place in the queue, given up when the future that waits is dropped.
struct Place<'a> {
    pool: &'a Rc<Pool>,
    id: WaiterId,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.pool.state.borrow_mut().abandon(self.id);
    }
}

/// One client of a pool.
#[derive(Debug)]
pub struct ClientGuard(Rc<Pool>);

impl Deref for ClientGuard {
    type Target = Rc<Pool>;

    /// The pool that it is a client of.
    fn deref(&self) -> &Rc<Pool> {
        &self.0
    }
}

impl Drop for ClientGuard {
    fn drop(&mut self) {
        self.0.clients.set(self.0.clients.get() - 1);
    }
}
