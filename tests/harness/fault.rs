//! A TCP relay between the proxy and PostgreSQL that can be told to fail.
//!
//! It runs on a thread and runtime of its own, so that a test that blocks does not stop it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};

/// What the relay does with bytes and connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Passes bytes both ways.
    Pass,
    /// Keeps connections open and moves nothing; new ones are accepted and stall too.
    Stall,
    /// Passes bytes until the server has said something more, and stalls from then on.
    StallAfterReply,
    /// Passes bytes, and keeps from each side that the other one has closed.
    KeepOpen,
    /// Closes each new connection at once. Open ones go on.
    Refuse,
}

/// What is to happen, as the relay's tasks see it.
#[derive(Debug, Clone, Copy)]
struct Order {
    mode: Mode,
    /// Raised by each cut: connections of an earlier number are closed.
    cuts: u64,
    /// Raised by each half-close: the server's side is reported as ended to the proxy.
    half_closes: u64,
}

/// What the relay's tasks share.
#[derive(Clone)]
struct Shared {
    order: watch::Sender<Order>,
    /// Pieces from the proxy that a stall keeps from going on.
    held: Arc<AtomicUsize>,
}

/// Which way bytes go.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Up,
    Down,
}

/// A running relay.
pub struct Fault {
    port: u16,
    shared: Shared,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Fault {
    /// A relay in mode `Pass` on a free port, to 127.0.0.1:`target`.
    ///
    /// # Panics
    /// When no port is free.
    pub fn start(target: u16) -> Self {
        let first = Order { mode: Mode::Pass, cuts: 0, half_closes: 0 };
        let shared = Shared { order: watch::channel(first).0, held: Arc::default() };
        let (stop, stopped) = oneshot::channel();
        let (port_sender, port) = mpsc::channel();
        let tasks = shared.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime can be built").block_on(async {
                let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
                let address = listener.local_addr().expect("a listener has an address");
                port_sender.send(address.port()).expect("the starter waits for the port");
                tokio::select! {
                    () = accept_loop(listener, target, tasks) => {}
                    _ = stopped => {}
                }
            });
        });
        let port = port.recv().expect("the relay's thread sends its port");
        Self { port, shared, stop: Some(stop), thread: Some(thread) }
    }

    /// Where the relay listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Changes what happens to bytes and new connections from now on.
    pub fn set(&self, mode: Mode) {
        self.shared.order.send_modify(|order| order.mode = mode);
    }

    /// How many pieces of what the proxy sent a stall keeps from going on.
    pub fn held(&self) -> usize {
        self.shared.held.load(Ordering::Relaxed)
    }

    /// Closes every open connection, both sides, without a word.
    pub fn cut(&self) {
        self.shared.order.send_modify(|order| order.cuts += 1);
    }

    /// Tells the proxy's side end of file on every open connection, and goes on reading from it.
    pub fn half_close(&self) {
        self.shared.order.send_modify(|order| order.half_closes += 1);
    }
}

impl Drop for Fault {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn accept_loop(listener: TcpListener, target: u16, shared: Shared) {
    loop {
        let Ok((near, _)) = listener.accept().await else { continue };
        if shared.order.borrow().mode == Mode::Refuse {
            continue;
        }
        let address = SocketAddr::from(([127, 0, 0, 1], target));
        tokio::spawn(relay(near, address, shared.clone()));
    }
}

async fn relay(near: TcpStream, target: SocketAddr, shared: Shared) {
    let Ok(far) = TcpStream::connect(target).await else { return };
    let _ = (near.set_nodelay(true), far.set_nodelay(true));
    let born = *shared.order.borrow();
    let (near_read, near_write) = near.into_split();
    let (far_read, far_write) = far.into_split();
    let (mut cut, mut half_close) = (shared.order.subscribe(), shared.order.subscribe());
    let half_closed = half_close.wait_for(|order| order.half_closes > born.half_closes);
    tokio::select! {
        _ = cut.wait_for(|order| order.cuts > born.cuts) => {}
        _ = async {
            tokio::join!(
                pump(near_read, far_write, &shared, Way::Up),
                // Dropping this pump drops its write half, which sends end of file to the proxy.
                async {
                    tokio::select! {
                        () = pump(far_read, near_write, &shared, Way::Down) => {}
                        _ = half_closed => {}
                    }
                },
            )
        } => {}
    }
}

/// Moves bytes one way until either side ends.
async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, shared: &Shared, way: Way) {
    let mut orders = shared.order.subscribe();
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let mode = orders.borrow().mode;
        if mode == Mode::StallAfterReply && way == Way::Down {
            // This piece still goes on, and what answers it does not.
            shared.order.send_modify(|order| order.mode = Mode::Stall);
        } else if mode == Mode::Stall {
            let _held = (way == Way::Up).then(|| Held::new(&shared.held));
            if orders.wait_for(|order| order.mode != Mode::Stall).await.is_err() {
                return;
            }
        }
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
    let _ = orders.wait_for(|order| order.mode != Mode::KeepOpen).await;
}

/// One piece that a stall keeps.
struct Held<'a>(&'a AtomicUsize);

impl<'a> Held<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
