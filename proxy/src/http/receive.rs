//! A connection of the edge up to the request that opens a WebSocket. Whatever else is asked for is answered in HTTP.
//!
//! HTTP itself is hyper's.

use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use hyper::body::Incoming;
use hyper::header::{
    CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::UnixStream;

use crate::http::access::Access;
use crate::http::edge::{Edge, EdgeError};
use crate::http::sql::{self, Answer};
use crate::net::socket::Socket;
use crate::net::websocket::WebSocket;

/// Bytes of a request's head.
const HEAD_LEN_MAX: usize = 32 * 1024;
/// What a key is hashed with (RFC 6455, section 1.3).
const ACCEPT_SALT: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// A key is 16 bytes in base64 (section 4.1).
const KEY_LEN: usize = 24;

/// A client that came through the edge.
#[derive(Debug)]
pub struct Received {
    /// Its bytes.
    pub socket: Socket,
    /// Who it is, if that is clear.
    pub edge: Result<Edge, EdgeError>,
}

/// Why a connection led to no client.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    /// What came is no HTTP, or the socket failed.
    #[error("no HTTP request that can be served: {0}")]
    Http(#[from] hyper::Error),
    /// The WebSocket was broken from its beginning.
    #[error("the WebSocket broke the protocol: {0}")]
    Io(#[from] io::Error),
    /// Another socket came back than was given: a fault of the proxy.
    #[error("the connection was lost on its way")]
    Lost,
}

type Opened = Arc<Mutex<Option<(OnUpgrade, Result<Edge, EdgeError>)>>>;

/// Answers requests until one of them opens a WebSocket; none when the other side leaves before. Requests for SQL go through
/// `door` as clients of their own.
///
/// # Errors
/// [`ReceiveError`].
///
/// # Cancel safety
/// Dropped midway, the connection is closed. The caller bounds the time.
pub async fn receive(
    socket: Socket,
    head_timeout: Duration,
    access: Option<&Access>,
    door: impl Fn(Edge) -> io::Result<UnixStream>,
) -> Result<Option<Received>, ReceiveError> {
    let opened = Opened::default();
    let service = service_fn(|request| {
        let (opened, door) = (&opened, &door);
        async move { Ok::<_, Infallible>(answer(request, opened, (access, door)).await) }
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head_timeout)
        .max_buf_size(HEAD_LEN_MAX)
        .serve_connection(TokioIo::new(socket), service)
        .with_upgrades()
        .await?;
    let found = opened.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some((upgrade, edge)) = found else { return Ok(None) };
    let upgraded = upgrade.await?;
    let parts = upgraded.downcast::<TokioIo<Socket>>().map_err(|_| ReceiveError::Lost)?;
    let stream = WebSocket::new(parts.io.into_inner(), parts.read_buf.to_vec())?;
    Ok(Some(Received { socket: Socket::WebSocket(Box::new(stream)), edge }))
}

async fn answer(
    request: Request<Incoming>,
    opened: &Opened,
    (access, door): (Option<&Access>, sql::Door<'_>),
) -> Response<Answer> {
    if asks_for_websocket(&request) {
        let edge = Edge::identified(request.headers(), access).await;
        return open(request, edge, opened);
    }
    match (request.method(), request.uri().path()) {
        (&Method::POST, "/sql") => {
            let edge = Edge::identified(request.headers(), access).await;
            sql::answer(request, edge, door).await
        }
        (&Method::OPTIONS, "/sql") => sql::preflight(),
        _ => plain(&request),
    }
}

fn open(
    mut request: Request<Incoming>,
    edge: Result<Edge, EdgeError>,
    opened: &Opened,
) -> Response<Answer> {
    let key = request.headers().get(SEC_WEBSOCKET_KEY).map(HeaderValue::as_bytes);
    let Some(key) = key.filter(|key| key.len() == KEY_LEN).map(<[u8]>::to_vec) else {
        return text(StatusCode::BAD_REQUEST, "Sec-WebSocket-Key is missing or no key\n");
    };
    let upgrade = hyper::upgrade::on(&mut request);
    *opened.lock().unwrap_or_else(PoisonError::into_inner) = Some((upgrade, edge));
    let mut response = Response::new(Answer::Whole(None));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    if let Ok(accept) = HeaderValue::from_str(&accept(&key)) {
        headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    }
    response
}

/// As section 4.2.1 has it. Extensions and subprotocols are not agreed on.
fn asks_for_websocket(request: &Request<Incoming>) -> bool {
    let has = |name: HeaderName, word: &str| {
        let values = request.headers().get_all(name).iter();
        let mut words =
            values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
        words.any(|said| said.trim().eq_ignore_ascii_case(word))
    };
    request.method() == Method::GET
        && has(UPGRADE, "websocket")
        && has(CONNECTION, "upgrade")
        && has(SEC_WEBSOCKET_VERSION, "13")
}

fn plain(request: &Request<Incoming>) -> Response<Answer> {
    if request.headers().contains_key(UPGRADE) {
        let mut response =
            text(StatusCode::UPGRADE_REQUIRED, "WebSocket of version 13 is what is served here\n");
        let version = HeaderValue::from_static("13");
        response.headers_mut().insert(SEC_WEBSOCKET_VERSION, version);
        return response;
    }
    match (request.method(), request.uri().path()) {
        (&Method::GET | &Method::HEAD, "/healthz") => text(StatusCode::OK, "ok\n"),
        _ => text(
            StatusCode::NOT_FOUND,
            "This is a PostgreSQL proxy: connect with cloudflared access tcp or by WebSocket, or POST to /sql.\n",
        ),
    }
}

fn text(status: StatusCode, body: &str) -> Response<Answer> {
    let mut response = Response::new(Answer::from(body.as_bytes().to_vec()));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

fn accept(key: &[u8]) -> String {
    let mut hash = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
    hash.update(key);
    hash.update(ACCEPT_SALT);
    BASE64.encode(hash.finish())
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::UnixStream;

    use super::*;

    const OPEN: &str = "GET /v2 HTTP/1.1\r\nHost: db.example.com\r\nConnection: keep-alive, Upgrade\r\n\
        Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        Sec-WebSocket-Extensions: permessage-deflate\r\nCf-Connecting-Ip: 203.0.113.7\r\n";

    /// What the proxy says to `request`, and whom it received.
    async fn receive_from(request: &str) -> (String, Option<Received>) {
        let (near, mut far) = UnixStream::pair().unwrap();
        let receiving = receive(Socket::unix(near), Duration::from_secs(5), None, |_| {
            Err(io::ErrorKind::NotFound.into())
        });
        let speaking = async {
            far.write_all(request.as_bytes()).await.unwrap();
            let mut bytes = vec![0; 4_096];
            let len = far.read(&mut bytes).await.unwrap();
            far.shutdown().await.unwrap();
            String::from_utf8(bytes[..len].to_vec()).unwrap()
        };
        let (received, said) = tokio::join!(receiving, speaking);
        (said, received.ok().flatten())
    }

    #[tokio::test]
    async fn a_websocket_is_opened_as_the_rfc_has_it_and_without_extensions() {
        let (said, received) = receive_from(&format!("{OPEN}\r\n")).await;
        assert!(said.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{said}");
        let said = said.to_ascii_lowercase();
        // The example of RFC 6455, section 1.3.
        assert!(said.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=\r\n"), "{said}");
        assert!(!said.contains("extensions"), "{said}");
        let edge = received.unwrap().edge.unwrap();
        assert_eq!(edge.address, "203.0.113.7".parse().ok());
    }

    #[tokio::test]
    async fn headers_that_are_there_twice_are_told_of() {
        let (said, received) =
            receive_from(&format!("{OPEN}Cf-Connecting-Ip: 198.51.100.1\r\n\r\n")).await;
        assert!(said.starts_with("HTTP/1.1 101"), "the client is told in its own protocol: {said}");
        assert_eq!(received.unwrap().edge, Err(EdgeError::Twice("cf-connecting-ip")));
    }

    #[tokio::test]
    async fn what_else_is_asked_for_is_answered() {
        for (request, status) in [
            ("GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), "404"),
            ("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), "200"),
            (format!("{}\r\n", OPEN.replace("Version: 13", "Version: 8")), "426"),
            (format!("{}\r\n", OPEN.replace("dGhlIHNhbXBsZSBub25jZQ==", "short")), "400"),
            ("\0\0\0\u{8}\u{4}\u{d2}\u{16}\u{2f}".to_owned(), "400"),
        ] {
            let (said, received) = receive_from(&request).await;
            assert!(said.starts_with(&format!("HTTP/1.1 {status} ")), "{request}: {said}");
            assert!(received.is_none(), "{request}");
        }
    }
}
