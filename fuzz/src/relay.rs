//! The two walkers of the relay between clients that do what the bytes tell and a server in memory that knows PostgreSQL's
//! extended protocol. However the streams are cut, two clients that take turns on one server connection get what each
//! would have got from a server of its own, and keep the statements that they would have there.
//!
//! An odd first byte has the server say what the bytes tell instead: then nothing panics.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Waker};

use taskmaster_proxy::backend::dial::{BackendKey, Dialed};
use taskmaster_proxy::backend::server::{Server, Taint};
use taskmaster_proxy::backend::settings::Settings;
use taskmaster_proxy::backend::start::StartKey;
use taskmaster_proxy::backend::statement::{Interner, StatementLimits};
use taskmaster_proxy::backend::target::{self, Address, Target};
use taskmaster_proxy::net::socket::{Detached, Peer, Socket};
use taskmaster_proxy::net::stream::{ClientStream, ServerStream};
use taskmaster_proxy::net::tls::SslMode;
use taskmaster_proxy::pool::PoolMode;
use taskmaster_proxy::pool::greeting::Greeting;
use taskmaster_proxy::session::client::Client;
use taskmaster_proxy::session::downstream::Downstream;
use taskmaster_proxy::session::resetting::Resetting;
use taskmaster_proxy::session::upstream::{Upstream, Wish};
use taskmaster_proxy::wire::buffer::Buffer;
use taskmaster_proxy::wire::greeting::ready_for_query;
use taskmaster_proxy::wire::header::HEADER_LEN;

use super::model::{Gist, Model, gist_of, message, messages};

/// Named statements that the server connection keeps: few, so that some are evicted.
const STATEMENTS_MAX: usize = 2;
/// Bytes that a client sends at most in one run.
const SENT_LEN_MAX: usize = 256 * 1024;

/// Names of statements and portals; the first is the unnamed one.
const NAMES: [&[u8]; 4] = [b"", b"a", b"b", b"c"];

/// Statements: [`Model`] knows what each of them does.
const TEXTS: [&[u8]; 14] = [
    b"select 1",
    b"select 2",
    b"",
    b"no such syntax",
    b"fail",
    b"begin",
    b"commit",
    b"rollback",
    b"copy t from stdin",
    b"create table t ()",
    b"listen x",
    b"deallocate a",
    b"deallocate all",
    b"discard all",
];
/// Those of them that are prepared by protocol too.
const PREPARED: usize = 11;

/// Plays what `bytes` tell.
pub fn run(bytes: &[u8]) {
    let Some((first, rest)) = bytes.split_first() else { return };
    match first % 2 {
        0 => Scene::new().play(rest),
        _ => Scene::new().play_wild(rest),
    }
}

/// One client, and what it would see without a proxy.
struct Side {
    client: Client,
    /// What it has sent and the proxy has not read yet.
    sent: Vec<u8>,
    /// What the proxy has sent to it.
    got: Vec<u8>,
    /// A server of its own, and what that says.
    direct: Model,
    expected: Vec<u8>,
}

struct Scene {
    sides: [Side; 2],
    /// Whose the server connection is.
    turn: usize,
    server: Server,
    behind: Model,
    /// What the server has said and the proxy has not read yet.
    replies: Vec<u8>,
    interner: Interner,
    sent_len: usize,
}

impl Scene {
    fn new() -> Self {
        let address = Address::Unix("/nowhere".into());
        let dialed = Dialed {
            start_key: StartKey::new(),
            stream: ServerStream::plain(nowhere()),
            address: address.clone(),
            key: BackendKey { address, pid: 1, secret: vec![0; 4] },
            parameters: vec![("TimeZone".into(), "UTC".into())],
        };
        let settings = Rc::new(Settings::from_reported(&dialed.parameters));
        let parameters = Rc::new(dialed.parameters.clone());
        let interner = Interner::default();
        let limits = StatementLimits { server_len: STATEMENTS_MAX, ..StatementLimits::default() };
        let mut server = Server::new(dialed, target(), limits);
        server.schema = interner.schema().clone();
        let side = || Side {
            client: Client::new(
                ClientStream::plain(nowhere(), Peer::Unix),
                Greeting { settings: Rc::clone(&settings), parameters: Rc::clone(&parameters) },
            ),
            sent: Vec::new(),
            got: Vec::new(),
            direct: Model::default(),
            expected: Vec::new(),
        };
        let sides = [side(), side()];
        let (behind, replies) = (Model::default(), Vec::new());
        Self { sides, turn: 0, server, behind, replies, interner, sent_len: 0 }
    }

    fn play(mut self, bytes: &[u8]) {
        for &[what, one, two] in bytes.as_chunks().0 {
            match what % 13 {
                11 => self.flow(usize::from(one) + 1, usize::from(two) + 1),
                12 => self.hand_over(),
                what => self.say(&self.words(what, one, two)),
            }
        }
        self.settle();
        for side in &self.sides {
            let (got, expected) = (gists(&side.got), gists(&side.expected));
            assert_eq!(got, expected, "{:?}", steps(bytes));
            for name in NAMES.iter().filter(|name| !name.is_empty()) {
                let kept = side.client.statements.get(name).is_some();
                assert_eq!(kept, side.direct.has(name), "{name:?} after {:?}", steps(bytes));
            }
        }
    }

    /// The server says what it likes: the proxy refuses it or passes it on.
    fn play_wild(mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(32) {
            let (words, said) = chunk.split_at(chunk.len() / 2);
            for &[what, one, two] in words.as_chunks().0 {
                self.say(&self.words(what % 11, one, two));
            }
            self.flow_up(usize::MAX);
            self.replies.clear();
            match said.split_first() {
                Some((tag, body)) if tag % 4 != 0 => {
                    const TAGS: &[u8] = b"123CDEGHINSTWZnst";
                    self.replies = message(TAGS[usize::from(*tag) % TAGS.len()], body);
                }
                _ => self.replies = said.to_vec(),
            }
            if self.flow_down(usize::MAX).is_none() {
                return;
            }
        }
    }

    /// What the client says next. While it copies, only what may be said then.
    fn words(&self, what: u8, one: u8, two: u8) -> Vec<u8> {
        let name = NAMES[usize::from(one) % NAMES.len()];
        let portal = NAMES[usize::from(two) % 2];
        let kind = if two.is_multiple_of(2) { b'S' } else { b'P' };
        let subject = [&[kind][..], if kind == b'S' { name } else { portal }, &[0]].concat();
        match what {
            _ if self.sides[self.turn].direct.is_copying() && !matches!(what, 5 | 7) => {
                match one % 4 {
                    0 => message(b'c', b""),
                    1 => message(b'f', b"no more\0"),
                    _ => message(b'd', &vec![b'1'; usize::from(two) * 100]),
                }
            }
            0 => {
                let text = TEXTS[usize::from(two) % PREPARED];
                message(b'P', &[name, b"\0", text, b"\0\0\0"].concat())
            }
            1 => message(b'B', &[portal, b"\0", name, b"\0\0\0\0\0\0\0"].concat()),
            2 => message(b'D', &subject),
            3 => message(b'E', &[portal, &[0; 5]].concat()),
            4 => message(b'C', &subject),
            5 => message(b'S', b""),
            6 => message(b'Q', &[TEXTS[usize::from(two) % TEXTS.len()], b"\0"].concat()),
            7 => message(b'H', b""),
            // Longer than a buffer.
            8 => message(b'Q', &[b"select 1 --", &vec![b' '; 17_000][..], b"\0"].concat()),
            9 => {
                message(b'P', &[name, b"\0select 1 --", &vec![b' '; 17_000][..], &[0; 3]].concat())
            }
            _ => message(b'F', &[0; 14]),
        }
    }

    fn say(&mut self, words: &[u8]) {
        if self.sent_len + words.len() > SENT_LEN_MAX {
            return;
        }
        self.sent_len += words.len();
        let side = &mut self.sides[self.turn];
        // A statement that the server has is not sent to it, so nobody says 25P02 before it is bound; one that it has no more
        // cannot be described.
        let is_named =
            words.get(HEADER_LEN..).is_some_and(|body| body.starts_with(b"S") && body[1] != 0);
        let asks = words[0] == b'P' || words[0] == b'D' && is_named;
        if asks && side.direct.has_failed_transaction() {
            return;
        }
        // A DEALLOCATE by SQL behind it, with no Sync in between, is answered as in the failed transaction.
        if words[0] == b'Q' && side.direct.has_recovered_untold() {
            return;
        }
        let failed = side.direct.is_skipping();
        side.sent.extend_from_slice(words);
        side.direct.read(words, &mut side.expected);
        // Names that a client goes on with behind an error are not known before it has met the error.
        if failed && !side.direct.is_skipping() {
            self.flow(usize::MAX, usize::MAX);
        }
    }

    /// Lets the other client have the server connection, if it may.
    fn hand_over(&mut self) {
        self.flow(usize::MAX, usize::MAX);
        let client = &mut self.sides[self.turn].client;
        let is_idle = client.buffer.is_none() && client.down.is_clear();
        if is_idle && client.holds.is_none() && self.server.is_at_rest() {
            assert_eq!(self.server.taint, Taint::Clean);
            self.turn = 1 - self.turn;
        }
    }

    /// Ends what is open on the side whose turn it is, and lets everything through.
    fn settle(&mut self) {
        if self.sides[self.turn].direct.is_copying() {
            self.sent_len = 0;
            self.say(&message(b'c', b""));
        }
        self.sent_len = 0;
        self.say(&message(b'S', b""));
        self.flow(usize::MAX, usize::MAX);
        let side = &self.sides[self.turn];
        assert!(side.sent.is_empty() && self.replies.is_empty(), "bytes are stuck");
        assert!(self.server.is_answered(), "something is owed at the end");
    }

    /// Moves bytes both ways, so many at a time, until nothing moves.
    fn flow(&mut self, up: usize, down: usize) {
        loop {
            let moved = self.flow_up(up);
            let moved = self.flow_down(down).expect("the server keeps to the protocol") || moved;
            if !(self.end_reset() || moved && up == usize::MAX) {
                return;
            }
        }
    }

    fn flow_up(&mut self, len: usize) -> bool {
        let side = &mut self.sides[self.turn];
        let read = fill(&mut side.client.buffer, &mut side.sent, len);
        let mut sink = Vec::new();
        let mut upstream = Upstream {
            client: &mut side.client,
            server: &mut self.server,
            interner: &mut self.interner,
            mode: PoolMode::Transaction,
        };
        let wish = upstream.process().expect("the client keeps to the protocol");
        assert_ne!(wish, Wish::Leave);
        let mut cx = Context::from_waker(Waker::noop());
        let written = self.server.up.poll_write(&mut side.client.buffer, &mut sink, &mut cx);
        assert!(written.is_ready());
        self.behind.read(&sink, &mut self.replies);
        read > 0 || !sink.is_empty()
    }

    /// None when the server said what is no message.
    fn flow_down(&mut self, len: usize) -> Option<bool> {
        let side = &mut self.sides[self.turn];
        let read = fill(&mut self.server.buffer, &mut self.replies, len);
        let before = side.got.len();
        let mut downstream =
            Downstream { client: &mut side.client, server: &mut self.server, overdue: None };
        downstream.process().ok()?;
        let mut cx = Context::from_waker(Waker::noop());
        let out = &mut side.got;
        assert!(side.client.down.poll_write(&mut self.server.buffer, out, &mut cx).is_ready());
        Some(read > 0 || side.got.len() > before)
    }

    /// What the session does after a RESET; the statements here change no settings.
    fn end_reset(&mut self) -> bool {
        let side = &mut self.sides[self.turn];
        let is_clear = side.client.down.is_clear();
        match std::mem::take(&mut side.client.reset) {
            Resetting::Due(settings) if is_clear && self.server.is_at_rest() => {
                self.server.settings = settings;
                true
            }
            Resetting::Withheld(unsure) if is_clear && self.server.is_answered() => {
                let status = self.server.status();
                side.client.holds = side.client.holds.without(unsure.frees);
                side.got.extend(ready_for_query(status));
                true
            }
            other => {
                side.client.reset = other;
                false
            }
        }
    }
}

/// A socket on no reactor: nothing here reads or writes one.
fn nowhere() -> Socket {
    Socket::Detached(Detached::Lost)
}

fn target() -> Arc<Target> {
    thread_local! {
        static TARGET: RefCell<Option<Arc<Target>>> = const { RefCell::new(None) };
    }
    let make = || {
        let config = target::Config { ssl_mode: SslMode::Disable, ..target::Config::default() };
        Arc::new(Target::new(&config).expect("no certificate is read"))
    };
    TARGET.with_borrow_mut(|known| Arc::clone(known.get_or_insert_with(make)))
}

/// Moves at most `len` bytes into the buffer, as far as there is room; how many it were.
fn fill(buffer: &mut Option<Buffer>, bytes: &mut Vec<u8>, len: usize) -> usize {
    let mut taken = buffer.take().unwrap_or_else(Buffer::take);
    let spare = taken.spare();
    let len = len.min(spare.len()).min(bytes.len());
    spare[..len].copy_from_slice(&bytes[..len]);
    taken.advance(len);
    bytes.drain(..len);
    *buffer = Some(taken).filter(|taken| !taken.is_empty());
    len
}

fn gists(bytes: &[u8]) -> Vec<Gist> {
    messages(bytes).map(|(tag, body)| gist_of(tag, body)).collect()
}

/// For the message of a finding.
fn steps(bytes: &[u8]) -> Vec<[u8; 3]> {
    let readable = |&[what, one, two]: &[u8; 3]| [what % 13, one, two];
    bytes.as_chunks().0.iter().map(readable).collect()
}
