//! The stream over a real socket: bytes both ways, pings, ends, and clients that break the protocol.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::*;

/// A client's frame, masked with zeros.
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = head(OpCode::Binary, payload.len());
    bytes[0] = first;
    bytes[1] |= 0x80;
    bytes.extend([0; 4]);
    bytes.extend_from_slice(payload);
    bytes
}

fn pair() -> (WebSocket, UnixStream) {
    let (near, far) = UnixStream::pair().unwrap();
    (WebSocket::new(Socket::unix(near), Vec::new()).unwrap(), far)
}

/// What the next frame of the proxy holds, with its first byte.
async fn frame(far: &mut UnixStream) -> (u8, Vec<u8>) {
    let [first, second] = [far.read_u8().await.unwrap(), far.read_u8().await.unwrap()];
    let len = match second {
        126 => usize::from(far.read_u16().await.unwrap()),
        127 => far.read_u64().await.unwrap() as usize,
        len => usize::from(len),
    };
    let mut payload = vec![0; len];
    far.read_exact(&mut payload).await.unwrap();
    (first, payload)
}

#[tokio::test]
async fn bytes_go_both_ways_and_pings_are_answered_between_frames() {
    let (mut near, mut far) = pair();
    far.write_all(&masked(0x89, b"there?")).await.unwrap();
    far.write_all(&masked(0x02, b"hel")).await.unwrap();
    let mut bytes = [0; 3];
    near.read_exact(&mut bytes).await.unwrap();
    assert_eq!(&bytes, b"hel");
    assert!(near.has_unread(), "the message goes on");
    far.write_all(&masked(0x80, b"lo")).await.unwrap();
    near.read_exact(&mut bytes[..2]).await.unwrap();
    assert!(!near.has_unread());
    assert_eq!(frame(&mut far).await, (0x8A, b"there?".to_vec()));

    let sent: Vec<u8> = (0..3_000_000_u32).map(|n| n as u8).collect();
    let expected = sent.clone();
    let writing = tokio::spawn(async move {
        near.write_all(&sent).await.unwrap();
        near.shutdown().await.unwrap();
        near
    });
    let mut received = Vec::new();
    loop {
        match frame(&mut far).await {
            (0x82, payload) => received.extend(payload),
            last => {
                assert_eq!(last, (0x88, CLOSE_NORMAL.to_be_bytes().to_vec()));
                break;
            }
        }
    }
    assert!(received == expected);
    drop(writing.await.unwrap());
}

#[tokio::test]
async fn bytes_that_came_with_the_request_come_first_and_a_look_takes_nothing() {
    let (near, mut far) = UnixStream::pair().unwrap();
    let raw = masked(0x82, b"abc");
    let mut near = WebSocket::new(Socket::unix(near), raw).unwrap();
    assert!(near.has_unread());
    let first = std::future::poll_fn(|cx| near.poll_peek(cx)).await.unwrap();
    assert_eq!(first, Some(b'a'));
    far.write_all(&masked(0x82, b"def")).await.unwrap();
    let mut bytes = [0; 6];
    near.read_exact(&mut bytes).await.unwrap();
    assert_eq!(&bytes, b"abcdef");
}

#[tokio::test]
async fn a_close_ends_the_stream_and_is_echoed() {
    let (mut near, mut far) = pair();
    far.write_all(&masked(0x82, b"last")).await.unwrap();
    far.write_all(&masked(0x88, &1001_u16.to_be_bytes())).await.unwrap();
    let mut bytes = Vec::new();
    near.read_to_end(&mut bytes).await.unwrap();
    assert_eq!(bytes, b"last");
    assert!(near.write_all(b"too late").await.is_err());
    near.shutdown().await.unwrap();
    assert_eq!(frame(&mut far).await, (0x88, 1001_u16.to_be_bytes().to_vec()));
}

#[tokio::test]
async fn a_client_that_breaks_the_protocol_is_told_so() {
    let (mut near, mut far) = pair();
    far.write_all(&masked(0x81, b"select 1")).await.unwrap();
    let error = near.read_u8().await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    near.shutdown().await.unwrap();
    assert_eq!(frame(&mut far).await, (0x88, 1003_u16.to_be_bytes().to_vec()));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_gives_no_sign_of_life_is_gone() {
    let (mut near, mut far) = pair();
    let began = Instant::now();
    let error = near.read_u8().await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert_eq!(began.elapsed().as_secs(), 120);
    for _ in 0..PINGS_UNANSWERED_MAX {
        assert_eq!(frame(&mut far).await, (0x89, Vec::new()));
    }
}
