//! How many connections there may be: of clients by kind, to servers over all pools, and the reserve of a pool.

use harness::message::Message;
use harness::raw::{Login, RawClient};
use harness::{Cluster, Database, Proxy, message, proxy, wait};

use crate::support::{create_role, proxied, run, value};

fn login_as(user: &str, database: &Database<'_>) -> Login {
    Login { user: user.into(), password: "x".into(), database: database.name.clone() }
}

async fn raw_as(user: &str, database: &Database<'_>, proxy: &Proxy) -> RawClient {
    RawClient::login(proxy.port, &login_as(user, database)).await
}

/// The answer to a login that is refused after the password was checked.
async fn refusal(login: &Login, proxy: &Proxy) -> Message {
    let mut client = RawClient::connect(proxy.port).await;
    client.log_in(login, &[]).await.expect_err("the login is refused")
}

fn assert_too_many(error: &Message, severity: &str, setting: &str) {
    assert_eq!((error.field(b'S'), error.sqlstate()), (Some(severity), Some("53300")), "{error:?}");
    let hint = error.field(b'H').unwrap_or_default();
    assert!(hint.contains(setting), "the hint does not name {setting}: {error:?}");
}

fn error_of(messages: &[Message]) -> &Message {
    let error = messages.iter().find(|message| message.tag == b'E');
    error.unwrap_or_else(|| panic!("no ErrorResponse in {messages:?}"))
}

#[tokio::test]
async fn a_client_that_waits_too_long_opens_the_reserve_and_it_goes_when_nobody_waits() {
    let (cluster, database, proxy) = proxied(|config| {
        config
            .set("pool.min", 1)
            .set("pool.max", 1)
            .set("pool.reserve", 1)
            .set("pool.reserve_after_ms", 200);
    })
    .await;
    create_role(&database, "limits_reserve", "x").await;
    let mut holder = raw_as("limits_reserve", &database, &proxy).await;
    let mut helped = raw_as("limits_reserve", &database, &proxy).await;
    let mut last = raw_as("limits_reserve", &database, &proxy).await;
    run(&mut holder, &["begin"]).await;
    run(&mut helped, &["begin"]).await;
    last.send(&message::query("select 'waits for both'")).await;
    let admin = cluster.admin().await;
    let open = "select count(*) from pg_stat_activity where usename = 'limits_reserve'";
    assert_eq!(value(&admin, open).await, "2");
    run(&mut helped, &["commit"]).await;
    last.read_until_ready().await;
    wait::until("the reserve is closed", || async { value(&admin, open).await == "1" }).await;
    run(&mut holder, &["commit"]).await;
}

#[tokio::test]
async fn a_user_has_so_many_clients_and_no_more() {
    let (_, database, proxy) = proxied(|config| {
        config.set("limits.user_clients_max", 2);
    })
    .await;
    create_role(&database, "limits_few", "x").await;
    let first = raw_as("limits_few", &database, &proxy).await;
    let mut second = raw_as("limits_few", &database, &proxy).await;
    let refused = refusal(&login_as("limits_few", &database), &proxy).await;
    assert_too_many(&refused, "FATAL", "limits.user_clients_max");
    let mut other = proxy.raw(&database).await;
    assert_eq!(other.query_value("select 'another user'").await, "another user");
    drop(first);
    wait::until("the place is free", || async {
        let mut third = RawClient::connect(proxy.port).await;
        third.log_in(&login_as("limits_few", &database), &[]).await.is_ok()
    })
    .await;
    assert_eq!(second.query_value("select 'lives'").await, "lives");
}

#[tokio::test]
async fn an_address_has_so_many_clients_and_no_more() {
    let (cluster, database, proxy) = proxied(|config| {
        config.set("limits.address_clients_max", 1);
    })
    .await;
    let first = proxy.raw(&database).await;
    let mut client = RawClient::connect(proxy.port).await;
    let parameters = [("user", cluster.superuser), ("database", database.name.as_str())];
    client.send(&message::startup(&parameters)).await;
    let refused = client.read().await;
    assert_too_many(&refused, "FATAL", "limits.address_clients_max");
    drop(first);
    wait::until("the place is free", || async {
        let mut next = RawClient::connect(proxy.port).await;
        next.log_in(&proxy::login(&database), &[]).await.is_ok()
    })
    .await;
}

/// Two new databases behind a proxy with one limit on server connections.
async fn two_databases(
    setting: &str,
    max: i64,
    acquire_timeout_ms: i64,
) -> (&'static Cluster, [Database<'static>; 2], Proxy) {
    let cluster = Cluster::shared().await;
    let databases = [cluster.create_database().await, cluster.create_database().await];
    let proxy = Proxy::start(cluster, |config| {
        config
            .set("listen.workers", 2)
            .set("pool.min", 0)
            .set("pool.max", 10)
            .set("pool.acquire_timeout_ms", acquire_timeout_ms)
            .set(&format!("limits.{setting}"), max);
    })
    .await;
    (cluster, databases, proxy)
}

/// A transaction of `holder` takes the only connection; `waiter` is told which limit is in its way, and served later.
async fn one_waits_for_the_other(mut holder: RawClient, mut waiter: RawClient, setting: &str) {
    run(&mut holder, &["begin"]).await;
    let refused = waiter.query("select 1").await;
    assert_too_many(error_of(&refused), "ERROR", setting);
    run(&mut holder, &["commit"]).await;
    assert_eq!(waiter.query_value("select 'served'").await, "served");
    assert_eq!(holder.query_value("select 'served again'").await, "served again");
}

#[tokio::test]
async fn a_server_has_so_many_connections_over_all_databases_and_workers() {
    let setting = "server_connections_max";
    let (_, [one, two], proxy) = two_databases(setting, 1, 500).await;
    let (holder, waiter) = (proxy.raw(&one).await, proxy.raw(&two).await);
    one_waits_for_the_other(holder, waiter, "limits.server_connections_max").await;
}

#[tokio::test]
async fn a_user_has_so_many_server_connections() {
    let (_, [one, two], proxy) = two_databases("user_connections_max", 1, 500).await;
    create_role(&one, "limits_other", "x").await;
    let (holder, waiter) = (proxy.raw(&one).await, proxy.raw(&two).await);
    let mut other = raw_as("limits_other", &one, &proxy).await;
    assert_eq!(other.query_value("select 'not concerned'").await, "not concerned");
    one_waits_for_the_other(holder, waiter, "limits.user_connections_max").await;
}

#[tokio::test]
async fn a_database_has_so_many_server_connections() {
    let (_, [one, two], proxy) = two_databases("database_connections_max", 1, 500).await;
    create_role(&one, "limits_second", "x").await;
    let holder = proxy.raw(&one).await;
    let waiter = raw_as("limits_second", &one, &proxy).await;
    let mut other = proxy.raw(&two).await;
    assert_eq!(other.query_value("select 'not concerned'").await, "not concerned");
    one_waits_for_the_other(holder, waiter, "limits.database_connections_max").await;
}

#[tokio::test]
async fn a_pool_that_has_nothing_is_served_beside_one_that_is_always_busy() {
    let (cluster, [busy, quiet], proxy) = two_databases("server_connections_max", 2, 60_000).await;
    let mut clients = Vec::new();
    for _ in 0..8 {
        clients.push(proxy.connect(&busy).await);
    }
    let over = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let crowd: Vec<_> = clients
        .into_iter()
        .map(|client| {
            let over = std::sync::Arc::clone(&over);
            tokio::spawn(async move {
                while !over.load(std::sync::atomic::Ordering::Relaxed) {
                    client.batch_execute("select pg_sleep(0.002)").await.unwrap();
                }
            })
        })
        .collect();
    let mut client = proxy.raw(&quiet).await;
    for _ in 0..5 {
        assert_eq!(client.query_value("select 'served'").await, "served");
    }
    over.store(true, std::sync::atomic::Ordering::Relaxed);
    for task in crowd {
        wait::within("a busy client", task).await.unwrap();
    }
    let admin = cluster.admin().await;
    let sql = format!(
        "select count(*) <= 2 from pg_stat_activity where datname in ('{}', '{}')",
        busy.name, quiet.name
    );
    wait::until("the limit is kept", || async { value(&admin, &sql).await == "t" }).await;
}

#[tokio::test]
async fn many_pools_share_few_connections() {
    let cluster = Cluster::shared().await;
    let proxy = Proxy::start(cluster, |config| {
        config.set("listen.workers", 2).set("limits.server_connections_max", 3);
    })
    .await;
    let mut databases = Vec::new();
    for _ in 0..6 {
        databases.push(cluster.create_database().await);
    }
    let work = databases.iter().map(|database| {
        let proxy = &proxy;
        async move {
            let client = proxy.connect(database).await;
            for number in 0..10 {
                let sql = format!("select {number}");
                assert_eq!(value(&client, &sql).await, number.to_string());
            }
        }
    });
    wait::within("all clients", futures_util::future::join_all(work)).await;
}

#[tokio::test]
async fn there_are_so_many_clients_and_no_more_and_the_console_is_still_reached() {
    let (cluster, database, proxy) = proxied(|config| {
        config.set("listen.client_max", 2);
    })
    .await;
    let (first, _second) = (proxy.raw(&database).await, proxy.raw(&database).await);
    let refused = refusal(&proxy::login(&database), &proxy).await;
    assert_too_many(&refused, "FATAL", "listen.client_max");
    let console = proxy.connect(&cluster.named("taskmaster_admin")).await;
    console.batch_execute("show lists").await.unwrap();
    drop(first);
    wait::until("the place is free", || async {
        let mut third = RawClient::connect(proxy.port).await;
        third.log_in(&proxy::login(&database), &[]).await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn a_worker_has_so_many_pools_and_unused_ones_make_room() {
    let (cluster, database, proxy) = proxied(|config| {
        config.set("pool.pools_max", 1).set("pool.min", 0).set("pool.idle_timeout_ms", 50);
    })
    .await;
    let first = proxy.raw(&database).await;
    let other = cluster.create_database().await;
    let refused = refusal(&proxy::login(&other), &proxy).await;
    assert_too_many(&refused, "FATAL", "pool.pools_max");
    drop(first);
    wait::until("the pool makes room", || async {
        let mut next = RawClient::connect(proxy.port).await;
        next.log_in(&proxy::login(&other), &[]).await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn who_waits_in_vain_or_cannot_even_wait_is_told_what_to_raise() {
    let (_, database, proxy) = proxied(|config| {
        config
            .set("pool.min", 1)
            .set("pool.max", 1)
            .set("pool.queue_len_max", 1)
            .set("pool.acquire_timeout_ms", 500);
    })
    .await;
    let mut holder = proxy.raw(&database).await;
    let (mut waiter, mut refused) = (proxy.raw(&database).await, proxy.raw(&database).await);
    run(&mut holder, &["begin"]).await;
    waiter.send(&message::query("select 1")).await;
    let mut answered = refused.query("select 1").await;
    if error_of(&answered).field(b'H').is_some_and(|hint| hint.contains("pool.max")) {
        // It came first, and the other was the one too many.
        answered = std::mem::replace(&mut answered, waiter.read_until_ready().await);
        assert_too_many(error_of(&answered), "ERROR", "pool.max");
        return;
    }
    assert_too_many(error_of(&answered), "ERROR", "pool.queue_len_max");
    assert_too_many(error_of(&waiter.read_until_ready().await), "ERROR", "pool.max");
}

#[tokio::test]
async fn the_minimum_is_kept_open_and_made_good() {
    let (cluster, database, proxy) = proxied(|config| {
        config
            .set("pool.min", 3)
            .set("pool.max", 5)
            .set("pool.idle_timeout_ms", 50)
            .set("pool.reap_interval_ms", 20);
    })
    .await;
    create_role(&database, "limits_minimum", "x").await;
    let mut client = raw_as("limits_minimum", &database, &proxy).await;
    let admin = cluster.admin().await;
    let open = "select count(*) from pg_stat_activity where usename = 'limits_minimum'";
    wait::until("they are open", || async { value(&admin, open).await == "3" }).await;
    let kill = "select count(pg_terminate_backend(pid, 30000)) from pg_stat_activity \
                where usename = 'limits_minimum'";
    value(&admin, kill).await;
    wait::until("they are open again", || async { value(&admin, open).await == "3" }).await;
    assert_eq!(client.query_value("select 'served'").await, "served");
}
