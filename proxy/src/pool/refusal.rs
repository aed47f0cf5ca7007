//! Why a request got no server connection, and what its client is told.
//!
//! Must not know who asked.

use std::rc::Rc;

use crate::backend::dial::ConnectError;
use crate::backend::server::ServerFault;
use crate::error::{ClientFacing, Severity, SqlState};
use crate::pool::budget::Scope;

/// Why a request got no server connection.
#[derive(Debug, thiserror::Error)]
pub enum AcquireError {
    /// As many requests wait as may.
    #[error("too many requests wait for a server connection (limit {0})")]
    QueueFull(usize),
    /// None became free in time.
    #[error("no server connection became free within {0} ms")]
    Timeout(u128),
    /// All are in use, and one that the client would keep is not waited for.
    #[error("all {0} server connections of the pool are in use")]
    Full(usize),
    /// The pools have as many as they may have together, and none became free in time.
    #[error("no server connection became free: all {max} that {} allows are in use", .scope.setting())]
    Limited {
        /// Which limit.
        scope: Scope,
        /// Its value.
        max: usize,
    },
    /// The client has cancelled its request before a server connection got it.
    #[error("canceling statement due to user request")]
    Cancelled,
    /// The server cannot be reached or refuses the login.
    #[error("{0}")]
    NoServer(Rc<ConnectError>),
    /// The server connection failed while it was made ready for this client.
    #[error("{0}")]
    Server(#[from] ServerFault),
}

impl ClientFacing for AcquireError {
    fn sqlstate(&self) -> SqlState {
        match self {
            Self::QueueFull(_) | Self::Timeout(_) | Self::Full(_) | Self::Limited { .. } => {
                SqlState::TOO_MANY_CONNECTIONS
            }
            Self::Cancelled => SqlState::QUERY_CANCELED,
            Self::NoServer(error) => error.sqlstate(),
            Self::Server(ServerFault::Refused(error)) => error.sqlstate(),
            Self::Server(_) => SqlState::CONNECTION_FAILURE,
        }
    }

    fn severity(&self) -> Severity {
        Severity::Error
    }

    fn message(&self) -> String {
        match self {
            Self::NoServer(error) => error.message(),
            Self::Server(ServerFault::Refused(error)) => error.message.clone(),
            other => other.to_string(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::QueueFull(_) => Some("Try again later, or raise pool.queue_len_max.".into()),
            Self::Timeout(_) => Some(
                "All connections of the pool are in use. Try again, shorten transactions, or raise pool.max \
                 (DB_POOL_MAX)."
                    .into(),
            ),
            Self::Full(_) => Some(
                "A replication connection is kept while its client stays. Raise pool.max (DB_POOL_MAX).".into(),
            ),
            Self::Limited { scope, .. } => {
                Some(format!("Try again, shorten transactions, or raise {}.", scope.setting()))
            }
            Self::NoServer(error) => error.hint(),
            Self::Server(_) | Self::Cancelled => None,
        }
    }
}
