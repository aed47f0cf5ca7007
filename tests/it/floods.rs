//! More clients than there is room for: the proxy goes on serving, and says so once.

mod crowd;

use std::time::Duration;

use harness::program::Program;
use harness::raw::RawClient;
use harness::{Proxy, message, wait};
use tokio::net::TcpStream;

use crate::support::{assert_serves, first_error, proxied, run, value};

/// Files that the proxy has open.
pub(crate) fn open_files(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
}

/// Leaves the proxy so many more files than it has open now. The limit is one of numbers, of which some are free in between.
async fn limit_files(proxy: &Proxy, more: usize) {
    let dir = format!("/proc/{}/fd", proxy.pid());
    let is_free = |number: &usize| !std::path::Path::new(&format!("{dir}/{number}")).is_symlink();
    let limit = (0..).filter(is_free).nth(more).expect("numbers do not end");
    Program::new("prlimit")
        .args(["--pid".to_owned(), proxy.pid().to_string(), format!("--nofile={limit}:")])
        .succeed()
        .await;
}

#[tokio::test]
async fn two_thousand_clients_connect_and_vanish() {
    let (_, database, proxy) = proxied(|_| ()).await;
    let mut steady = proxy.raw(&database).await;
    let before = open_files(proxy.pid());
    let startup = message::startup(&[("user", "nobody"), ("database", "nowhere")]);
    for number in 0..2_000 {
        let mut client = RawClient::connect(proxy.port).await;
        if number % 2 == 0 {
            let _ = client.try_send(&startup[..number % startup.len()]).await;
        }
        if number % 100 == 0 {
            assert_eq!(steady.query_value("select 'served'").await, "served");
        }
    }
    wait::until("all of them are forgotten", || async { open_files(proxy.pid()) <= before + 1 })
        .await;
    assert_serves(&proxy, &database).await;
}

#[tokio::test]
async fn a_proxy_without_file_descriptors_serves_whom_it_has_and_says_so_once() {
    let (_, database, proxy) = proxied(|_| ()).await;
    proxy.expect_log("cannot accept clients");
    let mut steady = proxy.raw(&database).await;
    run(&mut steady, &["select 1"]).await;
    limit_files(&proxy, 5).await;
    let mut crowd = Vec::new();
    for _ in 0..50 {
        crowd.push(TcpStream::connect(("127.0.0.1", proxy.port)).await.unwrap());
    }
    wait::until("the limit is met", || async { proxy.log().contains("cannot accept") }).await;
    for _ in 0..20 {
        assert_eq!(steady.query_value("select 'served'").await, "served");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(proxy.log().matches("cannot accept").count(), 1, "{}", proxy.log());
    drop(crowd);
    assert_serves(&proxy, &database).await;
}

#[tokio::test]
async fn without_file_descriptors_for_servers_clients_wait_for_connections_that_there_are() {
    let (_, database, proxy) = proxied(|config| {
        config
            .set("pool.min", 1)
            .set("pool.max", 3)
            .set("pool.acquire_timeout_ms", 60_000)
            .set("server.down_after_ms", 100)
            .set("server.connect_retry_interval_ms", 20);
    })
    .await;
    proxy.expect_log("no server connection");
    let mut holder = proxy.raw(&database).await;
    let (mut second, mut third) = (proxy.raw(&database).await, proxy.raw(&database).await);
    run(&mut holder, &["begin"]).await;
    limit_files(&proxy, 0).await;
    second.send(&message::query("select 'second'")).await;
    third.send(&message::query("select 'third'")).await;
    let is_told = || async { proxy.log().contains("no server connection") };
    wait::until("the limit is met", is_told).await;
    run(&mut holder, &["commit"]).await;
    for waiter in [&mut second, &mut third] {
        let replies = waiter.read_until_ready().await;
        assert!(replies.iter().any(|reply| reply.tag == b'D'), "{replies:?}");
    }
    assert_eq!(proxy.log().matches("no server connection").count(), 1, "{}", proxy.log());
}

#[tokio::test]
async fn without_file_descriptors_and_server_connections_clients_are_told_so_and_served_later() {
    let (_, database, proxy) = proxied(|config| {
        config
            .set("pool.min", 0)
            .set("pool.max", 2)
            .set("pool.idle_timeout_ms", 20)
            .set("pool.reap_interval_ms", 20)
            .set("server.down_after_ms", 100)
            .set("server.connect_retry_interval_ms", 20);
    })
    .await;
    proxy.expect_log("no server connection");
    let mut client = proxy.raw(&database).await;
    let admin = database.cluster().admin().await;
    let open = format!("select count(*) from pg_stat_activity where datname = '{}'", database.name);
    wait::until("the server connection is closed", || async { value(&admin, &open).await == "0" })
        .await;
    limit_files(&proxy, 0).await;
    for _ in 0..50 {
        let replies = client.query("select 1").await;
        assert_eq!(first_error(&replies), "53000", "{replies:?}");
        let hint = replies[0].field(b'H').unwrap();
        assert!(hint.contains("limit of open files"), "{hint}");
    }
    assert_eq!(proxy.log().matches("no server connection").count(), 1, "{}", proxy.log());
    limit_files(&proxy, 10).await;
    wait::until("it is served again", async || {
        client.query("select 1").await.iter().any(|reply| reply.tag == b'D')
    })
    .await;
}
