//! What may be seen of a server connection from outside while a session has it.
//!
//! Plain cells of one worker thread. Must not know who looks, nor what a client is beyond its number.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Instant, SystemTime};

use crate::backend::dial::BackendKey;
use crate::backend::report::Report;
use crate::net::stream::ServerStream;

/// What a server connection does for its client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Work {
    /// Nothing, and it is outside of a transaction.
    #[default]
    Rest,
    /// It answers what it was sent at this time.
    Query(Instant),
    /// It waits inside a transaction since it answered at this time.
    InTransaction(Instant),
}

/// The outside of one server connection.
#[derive(Debug)]
pub struct Vitals {
    /// Names its backend, and says where it is.
    pub key: Rc<BackendKey>,
    /// This end of the connection; none over a unix socket.
    pub local: Option<SocketAddr>,
    /// Whether it is encrypted.
    pub is_tls: bool,
    /// Whether it reports itself what its session holds.
    pub reports: bool,
    /// When it was connected.
    pub connected_at: SystemTime,
    /// The client that has it, by the process id that the client was told; 0 for none.
    pub client: Cell<u32>,
    /// When it was last sent a request.
    pub requested_at: Cell<Option<Instant>>,
    /// What it does.
    pub work: Cell<Work>,
    /// When the transaction began that it is in.
    pub transaction_since: Cell<Option<Instant>>,
    /// Counts what it answered to the end.
    pub answers: Cell<u32>,
    /// Named statements that it has.
    pub statements: Cell<usize>,
    /// Cancel requests on their way to it.
    pub cancels: Rc<Cell<u32>>,
    /// Set when it must not serve another client.
    pub close_needed: Cell<bool>,
}

impl Vitals {
    /// Of a connection that was just made and serves nobody.
    pub fn new(key: Rc<BackendKey>, stream: &ServerStream, report: Option<&Report>) -> Rc<Self> {
        Rc::new(Self {
            key,
            local: stream.local_address(),
            is_tls: stream.is_tls(),
            reports: report.is_some(),
            connected_at: SystemTime::now(),
            client: Cell::new(0),
            requested_at: Cell::new(None),
            work: Cell::default(),
            transaction_since: Cell::default(),
            answers: Cell::default(),
            statements: Cell::new(0),
            cancels: Rc::default(),
            close_needed: Cell::new(false),
        })
    }
}
