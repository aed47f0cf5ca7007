//! What ties the console to the workers: who is let in, and how an operator's requests are done on each worker.
//!
//! Must not know the console's commands.

use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::mpsc;

use crate::admin::console::Console;
use crate::admin::{self, Shutdown};
use crate::listener::worker::{LoggedIn, Worker};
use crate::pool::control::{Command, Remote, Reply, Request, Scope};
use crate::wire::error_response::error_response;

/// Operators at once; they come on top of `client_max`, so that a full house can still be looked at.
pub(super) const CONSOLES_MAX: usize = 32;

/// What the consoles of all workers share.
#[derive(Clone, Debug)]
pub(super) struct Desk {
    pub(super) config: Arc<admin::Config>,
    pub(super) remote: Remote,
    pub(super) shutdown: mpsc::Sender<Shutdown>,
}

/// Serves an operator past the login, on the worker that it came to.
pub(super) async fn open(worker: Rc<Worker>, client: LoggedIn) {
    let LoggedIn { stream, startup, identity, place } = client;
    let role = match worker.desk.config.role_of(&identity.user) {
        Ok(role) => role,
        Err(error) => {
            tracing::info!(peer = %stream.peer(), %error, "login refused");
            return stream.farewell(&error_response(&error)).await;
        }
    };
    let open = worker.slots.open(startup.protocol);
    let key = open.key();
    let console = Console {
        stream,
        user: identity.user,
        role,
        key: (key.pid, key.secret),
        config: Arc::clone(&worker.desk.config),
        remote: worker.desk.remote.clone(),
        shutdown: worker.desk.shutdown.clone(),
        connected: Arc::clone(&worker.clients),
    };
    console.run(open.slot.ended()).await;
    drop(place);
}

/// Does what operators ask of this worker, until the task is aborted.
pub(super) async fn serve_requests(worker: Rc<Worker>, mut requests: mpsc::Receiver<Request>) {
    while let Some(Request { command, reply }) = requests.recv().await {
        // An operator who is gone does not wait for the answer.
        let _ = reply.send(execute(&worker, &command));
    }
}

fn execute(worker: &Worker, command: &Command) -> Reply {
    match command {
        Command::Kill(scope) => kill(worker, command, scope),
        Command::KillClient(id) => Reply::Done(worker.slots.kill(*id).into()),
        other => worker.registry.execute(other),
    }
}

fn kill(worker: &Worker, command: &Command, scope: &Scope) -> Reply {
    // Paused first, so that what the clients leave behind is closed and not handed to others.
    let reply = worker.registry.execute(command);
    for id in worker.registry.clients(scope) {
        worker.slots.kill(id);
    }
    reply
}
