//! The PostgreSQL server behind: where it is, how much TLS it must offer, how long a connection may take.
//!
//! Must not know users or databases.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::net::tls::{ServerTls, SslMode, SslNegotiation, TlsConfigError};
use crate::wire::greeting::Protocol;

/// Whether logins are bound to the TLS session they run in: libpq's `channel_binding`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChannelBinding {
    /// Never.
    Disable,
    /// When the server offers it.
    #[default]
    Prefer,
    /// Always: a server that lets the proxy in otherwise is not believed.
    Require,
}

/// Settings of one server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// A name, an address, or, beginning with `/`, the directory of a unix socket.
    pub host: String,
    /// The TCP port; also part of a unix socket's name.
    pub port: u16,
    /// How much TLS the server must offer. A unix socket never has TLS.
    pub ssl_mode: SslMode,
    /// How TLS begins.
    pub ssl_negotiation: SslNegotiation,
    /// The certificates that server certificates are judged by; none means Mozilla's roots.
    pub ssl_root_cert_file: Option<PathBuf>,
    /// Whether logins are bound to the TLS session.
    pub channel_binding: ChannelBinding,
    /// The newest version of the protocol that the server is asked for.
    pub max_protocol_version: Protocol,
    /// How long a connection may take, from the name's resolution to the first ReadyForQuery.
    pub connect_timeout: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            host: "localhost".to_owned(),
            port: 5432,
            ssl_mode: SslMode::default(),
            ssl_negotiation: SslNegotiation::default(),
            ssl_root_cert_file: None,
            channel_binding: ChannelBinding::default(),
            max_protocol_version: Protocol::V3_2,
            connect_timeout: Duration::from_secs(30),
        }
    }
}

/// One server, ready to be dialled.
#[derive(Clone, Debug)]
pub struct Target {
    pub(super) place: Place,
    pub(super) tls: ServerTls,
    pub(super) ssl_negotiation: SslNegotiation,
    pub(super) channel_binding: ChannelBinding,
    pub(super) max_protocol_version: Protocol,
    /// How long a connection may take.
    pub connect_timeout: Duration,
}

/// Where a server is, as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A name or an address, and a port.
    Tcp(String, u16),
    /// The path of a unix socket.
    Unix(PathBuf),
}

impl Target {
    /// Reads the certificates that the configuration names.
    pub fn new(config: &Config) -> Result<Self, TlsConfigError> {
        let place = if config.host.starts_with('/') {
            // The name is PostgreSQL's (libpq/pqcomm.h, `UNIXSOCK_PATH`).
            Place::Unix(PathBuf::from(&config.host).join(format!(".s.PGSQL.{}", config.port)))
        } else {
            Place::Tcp(config.host.clone(), config.port)
        };
        let tls = ServerTls::load(config.ssl_mode, config.ssl_root_cert_file.as_deref())?;
        Ok(Self {
            place,
            tls,
            ssl_negotiation: config.ssl_negotiation,
            channel_binding: config.channel_binding,
            max_protocol_version: config.max_protocol_version,
            connect_timeout: config.connect_timeout,
        })
    }
}

impl Target {
    /// True when connections to this one are as good as connections to `other`, reached and secured in the same way.
    pub fn is_same_server(&self, other: &Self) -> bool {
        self.place == other.place
            && self.tls.mode() == other.tls.mode()
            && self.ssl_negotiation == other.ssl_negotiation
            && self.channel_binding == other.channel_binding
    }

    /// The host and the port as configured; of a unix socket its path, and no port.
    pub fn host_and_port(&self) -> (String, Option<u16>) {
        match &self.place {
            Place::Tcp(host, port) => (host.clone(), Some(*port)),
            Place::Unix(path) => (path.display().to_string(), None),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Tcp(host, port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Place::Tcp(host, port) => write!(f, "{host}:{port}"),
            Place::Unix(path) => path.display().fmt(f),
        }
    }
}

/// Where a connection really goes: a name may stand for many addresses, and a cancel request must reach the same one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// An address and a port.
    Tcp(SocketAddr),
    /// The path of a unix socket.
    Unix(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_with_a_slash_is_a_directory_of_sockets() {
        let target = |host: &str| {
            Target::new(&Config { host: host.into(), port: 5433, ..Config::default() }).unwrap()
        };
        assert_eq!(target("/run/pg").place, Place::Unix("/run/pg/.s.PGSQL.5433".into()));
        assert_eq!(target("db.example").place, Place::Tcp("db.example".into(), 5433));
        assert_eq!(target("::1").to_string(), "[::1]:5433");
        assert_eq!(target("db.example").to_string(), "db.example:5433");
    }
}
