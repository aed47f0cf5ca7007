//! Where the database is and who asks.

use std::fmt;
use std::time::Duration;

use tokio_postgres::config::SslMode;

/// Whether the connection is encrypted. What the certificate must be is up to the connector given
/// to [`connect`](crate::connect).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsMode {
    /// Never.
    Disable,
    /// When the server offers it.
    Prefer,
    /// Or not at all.
    Require,
}

/// A database on a server, and the login to it.
#[derive(Clone)]
pub struct Target {
    /// A name, an address, or the directory of a unix socket when it begins with a slash.
    pub host: String,
    /// The port, of the socket file too.
    pub port: u16,
    /// The role that will own what the steps make.
    pub user: String,
    /// Its password, if it needs one.
    pub password: Option<String>,
    /// The database.
    pub dbname: String,
    /// Ignored on a unix socket, where PostgreSQL has no TLS.
    pub tls: TlsMode,
    /// How long the connection may take, login included.
    pub connect_timeout: Duration,
}

impl Target {
    /// A target without password, with TLS if offered, and 30 seconds to connect.
    pub fn new(host: &str, port: u16, user: &str, dbname: &str) -> Self {
        Self {
            host: host.to_owned(),
            port,
            user: user.to_owned(),
            password: None,
            dbname: dbname.to_owned(),
            tls: TlsMode::Prefer,
            connect_timeout: Duration::from_secs(30),
        }
    }

    /// The driver's form of it.
    pub(crate) fn config(&self) -> tokio_postgres::Config {
        let mut config = tokio_postgres::Config::new();
        config
            .host(&self.host)
            .port(self.port)
            .user(&self.user)
            .dbname(&self.dbname)
            .ssl_mode(self.ssl_mode())
            .connect_timeout(self.connect_timeout)
            .keepalives_idle(Duration::from_secs(30))
            .application_name("taskmaster migrate");
        if let Some(password) = &self.password {
            config.password(password);
        }
        config
    }

    fn ssl_mode(&self) -> SslMode {
        match self.tls {
            _ if self.host.starts_with('/') => SslMode::Disable,
            TlsMode::Disable => SslMode::Disable,
            TlsMode::Prefer => SslMode::Prefer,
            TlsMode::Require => SslMode::Require,
        }
    }
}

impl fmt::Display for Target {
    /// `database "d" at host:port as "user"`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, user, dbname, .. } = self;
        write!(f, "database \"{dbname}\" at {host}:{port} as \"{user}\"")
    }
}

impl fmt::Debug for Target {
    /// As [`Display`](fmt::Display): the password is never shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({self}, tls {:?}, timeout {:?})", self.tls, self.connect_timeout)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_is_never_shown() {
        let mut target = Target::new("db.example", 5432, "alice", "app");
        target.password = Some("secret".to_owned());
        assert!(!format!("{target} {target:?} {:?}", target.config()).contains("secret"));
    }
}
