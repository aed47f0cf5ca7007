//! TLS on both legs: what the proxy shows to clients and what it asks of servers.
//!
//! TLS 1.2 and 1.3 through rustls, with the aws-lc-rs provider named explicitly. Must not know the requests that
//! negotiate TLS; those belong to the logins.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::NoServerSessionStorage;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsConnector, client};

use crate::net::end_point::end_point;
use crate::net::socket::Socket;
use crate::net::tls_stream::TlsStream;
use crate::net::verifier::{ChainVerifier, NameCheck, TrustAll};

/// The application protocol of PostgreSQL (documentation, "Protocol Flow", "SSL Session Encryption").
pub const ALPN: &[u8] = b"postgresql";

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsConfigError {
    /// A file could not be read, or is not PEM.
    #[error("cannot read {what} from {}: {source}", path.display())]
    File {
        /// What the file should hold.
        what: &'static str,
        /// Its path.
        path: PathBuf,
        /// What went wrong.
        source: pem::Error,
    },
    /// A file holds no certificate.
    #[error("there is no certificate in {}: a PEM file with BEGIN CERTIFICATE is needed", .0.display())]
    NoCertificate(PathBuf),
    /// A root certificate is not one.
    #[error("a root certificate cannot be used: {0}")]
    Root(#[source] rustls::Error),
    /// TLS was asked for without a certificate or a key.
    #[error(
        "TLS mode \"{0}\" needs both a certificate and a key: set listen.tls.cert_file and listen.tls.key_file"
    )]
    Incomplete(ListenerTlsMode),
    /// Certificate and key do not fit, or are of a kind that TLS does not allow.
    #[error("certificate and key cannot be used: {0}")]
    Unusable(#[from] rustls::Error),
    /// The word is none of the modes.
    #[error("\"{0}\" is no TLS mode: use {1}")]
    Mode(String, &'static str),
}

/// Whether clients get TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ListenerTlsMode {
    /// Never.
    Disable,
    /// When a certificate is set and the client asks.
    #[default]
    Allow,
    /// Always, except over the unix socket.
    Require,
}

impl FromStr for ListenerTlsMode {
    type Err = TlsConfigError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "disable" => Ok(Self::Disable),
            "allow" => Ok(Self::Allow),
            "require" => Ok(Self::Require),
            _ => Err(TlsConfigError::Mode(text.to_owned(), "disable, allow or require")),
        }
    }
}

impl fmt::Display for ListenerTlsMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Disable => "disable",
            Self::Allow => "allow",
            Self::Require => "require",
        })
    }
}

/// Settings of TLS towards clients.
#[derive(Clone, Debug, Default)]
pub struct ListenerTlsConfig {
    /// Whether clients get TLS.
    pub mode: ListenerTlsMode,
    /// The certificate chain, PEM, the server's own certificate first.
    pub cert_file: Option<PathBuf>,
    /// Its private key, PEM.
    pub key_file: Option<PathBuf>,
}

/// What a client's wish for TLS, or its lack, leads to.
#[derive(Clone, Debug)]
pub enum TlsPolicy {
    /// The wish is answered with no.
    Disable,
    /// The client decides.
    Allow(ListenerTls),
    /// Clients over TCP that do not wish for it are refused.
    Require(ListenerTls),
}

impl TlsPolicy {
    /// Reads certificate and key.
    pub fn load(config: &ListenerTlsConfig) -> Result<Self, TlsConfigError> {
        match (config.mode, &config.cert_file, &config.key_file) {
            (ListenerTlsMode::Disable, _, _) | (ListenerTlsMode::Allow, None, None) => {
                Ok(Self::Disable)
            }
            (ListenerTlsMode::Allow, Some(cert), Some(key)) => {
                ListenerTls::load(cert, key).map(Self::Allow)
            }
            (ListenerTlsMode::Require, Some(cert), Some(key)) => {
                ListenerTls::load(cert, key).map(Self::Require)
            }
            (mode, _, _) => Err(TlsConfigError::Incomplete(mode)),
        }
    }

    /// What TLS is made with, if any.
    pub fn listener(&self) -> Option<&ListenerTls> {
        match self {
            Self::Disable => None,
            Self::Allow(listener) | Self::Require(listener) => Some(listener),
        }
    }
}

/// The proxy's certificate, ready for handshakes with clients.
#[derive(Clone)]
pub struct ListenerTls {
    config: Arc<ServerConfig>,
    end_point: Option<Arc<[u8]>>,
}

impl ListenerTls {
    /// Reads a certificate chain and its key.
    pub fn load(cert_file: &Path, key_file: &Path) -> Result<Self, TlsConfigError> {
        let chain = read_certificates("a certificate chain", cert_file)?;
        let key = PrivateKeyDer::from_pem_file(key_file).map_err(|source| {
            TlsConfigError::File { what: "a private key", path: key_file.to_owned(), source }
        })?;
        Self::new(chain, key)
    }

    /// Takes a certificate chain, the listener's own certificate first, and its key.
    pub fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, TlsConfigError> {
        let end_point = chain.first().and_then(end_point).map(Arc::from);
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        config.alpn_protocols = vec![ALPN.to_vec()];
        // No resumption, as in PostgreSQL (libpq/be-secure-openssl.c): connections are long, and tickets cost memory.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Self { config: Arc::new(config), end_point })
    }

    /// The digest of the certificate that a login is bound to; none when its signature has no digest.
    pub fn end_point(&self) -> Option<Arc<[u8]>> {
        self.end_point.clone()
    }

    /// Shakes hands with a client.
    ///
    /// # Cancel safety
    /// Not cancel safe: dropped midway, the socket is closed.
    pub async fn accept(&self, socket: Socket) -> io::Result<TlsStream> {
        TlsStream::accept(Arc::clone(&self.config), socket).await
    }
}

impl fmt::Debug for ListenerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ListenerTls")
    }
}

/// How much TLS a server must offer: libpq's `sslmode` (documentation, "SSL Support", table "SSL Mode Descriptions").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SslMode {
    /// No TLS.
    Disable,
    /// TLS when the server has it.
    #[default]
    Prefer,
    /// TLS, to whomever; with a root certificate given, as `VerifyCa`.
    Require,
    /// TLS with a certificate that a trusted root has signed.
    VerifyCa,
    /// That, and the certificate must be for the host that was asked for.
    VerifyFull,
}

impl FromStr for SslMode {
    type Err = TlsConfigError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "disable" => Self::Disable,
            "prefer" => Self::Prefer,
            "require" => Self::Require,
            "verify-ca" => Self::VerifyCa,
            "verify-full" => Self::VerifyFull,
            _ => {
                let known = "disable, prefer, require, verify-ca or verify-full";
                return Err(TlsConfigError::Mode(text.to_owned(), known));
            }
        })
    }
}

impl fmt::Display for SslMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Disable => "disable",
            Self::Prefer => "prefer",
            Self::Require => "require",
            Self::VerifyCa => "verify-ca",
            Self::VerifyFull => "verify-full",
        })
    }
}

/// How TLS with a server begins: libpq's `sslnegotiation`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SslNegotiation {
    /// The server is asked by an SSLRequest, as every PostgreSQL understands.
    #[default]
    Postgres,
    /// At once, which saves a round trip and needs PostgreSQL 17 or later. There is no falling back to no TLS.
    Direct,
}

/// What is asked of a server's TLS.
#[derive(Clone)]
pub struct ServerTls {
    mode: SslMode,
    config: Arc<ClientConfig>,
}

impl ServerTls {
    /// Reads the root certificates of the given file, if any.
    pub fn load(mode: SslMode, root_cert_file: Option<&Path>) -> Result<Self, TlsConfigError> {
        let read = |path| read_certificates("root certificates", path);
        Self::new(mode, root_cert_file.map(read).transpose()?)
    }

    /// Takes the certificates to judge by; none means Mozilla's roots.
    pub fn new(
        mode: SslMode,
        roots: Option<Vec<CertificateDer<'static>>>,
    ) -> Result<Self, TlsConfigError> {
        let provider = provider();
        let names = match mode {
            SslMode::VerifyFull => Some(NameCheck::Full),
            SslMode::VerifyCa => Some(NameCheck::Skip),
            SslMode::Require if roots.is_some() => Some(NameCheck::Skip),
            _ => None,
        };
        let verifier: Arc<dyn ServerCertVerifier> = match names {
            Some(names) => Arc::new(chain_verifier(&provider, roots, names)?),
            None => Arc::new(TrustAll::new(&provider)),
        };
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.resumption = Resumption::disabled();
        Ok(Self { mode, config: Arc::new(config) })
    }

    /// How much TLS a server must offer.
    pub fn mode(&self) -> SslMode {
        self.mode
    }

    /// The same demands for another client library, which brings its own socket.
    pub fn client_config(&self) -> ClientConfig {
        ClientConfig::clone(&self.config)
    }

    /// Shakes hands with a server that is known as `host`, a name or an address.
    ///
    /// # Cancel safety
    /// Not cancel safe: dropped midway, the socket is closed.
    pub async fn connect(
        &self,
        socket: Socket,
        host: &str,
    ) -> io::Result<client::TlsStream<Socket>> {
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        TlsConnector::from(Arc::clone(&self.config)).connect(name, socket).await
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerTls({})", self.mode)
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn read_certificates(
    what: &'static str,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, TlsConfigError> {
    let certificates = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|source| TlsConfigError::File { what, path: path.to_owned(), source })?;
    if certificates.is_empty() {
        return Err(TlsConfigError::NoCertificate(path.to_owned()));
    }
    Ok(certificates)
}

fn chain_verifier(
    provider: &CryptoProvider,
    roots: Option<Vec<CertificateDer<'static>>>,
    names: NameCheck,
) -> Result<ChainVerifier, TlsConfigError> {
    let Some(certificates) = roots else {
        let mozilla = RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        return Ok(ChainVerifier::new(provider, mozilla, Vec::new(), names));
    };
    let mut store = RootCertStore::empty();
    for certificate in &certificates {
        store.add(certificate.clone()).map_err(TlsConfigError::Root)?;
    }
    Ok(ChainVerifier::new(provider, store, certificates, names))
}

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;
