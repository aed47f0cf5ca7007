//! A network in which nothing moves any more, for longer than each of the times that bound a wait.

use harness::fault::Mode;
use harness::message::{self, Message};
use harness::raw::{Login, RawClient};
use harness::{Cluster, Database, Fault, Proxy, proxy, wait};

use super::behind;
use crate::support::{assert_serves, backend_pid, create_role, first_error, proxied, run, value};

fn hint_of(messages: &[Message]) -> &str {
    let error = messages.iter().find(|message| message.tag == b'E');
    error.and_then(|error| error.field(b'H')).unwrap_or_else(|| panic!("no hint: {messages:?}"))
}

#[tokio::test]
async fn for_longer_than_the_connect_timeout() {
    let (_, database, fault, proxy) = behind(|config| {
        config.set("server.connect_timeout_ms", 200).set("server.down_after_ms", 300);
    })
    .await;
    proxy.expect_log("no server connection");
    fault.set(Mode::Stall);
    let mut client = RawClient::connect(proxy.port).await;
    let error = client.log_in(&proxy::login(&database), &[]).await.unwrap_err();
    assert_eq!((error.field(b'S'), error.sqlstate()), (Some("FATAL"), Some("57P03")));
    assert!(error.field(b'H').is_some(), "{error:?}");
    fault.set(Mode::Pass);
    wait::until("newcomers are served again", async || {
        RawClient::connect(proxy.port).await.log_in(&proxy::login(&database), &[]).await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn while_a_request_waits_for_a_server_that_comes_back_in_time() {
    let (_, database, fault, proxy) = behind(|config| {
        config
            .set("server.connect_timeout_ms", 200)
            .set("server.down_after_ms", 60_000)
            .set("pool.idle_timeout_ms", 20)
            .set("pool.reap_interval_ms", 20);
    })
    .await;
    let mut client = proxy.raw(&database).await;
    let admin = database.cluster().admin().await;
    let open = format!("select count(*) from pg_stat_activity where datname = '{}'", database.name);
    for mode in [Mode::Stall, Mode::Refuse] {
        wait::until("there is none", || async { value(&admin, &open).await == "0" }).await;
        fault.set(mode);
        client.send(&message::query("select 'waited'")).await;
        if mode == Mode::Stall {
            wait::until("it is tried", || async { fault.held() > 0 }).await;
        }
        fault.set(Mode::Pass);
        let replies = client.read_until_ready().await;
        assert!(replies.iter().any(|reply| reply.tag == b'D'), "{replies:?}");
    }
}

#[tokio::test]
async fn for_longer_than_the_acquire_timeout_while_settings_are_brought() {
    let (_, database, fault, proxy) = behind(|config| {
        config
            .set("pool.acquire_timeout_ms", 300)
            .set("pool.destroy_timeout_ms", 100)
            .set("server.connect_timeout_ms", 60_000);
    })
    .await;
    let mut client = proxy.raw(&database).await;
    run(&mut client, &["set timezone = 'Asia/Tokyo'"]).await;
    assert_serves(&proxy, &database).await;
    fault.set(Mode::Stall);
    let replies = client.query("select 1").await;
    assert_eq!(first_error(&replies), "53300");
    assert!(hint_of(&replies).contains("pool.max"), "{replies:?}");
    fault.set(Mode::Pass);
    assert_eq!(client.query_value("show timezone").await, "Asia/Tokyo");
}

#[tokio::test]
async fn for_longer_than_the_acquire_timeout_while_a_login_needs_a_server() {
    let (_, database, fault, proxy) = behind(|config| {
        config
            .set("pool.acquire_timeout_ms", 300)
            .set("pool.destroy_timeout_ms", 100)
            .set("server.connect_timeout_ms", 60_000);
    })
    .await;
    assert_serves(&proxy, &database).await;
    fault.set(Mode::Stall);
    let mut newcomer = RawClient::connect(proxy.port).await;
    let own = [("options", "-c work_mem=9MB")];
    let error = newcomer.log_in(&proxy::login(&database), &own).await.unwrap_err();
    assert_eq!((error.field(b'S'), error.sqlstate()), (Some("FATAL"), Some("53300")));
    fault.set(Mode::Pass);
    let mut newcomer = RawClient::connect(proxy.port).await;
    newcomer.log_in(&proxy::login(&database), &own).await.unwrap();
    assert_eq!(newcomer.query_value("show work_mem").await, "9MB");
}

#[tokio::test]
async fn for_longer_than_the_destroy_timeout_while_a_connection_is_cleaned() {
    let (_, database, fault, proxy) = behind(|config| {
        config.set("pool.destroy_timeout_ms", 200).set("log.level", "debug");
    })
    .await;
    let mut pinned = proxy.raw(&database).await;
    run(&mut pinned, &["create temp table mine (i int)"]).await;
    let first = pinned.query_value("select pg_backend_pid()").await;
    fault.set(Mode::Stall);
    pinned.send(&message::terminate()).await;
    wait::until("it is given up", || async { proxy.log().contains("longer than 200 ms") }).await;
    fault.set(Mode::Pass);
    let client = proxy.connect(&database).await;
    assert_ne!(backend_pid(&client).await, first);
    assert_eq!(value(&client, "select to_regclass('mine') is null").await, "t");
}

/// A connection that does not answer its test is replaced: the next client gets another.
async fn untested(setting: &str) {
    let (_, database, proxy) = proxied(|config| {
        for other in ["pool.test_on_borrow", "pool.test_on_return", "pool.test_while_idle"] {
            config.set(other, other == setting);
        }
        config
            .set("pool.min", 1)
            .set("pool.max", 1)
            .set("pool.destroy_timeout_ms", 200)
            .set("pool.test_query", "select pg_sleep(600) from public.stalling")
            .set("log.level", "debug");
    })
    .await;
    let setup = database.connect().await;
    setup.batch_execute("create table stalling ()").await.unwrap();
    let client = proxy.connect(&database).await;
    let first = backend_pid(&client).await;
    assert_eq!(backend_pid(&client).await, first, "it passes its test");
    setup.batch_execute("insert into stalling default values").await.unwrap();
    let request = tokio::spawn(async move { (backend_pid(&client).await, client) });
    let is_found = || async { proxy.log().contains("did not answer its test") };
    wait::until("it is found out", is_found).await;
    setup.batch_execute("delete from stalling").await.unwrap();
    let (_, client) = wait::within("the request", request).await.unwrap();
    assert_ne!(backend_pid(&client).await, first);
}

#[tokio::test]
async fn while_a_connection_is_tested_on_borrow() {
    untested("pool.test_on_borrow").await;
}

#[tokio::test]
async fn while_a_connection_is_tested_on_return() {
    untested("pool.test_on_return").await;
}

#[tokio::test]
async fn while_a_cancel_request_is_under_way_its_connection_is_never_used_again() {
    let (_, database, fault, proxy) = behind(|config| {
        config.set("server.connect_timeout_ms", 1_000);
    })
    .await;
    let mut client = RawClient::connect(proxy.port).await;
    let greeting = client.log_in(&proxy::login(&database), &[]).await.unwrap();
    let first = client.query_value("select pg_backend_pid()").await;
    run(&mut client, &["begin"]).await;
    fault.set(Mode::Stall);
    let len = u32::try_from(8 + greeting.key.len()).unwrap().to_be_bytes();
    let mut canceller = RawClient::connect(proxy.port).await;
    let request = [&len[..], &80_877_102_u32.to_be_bytes(), &greeting.key].concat();
    canceller.send(&request).await;
    assert!(canceller.read_to_end().await.is_empty(), "a CancelRequest gets no answer");
    // It may arrive now, and meets this client's connection at most.
    fault.set(Mode::Pass);
    client.query("rollback").await;
    assert_ne!(client.query_value("select pg_backend_pid()").await, first);
}

/// A client behind a relay that stalls: it has gone silent, and its socket stays open.
async fn silent_client(
    setting: &str,
    statements: &[&str],
) -> (Database<'static>, Proxy, Fault, RawClient) {
    let (_, database, proxy) = proxied(|config| {
        config
            .set("pool.min", 1)
            .set("pool.max", 1)
            .set("pool.destroy_timeout_ms", 300)
            .set(&format!("limits.{setting}"), 300);
    })
    .await;
    let relay = Fault::start(proxy.port);
    let mut client = RawClient::login(relay.port(), &proxy::login(&database)).await;
    run(&mut client, statements).await;
    relay.set(Mode::Stall);
    (database, proxy, relay, client)
}

#[tokio::test]
async fn a_client_that_is_half_open_in_a_transaction_gives_its_connection_back() {
    let (database, proxy, _relay, _client) =
        silent_client("idle_in_transaction_timeout_ms", &["begin"]).await;
    assert_serves(&proxy, &database).await;
}

#[tokio::test]
async fn a_client_that_is_half_open_while_it_keeps_its_connection_gives_it_back() {
    let (database, proxy, _relay, _client) =
        silent_client("client_idle_timeout_ms", &["listen news"]).await;
    assert_serves(&proxy, &database).await;
}

#[tokio::test]
async fn a_client_that_stops_reading_gives_its_connection_back() {
    let (_, database, proxy) = proxied(|config| {
        config
            .set("pool.min", 1)
            .set("pool.max", 1)
            .set("pool.destroy_timeout_ms", 300)
            .set("limits.query_timeout_ms", 300);
    })
    .await;
    let mut lazy = proxy.raw(&database).await;
    lazy.send(&message::query("select repeat('x', 8192) from generate_series(1, 1000000)")).await;
    assert_serves(&proxy, &database).await;
}

#[tokio::test]
async fn a_client_that_stalls_in_its_login_is_told_why_it_is_refused() {
    let (_, database, proxy) = proxied(|config| {
        config.set("listen.login_timeout_ms", 300);
    })
    .await;
    let login = proxy::login(&database);
    let mut client = RawClient::connect(proxy.port).await;
    client.send(&message::startup(&[("user", &login.user), ("database", &login.database)])).await;
    let messages = client.read_to_end().await;
    assert_eq!(first_error(&messages), "57014", "{messages:?}");
    assert!(hint_of(&messages).contains("listen.login_timeout_ms"), "{messages:?}");
}

#[tokio::test]
async fn a_server_that_stalls_while_it_is_asked_for_a_verifier_holds_no_login() {
    let cluster = Cluster::shared().await;
    let database = cluster.create_database().await;
    let fault = Fault::start(cluster.port);
    let proxy = Proxy::start(cluster, |config| {
        config
            .set("server.port", i64::from(fault.port()))
            .set("server.connect_timeout_ms", 200)
            .set("auth.cache_ttl_ms", 0);
    })
    .await;
    proxy.expect_log("auth query");
    create_role(&database, "faults_verified", "x").await;
    let (user, password) = ("faults_verified".to_owned(), "x".to_owned());
    let login = Login { user, password, database: database.name.clone() };
    drop(RawClient::login(proxy.port, &login).await);
    fault.set(Mode::Stall);
    let mut client = RawClient::connect(proxy.port).await;
    let error = client.log_in(&login, &[]).await.unwrap_err();
    assert_eq!((error.field(b'S'), error.sqlstate()), (Some("FATAL"), Some("57P03")));
    assert!(error.field(b'H').is_some(), "{error:?}");
    fault.set(Mode::Pass);
    wait::until("logins go on", async || {
        RawClient::connect(proxy.port).await.log_in(&login, &[]).await.is_ok()
    })
    .await;
}
