//! The two ends of a tunnel in one: takes TCP clients as `cloudflared access tcp` does, and opens a WebSocket to the proxy's
//! tunnel listener for each, with the headers of Cloudflare's edge.
//!
//! Frames are those of the real client (observed with cloudflared 2026.8.2): masked and binary, one message for each read of
//! up to 16,384 bytes, cut into frames of 4,096; pings are answered, nothing is closed by a Close frame.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use tokio::task::AbortHandle;

const MESSAGE_LEN_MAX: usize = 16_384;
const FRAME_LEN_MAX: usize = 4_096;
const MASK: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];

/// A tunnel to one proxy; ends when dropped.
#[derive(Debug)]
pub struct Edge {
    /// Where clients connect.
    pub port: u16,
    task: AbortHandle,
}

impl Drop for Edge {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Edge {
    /// A tunnel to the listener at `port`, that adds these headers to each request.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn to(port: u16, headers: &[(&str, &str)]) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let own = listener.local_addr().expect("a bound socket has an address").port();
        let headers: String =
            headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let target = SocketAddr::from(([127, 0, 0, 1], port));
        let accepting = async move {
            while let Ok((client, _)) = listener.accept().await {
                let headers = headers.clone();
                tokio::spawn(async move {
                    // What goes wrong the client sees as the end of its connection, as with the real one.
                    let _ = carry(client, target, &headers).await;
                });
            }
        };
        Self { port: own, task: tokio::spawn(accepting).abort_handle() }
    }
}

async fn carry(client: TcpStream, target: SocketAddr, headers: &str) -> std::io::Result<()> {
    let mut proxy = TcpStream::connect(target).await?;
    client.set_nodelay(true)?;
    proxy.set_nodelay(true)?;
    let request = format!(
        "GET / HTTP/1.1\r\nHost: db.example.com\r\nUser-Agent: cloudflared/2026.8.2\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: tt/Xy0lvW/h+uRToGJd9Ng==\r\nSec-WebSocket-Version: 13\r\nUpgrade: websocket\r\n{headers}\r\n"
    );
    proxy.write_all(request.as_bytes()).await?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(proxy.read_u8().await?);
    }
    if !head.starts_with(b"HTTP/1.1 101 ") {
        return Err(std::io::Error::other("bad handshake"));
    }
    let (from_client, to_client) = client.into_split();
    let (from_proxy, to_proxy) = proxy.into_split();
    let to_proxy = Arc::new(Mutex::new(to_proxy));
    // The first end of either side is the end of both.
    tokio::select! {
        ended = up(from_client, &to_proxy) => ended,
        ended = down(from_proxy, to_client, &to_proxy) => ended,
    }
}

async fn up(mut from: OwnedReadHalf, to: &Mutex<OwnedWriteHalf>) -> std::io::Result<()> {
    let mut bytes = vec![0; MESSAGE_LEN_MAX];
    loop {
        let len = from.read(&mut bytes).await?;
        if len == 0 {
            return Ok(());
        }
        let frames = len.div_ceil(FRAME_LEN_MAX);
        for (number, part) in bytes[..len].chunks(FRAME_LEN_MAX).enumerate() {
            let code = if number == 0 { 0x02 } else { 0x00 };
            let end = if number + 1 == frames { 0x80 } else { 0x00 };
            to.lock().await.write_all(&frame(end | code, part)).await?;
        }
    }
}

async fn down(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    back: &Mutex<OwnedWriteHalf>,
) -> std::io::Result<()> {
    loop {
        let [first, second] = [from.read_u8().await?, from.read_u8().await?];
        let mut left = match second {
            126 => u64::from(from.read_u16().await?),
            127 => from.read_u64().await?,
            len => u64::from(len),
        };
        let mut payload = vec![0; MESSAGE_LEN_MAX];
        let mut control = Vec::new();
        while left > 0 {
            let len = payload.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            from.read_exact(&mut payload[..len]).await?;
            left -= len as u64;
            match first & 0x0F {
                0x8..=0xF => control.extend_from_slice(&payload[..len]),
                _ => to.write_all(&payload[..len]).await?,
            }
        }
        match first & 0x0F {
            0x8 => return back.lock().await.write_all(&frame(0x88, &control)).await,
            0x9 => back.lock().await.write_all(&frame(0x8A, &control)).await?,
            _ => {}
        }
    }
}

fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        len @ 0..=125 => bytes.push(0x80 | len as u8),
        len => {
            bytes.push(0x80 | 126);
            bytes.extend((len as u16).to_be_bytes());
        }
    }
    bytes.extend(MASK);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}
