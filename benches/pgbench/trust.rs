//! The certificate that both poolers show to clients over TLS, and clients that trust it.

use std::sync::Arc;

use harness::raw::RawClient;
use harness::{Authority, ServerCertificate};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// SSLRequest: its length and the code 1234.5679.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// An authority and the one certificate that it signed.
pub(crate) struct Trust {
    /// Certificate and key, as files.
    pub(crate) certificate: ServerCertificate,
    connector: TlsConnector,
}

impl Trust {
    /// With keys of its own.
    pub(crate) fn new() -> Self {
        let authority = Authority::new();
        let config = authority.client_config(rustls::ALL_VERSIONS);
        let connector = TlsConnector::from(Arc::new(config));
        Self { certificate: authority.server(&["localhost"]), connector }
    }

    /// A client past the handshake, which asked for TLS first.
    ///
    /// # Panics
    /// When the pooler does not speak TLS.
    pub(crate) async fn connect(&self, port: u16) -> RawClient {
        let mut socket = TcpStream::connect(("127.0.0.1", port)).await.expect("the pooler listens");
        socket.set_nodelay(true).expect("a TCP socket has the option");
        socket.write_all(&SSL_REQUEST).await.expect("the pooler reads");
        assert_eq!(socket.read_u8().await.expect("the pooler answers"), b'S', "TLS is offered");
        let name = ServerName::try_from("localhost").expect("a name");
        let stream = self.connector.connect(name, socket).await;
        RawClient::over(stream.expect("the certificate is trusted"))
    }
}
