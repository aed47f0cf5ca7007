//! Streams under TLS against a client of tokio-rustls, cut anywhere.

use rustls::{ClientConfig, version};
use tokio::io::{DuplexStream, duplex};
use tokio::net::UnixStream;
use tokio_rustls::{TlsConnector, client};

use super::*;
use crate::net::tls::fixture::{Authority, Validity};

type Client = client::TlsStream<DuplexStream>;

/// A client whose bytes come in pieces of at most `cut`, and what the listener has of it.
async fn connected(
    versions: &[&'static rustls::SupportedProtocolVersion],
    cut: usize,
) -> (TlsStream, Client) {
    let authority = Authority::new();
    let listener = authority.listener("localhost", Validity::Current);
    let mut roots = rustls::RootCertStore::empty();
    roots.add(authority.certificate.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let (near, mut wire) = UnixStream::pair().unwrap();
    let (far, mut end) = duplex(cut);
    tokio::spawn(async move {
        tokio::io::copy_bidirectional_with_sizes(&mut wire, &mut end, cut, cut).await
    });
    let connector = TlsConnector::from(Arc::new(config));
    let (server, client) = tokio::join!(
        listener.accept(Socket::unix(near)),
        connector.connect("localhost".try_into().unwrap(), far)
    );
    (server.unwrap(), client.unwrap())
}

fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|index| (index * 31 % 251) as u8).collect()
}

#[tokio::test]
async fn bytes_come_through_both_ways_however_the_stream_is_cut() {
    for (version, cut, len) in [
        (&version::TLS13, 1, 40_000),
        (&version::TLS12, 7, 40_000),
        (&version::TLS13, 1_000_000, 3_000_000),
        (&version::TLS12, 16_389, 3_000_000),
    ] {
        let (mut server, mut client) = connected(&[version], cut).await;
        let sent = bytes(len);
        let echo = async {
            let mut got = Vec::new();
            let mut part = vec![0; 5_000];
            while got.len() < len {
                let read = server.read(&mut part).await.unwrap();
                assert!(read > 0, "the end came early");
                got.extend_from_slice(&part[..read]);
            }
            server.write_all(&got).await.unwrap();
            server.flush().await.unwrap();
            got
        };
        let talk = async {
            client.write_all(&sent).await.unwrap();
            client.flush().await.unwrap();
            let mut back = vec![0; len];
            client.read_exact(&mut back).await.unwrap();
            back
        };
        let (got, back) = tokio::join!(echo, talk);
        assert!(got == sent && back == sent, "{version:?} cut at {cut}");
        let held = server.incoming.capacity() + server.session.outgoing.unsent().len();
        assert_eq!(held, 0, "nothing is kept while nothing is on its way");
        assert!(server.session.plain.is_empty());
    }
}

#[tokio::test]
async fn the_end_is_told_from_a_connection_that_breaks() {
    let (mut server, mut client) = connected(&[&version::TLS13], 10_000).await;
    client.write_all(b"last").await.unwrap();
    client.shutdown().await.unwrap();
    let mut got = Vec::new();
    server.read_to_end(&mut got).await.unwrap();
    assert_eq!(got, b"last");
    // Half closed: the other way is open still.
    server.write_all(b"reply").await.unwrap();
    server.shutdown().await.unwrap();
    let mut got = Vec::new();
    client.read_to_end(&mut got).await.unwrap();
    assert_eq!(got, b"reply");
    let (mut server, client) = connected(&[&version::TLS13], 10_000).await;
    drop(client);
    let error = server.read(&mut [0; 10]).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn a_record_that_was_tampered_with_ends_the_connection_with_an_alert() {
    let (mut server, mut client) = connected(&[&version::TLS13], 10_000).await;
    let record = [&[0x17, 3, 3, 0, 32][..], &[7; 32]].concat();
    client.get_mut().0.write_all(&record).await.unwrap();
    let error = server.read(&mut [0; 10]).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{error}");
    let error = client.read(&mut [0; 10]).await.unwrap_err();
    assert!(error.to_string().contains("BadRecordMac"), "{error}");
}

#[tokio::test]
async fn what_is_no_tls_is_refused() {
    let listener = Authority::new().listener("localhost", Validity::Current);
    let (near, mut far) = UnixStream::pair().unwrap();
    far.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let error = listener.accept(Socket::unix(near)).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{error}");
}
