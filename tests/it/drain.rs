//! Signals: SIGINT tells idle clients and lets transactions finish, SIGTERM waits for clients, SIGQUIT and a second
//! signal wait for nothing.

use harness::{Proxy, message, wait};
use nix::sys::signal::Signal;
use tokio::net::TcpStream;

use crate::admin::{console, row_of, until_pool};
use crate::support::{first_error, proxied, proxied_by, run, value};

#[tokio::test]
async fn an_idle_proxy_ends_with_success() {
    let (_, database, proxy) = proxied_by(1).await;
    let client = proxy.connect(&database).await;
    assert_eq!(value(&client, "select 1").await, "1");
    drop(client);
    assert!(proxy.stop().await.success(), "{}", proxy.log());
}

#[tokio::test]
async fn idle_clients_are_told_and_a_running_transaction_finishes() {
    let (_, database, proxy) = proxied_by(2).await;
    let mut idle = proxy.raw(&database).await;
    let mut busy = proxy.raw(&database).await;
    run(&mut busy, &["create table rows (id int)", "begin", "insert into rows values (1)"]).await;
    proxy.signal(Signal::SIGINT);
    let farewell = idle.read_to_end().await;
    assert_eq!(first_error(&farewell), "57P01");
    assert_eq!(farewell[0].field(b'S'), Some("FATAL"));
    assert!(proxy.exit_status().is_none(), "it waits for the transaction");
    run(&mut busy, &["insert into rows values (2)", "commit"]).await;
    assert_eq!(first_error(&busy.read_to_end().await), "57P01");
    assert!(proxy.wait().await.success());
    let direct = database.connect().await;
    assert_eq!(value(&direct, "select count(*) from rows").await, "2");
}

#[tokio::test]
async fn a_running_query_is_answered_before_its_client_is_let_go() {
    let (cluster, database, proxy) = proxied_by(1).await;
    let admin = cluster.admin().await;
    let direct = database.connect().await;
    direct.batch_execute("create table gate (id int)").await.unwrap();
    direct.batch_execute("begin; lock table gate").await.unwrap();
    let mut client = proxy.raw(&database).await;
    client.send(&message::query("select count(*) from gate")).await;
    let sql = format!(
        "select count(*) from pg_stat_activity where datname = '{}' and wait_event_type = 'Lock'",
        database.name
    );
    wait::until("the query waits", || async { value(&admin, &sql).await == "1" }).await;
    proxy.signal(Signal::SIGINT);
    until_closed(&proxy).await;
    direct.batch_execute("commit").await.unwrap();
    let answers = client.read_to_end().await;
    assert!(answers.iter().any(|answer| answer.tag == b'D'), "{answers:?}");
    assert_eq!(first_error(&answers), "57P01");
    assert!(proxy.wait().await.success());
}

#[tokio::test]
async fn clients_that_wait_for_a_connection_are_let_go() {
    let (_, database, proxy) = proxied_by(1).await;
    let mut holder = proxy.raw(&database).await;
    run(&mut holder, &["begin"]).await;
    let mut waiter = proxy.raw(&database).await;
    waiter.send(&message::query("select 1")).await;
    proxy.signal(Signal::SIGINT);
    run(&mut holder, &["commit"]).await;
    // Served or refused, but not left without an answer.
    let answers = waiter.read_to_end().await;
    assert_eq!(answers.last().and_then(message::Message::sqlstate), Some("57P01"), "{answers:?}");
    assert!(proxy.wait().await.success());
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let (_, database, proxy) = proxied_by(1).await;
    let mut holder = proxy.raw(&database).await;
    run(&mut holder, &["begin"]).await;
    proxy.signal(Signal::SIGINT);
    until_closed(&proxy).await;
    assert!(proxy.exit_status().is_none());
    proxy.signal(Signal::SIGINT);
    proxy.wait().await;
    holder.read_to_end().await;
}

#[tokio::test]
async fn the_drain_ends_when_its_time_is_over() {
    let (_, database, proxy) = proxied(|config| {
        config.set("listen.drain_timeout_ms", 200);
    })
    .await;
    proxy.expect_log("drain");
    let mut holder = proxy.raw(&database).await;
    run(&mut holder, &["create table rows (id int)", "begin", "insert into rows values (1)"]).await;
    proxy.stop().await;
    let farewell = holder.read_to_end().await;
    assert!(farewell.is_empty() || first_error(&farewell) == "57P01", "{farewell:?}");
    let direct = database.connect().await;
    assert_eq!(value(&direct, "select count(*) from rows").await, "0");
}

#[tokio::test]
async fn sigterm_lets_clients_go_on_and_ends_when_the_last_one_has_left() {
    let (cluster, database, proxy) = proxied_by(2).await;
    let mut client = proxy.raw(&database).await;
    let mut other = proxy.raw(&database).await;
    let operator = console(cluster, &proxy).await;
    proxy.signal(Signal::SIGTERM);
    until_closed(&proxy).await;
    for _ in 0..3 {
        run(&mut client, &["begin", "select 1", "commit"]).await;
    }
    drop(client);
    assert_eq!(other.query_value("select 'still here'").await, "still here");
    assert_eq!(row_of(&operator, "show pools", &database).await["cl_active"], "1");
    drop(other);
    assert!(proxy.wait().await.success(), "an operator is not waited for");
}

#[tokio::test]
async fn clients_that_stay_too_long_after_sigterm_are_let_go_after_their_transactions() {
    let (_, database, proxy) = proxied(|config| {
        config.set("listen.leave_timeout_ms", 100);
    })
    .await;
    let mut idle = proxy.raw(&database).await;
    let mut busy = proxy.raw(&database).await;
    run(&mut busy, &["begin"]).await;
    proxy.signal(Signal::SIGTERM);
    assert_eq!(first_error(&idle.read_to_end().await), "57P01");
    run(&mut busy, &["commit"]).await;
    assert_eq!(first_error(&busy.read_to_end().await), "57P01");
    assert!(proxy.wait().await.success());
}

#[tokio::test]
async fn sigquit_ends_it_at_once() {
    let (_, database, proxy) = proxied_by(1).await;
    let mut busy = proxy.raw(&database).await;
    run(&mut busy, &["begin"]).await;
    proxy.signal(Signal::SIGQUIT);
    assert!(proxy.wait().await.success());
    busy.read_to_end().await;
}

#[tokio::test]
async fn a_signal_pauses_and_another_resumes() {
    let (cluster, database, proxy) = proxied_by(2).await;
    let operator = console(cluster, &proxy).await;
    let mut client = proxy.raw(&database).await;
    run(&mut client, &["select 1"]).await;
    let is_paused =
        async |paused| row_of(&operator, "show databases", &database).await["paused"] == paused;
    proxy.signal(Signal::SIGUSR1);
    wait::until("it is paused", async || is_paused("1").await).await;
    client.send(&message::query("select 2")).await;
    until_pool(&operator, &database, &[("cl_waiting", "1")]).await;
    proxy.signal(Signal::SIGUSR2);
    let answers = client.read_until_ready().await;
    assert!(answers.iter().any(|answer| answer.tag == b'D'), "{answers:?}");
}

/// Waits until newcomers are refused.
async fn until_closed(proxy: &Proxy) {
    wait::until("nobody new is let in", || async {
        TcpStream::connect(("127.0.0.1", proxy.port)).await.is_err()
    })
    .await;
}
