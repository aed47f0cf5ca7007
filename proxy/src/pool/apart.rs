//! Server connections that one client has for itself: made with its own startup parameters, counted in the pool of its
//! database and user, never shared, and closed when it leaves.
//!
//! Must not know what such a client does with it.

use std::rc::Rc;
use std::sync::Arc;

use crate::backend::dial::dial;
use crate::backend::server::Server;
use crate::pool::registry::PoolRefused;
use crate::pool::shell::Pool;
use crate::pool::state::Full;
use crate::pool::ticket::Ticket;
use crate::pool::{AcquireError, PooledServer};

/// The place of one such connection in the pool that all share; given up when dropped.
#[derive(Debug)]
pub struct Loan(Rc<Pool>);

/// Why there is no place for one more.
#[derive(Debug, thiserror::Error)]
pub enum ApartError {
    /// There is no pool for the client.
    #[error("{0}")]
    Pools(#[from] PoolRefused),
    /// The pool is full.
    #[error("{0}")]
    Acquire(#[from] AcquireError),
}

impl Loan {
    /// A place in `pool`. When it is full of idle connections, one of them makes room.
    pub(super) fn of(pool: &Rc<Pool>) -> Result<Self, AcquireError> {
        Self::lend(pool).or_else(|full| {
            let idle = pool.state.borrow_mut().reap(1, |_| true).pop();
            let mut idle = idle.ok_or(full)?;
            idle.say_goodbye();
            pool.account();
            Self::lend(pool)
        })
    }

    fn lend(pool: &Rc<Pool>) -> Result<Self, AcquireError> {
        pool.state.borrow_mut().lend().map_err(|Full(max)| AcquireError::Full(max))?;
        match pool.ticket.as_ref().map_or(Ok(()), Ticket::take) {
            Ok(()) => Ok(Self(Rc::clone(pool))),
            Err((scope, max)) => {
                pool.state.borrow_mut().closed();
                Err(AcquireError::Limited { scope, max })
            }
        }
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        self.0.take_back();
    }
}

/// Makes the one connection of a pool that [`super::registry::Registry::apart`] has made, with these startup parameters.
///
/// # Cancel safety
/// Cancel safe: dropped midway, the connection is closed.
pub async fn connect_apart(
    pool: &Rc<Pool>,
    parameters: &[(String, String)],
) -> Result<PooledServer, AcquireError> {
    let (secret, terms) = (pool.secret(), pool.terms());
    let mut login = pool.login_as(&secret, &terms);
    login.own = Some(parameters);
    let dialed = dial(&terms.target, &login).await;
    let dialed = dialed.map_err(|error| AcquireError::NoServer(Rc::new(error)))?;
    let limits = terms.config.statements;
    let mut server = Box::new(Server::new(dialed, Arc::clone(&terms.target), limits));
    server.schema = pool.interner.borrow().schema().clone();
    pool.state.borrow_mut().lend().map_err(|Full(max)| AcquireError::Full(max))?;
    Ok(PooledServer::new(server, pool))
}
