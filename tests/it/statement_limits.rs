//! How much is kept of prepared statements: on a server connection, for a client, for all clients of a pool.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use harness::message::{self, Message};
use harness::raw::RawClient;
use harness::{Proxy, proxy};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::{assert_serves, proxied, run, status};

const TEXT_LEN: usize = 64 * 1024;

/// A statement of [`TEXT_LEN`] bytes and a little, unlike those with another number.
fn text(number: usize) -> String {
    format!("select {number} /* {} */", "x".repeat(TEXT_LEN))
}

async fn parse(client: &mut RawClient, number: usize) -> Vec<Message> {
    let name = format!("s{number}");
    client.send(&[message::parse(&name, &text(number)), message::sync()].concat()).await;
    client.read_until_ready().await
}

async fn execute(client: &mut RawClient, number: usize) -> Vec<Message> {
    let name = format!("s{number}");
    let bytes = [message::bind(&name, &[]), message::execute("", 0), message::sync()].concat();
    client.send(&bytes).await;
    client.read_until_ready().await
}

/// Prepares statements from `first` on until one is refused: how many there are, and the refusal.
async fn fill(client: &mut RawClient, first: usize) -> (usize, Message) {
    for number in 0..1_000 {
        let replies = parse(client, first + number).await;
        if let Some(error) = replies.into_iter().find(|reply| reply.tag == b'E') {
            return (number, error);
        }
    }
    panic!("a thousand statements were taken");
}

fn assert_refused(error: &Message, setting: &str) {
    assert_eq!(error.sqlstate(), Some("53400"), "{error:?}");
    assert!(
        error.field(b'H').is_some_and(|hint| hint.contains(setting)),
        "{:?}",
        error.field(b'H')
    );
    assert!(!String::from_utf8_lossy(&error.body).contains("taskmaster_"), "{error:?}");
}

#[tokio::test]
async fn a_client_is_refused_beyond_its_number_of_statements_and_goes_on() {
    let (_, database, proxy) = proxied(|config| {
        config.set("pool.client_statements_max", 3);
    })
    .await;
    let mut client = proxy.raw(&database).await;
    let (count, error) = fill(&mut client, 0).await;
    assert_eq!(count, 3);
    assert_refused(&error, "pool.client_statements_max");
    // An error like any other: the rest of the pipeline is skipped and its transaction fails.
    run(&mut client, &["create table t (id int)", "begin", "insert into t values (1)"]).await;
    let rest = [message::query("insert into t values (2)"), message::sync()].concat();
    client.send(&[message::parse("s9", "select 9"), rest].concat()).await;
    let replies = client.read_until_ready().await;
    assert_refused(&replies[0], "pool.client_statements_max");
    assert_eq!((replies.len(), status(&replies)), (2, "E"), "{replies:?}");
    run(&mut client, &["rollback"]).await;
    assert_eq!(client.query_value("select count(*) from t").await, "0");
    // The unnamed statement and a name given up make room.
    assert_eq!(client.query_value("select 'served'").await, "served");
    client.send(&[message::close(b'S', "s0"), message::sync()].concat()).await;
    client.read_until_ready().await;
    assert_eq!(parse(&mut client, 7).await[0].tag, b'1');
    assert!(execute(&mut client, 7).await.iter().any(|reply| reply.tag == b'D'));
}

#[tokio::test]
async fn statements_are_bounded_in_bytes_for_a_client_and_for_all_and_a_server_keeps_fewer() {
    let (_, database, proxy) = proxied(|config| {
        config
            .set("pool.min", 1)
            .set("pool.max", 1)
            .set("pool.statements_bytes_max", 2 * 70_000)
            .set("pool.client_statements_bytes_max", 10 * 70_000)
            .set("pool.shared_statements_bytes_max", 1_048_576);
    })
    .await;
    let mut one = proxy.raw(&database).await;
    let look = "create function kept() returns bigint language sql as \
                'select count(*) from pg_prepared_statements'";
    run(&mut one, &[look]).await;
    let (count, error) = fill(&mut one, 0).await;
    assert_eq!(count, 10);
    assert_refused(&error, "pool.client_statements_bytes_max");
    // All of them serve, by turns: the server connection keeps two at a time.
    for number in (0..10).chain(0..10) {
        let replies = execute(&mut one, number).await;
        assert!(replies.iter().any(|reply| reply.tag == b'D'), "{number}: {replies:?}");
    }
    assert_eq!(one.query_value("select kept()").await, "2");
    // One mebibyte for all: another client gets what the first has left.
    let mut two = proxy.raw(&database).await;
    let (count, error) = fill(&mut two, 100).await;
    assert_eq!(count, 5);
    assert_refused(&error, "pool.shared_statements_bytes_max");
    // What another client has prepared already takes no more room.
    assert_eq!(parse(&mut two, 3).await[0].tag, b'1');
    drop(one);
    let makes_room = async || parse(&mut two, 105).await[0].tag == b'1';
    harness::wait::until("the first client's statements are forgotten", makes_room).await;
    assert_serves(&proxy, &database).await;
}

/// The resident memory of the process now, in KiB.
fn memory_kib(proxy: &Proxy) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", proxy.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn answers_of_the_proxy_to_a_client_that_does_not_read_are_bounded() {
    const PAIRS: usize = 800_000;
    let (_, database, proxy) = proxied(|config| {
        config.set("pool.max", 1);
    })
    .await;
    let stream = TcpStream::connect(("127.0.0.1", proxy.port)).await.unwrap().into_std().unwrap();
    let mut writer = TcpStream::from_std(stream.try_clone().unwrap()).unwrap();
    let mut client = RawClient::over(TcpStream::from_std(stream).unwrap());
    client.log_in(&proxy::login(&database), &[]).await.unwrap();
    // The server has the statement: from now on the proxy answers for it.
    client.send(&[message::parse("a", "select 1"), message::sync()].concat()).await;
    client.read_until_ready().await;
    run(&mut client, &["begin"]).await;
    let before = memory_kib(&proxy);
    let pair = [message::close(b'S', "a"), message::parse("a", "select 1")].concat();
    let written = Arc::new(AtomicUsize::new(0));
    let progress = Arc::clone(&written);
    let writing = tokio::spawn(async move {
        for _ in 0..PAIRS / 1_000 {
            writer.write_all(&pair.repeat(1_000)).await.unwrap();
            progress.fetch_add(1, Ordering::Relaxed);
        }
        writer.write_all(&message::sync()).await.unwrap();
    });
    let mut seen = usize::MAX;
    while seen != written.load(Ordering::Relaxed) {
        seen = written.load(Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let grown = memory_kib(&proxy).saturating_sub(before);
    assert!(grown < 4 * 1024, "the proxy grew by {grown} KiB");
    let replies = client.read_until_ready().await;
    assert_eq!(replies.len(), 2 * PAIRS + 1);
    assert_eq!(status(&replies), "T");
    writing.await.unwrap();
}
