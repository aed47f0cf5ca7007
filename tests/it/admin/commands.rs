//! What the console is told, under clients that run.

use harness::raw::RawClient;
use harness::{Cluster, Proxy, message, proxy, wait};

use super::{console, row_of, rows_of, table, until_pool};
use crate::support::{
    assert_serves, backend_pid, first_error, proxied, proxied_by, sqlstate, value,
};

#[tokio::test]
async fn pause_waits_for_transactions_and_requests_queue_until_resume() {
    let (cluster, database, proxy) = proxied_by(2).await;
    let (console, other) = (console(cluster, &proxy).await, console(cluster, &proxy).await);
    let busy = proxy.connect(&database).await;
    busy.batch_execute("begin").await.unwrap();
    let pid = backend_pid(&busy).await;
    let pause = format!("pause {}", database.name);
    let pausing = tokio::spawn(async move { console.batch_execute(&pause).await });
    wait::until("the database is paused", || async {
        row_of(&other, "show databases", &database).await["paused"] == "1"
    })
    .await;
    let mut queued = proxy.raw(&database).await;
    queued.send(&message::query("select 'went on'")).await;
    until_pool(&other, &database, &[("cl_waiting", "1"), ("sv_active", "1")]).await;
    assert!(!pausing.is_finished(), "a transaction still runs");
    assert_eq!(backend_pid(&busy).await, pid, "the transaction goes on");
    busy.batch_execute("commit").await.unwrap();
    pausing.await.unwrap().unwrap();
    let pool = row_of(&other, "show pools", &database).await;
    assert_eq!((&*pool["sv_active"], &*pool["sv_idle"], &*pool["cl_waiting"]), ("0", "0", "1"));

    other.batch_execute(&format!("resume {}", database.name)).await.unwrap();
    let replies = queued.read_until_ready().await;
    assert!(replies.iter().any(|reply| reply.tag == b'D'), "{replies:?}");
    assert_ne!(backend_pid(&busy).await, pid, "the connection was replaced");
}

#[tokio::test]
async fn a_request_that_queues_behind_a_pause_times_out_as_configured() {
    let (cluster, database, proxy) = proxied_by(2).await;
    let console = console(cluster, &proxy).await;
    let mut client = proxy.raw(&database).await;
    client.query("select 1").await;
    // Only now: the first connection may take longer.
    console.batch_execute("set pool.acquire_timeout_ms = 200").await.unwrap();
    console.batch_execute("pause").await.unwrap();
    let (_, state) = table(&console, "show state").await;
    assert!(state.iter().any(|row| row["key"] == "paused" && row["value"] == "yes"), "{state:?}");
    assert_eq!(first_error(&client.query("select 1").await), "53300");
    console.batch_execute("set pool.acquire_timeout_ms = 30000").await.unwrap();
    console.batch_execute("resume").await.unwrap();
    assert_eq!(client.query_value("select 'back'").await, "back");
}

#[tokio::test]
async fn a_pause_that_waits_too_long_says_so_and_stays_in_force() {
    let (cluster, database, proxy) = proxied(|config| {
        config.set("pool.max", 2).set("admin.wait_timeout_ms", 100);
    })
    .await;
    let console = console(cluster, &proxy).await;
    let busy = proxy.connect(&database).await;
    busy.batch_execute("begin").await.unwrap();
    let error = console.batch_execute("pause").await.unwrap_err();
    assert_eq!(sqlstate(&error), "57014");
    assert_eq!(row_of(&console, "show databases", &database).await["paused"], "1");
    console.batch_execute("resume").await.unwrap();
    busy.batch_execute("commit").await.unwrap();
}

#[tokio::test]
async fn disable_refuses_newcomers_and_leaves_the_others_alone() {
    let (cluster, database, proxy) = proxied_by(2).await;
    let console = console(cluster, &proxy).await;
    let inside = proxy.connect(&database).await;
    console.batch_execute(&format!("disable {}", database.name)).await.unwrap();
    assert_eq!(row_of(&console, "show databases", &database).await["disabled"], "1");
    let mut newcomer = RawClient::connect(proxy.port).await;
    let refused = newcomer.log_in(&proxy::login(&database), &[]).await.unwrap_err();
    assert_eq!(refused.sqlstate(), Some("57P03"));
    assert!(refused.field(b'H').unwrap().contains("ENABLE"), "{refused:?}");
    assert_eq!(value(&inside, "select 'inside'").await, "inside");
    console.batch_execute(&format!("enable {}", database.name)).await.unwrap();
    assert_serves(&proxy, &database).await;
}

#[tokio::test]
async fn kill_ends_clients_and_servers_and_newcomers_wait_for_resume() {
    let (cluster, database, proxy) = proxied_by(2).await;
    let admin = cluster.admin().await;
    let console = console(cluster, &proxy).await;
    let mut idle = proxy.raw(&database).await;
    idle.query("select 1").await;
    let mut busy = proxy.raw(&database).await;
    busy.send(&message::query("select pg_sleep(600)")).await;
    let running = format!(
        "select count(*) from pg_stat_activity where datname = '{}' and query like '%pg_sleep(600)'",
        database.name
    );
    wait::until("the query runs", || async { value(&admin, &running).await == "1" }).await;
    console.batch_execute(&format!("kill {}", database.name)).await.unwrap();
    for client in [&mut idle, &mut busy] {
        let last = client.read_to_end().await;
        assert_eq!(first_error(&last), "57P01");
    }
    wait::until("the query was cancelled and the connections are closed", || async {
        let open =
            format!("select count(*) from pg_stat_activity where datname = '{}'", database.name);
        value(&admin, &open).await == "0"
    })
    .await;
    assert!(rows_of(&console, "show clients", &database).await.is_empty());
    console.batch_execute(&format!("resume {}", database.name)).await.unwrap();
    assert_serves(&proxy, &database).await;
}

#[tokio::test]
async fn kill_client_ends_one_client_in_the_middle_of_its_query() {
    let (cluster, database, proxy) = proxied_by(1).await;
    let console = console(cluster, &proxy).await;
    let mut victim = proxy.raw(&database).await;
    victim.send(&message::query("select pg_sleep(600)")).await;
    until_pool(&console, &database, &[("sv_active", "1")]).await;
    let mut waiting = proxy.raw(&database).await;
    waiting.send(&message::query("select 'next'")).await;
    until_pool(&console, &database, &[("cl_waiting", "1")]).await;
    let clients = rows_of(&console, "show clients", &database).await;
    let id = |state: &str| clients.iter().find(|row| row["state"] == state).unwrap()["id"].clone();
    console.batch_execute(&format!("kill_client {}", id("active"))).await.unwrap();
    assert_eq!(first_error(&victim.read_to_end().await), "57P01");
    let replies = waiting.read_until_ready().await;
    assert!(replies.iter().any(|reply| reply.tag == b'D'), "{replies:?}");
    let gone = console.batch_execute(&format!("kill_client {}", id("active"))).await.unwrap_err();
    assert_eq!(sqlstate(&gone), "42704");
}

#[tokio::test]
async fn what_a_killed_client_held_is_gone_for_the_next() {
    let (cluster, database, proxy) = proxied_by(1).await;
    let console = console(cluster, &proxy).await;
    let mut victim = proxy.raw(&database).await;
    let pid = victim.query_value("select pg_backend_pid()").await;
    victim.query("create temp table mine as select pg_advisory_lock(8)").await;
    let id = row_of(&console, "show clients", &database).await["id"].clone();
    console.batch_execute(&format!("kill_client {id}")).await.unwrap();
    assert_eq!(first_error(&victim.read_to_end().await), "57P01");
    let next = proxy.connect(&database).await;
    assert_eq!(backend_pid(&next).await, pid, "the connection is cleaned and reused");
    let left = "select to_regclass('pg_temp.mine') is not null \
                or exists (select from pg_locks where locktype = 'advisory' \
                           and pid = pg_backend_pid())";
    assert_eq!(value(&next, left).await, "f");
}

#[tokio::test]
async fn kill_client_ends_a_client_that_waits() {
    let (cluster, database, proxy) = proxied_by(1).await;
    let console = console(cluster, &proxy).await;
    let holder = proxy.connect(&database).await;
    holder.batch_execute("begin").await.unwrap();
    let mut waiting = proxy.raw(&database).await;
    waiting.send(&message::query("select 1")).await;
    until_pool(&console, &database, &[("cl_waiting", "1")]).await;
    let clients = rows_of(&console, "show clients", &database).await;
    let id = &clients.iter().find(|row| row["state"] == "waiting").unwrap()["id"];
    console.batch_execute(&format!("kill_client {id}")).await.unwrap();
    assert_eq!(first_error(&waiting.read_to_end().await), "57P01");
    until_pool(&console, &database, &[("cl_waiting", "0")]).await;
    holder.batch_execute("commit").await.unwrap();
    assert_serves(&proxy, &database).await;
}

#[tokio::test]
async fn reconnect_replaces_connections_as_they_become_free() {
    let (cluster, database, proxy) = proxied_by(1).await;
    let (console, other) = (console(cluster, &proxy).await, console(cluster, &proxy).await);
    let client = proxy.connect(&database).await;
    client.batch_execute("begin").await.unwrap();
    let before = backend_pid(&client).await;
    console.batch_execute("reconnect").await.unwrap();
    assert_eq!(row_of(&console, "show servers", &database).await["close_needed"], "1");
    assert_eq!(backend_pid(&client).await, before, "the transaction keeps its connection");
    let waiting = tokio::spawn(async move { other.batch_execute("wait_close").await });
    client.batch_execute("commit").await.unwrap();
    waiting.await.unwrap().unwrap();
    assert_ne!(backend_pid(&client).await, before);
}

#[tokio::test]
async fn commands_and_tables_reach_every_worker() {
    let cluster = Cluster::shared().await;
    let proxy = Proxy::start(cluster, |config| {
        config.set("listen.workers", 3).set("pool.min", 1).set("pool.max", 1);
    })
    .await;
    let console = console(cluster, &proxy).await;
    let mut scene = Vec::new();
    // With twelve pools each of the three workers has one, but for one run in a hundred.
    for _ in 0..12 {
        let database = cluster.create_database().await;
        let mut client = proxy.raw(&database).await;
        client.query("select 1").await;
        scene.push((database, client));
    }
    let (_, clients) = table(&console, "show clients").await;
    assert_eq!(clients.len(), 12);
    let (_, servers) = table(&console, "show servers").await;
    assert_eq!(servers.len(), 12);
    console.batch_execute("pause").await.unwrap();
    let (_, servers) = table(&console, "show servers").await;
    assert_eq!(servers.len(), 0, "PAUSE has closed them all");
    for (database, _) in &scene {
        assert_eq!(row_of(&console, "show databases", database).await["paused"], "1");
    }
    console.batch_execute("resume").await.unwrap();
    for (database, client) in &mut scene {
        assert_eq!(client.query_value("select 'on'").await, "on");
        let id = row_of(&console, "show clients", database).await["id"].clone();
        console.batch_execute(&format!("kill_client {id}")).await.unwrap();
        assert_eq!(first_error(&client.read_to_end().await), "57P01");
    }
}

#[tokio::test]
async fn commands_about_a_database_that_nobody_knows_are_refused() {
    let (cluster, _, proxy) = proxied_by(1).await;
    let console = console(cluster, &proxy).await;
    for verb in ["pause", "resume", "kill", "disable", "enable", "reconnect", "wait_close"] {
        let error = console.batch_execute(&format!("{verb} nowhere")).await.unwrap_err();
        assert_eq!(sqlstate(&error), "3D000", "{verb}");
    }
}

#[tokio::test]
async fn shutdown_ends_the_proxy_in_each_way() {
    let (cluster, database, proxy) = proxied_by(1).await;
    let operator = console(cluster, &proxy).await;
    let busy = proxy.connect(&database).await;
    busy.batch_execute("begin").await.unwrap();
    operator.batch_execute("shutdown wait_for_servers").await.unwrap();
    assert_eq!(value(&busy, "select 'still here'").await, "still here");
    assert_eq!(proxy.exit_status(), None);
    busy.batch_execute("commit").await.unwrap();
    assert!(proxy.wait().await.success());

    let (cluster, database, proxy) = proxied_by(1).await;
    let operator = console(cluster, &proxy).await;
    let mut client = proxy.raw(&database).await;
    operator.batch_execute("shutdown wait_for_clients").await.unwrap();
    assert_eq!(client.query_value("select 'still here'").await, "still here");
    drop(client);
    assert!(proxy.wait().await.success());

    let (cluster, database, proxy) = proxied_by(1).await;
    let operator = console(cluster, &proxy).await;
    let mut busy = proxy.raw(&database).await;
    busy.query("begin").await;
    // The answer may be lost with the process.
    let _ = operator.batch_execute("shutdown").await;
    assert!(proxy.wait().await.success());
    busy.read_to_end().await;
}

#[tokio::test]
async fn kill_without_a_name_ends_the_clients_of_all_databases() {
    let (cluster, database, proxy) = proxied_by(2).await;
    let second = cluster.create_database().await;
    let console = console(cluster, &proxy).await;
    let mut clients = [proxy.raw(&database).await, proxy.raw(&second).await];
    console.batch_execute("kill").await.unwrap();
    for client in &mut clients {
        assert_eq!(first_error(&client.read_to_end().await), "57P01");
    }
    console.batch_execute("resume").await.unwrap();
    assert_serves(&proxy, &database).await;
    assert_serves(&proxy, &second).await;
}

#[tokio::test]
async fn several_commands_in_one_query_are_done_in_order_or_not_at_all() {
    let (cluster, _, proxy) = proxied_by(1).await;
    let login = proxy::login(&cluster.named("pgbouncer"));
    let mut console = RawClient::login(proxy.port, &login).await;
    let replies = console.query("/* a tool */ show version; pause; show state; resume;").await;
    let tags: Vec<_> = replies.iter().map(|reply| char::from(reply.tag)).collect();
    let shown: String = tags.iter().collect();
    assert_eq!(shown, "TDCCTDDDCCZ", "{replies:?}");
    let replies = console.query("pause; nonsense").await;
    assert_eq!((first_error(&replies), replies.len()), ("42601", 2));
    let (_, state) = table(&super::console(cluster, &proxy).await, "show state").await;
    let active = state.iter().find(|row| row["key"] == "active").unwrap();
    assert_eq!(active["value"], "yes", "nothing of a query that is not understood is done");
}

#[tokio::test]
async fn what_hands_connections_over_in_pgbouncer_is_refused_with_what_does_it_here() {
    let (cluster, _, proxy) = proxied_by(1).await;
    let login = proxy::login(&cluster.named("pgbouncer"));
    let mut console = RawClient::login(proxy.port, &login).await;
    for (sql, hint) in [("suspend", "PAUSE"), ("SHOW FDS;", "--take-over")] {
        let replies = console.query(sql).await;
        assert_eq!(first_error(&replies), "0A000", "{sql}");
        assert!(replies[0].field(b'H').unwrap().contains(hint), "{replies:?}");
    }
}
