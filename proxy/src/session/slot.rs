//! The sessions of one worker as seen from outside: where a cancel request goes, and how a session is told to end.
//!
//! Must not know what a session does.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use tokio::task::spawn_local;
use tokio::time::sleep;

use crate::backend::dial::send_cancel;
use crate::backend::server::Server;
use crate::backend::target::Target;
use crate::backend::vitals::{Vitals, Work};
use crate::session::startup::{CancelKey, Protocol};

/// Length of a key under protocol 3.2, as PostgreSQL 18 makes them (`MAX_CANCEL_KEY_LENGTH` in libpq/pqcomm.h allows 256).
const LONG_SECRET_LEN: usize = 32;
/// Length of a key under protocol 3.0.
const SHORT_SECRET_LEN: usize = 4;
/// Workers that a process id has room for: six of its upper bits say which worker has the session.
pub const WORKERS_MAX: usize = 1 << WORKER_BITS;
/// The highest number of a process among its peers: five bits above those of the worker. The sign stays positive, as that
/// of process ids is.
pub const PEER_MAX: PeerId = (1 << PEER_BITS) - 1;
/// A million sessions of one worker, which is as many as there may be clients.
const SERIAL_BITS: u32 = 20;
const WORKER_BITS: u32 = 6;
const PEER_BITS: u32 = 5;

/// The number of a process among its peers; 0 is a process that has none.
pub type PeerId = u8;

/// For how long a server may not have read a request that it was sent.
const NEW_FOR: Duration = Duration::from_secs(2);
/// When a cancel request that had no effect is sent again.
const CANCEL_AGAIN_AFTER: Duration = Duration::from_millis(500);

/// What the worker keeps of one session.
pub struct Slot {
    /// What a client has to know to cancel here.
    secret: CancelSecret,
    serving: Cell<Option<Serving>>,
    queueing: Cell<Queueing>,
    waker: Cell<Option<Waker>>,
    ending: Cell<bool>,
    killed: Cell<bool>,
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot").field("queueing", &self.queueing).finish_non_exhaustive()
    }
}

/// The secret of a cancel key. The one that nearly all clients have is in place: each keeps it for as long as it lives (I7).
#[derive(Debug)]
enum CancelSecret {
    Short([u8; SHORT_SECRET_LEN]),
    Long(Box<[u8; LONG_SECRET_LEN]>),
}

impl CancelSecret {
    fn random(protocol: Protocol, random: &SystemRandom) -> Self {
        let mut secret = match protocol {
            Protocol::V3_0 => Self::Short(Default::default()),
            Protocol::V3_2 => Self::Long(Box::default()),
        };
        random.fill(secret.bytes_mut()).expect("the operating system has random bytes");
        secret
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::Short(bytes) => bytes,
            Self::Long(bytes) => &**bytes,
        }
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        match self {
            Self::Short(bytes) => bytes,
            Self::Long(bytes) => &mut **bytes,
        }
    }
}

/// What becomes of a cancel request while no server connection serves the session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Queueing {
    /// It finds nothing to cancel.
    #[default]
    No,
    /// It ends the request that waits for a server connection.
    Waits,
    /// It has come.
    Cancelled,
}

#[derive(Clone, Debug)]
struct Serving {
    vitals: Rc<Vitals>,
    target: Arc<Target>,
}

impl Slot {
    fn new(secret: CancelSecret) -> Self {
        Self {
            secret,
            serving: Cell::default(),
            queueing: Cell::default(),
            waker: Cell::default(),
            ending: Cell::default(),
            killed: Cell::default(),
        }
    }

    /// From now on a cancel request for this session ends the request that waits for a server connection.
    pub fn queue(&self) {
        if self.queueing.get() == Queueing::No {
            self.queueing.set(Queueing::Waits);
        }
    }

    /// True when the request that waits has been cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.queueing.get() == Queueing::Cancelled
    }

    /// Waits until the request that waits is cancelled.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn cancelled(&self) {
        self.until(Self::is_cancelled).await;
    }

    /// From now on a cancel request for this session goes to `server`.
    pub fn serve(&self, server: &Server) {
        self.queueing.set(Queueing::No);
        let (vitals, target) = (Rc::clone(&server.vitals), Arc::clone(&server.target));
        self.serving.set(Some(Serving { vitals, target }));
    }

    /// From now on a cancel request for this session finds nothing to cancel.
    pub fn rest(&self) {
        self.serving.set(None);
        self.queueing.set(Queueing::No);
    }

    /// True when the session has to end as soon as it holds no server connection.
    pub fn is_ending(&self) -> bool {
        self.ending.get()
    }

    /// Has the task of `cx` woken when the session is told to end, and when a cancel request comes or is over.
    pub fn watch(&self, cx: &Context<'_>) {
        let known = self.waker.take().filter(|known| known.will_wake(cx.waker()));
        self.waker.set(Some(known.unwrap_or_else(|| cx.waker().clone())));
    }

    /// Tells the session to end.
    pub fn end(&self) {
        self.ending.set(true);
        self.wake();
    }

    /// Has the session end at once, whatever it is doing.
    pub fn kill(&self) {
        self.killed.set(true);
        self.end();
    }

    /// Does the session's work; none when the session is to end at once instead.
    ///
    /// # Cancel safety
    /// As that of `work`, which is dropped midway when the session is killed.
    pub async fn unless_killed<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut work = pin!(work);
        poll_fn(|cx| {
            if self.killed.get() {
                return Poll::Ready(None);
            }
            self.watch(cx);
            work.as_mut().poll(cx).map(Some)
        })
        .await
    }

    /// Waits until the session is to end.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn ended(&self) {
        self.until(Self::is_ending).await;
    }

    async fn until(&self, is_so: impl Fn(&Self) -> bool) {
        let poll = |cx: &mut Context<'_>| {
            if is_so(self) {
                return Poll::Ready(());
            }
            self.watch(cx);
            Poll::Pending
        };
        poll_fn(poll).await;
    }

    /// Passes a cancel request on, or ends the request that waits for a server connection.
    ///
    /// A server drops a cancel request that comes before it has begun to read what is to be cancelled (tcop/postgres.c,
    /// `ProcessInterrupts`). The client has waited longer than it takes a server to read, but its request may have come out of
    /// the queue just now: then the cancel request is sent again, for as long as the same request is new and unanswered.
    async fn cancel(self: Rc<Self>) {
        let Some(serving) = self.serving() else {
            if self.queueing.get() == Queueing::Waits {
                self.queueing.set(Queueing::Cancelled);
                self.wake();
            }
            return;
        };
        let work = serving.vitals.work.get();
        self.send_cancel(&serving).await;
        if is_new(work) {
            spawn_local(self.cancel_again(serving, work));
        }
    }

    fn serving(&self) -> Option<Serving> {
        let serving = self.serving.take();
        self.serving.set(serving.clone());
        serving
    }

    async fn cancel_again(self: Rc<Self>, serving: Serving, work: Work) {
        loop {
            sleep(CANCEL_AGAIN_AFTER).await;
            if serving.vitals.work.get() != work {
                return;
            }
            self.send_cancel(&serving).await;
            if !is_new(work) {
                return;
            }
        }
    }

    /// While a cancel request is under way the server connection serves no other client, and is sent no further request of this
    /// one. It is closed soon when the cancel request may still arrive later.
    async fn send_cancel(&self, Serving { vitals, target }: &Serving) {
        vitals.cancels.set(vitals.cancels.get() + 1);
        if let Err(error) = send_cancel(target, &vitals.key).await {
            tracing::debug!(%error, "a cancel request did not reach the server");
            vitals.close_needed.set(true);
        }
        vitals.cancels.set(vitals.cancels.get() - 1);
        self.wake();
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// All sessions of one worker.
#[derive(Debug)]
pub struct Slots {
    prefix: u32,
    slots: RefCell<HashMap<u32, Rc<Slot>>>,
    next_serial: Cell<u32>,
    ending: Cell<bool>,
    random: SystemRandom,
}

impl Slots {
    /// No sessions yet, for the worker with this number in the process with that one.
    pub fn new(peer: PeerId, worker: usize) -> Rc<Self> {
        let prefix = (u32::from(peer) << WORKER_BITS | worker as u32) << SERIAL_BITS;
        let slots = RefCell::default();
        Rc::new(Self {
            prefix,
            slots,
            next_serial: Cell::new(1),
            ending: Cell::new(false),
            random: SystemRandom::new(),
        })
    }

    /// A slot for a new session, with a key of the length that its protocol has.
    pub fn open(self: &Rc<Self>, protocol: Protocol) -> OpenSlot {
        let slot = Rc::new(Slot::new(CancelSecret::random(protocol, &self.random)));
        slot.ending.set(self.ending.get());
        let pid = self.free_pid();
        self.slots.borrow_mut().insert(pid, Rc::clone(&slot));
        OpenSlot { slot, pid, slots: Rc::clone(self) }
    }

    /// Passes a cancel request on to the server that serves the session with this key, if there is one.
    pub async fn cancel(&self, key: &CancelKey) {
        let slot = {
            let slots = self.slots.borrow();
            let slot = slots.get(&(key.pid as u32));
            slot.filter(|slot| same(slot.secret.bytes(), &key.secret)).map(Rc::clone)
        };
        if let Some(slot) = slot {
            slot.cancel().await;
        }
    }

    /// Cancels what the session whose client was told this process id runs.
    pub async fn cancel_session(&self, pid: u32) {
        let slot = self.slots.borrow().get(&pid).map(Rc::clone);
        if let Some(slot) = slot {
            slot.cancel().await;
        }
    }

    /// Tells all sessions to end, those still to come included.
    pub fn end_all(&self) {
        self.ending.set(true);
        let slots: Vec<_> = self.slots.borrow().values().map(Rc::clone).collect();
        slots.iter().for_each(|slot| slot.end());
    }

    /// Ends the session whose client was told this process id at once; false when there is none.
    pub fn kill(&self, pid: u32) -> bool {
        let slot = self.slots.borrow().get(&pid).map(Rc::clone);
        slot.inspect(|slot| slot.kill()).is_some()
    }

    /// How many sessions there are.
    pub fn len(&self) -> usize {
        self.slots.borrow().len()
    }

    /// True when there is no session.
    pub fn is_empty(&self) -> bool {
        self.slots.borrow().is_empty()
    }

    fn free_pid(&self) -> u32 {
        let slots = self.slots.borrow();
        loop {
            let serial = self.next_serial.get();
            self.next_serial.set((serial + 1) & ((1 << SERIAL_BITS) - 1));
            let pid = self.prefix | serial;
            if serial != 0 && !slots.contains_key(&pid) {
                return pid;
            }
        }
    }
}

/// The worker that has the session with this key.
pub fn worker_of(key: &CancelKey) -> usize {
    (key.pid as u32 >> SERIAL_BITS) as usize % WORKERS_MAX
}

/// The process that has the session with this key.
pub fn peer_of(key: &CancelKey) -> PeerId {
    (key.pid as u32 >> (SERIAL_BITS + WORKER_BITS)) as PeerId % (PEER_MAX + 1)
}

/// A session's slot; it is closed when this is dropped.
#[derive(Debug)]
pub struct OpenSlot {
    /// The slot.
    pub slot: Rc<Slot>,
    pid: u32,
    slots: Rc<Slots>,
}

impl OpenSlot {
    /// What the client has to send to cancel.
    pub fn key(&self) -> CancelKey {
        CancelKey { pid: self.pid as i32, secret: self.slot.secret.bytes().to_vec() }
    }
}

impl Drop for OpenSlot {
    fn drop(&mut self) {
        self.slots.slots.borrow_mut().remove(&self.pid);
    }
}

/// True for a request that its server may not have read yet.
fn is_new(work: Work) -> bool {
    matches!(work, Work::Query(since) if since.elapsed() < NEW_FOR)
}

/// Compares secrets in a time that does not tell how much of them is right.
fn same(ours: &[u8], theirs: &[u8]) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(ours, theirs).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot() -> Slot {
        Slot::new(CancelSecret::random(Protocol::V3_0, &SystemRandom::new()))
    }

    #[test]
    fn a_key_names_its_worker_and_process_and_a_closed_slot_is_gone() {
        let slots = Slots::new(PEER_MAX, 63);
        let open = slots.open(Protocol::V3_2);
        assert_eq!((peer_of(&open.key()), worker_of(&open.key())), (PEER_MAX, 63));
        assert!(open.key().pid > 0, "as every process id");
        assert_eq!((open.key().secret.len(), slots.len()), (LONG_SECRET_LEN, 1));
        drop(open);
        assert!(slots.is_empty());
    }

    #[test]
    fn a_cancel_request_ends_what_waits_and_nothing_that_comes_later() {
        let slot = Rc::new(slot());
        let cancel = || {
            let mut request = std::pin::pin!(Rc::clone(&slot).cancel());
            assert!(request.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
        };
        cancel();
        slot.queue();
        assert!(!slot.is_cancelled(), "it came too early");
        cancel();
        assert!(slot.is_cancelled());
        slot.rest();
        slot.queue();
        assert!(!slot.is_cancelled());
    }

    #[test]
    fn ending_wakes_and_is_remembered() {
        let slot = slot();
        slot.watch(&Context::from_waker(Waker::noop()));
        assert!(!slot.is_ending());
        slot.end();
        assert!(slot.is_ending());
    }
}
