//! The two deciders of the relay, fed byte by byte: however a stream is cut, what goes out is the same.
//!
//! No socket is read or written here: messages go into the read buffers by hand and come out of the flows.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Waker};

use tokio::net::UnixStream;

use crate::backend::dial::{BackendKey, Dialed};
use crate::backend::server::Server;
use crate::backend::settings::Settings;
use crate::backend::start::StartKey;
use crate::backend::statement::{Interner, StatementLimits};
use crate::backend::target::{self, Address, Target};
use crate::net::socket::{Peer, Socket};
use crate::net::stream::{ClientStream, ServerStream};
use crate::pool::PoolMode;
use crate::pool::greeting::Greeting;
use crate::router::holds::Holds;
use crate::session::client::Client;
use crate::session::downstream::Downstream;
use crate::session::upstream::{Upstream, Wish};
use crate::wire::buffer::Buffer;
use crate::wire::frontend;
use crate::wire::tag::BackendTag;

/// One client and one server connection, and what the pool would know.
struct Pair {
    client: Client,
    server: Server,
    interner: Rc<RefCell<Interner>>,
}

impl Pair {
    fn new(interner: &Rc<RefCell<Interner>>) -> io::Result<Self> {
        let (near, _) = UnixStream::pair()?;
        let (far, _) = UnixStream::pair()?;
        let address = Address::Unix("/nowhere".into());
        let dialed = Dialed {
            start_key: StartKey::new(),
            stream: ServerStream::plain(Socket::unix(far)),
            address: address.clone(),
            key: BackendKey { address, pid: 1, secret: vec![0; 4] },
            parameters: vec![("TimeZone".into(), "UTC".into())],
        };
        let stream = ClientStream::plain(Socket::unix(near), Peer::Unix);
        let settings = Rc::new(Settings::from_reported(&dialed.parameters));
        let greeting = Greeting { settings, parameters: Rc::new(dialed.parameters.clone()) };
        let target = Arc::new(Target::new(&target::Config::default()).unwrap());
        let limits = StatementLimits { server_len: 2, ..StatementLimits::default() };
        let (client, server) = (Client::new(stream, greeting), Server::new(dialed, target, limits));
        Ok(Self { client, server, interner: Rc::clone(interner) })
    }

    /// What the client wants when these bytes come from it.
    fn wish(&mut self, bytes: &[u8]) -> Wish {
        fill(&mut self.client.buffer, bytes);
        let mut upstream = Upstream {
            client: &mut self.client,
            server: &mut self.server,
            interner: &mut self.interner.borrow_mut(),
            mode: PoolMode::Transaction,
        };
        upstream.process().expect("the client keeps to the protocol")
    }

    /// What goes to the server when these bytes come from the client.
    fn up(&mut self, bytes: &[u8]) -> Vec<u8> {
        assert_eq!(self.wish(bytes), Wish::Continue);
        let mut sink = Vec::new();
        let mut cx = Context::from_waker(Waker::noop());
        let written = self.server.up.poll_write(&mut self.client.buffer, &mut sink, &mut cx);
        assert!(written.is_ready());
        sink
    }

    /// What goes to the client when these bytes come from the server.
    fn down(&mut self, bytes: &[u8]) -> Vec<u8> {
        fill(&mut self.server.buffer, bytes);
        let mut sink = Vec::new();
        let mut downstream =
            Downstream { client: &mut self.client, server: &mut self.server, overdue: None };
        downstream.process().expect("the server keeps to the protocol");
        let mut cx = Context::from_waker(Waker::noop());
        let written = self.client.down.poll_write(&mut self.server.buffer, &mut sink, &mut cx);
        assert!(written.is_ready());
        sink
    }
}

fn fill(buffer: &mut Option<Buffer>, bytes: &[u8]) {
    if bytes.is_empty() {
        return;
    }
    let buffer = buffer.get_or_insert_with(Buffer::take);
    buffer.spare()[..bytes.len()].copy_from_slice(bytes);
    buffer.advance(bytes.len());
}

fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    bytes.extend((body.len() as u32 + 4).to_be_bytes());
    bytes.extend(body);
    bytes
}

fn parse(name: &[u8], sql: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    frontend::write_parse(&mut bytes, name, &[sql, b"\0\0\0"].concat());
    bytes
}

fn bind(statement: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    frontend::write_bind_head(&mut bytes, b"", statement, 6);
    bytes.extend([0; 6]);
    bytes
}

fn execute() -> Vec<u8> {
    message(b'E', &[0; 5])
}

/// Everything a client may send in one pipeline, with three statements where the server keeps two.
fn pipeline() -> Vec<u8> {
    let mut close = Vec::new();
    frontend::write_subject(&mut close, b'C', b"a");
    let parts = [
        parse(b"a", b"select 1"),
        bind(b"a"),
        message(b'D', b"P\0"),
        execute(),
        message(b'H', b""),
        parse(b"", b"select 2"),
        bind(b""),
        execute(),
        parse(b"b", b"select 3"),
        parse(b"c", b"select 4"),
        bind(b"a"),
        execute(),
        close,
        message(b'H', b""),
        frontend::SYNC.to_vec(),
        message(b'Q', b"select 5\0"),
    ];
    parts.concat()
}

/// What a server answers to what [`pipeline`] becomes.
fn replies() -> Vec<u8> {
    let row = message(b'D', b"\0\x01\0\0\0\x011");
    let done = message(b'C', b"SELECT 1\0");
    let ready = message(b'Z', b"I");
    let (parsed, bound, closed) = (message(b'1', b""), message(b'2', b""), message(b'3', b""));
    let description = message(b'T', b"\0\0");
    let first = [&parsed, &bound, &description, &row, &done];
    let second = [&parsed, &bound, &row, &done, &parsed, &closed, &parsed, &closed, &parsed];
    let third = [&bound, &row, &done, &ready, &description, &row, &row, &done, &ready];
    first.into_iter().chain(second).chain(third).flatten().copied().collect()
}

fn run(cut: usize) -> io::Result<(Vec<u8>, Vec<u8>)> {
    let interner = Rc::new(RefCell::new(Interner::default()));
    let mut pair = Pair::new(&interner)?;
    let (sent, replies) = (pipeline(), replies());
    let (front, back) = sent.split_at(cut.min(sent.len()));
    let up = [pair.up(front), pair.up(back)].concat();
    let (front, back) = replies.split_at(cut.min(replies.len()));
    let down = [pair.down(front), pair.down(back)].concat();
    assert!(pair.server.is_at_rest(), "something is owed after a cut at {cut}");
    assert!(pair.client.statements.get(b"a").is_none(), "the client has closed it");
    assert!(pair.client.statements.get(b"c").is_some());
    Ok((up, down))
}

#[tokio::test]
async fn i3_a_stream_cut_at_any_byte_gives_the_same_output() -> io::Result<()> {
    let whole = run(0)?;
    for cut in 1..=pipeline().len().max(replies().len()) {
        assert_eq!(run(cut)?, whole, "cut at {cut}");
    }
    let tags = |bytes: &[u8]| {
        let (mut tags, mut rest) = (String::new(), bytes);
        while let Some(header) = crate::wire::header::Header::read(rest) {
            tags.push(char::from(header.tag));
            rest = &rest[header.message_len()..];
        }
        tags
    };
    assert_eq!(tags(&whole.0), "PBDEHPBEPCPCPBEHSQ", "evicted and injected where they belong");
    assert_eq!(tags(&whole.1), "12TDC12DC112DC3ZTDDCZ", "as without a proxy");
    Ok(())
}

#[tokio::test]
async fn a_name_of_an_earlier_sequence_waits_until_it_is_decided() -> io::Result<()> {
    let interner = Rc::new(RefCell::new(Interner::default()));
    let mut pair = Pair::new(&interner)?;
    let sync = frontend::SYNC.to_vec();
    pair.up(&[parse(b"a", b"select 1"), sync.clone()].concat());
    assert_eq!(pair.wish(&[bind(b"a"), sync.clone()].concat()), Wish::Wait);
    let error = message(b'E', b"SERROR\0C42601\0M\0\0");
    pair.down(&[error, message(b'Z', b"I")].concat());
    assert_eq!(pair.up(&[]), [bind(b"a"), sync].concat(), "the server says that there is none");
    Ok(())
}

#[tokio::test]
async fn a_statement_that_the_server_has_is_not_parsed_again() -> io::Result<()> {
    let interner = Rc::new(RefCell::new(Interner::default()));
    let mut pair = Pair::new(&interner)?;
    let sync = frontend::SYNC.to_vec();
    pair.up(&[parse(b"a", b"select 1"), sync.clone()].concat());
    pair.down(&[message(b'1', b""), message(b'Z', b"I")].concat());
    let up = pair.up(&[parse(b"other", b"select 1"), sync.clone()].concat());
    assert_eq!(up, sync);
    let down = pair.down(&message(b'Z', b"I"));
    assert_eq!(down, [message(b'1', b""), message(b'Z', b"I")].concat());
    Ok(())
}

#[tokio::test]
async fn i6_an_unnamed_statement_of_another_client_is_out_of_reach() -> io::Result<()> {
    let interner = Rc::new(RefCell::new(Interner::default()));
    let mut pair = Pair::new(&interner)?;
    pair.server.unnamed.send(Some(77));
    pair.server.unnamed.settle();
    let up = pair.up(&[bind(b""), execute(), frontend::SYNC.to_vec()].concat());
    assert_eq!(up[0], b'C', "the other client's statement is closed first");
    let error = message(b'E', b"SERROR\0C26000\0M\0\0");
    let down = pair.down(&[message(b'3', b""), error.clone(), message(b'Z', b"I")].concat());
    assert_eq!(down, [error, message(b'Z', b"I")].concat());
    Ok(())
}

#[tokio::test]
async fn i6_it_is_out_of_reach_behind_an_error_too() -> io::Result<()> {
    let interner = Rc::new(RefCell::new(Interner::default()));
    let mut pair = Pair::new(&interner)?;
    pair.server.unnamed.send(Some(77));
    pair.server.unnamed.settle();
    let sync = frontend::SYNC.to_vec();
    pair.up(&[bind(b"missing"), parse(b"", b"select 1"), sync.clone()].concat());
    let error = message(b'E', b"SERROR\0C26000\0M\0\0");
    pair.down(&[error, message(b'Z', b"I")].concat());
    let up = pair.up(&[bind(b""), sync].concat());
    assert_eq!(up[0], b'C', "the server may still have the other client's");
    Ok(())
}

#[tokio::test]
async fn i6_what_became_of_it_is_known_although_its_client_is_gone() -> io::Result<()> {
    let interner = Rc::new(RefCell::new(Interner::default()));
    let mut pair = Pair::new(&interner)?;
    pair.up(&[parse(b"", b"select 1"), message(b'Q', b"select 2\0")].concat());
    pair.server.observe(BackendTag::ParseComplete, &message(b'1', b""), &mut |_| ());
    while pair.server.next_local().is_some() {}
    // Another client's, and a query behind it.
    pair.server.unnamed.send(Some(77));
    pair.server.unnamed.settle();
    assert_eq!(pair.server.unnamed.expected(), Some(77));
    pair.server.unnamed.clear();
    assert_eq!(pair.server.unnamed.expected(), None);
    Ok(())
}

#[tokio::test]
async fn an_error_in_the_pipeline_takes_back_what_came_after_it() -> io::Result<()> {
    let interner = Rc::new(RefCell::new(Interner::default()));
    let mut pair = Pair::new(&interner)?;
    let sync = frontend::SYNC.to_vec();
    pair.up(&[parse(b"bad", b"selec"), parse(b"good", b"select 1"), sync].concat());
    let error = message(b'E', b"SERROR\0C42601\0M\0\0");
    pair.down(&[error, message(b'Z', b"I")].concat());
    assert!(pair.client.statements.is_empty());
    assert!(pair.server.is_at_rest());
    let up = pair.up(&[parse(b"good", b"select 1"), frontend::SYNC.to_vec()].concat());
    assert_eq!(up[0], b'P', "the server does not have it");
    Ok(())
}

#[tokio::test]
async fn statements_that_leave_something_behind_hold_when_they_are_run() -> io::Result<()> {
    let interner = Rc::new(RefCell::new(Interner::default()));
    let mut pair = Pair::new(&interner)?;
    pair.up(&parse(b"l", b"LISTEN x"));
    assert_eq!(pair.client.holds, Holds::NONE);
    pair.up(&bind(b"l"));
    assert_eq!(pair.client.holds, Holds::LISTEN);
    Ok(())
}

#[tokio::test]
async fn i6_what_a_server_reports_holds_its_client_and_is_not_passed_on() -> io::Result<()> {
    let interner = Rc::new(RefCell::new(Interner::default()));
    let mut pair = Pair::new(&interner)?;
    pair.server.report = Some(Box::default());
    let (done, ready) = (message(b'C', b"SELECT 1\0"), message(b'Z', b"I"));
    for (reasons, settings, held) in [("lock", "{\"a.b\":\"c\"}", true), ("", "{}", false)] {
        pair.up(&message(b'Q', b"SELECT f()\0"));
        let session = format!("taskmaster.session\0{reasons}\0");
        let settings = format!("taskmaster.settings\0{settings}\0");
        let reports = [message(b'S', session.as_bytes()), message(b'S', settings.as_bytes())];
        let down =
            pair.down(&[&done, &reports[0], &reports[1], &ready].map(Vec::as_slice).concat());
        assert_eq!(down, [done.clone(), ready.clone()].concat());
        assert_eq!(!pair.server.reasons().is_empty(), held);
        assert_eq!(pair.server.settings.get("a.b").is_some(), held);
    }
    assert_eq!(pair.client.holds, Holds::NONE, "the text is not read for what is reported");
    Ok(())
}

#[tokio::test]
async fn a_statement_is_parsed_again_under_another_search_path() -> io::Result<()> {
    let interner = Rc::new(RefCell::new(Interner::default()));
    let mut pair = Pair::new(&interner)?;
    pair.server.report = Some(Box::default());
    let sync = frontend::SYNC.to_vec();
    pair.up(&[parse(b"a", b"table t"), sync.clone()].concat());
    pair.down(&[message(b'1', b""), message(b'Z', b"I")].concat());
    assert_eq!(pair.up(&[bind(b"a"), sync.clone()].concat())[0], b'B');
    pair.down(&message(b'2', b""));
    let settings = message(b'S', b"taskmaster.settings\0{\"search_path\":\"other\"}\0");
    pair.down(&[settings, message(b'Z', b"I")].concat());
    assert_eq!(pair.up(&[bind(b"a"), sync].concat())[0], b'P');
    Ok(())
}

#[tokio::test]
async fn a_statement_is_parsed_again_after_a_change_of_shape() -> io::Result<()> {
    let interner = Rc::new(RefCell::new(Interner::default()));
    let mut pair = Pair::new(&interner)?;
    pair.server.schema = pair.interner.borrow().schema().clone();
    let (sync, ready) = (frontend::SYNC.to_vec(), message(b'Z', b"I"));
    pair.up(&[parse(b"a", b"table t"), sync.clone()].concat());
    pair.down(&[message(b'1', b""), ready.clone()].concat());
    pair.up(&message(b'Q', b"alter table t add c int\0"));
    pair.down(&[message(b'C', b"ALTER TABLE\0"), ready].concat());
    let up = pair.up(&[parse(b"b", b"table t"), sync].concat());
    assert_eq!(up[0], b'P', "the server's statement has the old shape");
    Ok(())
}
