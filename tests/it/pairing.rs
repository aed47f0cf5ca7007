//! The proxy in front of a database whose sessions report: state follows its client, or holds its connection until it is
//! gone, even where no statement's text shows it.

use harness::{Cluster, Database, Proxy};
use tokio_postgres::Client;

use crate::support::{backend_pid, value};

async fn paired(max: i64) -> (Database<'static>, Proxy) {
    let cluster = Cluster::shared().await;
    let database = cluster.database().await;
    let proxy = Proxy::start(cluster, |config| {
        config.set("pool.max", max).set("pool.acquire_timeout_ms", 700);
    })
    .await;
    (database, proxy)
}

/// Runs these on one client and says whether another then gets the only connection.
async fn is_free_after(one: &Client, two: &Client, sql: &str) -> bool {
    one.batch_execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    two.batch_execute("select 1").await.is_ok()
}

#[tokio::test]
async fn a_client_keeps_its_connection_just_as_long_as_something_holds_it() {
    let (database, proxy) = paired(1).await;
    let (one, two) = (proxy.connect(&database).await, proxy.connect(&database).await);
    let lock = "create function lock_it() returns void language plpgsql as \
                $$ begin perform pg_advisory_lock(7); end $$";
    for (holds, frees) in [
        ("select pg_advisory_lock(1)", "select pg_advisory_unlock(1)"),
        ("do $$ begin create temp table t (a int); end $$", "drop table t"),
        ("declare c cursor with hold for select 1", "close c"),
        ("listen a", "unlisten a"),
        ("prepare p as select 1", "deallocate p"),
        ("set role pg_monitor", "reset role"),
        (lock, "select 1"),
        ("select lock_it()", "select pg_advisory_unlock_all()"),
        ("create temp table t (a int); listen a", "discard all"),
        ("do $$ begin execute 'deallocate all'; end $$", "discard all"),
    ] {
        let free = is_free_after(&one, &two, holds).await;
        assert_eq!(free, holds == lock, "after {holds}");
        assert!(is_free_after(&one, &two, frees).await, "after {frees}");
    }
}

#[tokio::test]
async fn what_only_looks_like_state_does_not_hold() {
    let (database, proxy) = paired(1).await;
    let (one, two) = (proxy.connect(&database).await, proxy.connect(&database).await);
    for sql in [
        "do $$ begin perform 1; end $$",
        "select 'advisory_lock set_config pg_temp'",
        "begin; create temp table t (a int) on commit drop; commit",
        "set work_mem = '2MB'",
        "select set_config('search_path', 'pg_catalog', false)",
        "begin; listen a; rollback",
        "deallocate all",
        "select 1; deallocate all",
    ] {
        assert!(is_free_after(&one, &two, sql).await, "after {sql}");
    }
}

#[tokio::test]
async fn statements_that_a_function_drops_are_not_missed_by_others() {
    let (database, proxy) = paired(1).await;
    let (one, two) = (proxy.connect(&database).await, proxy.connect(&database).await);
    let statement = two.prepare("select 42").await.unwrap();
    for leave in [false, true] {
        let mine = one.prepare("select 42").await.unwrap();
        assert_eq!(one.query_one(&mine, &[]).await.unwrap().get::<_, i32>(0), 42);
        one.batch_execute("do $$ begin execute 'deallocate all'; end $$").await.unwrap();
        if !leave {
            one.batch_execute("discard all").await.unwrap();
            assert_eq!(two.query_one(&statement, &[]).await.unwrap().get::<_, i32>(0), 42);
        }
    }
    drop(one);
    assert_eq!(two.query_one(&statement, &[]).await.unwrap().get::<_, i32>(0), 42);
}

#[tokio::test]
async fn settings_follow_their_client_wherever_they_were_set() {
    let (database, proxy) = paired(2).await;
    let clients = [
        proxy.connect(&database).await,
        proxy.connect(&database).await,
        proxy.connect(&database).await,
    ];
    let function = "create function set_it(v text) returns void language plpgsql as \
                    $$ begin perform set_config('work_mem', v, false); end $$";
    clients[0].batch_execute(function).await.unwrap();
    for (number, client) in clients.iter().enumerate() {
        let sql = format!("select set_it('{}MB'); set my.own = 'c{number}'", number + 2);
        client.batch_execute(&sql).await.unwrap();
    }
    let busy = "begin; select 1";
    for _ in 0..3 {
        for (number, client) in clients.iter().enumerate() {
            // Another client in a transaction makes this one meet the other connection.
            let other = &clients[(number + 1) % clients.len()];
            other.batch_execute(busy).await.unwrap();
            assert_eq!(value(client, "show work_mem").await, format!("{}MB", number + 2));
            assert_eq!(value(client, "show my.own").await, format!("c{number}"));
            other.batch_execute("rollback").await.unwrap();
        }
    }
    clients[0].batch_execute("begin; set work_mem = '64MB'; rollback").await.unwrap();
    assert_eq!(value(&clients[0], "show work_mem").await, "2MB");
    clients[0].batch_execute("do $$ begin reset work_mem; end $$").await.unwrap();
    for client in [&clients[0], &proxy.connect(&database).await] {
        assert_eq!(value(client, "show work_mem").await, "4MB");
    }
}

#[tokio::test]
async fn settings_reset_in_a_function_go_back_to_what_the_client_started_with() {
    let (database, proxy) = paired(1).await;
    let mut config = proxy.config(&database);
    config.options("-c work_mem=5MB -c timezone=Asia/Tokyo");
    let one = harness::database::connect(&config).await;
    let two = proxy.connect(&database).await;
    one.batch_execute("set work_mem = '7MB'; set timezone to 'UTC'").await.unwrap();
    one.batch_execute("do $$ begin reset work_mem; reset timezone; end $$").await.unwrap();
    assert_eq!(value(&two, "show work_mem").await, "4MB");
    assert_eq!(value(&one, "show work_mem").await, "5MB");
    assert_eq!(value(&one, "show timezone").await, "Asia/Tokyo");
}

#[tokio::test]
async fn prepared_statements_look_names_up_by_the_search_path_of_their_client() {
    let (database, proxy) = paired(1).await;
    let (one, two) = (proxy.connect(&database).await, proxy.connect(&database).await);
    one.batch_execute(
        "create schema a; create table a.t as select 1 as x; \
         create schema b; create table b.t as select 'two'::text as y",
    )
    .await
    .unwrap();
    one.batch_execute("set search_path = a").await.unwrap();
    two.batch_execute("set search_path = b").await.unwrap();
    let first = one.prepare("table t").await.unwrap();
    let second = two.prepare("table t").await.unwrap();
    for _ in 0..2 {
        assert_eq!(one.query_one(&first, &[]).await.unwrap().get::<_, i32>(0), 1);
        assert_eq!(two.query_one(&second, &[]).await.unwrap().get::<_, String>(0), "two");
    }
}

#[tokio::test]
async fn who_prepares_after_a_change_of_shape_never_meets_the_old_one() {
    let (database, proxy) = paired(2).await;
    let (one, two) = (proxy.connect(&database).await, proxy.connect(&database).await);
    one.batch_execute("create table shaped as select 1 as a").await.unwrap();
    for client in [&one, &two] {
        let statement = client.prepare("table shaped").await.unwrap();
        assert_eq!(client.query_one(&statement, &[]).await.unwrap().len(), 1);
    }
    one.batch_execute("do $$ begin alter table shaped add b text default 'b'; end $$")
        .await
        .unwrap();
    for client in [&one, &two, &proxy.connect(&database).await] {
        let statement = client.prepare("table shaped").await.unwrap();
        assert_eq!(client.query_one(&statement, &[]).await.unwrap().len(), 2);
    }
}

#[tokio::test]
async fn reports_are_for_the_proxy_alone() {
    let (database, proxy) = paired(1).await;
    let mut client = harness::raw::RawClient::connect(proxy.port).await;
    let ask = [("taskmaster.report", "on")];
    let login = harness::proxy::login(&database);
    let greeting = client.log_in(&login, &ask).await.expect("a login");
    assert!(!greeting.parameters.iter().any(|(name, _)| name.starts_with("taskmaster")));
    for sql in ["listen a", "set work_mem = '2MB'", "create table t (a int)", "discard all"] {
        let replies = client.query(sql).await;
        let told = |reply: &harness::message::Message| {
            reply.tag == b'S' && reply.body.starts_with(b"taskmaster")
        };
        assert!(!replies.iter().any(told), "{sql}: {replies:?}");
    }
}

#[tokio::test]
async fn what_a_vanished_client_held_is_cleaned_up() {
    let (database, proxy) = paired(1).await;
    let witness = proxy.connect(&database).await;
    let pid = backend_pid(&witness).await;
    let mut client = proxy.raw(&database).await;
    client.query("begin").await;
    client.query("do $$ begin perform pg_advisory_lock(1); set work_mem = '9MB'; end $$").await;
    drop(client);
    harness::wait::until("the connection is clean and free", async || {
        let sql = "select count(*)::text from pg_locks where locktype = 'advisory'";
        witness.query_one(sql, &[]).await.is_ok_and(|row| row.get::<_, String>(0) == "0")
    })
    .await;
    assert_eq!(value(&witness, "show work_mem").await, "4MB");
    assert_eq!(backend_pid(&witness).await, pid, "rolled back and cleaned, not replaced");
}
