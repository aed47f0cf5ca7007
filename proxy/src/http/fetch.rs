//! One small document of another server, over HTTPS; over plain HTTP from this machine alone.

use std::future::poll_fn;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, HOST};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use url::{Host, Url};

/// How long all of it may take.
const FETCH_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of the document.
const LEN_MAX: usize = 256 * 1024;

/// Why there is no document.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The URL is none that can be fetched.
    #[error("{0} is no https URL, and no http URL of this machine")]
    Url(String),
    /// The connection failed.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// The other side speaks no HTTP.
    #[error("{0}")]
    Http(#[from] hyper::Error),
    /// It has something else to say.
    #[error("the server answered {0}")]
    Status(StatusCode),
    /// It says more than it should.
    #[error("the document is longer than {LEN_MAX} bytes")]
    TooLong,
    /// It takes too long.
    #[error("no answer within {} s", FETCH_TIMEOUT.as_secs())]
    Late,
}

/// Whether the document may be fetched from there.
///
/// # Errors
/// [`FetchError::Url`].
pub fn check(url: &Url) -> Result<(), FetchError> {
    let is_here = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => IpAddr::from(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::from(address).is_loopback(),
        None => false,
    };
    match url.scheme() {
        "https" if url.host().is_some() => Ok(()),
        "http" if is_here => Ok(()),
        _ => Err(FetchError::Url(url.to_string())),
    }
}

/// Fetches the document.
///
/// # Errors
/// [`FetchError`].
///
/// # Cancel safety
/// Cancel safe: the connection is closed.
pub(super) async fn fetch(url: &Url, tls: &Arc<ClientConfig>) -> Result<Vec<u8>, FetchError> {
    match fetch_any(url, Some(tls)).await? {
        (StatusCode::OK, bytes) => Ok(bytes),
        (status, _) => Err(FetchError::Status(status)),
    }
}

/// Fetches what is there, whatever its status. Without `tls` from this machine alone.
///
/// # Errors
/// [`FetchError`], but for [`FetchError::Status`].
///
/// # Cancel safety
/// Cancel safe: the connection is closed.
pub async fn fetch_any(
    url: &Url,
    tls: Option<&Arc<ClientConfig>>,
) -> Result<(StatusCode, Vec<u8>), FetchError> {
    check(url)?;
    timeout(FETCH_TIMEOUT, fetch_at_leisure(url, tls)).await.unwrap_or(Err(FetchError::Late))
}

async fn fetch_at_leisure(
    url: &Url,
    tls: Option<&Arc<ClientConfig>>,
) -> Result<(StatusCode, Vec<u8>), FetchError> {
    let bad = || FetchError::Url(url.to_string());
    let host = url.host_str().ok_or_else(bad)?;
    let port = url.port_or_known_default().ok_or_else(bad)?;
    let stream = TcpStream::connect((host.trim_matches(['[', ']']), port)).await?;
    if url.scheme() == "http" {
        return ask(stream, url).await;
    }
    let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned()).map_err(|_| bad())?;
    let tls = tls.ok_or_else(bad)?;
    ask(TlsConnector::from(Arc::clone(tls)).connect(name, stream).await?, url).await
}

async fn ask<S>(stream: S, url: &Url) -> Result<(StatusCode, Vec<u8>), FetchError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::get(&url[url::Position::BeforePath..url::Position::AfterQuery])
        .header(HOST, &url[url::Position::BeforeHost..url::Position::AfterPort])
        .header(ACCEPT, "application/json")
        .body(String::new());
    let request = request.map_err(|_| FetchError::Url(url.to_string()))?;
    let answered = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        Ok((status, collect(response.into_body()).await?))
    };
    let mut answered = std::pin::pin!(answered);
    tokio::select! {
        biased;
        answer = &mut answered => return answer,
        ended = connection => ended?,
    }
    // The other side may close with its last byte.
    answered.await
}

async fn collect(mut body: Incoming) -> Result<Vec<u8>, FetchError> {
    let mut bytes = Vec::new();
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let Ok(data) = frame?.into_data() else { continue };
        if bytes.len() + data.len() > LEN_MAX {
            return Err(FetchError::TooLong);
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}
