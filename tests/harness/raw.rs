//! A protocol client without opinions: sends the bytes it is given and returns the messages that
//! come back. Knows how to log in, because most tests begin after that.

use std::io;

use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};
use postgres_protocol::message::frontend;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::message::{self, Message};
use crate::wait;

/// What a raw client talks over.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// One connection.
pub struct RawClient {
    stream: Box<dyn Stream>,
}

/// Whom to log in as.
#[derive(Debug, Clone)]
pub struct Login {
    /// User name.
    pub user: String,
    /// Password for SCRAM-SHA-256.
    pub password: String,
    /// Database name.
    pub database: String,
}

/// What a successful login told the client.
#[derive(Debug, Default)]
pub struct Greeting {
    /// ParameterStatus pairs in the order they came.
    pub parameters: Vec<(String, String)>,
    /// The body of BackendKeyData: process id and secret.
    pub key: Vec<u8>,
}

impl RawClient {
    /// Connects and sends nothing.
    ///
    /// # Panics
    /// When nobody listens.
    pub async fn connect(port: u16) -> Self {
        let connecting = TcpStream::connect(("127.0.0.1", port));
        let stream = wait::within("a TCP connection", connecting).await;
        let stream = stream.unwrap_or_else(|error| panic!("port {port}: {error}"));
        stream.set_nodelay(true).expect("a TCP socket has the option");
        Self::over(stream)
    }

    /// Uses a stream that is open already, such as a TLS one.
    pub fn over(stream: impl Stream + 'static) -> Self {
        Self { stream: Box::new(stream) }
    }

    /// Connects and logs in.
    pub async fn login(port: u16, login: &Login) -> Self {
        let mut client = Self::connect(port).await;
        client.log_in(login, &[]).await.unwrap_or_else(|error| panic!("{login:?}: {error:?}"));
        client
    }

    /// Sends the startup message with `extra` parameters and answers SCRAM until ReadyForQuery.
    ///
    /// # Errors
    /// The ErrorResponse that refused the login.
    pub async fn log_in(
        &mut self,
        login: &Login,
        extra: &[(&str, &str)],
    ) -> Result<Greeting, Message> {
        self.log_in_with(login, 0, extra).await
    }

    /// The same with a minor version of protocol 3 other than 0.
    ///
    /// # Errors
    /// The ErrorResponse that refused the login.
    pub async fn log_in_with(
        &mut self,
        login: &Login,
        minor: u16,
        extra: &[(&str, &str)],
    ) -> Result<Greeting, Message> {
        let mut parameters = vec![("user", &*login.user), ("database", &*login.database)];
        parameters.extend_from_slice(extra);
        let mut startup = message::startup(&parameters);
        startup[6..8].copy_from_slice(&minor.to_be_bytes());
        self.send(&startup).await;
        let mut scram = ScramSha256::new(login.password.as_bytes(), ChannelBinding::unsupported());
        let mut greeting = Greeting::default();
        loop {
            let message = self.read().await;
            match message.tag {
                b'R' => self.answer(&mut scram, &message).await,
                b'S' => greeting.parameters.push(parameter(&message)),
                b'K' => greeting.key = message.body,
                b'Z' => return Ok(greeting),
                b'E' => return Err(message),
                _ => {}
            }
        }
    }

    /// Answers one Authentication message.
    async fn answer(&mut self, scram: &mut ScramSha256, message: &Message) {
        let (kind, data) = message.body.split_first_chunk::<4>().expect("a request has a kind");
        let mut reply = bytes::BytesMut::new();
        match u32::from_be_bytes(*kind) {
            0 => return,
            10 => {
                let first = scram.message();
                frontend::sasl_initial_response(SCRAM_SHA_256, first, &mut reply)
                    .expect("a short message");
            }
            11 => {
                scram.update(data).expect("the server's first message is well-formed");
                frontend::sasl_response(scram.message(), &mut reply).expect("a short message");
            }
            12 => return scram.finish(data).expect("the server knows the verifier"),
            other => panic!("authentication request {other} where SCRAM was expected"),
        }
        self.send(&reply).await;
    }

    /// Writes all bytes.
    ///
    /// # Panics
    /// When the peer has closed.
    pub async fn send(&mut self, bytes: &[u8]) {
        self.try_send(bytes).await.expect("the peer reads");
    }

    /// Writes all bytes, or says why not.
    ///
    /// # Errors
    /// Of the socket, when the peer has closed.
    pub async fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        wait::within("the peer to read", async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        })
        .await
    }

    /// The next message.
    ///
    /// # Panics
    /// When the connection ends instead.
    pub async fn read(&mut self) -> Message {
        self.try_read().await.expect("the peer answers before it closes")
    }

    /// The next message, or the end of the connection as an error.
    ///
    /// # Errors
    /// `UnexpectedEof` or `ConnectionReset` when the peer has closed.
    pub async fn try_read(&mut self) -> io::Result<Message> {
        wait::within("a message", async {
            let mut header = [0; 5];
            self.stream.read_exact(&mut header).await?;
            let length = u32::from_be_bytes([header[1], header[2], header[3], header[4]]);
            let length = length.checked_sub(4).expect("a length includes itself");
            let mut body = vec![0; usize::try_from(length).expect("usize holds 32 bits")];
            self.stream.read_exact(&mut body).await?;
            Ok(Message { tag: header[0], body })
        })
        .await
    }

    /// Writes all bytes to a peer that may not read for a long time: without a bound of its own, the caller has one.
    ///
    /// # Errors
    /// Of the socket, when the peer has closed.
    pub async fn send_slowly(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// One byte, as the answer to SSLRequest and GSSENCRequest is.
    pub async fn read_byte(&mut self) -> u8 {
        wait::within("a byte", self.stream.read_u8()).await.expect("the peer answers")
    }

    /// Messages up to and including ReadyForQuery.
    pub async fn read_until_ready(&mut self) -> Vec<Message> {
        self.read_until(b'Z').await
    }

    /// Messages up to and including the first with `tag`.
    pub async fn read_until(&mut self, tag: u8) -> Vec<Message> {
        let mut messages = vec![self.read().await];
        while messages.last().is_some_and(|message| message.tag != tag) {
            messages.push(self.read().await);
        }
        messages
    }

    /// Messages until the peer closes.
    pub async fn read_to_end(&mut self) -> Vec<Message> {
        let mut messages = Vec::new();
        while let Ok(message) = self.try_read().await {
            messages.push(message);
        }
        messages
    }

    /// Sends a simple query and returns everything up to ReadyForQuery.
    pub async fn query(&mut self, sql: &str) -> Vec<Message> {
        self.send(&message::query(sql)).await;
        self.read_until_ready().await
    }

    /// The first column of the first row of a simple query.
    ///
    /// # Panics
    /// When there is no row.
    pub async fn query_value(&mut self, sql: &str) -> String {
        let messages = self.query(sql).await;
        let row = messages.iter().find(|message| message.tag == b'D');
        let row = row.unwrap_or_else(|| panic!("{sql}: no row in {messages:?}"));
        row.columns().swap_remove(0).unwrap_or_else(|| panic!("{sql}: NULL"))
    }

    /// Closes our sending side; the peer sees end of file and may still answer.
    pub async fn shutdown(&mut self) {
        // A peer that has closed already has seen the end of file.
        let _ = self.stream.shutdown().await;
    }
}

/// Name and value of a ParameterStatus.
pub fn parameter(message: &Message) -> (String, String) {
    let mut parts = message.body.split(|byte| *byte == 0);
    let mut next = || String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
    (next(), next())
}
