//! The last steps of a login: pool, greeting, and the session that begins with ReadyForQuery.
//!
//! Must not know how the client proved who it is.

use std::rc::Rc;
use std::sync::Arc;

use crate::backend::report;
use crate::error::{ClientFacing, Severity, SqlState};
use crate::gate::{Gate, Toll, Visitor};
use crate::net::stream::ClientStream;
use crate::net::tcp_address::TcpAddress;
use crate::pool::apart::ApartError;
use crate::pool::greeting::{Greeting, greet};
use crate::pool::registry::{PoolRefused, Registry};
use crate::pool::roster::Newcomer;
use crate::pool::{AcquireError, Pool, PoolKey, PooledServer};
use crate::session::auth::Identity;
use crate::session::client::Client;
use crate::session::options::{self, OptionsError};
use crate::session::replication::Apart;
use crate::session::run::Session;
use crate::session::slot::{OpenSlot, Slots};
use crate::session::startup::{Replication, Startup};
use crate::wire::greeting::{
    authentication_ok, backend_key_data, parameter_status, ready_for_query,
};
use crate::wire::tag::TransactionStatus;

/// A client that has proved who it is.
#[derive(Debug)]
pub struct Guest {
    /// Its connection.
    pub stream: ClientStream,
    /// What it wants.
    pub startup: Startup,
    /// Who it is to the server.
    pub identity: Identity,
    /// Who it was at the gate.
    pub visitor: Visitor,
}

/// What the worker lends to its sessions.
pub struct Host<'a> {
    /// Its pools.
    pub registry: &'a Registry,
    /// Its sessions.
    pub slots: &'a Rc<Slots>,
    /// What its statements are paid for at.
    pub gate: &'a Arc<Gate>,
}

/// Why a client that proved who it is gets no session.
#[derive(Debug, thiserror::Error)]
pub enum WelcomeError {
    /// The pool has no server connection for it, or the server refuses its settings.
    #[error("{0}")]
    Acquire(#[from] AcquireError),
    /// The worker has too many pools.
    #[error("{0}")]
    Pools(#[from] PoolRefused),
    /// Its startup options cannot be understood.
    #[error("{0}")]
    Options(#[from] OptionsError),
}

impl From<ApartError> for WelcomeError {
    fn from(error: ApartError) -> Self {
        match error {
            ApartError::Pools(error) => Self::Pools(error),
            ApartError::Acquire(error) => Self::Acquire(error),
        }
    }
}

/// Where a client's requests go from now on.
struct Prepared {
    pool: Rc<Pool>,
    greeting: Greeting,
    own: Option<Box<PooledServer>>,
}

/// Greets a client and makes its session; none when that failed, which the client was then told.
///
/// # Cancel safety
/// Dropped midway, the client sees its connection closed.
pub async fn open_session(guest: Guest, host: Host<'_>) -> Option<Session> {
    let Guest { stream, startup, identity, visitor } = guest;
    let peer = stream.peer().clone();
    let key = PoolKey { database: startup.database.clone(), user: identity.user.clone() };
    let Prepared { pool, greeting, own } = match prepare(&key, &startup, identity, &host).await {
        Ok(prepared) => prepared,
        Err(error) => {
            tracing::info!(%peer, pool = %key, %error, "a client was not served");
            let farewell = crate::wire::error_response::error_response(&error);
            stream.farewell(&farewell).await;
            return None;
        }
    };
    let pool = pool.admit();
    let open = host.slots.open(startup.protocol);
    let newcomer = Newcomer {
        id: open.key().pid as u32,
        peer: peer.clone(),
        local: stream.local_address().map(TcpAddress::from),
        is_tls: stream.is_tls(),
        settings: Rc::clone(&greeting.settings),
        mode: pool.terms().config.mode,
    };
    let entered = pool.roster.enter(newcomer);
    let welcome = welcome(&greeting, &open);
    let mut client = Client::new(stream, greeting);
    client.counters = Rc::clone(&pool.roster.counters);
    // What a walsender is asked is no statement, and one that is refused could not be made to fail there: it takes no Bind.
    if own.is_none() {
        client.toll = Toll::new(Arc::clone(host.gate), visitor);
    }
    if client.send(&welcome).await.is_err() {
        tracing::debug!(%peer, "a client was gone before it was greeted");
        return None;
    }
    Some(Session { client, pool, open, own, entered })
}

async fn prepare(
    key: &PoolKey,
    startup: &Startup,
    identity: Identity,
    host: &Host<'_>,
) -> Result<Prepared, WelcomeError> {
    if startup.replication != Replication::None {
        let apart = Apart::connect(key, startup, identity.secret, host).await?;
        let Apart { pool, server, greeting } = apart;
        return Ok(Prepared { pool, greeting, own: Some(server) });
    }
    let settings = settings(startup)?;
    let pool = host.registry.pool(key, identity.secret)?;
    // Counted in already now, so that the pool is not taken for unused while its first connection is made.
    let _guard = pool.admit();
    let greeting = greet(&pool, settings).await?;
    Ok(Prepared { pool, greeting, own: None })
}

/// Every parameter of a startup packet that the protocol does not use itself names a setting.
fn settings(startup: &Startup) -> Result<Vec<(String, String)>, OptionsError> {
    let mut settings = Vec::new();
    for (name, value) in &startup.parameters {
        match name.as_str() {
            "options" => settings.extend(options::settings(value)?),
            "replication" => {}
            protocol if protocol.starts_with("_pq_.") => {}
            _ => settings.push((name.clone(), value.clone())),
        }
    }
    // Reports are between a server and the proxy in front of it; another proxy in front of this one asks in vain.
    settings.retain(|(name, _)| !report::is_report(&name.to_ascii_lowercase()));
    Ok(settings)
}

/// Everything from AuthenticationOk to ReadyForQuery, for one write.
fn welcome(greeting: &Greeting, open: &OpenSlot) -> Vec<u8> {
    let mut bytes = authentication_ok();
    for (name, value) in greeting.parameters.iter() {
        bytes.extend(parameter_status(name, value));
    }
    let key = open.key();
    bytes.extend(backend_key_data(key.pid, &key.secret));
    bytes.extend(ready_for_query(TransactionStatus::Idle));
    bytes
}

impl ClientFacing for WelcomeError {
    fn sqlstate(&self) -> SqlState {
        match self {
            Self::Acquire(error) => error.sqlstate(),
            Self::Pools(error) => error.sqlstate(),
            Self::Options(_) => SqlState::PROTOCOL_VIOLATION,
        }
    }

    fn severity(&self) -> Severity {
        Severity::Fatal
    }

    fn message(&self) -> String {
        match self {
            Self::Acquire(error) => error.message(),
            other => other.to_string(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Acquire(error) => error.hint(),
            Self::Pools(error) => error.hint(),
            Self::Options(_) => Some("Name settings only: -c name=value.".into()),
        }
    }
}
