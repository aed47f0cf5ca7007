//! A login from the first byte to the proof, with a client that does what the bytes tell it: the steps of a real login in
//! any order, whole or spoiled, and anything else.
//!
//! Nobody gets in without a right proof, nothing hangs, and nothing panics.

use std::cell::{Cell, OnceCell};
use std::time::Duration;

use taskmaster_proxy::backend::message::MessageReader;
use taskmaster_proxy::backend::scram::{Binding, Challenge, SCRAM_SHA_256, ScramClient};
use taskmaster_proxy::backend::secret::Password;
use taskmaster_proxy::backend::target::{self, Target};
use taskmaster_proxy::net::socket::{Peer, Socket};
use taskmaster_proxy::net::tls::{SslMode, TlsPolicy};
use taskmaster_proxy::session::auth::{Check, Config, Credentials, User, authenticate};
use taskmaster_proxy::session::startup::{Handshake, handshake};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

/// On a paused clock this passes as soon as both sides have nothing left to do.
const SILENCE: Duration = Duration::from_secs(1);
/// A login that takes longer than this hangs.
const LOGIN_TIMEOUT: Duration = Duration::from_secs(3600);

/// The one user there is.
const USER: &str = "alice";

/// What the client does next.
#[derive(Debug)]
enum Step<'a> {
    Raw(&'a [u8]),
    Startup { user: &'static str, minor: u8 },
    First { mechanism: &'static str, binding: Binding },
    Proof { at: u8, spoil: u8 },
    Encrypt(u8),
    Message(u8, &'a [u8]),
    Leave,
}

/// Plays the login that `bytes` tell.
pub fn run(bytes: &[u8]) {
    ENGINE.with(|engine| engine.get_or_init(Engine::new).play(bytes));
}

/// Bytes that tell a login as it should be, for the corpus.
pub fn honest() -> Vec<u8> {
    vec![1, 0, 0, 2, 0, 0, 3, 0, 0]
}

/// True when the login that `bytes` tell succeeds.
pub fn succeeds(bytes: &[u8]) -> bool {
    ENGINE.with(|engine| engine.get_or_init(Engine::new).play(bytes))
}

thread_local! {
    static ENGINE: OnceCell<Engine> = const { OnceCell::new() };
}

struct Engine {
    runtime: Runtime,
    credentials: Credentials,
    password: Password,
}

impl Engine {
    fn new() -> Self {
        let password = Password::new("right".into());
        let user = User { name: USER.into(), check: Check::Password(password.clone()) };
        let target = Target::new(&target::Config {
            host: "/nowhere".into(),
            ssl_mode: SslMode::Disable,
            ..target::Config::default()
        });
        let config = Config {
            user: None,
            password: None,
            query: None,
            database: "postgres".into(),
            cache_ttl: SILENCE,
            users: vec![user],
        };
        let credentials = Credentials::new(config, target.expect("no certificate is read"));
        let runtime = Builder::new_current_thread().enable_all().start_paused(true).build();
        Self { runtime: runtime.expect("a runtime can be built"), credentials, password }
    }

    fn play(&self, bytes: &[u8]) -> bool {
        self.runtime.block_on(async {
            let (near, far) = UnixStream::pair().expect("two sockets");
            let client = Client::new(far, &self.password);
            let proved = Cell::new(false);
            let (user, ()) = tokio::join!(self.serve(near), client.follow(bytes, &proved));
            assert!(user.is_none() || proved.get(), "in without a proof: {:?}", steps(bytes));
            assert!(user.as_deref().is_none_or(|user| user == USER), "{user:?}");
            user.is_some()
        })
    }

    /// The proxy's side; the user that got in.
    async fn serve(&self, socket: UnixStream) -> Option<String> {
        let login = async {
            let socket = Socket::unix(socket);
            let shaken = handshake(socket, Peer::Unix, &TlsPolicy::Disable).await.ok()?;
            let Handshake::Startup(mut stream, startup) = shaken else { return None };
            let identity = authenticate(&mut stream, &startup, &self.credentials).await.ok()?;
            Some(identity.user)
        };
        timeout(LOGIN_TIMEOUT, login).await.expect("the login ends when the client has left")
    }
}

struct Client<'a> {
    stream: UnixStream,
    reader: MessageReader,
    password: &'a Password,
    scram: Option<ScramClient>,
}

impl<'a> Client<'a> {
    fn new(stream: UnixStream, password: &'a Password) -> Self {
        Self { stream, reader: MessageReader::default(), password, scram: None }
    }

    async fn follow(mut self, bytes: &[u8], proved: &Cell<bool>) {
        for step in steps(bytes) {
            // The proxy may have closed already.
            if self.take(step, proved).await.is_none() {
                break;
            }
        }
        let _ = self.stream.shutdown().await;
        let _ = timeout(SILENCE, self.stream.read_to_end(&mut Vec::new())).await;
    }

    async fn take(&mut self, step: Step<'_>, proved: &Cell<bool>) -> Option<()> {
        let bytes = match step {
            Step::Raw(bytes) => bytes.to_vec(),
            Step::Startup { user, minor } => startup(user, minor),
            Step::First { mechanism, binding } => self.first(mechanism, binding),
            Step::Proof { at, spoil } => self.proof(at, spoil, proved).await?,
            Step::Encrypt(kind) => vec![0, 0, 0, 8, 4, 210, 22, 47 + kind % 2],
            Step::Message(tag, body) => message(tag, body),
            Step::Leave => return None,
        };
        self.stream.write_all(&bytes).await.ok()
    }

    fn first(&mut self, mechanism: &str, binding: Binding) -> Vec<u8> {
        let scram = ScramClient::start(binding);
        let first = scram.first();
        self.scram = Some(scram);
        let len = (first.len() as u32).to_be_bytes();
        message(b'p', &[mechanism.as_bytes(), b"\0", &len, first.as_bytes()].concat())
    }

    /// The right proof, with one byte changed by `spoil`.
    async fn proof(&mut self, at: u8, spoil: u8, proved: &Cell<bool>) -> Option<Vec<u8>> {
        let challenge = self.challenge().await?;
        let known = self.password.known_keys(&challenge.salt, challenge.iterations);
        let derive = || self.password.derive_keys(&challenge.salt, challenge.iterations);
        let keys = known.unwrap_or_else(derive);
        let mut proof = challenge.answer(&keys).0.into_bytes();
        let at = usize::from(at) % proof.len();
        proof[at] ^= spoil;
        proved.set(proved.get() || spoil == 0);
        Some(message(b'p', &proof))
    }

    /// What the proxy has asked to prove, if it has.
    async fn challenge(&mut self) -> Option<Challenge> {
        let scram = self.scram.take()?;
        loop {
            let next = self.reader.next(&mut self.stream);
            let message = timeout(SILENCE, next).await.ok()?.ok()?;
            if (message.tag(), message.body().first_chunk()) == (b'R', Some(&[0, 0, 0, 11])) {
                return scram.challenge(&message.body()[4..]).ok();
            }
        }
    }
}

fn startup(user: &str, minor: u8) -> Vec<u8> {
    let body = [&[0, 3, 0, minor][..], b"user\0", user.as_bytes(), b"\0\0"].concat();
    let len = (body.len() as u32 + 4).to_be_bytes();
    [&len[..], &body].concat()
}

fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let len = (body.len() as u32 + 4).to_be_bytes();
    [&[tag], &len[..], body].concat()
}

fn steps(bytes: &[u8]) -> Vec<Step<'_>> {
    let (mut steps, mut rest) = (Vec::new(), bytes);
    while let Some((step, next)) = step(rest) {
        steps.push(step);
        rest = next;
    }
    steps
}

/// Three bytes for each step: what, and two that say more.
fn step(bytes: &[u8]) -> Option<(Step<'_>, &[u8])> {
    let (&[what, one, two], rest) = bytes.split_first_chunk()?;
    let taken = rest.split_at(usize::from(two).min(rest.len()));
    Some(match what % 7 {
        0 => (Step::Raw(taken.0), taken.1),
        1 => {
            let user = if one % 2 == 0 { USER } else { "mallory" };
            (Step::Startup { user, minor: two }, rest)
        }
        2 => {
            let mechanism =
                [SCRAM_SHA_256, "SCRAM-SHA-256-PLUS", "PLAIN", ""][usize::from(one % 4)];
            let binding = match two % 3 {
                0 => Binding::None,
                1 => Binding::Missed,
                _ => Binding::EndPoint(vec![two; 32]),
            };
            (Step::First { mechanism, binding }, rest)
        }
        3 => (Step::Proof { at: one, spoil: two }, rest),
        4 => (Step::Encrypt(one), rest),
        5 => (Step::Message(one, taken.0), taken.1),
        _ => (Step::Leave, rest),
    })
}
