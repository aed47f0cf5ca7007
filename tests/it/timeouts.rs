//! What ends when a time is over: queries, transactions, clients that do nothing; and what does not.

use harness::message::Message;
use harness::raw::RawClient;
use harness::{Cluster, Database, Fault, Proxy, message, wait};
use tokio_postgres::Client;

use crate::support::{assert_serves, first_error, proxied, run, status, value};

const SLEEP: &str = "select pg_sleep(600)";

/// A proxy with a pool of `max` and one time of `[limits]`.
async fn limited(setting: &str, ms: i64, max: i64) -> (&'static Cluster, Database<'static>, Proxy) {
    proxied(|config| {
        config.set("pool.min", 1).set("pool.max", max).set(&format!("limits.{setting}"), ms);
    })
    .await
}

/// The error, and whether it names the setting as the way out.
fn error_of(messages: &[Message]) -> &Message {
    let error = messages.iter().find(|message| message.tag == b'E');
    error.unwrap_or_else(|| panic!("no ErrorResponse in {messages:?}"))
}

fn assert_names(error: &Message, setting: &str) {
    let hint = error.field(b'H').unwrap_or_default();
    assert!(hint.contains(setting), "the hint does not name {setting}: {error:?}");
}

/// Waits until no backend of the database is in a query or in a transaction.
async fn until_at_rest(admin: &Client, database: &Database<'_>) {
    let sql = format!(
        "select count(*) from pg_stat_activity where datname = '{}' and state <> 'idle'",
        database.name
    );
    wait::until("the server is at rest", || async { value(admin, &sql).await == "0" }).await;
}

/// Reads until the proxy ends the session, and returns its last word.
async fn last_word(client: &mut RawClient, code: &str, setting: &str) {
    let messages = client.read_to_end().await;
    let error = error_of(&messages);
    assert_eq!((error.field(b'S'), error.sqlstate()), (Some("FATAL"), Some(code)), "{error:?}");
    assert_names(error, setting);
}

#[tokio::test]
async fn a_query_over_its_time_is_cancelled_on_the_server_and_the_session_lives() {
    let (cluster, database, proxy) = limited("query_timeout_ms", 200, 1).await;
    let mut client = proxy.raw(&database).await;
    for _ in 0..2 {
        let replies = client.query(SLEEP).await;
        let error = error_of(&replies);
        assert_eq!((error.field(b'S'), error.sqlstate()), (Some("ERROR"), Some("57014")));
        assert_names(error, "limits.query_timeout_ms");
        assert_eq!(client.query_value("select 'lives'").await, "lives");
    }
    until_at_rest(&cluster.admin().await, &database).await;
}

#[tokio::test]
async fn a_cancelled_pipeline_is_answered_to_its_sync_and_stays_in_step() {
    let (_, database, proxy) = limited("query_timeout_ms", 200, 1).await;
    let mut client = proxy.raw(&database).await;
    let first = [message::parse("", SLEEP), message::bind("", &[]), message::execute("", 0)];
    let second = [message::parse("", "select 2"), message::bind("", &[]), message::execute("", 0)];
    client.send(&[first.concat(), second.concat(), message::sync()].concat()).await;
    let replies = client.read_until_ready().await;
    assert_names(error_of(&replies), "limits.query_timeout_ms");
    assert!(!replies.iter().any(|reply| reply.tag == b'D'), "{replies:?}");
    assert_eq!(client.query_value("select 'in step'").await, "in step");
}

#[tokio::test]
async fn a_query_cancelled_in_a_transaction_fails_the_transaction_and_no_more() {
    let (_, database, proxy) = limited("query_timeout_ms", 200, 1).await;
    let mut client = proxy.raw(&database).await;
    run(&mut client, &["create table t (i int)", "begin", "insert into t values (1)"]).await;
    let replies = client.query(SLEEP).await;
    assert_eq!((first_error(&replies), status(&replies)), ("57014", "E"));
    run(&mut client, &["rollback"]).await;
    assert_eq!(client.query_value("select count(*) from t").await, "0");
}

#[tokio::test]
async fn each_query_of_a_pipeline_has_the_time_for_itself() {
    let (_, database, proxy) = limited("query_timeout_ms", 2_000, 1).await;
    let mut client = proxy.raw(&database).await;
    client.send(&message::query("select pg_sleep(0.1)").repeat(30)).await;
    for _ in 0..30 {
        let replies = client.read_until_ready().await;
        assert!(replies.iter().all(|reply| reply.tag != b'E'), "{replies:?}");
    }
}

#[tokio::test]
async fn a_user_who_cancels_is_told_so_and_nothing_of_a_timeout() {
    let (_, database, proxy) = limited("query_timeout_ms", 3_600_000, 1).await;
    let client = proxy.connect(&database).await;
    let cancel = client.cancel_token();
    let query = tokio::spawn(async move { client.batch_execute(SLEEP).await });
    let mut answer = None;
    wait::until("the query is cancelled", || async {
        cancel.cancel_query(tokio_postgres::NoTls).await.unwrap();
        query.is_finished()
    })
    .await;
    answer.replace(query.await.unwrap().unwrap_err());
    let error = answer.unwrap();
    assert!(error.as_db_error().unwrap().message().contains("user request"), "{error:?}");
}

#[tokio::test]
async fn a_copy_whose_client_sends_nothing_ends_with_its_session() {
    let (_, database, proxy) = proxied(|config| {
        config
            .set("pool.min", 1)
            .set("pool.max", 1)
            .set("pool.destroy_timeout_ms", 300)
            .set("limits.query_timeout_ms", 200);
    })
    .await;
    let mut client = proxy.raw(&database).await;
    run(&mut client, &["create table t (i int)"]).await;
    client.send(&message::query("copy t from stdin")).await;
    client.send(&message::copy_data(b"1\n")).await;
    last_word(&mut client, "57014", "limits.query_timeout_ms").await;
    let other = proxy.connect(&database).await;
    assert_eq!(value(&other, "select count(*) from t").await, "0");
}

#[tokio::test]
async fn a_server_that_does_not_answer_even_the_cancel_request_holds_no_client() {
    let cluster = Cluster::shared().await;
    let database = cluster.create_database().await;
    let fault = Fault::start(cluster.port);
    let proxy = Proxy::start(cluster, |config| {
        config
            .set("server.port", i64::from(fault.port()))
            .set("pool.destroy_timeout_ms", 300)
            .set("limits.query_timeout_ms", 300);
    })
    .await;
    let mut client = proxy.raw(&database).await;
    client.query("select 1").await;
    fault.set(harness::fault::Mode::Stall);
    client.send(&message::query("select 2")).await;
    last_word(&mut client, "57014", "limits.query_timeout_ms").await;
    fault.set(harness::fault::Mode::Pass);
    assert_serves(&proxy, &database).await;
}

#[tokio::test]
async fn a_transaction_over_its_time_ends_with_its_session_and_is_rolled_back() {
    let (cluster, database, proxy) = limited("transaction_timeout_ms", 400, 1).await;
    let mut client = proxy.raw(&database).await;
    run(&mut client, &["create table t (i int)", "begin", "insert into t values (1)"]).await;
    client.send(&message::query(SLEEP)).await;
    last_word(&mut client, "25P04", "limits.transaction_timeout_ms").await;
    until_at_rest(&cluster.admin().await, &database).await;
    let other = proxy.connect(&database).await;
    assert_eq!(value(&other, "select count(*) from t").await, "0");
}

#[tokio::test]
async fn a_busy_transaction_is_no_shorter_for_being_busy() {
    let (_, database, proxy) = limited("transaction_timeout_ms", 400, 1).await;
    let mut client = proxy.raw(&database).await;
    run(&mut client, &["begin"]).await;
    let mut ended = false;
    wait::until("the transaction is ended", async || {
        let _ = client.try_send(&message::query("select 1")).await;
        while let Ok(message) = client.try_read().await {
            match message.tag {
                b'Z' => return false,
                b'E' => ended |= message.sqlstate() == Some("25P04"),
                _ => {}
            }
        }
        true
    })
    .await;
    assert!(ended, "the session ended without a word");
}

#[tokio::test]
async fn a_client_idle_in_a_transaction_is_ended_and_its_locks_are_gone() {
    let (_, database, proxy) = limited("idle_in_transaction_timeout_ms", 300, 2).await;
    let mut client = proxy.raw(&database).await;
    run(&mut client, &["create table t (i int)", "begin", "lock table t"]).await;
    last_word(&mut client, "25P03", "limits.idle_in_transaction_timeout_ms").await;
    let other = proxy.connect(&database).await;
    assert_eq!(value(&other, "select count(*) from t").await, "0");
}

#[tokio::test]
async fn a_long_query_in_a_transaction_is_not_idleness() {
    let (_, database, proxy) = limited("idle_in_transaction_timeout_ms", 500, 1).await;
    let client = proxy.connect(&database).await;
    client.batch_execute("begin").await.unwrap();
    client.batch_execute("select pg_sleep(1.5)").await.unwrap();
    client.batch_execute("commit").await.unwrap();
}

#[tokio::test]
async fn an_idle_client_is_ended_be_it_with_or_without_a_server_connection() {
    let (_, database, proxy) = limited("client_idle_timeout_ms", 400, 2).await;
    let (mut fresh, mut used) = (proxy.raw(&database).await, proxy.raw(&database).await);
    used.query("select 1").await;
    let mut held = proxy.raw(&database).await;
    run(&mut held, &["listen news"]).await;
    for client in [&mut fresh, &mut used, &mut held] {
        last_word(client, "57P05", "limits.client_idle_timeout_ms").await;
    }
    assert_serves(&proxy, &database).await;
}

#[tokio::test]
async fn a_client_that_waits_for_a_server_connection_or_its_answer_is_not_idle() {
    let (_, database, proxy) = limited("client_idle_timeout_ms", 3_000, 1).await;
    let holder = proxy.connect(&database).await;
    let long = tokio::spawn(async move { value(&holder, "select pg_sleep(4), 1").await });
    let waiter = proxy.connect(&database).await;
    assert_eq!(value(&waiter, "select 'served'").await, "served");
    assert_eq!(wait::within("the long query", long).await.unwrap(), "");
}

#[tokio::test]
async fn a_database_has_its_own_times() {
    let cluster = Cluster::shared().await;
    let (strict, lenient) = (cluster.create_database().await, cluster.create_database().await);
    let proxy = Proxy::start(cluster, |config| {
        let mut entry = toml::Table::new();
        entry.insert("name".into(), lenient.name.clone().into());
        entry.insert("query_timeout_ms".into(), 0.into());
        config.set("limits.query_timeout_ms", 200).push("databases", entry);
    })
    .await;
    let client = proxy.connect(&lenient).await;
    client.batch_execute("select pg_sleep(1)").await.unwrap();
    let mut client = proxy.raw(&strict).await;
    assert_eq!(first_error(&client.query(SLEEP).await), "57014");
}
