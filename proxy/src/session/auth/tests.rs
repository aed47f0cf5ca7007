//! Clients that log in well, wrongly, and not at all as the protocol has it.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::credentials::User;
use super::verifier::ScramVerifier;
use super::*;
use crate::backend::message::{Message, MessageReader};
use crate::backend::scram::{Binding, Expected, SCRAM_SHA_256, ScramClient};
use crate::backend::secret::{Md5Hash, Password};
use crate::backend::target::{self, Target};
use crate::net::socket::{Peer, Socket};
use crate::net::tls::SslMode;
use crate::session::startup::{Protocol, Replication};

fn credentials(users: Vec<User>) -> Credentials {
    let target = Target::new(&target::Config {
        host: "/nowhere".into(),
        port: 1,
        ssl_mode: SslMode::Disable,
        connect_timeout: Duration::from_secs(1),
        ..target::Config::default()
    });
    let config = Config {
        user: None,
        password: None,
        query: None,
        database: "postgres".into(),
        cache_ttl: Duration::from_secs(60),
        users,
    };
    Credentials::new(config, target.unwrap())
}

fn alice() -> Credentials {
    credentials(vec![User {
        name: "alice".into(),
        check: Check::Password(Password::new("right".into())),
    }])
}

fn startup(user: &str) -> Startup {
    Startup {
        user: user.into(),
        database: "d".into(),
        protocol: Protocol::V3_0,
        parameters: vec![],
        replication: Replication::None,
    }
}

/// The client's end of a login.
struct Client {
    stream: UnixStream,
    reader: MessageReader,
}

impl Client {
    fn pair() -> (Self, ClientStream) {
        let (near, far) = UnixStream::pair().unwrap();
        let client = Self { stream: far, reader: MessageReader::default() };
        (client, ClientStream::plain(Socket::unix(near), Peer::Unix))
    }

    async fn send(&mut self, tag: u8, body: &[u8]) {
        let len = (body.len() as u32 + 4).to_be_bytes();
        self.stream.write_all(&[&[tag], &len[..], body].concat()).await.unwrap();
    }

    /// The next message, an authentication request with this code.
    async fn request(&mut self, code: u8) -> Message {
        let message = self.reader.next(&mut self.stream).await.unwrap();
        assert_eq!((message.tag(), &message.body()[..4]), (b'R', &[0, 0, 0, code][..]));
        message
    }

    async fn send_first(&mut self, mechanism: &str, data: &str) {
        let len = (data.len() as u32).to_be_bytes();
        let body = [mechanism.as_bytes(), b"\0", &len, data.as_bytes()].concat();
        self.send(b'p', &body).await;
    }

    /// Goes through the exchange up to the proof.
    async fn prove(&mut self, password: &str) -> Expected {
        self.request(10).await;
        let scram = ScramClient::start(Binding::None);
        self.send_first(SCRAM_SHA_256, &scram.first()).await;
        let challenge = scram.challenge(&self.request(11).await.body()[4..]).unwrap();
        let keys =
            Password::new(password.into()).derive_keys(&challenge.salt, challenge.iterations);
        let (answer, expected) = challenge.answer(&keys);
        self.send(b'p', answer.as_bytes()).await;
        expected
    }
}

/// Runs a login with a client that does as `act` says.
async fn run<T>(
    user: &str,
    credentials: &Credentials,
    act: impl AsyncFnOnce(&mut Client) -> T,
) -> (Result<Identity, LoginError>, T) {
    let (mut client, mut stream) = Client::pair();
    let startup = startup(user);
    let login = async {
        let result = authenticate(&mut stream, &startup, credentials).await;
        drop(stream);
        result
    };
    let client = async {
        let value = act(&mut client).await;
        let _ = client.stream.shutdown().await;
        value
    };
    tokio::join!(login, client)
}

/// The text of the violation that a client is told after it sent `bytes` in answer to the first request.
async fn violation(bytes: &[u8]) -> String {
    let (result, ()) = run("alice", &alice(), async |client| {
        client.request(10).await;
        client.stream.write_all(bytes).await.unwrap();
    })
    .await;
    let error = result.unwrap_err();
    assert_eq!(error.sqlstate(), SqlState::PROTOCOL_VIOLATION);
    error.message()
}

#[tokio::test]
async fn the_right_password_is_let_in_and_the_proxy_proves_itself_too() {
    let (result, ()) = run("alice", &alice(), async |client| {
        let expected = client.prove("right").await;
        expected.verify(&client.request(12).await.body()[4..]).unwrap();
        let mut rest = Vec::new();
        client.stream.read_to_end(&mut rest).await.unwrap();
        assert!(rest.is_empty(), "AuthenticationOk is the caller's");
    })
    .await;
    let identity = result.unwrap();
    assert_eq!(identity.user, "alice");
    assert!(matches!(identity.secret, Secret::Password(password) if password.reveal() == "right"));
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_user_are_told_the_same() {
    let mut messages = Vec::new();
    for user in ["alice", "mallory"] {
        let (result, _) = run(user, &alice(), async |client| client.prove("wrong").await).await;
        let error = result.unwrap_err();
        assert_eq!(error.sqlstate(), SqlState::INVALID_PASSWORD);
        assert_eq!(error.hint(), None);
        messages.push(error.message().replace(user, "U"));
    }
    assert_eq!(messages, ["password authentication failed for user \"U\""; 2]);
}

#[tokio::test]
async fn an_unknown_user_meets_the_same_salt_each_time() {
    let credentials = alice();
    let mut salts = Vec::new();
    for _ in 0..2 {
        let (_, salt) = run("mallory", &credentials, async |client| {
            client.request(10).await;
            let scram = ScramClient::start(Binding::None);
            client.send_first(SCRAM_SHA_256, &scram.first()).await;
            scram.challenge(&client.request(11).await.body()[4..]).unwrap().salt
        })
        .await;
        salts.push(salt);
    }
    assert_eq!(salts[0], salts[1]);
    assert_eq!(salts[0].len(), 16);
}

#[tokio::test]
async fn a_proof_against_a_verifier_leaves_the_keys_that_the_server_accepts() {
    let password = Password::new("right".into());
    let verifier = ScramVerifier::of(&password);
    let (mut client, mut stream) = Client::pair();
    let (proof, expected) =
        tokio::join!(prove_scram(&mut stream, &verifier), client.prove("right"));
    let Ok(Proof::Right(Secret::ScramKeys(keys))) = proof else { panic!("{proof:?}") };
    assert_eq!(keys.stored_key(), verifier.stored_key);
    let derived = password.derive_keys(&verifier.salt, verifier.iterations);
    assert_eq!((keys.client_key, keys.server_key), (derived.client_key, derived.server_key));
    expected.verify(&client.request(12).await.body()[4..]).unwrap();
}

#[tokio::test]
async fn an_md5_verifier_is_proved_by_md5() {
    let hash = Md5Hash::of(&Password::new("right".into()), "alice");
    for (password, right) in [("right", true), ("wrong", false)] {
        let (mut client, mut stream) = Client::pair();
        let answer = async {
            let request = client.request(5).await;
            let salt = request.body()[4..].try_into().unwrap();
            let own = Md5Hash::of(&Password::new(password.into()), "alice");
            client.send(b'p', &[own.answer(salt).as_bytes(), b"\0"].concat()).await;
        };
        let (proof, ()) = tokio::join!(prove_md5(&mut stream, &hash), answer);
        assert_eq!(matches!(proof.unwrap(), Proof::Right(Secret::Md5(_))), right);
    }
}

#[tokio::test]
async fn anything_but_an_answer_is_a_violation() {
    let second_startup = b"\0\0\0\x10\0\x03\0\0user\0v\0\0";
    for (bytes, text) in [
        (&second_startup[..], "expected SASL response, got message type 0"),
        (b"Q\0\0\0\x0dselect 1\0", "expected SASL response, got message type 81"),
        (b"X\0\0\0\x04", "expected SASL response, got message type 88"),
        (b"p\0\0\0\x03", "invalid message length"),
        (b"p\xff\xff\xff\xff", "invalid message length"),
        (b"p\0\0\x04\x05", "invalid message length"),
        (b"p\0\0\0\x04", "malformed SASLInitialResponse message"),
        (b"p\0\0\0\x08c=x,", "malformed SASLInitialResponse message"),
        (b"", "the client left without an answer"),
        (b"p\0\0", "the client left without an answer"),
    ] {
        assert_eq!(violation(bytes).await, text, "{bytes:?}");
    }
}

#[tokio::test]
async fn a_second_startup_packet_in_the_middle_of_the_exchange_is_a_violation() {
    let (result, ()) = run("alice", &alice(), async |client| {
        client.request(10).await;
        client.send_first(SCRAM_SHA_256, &ScramClient::start(Binding::None).first()).await;
        client.request(11).await;
        client.stream.write_all(b"\0\0\0\x10\0\x03\0\0user\0v\0\0").await.unwrap();
    })
    .await;
    let error = result.unwrap_err();
    assert_eq!(error.sqlstate(), SqlState::PROTOCOL_VIOLATION);
    assert_eq!(error.message(), "expected SASL response, got message type 0");
}

#[tokio::test]
async fn a_faulty_exchange_is_refused_with_its_code_and_detail() {
    for (mechanism, code, detail) in
        [("PLAIN", "08P01", None), (SCRAM_SHA_256, "08P01", Some("includes channel binding data"))]
    {
        let (result, continued) = run("alice", &alice(), async |client| {
            client.request(10).await;
            client.send_first(mechanism, "p=tls-server-end-point,,n=,r=abcdefghijkl").await;
            client.reader.next(&mut client.stream).await.is_ok()
        })
        .await;
        let error = result.unwrap_err();
        assert!(!continued, "{mechanism}");
        assert_eq!((error.sqlstate().as_str(), error.severity()), (code, Severity::Fatal));
        match detail {
            Some(part) => assert!(error.detail().unwrap().contains(part)),
            None => assert_eq!(error.detail(), None),
        }
    }
}

#[tokio::test]
async fn a_server_that_cannot_be_asked_is_no_wrong_password() {
    let target = Target::new(&target::Config {
        host: "/nowhere".into(),
        port: 1,
        ssl_mode: SslMode::Disable,
        connect_timeout: Duration::from_secs(1),
        ..target::Config::default()
    });
    let config = Config {
        user: Some("asker".into()),
        password: None,
        query: None,
        database: "postgres".into(),
        cache_ttl: Duration::from_secs(60),
        users: vec![],
    };
    let credentials = Credentials::new(config, target.unwrap());
    let (result, ()) = run("bob", &credentials, async |_| ()).await;
    let error = result.unwrap_err();
    assert_eq!(error.sqlstate(), SqlState::CANNOT_CONNECT_NOW);
    assert!(error.hint().is_some());
    assert!(!error.message().contains("nowhere"), "{}", error.message());
}
