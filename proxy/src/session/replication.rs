//! Clients that replicate. Their server connection is their own from the login on, with the parameters of their startup
//! packet, and is closed when they leave, whatever the pool's mode.
//!
//! Source: PostgreSQL documentation, "Streaming Replication Protocol". Must not know replication commands.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use crate::backend::secret::Secret;
use crate::pool::apart::connect_apart;
use crate::pool::greeting::Greeting;
use crate::pool::{Pool, PoolKey, PooledServer};
use crate::session::login::{Host, WelcomeError};
use crate::session::run::{Session, SessionEnd};
use crate::session::slot::Slot;
use crate::session::startup::{Replication, Startup};

/// A server connection for one client, in a pool of its own, and what the client is told at login.
pub(super) struct Apart {
    pub(super) pool: Rc<Pool>,
    pub(super) server: Box<PooledServer>,
    pub(super) greeting: Greeting,
}

impl Apart {
    /// Connects to the server as the client would by itself.
    ///
    /// # Cancel safety
    /// Cancel safe: dropped midway, the connection is closed and its place given up.
    pub(super) async fn connect(
        key: &PoolKey,
        startup: &Startup,
        secret: Secret,
        host: &Host<'_>,
    ) -> Result<Self, WelcomeError> {
        let pool = host.registry.apart(key, secret)?;
        let server = connect_apart(&pool, &parameters(startup)).await?;
        let settings = Rc::clone(&server.settings);
        let greeting = Greeting { settings, parameters: Rc::clone(&server.greeting) };
        Ok(Self { pool, server: Box::new(server), greeting })
    }
}

/// The client's parameters as they came.
fn parameters(startup: &Startup) -> Vec<(String, String)> {
    let kind = match startup.replication {
        Replication::None => "false",
        Replication::Physical => "true",
        Replication::Logical => "database",
    };
    let mut parameters = startup.parameters.clone();
    parameters.push(("replication".to_owned(), kind.to_owned()));
    parameters
}

impl Session {
    /// Serves a client whose server connection is its own. A stream of changes has no end of its own to wait for: when
    /// the proxy shuts down, the client is told at once and goes on later where it was.
    ///
    /// # Cancel safety
    /// Dropped midway, both connections are closed.
    pub(super) async fn serve_apart(&mut self, server: PooledServer) -> Box<SessionEnd> {
        self.open.slot.serve(&server);
        let slot = Rc::clone(&self.open.slot);
        let end = tokio::select! {
            biased;
            end = self.relay(server) => end,
            () = told_to_end(&slot) => None,
        };
        Box::new(end.unwrap_or(SessionEnd::Ending))
    }
}

async fn told_to_end(slot: &Slot) {
    poll_fn(|cx| {
        slot.watch(cx);
        if slot.is_ending() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}
