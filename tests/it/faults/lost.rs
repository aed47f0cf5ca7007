//! A server connection is lost while the proxy does something of its own on it.

use harness::fault::Mode;
use harness::raw::RawClient;
use harness::{message, proxy, wait};

use super::{assert_lost, behind, effects, insert, last_word};
use crate::support::{assert_serves, backend_pid, proxied_by, run, value};

/// Waits until the pool has let go of as many connections as the log says.
async fn until_logged(proxy: &harness::Proxy, part: &str) {
    wait::until(&format!("the log says {part}"), || async { proxy.log().contains(part) }).await;
}

#[tokio::test]
async fn while_it_is_cleaned_behind_a_client() {
    let (_, database, fault, proxy) = behind(|config| {
        config.set("log.level", "debug");
    })
    .await;
    let first = backend_pid(&proxy.connect(&database).await).await;
    let mut pinned = proxy.raw(&database).await;
    run(&mut pinned, &["create temp table mine (i int)"]).await;
    fault.set(Mode::Stall);
    pinned.send(&message::terminate()).await;
    assert!(pinned.read_to_end().await.is_empty());
    fault.cut();
    until_logged(&proxy, "closed instead of reused").await;
    fault.set(Mode::Pass);
    let client = proxy.connect(&database).await;
    assert_ne!(backend_pid(&client).await, first);
    assert_eq!(value(&client, "select to_regclass('mine') is null").await, "t");
}

#[tokio::test]
async fn while_a_clients_settings_are_brought_to_it_another_takes_its_place() {
    let (_, database, fault, proxy) = behind(|_| {}).await;
    let setup = database.connect().await;
    setup.batch_execute("create table effects (what text)").await.unwrap();
    let mut client = proxy.raw(&database).await;
    run(&mut client, &["set timezone = 'Asia/Tokyo'"]).await;
    let mut other = proxy.raw(&database).await;
    run(&mut other, &["set timezone = 'Asia/Seoul'"]).await;
    fault.set(Mode::Stall);
    client.send(&message::query(&insert("once"))).await;
    // What the relay has taken in can only be the proxy's SET.
    wait::until("something is under way", || async { fault.held() > 0 }).await;
    fault.cut();
    fault.set(Mode::Pass);
    let replies = client.read_until_ready().await;
    assert!(replies.iter().all(|reply| reply.tag != b'E'), "{replies:?}");
    assert_eq!(client.query_value("show timezone").await, "Asia/Tokyo");
    assert_eq!(effects(&setup, "once").await, "1");
}

#[tokio::test]
async fn while_the_first_client_of_a_kind_logs_in() {
    let (_, database, fault, proxy) = behind(|_| {}).await;
    assert_serves(&proxy, &database).await;
    fault.set(Mode::Stall);
    let mut client = RawClient::connect(proxy.port).await;
    let login = proxy::login(&database);
    let logging_in = tokio::spawn(async move {
        client.log_in(&login, &[("options", "-c work_mem=9MB")]).await.expect("it is let in");
        client.query_value("show work_mem").await
    });
    wait::until("something is under way", || async { fault.held() > 0 }).await;
    fault.cut();
    fault.set(Mode::Pass);
    assert_eq!(wait::within("the login", logging_in).await.unwrap(), "9MB");
}

/// A client with a prepared statement that its next server connection has not, because the last one is gone.
async fn prepared(proxy: &harness::Proxy, database: &harness::Database<'_>) -> RawClient {
    let mut client = proxy.raw(database).await;
    client.send(&[message::parse("s", "select i from t"), message::sync()].concat()).await;
    client.read_until_ready().await;
    database.cluster().kill_backends(&database.name).await;
    wait::until("a new connection serves", async || {
        client.query("select 1").await.iter().any(|reply| reply.tag == b'D')
    })
    .await;
    client
}

/// False for a client whose server connection turns out to be lost.
async fn is_served(mut client: RawClient) -> bool {
    client.send(&message::query("select 1")).await;
    while let Ok(message) = client.try_read().await {
        if matches!(message.tag, b'Z' | b'E') {
            return message.tag == b'Z';
        }
    }
    false
}

fn execute_s() -> Vec<u8> {
    [message::bind("s", &[]), message::execute("", 0), message::sync()].concat()
}

#[tokio::test]
async fn while_it_parses_what_the_proxy_put_in() {
    let (cluster, database, proxy) = proxied_by(1).await;
    let setup = database.connect().await;
    setup.batch_execute("create table t (i int)").await.unwrap();
    let mut client = prepared(&proxy, &database).await;
    let locker = database.connect().await;
    locker.batch_execute("begin; lock table t").await.unwrap();
    client.send(&execute_s()).await;
    let admin = cluster.admin().await;
    let sql = format!(
        "select coalesce(min(pid), 0) from pg_stat_activity \
         where datname = '{}' and wait_event_type = 'Lock'",
        database.name
    );
    wait::until("it waits for the lock", || async { value(&admin, &sql).await != "0" }).await;
    let pid = value(&admin, &sql).await;
    value(&admin, &format!("select pg_terminate_backend({pid}, 30000)")).await;
    let messages = client.read_to_end().await;
    assert_eq!(last_word(&messages).sqlstate(), Some("57P01"));
    drop(locker);
    assert_serves(&proxy, &database).await;
}

#[tokio::test]
async fn while_what_the_proxy_put_in_is_under_way() {
    let (_, database, fault, proxy) = behind(|config| {
        config.set("log.level", "debug");
    })
    .await;
    proxy.expect_log("was lost");
    let setup = database.connect().await;
    setup.batch_execute("create table t (i int)").await.unwrap();
    let mut client = proxy.raw(&database).await;
    client.send(&[message::parse("s", "select i from t"), message::sync()].concat()).await;
    client.read_until_ready().await;
    fault.cut();
    wait::until("a new connection serves", async || is_served(proxy.raw(&database).await).await)
        .await;
    fault.set(Mode::Stall);
    client.send(&execute_s()).await;
    wait::until("something is under way", || async { fault.held() > 0 }).await;
    fault.cut();
    assert_lost(&mut client).await;
    fault.set(Mode::Pass);
    assert_serves(&proxy, &database).await;
}

#[tokio::test]
async fn while_a_reset_of_a_client_that_keeps_it_is_completed() {
    let (_, database, fault, proxy) = behind(|_| {}).await;
    proxy.expect_log("was lost");
    let mut client = RawClient::connect(proxy.port).await;
    let login = proxy::login(&database);
    client.log_in(&login, &[("options", "-c work_mem=6MB")]).await.unwrap();
    run(&mut client, &["create temp table mine (i int)"]).await;
    let pid = client.query_value("select pg_backend_pid()").await;
    let admin = database.cluster().admin().await;
    // The relay lets the RESET pass and stalls the SET that the proxy sends behind it.
    fault.set(Mode::StallAfterReply);
    client.send(&message::query("reset work_mem")).await;
    wait::until("something is under way", || async { fault.held() > 0 }).await;
    value(&admin, &format!("select pg_terminate_backend({pid}, 30000)")).await;
    fault.set(Mode::Pass);
    let messages = client.read_to_end().await;
    assert!(["57P01", "08006"].contains(&last_word(&messages).sqlstate().unwrap()));
    assert_serves(&proxy, &database).await;
}
