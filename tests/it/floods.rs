//! More clients than there is room for: the proxy goes on serving, and says so once.

use std::time::Duration;

use harness::program::Program;
use harness::raw::RawClient;
use harness::{message, wait};
use tokio::net::TcpStream;

use crate::support::{assert_serves, proxied, run};

/// Files that the proxy has open.
fn open_files(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
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
    let limit = open_files(proxy.pid()) + 5;
    Program::new("prlimit")
        .args(["--pid".to_owned(), proxy.pid().to_string(), format!("--nofile={limit}:{limit}")])
        .succeed()
        .await;
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
