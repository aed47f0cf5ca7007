//! The decisions of a pool, as plain data: who gets which server connection, who waits, whether one more may be opened.
//!
//! First come, first served: a free connection goes directly to the longest waiter, never past it to a newcomer.
//! Knows neither sockets nor time nor what a connection or a waiter is.

use std::collections::VecDeque;

/// Names one waiter.
pub type WaiterId = u64;

/// The right to open one server connection, counted against the maximum until it is given back.
#[must_use]
#[derive(Debug)]
pub struct ConnectPermit(());

/// The state of one pool over server connections `S` and waiters `W`.
#[derive(Debug)]
pub struct PoolState<S, W> {
    idle: Vec<S>,
    waiters: VecDeque<(WaiterId, W)>,
    next_waiter: WaiterId,
    active: usize,
    connecting: usize,
    max: usize,
    reserve: usize,
    queue_len_max: usize,
    paused: bool,
}

/// The queue has as many waiters as it may have.
#[derive(Debug, PartialEq, Eq)]
pub struct QueueFull;

/// There are as many connections as there may be.
#[derive(Debug, PartialEq, Eq)]
pub struct Full(pub usize);

/// What becomes of a server connection that is free.
#[derive(Debug, PartialEq, Eq)]
pub enum Release<S, W> {
    /// This waiter gets it.
    HandOver(W, S),
    /// It is idle in the pool.
    Idle,
    /// Nobody waits and there are more than the maximum: it is out of the pool and to be closed.
    Surplus(S),
}

impl<S, W> PoolState<S, W> {
    /// An empty pool of at most `max` connections and `queue_len_max` waiters.
    pub fn new(max: usize, queue_len_max: usize) -> Self {
        let (idle, waiters) = (Vec::new(), VecDeque::new());
        Self {
            idle,
            waiters,
            next_waiter: 0,
            active: 0,
            connecting: 0,
            max,
            reserve: 0,
            queue_len_max,
            paused: false,
        }
    }

    /// The same with `reserve` connections beyond the maximum for those who wait too long.
    pub fn with_reserve(self, reserve: usize) -> Self {
        Self { reserve, ..self }
    }

    /// The most recently used idle connection, unless somebody waits already.
    pub fn take_idle(&mut self) -> Option<S> {
        if !self.waiters.is_empty() || self.paused {
            return None;
        }
        let server = self.idle.pop()?;
        self.active += 1;
        Some(server)
    }

    /// Puts a waiter at the end of the queue.
    pub fn enqueue(&mut self, waiter: W) -> Result<WaiterId, QueueFull> {
        if self.waiters.len() >= self.queue_len_max {
            return Err(QueueFull);
        }
        let id = self.next_waiter;
        self.next_waiter += 1;
        self.waiters.push_back((id, waiter));
        Ok(id)
    }

    /// Takes a waiter out that no longer waits. False when it was served already.
    pub fn abandon(&mut self, id: WaiterId) -> bool {
        let found = self.waiters.binary_search_by_key(&id, |(waiter, _)| *waiter);
        found.is_ok_and(|index| self.waiters.remove(index).is_some())
    }

    /// Permission to open one more connection, when a waiter needs it and the maximum allows it.
    pub fn permit_for_waiters(&mut self) -> Option<ConnectPermit> {
        (self.connecting < self.waiters.len()).then(|| self.permit()).flatten()
    }

    /// Permission to open one more connection up to `min` in total.
    pub fn permit_for_min(&mut self, min: usize) -> Option<ConnectPermit> {
        (self.total() < min).then(|| self.permit()).flatten()
    }

    /// Counts one connection in that is not the pool's to hand out, when the maximum allows it; `closed` takes it out.
    pub fn lend(&mut self) -> Result<(), Full> {
        if self.total() >= self.max {
            return Err(Full(self.max));
        }
        self.active += 1;
        Ok(())
    }

    /// Permission to open one more connection for a waiter that waited too long, out of the reserve when there is no
    /// other way.
    pub fn permit_for_overdue(&mut self) -> Option<ConnectPermit> {
        let needed = self.connecting < self.waiters.len();
        needed.then(|| self.permit_within(self.max + self.reserve)).flatten()
    }

    /// A new connection is there: the permit is spent.
    pub fn connected(&mut self, permit: ConnectPermit, server: S) -> Release<S, W> {
        self.connecting -= 1;
        drop(permit);
        self.active += 1;
        self.release(server)
    }

    /// The attempt failed: the permit is given back.
    pub fn connect_failed(&mut self, permit: ConnectPermit) {
        self.connecting -= 1;
        drop(permit);
    }

    /// A connection in use is free again.
    pub fn release(&mut self, server: S) -> Release<S, W> {
        if !self.paused
            && let Some((_, waiter)) = self.waiters.pop_front()
        {
            return Release::HandOver(waiter, server);
        }
        self.active -= 1;
        if self.total() >= self.max {
            return Release::Surplus(server);
        }
        self.idle.push(server);
        Release::Idle
    }

    /// A connection in use is gone.
    pub fn closed(&mut self) {
        self.active -= 1;
    }

    /// Takes all waiters out, to tell them that there will be nothing.
    pub fn take_waiters(&mut self) -> impl Iterator<Item = W> {
        std::mem::take(&mut self.waiters).into_iter().map(|(_, waiter)| waiter)
    }

    /// Takes out up to `len_max` idle connections that `is_due`, least recently used first.
    pub fn reap(&mut self, len_max: usize, mut is_due: impl FnMut(&S) -> bool) -> Vec<S> {
        let mut reaped = Vec::new();
        let mut index = 0;
        while index < self.idle.len() && reaped.len() < len_max {
            if is_due(&self.idle[index]) {
                reaped.push(self.idle.remove(index));
            } else {
                index += 1;
            }
        }
        reaped
    }

    /// Takes out up to `len_max` idle connections that `is_due`, as if a client had them: they are released or closed.
    pub fn borrow_idle(&mut self, len_max: usize, is_due: impl FnMut(&S) -> bool) -> Vec<S> {
        let borrowed = self.reap(len_max, is_due);
        self.active += borrowed.len();
        borrowed
    }

    /// Changes what is allowed; connections above it go as they become free, and waiters stay.
    pub fn set_sizes(&mut self, max: usize, reserve: usize, queue_len_max: usize) {
        self.max = max;
        self.reserve = reserve;
        self.queue_len_max = queue_len_max;
    }

    /// Stops handing out and opening connections; requests queue up.
    pub fn pause(&mut self) {
        self.paused = true;
    }

    /// Goes on after a pause.
    pub fn resume(&mut self) {
        self.paused = false;
    }

    /// True while nothing is handed out.
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// The connections nobody uses.
    pub fn idle(&self) -> &[S] {
        &self.idle
    }

    /// Connections in use, by clients or for cleaning up.
    pub fn active_len(&self) -> usize {
        self.active
    }

    /// Connections that exist or are being made.
    pub fn total(&self) -> usize {
        self.idle.len() + self.active + self.connecting
    }

    /// Connections nobody uses.
    pub fn idle_len(&self) -> usize {
        self.idle.len()
    }

    /// Connections being made.
    pub fn connecting_len(&self) -> usize {
        self.connecting
    }

    /// Requests that wait.
    pub fn waiting_len(&self) -> usize {
        self.waiters.len()
    }

    /// True when there are more connections than the maximum and the reserve: it was lowered meanwhile.
    pub fn is_over_max(&self) -> bool {
        self.total() > self.max + self.reserve
    }

    fn permit(&mut self) -> Option<ConnectPermit> {
        self.permit_within(self.max)
    }

    fn permit_within(&mut self, max: usize) -> Option<ConnectPermit> {
        (self.total() < max && !self.paused).then(|| {
            self.connecting += 1;
            ConnectPermit(())
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_free_connection_goes_to_the_longest_waiter() {
        let mut state: PoolState<u32, char> = PoolState::new(1, 10);
        state.enqueue('a').unwrap();
        let permit = state.permit_for_waiters().unwrap();
        state.enqueue('b').unwrap();
        assert!(state.permit_for_waiters().is_none());
        assert_eq!(state.connected(permit, 7), Release::HandOver('a', 7));
        assert_eq!(state.take_idle(), None, "a newcomer does not pass the one who waits");
        assert_eq!(state.release(7), Release::HandOver('b', 7));
        assert_eq!(state.release(7), Release::Idle);
        assert_eq!(state.take_idle(), Some(7));
    }

    #[test]
    fn a_lent_connection_counts_until_it_is_closed() {
        let mut state: PoolState<u32, char> = PoolState::new(1, 1);
        assert_eq!(state.lend(), Ok(()));
        assert_eq!((state.lend(), state.total()), (Err(Full(1)), 1));
        state.enqueue('a').unwrap();
        assert!(state.permit_for_waiters().is_none());
        state.closed();
        assert!(state.permit_for_waiters().is_some());
    }

    #[test]
    fn the_queue_has_an_end() {
        let mut state: PoolState<u32, char> = PoolState::new(1, 1);
        state.enqueue('a').unwrap();
        assert_eq!(state.enqueue('b'), Err(QueueFull));
    }

    #[test]
    fn a_paused_pool_hands_out_and_opens_nothing_until_it_goes_on() {
        let mut state: PoolState<u32, char> = PoolState::new(2, 10);
        state.enqueue('a').unwrap();
        let permit = state.permit_for_waiters().unwrap();
        state.pause();
        assert_eq!(state.connected(permit, 7), Release::Idle);
        assert_eq!(state.take_idle(), None);
        assert!(state.permit_for_waiters().is_none() && state.permit_for_min(2).is_none());
        assert_eq!(state.reap(usize::MAX, |_| true), [7]);
        state.resume();
        assert!(state.permit_for_waiters().is_some());
    }

    #[test]
    fn the_reserve_is_for_those_who_wait_too_long_and_goes_when_nobody_waits() {
        let mut state = PoolState::new(1, 10).with_reserve(1);
        state.enqueue('a').unwrap();
        let first = state.permit_for_waiters().unwrap();
        assert_eq!(state.connected(first, 1), Release::HandOver('a', 1));
        for waiter in ['b', 'c', 'd'] {
            state.enqueue(waiter).unwrap();
        }
        assert!(state.permit_for_waiters().is_none(), "the maximum is reached");
        let extra = state.permit_for_overdue().unwrap();
        assert!(state.permit_for_overdue().is_none(), "so is the reserve");
        assert_eq!(state.connected(extra, 2), Release::HandOver('b', 2));
        assert_eq!(state.release(2), Release::HandOver('c', 2));
        assert_eq!(state.release(1), Release::HandOver('d', 1));
        assert_eq!(state.release(2), Release::Surplus(2));
        assert_eq!(state.release(1), Release::Idle);
    }

    #[test]
    fn the_reserve_is_not_opened_for_nobody() {
        let mut state: PoolState<u32, char> = PoolState::new(1, 10).with_reserve(5);
        let id = state.enqueue('a').unwrap();
        state.abandon(id);
        assert!(state.permit_for_overdue().is_none());
    }

    #[derive(Clone, Debug)]
    enum Op {
        Acquire,
        Overdue,
        Borrow,
        Connected,
        ConnectFailed,
        Release,
        Close,
        Abandon(usize),
        Reap,
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            4 => Just(Op::Acquire),
            1 => Just(Op::Overdue),
            1 => Just(Op::Borrow),
            2 => Just(Op::Connected),
            1 => Just(Op::ConnectFailed),
            4 => Just(Op::Release),
            1 => Just(Op::Close),
            1 => (0usize..8).prop_map(Op::Abandon),
            1 => Just(Op::Reap),
        ]
    }

    /// The pool's shell, without sockets: it does with the state exactly what `shell.rs` does.
    #[derive(Default)]
    struct Model {
        permits: Vec<ConnectPermit>,
        in_use: Vec<u32>,
        waiting: VecDeque<(WaiterId, u64)>,
        next_server: u32,
        next_client: u64,
    }

    impl Model {
        fn hand_over(&mut self, release: Release<u32, u64>) {
            if let Release::HandOver(client, server) = release {
                let (_, first) = self.waiting.pop_front().expect("a waiter that was enqueued");
                assert_eq!(client, first, "first come, first served");
                self.in_use.push(server);
            } else if let Release::Surplus(_) = release {
                assert!(self.waiting.is_empty(), "a connection is closed while somebody waits");
            }
        }

        fn apply(&mut self, state: &mut PoolState<u32, u64>, op: Op) {
            match op {
                Op::Acquire => match state.take_idle() {
                    Some(server) => self.in_use.push(server),
                    None => self.enqueue(state),
                },
                Op::Overdue => self.permits.extend(state.permit_for_overdue()),
                Op::Borrow => self.in_use.extend(state.borrow_idle(1, |_| true)),
                Op::Connected => {
                    if let Some(permit) = self.permits.pop() {
                        self.next_server += 1;
                        let release = state.connected(permit, self.next_server);
                        self.hand_over(release);
                    }
                }
                Op::ConnectFailed => {
                    self.permits.pop().into_iter().for_each(|p| state.connect_failed(p));
                }
                Op::Release => {
                    if let Some(server) = self.in_use.pop() {
                        let release = state.release(server);
                        self.hand_over(release);
                    }
                }
                Op::Close => self.in_use.pop().into_iter().for_each(|_| state.closed()),
                Op::Abandon(index) => {
                    if let Some((id, _)) = self.waiting.remove(index) {
                        assert!(state.abandon(id));
                    }
                }
                Op::Reap => drop(state.reap(1, |_| true)),
            }
            self.permits.extend(state.permit_for_waiters());
        }

        fn enqueue(&mut self, state: &mut PoolState<u32, u64>) {
            self.next_client += 1;
            if let Ok(id) = state.enqueue(self.next_client) {
                self.waiting.push_back((id, self.next_client));
            }
        }
    }

    proptest! {
        #[test]
        fn the_counts_are_exact_and_no_waiter_is_lost(ops in prop::collection::vec(op(), 1..200)) {
            let mut state = PoolState::new(3, 5).with_reserve(2);
            let mut model = Model::default();
            for op in ops {
                model.apply(&mut state, op);
                prop_assert!(state.total() <= 5);
                let over = state.total() > 3 && state.idle_len() > 0;
                prop_assert!(!over, "the reserve idles");
                prop_assert_eq!(state.active, model.in_use.len());
                prop_assert_eq!(state.connecting, model.permits.len());
                prop_assert_eq!(state.waiting_len(), model.waiting.len());
                let idle_beside_waiters = state.idle_len() > 0 && state.waiting_len() > 0;
                prop_assert!(!idle_beside_waiters, "somebody waits beside an idle connection");
                let helped = state.connecting > 0 || state.active > 0;
                prop_assert!(state.waiting_len() == 0 || helped, "nobody will serve the waiters");
            }
        }
    }
}
