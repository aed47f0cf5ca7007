//! What an operator may ask of the pools, how it reaches every worker, and which databases are held closed or paused.
//!
//! Must not know who the operator is or how it speaks.

use std::collections::HashSet;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::pool::Pool;
use crate::pool::registry::Registry;
use crate::pool::snapshot::{Detail, Snapshot};

/// Requests that wait for a worker at most.
const QUEUE_LEN_MAX: usize = 64;
/// How long a worker gets to answer. It does so between two steps of its other work, so this is very long.
const PATIENCE: Duration = Duration::from_secs(5);

/// Which databases a command is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All of them, those to come included.
    All,
    /// The one of this name.
    Database(String),
}

/// What a worker is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// To show its pools.
    Show(Detail),
    /// To hand out no server connection and close those that are given back.
    Pause(Scope),
    /// To go on after a pause.
    Resume(Scope),
    /// To replace all server connections as they become free.
    Reconnect(Scope),
    /// To end all clients of a database, close its server connections and pause it.
    Kill(Scope),
    /// To end the client of this number.
    KillClient(u32),
    /// To refuse newcomers to this database.
    Disable(String),
    /// To let newcomers to this database in again.
    Enable(String),
    /// To count the server connections.
    Count(Scope),
}

/// What a worker answers.
#[derive(Clone, Debug)]
pub enum Reply {
    /// Its pools.
    Snapshot(Box<Snapshot>),
    /// It is done. The number of pools, clients or databases that it concerned.
    Done(usize),
    /// Its server connections.
    Connections(Connections),
}

/// How many server connections there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Connections {
    /// All of them, those being made included.
    pub total: usize,
    /// Those that are closed as soon as they are free.
    pub closing: usize,
}

/// A command on its way to a worker.
#[derive(Debug)]
pub struct Request {
    /// The command.
    pub command: Command,
    /// Where the answer goes.
    pub reply: oneshot::Sender<Reply>,
}

/// Where requests reach all workers from any thread.
#[derive(Clone, Debug)]
pub struct Remote(Vec<mpsc::Sender<Request>>);

/// A worker did not answer.
#[derive(Debug, thiserror::Error)]
#[error("a worker did not answer in time")]
pub struct NoAnswer;

/// Which databases are held closed or paused on one worker.
#[derive(Debug, Default)]
pub struct Gates {
    all_paused: bool,
    paused: HashSet<String>,
    disabled: HashSet<String>,
}

impl Remote {
    /// The way to `workers` workers, and where each of them gets its requests.
    pub fn new(workers: usize) -> (Self, Vec<mpsc::Receiver<Request>>) {
        let (senders, receivers) = (0..workers).map(|_| mpsc::channel(QUEUE_LEN_MAX)).unzip();
        (Self(senders), receivers)
    }

    /// Asks every worker the same and waits a bounded time for all answers.
    ///
    /// # Cancel safety
    /// Dropped midway, some workers may have done what was asked.
    pub async fn ask(&self, command: &Command) -> Result<Vec<Reply>, NoAnswer> {
        let asked = self.0.iter().map(|worker| ask_one(worker, command.clone()));
        let all = futures_util::future::try_join_all(asked);
        timeout(PATIENCE, all).await.unwrap_or(Err(NoAnswer))
    }
}

async fn ask_one(worker: &mpsc::Sender<Request>, command: Command) -> Result<Reply, NoAnswer> {
    let (reply, answer) = oneshot::channel();
    worker.send(Request { command, reply }).await.map_err(|_| NoAnswer)?;
    answer.await.map_err(|_| NoAnswer)
}

impl Scope {
    fn includes(&self, database: &str) -> bool {
        match self {
            Self::All => true,
            Self::Database(name) => name == database,
        }
    }
}

impl Gates {
    /// True when requests for this database queue up.
    pub fn is_paused(&self, database: &str) -> bool {
        self.all_paused || self.paused.contains(database)
    }

    /// True when requests for every database queue up.
    pub fn is_all_paused(&self) -> bool {
        self.all_paused
    }

    /// True when newcomers to this database are refused.
    pub fn is_disabled(&self, database: &str) -> bool {
        self.disabled.contains(database)
    }

    fn pause(&mut self, scope: &Scope) {
        match scope {
            Scope::All => self.all_paused = true,
            Scope::Database(name) => drop(self.paused.insert(name.clone())),
        }
    }

    /// Takes a pause of everything back for all databases, a pause of one for that one.
    fn resume(&mut self, scope: &Scope) {
        match scope {
            Scope::All => {
                self.all_paused = false;
                self.paused.clear();
            }
            Scope::Database(name) => drop(self.paused.remove(name)),
        }
    }
}

impl Registry {
    /// Does what concerns pools alone. Ending clients is left to the caller.
    pub fn execute(&self, command: &Command) -> Reply {
        match command {
            Command::Show(detail) => Reply::Snapshot(Box::new(self.snapshot(*detail))),
            Command::Pause(scope) => self.pause(scope),
            Command::Resume(scope) => self.resume(scope),
            Command::Reconnect(scope) => self.each(scope, Pool::reconnect),
            Command::Kill(scope) => {
                let reply = self.pause(scope);
                self.each(scope, Pool::reconnect);
                reply
            }
            Command::Disable(name) => {
                self.gates.borrow_mut().disabled.insert(name.clone());
                Reply::Done(1)
            }
            Command::Enable(name) => {
                self.gates.borrow_mut().disabled.remove(name);
                Reply::Done(1)
            }
            Command::Count(scope) => Reply::Connections(self.connections(scope)),
            Command::KillClient(_) => Reply::Done(0),
        }
    }

    /// The numbers of a database's clients.
    pub fn clients(&self, scope: &Scope) -> Vec<u32> {
        let rosters = self.selected(scope).into_iter().map(|pool| Rc::clone(&pool.roster));
        rosters.flat_map(|roster| roster.clients()).map(|entry| entry.id).collect()
    }

    /// The databases that are configured or were used.
    pub(super) fn known_databases(&self) -> Vec<String> {
        let mut names: HashSet<String> = self.blueprint().databases.keys().cloned().collect();
        names.extend(self.counters.borrow().keys().cloned());
        let gates = self.gates.borrow();
        names.extend(gates.paused.iter().chain(&gates.disabled).cloned());
        names.into_iter().collect()
    }

    fn pause(&self, scope: &Scope) -> Reply {
        self.gates.borrow_mut().pause(scope);
        self.each(scope, |pool| pool.pause())
    }

    fn resume(&self, scope: &Scope) -> Reply {
        self.gates.borrow_mut().resume(scope);
        let still = |pool: &Rc<Pool>| self.gates.borrow().is_paused(&pool.key.database);
        self.each(scope, |pool| {
            if !still(pool) {
                pool.resume()
            }
        })
    }

    fn connections(&self, scope: &Scope) -> Connections {
        let counted = self.selected(scope).into_iter().map(|pool| pool.connections());
        counted.fold(Connections::default(), |sum, (total, closing)| Connections {
            total: sum.total + total,
            closing: sum.closing + closing,
        })
    }

    fn each(&self, scope: &Scope, act: impl Fn(&Rc<Pool>)) -> Reply {
        let pools = self.selected(scope);
        pools.iter().for_each(act);
        Reply::Done(pools.len())
    }

    fn selected(&self, scope: &Scope) -> Vec<Rc<Pool>> {
        let pools = self.pools.borrow();
        let selected = pools.values().filter(|pool| scope.includes(&pool.key.database));
        selected.map(Rc::clone).collect()
    }
}

impl Pool {
    /// Hands out nothing more until [`Self::resume`]; connections are closed as they are given back.
    pub fn pause(&self) {
        self.state.borrow_mut().pause();
        self.close_idle();
    }

    /// Goes on after a pause.
    pub fn resume(self: &Rc<Self>) {
        self.state.borrow_mut().resume();
        self.open_for_waiters();
    }

    /// Has every connection that there is now closed, those in use as they are given back.
    pub fn reconnect(self: &Rc<Self>) {
        self.roster.servers().iter().for_each(|vitals| vitals.close_needed.set(true));
        self.close_idle();
        self.open_for_waiters();
    }

    /// How many connections there are, and how many of them are to be closed.
    pub fn connections(&self) -> (usize, usize) {
        let servers = self.roster.servers();
        let closing = servers.iter().filter(|vitals| vitals.close_needed.get()).count();
        (self.state.borrow().total(), closing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_of_everything_outlasts_the_resumption_of_one_database() {
        let (mut gates, one) = (Gates::default(), Scope::Database("a".into()));
        gates.pause(&one);
        assert!(gates.is_paused("a") && !gates.is_paused("b"));
        gates.pause(&Scope::All);
        gates.resume(&one);
        assert!(gates.is_paused("a") && gates.is_paused("b"));
        gates.resume(&Scope::All);
        assert!(!gates.is_paused("a"));
    }
}
