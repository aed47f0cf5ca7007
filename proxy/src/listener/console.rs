//! What ties the console to the workers: who is let in, and how an operator's requests are done on each worker.
//!
//! Must not know the console's commands.

use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use crate::admin::console::Console;
use crate::admin::{self, Ask};
use crate::listener::worker::{LoggedIn, Worker};
use crate::pool::control::{Command, Remote, Reply, Request, Scope};
use crate::session::login::Guest;
use crate::wire::error_response::error_response;

/// Operators at once; they come on top of `client_max`, so that a full house can still be looked at.
pub(super) const CONSOLES_MAX: usize = 32;

/// What the consoles of all workers share.
#[derive(Clone, Debug)]
pub(super) struct Desk {
    pub(super) settings: watch::Receiver<Arc<admin::Config>>,
    pub(super) remote: Remote,
    pub(super) asker: mpsc::Sender<Ask>,
}

/// Serves an operator past the login, on the worker that it came to.
pub(super) async fn open(worker: Rc<Worker>, client: LoggedIn) {
    let LoggedIn { guest: Guest { stream, startup, identity, .. }, place, .. } = client;
    if let Err(error) = worker.config().admin.role_of(&identity.user) {
        tracing::info!(peer = %stream.peer(), %error, "login refused");
        return stream.farewell(&error_response(&error)).await;
    }
    let open = worker.slots.open(startup.protocol);
    let key = open.key();
    let desk = &worker.common.desk;
    let console = Console {
        stream,
        user: identity.user,
        key: (key.pid, key.secret),
        settings: desk.settings.clone(),
        remote: desk.remote.clone(),
        asker: desk.asker.clone(),
        connected: Arc::clone(&worker.common.clients),
        gate: Arc::clone(&worker.common.gate),
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
