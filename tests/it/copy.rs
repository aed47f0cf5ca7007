//! COPY through drivers, and messages far larger than any buffer: they stream, in bounded memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt, pin_mut};
use harness::fault::Mode;
use harness::proxy_config::path_text;
use harness::raw::RawClient;
use harness::{Authority, Cluster, Database, Fault, Proxy, message, proxy, wait};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_postgres::Client;
use tokio_postgres::types::ToSql;

use crate::support::{first_error, proxied, proxied_by, sqlstate, value};

/// What a proxy may use at most while it moves messages of [`LARGE`] bytes. A proxy that buffers
/// one of them whole is beyond it.
const MEMORY_MAX_KIB: u64 = 48 * 1024;

const LARGE: usize = 64 * 1024 * 1024;

/// The highest resident memory of the process so far (`VmHWM`), in KiB.
fn peak_memory_kib(proxy: &Proxy) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", proxy.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn assert_bounded(proxy: &Proxy) {
    let peak = peak_memory_kib(proxy);
    assert!(peak < MEMORY_MAX_KIB, "the proxy grew to {peak} KiB");
}

async fn copy_in(client: &Client, sql: &str, chunks: &[&'static str]) -> u64 {
    let sink = client.copy_in::<_, Bytes>(sql).await.unwrap();
    pin_mut!(sink);
    for chunk in chunks {
        sink.send(Bytes::from_static(chunk.as_bytes())).await.unwrap();
    }
    sink.finish().await.unwrap()
}

async fn copy_out(client: &Client, sql: &str) -> Vec<u8> {
    let stream = client.copy_out(sql).await.unwrap();
    pin_mut!(stream);
    let mut data = Vec::new();
    while let Some(chunk) = stream.next().await {
        data.extend_from_slice(&chunk.unwrap());
    }
    data
}

#[tokio::test]
async fn many_clients_copy_both_ways_over_two_server_connections() {
    let (_, database, proxy) = proxied_by(2).await;
    let setup = proxy.connect(&database).await;
    setup.batch_execute("create table t (client int, word text)").await.unwrap();
    let mut tasks = Vec::new();
    for number in 0..8 {
        let client = proxy.connect(&database).await;
        tasks.push(tokio::spawn(async move {
            let sql = format!("create table t{number} (word text)");
            client.batch_execute(&sql).await.unwrap();
            let sql = format!("copy t{number} from stdin");
            assert_eq!(copy_in(&client, &sql, &["one\n", "two\nthree\n"]).await, 3);
            let sql = format!("copy t{number} to stdout");
            assert_eq!(copy_out(&client, &sql).await, b"one\ntwo\nthree\n");
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
}

#[tokio::test]
async fn a_large_copy_in_and_out_streams() {
    let (_, database, proxy) = proxied_by(1).await;
    let client = proxy.connect(&database).await;
    client.batch_execute("create unlogged table t (word text)").await.unwrap();
    let line = format!("{}\n", "x".repeat(64 * 1024 - 1));
    let chunk = Bytes::from(line.repeat(16));
    let sink = client.copy_in::<_, Bytes>("copy t from stdin").await.unwrap();
    pin_mut!(sink);
    for _ in 0..64 {
        sink.send(chunk.clone()).await.unwrap();
    }
    assert_eq!(sink.finish().await.unwrap(), 16 * 64);
    assert_eq!(copy_out(&client, "copy t to stdout").await.len(), LARGE);
    assert_bounded(&proxy);
}

#[tokio::test]
async fn a_row_of_64_mib_streams() {
    let (_, database, proxy) = proxied_by(1).await;
    let client = proxy.connect(&database).await;
    let sql = format!("select repeat('x', {LARGE})");
    let row = client.query_one(&sql, &[]).await.unwrap();
    assert_eq!(row.get::<_, &str>(0).len(), LARGE);
    assert_bounded(&proxy);
}

#[tokio::test]
async fn a_parameter_of_64_mib_streams() {
    let (_, database, proxy) = proxied_by(1).await;
    let client = proxy.connect(&database).await;
    let text = "x".repeat(LARGE);
    let row = client.query_one("select length($1)", &[&text]).await.unwrap();
    assert_eq!(row.get::<_, i32>(0), i32::try_from(LARGE).unwrap());
    assert_bounded(&proxy);
}

#[tokio::test]
async fn a_statement_of_64_mib_is_answered() {
    let (_, database, proxy) = proxied_by(2).await;
    let client = proxy.connect(&database).await;
    let sql = format!("select length('{}')", "x".repeat(LARGE));
    assert_eq!(value(&client, &sql).await, LARGE.to_string());
    assert_bounded(&proxy);
    assert_eq!(value(&client, "select 'still in step'").await, "still in step");
}

/// A result of 1 GiB.
const GIBIBYTE: &str = "select repeat('x', 8192) from generate_series(1, 131072)";

/// Others are served while this client reads nothing of a result of 1 GiB, and the proxy does not grow.
async fn assert_unread(proxy: &Proxy, database: &Database<'_>, mut lazy: RawClient) {
    lazy.send(&message::query(GIBIBYTE)).await;
    lazy.read_until(b'D').await;
    let other = proxy.connect(database).await;
    for _ in 0..50 {
        assert_eq!(value(&other, "select 'served'").await, "served");
    }
    assert_bounded(proxy);
    // All of what it did not read is still there for it.
    for _ in 0..20_000 {
        assert_eq!(lazy.read().await.tag, b'D');
    }
    drop(lazy);
    for _ in 0..3 {
        let clients = [proxy.connect(database).await, proxy.connect(database).await];
        for client in &clients {
            client.batch_execute("begin").await.unwrap();
        }
    }
    assert_bounded(proxy);
}

#[tokio::test]
async fn a_client_that_reads_nothing_of_1_gib_does_not_make_the_proxy_grow() {
    let (_, database, proxy) = proxied_by(2).await;
    let lazy = proxy.raw(&database).await;
    assert_unread(&proxy, &database, lazy).await;
}

#[tokio::test]
async fn a_client_that_reads_nothing_of_1_gib_under_tls_does_not_make_the_proxy_grow() {
    let authority = Authority::new();
    let certificate = authority.server(&["localhost"]);
    let (_, database, proxy) = proxied(|config| {
        config
            .set("pool.min", 1)
            .set("pool.max", 2)
            .set("listen.tls.cert_file", path_text(&certificate.cert_file))
            .set("listen.tls.key_file", path_text(&certificate.key_file));
    })
    .await;
    let mut lazy = tls_client(&proxy, &authority).await;
    lazy.log_in(&proxy::login(&database), &[]).await.unwrap();
    assert_unread(&proxy, &database, lazy).await;
}

/// A client that has asked for TLS and shaken hands.
async fn tls_client(proxy: &Proxy, authority: &Authority) -> RawClient {
    let mut socket = tokio::net::TcpStream::connect(("127.0.0.1", proxy.port)).await.unwrap();
    socket.write_all(&[0, 0, 0, 8, 4, 210, 22, 47]).await.unwrap();
    assert_eq!(socket.read_u8().await.unwrap(), b'S');
    let config = std::sync::Arc::new(authority.client_config(rustls::ALL_VERSIONS));
    let connector = tokio_rustls::TlsConnector::from(config);
    let stream = connector.connect("localhost".try_into().unwrap(), socket).await.unwrap();
    RawClient::over(stream)
}

#[tokio::test]
async fn a_server_that_reads_nothing_of_1_gib_does_not_make_the_proxy_grow() {
    let cluster = Cluster::shared().await;
    let database = cluster.create_database().await;
    let fault = Fault::start(cluster.port);
    let proxy = Proxy::start(cluster, |config| {
        config.set("server.port", i64::from(fault.port())).set("pool.max", 2);
    })
    .await;
    let mut client = proxy.raw(&database).await;
    client.query("create table t (word text)").await;
    client.send(&message::query("copy t from stdin")).await;
    client.read_until(b'G').await;
    fault.set(Mode::Stall);
    let sent = Arc::new(AtomicUsize::new(0));
    let enough = Arc::new(AtomicBool::new(false));
    let (count, is_enough) = (Arc::clone(&sent), Arc::clone(&enough));
    let chunk = message::copy_data(format!("{}\n", "x".repeat(64 * 1024 - 1)).as_bytes());
    let sender = tokio::spawn(async move {
        // 1 GiB, if only somebody took it.
        for _ in (0..16 * 1024).take_while(|_| !is_enough.load(Ordering::Relaxed)) {
            client.send_slowly(&chunk).await.expect("the proxy waits, and goes on");
            count.fetch_add(1, Ordering::Relaxed);
        }
        client.send(&message::copy_fail("enough")).await;
        client.read_until_ready().await
    });
    let mut before = usize::MAX;
    wait::until("nothing goes on any more", async || {
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        before == std::mem::replace(&mut before, sent.load(Ordering::Relaxed))
    })
    .await;
    assert!(sent.load(Ordering::Relaxed) < 1024, "{sent:?} pieces went nowhere");
    assert_bounded(&proxy);
    enough.store(true, Ordering::Relaxed);
    fault.set(Mode::Pass);
    let replies = wait::within("the rest of the copy", sender).await.unwrap();
    assert_eq!(first_error(&replies), "57014");
    assert_bounded(&proxy);
}

#[tokio::test]
async fn both_sides_writing_at_once_do_not_wait_for_each_other() {
    // Answers larger than every socket buffer, asked for by a pipeline larger than them, whose
    // sender reads nothing until it has sent everything it can.
    let (_, database, proxy) = proxied_by(1).await;
    let client = proxy.connect(&database).await;
    let text = "y".repeat(100_000);
    let parameters: [&(dyn ToSql + Sync); 1] = [&text];
    let queries = (0..100).map(|_| client.query_one("select $1::text", &parameters));
    for row in futures_util::future::try_join_all(queries).await.unwrap() {
        assert_eq!(row.get::<_, &str>(0).len(), text.len());
    }
}

#[tokio::test]
async fn a_failed_copy_leaves_the_client_in_step() {
    let (_, database, proxy) = proxied_by(1).await;
    let client = proxy.connect(&database).await;
    client.batch_execute("create table t (id int)").await.unwrap();
    let sink = client.copy_in::<_, Bytes>("copy t from stdin").await.unwrap();
    let mut sink = Box::pin(sink);
    sink.send(Bytes::from_static(b"not a number\n")).await.unwrap();
    let error = sink.as_mut().finish().await.unwrap_err();
    assert_eq!(sqlstate(&error), "22P02");
    assert_eq!(value(&client, "select count(*) from t").await, "0");
}

#[tokio::test]
async fn a_dropped_copy_is_rolled_back() {
    let (_, database, proxy) = proxied_by(1).await;
    let client = proxy.connect(&database).await;
    client.batch_execute("create table t (id int)").await.unwrap();
    {
        let sink = client.copy_in::<_, Bytes>("copy t from stdin").await.unwrap();
        pin_mut!(sink);
        sink.send(Bytes::from_static(b"1\n")).await.unwrap();
    }
    assert_eq!(value(&client, "select count(*) from t").await, "0");
}

#[tokio::test]
async fn a_copy_the_server_refuses_early_while_the_client_goes_on_sending() {
    let (_, database, proxy) = proxied_by(1).await;
    let mut client = proxy.raw(&database).await;
    client.query("create table t (id int)").await;
    client.send(&message::query("copy t from stdin")).await;
    client.read_until(b'G').await;
    client.send(&message::copy_data(b"x\n")).await;
    for _ in 0..2000 {
        client.send(&message::copy_data(&[b'1'; 1024])).await;
    }
    client.send(&message::copy_done()).await;
    assert_eq!(first_error(&client.read_until_ready().await), "22P02");
    assert_eq!(client.query_value("select 'in step'").await, "in step");
}
