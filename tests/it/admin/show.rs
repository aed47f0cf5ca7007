//! What the console shows, of scenes that are made for it.

use harness::program::Program;
use harness::raw::{Login, RawClient};
use harness::{message, proxy, wait};

use super::{console, row_of, rows_of, table, until_pool};
use crate::support::{
    backend_pid, create_role, first_error, proxied, proxied_by, run, status, value,
};

/// Columns of PgBouncer 1.25, in its order; ours may only follow them.
const PGBOUNCER: [(&str, &str); 19] = [
    ("show version", "version"),
    ("show config", "key value default changeable"),
    ("show lists", "list items"),
    ("show state", "key value"),
    ("show totals", "name value"),
    ("show mem", "name size used free memtotal"),
    (
        "show databases",
        "name host port database force_user pool_size min_pool_size reserve_pool_size \
         server_lifetime pool_mode load_balance_hosts max_connections current_connections \
         max_client_connections current_client_connections paused disabled",
    ),
    (
        "show users",
        "name pool_size reserve_pool_size pool_mode max_user_connections current_connections \
         max_user_client_connections current_client_connections",
    ),
    ("show peers", "peer_id host port pool_size"),
    (
        "show peer_pools",
        "peer_id cl_active_cancel_req cl_waiting_cancel_req sv_active_cancel sv_login",
    ),
    ("show dns_hosts", "hostname ttl addrs"),
    ("show dns_zones", "zonename serial count"),
    (
        "show pools",
        "database user cl_active cl_waiting cl_active_cancel_req cl_waiting_cancel_req sv_active \
         sv_active_cancel sv_being_canceled sv_idle sv_used sv_tested sv_login maxwait maxwait_us \
         pool_mode load_balance_hosts",
    ),
    (
        "show clients",
        "type user database replication state addr port local_addr local_port connect_time \
         request_time wait wait_us close_needed ptr link remote_pid tls application_name \
         prepared_statements id",
    ),
    (
        "show servers",
        "type user database replication state addr port local_addr local_port connect_time \
         request_time wait wait_us close_needed ptr link remote_pid tls application_name \
         prepared_statements id",
    ),
    (
        "show sockets",
        "type user database replication state addr port local_addr local_port connect_time \
         request_time wait wait_us close_needed ptr link remote_pid tls application_name \
         prepared_statements id recv_pos pkt_pos pkt_remain send_pos send_remain pkt_avail \
         send_avail",
    ),
    (
        "show active_sockets",
        "type user database replication state addr port local_addr local_port connect_time \
         request_time wait wait_us close_needed ptr link remote_pid tls application_name \
         prepared_statements id recv_pos pkt_pos pkt_remain send_pos send_remain pkt_avail \
         send_avail",
    ),
    (
        "show stats",
        "database total_server_assignment_count total_xact_count total_query_count total_received \
         total_sent total_xact_time total_query_time total_wait_time total_client_parse_count \
         total_server_parse_count total_bind_count avg_server_assignment_count avg_xact_count \
         avg_query_count avg_recv avg_sent avg_xact_time avg_query_time avg_wait_time \
         avg_client_parse_count avg_server_parse_count avg_bind_count",
    ),
    (
        "show stats_totals",
        "database server_assignment_count xact_count query_count bytes_received bytes_sent xact_time \
         query_time wait_time client_parse_count server_parse_count bind_count",
    ),
];

#[tokio::test]
async fn tables_have_the_columns_of_pgbouncer() {
    let (cluster, _, proxy) = proxied_by(2).await;
    let console = console(cluster, &proxy).await;
    for (sql, expected) in PGBOUNCER {
        let (names, _) = table(&console, sql).await;
        let expected: Vec<_> = expected.split_whitespace().collect();
        assert!(names.len() >= expected.len(), "{sql}: {names:?}");
        assert_eq!(names[..expected.len()], expected, "{sql}");
    }
    for sql in ["show help", "show stats_averages", "show pins", "show prepared"] {
        let (names, _) = table(&console, sql).await;
        assert!(!names.is_empty(), "{sql}");
    }
}

#[tokio::test]
async fn pools_clients_and_servers_show_who_waits_and_who_is_served() {
    let (cluster, database, proxy) = proxied_by(1).await;
    let console = console(cluster, &proxy).await;
    let holder = proxy.connect(&database).await;
    holder.batch_execute("begin").await.unwrap();
    let pid = backend_pid(&holder).await;
    let mut waiter = proxy.raw(&database).await;
    waiter.send(&message::query("select 'served'")).await;
    let expected = [("cl_active", "1"), ("cl_waiting", "1"), ("sv_active", "1"), ("sv_idle", "0")];
    until_pool(&console, &database, &expected).await;

    let clients = rows_of(&console, "show clients", &database).await;
    let active = clients.iter().find(|row| row["state"] == "active").unwrap();
    let waiting = clients.iter().find(|row| row["state"] == "waiting").unwrap();
    assert_eq!((active["link"].as_str(), waiting["link"].as_str()), (pid.as_str(), ""));
    assert_eq!(active["addr"], "127.0.0.1");
    assert_eq!(active["local_port"], proxy.port.to_string());
    let server = row_of(&console, "show servers", &database).await;
    assert_eq!(server["state"], "active");
    assert_eq!((&server["remote_pid"], &server["client_id"]), (&pid, &active["id"]));
    assert_eq!(server["port"], cluster.port.to_string());
    wait::until("the wait grows", || async {
        let pool = row_of(&console, "show pools", &database).await;
        (pool["maxwait"].as_str(), pool["maxwait_us"].as_str()) != ("0", "0")
    })
    .await;

    holder.batch_execute("commit").await.unwrap();
    waiter.read_until_ready().await;
    let expected = [("cl_active", "2"), ("cl_waiting", "0"), ("sv_active", "0"), ("sv_idle", "1")];
    until_pool(&console, &database, &expected).await;
    let stats = row_of(&console, "show stats", &database).await;
    assert_ne!(stats["total_wait_time"], "0");
}

#[tokio::test]
async fn a_client_that_keeps_its_server_connection_is_shown_with_the_reason() {
    let (cluster, database, proxy) = proxied_by(2).await;
    let console = console(cluster, &proxy).await;
    let client = proxy.connect(&database).await;
    let free = row_of(&console, "show clients", &database).await;
    assert_eq!((free["state"].as_str(), free["pin_reason"].as_str()), ("idle", ""));
    client.batch_execute("create temp table mine (id int)").await.unwrap();
    client.batch_execute("select pg_advisory_lock(42)").await.unwrap();
    let pinned = row_of(&console, "show clients", &database).await;
    assert_eq!((pinned["state"].as_str(), pinned["pin_reason"].as_str()), ("active", "temp,lock"));
    assert!(pinned["pinned_since"].ends_with(" UTC"), "{pinned:?}");
    let (_, pins) = table(&console, "show pins").await;
    let counted: Vec<_> = pins.iter().map(|row| (&*row["reason"], &*row["count"])).collect();
    assert_eq!(counted, [("temp", "1"), ("lock", "1")]);

    client.batch_execute("discard all").await.unwrap();
    wait::until("the client is free again", || async {
        let row = row_of(&console, "show clients", &database).await;
        (row["state"].as_str(), row["pin_reason"].as_str()) == ("idle", "")
    })
    .await;
}

#[tokio::test]
async fn stats_count_queries_transactions_bytes_and_times() {
    let (cluster, database, proxy) = proxied(|config| {
        config.set("pool.min", 1).set("pool.max", 2).set("admin.stats_period_ms", 100);
        config.set("pool.reap_interval_ms", 20);
    })
    .await;
    let console = console(cluster, &proxy).await;
    let mut client = proxy.raw(&database).await;
    run(&mut client, &["select 1", "begin", "select 2", "commit"]).await;
    run(&mut client, &["select pg_sleep(0.05)", "select repeat('x', 10000)"]).await;
    let stats = row_of(&console, "show stats", &database).await;
    let figure = |name: &str| stats[name].parse::<u64>().unwrap();
    assert_eq!((figure("total_query_count"), figure("total_xact_count")), (6, 4));
    assert_eq!(figure("total_server_assignment_count"), 4);
    let sent: usize = ["select 1", "begin", "select 2", "commit"].iter().map(|sql| sql.len()).sum();
    assert!(figure("total_received") > sent as u64 && figure("total_sent") > 10_000, "{stats:?}");
    assert!(figure("total_query_time") >= 50_000, "{stats:?}");
    assert!(figure("total_xact_time") >= figure("total_query_time"), "{stats:?}");
    let steady = proxy.connect(&database).await;
    wait::until("an average over a period with queries", || async {
        value(&steady, "select 1").await;
        row_of(&console, "show stats", &database).await["avg_query_count"] != "0"
    })
    .await;
    let (_, totals) = table(&console, "show totals").await;
    assert!(totals.iter().any(|row| row["name"] == "total_query_count" && row["value"] != "0"));
}

#[tokio::test]
async fn lists_databases_users_and_settings_are_those_of_the_proxy() {
    let (cluster, database, proxy) = proxied(|config| {
        config
            .set("pool.max", 3)
            .set("listen.client_max", 77)
            .set("admin.stats_users", vec!["eve"]);
    })
    .await;
    let console = console(cluster, &proxy).await;
    let client = proxy.connect(&database).await;
    backend_pid(&client).await;
    let (_, lists) = table(&console, "show lists").await;
    let item = |name: &str| lists.iter().find(|row| row["list"] == name).unwrap()["items"].clone();
    assert_eq!(
        (item("databases"), item("pools"), item("used_clients")),
        ("1".into(), "1".into(), "1".into())
    );
    let shown = row_of(&console, "show databases", &database).await;
    assert_eq!((shown["pool_size"].as_str(), shown["database"].as_str()), ("3", &*database.name));
    assert_eq!(shown["port"], cluster.port.to_string());
    let (_, users) = table(&console, "show users").await;
    let roles: Vec<_> = users.iter().map(|row| (&*row["name"], &*row["console"])).collect();
    assert!(roles.contains(&("eve", "stats")) && roles.contains(&(cluster.superuser, "admin")));
    let (_, settings) = table(&console, "show config").await;
    let setting = |key: &str| settings.iter().find(|row| row["key"] == key).unwrap();
    assert_eq!(setting("listen.client_max")["value"], "77");
    assert_eq!(setting("max_client_conn")["default"], "10000");
    let all = format!("{settings:?}");
    assert!(!all.contains(cluster.password), "SHOW CONFIG shows a password");
}

#[tokio::test]
async fn clients_show_their_application_and_their_statements() {
    let (cluster, database, proxy) = proxied_by(1).await;
    let console = console(cluster, &proxy).await;
    let mut config = proxy.config(&database);
    config.application_name("reports");
    let client = harness::database::connect(&config).await;
    let statement = client.prepare("select $1::int + 40").await.unwrap();
    let row = client.query_one(&statement, &[&2]).await.unwrap();
    assert_eq!(row.get::<_, i32>(0), 42);
    let shown = row_of(&console, "show clients", &database).await;
    assert_eq!(shown["application_name"], "reports");
    assert_eq!(shown["prepared_statements"], "1");
    let statement = row_of_prepared(&console, &database.name).await;
    assert_eq!(statement, "select $1::int + 40");
    let other = harness::database::connect(&config).await;
    let again = other.prepare("select $1::int + 40").await.unwrap();
    other.query_one(&again, &[&3]).await.unwrap();
    let stats = row_of(&console, "show stats", &database).await;
    let counts = ["total_client_parse_count", "total_server_parse_count", "total_bind_count"];
    assert_eq!(counts.map(|name| &*stats[name]), ["2", "1", "2"]);
}

async fn row_of_prepared(console: &tokio_postgres::Client, database: &str) -> String {
    let (_, rows) = table(console, "show prepared_statements").await;
    let mut rows = rows.into_iter().filter(|row| row["database"] == database);
    rows.next().unwrap()["query"].clone()
}

#[tokio::test]
async fn psql_and_prepared_statements_of_drivers_reach_the_console() {
    let (cluster, database, proxy) = proxied_by(1).await;
    backend_pid(&proxy.connect(&database).await).await;
    let finished = Program::postgres("psql")
        .env("PGHOST", "127.0.0.1")
        .env("PGPORT", proxy.port.to_string())
        .env("PGUSER", cluster.superuser)
        .env("PGPASSWORD", cluster.password)
        .args([
            "-X",
            "-v",
            "ON_ERROR_STOP=1",
            "-d",
            "pgbouncer",
            "-c",
            "show version",
            "-c",
            "show pools;",
        ])
        .succeed()
        .await;
    assert_eq!(finished.stderr, "", "psql warns of nothing");
    let text = finished.stdout;
    assert!(text.contains("PgBouncer 1.25") && text.contains("cl_active"), "{text}");

    let console = console(cluster, &proxy).await;
    let rows = console.query("show pools", &[]).await.unwrap();
    let row = rows.iter().find(|row| row.get::<_, &str>("database") == database.name).unwrap();
    assert_eq!(row.get::<_, i64>("cl_waiting"), 0);
    assert_eq!(row.get::<_, &str>("pool_mode"), "transaction");
    let error = console.query("select $1::int", &[&1]).await.unwrap_err();
    assert_eq!(crate::support::sqlstate(&error), "42601");
    assert_eq!(value(&console, "show server_version").await.split(' ').next(), Some("10.0"));
}

#[tokio::test]
async fn an_unknown_command_is_refused_and_the_console_goes_on() {
    let (cluster, _, proxy) = proxied_by(1).await;
    let login = proxy::login(&cluster.named("taskmaster_admin"));
    let mut console = RawClient::login(proxy.port, &login).await;
    for sql in
        ["select 1", "show me", "drop table x", "pause a b c", "\u{1}", "show pools; show it"]
    {
        let replies = console.query(sql).await;
        assert_eq!((first_error(&replies), status(&replies)), ("42601", "I"), "{sql}");
        assert!(replies[0].field(b'H').unwrap().contains("SHOW HELP"), "{replies:?}");
    }
    let parts = [
        message::parse("", "nonsense"),
        message::bind("", &[]),
        message::execute("", 0),
        message::sync(),
    ];
    console.send(&parts.concat()).await;
    let replies = console.read_until_ready().await;
    assert_eq!((first_error(&replies), replies.len()), ("42601", 2));
    console.send(&message::query("")).await;
    assert_eq!(console.read_until_ready().await[0].tag, b'I');
    assert!(console.query_value("show version").await.contains("taskmaster"));
}

#[tokio::test]
async fn who_is_not_named_is_refused_and_a_stats_user_may_only_look() {
    let (cluster, database, proxy) = proxied(|config| {
        config.set("admin.stats_users", vec!["admin_watcher"]);
    })
    .await;
    create_role(&database, "admin_watcher", "w").await;
    create_role(&database, "admin_nobody", "n").await;
    let login = |user: &str, password: &str| Login {
        user: user.to_owned(),
        password: password.to_owned(),
        database: "pgbouncer".to_owned(),
    };
    let mut nobody = RawClient::connect(proxy.port).await;
    let refused = nobody.log_in(&login("admin_nobody", "n"), &[]).await.unwrap_err();
    assert_eq!(refused.sqlstate(), Some("28000"));
    let mut wrong = RawClient::connect(proxy.port).await;
    let refused = wrong.log_in(&login(cluster.superuser, "wrong"), &[]).await.unwrap_err();
    assert_eq!(refused.sqlstate(), Some("28P01"));

    let mut watcher = RawClient::login(proxy.port, &login("admin_watcher", "w")).await;
    assert!(watcher.query_value("show version").await.contains("taskmaster"));
    for sql in ["pause", "resume", "kill_client 1", "shutdown", "reconnect"] {
        let replies = watcher.query(sql).await;
        assert_eq!((first_error(&replies), status(&replies)), ("42501", "I"), "{sql}");
    }
}

#[tokio::test]
async fn a_client_in_session_mode_is_shown_with_the_mode_as_the_reason() {
    let (cluster, database, proxy) = proxied(|config| {
        config.set("pool.mode", "session").set("pool.max", 2);
    })
    .await;
    let console = console(cluster, &proxy).await;
    let client = proxy.connect(&database).await;
    let pid = backend_pid(&client).await;
    let shown = row_of(&console, "show clients", &database).await;
    assert_eq!((&*shown["pin_reason"], &*shown["link"]), ("session_mode", &*pid));
    let stats = row_of(&console, "show stats_totals", &database).await;
    assert_eq!((&*stats["xact_count"], &*stats["server_assignment_count"]), ("1", "1"));
    assert_ne!(stats["xact_time"], "0");
}

#[tokio::test]
async fn the_console_says_how_it_knows_what_sessions_hold() {
    let (cluster, plain, proxy) = proxied_by(2).await;
    let console = console(cluster, &proxy).await;
    let client = proxy.connect(&plain).await;
    backend_pid(&client).await;
    let shown = row_of(&console, "show databases", &plain).await;
    assert_eq!(shown["session_state_by"], "statements");

    let reporting = cluster.database().await;
    let client = proxy.connect(&reporting).await;
    // No text tells that this takes a lock.
    client
        .batch_execute(
            "create function public.hidden() returns void language plpgsql as \
             $$ begin execute 'select pg_' || 'advisory_' || 'lock(77)'; end $$",
        )
        .await
        .unwrap();
    client.batch_execute("select public.hidden()").await.unwrap();
    let shown = row_of(&console, "show databases", &reporting).await;
    assert_eq!(shown["session_state_by"], "extension");
    let pinned = row_of(&console, "show clients", &reporting).await;
    assert_eq!((&*pinned["state"], &*pinned["pin_reason"]), ("active", "lock"));
    client.batch_execute("select pg_advisory_unlock(77)").await.unwrap();
    wait::until("the client is free again", || async {
        row_of(&console, "show clients", &reporting).await["pin_reason"].is_empty()
    })
    .await;
}
