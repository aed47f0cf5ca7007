//! The process under its operators: settings that change while it serves, and the orderly end.
//!
//! Must not know where the settings come from or how an operator speaks.

use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::admin::{Answer, Ask, Assignment, Refused, Shutdown};
use crate::listener::worker::{self, Ends, Team};
use crate::listener::{Config, ListenerError};

/// Wishes that may wait.
const QUEUE_LEN_MAX: usize = 16;

/// Where the settings come from.
pub trait Source: Send {
    /// Reads all of them again.
    ///
    /// # Errors
    /// They cannot be used; what they were still holds.
    fn reload(&mut self) -> Result<Change, Refused>;

    /// Changes one of them.
    ///
    /// # Errors
    /// As [`Source::reload`].
    fn set(&mut self, assignment: &Assignment) -> Result<Change, Refused>;
}

/// New settings.
#[derive(Debug)]
pub struct Change {
    /// All of them.
    pub config: Config,
    /// Those that hold from the next start on, or from some other moment, in words.
    pub left: Vec<String>,
}

/// How the process begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Arrival {
    /// With listening sockets of its own.
    #[default]
    Fresh,
    /// With those of a process that runs, if there is one, which then drains.
    TakingOver,
}

/// What the process is told while it serves, and who knows the settings.
pub struct Operation {
    source: Box<dyn Source>,
    pub(super) arrival: Arrival,
    pub(super) asker: mpsc::Sender<Ask>,
    asks: mpsc::Receiver<Ask>,
}

impl Operation {
    /// Settings from `source`; asked by whoever has the sender.
    pub fn new(source: Box<dyn Source>) -> (Self, mpsc::Sender<Ask>) {
        let (asker, asks) = mpsc::channel(QUEUE_LEN_MAX);
        (Self { source, arrival: Arrival::Fresh, asker: asker.clone(), asks }, asker)
    }

    /// The same, beginning in this way.
    pub fn arriving(self, arrival: Arrival) -> Self {
        Self { arrival, ..self }
    }

    /// Does what it is told until it is told to end in a way that `counts`.
    ///
    /// # Cancel safety
    /// Dropped midway, some workers may have new settings and others not; the next change reaches all.
    async fn until(&mut self, team: &mut Team, counts: impl Fn(Shutdown) -> bool) -> Shutdown {
        loop {
            match self.asks.recv().await {
                // Nobody is left who could ask for anything else.
                None => return Shutdown::Now,
                Some(Ask::Shutdown(how)) if counts(how) => return how,
                Some(Ask::Shutdown(_)) => {}
                Some(Ask::Command(command)) => team.command(&command).await,
                Some(Ask::Reload(reply)) => {
                    let change = self.source.reload();
                    let _ = reply.send(apply(team, change).await);
                }
                Some(Ask::Set(assignment, reply)) => {
                    let change = self.source.set(&assignment);
                    let _ = reply.send(apply(team, change).await);
                }
            }
        }
    }
}

async fn apply(team: &mut Team, change: Result<Change, Refused>) -> Answer {
    match change {
        Ok(Change { config, left }) => {
            team.adopt(config).await;
            tracing::info!("the settings have changed");
            left.iter().for_each(|left| tracing::warn!("{left}"));
            Ok(left)
        }
        Err(refused) => {
            tracing::error!(error = %refused, "the settings stay as they were");
            Err(refused)
        }
    }
}

/// Serves until it is told to end, and then ends as it is told. `open` is dropped when no newcomers are to be served any
/// more.
///
/// # Cancel safety
/// Dropped midway, the workers end and all connections are closed.
pub(super) async fn operate(
    mut operation: Operation,
    (mut team, mut ends): (Team, Ends),
    open: impl Sized,
) -> Result<(), ListenerError> {
    let mut how = tokio::select! {
        how = operation.until(&mut team, |_| true) => how,
        failed = ends.wait() => return Err(failed.err().unwrap_or_else(worker::ended_early).into()),
    };
    tracing::info!(?how, "the proxy is to end");
    if how != Shutdown::Now {
        team.close().await;
    }
    // From now on a newcomer is refused by the system, so that it can go elsewhere at once.
    drop(open);
    if how == Shutdown::WaitForClients {
        how = wait_for_clients(&mut operation, &mut team).await;
    }
    if how == Shutdown::WaitForServers {
        drain(&mut operation, &mut team, &mut ends).await;
    }
    Ok(())
}

/// Waits until the last client has left. Of those who stay too long the transactions are waited for.
async fn wait_for_clients(operation: &mut Operation, team: &mut Team) -> Shutdown {
    let (presence, patience) = (team.presence(), team.config().leave_timeout);
    let counts = |how| how != Shutdown::WaitForClients;
    tokio::select! {
        () = presence.empty() => Shutdown::WaitForServers,
        how = operation.until(team, counts) => how,
        () = sleep(patience) => {
            let clients = presence.count();
            tracing::info!(after_ms = patience.as_millis(), clients, "clients stay; draining");
            Shutdown::WaitForServers
        }
    }
}

async fn drain(operation: &mut Operation, team: &mut Team, ends: &mut Ends) {
    team.drain();
    let patience = team.config().drain_timeout;
    tokio::select! {
        _ = ends.wait() => {}
        _ = operation.until(team, |how| how == Shutdown::Now) => {}
        () = sleep(patience) => {
            tracing::info!(after_ms = patience.as_millis(), "closing connections that did not drain");
        }
    }
}
