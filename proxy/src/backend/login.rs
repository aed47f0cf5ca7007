//! The conversation from the startup packet to the first ReadyForQuery, as a client of PostgreSQL.
//!
//! Source: PostgreSQL documentation, "Protocol Flow", "Start-up". Must not know addresses or TLS.

use tokio::io::AsyncWriteExt;
use tokio::task::spawn_blocking;
use zeroize::Zeroizing;

use crate::backend::dial::{ConnectError, Login};
use crate::backend::message::{Message, MessageReader, cstring};
use crate::backend::report;
use crate::backend::scram::{
    Binding, Challenge, Expected, SCRAM_SHA_256_PLUS, ScramClient, ScramError,
};
use crate::backend::secret::{Md5Hash, ScramKeys, Secret};
use crate::backend::start::{self, StartKey};
use crate::backend::target::{ChannelBinding, Target};
use crate::net::stream::ServerStream;
use crate::wire::error_response::ServerError;
use crate::wire::greeting::Protocol;

/// Why an authentication request cannot be met.
#[derive(Debug, thiserror::Error)]
pub enum AuthFault {
    /// A method that the proxy does not know.
    #[error(
        "the server asks for {0}, which is not supported: use scram-sha-256 or md5 in pg_hba.conf"
    )]
    Unsupported(String),
    /// A method that what is known of this user cannot answer.
    #[error(
        "the server asks for {asked}, which cannot be answered with {have}: give the user's password in auth.users, or use scram-sha-256 in pg_hba.conf"
    )]
    NoAnswer {
        /// The method.
        asked: &'static str,
        /// What is known of the user.
        have: &'static str,
    },
    /// A password would go over the network for all to read.
    #[error(
        "the server asks for the password in clear over a connection without TLS: set ssl_mode to require or use scram-sha-256 in pg_hba.conf"
    )]
    Exposed,
    /// The login would not be bound to the TLS session, and it has to be.
    #[error(
        "server.channel_binding is require, and {0}: set it to prefer, or let the server ask for scram-sha-256 over TLS"
    )]
    Unbound(&'static str),
    /// The SCRAM exchange failed on the server's side.
    #[error("{0}")]
    Scram(#[from] ScramError),
}

/// What a server tells about itself and the new session.
#[derive(Debug, Default)]
pub(super) struct Greeting {
    pub(super) pid: i32,
    pub(super) secret: Vec<u8>,
    pub(super) parameters: Vec<(String, String)>,
    pub(super) start_key: StartKey,
}

/// Logs in. On success nothing is left unread.
///
/// # Cancel safety
/// Not cancel safe: dropped midway, the stream must be closed.
pub(super) async fn log_in(
    stream: &mut ServerStream,
    login: &Login<'_>,
    target: &Target,
) -> Result<Greeting, ConnectError> {
    let asked = target.max_protocol_version;
    let start_key = StartKey::new();
    stream.write_all(&startup_packet(login, asked, &start_key)).await?;
    stream.flush().await?;
    let (wanted, reader) = (target.channel_binding, MessageReader::default());
    let mut conversation = Conversation { stream, login, wanted, asked, reader };
    conversation.authenticate().await?;
    let greeting = conversation.greeting().await?;
    Ok(Greeting { start_key, ..greeting })
}

fn startup_packet(login: &Login<'_>, version: Protocol, start_key: &StartKey) -> Vec<u8> {
    let mut packet = vec![0; 4];
    packet.extend_from_slice(&version.number().to_be_bytes());
    let mut put = |name: &str, value: &str| {
        packet.extend_from_slice(name.as_bytes());
        packet.push(0);
        packet.extend_from_slice(value.as_bytes());
        packet.push(0);
    };
    put("user", login.user);
    // Physical replication is of no database.
    if !login.database.is_empty() {
        put("database", login.database);
    }
    match login.own {
        Some(parameters) => parameters.iter().for_each(|(name, value)| put(name, value)),
        None => {
            put("application_name", login.application_name);
            put(report::ASK.0, report::ASK.1);
            put(start::KEY_NAME, &start_key.to_hex());
        }
    }
    packet.push(0);
    let len = packet.len() as u32;
    packet[..4].copy_from_slice(&len.to_be_bytes());
    packet
}

struct Conversation<'a> {
    stream: &'a mut ServerStream,
    login: &'a Login<'a>,
    wanted: ChannelBinding,
    asked: Protocol,
    reader: MessageReader,
}

/// An authentication request.
enum Request {
    Ok,
    Cleartext,
    Md5([u8; 4]),
    Sasl(Vec<String>),
    SaslContinue(Vec<u8>),
    SaslFinal(Vec<u8>),
}

impl Conversation<'_> {
    /// Answers requests until the server is content. A server that was to prove itself must have done so.
    async fn authenticate(&mut self) -> Result<(), ConnectError> {
        let request = self.request().await?;
        if self.wanted == ChannelBinding::Require && !matches!(request, Request::Sasl(_)) {
            let text = "the server asks for something else than SCRAM, or for nothing";
            return Err(AuthFault::Unbound(text).into());
        }
        match request {
            Request::Ok => return Ok(()),
            Request::Cleartext => self.answer_cleartext().await?,
            Request::Md5(salt) => self.answer_md5(salt).await?,
            Request::Sasl(mechanisms) => self.answer_sasl(&mechanisms).await?,
            _ => return Err(ConnectError::Protocol("a SASL message came before SASL began")),
        }
        match self.request().await? {
            Request::Ok => Ok(()),
            _ => Err(ConnectError::Protocol("a second authentication request came")),
        }
    }

    async fn answer_cleartext(&mut self) -> Result<(), ConnectError> {
        let Secret::Password(password) = self.login.secret else {
            return Err(self.no_answer("the password in clear"));
        };
        if !self.stream.is_private() {
            return Err(AuthFault::Exposed.into());
        }
        self.send(&[password.reveal().as_bytes(), b"\0"]).await
    }

    async fn answer_md5(&mut self, salt: [u8; 4]) -> Result<(), ConnectError> {
        let hash = match self.login.secret {
            Secret::Password(password) => Md5Hash::of(password, self.login.user),
            Secret::Md5(hash) => hash.clone(),
            _ => return Err(self.no_answer("md5")),
        };
        self.send(&[hash.answer(salt).as_bytes(), b"\0"]).await
    }

    async fn answer_sasl(&mut self, mechanisms: &[String]) -> Result<(), ConnectError> {
        let binding = self.binding(mechanisms)?;
        let mechanism = binding.mechanism();
        if !mechanisms.iter().any(|offered| offered == mechanism) {
            return Err(AuthFault::Unsupported(mechanisms.join(", ")).into());
        }
        let client = ScramClient::start(binding);
        let first = client.first();
        let first_len = (first.len() as u32).to_be_bytes();
        self.send(&[mechanism.as_bytes(), b"\0", &first_len, first.as_bytes()]).await?;
        let Request::SaslContinue(server_first) = self.request().await? else {
            return Err(ConnectError::Protocol("SASL was begun and not continued"));
        };
        let challenge = client.challenge(&server_first).map_err(AuthFault::from)?;
        let keys = self.keys(&challenge).await?;
        let (answer, expected) = challenge.answer(&keys);
        self.send(&[answer.as_bytes()]).await?;
        self.verify(&expected).await
    }

    /// As libpq chooses (fe-auth.c, `pg_SASL_init`), except that a certificate without a digest is no reason to fail
    /// while binding is only preferred.
    fn binding(&self, mechanisms: &[String]) -> Result<Binding, AuthFault> {
        let offered = |name| mechanisms.iter().any(|mechanism| mechanism == name);
        if self.wanted == ChannelBinding::Disable {
            return Ok(Binding::None);
        }
        let missing = match self.stream.end_point() {
            Some(digest) if offered(SCRAM_SHA_256_PLUS) => return Ok(Binding::EndPoint(digest)),
            Some(_) => "the server does not offer SCRAM-SHA-256-PLUS",
            None if self.stream.is_tls() => "the server's certificate has no digest to bind to",
            None => "the connection has no TLS",
        };
        match self.wanted {
            ChannelBinding::Require => Err(AuthFault::Unbound(missing)),
            _ if self.stream.end_point().is_some() => Ok(Binding::Missed),
            _ => Ok(Binding::None),
        }
    }

    async fn verify(&mut self, expected: &Expected) -> Result<(), ConnectError> {
        let Request::SaslFinal(server_final) = self.request().await? else {
            return Err(ConnectError::Protocol("the server skipped its proof of the verifier"));
        };
        Ok(expected.verify(&server_final).map_err(AuthFault::from)?)
    }

    async fn keys(&self, challenge: &Challenge) -> Result<ScramKeys, ConnectError> {
        let password = match self.login.secret {
            Secret::ScramKeys(keys) => return Ok(keys.clone()),
            Secret::Password(password) => password.clone(),
            _ => return Err(self.no_answer("scram-sha-256")),
        };
        if let Some(keys) = password.known_keys(&challenge.salt, challenge.iterations) {
            return Ok(keys);
        }
        let (salt, iterations) = (challenge.salt.clone(), challenge.iterations);
        // Thousands of rounds of HMAC are nothing for the thread that serves clients.
        let derivation = spawn_blocking(move || password.derive_keys(&salt, iterations));
        derivation.await.map_err(|_| ConnectError::Protocol("the proxy is being stopped"))
    }

    fn no_answer(&self, asked: &'static str) -> ConnectError {
        let have = match self.login.secret {
            Secret::Password(_) => "a password",
            Secret::ScramKeys(_) => "SCRAM keys",
            Secret::Md5(_) => "an md5 hash",
            Secret::None => "nothing",
        };
        AuthFault::NoAnswer { asked, have }.into()
    }

    async fn send(&mut self, parts: &[&[u8]]) -> Result<(), ConnectError> {
        let len: usize = parts.iter().map(|part| part.len()).sum();
        let mut message = Zeroizing::new(Vec::with_capacity(len + 5));
        message.push(b'p');
        message.extend_from_slice(&(len as u32 + 4).to_be_bytes());
        parts.iter().for_each(|part| message.extend_from_slice(part));
        self.stream.write_all(&message).await?;
        self.stream.flush().await?;
        Ok(())
    }

    /// The next message that is neither an error nor a notice.
    async fn receive(&mut self) -> Result<Message, ConnectError> {
        loop {
            let message = self.reader.next(self.stream).await?;
            match message.tag() {
                b'E' => return Err(ConnectError::Refused(ServerError::read(message.bytes()))),
                b'N' => {}
                _ => return Ok(message),
            }
        }
    }

    async fn request(&mut self) -> Result<Request, ConnectError> {
        let mut message = self.receive().await?;
        if message.tag() == b'v' {
            self.negotiate(message.body())?;
            message = self.receive().await?;
        }
        if message.tag() != b'R' {
            return Err(ConnectError::Protocol(
                "something else than an authentication request came",
            ));
        }
        read_request(message.body())
    }

    /// NegotiateProtocolVersion, at most once: the server knows an older version, which must be one that the proxy knows
    /// too, and goes on with it. PostgreSQL sends the whole version number (tcop/backend_startup.c,
    /// `SendNegotiateProtocolVersion`), the documentation has the minor version alone: both are understood.
    fn negotiate(&mut self, body: &[u8]) -> Result<(), ConnectError> {
        let malformed =
            ConnectError::Protocol("a NegotiateProtocolVersion without its fields came");
        let Some((version, rest)) = body.split_first_chunk() else { return Err(malformed) };
        let version = match u32::from_be_bytes(*version) {
            minor if minor <= 0xffff => Protocol::V3_0.number() | minor,
            whole => whole,
        };
        let older = Protocol::V3_0.number()..self.asked.number();
        match rest {
            [0, 0, 0, 0] if older.contains(&version) => {
                self.asked = Protocol::V3_0;
                Ok(())
            }
            _ => Err(ConnectError::Protocol("the server negotiates what was not asked for")),
        }
    }

    /// Reads up to ReadyForQuery, and on to the end of whatever the reader has begun beyond it: a server may report a
    /// changed setting at any time.
    async fn greeting(&mut self) -> Result<Greeting, ConnectError> {
        let mut greeting = Greeting::default();
        let mut ready = false;
        while !ready || !self.reader.is_empty() {
            let message = self.receive().await?;
            match message.tag() {
                b'S' => greeting.note_parameter(message.body())?,
                b'K' => greeting.note_key(message.body())?,
                b'Z' => ready = true,
                _ => {
                    return Err(ConnectError::Protocol(
                        "an unknown message came before ReadyForQuery",
                    ));
                }
            }
        }
        Ok(greeting)
    }
}

impl Greeting {
    fn note_parameter(&mut self, body: &[u8]) -> Result<(), ConnectError> {
        let malformed = ConnectError::Protocol("a ParameterStatus without name or value came");
        let Some((name, rest)) = cstring(body) else { return Err(malformed) };
        let Some((value, _)) = cstring(rest) else { return Err(malformed) };
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        let (name, value) = (text(name), text(value));
        match self.parameters.iter_mut().find(|(known, _)| *known == name) {
            Some(known) => known.1 = value,
            None => self.parameters.push((name, value)),
        }
        Ok(())
    }

    fn note_key(&mut self, body: &[u8]) -> Result<(), ConnectError> {
        match body.split_first_chunk() {
            Some((pid, secret)) if (4..=256).contains(&secret.len()) => {
                self.pid = i32::from_be_bytes(*pid);
                self.secret = secret.to_vec();
                Ok(())
            }
            _ => Err(ConnectError::Protocol("a BackendKeyData with a key of a wrong length came")),
        }
    }
}

fn read_request(body: &[u8]) -> Result<Request, ConnectError> {
    let malformed = ConnectError::Protocol("an authentication request without its fields came");
    let Some((code, rest)) = body.split_first_chunk() else { return Err(malformed) };
    Ok(match u32::from_be_bytes(*code) {
        0 => Request::Ok,
        3 => Request::Cleartext,
        5 => Request::Md5(rest.try_into().map_err(|_| malformed)?),
        10 => Request::Sasl(read_mechanisms(rest).ok_or(malformed)?),
        11 => Request::SaslContinue(rest.to_vec()),
        12 => Request::SaslFinal(rest.to_vec()),
        code => return Err(AuthFault::Unsupported(method(code)).into()),
    })
}

fn read_mechanisms(mut rest: &[u8]) -> Option<Vec<String>> {
    let mut mechanisms = Vec::new();
    loop {
        let (name, next) = cstring(rest)?;
        if name.is_empty() {
            return Some(mechanisms);
        }
        mechanisms.push(String::from_utf8_lossy(name).into_owned());
        rest = next;
    }
}

fn method(code: u32) -> String {
    match code {
        2 => "Kerberos V5".to_owned(),
        7 | 8 => "GSSAPI".to_owned(),
        9 => "SSPI".to_owned(),
        code => format!("authentication method {code}"),
    }
}
