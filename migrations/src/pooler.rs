//! Whether a connection ends at PostgreSQL or at a pooler.
//!
//! A pooler may run each transaction on another server session, and a session lock that one of them
//! holds says nothing about the next. Every pooler that does so hands out a cancel key of its own
//! in the greeting, because it must route cancel requests itself: then the process id in the
//! greeting's BackendKeyData is not what `pg_backend_pid()` says. The driver keeps that key to
//! itself, but writes it into a CancelRequest when given a stream to write to; here that stream is
//! a pipe in memory, so nobody is cancelled.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};
use tokio_postgres::{Client, SimpleQueryMessage};

use crate::MigrateError;
use crate::reply::reply;

/// Transactions whose backend is compared.
const TRANSACTIONS: usize = 3;

/// How long each question may take.
const REPLY_TIMEOUT: Duration = Duration::from_secs(30);

/// Refuses a connection whose transactions do not all run on the server process that the greeting
/// named.
///
/// # Errors
/// [`MigrateError::Pooler`] with what gave it away; [`MigrateError::Server`] and
/// [`MigrateError::NoAnswer`].
///
/// # Cancel safety
/// Changes nothing, at any point.
pub(crate) async fn refuse(client: &Client) -> Result<(), MigrateError> {
    let greeted = greeting_pid(client).await.map_err(|error| MigrateError::Server {
        doing: "reading the greeting's process id",
        cause: error.to_string(),
        sqlstate: None,
    })?;
    let mut first = None;
    for _ in 0..TRANSACTIONS {
        let pid = backend_pid(client).await?;
        let seen = *first.get_or_insert(pid);
        if let Some(evidence) = evidence(greeted, seen, pid) {
            return Err(MigrateError::Pooler { evidence });
        }
    }
    Ok(())
}

fn evidence(greeted: i32, first: i32, pid: i32) -> Option<String> {
    if pid != first {
        return Some(format!("one transaction ran in server process {first}, the next in {pid}"));
    }
    (pid != greeted).then(|| {
        format!("the greeting named server process {greeted}, statements run in process {pid}")
    })
}

/// Asks without a prepared statement: what this client left behind on a lent server connection, or
/// what it meets there, would answer in place of the question.
async fn backend_pid(client: &Client) -> Result<i32, MigrateError> {
    const DOING: &str = "asking for the server process";
    let asked = client.simple_query("SELECT pg_backend_pid()");
    let messages = reply(DOING, REPLY_TIMEOUT, asked).await?;
    messages.into_iter().find_map(pid_of).ok_or_else(|| MigrateError::Server {
        doing: DOING,
        cause: "the answer holds no process id".to_owned(),
        sqlstate: None,
    })
}

fn pid_of(message: SimpleQueryMessage) -> Option<i32> {
    match message {
        SimpleQueryMessage::Row(row) => row.get(0)?.parse().ok(),
        _ => None,
    }
}

/// The process id of the greeting's BackendKeyData.
async fn greeting_pid(client: &Client) -> io::Result<i32> {
    let (near, far) = tokio::io::duplex(64);
    let token = client.cancel_token();
    let (sent, pid) = tokio::join!(token.cancel_query_raw(near, Unencrypted), read_pid(far));
    sent.map_err(io::Error::other)?;
    pid
}

/// Reads a CancelRequest: length 16, code 80877102, process id, secret. With TLS in use an
/// SSLRequest (length 8, code 80877103) comes first, and is told to go on (PostgreSQL
/// documentation, 55.7 Message Formats).
async fn read_pid(mut pipe: DuplexStream) -> io::Result<i32> {
    const CANCEL: i32 = 80_877_102;
    const TLS: i32 = 80_877_103;
    loop {
        let _length = pipe.read_i32().await?;
        match pipe.read_i32().await? {
            TLS => pipe.write_all(b"S").await?,
            CANCEL => {
                let pid = pipe.read_i32().await?;
                let _secret = pipe.read_i32().await?;
                return Ok(pid);
            }
            code => return Err(io::Error::other(format!("unexpected request code {code}"))),
        }
    }
}

/// Says yes to TLS and does none: what it carries never leaves this process.
struct Unencrypted;

impl TlsConnect<DuplexStream> for Unencrypted {
    type Stream = Pipe;
    type Error = io::Error;
    type Future = std::future::Ready<io::Result<Pipe>>;

    fn connect(self, stream: DuplexStream) -> Self::Future {
        std::future::ready(Ok(Pipe(stream)))
    }
}

struct Pipe(DuplexStream);

impl TlsStream for Pipe {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl AsyncRead for Pipe {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_key_or_a_changing_process_gives_a_pooler_away() {
        assert_eq!(evidence(7, 7, 7), None);
        assert!(evidence(9, 7, 7).unwrap().contains("greeting"));
        assert!(evidence(7, 7, 8).unwrap().contains("next in 8"));
    }

    #[tokio::test]
    async fn the_process_id_is_read_with_and_without_a_request_for_tls() {
        for with_tls in [false, true] {
            let (mut near, far) = tokio::io::duplex(64);
            let reader = tokio::spawn(read_pid(far));
            if with_tls {
                near.write_all(&[0, 0, 0, 8, 4, 210, 22, 47]).await.unwrap();
                assert_eq!(near.read_u8().await.unwrap(), b'S');
            }
            near.write_all(&[0, 0, 0, 16, 4, 210, 22, 46, 0, 0, 1, 2, 9, 9, 9, 9]).await.unwrap();
            assert_eq!(reader.await.unwrap().unwrap(), 258);
        }
    }
}
