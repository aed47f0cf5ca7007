//! The guard of a server connection in use: what becomes of it does not depend on how its user ended.
//!
//! Must not know clients.

use std::ops::{Deref, DerefMut};
use std::rc::Rc;

use crate::backend::server::Server;
use crate::pool::shell::Pool;

/// A server connection in use. Dropping it gives it back: at once when it is at rest, else by way of a clean-up.
#[derive(Debug)]
pub struct PooledServer {
    server: Option<Box<Server>>,
    pool: Rc<Pool>,
}

impl PooledServer {
    pub(super) fn new(server: Box<Server>, pool: &Rc<Pool>) -> Self {
        Self { server: Some(server), pool: Rc::clone(pool) }
    }

    /// Closes the connection instead of giving it back.
    pub fn close(mut self) {
        if let Some(mut server) = self.server.take() {
            server.say_goodbye();
            self.pool.discard(server);
        }
    }

    /// Gives back a connection that was cleaned and tested.
    pub(super) fn give_back(mut self) {
        if let Some(server) = self.server.take() {
            self.pool.put_back(server);
        }
    }

    /// Puts a connection that was idle and was tested back as idle as it was.
    pub(super) fn give_back_idle(mut self) {
        if let Some(server) = self.server.take() {
            self.pool.settle(server);
        }
    }

    /// The pool it belongs to.
    pub fn pool(&self) -> &Rc<Pool> {
        &self.pool
    }

    /// Lets go of the connection without a word: nobody is left to do anything with it.
    pub(super) fn forget(mut self) {
        self.server = None;
    }
}

impl Drop for PooledServer {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            self.pool.recycle(server);
        }
    }
}

impl Deref for PooledServer {
    type Target = Server;

    fn deref(&self) -> &Server {
        self.server.as_deref().expect("a guard holds its server until it is dropped or closed")
    }
}

impl DerefMut for PooledServer {
    fn deref_mut(&mut self) -> &mut Server {
        self.server.as_deref_mut().expect("a guard holds its server until it is dropped or closed")
    }
}
