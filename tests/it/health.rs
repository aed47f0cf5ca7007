//! Server connections that are no good are found and replaced, and no client notices.

use harness::{Cluster, Proxy, wait};

use crate::support::{backend_pid, proxied, run, value};

/// A cluster of its own: its server is restarted.
async fn own(settings: &[(&str, i64)]) -> (Cluster, String, Proxy) {
    let cluster = Cluster::builder().start();
    let database = cluster.create_database().await.name.clone();
    let proxy = Proxy::start(&cluster, |config| {
        config.set("pool.min", 2).set("server.connect_retry_interval_ms", 20);
        for (name, value) in settings {
            config.set(name, *value);
        }
    })
    .await;
    (cluster, database, proxy)
}

#[tokio::test]
async fn twenty_idle_clients_go_on_after_all_backends_were_killed_and_the_server_restarted() {
    let (cluster, database, proxy) = own(&[]).await;
    let database = cluster.named(&database);
    let mut clients = Vec::new();
    for number in 0..20 {
        let mut client = proxy.raw(&database).await;
        run(&mut client, &[&format!("set application_name = 'client {number}'")]).await;
        clients.push(client);
    }
    cluster.kill_backends(&database.name).await;
    for client in &mut clients {
        assert_eq!(client.query_value("select 'killed'").await, "killed");
    }
    // The janitor, which keeps the minimum open, may find nobody there.
    proxy.expect_log("no server connection");
    cluster.stop(harness::cluster::Stop::Immediate);
    cluster.start();
    for (number, client) in clients.iter_mut().enumerate() {
        let name = client.query_value("show application_name").await;
        assert_eq!(name, format!("client {number}"));
    }
}

#[tokio::test]
async fn an_idle_connection_that_died_silently_is_found_by_its_test() {
    let cluster = Cluster::shared().await;
    let database = cluster.create_database().await;
    let fault = harness::Fault::start(cluster.port);
    let proxy = Proxy::start(cluster, |config| {
        config
            .set("server.port", i64::from(fault.port()))
            .set("log.level", "debug")
            .set("pool.min", 1)
            .set("pool.max", 1)
            .set("pool.reap_interval_ms", 20)
            .set("pool.destroy_timeout_ms", 200)
            .set("pool.test_idle_interval_ms", 20);
    })
    .await;
    let client = proxy.connect(&database).await;
    let first = backend_pid(&client).await;
    // Nothing comes through and nobody is told, as behind a firewall that forgot the connection.
    fault.set(harness::fault::Mode::Stall);
    wait::until("the test has failed", || async {
        proxy.log().contains("did not answer its test")
    })
    .await;
    fault.set(harness::fault::Mode::Pass);
    assert_ne!(backend_pid(&client).await, first);
}

#[tokio::test]
async fn a_connection_that_passes_its_idle_tests_is_kept() {
    let (_, database, proxy) = proxied(|config| {
        config
            .set("pool.min", 1)
            .set("pool.max", 1)
            .set("pool.reap_interval_ms", 20)
            .set("pool.test_query", "select 'idle test'")
            .set("pool.test_idle_interval_ms", 20);
    })
    .await;
    let client = proxy.connect(&database).await;
    let pid = backend_pid(&client).await;
    let admin = database.cluster().admin().await;
    let sql = format!("select query from pg_stat_activity where pid = {pid}");
    wait::until("it is tested", || async { value(&admin, &sql).await.contains("idle test") }).await;
    assert_eq!(backend_pid(&client).await, pid);
}

/// Shows that this test alone has a connection replaced as soon as the test query fails.
async fn replaced_by(setting: &str) {
    let (_, database, proxy) = proxied(|config| {
        let others = ["pool.test_on_borrow", "pool.test_on_return", "pool.test_while_idle"];
        for other in others.into_iter().filter(|other| *other != setting) {
            config.set(other, false);
        }
        config
            .set("pool.min", 1)
            .set("pool.max", 1)
            .set("pool.reap_interval_ms", 20)
            .set("pool.test_idle_interval_ms", 20)
            .set("pool.test_query", "select 1 / (select count(*) from public.healthy)");
    })
    .await;
    proxy.expect_log("the server refuses pool.test_query");
    let setup = database.connect().await;
    setup
        .batch_execute("create table healthy (); insert into healthy default values")
        .await
        .unwrap();
    let client = proxy.connect(&database).await;
    let well = backend_pid(&client).await;
    assert_eq!(backend_pid(&client).await, well, "it is kept while it is well");
    setup.batch_execute("truncate healthy").await.unwrap();
    let there = format!("select count(*) from pg_stat_activity where pid = {well}");
    wait::until("it is closed", || async {
        if setting != "pool.test_while_idle" {
            value(&client, "select 1").await;
        }
        value(&setup, &there).await == "0"
    })
    .await;
    assert_ne!(backend_pid(&client).await, well);
}

#[tokio::test]
async fn a_connection_that_fails_its_test_on_borrow_is_replaced() {
    replaced_by("pool.test_on_borrow").await;
}

#[tokio::test]
async fn a_connection_that_fails_its_test_on_return_is_replaced() {
    replaced_by("pool.test_on_return").await;
}

#[tokio::test]
async fn a_connection_that_fails_its_test_while_idle_is_replaced() {
    replaced_by("pool.test_while_idle").await;
}

#[tokio::test]
async fn a_connection_is_replaced_at_the_end_of_its_lifetime() {
    let (_, database, proxy) = proxied(|config| {
        config
            .set("pool.min", 1)
            .set("pool.max", 1)
            .set("pool.reap_interval_ms", 20)
            .set("pool.max_lifetime_ms", 1_000);
    })
    .await;
    let client = proxy.connect(&database).await;
    let first = backend_pid(&client).await;
    wait::until("it is replaced", || async { backend_pid(&client).await != first }).await;
}
