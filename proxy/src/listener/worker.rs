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

use tokio::runtime::Builder;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::{LocalSet, spawn_local};

use crate::admin::Shutdown;
use crate::listener::Config;
use crate::listener::bind::{Share, Sockets};
use crate::listener::console::{Desk, serve_requests};
use crate::listener::overdue::enforce;
use crate::listener::places::{Crowd, Place};
use crate::listener::serve::{accept_tcp, accept_unix, cancel, welcome};
use crate::net::stream::ClientStream;
use crate::pool::PoolKey;
use crate::pool::control::{Remote, Request};
use crate::pool::registry::Registry;
use crate::session::auth::Identity;
use crate::session::slot::{Slots, WORKERS_MAX};
use crate::session::startup::{CancelKey, Startup};

/// What one worker is told.
#[derive(Debug)]
pub(super) enum Order {
    /// Serve this client: its pool is here.
    Serve(Box<LoggedIn>),
    /// Cancel what the session with this key runs, and say when that is done.
    Cancel(CancelKey, oneshot::Sender<()>),
    /// Take no more clients, let transactions end, then end.
    Drain,
}

/// A client past its authentication, on its way to its worker. Its socket is on no reactor.
#[derive(Debug)]
pub(super) struct LoggedIn {
    pub(super) stream: ClientStream,
    pub(super) startup: Startup,
    pub(super) identity: Identity,
    pub(super) place: Place,
}

/// All workers.
#[derive(Debug)]
pub(super) struct Team {
    orders: Vec<mpsc::UnboundedSender<Order>>,
    ends: Vec<oneshot::Receiver<()>>,
    threads: Vec<JoinHandle<()>>,
}

impl Team {
    pub(super) fn start(
        config: Config,
        sockets: &Sockets,
        shutdown: mpsc::Sender<Shutdown>,
    ) -> io::Result<Self> {
        let config = Arc::new(config);
        let count = config.workers.get().min(WORKERS_MAX);
        let (orders, inboxes): (Vec<_>, Vec<_>) =
            (0..count).map(|_| mpsc::unbounded_channel()).unzip();
        let (remote, requests) = Remote::new(count);
        let desk = Desk { config: Arc::clone(&config.admin), remote, shutdown };
        let clients = Arc::new(AtomicUsize::new(0));
        let consoles = Arc::new(AtomicUsize::new(0));
        let crowd = Crowd::new(config.clients);
        let downgrade = || orders.iter().map(mpsc::UnboundedSender::downgrade).collect();
        let mut team = Self { orders: orders.clone(), ends: Vec::new(), threads: Vec::new() };
        for ((number, inbox), requests) in inboxes.into_iter().enumerate().zip(requests) {
            let seat = Seat {
                number,
                config: Arc::clone(&config),
                share: sockets.share()?,
                orders: downgrade(),
                clients: Arc::clone(&clients),
                consoles: Arc::clone(&consoles),
                crowd: Arc::clone(&crowd),
                desk: desk.clone(),
            };
            team.hire(seat, Inbox { orders: inbox, requests })?;
        }
        Ok(team)
    }

    /// Tells all workers to end once their transactions have.
    pub(super) fn drain(&self) {
        for orders in &self.orders {
            let _ = orders.send(Order::Drain);
        }
    }

    /// Waits until all workers have ended.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(super) async fn wait(&mut self) -> io::Result<()> {
        for end in &mut self.ends {
            // A worker that panicked has dropped its sender.
            end.await.map_err(|_| ended_early())?;
        }
        Ok(())
    }

    fn hire(&mut self, seat: Seat, inbox: Inbox) -> io::Result<()> {
        let (ended, end) = oneshot::channel();
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let name = format!("worker-{}", seat.number);
        let thread = std::thread::Builder::new().name(name).spawn(move || {
            LocalSet::new().block_on(&runtime, work(seat, inbox));
            let _ = ended.send(());
        })?;
        self.ends.push(end);
        self.threads.push(thread);
        Ok(())
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
    orders: Vec<mpsc::WeakUnboundedSender<Order>>,
    clients: Arc<AtomicUsize>,
    consoles: Arc<AtomicUsize>,
    crowd: Arc<Crowd>,
    desk: Desk,
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
    pub(super) config: Arc<Config>,
    pub(super) registry: Rc<Registry>,
    pub(super) slots: Rc<Slots>,
    pub(super) next_unnamed: Rc<Cell<u64>>,
    pub(super) clients: Arc<AtomicUsize>,
    pub(super) consoles: Arc<AtomicUsize>,
    pub(super) crowd: Arc<Crowd>,
    pub(super) desk: Desk,
    orders: Vec<mpsc::WeakUnboundedSender<Order>>,
    tasks: Cell<usize>,
    quiet: Notify,
    accepting: RefCell<Vec<tokio::task::AbortHandle>>,
}

impl Worker {
    fn new(seat: &Seat) -> Rc<Self> {
        Rc::new(Self {
            number: seat.number,
            config: Arc::clone(&seat.config),
            registry: Registry::new(seat.config.blueprint.clone()),
            slots: Slots::new(seat.number),
            next_unnamed: Rc::default(),
            clients: Arc::clone(&seat.clients),
            consoles: Arc::clone(&seat.consoles),
            crowd: Arc::clone(&seat.crowd),
            desk: seat.desk.clone(),
            orders: seat.orders.clone(),
            tasks: Cell::new(0),
            quiet: Notify::new(),
            accepting: RefCell::default(),
        })
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
        (hasher.finish() % self.orders.len() as u64) as usize
    }

    /// Tells another worker something. Gives the order back when that worker is gone.
    pub(super) fn tell(&self, worker: usize, order: Order) -> Result<(), Order> {
        let Some(orders) = self.orders.get(worker).and_then(|orders| orders.upgrade()) else {
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
        if let Some(listener) = share.unix {
            let listener = tokio::net::UnixListener::from_std(listener)?;
            accepting.push(spawn_local(accept_unix(Rc::clone(self), listener)).abort_handle());
        }
        Ok(())
    }

    async fn drain(&self) {
        self.accepting.borrow_mut().drain(..).for_each(|task| task.abort());
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
        match order {
            Order::Serve(client) => worker.spawn(welcome(Rc::clone(&worker), client)),
            Order::Cancel(key, done) => {
                let worker = Rc::clone(&worker);
                spawn_local(async move {
                    cancel(&worker, key).await;
                    let _ = done.send(());
                });
            }
            Order::Drain => break,
        }
    }
    // Without senders left, the process wants to end at once; after `Drain` there still are some.
    tokio::select! {
        () = worker.drain() => {}
        () = async { while inbox.recv().await.is_some() {} } => {}
    }
}
