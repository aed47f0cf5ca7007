//! Micro-benchmarks of what runs for every message: the walk over a server's reply, and the look
//! at a statement's text. No socket and no runtime, so what is timed is the proxy's own share.

use std::hint::black_box;
use std::task::{Context, Waker};
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use taskmaster_proxy::net::flow::Flow;
use taskmaster_proxy::router::holds::Holds;
use taskmaster_proxy::wire::buffer::Buffer;
use taskmaster_proxy::wire::header::Header;
use taskmaster_proxy::wire::outstanding::{Expect, Outstanding, Owed};
use taskmaster_proxy::wire::tag::BackendTag;

const ROWS: usize = 100;

const STATEMENTS: [(&str, &str); 5] = [
    ("select", "SELECT abalance FROM pgbench_accounts WHERE aid = 4711;"),
    ("insert", "INSERT INTO orders (id, customer, note) VALUES ($1, $2, 'a note; with more')"),
    ("begin", "BEGIN ISOLATION LEVEL READ COMMITTED"),
    ("set", "SET search_path TO app, public"),
    (
        "commented",
        "/* route=/orders */ SELECT o.id, c.name FROM orders o JOIN customers c USING (id)",
    ),
];

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(2));
    targets = relay, holds
}
criterion_main!(benches);

/// A reply of a hundred rows: read, its headers walked, its end found, passed on as one run.
fn relay(criterion: &mut Criterion) {
    let reply = reply();
    let mut group = criterion.benchmark_group("relay");
    group.throughput(Throughput::Elements(ROWS as u64));
    group.bench_function("100 DataRow messages", |bencher| {
        let mut sink = Vec::with_capacity(reply.len());
        bencher.iter_batched(
            || filled(&reply),
            |source| {
                sink.clear();
                pass(source, &mut sink);
                black_box(sink.len())
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

fn holds(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("holds");
    for (name, sql) in STATEMENTS {
        group.throughput(Throughput::Bytes(sql.len() as u64));
        group.bench_function(name, |bencher| {
            bencher
                .iter(|| Holds::of_sql(black_box(sql.as_bytes()), &|name| name == b"search_path"));
        });
    }
    group.finish();
}

/// What the session does with a reply to a Query, without the session.
fn pass(source: Buffer, sink: &mut Vec<u8>) {
    let mut source = source;
    let (mut flow, mut outstanding) = (Flow::default(), Outstanding::default());
    outstanding.push(Owed::forward(Expect::Query));
    while outstanding.is_owed() {
        let header = Header::read(flow.unseen(&source)).expect("the reply ends with ReadyForQuery");
        let tag = BackendTag::from_byte(header.tag);
        if tag != BackendTag::Other {
            black_box(outstanding.reply(tag, &mut |_| ()));
        }
        flow.forward(&mut source, header.message_len(), header.message_len());
    }
    let mut context = Context::from_waker(Waker::noop());
    let written = flow.poll_write(&mut Some(source), sink, &mut context);
    assert!(written.is_ready(), "a vector takes everything at once");
}

fn filled(bytes: &[u8]) -> Buffer {
    let mut buffer = Buffer::take();
    buffer.grow(bytes.len());
    buffer.spare()[..bytes.len()].copy_from_slice(bytes);
    buffer.advance(bytes.len());
    buffer
}

/// RowDescription, rows of three columns, CommandComplete and ReadyForQuery.
fn reply() -> Vec<u8> {
    let mut bytes = message(b'T', &[0, 0]);
    for number in 0..ROWS {
        let mut row = vec![0, 3];
        for column in [number.to_string(), format!("name {number}"), "2026-01-01".to_owned()] {
            row.extend(u32::try_from(column.len()).expect("a short column").to_be_bytes());
            row.extend(column.bytes());
        }
        bytes.extend(message(b'D', &row));
    }
    bytes.extend(message(b'C', b"SELECT 100\0"));
    bytes.extend(message(b'Z', b"I"));
    bytes
}

fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(body.len() + 4).expect("a short message");
    [&[tag][..], &len.to_be_bytes(), body].concat()
}
