//! Many clients over few server connections: sharing, order, limits, and what ends a connection.

use std::collections::HashSet;

use harness::{Cluster, Database, Proxy, message, proxy, raw::Login, wait};
use tokio_postgres::Client;

use crate::support::{
    assert_serves, backend_pid, create_role, first_error, proxied, proxied_by, sqlstate, value,
};

/// A client that will hold the only server connection. A raw client logs in before it: the first
/// client with given startup parameters needs a server to know what they mean, the next do not.
async fn holder(proxy: &Proxy, database: &Database<'_>) -> Client {
    drop(proxy.raw(database).await);
    proxy.connect(database).await
}

#[tokio::test]
async fn transactions_of_many_clients_share_few_server_connections() {
    let (_, database, proxy) = proxied_by(2).await;
    let mut clients = Vec::new();
    for _ in 0..20 {
        clients.push(proxy.connect(&database).await);
    }
    let mut pids = HashSet::new();
    for _ in 0..5 {
        let answers = clients.iter().map(backend_pid);
        pids.extend(futures_util::future::join_all(answers).await);
    }
    assert!(pids.len() <= 2, "{} server connections where 2 were allowed", pids.len());
}

#[tokio::test]
async fn a_transaction_keeps_its_server_connection() {
    let (_, database, proxy) = proxied_by(3).await;
    let (one, two) = (proxy.connect(&database).await, proxy.connect(&database).await);
    one.batch_execute("begin").await.unwrap();
    let held = backend_pid(&one).await;
    for _ in 0..10 {
        assert_ne!(backend_pid(&two).await, held);
        assert_eq!(backend_pid(&one).await, held);
    }
    one.batch_execute("commit").await.unwrap();
}

#[tokio::test]
async fn who_waits_longest_is_served_first() {
    let (_, database, proxy) = proxied_by(1).await;
    let holder = holder(&proxy, &database).await;
    let sql = "create table served (position serial, client text); begin";
    holder.batch_execute(sql).await.unwrap();
    let mut waiters = Vec::new();
    for number in 0..8 {
        let mut waiter = proxy.raw(&database).await;
        let sql = format!("insert into served (client) values ('{number}')");
        waiter.send(&message::query(&sql)).await;
        waiters.push(waiter);
        // A whole login after the request was written: the proxy has read the request by then.
        drop(proxy.raw(&database).await);
    }
    holder.batch_execute("commit").await.unwrap();
    for waiter in &mut waiters {
        waiter.read_until_ready().await;
    }
    let sql = "select string_agg(client, '' order by position) from served";
    assert_eq!(value(&holder, sql).await, "01234567");
}

#[tokio::test]
async fn waiting_too_long_is_an_error_and_the_session_lives() {
    let (_, database, proxy) = proxied(|config| {
        config.set("pool.max", 1).set("pool.min", 1).set("pool.acquire_timeout_ms", 200);
    })
    .await;
    proxy.expect_log("53300");
    let (holder, waiter) = (proxy.connect(&database).await, proxy.connect(&database).await);
    holder.batch_execute("begin").await.unwrap();
    let error = waiter.batch_execute("select 1").await.unwrap_err();
    assert_eq!(sqlstate(&error), "53300");
    holder.batch_execute("commit").await.unwrap();
    assert_eq!(value(&waiter, "select 'alive'").await, "alive");
}

#[tokio::test]
async fn a_wait_that_timed_out_answers_a_whole_pipeline_with_one_ready_for_query() {
    let (_, database, proxy) = proxied(|config| {
        config.set("pool.max", 1).set("pool.min", 1).set("pool.acquire_timeout_ms", 200);
    })
    .await;
    let holder = holder(&proxy, &database).await;
    holder.batch_execute("begin").await.unwrap();
    let mut waiter = proxy.raw(&database).await;
    let pipeline = [
        message::parse("", "select 1"),
        message::bind("", &[]),
        message::execute("", 0),
        message::sync(),
    ];
    waiter.send(&pipeline.concat()).await;
    let replies = waiter.read_until_ready().await;
    assert_eq!(first_error(&replies), "53300");
    assert_eq!(replies.len(), 2, "{replies:?}");
    holder.batch_execute("commit").await.unwrap();
    assert_eq!(waiter.query_value("select 'in step'").await, "in step");
}

#[tokio::test]
async fn a_full_queue_refuses_at_once() {
    let (_, database, proxy) = proxied(|config| {
        config.set("pool.max", 1).set("pool.min", 1).set("pool.queue_len_max", 1);
    })
    .await;
    let holder = holder(&proxy, &database).await;
    holder.batch_execute("begin").await.unwrap();
    let mut waiter = proxy.raw(&database).await;
    waiter.send(&message::query("select 'waited'")).await;
    let mut refused = proxy.raw(&database).await;
    assert_eq!(first_error(&refused.query("select 1").await), "53300");
    holder.batch_execute("commit").await.unwrap();
    let answers = waiter.read_until_ready().await;
    assert!(answers.iter().any(|answer| answer.tag == b'D'), "{answers:?}");
    assert_eq!(refused.query_value("select 'alive'").await, "alive");
}

#[tokio::test]
async fn clients_log_in_while_every_server_connection_is_taken() {
    let (_, database, proxy) = proxied_by(1).await;
    let holder = holder(&proxy, &database).await;
    holder.batch_execute("begin").await.unwrap();
    for _ in 0..5 {
        proxy.raw(&database).await;
    }
    holder.batch_execute("commit").await.unwrap();
}

#[tokio::test]
async fn a_waiter_that_leaves_does_not_take_a_server_connection_with_it() {
    let (_, database, proxy) = proxied_by(1).await;
    let holder = holder(&proxy, &database).await;
    holder.batch_execute("begin").await.unwrap();
    for _ in 0..10 {
        let mut waiter = proxy.raw(&database).await;
        waiter.send(&message::query("select 1")).await;
    }
    holder.batch_execute("commit").await.unwrap();
    for _ in 0..5 {
        assert_serves(&proxy, &database).await;
    }
}

#[tokio::test]
async fn session_mode_keeps_the_connection_and_cleans_it_for_the_next_client() {
    let (_, database, proxy) = proxied(|config| {
        config.set("pool.mode", "session").set("pool.min", 1).set("pool.max", 1);
    })
    .await;
    let first = proxy.connect(&database).await;
    let pid = backend_pid(&first).await;
    let sql = "create temp table mine (id int); set work_mem = '77MB'; prepare p as select 1; \
               select pg_advisory_lock(7); listen news; \
               begin; declare c cursor with hold for select 1; commit";
    first.batch_execute(sql).await.unwrap();
    assert_eq!(backend_pid(&first).await, pid);
    assert_eq!(value(&first, "show work_mem").await, "77MB");
    drop(first);

    let second = proxy.connect(&database).await;
    assert_eq!(backend_pid(&second).await, pid, "the connection is reused");
    let left = "select to_regclass('pg_temp.mine') is not null \
                or current_setting('work_mem') = '77MB' \
                or exists (select from pg_prepared_statements where name = 'p') \
                or exists (select from pg_cursors where name = 'c') \
                or exists (select from pg_listening_channels()) \
                or exists (select from pg_locks where locktype = 'advisory' \
                           and pid = pg_backend_pid())";
    assert_eq!(value(&second, left).await, "f");
}

#[tokio::test]
async fn a_database_can_be_renamed_and_have_its_own_mode() {
    let cluster = Cluster::shared().await;
    let database = cluster.create_database().await;
    let proxy = Proxy::start(cluster, |config| {
        let mut entry = toml::Table::new();
        entry.insert("name".into(), "app".into());
        entry.insert("dbname".into(), database.name.clone().into());
        entry.insert("pool_mode".into(), "session".into());
        entry.insert("pool_max".into(), 5.into());
        config.set("pool.max", 1).push("databases", entry);
    })
    .await;
    let renamed = cluster.named("app");
    let clients = [proxy.connect(&renamed).await, proxy.connect(&renamed).await];
    let mut pids = HashSet::new();
    for client in &clients {
        assert_eq!(value(client, "select current_database()").await, database.name);
        pids.insert(backend_pid(client).await);
    }
    assert_eq!(pids.len(), 2, "session mode gives each client a server connection");
}

#[tokio::test]
async fn each_user_has_a_pool_of_its_own() {
    let (_, database, proxy) = proxied_by(1).await;
    create_role(&database, "pool_alice", "alice's").await;
    create_role(&database, "pool_bob", "bob's").await;
    let login = |user: &str, password: &str| Login {
        user: user.to_owned(),
        password: password.to_owned(),
        ..proxy::login(&database)
    };
    for (user, password) in [("pool_alice", "alice's"), ("pool_bob", "bob's")] {
        let mut client = harness::raw::RawClient::login(proxy.port, &login(user, password)).await;
        assert_eq!(client.query_value("select current_user").await, user);
        assert_eq!(client.query_value("select session_user").await, user);
    }
}

#[tokio::test]
async fn a_connection_is_replaced_after_max_uses() {
    let (_, database, proxy) = proxied(|config| {
        config.set("pool.min", 1).set("pool.max", 1).set("pool.max_uses", 3);
    })
    .await;
    let client = proxy.connect(&database).await;
    let mut pids = HashSet::new();
    for _ in 0..12 {
        pids.insert(backend_pid(&client).await);
    }
    assert!(pids.len() >= 4, "12 transactions at 3 uses each met {} connections", pids.len());
}

#[tokio::test]
async fn idle_connections_above_the_minimum_are_closed() {
    let (cluster, database, proxy) = proxied(|config| {
        config
            .set("pool.min", 1)
            .set("pool.max", 5)
            .set("pool.idle_timeout_ms", 100)
            .set("pool.reap_interval_ms", 50);
    })
    .await;
    create_role(&database, "pool_idle", "x").await;
    let login = Login { user: "pool_idle".into(), password: "x".into(), ..proxy::login(&database) };
    let mut clients = Vec::new();
    for _ in 0..5 {
        let mut client = harness::raw::RawClient::login(proxy.port, &login).await;
        client.query("begin").await;
        clients.push(client);
    }
    let admin = cluster.admin().await;
    let open = "select count(*) from pg_stat_activity where usename = 'pool_idle'";
    assert_eq!(value(&admin, open).await, "5");
    for client in &mut clients {
        client.query("commit").await;
    }
    wait::until("one connection is left", || async { value(&admin, open).await == "1" }).await;
    assert_eq!(clients[0].query_value("select 'served'").await, "served");
}
