//! Where clients come in: the sockets, the worker threads behind them, and the orderly end of both.
//!
//! Knows sessions and pools. Must not know configuration files or signals.

mod bind;
mod console;
mod handover;
mod operation;
mod overdue;
mod peers;
mod places;
mod presence;
mod scheduling;
mod serve;
mod tunnel;
mod worker;

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::http::Access;
use crate::net::tls::TlsPolicy;
use crate::pool::registry::Blueprint;
use crate::session::auth;
use crate::{admin, gate};
use bind::{Sockets, is_at};
use handover::{Inheritance, offer};
use operation::operate;
pub use operation::{Arrival, Change, Operation, Source};
use peers::Peers;
pub use places::ClientLimits;
pub use scheduling::Scheduling;
use worker::Team;

/// What the listener and everything behind it needs to know.
#[derive(Clone, Debug)]
pub struct Config {
    /// Host name or address to listen on; every address it resolves to is used.
    pub host: String,
    /// Port; 0 lets the system choose.
    pub port: u16,
    /// Directory for a unix socket named as PostgreSQL names its own.
    pub unix_socket_dir: Option<PathBuf>,
    /// Directory in which this process and its peers find each other.
    pub peer_dir: Option<PathBuf>,
    /// Worker threads.
    pub workers: NonZeroUsize,
    /// How the kernel schedules them.
    pub scheduling: Scheduling,
    /// From where connections begin with a header of the PROXY protocol.
    pub proxy_networks: Vec<gate::Network>,
    /// Clients at most, in all workers together.
    pub client_max: usize,
    /// Clients at most of one kind, in all workers together.
    pub clients: ClientLimits,
    /// Where clients come in that the edge sends.
    pub tunnel: Option<Tunnel>,
    /// Who may come in, and how often.
    pub gate: gate::Config,
    /// How long a client may take to log in.
    pub login_timeout: Duration,
    /// How long clients get to leave by themselves when the proxy waits for that before it shuts down.
    pub leave_timeout: Duration,
    /// How long transactions get to end when the proxy shuts down.
    pub drain_timeout: Duration,
    /// TLS towards clients.
    pub tls: TlsPolicy,
    /// Who may log in.
    pub credentials: Arc<auth::Credentials>,
    /// How pools are made.
    pub blueprint: Blueprint,
    /// The admin console.
    pub admin: Arc<admin::Config>,
}

/// Where the edge connects.
#[derive(Clone, Debug)]
pub struct Tunnel {
    /// A loopback address.
    pub host: String,
    /// The port; 0 lets the system choose.
    pub port: u16,
    /// Whose tokens are believed; none looks at none.
    pub access: Option<Arc<Access>>,
}

/// Why the listener cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum ListenerError {
    /// The host has no address.
    #[error(
        "cannot resolve the listening host {host}: {source}; set listen.host to an address of this machine"
    )]
    Resolve {
        /// As configured.
        host: String,
        /// What the resolver said.
        source: std::io::Error,
    },
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// The address or path.
        address: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The directory of the peers cannot be used.
    #[error("cannot join the processes in {}: {source}; set listen.peer_dir to a directory of this user's own", dir.display())]
    Peers {
        /// The directory.
        dir: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A worker thread could not be started, or it ended by itself.
    #[error("a worker failed: {0}")]
    Worker(#[from] std::io::Error),
}

/// Serves clients until it is told to end. Dropping the future ends everything at once. `on_ready` is called with the TCP
/// address as soon as clients can connect.
///
/// # Cancel safety
/// Dropped midway, the workers end and all connections are closed.
pub async fn run(
    config: Config,
    operation: Operation,
    on_ready: impl FnOnce(SocketAddr),
) -> Result<(), ListenerError> {
    let peers = config.peer_dir.as_deref().map(Peers::join).transpose()?;
    let mut inherited = match (&peers, operation.arrival) {
        (Some(peers), Arrival::TakingOver) => {
            let wanted = bind::all_addresses(&config).await?;
            let is_wanted = |socket: &_| wanted.iter().any(|address| is_at(socket, address));
            Inheritance::take(peers, is_wanted).await
        }
        _ => Inheritance::default(),
    };
    let sockets = Sockets::bind(&config, &mut inherited).await?;
    let address = sockets.address();
    let (team, ends) = Team::start(config, &sockets, operation.asker.clone(), peers.clone())?;
    // Cancel requests come until the last client has left, those who want the sockets until these are closed.
    let _cancelling = peers.as_ref().map(|peers| peers.serve(team.workers())).transpose()?;
    let offered = peers.map(|peers| {
        offer(&peers, sockets.share()?, sockets.is_handed_over(), operation.asker.clone())
    });
    let open = (sockets, offered.transpose()?);
    on_ready(address);
    inherited.serving().await;
    operate(operation, (team, ends), open).await
}
