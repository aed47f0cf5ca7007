//! Testing server connections before, after and between their use. One that fails is closed and nobody notices.
//!
//! Must not know clients.

use std::rc::Rc;
use std::time::Instant;

use tokio::time::timeout;

use crate::backend::server::{Server, ServerFault, Taint};
use crate::backend::settings::Settings;
use crate::pool::PooledServer;
use crate::pool::config::Testing;
use crate::pool::refusal::AcquireError;
use crate::pool::shell::{Chore, Pool};

impl Pool {
    /// An idle connection, where none is to be tested before it is used.
    pub fn borrow_at_once(self: &Rc<Self>) -> Option<PooledServer> {
        let asks = self.terms.borrow().config.test.asks_on_borrow();
        if asks { None } else { self.take_idle() }
    }

    /// An idle connection that passes its test; those that do not are closed.
    ///
    /// # Cancel safety
    /// Cancel safe: a connection in the middle of its test is cleaned up.
    pub(super) async fn borrow(self: &Rc<Self>) -> Option<PooledServer> {
        loop {
            let server = self.take_idle()?;
            if !self.terms().config.test.asks_on_borrow() {
                return Some(server);
            }
            if let Some(server) = test(server).await {
                return Some(server);
            }
        }
    }

    /// Gives a connection the settings that a client began with, and brings them into line with those that it has now, within
    /// the acquire timeout. Nothing of a client has been sent on it yet (I8): when it turns out to be lost, another takes its
    /// place.
    ///
    /// # Cancel safety
    /// Cancel safe: the guard cleans up.
    pub async fn bring_into_line(
        self: &Rc<Self>,
        mut server: PooledServer,
        started: &Rc<Settings>,
        wanted: &Rc<Settings>,
    ) -> Result<PooledServer, AcquireError> {
        let patience = self.terms().config.acquire_timeout;
        let aligned = async {
            while let Err(fault) = align(&mut server, started, wanted).await {
                match fault {
                    ServerFault::Refused(_) => return Err(fault.into()),
                    fault => {
                        tracing::debug!(pool = %self.key, %fault, "a server connection is gone")
                    }
                }
                server.close();
                server = self.acquire().await?;
            }
            Ok(server)
        };
        timeout(patience, aligned).await.unwrap_or(Err(AcquireError::Timeout(patience.as_millis())))
    }

    /// Has idle connections tested whose turn has come. Half of them stay where they are, for clients that come meanwhile.
    pub(super) fn test_idle(self: &Rc<Self>) {
        let terms = self.terms();
        let config = &terms.config.test;
        if config.while_idle == Testing::Off {
            return;
        }
        let now = Instant::now();
        let rested = |server: &Server| now - server.tested_at.max(server.idle_since);
        let due = {
            let mut state = self.state.borrow_mut();
            let half = state.idle_len().div_ceil(2);
            state.borrow_idle(half, |server| rested(server) >= config.idle_interval)
        };
        due.into_iter().for_each(|server| self.order(Chore::Test(PooledServer::new(server, self))));
    }
}

/// INVARIANT I6: what the settings are is not known while they are being changed.
async fn align(
    server: &mut Server,
    started: &Rc<Settings>,
    wanted: &Rc<Settings>,
) -> Result<(), ServerFault> {
    let taint = std::mem::replace(&mut server.taint, Taint::Dirty);
    let aligned = match server.start_with(started).await {
        Ok(()) => server.sync_settings(wanted).await,
        refused => refused,
    };
    if matches!(aligned, Ok(()) | Err(ServerFault::Refused(_))) {
        server.taint = taint;
    }
    aligned
}

/// Tests a connection that was idle and puts it back.
///
/// # Cancel safety
/// As [`test`].
pub(super) async fn test_and_put_back(server: PooledServer) {
    if let Some(server) = test(server).await {
        server.give_back_idle();
    }
}

/// Gives back a connection that was cleaned up behind a client, after the test that the settings ask for.
///
/// # Cancel safety
/// As [`test`].
pub(super) async fn test_and_give_back(server: PooledServer) {
    if !server.pool().terms().config.test.asks_on_return() {
        return drop(server);
    }
    if let Some(server) = test(server).await {
        server.give_back();
    }
}

/// The connection, if it passes the test; else it is closed. Takes at most the destroy timeout.
///
/// # Cancel safety
/// Cancel safe: the guard cleans up.
async fn test(mut server: PooledServer) -> Option<PooledServer> {
    let pool = Rc::clone(server.pool());
    let terms = pool.terms();
    let asked = server.test(&terms.config.test.query);
    let answer = timeout(terms.config.destroy_timeout, asked).await;
    match answer {
        Ok(Ok(())) if server.is_at_rest() => {
            server.tested_at = Instant::now();
            return Some(server);
        }
        Ok(Ok(())) => tracing::warn!(pool = %pool.key, "pool.test_query leaves a transaction open"),
        Ok(Err(ServerFault::Refused(error))) if !error.is_fatal() => {
            tracing::warn!(pool = %pool.key, error = error.message, "the server refuses pool.test_query");
        }
        Ok(Err(fault)) => tracing::debug!(pool = %pool.key, %fault, "a server connection is gone"),
        Err(_) => tracing::debug!(pool = %pool.key, "a server connection did not answer its test"),
    }
    server.close();
    None
}
