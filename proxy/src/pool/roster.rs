//! The clients and server connections of one pool as they are seen from outside, and what their work is counted in.
//!
//! Plain cells that sessions write and the console reads, on one worker thread. Must not know sessions.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::{Rc, Weak};
use std::time::{Instant, SystemTime};

use crate::backend::settings::Settings;
use crate::backend::vitals::{Vitals, Work};
use crate::net::socket::Peer;
use crate::net::tcp_address::TcpAddress;
use crate::pool::config::PoolMode;
use crate::pool::counters::{Count, Counters};
use crate::pool::moment::Moment;
use crate::pool::overdue::Overdue;
use crate::router::holds::Holds;

/// All that is known of a pool's connections.
#[derive(Debug)]
pub struct Roster {
    /// Counts the work of the pool's database on this worker.
    pub counters: Rc<Counters>,
    clients: RefCell<BTreeMap<u32, Rc<ClientEntry>>>,
    servers: RefCell<Vec<Weak<Vitals>>>,
}

/// One client past its login.
#[derive(Debug)]
pub struct ClientEntry {
    /// The process id that it was told: unique in the process.
    pub id: u32,
    /// Where it comes from.
    pub peer: Peer,
    /// The address it connected to; none over a unix socket.
    pub local: Option<TcpAddress>,
    /// Whether it is encrypted.
    pub is_tls: bool,
    /// When it gives its server connection back.
    pub mode: PoolMode,
    /// When its login was done.
    pub connected_at: SystemTime,
    /// Counts its work.
    pub counters: Rc<Counters>,
    /// When its last request began.
    pub requested_at: Moment,
    /// Since when it asks for nothing, outside of a transaction; none while it does.
    pub rested_at: Moment,
    /// For what it took too long.
    pub overdue: Cell<Option<Overdue>>,
    /// Named statements that it has.
    pub statements: Cell<usize>,
    /// Since when it waits for a server connection.
    waiting_since: Moment,
    /// The process id of the backend that serves it; 0 for none.
    server: Cell<i32>,
    pin: Cell<Option<Pin>>,
    settings: RefCell<Rc<Settings>>,
}

/// Why a client keeps its server connection between transactions, and since when.
#[derive(Clone, Copy, Debug)]
pub struct Pin {
    /// The reasons.
    pub holds: Holds,
    /// Since when there is one.
    pub since: Instant,
}

/// What a client's entry starts with.
#[derive(Debug)]
pub struct Newcomer {
    /// The process id that it was told.
    pub id: u32,
    /// Where it comes from.
    pub peer: Peer,
    /// The address it connected to.
    pub local: Option<TcpAddress>,
    /// Whether it is encrypted.
    pub is_tls: bool,
    /// The settings it starts with.
    pub settings: Rc<Settings>,
    /// When it gives its server connection back.
    pub mode: PoolMode,
}

impl Roster {
    /// Nobody yet.
    pub fn new(counters: Rc<Counters>) -> Rc<Self> {
        Rc::new(Self { counters, clients: RefCell::default(), servers: RefCell::default() })
    }

    /// Enters a client; it is taken out again when the guard is dropped.
    pub fn enter(self: &Rc<Self>, newcomer: Newcomer) -> Entered {
        let entry = Rc::new(ClientEntry {
            id: newcomer.id,
            peer: newcomer.peer,
            local: newcomer.local,
            is_tls: newcomer.is_tls,
            mode: newcomer.mode,
            connected_at: SystemTime::now(),
            counters: Rc::clone(&self.counters),
            requested_at: Moment::default(),
            rested_at: Moment::at(Instant::now()),
            overdue: Cell::new(None),
            statements: Cell::new(0),
            waiting_since: Moment::default(),
            server: Cell::new(0),
            pin: Cell::new(None),
            settings: RefCell::new(newcomer.settings),
        });
        self.clients.borrow_mut().insert(entry.id, Rc::clone(&entry));
        Entered { entry, roster: Rc::clone(self) }
    }

    /// Enters a server connection; it is forgotten once it is closed.
    pub fn enter_server(&self, vitals: &Rc<Vitals>) {
        let mut servers = self.servers.borrow_mut();
        servers.retain(|server| server.strong_count() > 0);
        servers.push(Rc::downgrade(vitals));
    }

    /// The clients in the order of their numbers.
    pub fn clients(&self) -> Vec<Rc<ClientEntry>> {
        self.clients.borrow().values().map(Rc::clone).collect()
    }

    /// The client of this number.
    pub fn client(&self, id: u32) -> Option<Rc<ClientEntry>> {
        self.clients.borrow().get(&id).map(Rc::clone)
    }

    /// The server connections that are open.
    pub fn servers(&self) -> Vec<Rc<Vitals>> {
        self.servers.borrow().iter().filter_map(Weak::upgrade).collect()
    }
}

impl ClientEntry {
    /// Notes that the client waits for a server connection, until the guard is dropped.
    pub fn wait(&self) -> Waiting<'_> {
        let since = Instant::now();
        self.waiting_since.set(Some(since));
        Waiting { entry: self, since }
    }

    /// Since when the client waits.
    pub fn waiting_since(&self) -> Option<Instant> {
        self.waiting_since.get()
    }

    /// Notes which server connection serves the client from now on.
    pub fn attach(&self, vitals: &Vitals) {
        vitals.client.set(self.id);
        vitals.work.set(Work::Rest);
        self.server.set(vitals.key.pid);
        self.counters.add(Count::Assignments, 1);
    }

    /// Notes that the client has given its server connection back.
    pub fn detach(&self, vitals: &Vitals) {
        vitals.client.set(0);
        self.server.set(0);
        self.overdue.set(None);
        self.pin.set(None);
    }

    /// The process id of the backend that serves the client; 0 for none.
    pub fn server(&self) -> i32 {
        self.server.get()
    }

    /// Notes what keeps the server connection with the client after a transaction. Reasons are counted as they come.
    pub fn hold(&self, holds: Holds, now: Instant) {
        let before = self.pin.get();
        if holds.is_none() {
            return self.pin.set(None);
        }
        self.counters.pin(holds.without(self.holds()));
        self.pin.set(Some(Pin { holds, since: before.map_or(now, |pin| pin.since) }));
    }

    /// What keeps the server connection with the client.
    pub fn pin(&self) -> Option<Pin> {
        self.pin.get()
    }

    /// The reasons that keep the server connection with the client.
    pub fn holds(&self) -> Holds {
        self.pin.get().map_or(Holds::NONE, |pin| pin.holds)
    }

    /// Notes the settings that follow the client.
    pub fn note_settings(&self, settings: &Rc<Settings>) {
        if !Rc::ptr_eq(&self.settings.borrow(), settings) {
            *self.settings.borrow_mut() = Rc::clone(settings);
        }
    }

    /// The name that its application gave itself.
    pub fn application_name(&self) -> String {
        self.settings.borrow().get("application_name").unwrap_or_default().to_owned()
    }
}

/// A client's entry for as long as it is connected.
#[derive(Debug)]
pub struct Entered {
    /// The entry.
    pub entry: Rc<ClientEntry>,
    roster: Rc<Roster>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.roster.clients.borrow_mut().remove(&self.entry.id);
    }
}

/// A client's wait for a server connection: counted when it ends, however it ends.
#[derive(Debug)]
pub struct Waiting<'a> {
    entry: &'a ClientEntry,
    since: Instant,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.entry.waiting_since.set(None);
        self.entry.counters.add_time(Count::WaitUs, self.since.elapsed());
    }
}
