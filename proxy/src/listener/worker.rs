//! The worker threads: each has a runtime of its own, and every pool and every session belongs to exactly one of them.
//!
//! Nothing on the path of a query crosses a thread or takes a lock. Must not know the protocol.

use std::cell::{Cell, RefCell};
use std::collections::hash_map::DefaultHasher;
use std::future::Future;
use std::hash::{Hash, Hasher};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::{LocalSet, spawn_local};
use tokio::time::timeout;

use crate::admin::{self, Ask};
use crate::gate::Gate;
use crate::listener::Config;
use crate::listener::bind::{Share, Sockets};
use crate::listener::console::{Desk, serve_requests};
use crate::listener::overdue::enforce;
use crate::listener::peers::Peers;
use crate::listener::places::{Crowd, Place};
use crate::listener::presence::Presence;
use crate::listener::serve::{accept_tcp, accept_unix, cancel, welcome};
use crate::listener::tunnel::accept_tunnel;
use crate::pool::PoolKey;
use crate::pool::control::{Command, Remote, Request};
use crate::pool::registry::Registry;
use crate::session::login::Guest;
use crate::session::slot::{PeerId, Slots, WORKERS_MAX};
use crate::session::startup::CancelKey;

/// How long workers get to do what they do between two steps of their other work.
const PATIENCE: Duration = Duration::from_secs(5);

/// What one worker is told.
#[derive(Debug)]
pub(super) enum Order {
    /// Serve this client: its pool is here.
    Serve(Box<LoggedIn>),
    /// Cancel what the session with this key runs, and say when that is done.
    Cancel(CancelKey, oneshot::Sender<()>),
    /// Go on with these settings, and say when that is so.
    Adopt(Arc<Config>, oneshot::Sender<()>),
    /// Take no more clients, and say when that is so.
    Close(oneshot::Sender<()>),
    /// Let transactions end, then end.
    Drain,
}

/// A client past its authentication, on its way to its worker. Its socket is on no reactor.
#[derive(Debug)]
pub(super) struct LoggedIn {
    pub(super) guest: Guest,
    pub(super) place: Place,
    /// When its session must be over.
    pub(super) ends_at: Option<std::time::SystemTime>,
}

/// All workers.
#[derive(Debug)]
pub(super) struct Team {
    orders: Vec<mpsc::UnboundedSender<Order>>,
    threads: Vec<JoinHandle<()>>,
    config: Arc<Config>,
    crowd: Arc<Crowd>,
    gate: Arc<Gate>,
    presence: Arc<Presence>,
    console: watch::Sender<Arc<admin::Config>>,
    remote: Remote,
}

/// When the workers end.
#[derive(Debug, Default)]
pub(super) struct Ends(Vec<oneshot::Receiver<()>>);

impl Ends {
    /// Waits until all workers have ended.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(super) async fn wait(&mut self) -> io::Result<()> {
        for end in &mut self.0 {
            // A worker that panicked has dropped its sender.
            end.await.map_err(|_| ended_early())?;
        }
        Ok(())
    }
}

impl Team {
    pub(super) fn start(
        config: Config,
        sockets: &Sockets,
        asker: mpsc::Sender<Ask>,
        peers: Option<Arc<Peers>>,
    ) -> io::Result<(Self, Ends)> {
        let config = Arc::new(config);
        let count = config.workers.get().min(WORKERS_MAX);
        let (orders, inboxes): (Vec<_>, Vec<_>) =
            (0..count).map(|_| mpsc::unbounded_channel()).unzip();
        let (remote, requests) = Remote::new(count);
        let (console, settings) = watch::channel(Arc::clone(&config.admin));
        let common = Common {
            crowd: Crowd::new(config.clients.clone()),
            gate: Gate::new(config.gate.clone()),
            desk: Desk { settings, remote: remote.clone(), asker },
            clients: Arc::default(),
            consoles: Arc::default(),
            presence: Arc::default(),
            peers,
            orders: orders.iter().map(mpsc::UnboundedSender::downgrade).collect(),
        };
        let (crowd, presence) = (Arc::clone(&common.crowd), Arc::clone(&common.presence));
        let (gate, threads) = (Arc::clone(&common.gate), Vec::new());
        let mut team = Self { orders, threads, config, crowd, gate, presence, console, remote };
        let mut ends = Ends::default();
        for ((number, inbox), requests) in inboxes.into_iter().enumerate().zip(requests) {
            let (config, share) = (Arc::clone(&team.config), sockets.share()?);
            let seat = Seat { number, config, share, common: common.clone() };
            ends.0.push(team.hire(seat, Inbox { orders: inbox, requests })?);
        }
        Ok((team, ends))
    }

    /// The settings that hold now.
    pub(super) fn config(&self) -> Arc<Config> {
        Arc::clone(&self.config)
    }

    /// The ways to the workers.
    pub(super) fn workers(&self) -> Vec<mpsc::WeakUnboundedSender<Order>> {
        self.orders.iter().map(mpsc::UnboundedSender::downgrade).collect()
    }

    /// Who is connected.
    pub(super) fn presence(&self) -> Arc<Presence> {
        Arc::clone(&self.presence)
    }

    /// Has all workers go on with these settings, as far as they can change.
    ///
    /// # Cancel safety
    /// Dropped midway, the workers follow later.
    pub(super) async fn adopt(&mut self, mut config: Config) {
        let budget = Arc::clone(&self.config.blueprint.budget);
        budget.set_limits(config.blueprint.budget.limits());
        config.blueprint.budget = budget;
        self.crowd.set_limits(config.clients.clone());
        self.gate.adopt(config.gate.clone());
        self.config = Arc::new(config);
        self.console.send_replace(Arc::clone(&self.config.admin));
        self.have_done(|done| Order::Adopt(Arc::clone(&self.config), done)).await;
    }

    /// Has all workers do this.
    ///
    /// # Cancel safety
    /// Dropped midway, some workers may have done it.
    pub(super) async fn command(&self, command: &Command) {
        match self.remote.ask(command).await {
            Ok(_) => tracing::info!(?command, "done as a signal asked"),
            Err(error) => tracing::warn!(?command, %error, "a signal asked for it"),
        }
    }

    /// Has all workers take no more clients.
    ///
    /// # Cancel safety
    /// Dropped midway, the workers follow later.
    pub(super) async fn close(&self) {
        self.have_done(Order::Close).await;
    }

    /// Tells all workers to end once their transactions have.
    pub(super) fn drain(&self) {
        for orders in &self.orders {
            let _ = orders.send(Order::Drain);
        }
    }

    /// Waits, for a bounded time, until all workers have done what they do between two steps of their other work.
    async fn have_done(&self, order: impl Fn(oneshot::Sender<()>) -> Order) {
        let done = self.orders.iter().map(|orders| {
            let (done, is_done) = oneshot::channel();
            let _ = orders.send(order(done));
            is_done
        });
        let all: Vec<_> = done.collect();
        if timeout(PATIENCE, futures_util::future::join_all(all)).await.is_err() {
            tracing::warn!("a worker is busy and follows later");
        }
    }

    fn hire(&mut self, seat: Seat, inbox: Inbox) -> io::Result<oneshot::Receiver<()>> {
        let (ended, end) = oneshot::channel();
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let name = format!("worker-{}", seat.number);
        let thread = std::thread::Builder::new().name(name).spawn(move || {
            seat.config.scheduling.apply();
            // In a task of its own, because what is blocked on is polled whenever any task is.
            let work = async { spawn_local(work(seat, inbox)).await };
            if let Err(error) = LocalSet::new().block_on(&runtime, work) {
                tracing::error!(%error, "a worker ended unexpectedly");
                return;
            }
            let _ = ended.send(());
        })?;
        self.threads.push(thread);
        Ok(end)
    }
}

impl Drop for Team {
    /// Without senders the workers end at once.
    fn drop(&mut self) {
        self.orders.clear();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

pub(super) fn ended_early() -> io::Error {
    io::Error::other("a worker thread ended unexpectedly")
}

/// What a worker is started with.
struct Seat {
    number: usize,
    config: Arc<Config>,
    share: Share,
    common: Common,
}

/// What all workers share.
#[derive(Clone, Debug)]
pub(super) struct Common {
    pub(super) clients: Arc<AtomicUsize>,
    pub(super) consoles: Arc<AtomicUsize>,
    pub(super) crowd: Arc<Crowd>,
    pub(super) gate: Arc<Gate>,
    pub(super) presence: Arc<Presence>,
    pub(super) desk: Desk,
    pub(super) peers: Option<Arc<Peers>>,
    orders: Vec<mpsc::WeakUnboundedSender<Order>>,
}

impl Common {
    /// The number of this process among its peers; 0 without any.
    pub(super) fn peer_id(&self) -> PeerId {
        self.peers.as_ref().map_or(0, |peers| peers.id())
    }
}

/// Where a worker is told what to do.
struct Inbox {
    orders: mpsc::UnboundedReceiver<Order>,
    requests: mpsc::Receiver<Request>,
}

/// One worker, as its tasks see it.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) number: usize,
    pub(super) registry: Rc<Registry>,
    pub(super) slots: Rc<Slots>,
    pub(super) common: Common,
    /// Told when the settings have changed.
    pub(super) adopted: Notify,
    config: RefCell<Arc<Config>>,
    tasks: Cell<usize>,
    quiet: Notify,
    accepting: RefCell<Vec<tokio::task::AbortHandle>>,
}

impl Worker {
    fn new(seat: &Seat) -> Rc<Self> {
        Rc::new(Self {
            number: seat.number,
            registry: Registry::new(seat.config.blueprint.clone()),
            slots: Slots::new(seat.common.peer_id(), seat.number),
            common: seat.common.clone(),
            adopted: Notify::new(),
            config: RefCell::new(Arc::clone(&seat.config)),
            tasks: Cell::new(0),
            quiet: Notify::new(),
            accepting: RefCell::default(),
        })
    }

    /// The settings that hold now.
    pub(super) fn config(&self) -> Arc<Config> {
        Arc::clone(&self.config.borrow())
    }

    /// Runs a client's task; the worker does not end before it, unless it has to end at once.
    pub(super) fn spawn(self: &Rc<Self>, task: impl Future<Output = ()> + 'static) {
        let guard = self.begin_task();
        spawn_local(async move {
            task.await;
            drop(guard);
        });
    }

    /// Counts a client's task: the worker does not end before the guard is dropped, unless it has to end at once.
    pub(super) fn begin_task(self: &Rc<Self>) -> TaskGuard {
        self.tasks.set(self.tasks.get() + 1);
        TaskGuard(Rc::clone(self))
    }

    /// The worker that owns the pool with this key.
    pub(super) fn owner_of(&self, key: &PoolKey) -> usize {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        (hasher.finish() % self.common.orders.len() as u64) as usize
    }

    /// Tells another worker something. Gives the order back when that worker is gone.
    pub(super) fn tell(&self, worker: usize, order: Order) -> Result<(), Order> {
        let Some(orders) = self.common.orders.get(worker).and_then(|orders| orders.upgrade())
        else {
            return Err(order);
        };
        orders.send(order).map_err(|mpsc::error::SendError(order)| order)
    }

    fn accept(self: &Rc<Self>, share: Share) -> io::Result<()> {
        let mut accepting = self.accepting.borrow_mut();
        for listener in share.tcp {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            accepting.push(spawn_local(accept_tcp(Rc::clone(self), listener)).abort_handle());
        }
        for listener in share.tunnel {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            accepting.push(spawn_local(accept_tunnel(Rc::clone(self), listener)).abort_handle());
        }
        if let Some(listener) = share.unix {
            let listener = tokio::net::UnixListener::from_std(listener)?;
            accepting.push(spawn_local(accept_unix(Rc::clone(self), listener)).abort_handle());
        }
        Ok(())
    }

    /// Does what it is told; true when it is to end.
    fn obey(self: &Rc<Self>, order: Order) -> bool {
        match order {
            Order::Serve(client) => self.spawn(welcome(Rc::clone(self), client)),
            Order::Cancel(key, done) => {
                let worker = Rc::clone(self);
                spawn_local(async move {
                    cancel(&worker, key).await;
                    let _ = done.send(());
                });
            }
            Order::Adopt(config, done) => {
                self.registry.amend(config.blueprint.clone());
                self.config.replace(config);
                self.adopted.notify_one();
                let _ = done.send(());
            }
            Order::Close(done) => {
                self.stop_accepting();
                let _ = done.send(());
            }
            Order::Drain => return true,
        }
        false
    }

    fn stop_accepting(&self) {
        self.accepting.borrow_mut().drain(..).for_each(|task| task.abort());
    }

    async fn drain(&self) {
        self.stop_accepting();
        self.slots.end_all();
        while self.tasks.get() > 0 {
            self.quiet.notified().await;
        }
        self.registry.close_idle();
    }
}

/// One task of a client.
pub(super) struct TaskGuard(Rc<Worker>);

impl Drop for TaskGuard {
    fn drop(&mut self) {
        self.0.tasks.set(self.0.tasks.get() - 1);
        self.0.quiet.notify_one();
    }
}

/// Does what the worker is told, until nobody is left to tell it anything.
async fn obey_all(worker: &Rc<Worker>, inbox: &mut mpsc::UnboundedReceiver<Order>) {
    while let Some(order) = inbox.recv().await {
        worker.obey(order);
    }
}

/// One worker's life.
async fn work(seat: Seat, inbox: Inbox) {
    let Inbox { orders: mut inbox, requests } = inbox;
    let worker = Worker::new(&seat);
    if let Err(error) = worker.accept(seat.share) {
        tracing::error!(%error, "a worker cannot accept clients");
        return;
    }
    spawn_local(serve_requests(Rc::clone(&worker), requests));
    spawn_local(enforce(Rc::clone(&worker)));
    while let Some(order) = inbox.recv().await {
        if worker.obey(order) {
            break;
        }
    }
    // Without senders left, the process wants to end at once; after `Drain` there still are some.
    tokio::select! {
        () = worker.drain() => {}
        () = obey_all(&worker, &mut inbox) => {}
    }
}
