//! Which certificates which mode trusts, and that a client under TLS can move between threads.

use std::net::Ipv4Addr;
use std::thread;

use rustls::{ProtocolVersion, version};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::fixture::{Authority, Validity, self_signed};
use super::*;
use crate::net::socket::Peer;
use crate::net::stream::ClientStream;

fn pair() -> (Socket, Socket) {
    let (near, far) = UnixStream::pair().unwrap();
    (Socket::unix(near), Socket::unix(far))
}

/// True when a server connection to "localhost" with these settings comes about.
async fn connects(listener: &ListenerTls, tls: &ServerTls) -> bool {
    let (near, far) = pair();
    let accept = async { listener.accept(near).await.map(|_| ()) };
    let connect = async {
        let mut stream = tls.connect(far, "localhost").await?;
        // Under TLS 1.3 the client is through before the server is.
        stream.shutdown().await
    };
    tokio::join!(accept, connect).1.is_ok()
}

fn server_tls(mode: SslMode, root: Option<&CertificateDer<'static>>) -> ServerTls {
    ServerTls::new(mode, root.map(|root| vec![root.clone()])).unwrap()
}

#[tokio::test]
async fn each_mode_trusts_whom_libpq_would_trust() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let right = ours.listener("localhost", Validity::Current);
    let renamed = ours.listener("elsewhere", Validity::Current);
    let foreign = theirs.listener("localhost", Validity::Current);
    let expired = ours.listener("localhost", Validity::Expired);
    let root = Some(&ours.certificate);
    for (mode, root, expected) in [
        (SslMode::Prefer, root, [true, true, true, true]),
        (SslMode::Require, None, [true, true, true, true]),
        (SslMode::Require, root, [true, true, false, false]),
        (SslMode::VerifyCa, root, [true, true, false, false]),
        (SslMode::VerifyFull, root, [true, false, false, false]),
        // Mozilla's roots know none of these.
        (SslMode::VerifyCa, None, [false, false, false, false]),
        (SslMode::VerifyFull, None, [false, false, false, false]),
    ] {
        let tls = server_tls(mode, root);
        let listeners = [&right, &renamed, &foreign, &expired];
        for (number, (listener, expected)) in listeners.into_iter().zip(expected).enumerate() {
            assert_eq!(connects(listener, &tls).await, expected, "{mode}, certificate {number}");
        }
    }
}

#[tokio::test]
async fn a_self_signed_certificate_is_its_own_root_while_it_is_current() {
    let (listener, certificate) = self_signed("localhost", Validity::Current);
    assert!(connects(&listener, &server_tls(SslMode::VerifyFull, Some(&certificate))).await);
    let (renamed, certificate) = self_signed("elsewhere", Validity::Current);
    assert!(!connects(&renamed, &server_tls(SslMode::VerifyFull, Some(&certificate))).await);
    assert!(connects(&renamed, &server_tls(SslMode::VerifyCa, Some(&certificate))).await);
    let (expired, certificate) = self_signed("localhost", Validity::Expired);
    assert!(!connects(&expired, &server_tls(SslMode::VerifyCa, Some(&certificate))).await);
    assert!(!connects(&listener, &server_tls(SslMode::VerifyCa, Some(&certificate))).await);
}

#[tokio::test]
async fn tls_1_2_and_1_3_are_spoken_and_the_protocol_is_named() {
    let listener = Authority::new().listener("localhost", Validity::Current);
    for (version, number) in
        [(&version::TLS12, ProtocolVersion::TLSv1_2), (&version::TLS13, ProtocolVersion::TLSv1_3)]
    {
        let provider = provider();
        let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[version])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(TrustAll::new(&provider)))
            .with_no_client_auth();
        config.alpn_protocols = vec![ALPN.to_vec()];
        let tls = ServerTls { mode: SslMode::Require, config: Arc::new(config) };
        let (near, far) = pair();
        let (server, client) = tokio::join!(listener.accept(near), tls.connect(far, "localhost"));
        let (server, client) = (server.unwrap(), client.unwrap());
        assert_eq!(client.get_ref().1.protocol_version(), Some(number));
        assert_eq!(server.alpn_protocol(), Some(ALPN));
    }
}

#[tokio::test]
async fn a_server_may_be_named_by_its_address() {
    let authority = Authority::new();
    let listener = authority.listener("127.0.0.1", Validity::Current);
    let tls = server_tls(SslMode::VerifyFull, Some(&authority.certificate));
    let (near, far) = pair();
    let host = Ipv4Addr::LOCALHOST.to_string();
    let (accepted, connected) = tokio::join!(listener.accept(near), tls.connect(far, &host));
    assert!(accepted.is_ok() && connected.is_ok());
}

#[test]
fn a_client_under_tls_moves_to_another_thread_with_what_it_sent() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let listener = Authority::new().listener("localhost", Validity::Current);
    let tls = server_tls(SslMode::Require, None);
    let (near, far) = std::os::unix::net::UnixStream::pair().unwrap();
    let far = thread::spawn(move || {
        runtime().block_on(async {
            far.set_nonblocking(true).unwrap();
            let socket = Socket::unix(UnixStream::from_std(far).unwrap());
            let mut stream = tls.connect(socket, "localhost").await.unwrap();
            stream.write_all(b"one two").await.unwrap();
            let mut answer = [0; 5];
            stream.read_exact(&mut answer).await.unwrap();
            answer
        })
    });
    let mut stream = runtime().block_on(async {
        near.set_nonblocking(true).unwrap();
        let socket = Socket::unix(UnixStream::from_std(near).unwrap());
        let mut stream = ClientStream::plain(socket, Peer::Unix).into_tls(&listener).await.unwrap();
        let mut first = [0; 4];
        // The rest of the record stays inside TLS while the stream moves.
        stream.read_exact(&mut first).await.unwrap();
        assert_eq!(&first, b"one ");
        stream.detach().unwrap();
        stream
    });
    let moved = thread::spawn(move || {
        runtime().block_on(async {
            stream.attach().unwrap();
            let mut rest = [0; 3];
            stream.read_exact(&mut rest).await.unwrap();
            stream.write_all(b"three").await.unwrap();
            stream.flush().await.unwrap();
            rest
        })
    });
    assert_eq!(&moved.join().unwrap(), b"two");
    assert_eq!(&far.join().unwrap(), b"three");
}

#[test]
fn modes_have_libpqs_names() {
    for name in ["disable", "prefer", "require", "verify-ca", "verify-full"] {
        assert_eq!(name.parse::<SslMode>().unwrap().to_string(), name);
    }
    for name in ["disable", "allow", "require"] {
        assert_eq!(name.parse::<ListenerTlsMode>().unwrap().to_string(), name);
    }
    assert!("VERIFY-FULL".parse::<SslMode>().is_err());
    assert!("prefer".parse::<ListenerTlsMode>().is_err());
}

#[test]
fn a_policy_needs_certificate_and_key_or_neither() {
    let load = |mode, cert: Option<&str>, key: Option<&str>| {
        let (cert_file, key_file) = (cert.map(PathBuf::from), key.map(PathBuf::from));
        TlsPolicy::load(&ListenerTlsConfig { mode, cert_file, key_file })
    };
    use ListenerTlsMode::{Allow, Disable, Require};
    assert!(matches!(load(Allow, None, None), Ok(TlsPolicy::Disable)));
    assert!(matches!(load(Disable, Some("/c"), None), Ok(TlsPolicy::Disable)));
    for (mode, cert, key) in [
        (Allow, Some("/c"), None),
        (Allow, None, Some("/k")),
        (Require, None, None),
        (Require, None, Some("/k")),
    ] {
        assert!(matches!(load(mode, cert, key), Err(TlsConfigError::Incomplete(_))));
    }
    let missing = load(Require, Some("/nowhere/c"), Some("/nowhere/k")).unwrap_err();
    assert!(missing.to_string().contains("/nowhere/c"), "{missing}");
}
