//! Clients that send good, bad and half packets over real sockets.

use tokio::net::{TcpListener, TcpStream, UnixStream};

use super::*;
use crate::error::SqlState;
use crate::net::tls::fixture::{Authority, Validity};
use crate::net::tls::{ServerTls, SslMode};
use crate::wire::error_response::ServerError;

const SSL_REQUEST: &[u8] = b"\0\0\0\x08\x04\xd2\x16\x2f";
const GSS_REQUEST: &[u8] = b"\0\0\0\x08\x04\xd2\x16\x30";
const STARTUP: &[u8] = b"\0\0\0\x10\0\x03\0\0user\0u\0\0";

/// What the proxy made of a client, and what the client got to read.
struct Outcome {
    handshake: Result<Handshake, StartupError>,
    replies: Vec<u8>,
}

impl Outcome {
    fn startup(self) -> (ClientStream, Startup) {
        match self.handshake {
            Ok(Handshake::Startup(stream, startup)) => (stream, startup),
            other => panic!("{other:?}"),
        }
    }

    /// The refusal, which must be what the client was told.
    fn refusal(self) -> Refusal {
        let Err(StartupError::Refused(refusal)) = self.handshake else {
            panic!("{:?}", self.handshake);
        };
        let start = self.replies.iter().position(|&byte| byte == b'E').unwrap();
        let told = ServerError::read(&self.replies[start..]);
        assert_eq!((told.sqlstate, told.message), (refusal.sqlstate(), refusal.to_string()));
        assert!(told.severity == "FATAL");
        refusal
    }
}

/// A client over a unix socket that sends all it has at once and then closes its half.
async fn meet(sent: &[u8]) -> Outcome {
    let (near, mut far) = UnixStream::pair().unwrap();
    let client = async {
        // The proxy may be done with the client before it has read everything.
        let _ = far.write_all(sent).await;
        let _ = far.shutdown().await;
        let mut replies = Vec::new();
        let _ = far.read_to_end(&mut replies).await;
        replies
    };
    let proxy = handshake(Socket::unix(near), Peer::Unix, &TlsPolicy::Disable);
    let (replies, handshake) = tokio::join!(client, async {
        match proxy.await {
            Ok(Handshake::Startup(mut stream, startup)) => {
                stream.shutdown().await.unwrap();
                Ok(Handshake::Startup(stream, startup))
            }
            Ok(Handshake::Cancel(mut stream, key)) => {
                stream.shutdown().await.unwrap();
                Ok(Handshake::Cancel(stream, key))
            }
            other => other,
        }
    });
    Outcome { handshake, replies }
}

/// Both ends of a TCP connection.
async fn tcp() -> (Socket, Peer, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let far = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (near, address) = listener.accept().await.unwrap();
    (Socket::tcp(near).unwrap(), Peer::Tcp(address.into()), far)
}

fn certificate() -> ListenerTls {
    Authority::new().listener("localhost", Validity::Current)
}

fn client_tls() -> ServerTls {
    ServerTls::new(SslMode::Require, None).unwrap()
}

#[tokio::test]
async fn a_startup_packet_is_read_to_its_end_and_no_further() {
    let (near, mut far) = UnixStream::pair().unwrap();
    far.write_all(&[STARTUP, b"Qxyz"].concat()).await.unwrap();
    let shaken = handshake(Socket::unix(near), Peer::Unix, &TlsPolicy::Disable).await;
    let Ok(Handshake::Startup(mut stream, startup)) = shaken else { panic!("{shaken:?}") };
    assert_eq!(startup.user, "u");
    let mut rest = [0; 4];
    stream.read_exact(&mut rest).await.unwrap();
    assert_eq!(&rest, b"Qxyz");
}

#[tokio::test]
async fn wishes_that_cannot_be_met_are_answered_with_no_in_any_order() {
    for sent in
        [[SSL_REQUEST, GSS_REQUEST, STARTUP].concat(), [GSS_REQUEST, SSL_REQUEST, STARTUP].concat()]
    {
        let outcome = meet(&sent).await;
        assert_eq!(outcome.replies, b"NN");
        assert_eq!(outcome.startup().1.user, "u");
    }
}

#[tokio::test]
async fn a_wish_is_granted_or_denied_once() {
    for request in [SSL_REQUEST, GSS_REQUEST] {
        let outcome = meet(&[request, request, STARTUP].concat()).await;
        assert_eq!(outcome.refusal(), Refusal::Repeated);
    }
}

#[tokio::test]
async fn lengths_that_cannot_be_right_are_refused_before_anything_is_read_for_them() {
    for len in [0_u32, 4, 7, 10_005, 1 << 30, 1 << 31, u32::MAX] {
        let outcome = meet(&[&len.to_be_bytes()[..], b"garbage"].concat()).await;
        assert_eq!(outcome.refusal(), Refusal::Length(len));
    }
    let outcome = meet(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(outcome.refusal(), Refusal::Length(u32::from_be_bytes(*b"GET ")));
}

#[tokio::test]
async fn the_longest_packet_is_read() {
    let mut packet = vec![0, 3, 0, 0];
    packet.extend(b"user\0u\0x\0");
    packet.resize(10_000 - 2, b'y');
    packet.extend([0, 0]);
    let len = (packet.len() as u32 + 4).to_be_bytes();
    let (_, startup) = meet(&[&len[..], &packet].concat()).await.startup();
    assert_eq!(startup.parameters[0].1.len(), 10_000 - 4 - 7 - 2 - 2);
}

#[tokio::test]
async fn who_leaves_at_once_is_no_error_and_who_leaves_midway_is_one() {
    assert!(matches!(meet(b"").await.handshake, Ok(Handshake::Closed)));
    for cut in 1..STARTUP.len() {
        let outcome = meet(&STARTUP[..cut]).await;
        assert!(matches!(outcome.handshake, Err(StartupError::Incomplete)), "cut at {cut}");
        assert_eq!(outcome.replies, b"");
    }
    let outcome = meet(SSL_REQUEST).await;
    assert!(matches!(outcome.handshake, Ok(Handshake::Closed)));
}

#[tokio::test]
async fn a_cancel_request_is_answered_with_nothing() {
    let request = b"\0\0\0\x10\x04\xd2\x16\x2e\0\0\0\x07\x01\x02\x03\x04";
    let outcome = meet(request).await;
    assert_eq!(outcome.replies, b"");
    let Ok(Handshake::Cancel(_, key)) = outcome.handshake else { panic!("no cancel request") };
    assert_eq!(key, CancelKey { pid: 7, secret: vec![1, 2, 3, 4] });
}

#[tokio::test]
async fn a_newer_version_is_negotiated() {
    let outcome = meet(b"\0\0\0\x19\0\x03\x00\x09user\0u\0_pq_.z\0\x31\0\0").await;
    assert_eq!(outcome.replies, b"v\0\0\0\x13\0\x03\0\x02\0\0\0\x01_pq_.z\0");
    assert_eq!(outcome.startup().1.protocol, Protocol::V3_2);
}

#[tokio::test]
async fn an_old_protocol_is_refused_with_its_code() {
    let outcome = meet(b"\0\0\0\x09\0\x02\0\0\0").await;
    let refusal = outcome.refusal();
    assert_eq!(refusal.sqlstate(), SqlState::FEATURE_NOT_SUPPORTED);
}

#[tokio::test]
async fn tls_begins_after_a_wish_for_it() {
    let (near, peer, mut far) = tcp().await;
    let policy = TlsPolicy::Require(certificate());
    let client = async {
        far.write_all(SSL_REQUEST).await.unwrap();
        assert_eq!(far.read_u8().await.unwrap(), b'S');
        let mut far = client_tls().connect(Socket::tcp(far).unwrap(), "localhost").await.unwrap();
        far.write_all(STARTUP).await.unwrap();
        far
    };
    let (shaken, _far) = tokio::join!(handshake(near, peer, &policy), client);
    let Ok(Handshake::Startup(stream, startup)) = shaken else { panic!("{shaken:?}") };
    assert!(stream.is_tls());
    assert_eq!(startup.user, "u");
}

#[tokio::test]
async fn tls_begins_at_once_for_a_client_that_names_the_protocol() {
    let (near, peer, far) = tcp().await;
    let policy = TlsPolicy::Allow(certificate());
    let client = async {
        let mut far = client_tls().connect(Socket::tcp(far).unwrap(), "localhost").await.unwrap();
        // A second wish inside TLS is denied.
        far.write_all(SSL_REQUEST).await.unwrap();
        assert_eq!(far.read_u8().await.unwrap(), b'N');
        far.write_all(STARTUP).await.unwrap();
        far
    };
    let (shaken, _far) = tokio::join!(handshake(near, peer, &policy), client);
    let Ok(Handshake::Startup(stream, _)) = shaken else { panic!("{shaken:?}") };
    assert!(stream.is_tls());
}

#[tokio::test]
async fn tls_at_once_without_the_protocols_name_is_refused() {
    let (near, peer, far) = tcp().await;
    let policy = TlsPolicy::Allow(certificate());
    let client = async {
        let socket = Socket::tcp(far).unwrap();
        ServerTls::without_alpn().connect(socket, "localhost").await
    };
    let (shaken, _far) = tokio::join!(handshake(near, peer, &policy), client);
    assert!(matches!(shaken, Err(StartupError::NoAlpn)), "{shaken:?}");
}

#[tokio::test]
async fn plaintext_behind_a_wish_for_tls_is_refused() {
    let (near, peer, mut far) = tcp().await;
    let policy = TlsPolicy::Allow(certificate());
    // One write, so that both are there when the first is read.
    far.write_all(&[SSL_REQUEST, STARTUP].concat()).await.unwrap();
    let client = async {
        let mut replies = Vec::new();
        let _ = far.read_to_end(&mut replies).await;
        replies
    };
    let (handshake, replies) = tokio::join!(handshake(near, peer, &policy), client);
    assert_eq!(replies[0], b'E', "the wish was granted");
    assert_eq!(Outcome { handshake, replies }.refusal(), Refusal::Unencrypted);
}

#[tokio::test]
async fn a_policy_that_requires_tls_refuses_others_but_not_the_unix_socket() {
    let policy = TlsPolicy::Require(certificate());
    let (near, peer, mut far) = tcp().await;
    far.write_all(STARTUP).await.unwrap();
    far.shutdown().await.unwrap();
    let shaken = handshake(near, peer, &policy).await;
    assert!(matches!(shaken, Err(StartupError::Refused(Refusal::TlsRequired))), "{shaken:?}");

    let (near, mut far) = UnixStream::pair().unwrap();
    far.write_all(&[SSL_REQUEST, STARTUP].concat()).await.unwrap();
    let shaken = handshake(Socket::unix(near), Peer::Unix, &policy).await;
    assert!(matches!(shaken, Ok(Handshake::Startup(..))), "{shaken:?}");
    assert_eq!(far.read_u8().await.unwrap(), b'N');
}
