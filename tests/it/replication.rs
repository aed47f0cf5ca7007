//! Replication through the proxy, in transaction mode: PostgreSQL's own programs, and the raw
//! protocol where they do not reach. Each client has a server connection of its own.

use std::path::Path;

use harness::message::{self, Message};
use harness::program::{Finished, Program};
use harness::raw::{Login, RawClient};
use harness::{Cluster, Database, Proxy, proxy, run_dir, wait};

use crate::support::{assert_serves, create_role, first_error, value};

const PHYSICAL: (&str, &str) = ("replication", "true");
const LOGICAL: (&str, &str) = ("replication", "database");

/// A cluster that can be replicated, and a proxy with a pool of `max` in front of it.
async fn replicated(max: i64) -> (Cluster, Proxy) {
    let cluster = Cluster::builder()
        .setting("wal_level", "logical")
        .setting("max_wal_senders", "10")
        .host_rule("host replication all 127.0.0.1/32 scram-sha-256")
        .host_rule("host all all 127.0.0.1/32 scram-sha-256")
        .start();
    let proxy = Proxy::start(&cluster, |config| {
        config.set("pool.min", 0).set("pool.max", max).set("pool.acquire_timeout_ms", 60_000);
    })
    .await;
    (cluster, proxy)
}

fn libpq(name: &str, proxy: &Proxy, cluster: &Cluster) -> Program {
    Program::postgres(name)
        .env("PGHOST", "127.0.0.1")
        .env("PGPORT", proxy.port.to_string())
        .env("PGUSER", cluster.superuser)
        .env("PGPASSWORD", cluster.password)
        .env("PGCONNECT_TIMEOUT", "30")
}

async fn psql(proxy: &Proxy, cluster: &Cluster, replication: &str, command: &str) -> Finished {
    let target = format!("dbname=postgres replication={replication}");
    let program = libpq("psql", proxy, cluster).args(["-X", "-At", "-d", &target, "-c", command]);
    program.succeed().await
}

async fn join(
    proxy: &Proxy,
    database: &Database<'_>,
    kind: (&str, &str),
) -> Result<RawClient, Message> {
    let mut client = RawClient::connect(proxy.port).await;
    client.log_in(&proxy::login(database), &[kind]).await.map(|_| client)
}

/// Waits until the server has this many walsenders.
async fn until_walsenders(cluster: &Cluster, count: &str) {
    let admin = cluster.admin().await;
    let sql = "select count(*) from pg_stat_activity where backend_type = 'walsender'";
    wait::until("as many walsenders", || async { value(&admin, sql).await == count }).await;
}

/// Writes something and says where the log ends behind it.
async fn write(cluster: &Cluster, sql: &str) -> String {
    let admin = cluster.admin().await;
    // The clusters of tests commit before their log is written, and the LSN is of what was written.
    admin.batch_execute(&format!("set synchronous_commit = on; {sql}")).await.unwrap();
    value(&admin, "select pg_current_wal_lsn()").await
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[tokio::test]
async fn psql_identifies_the_system_over_both_kinds_of_connection() {
    let (cluster, proxy) = replicated(2).await;
    let sql = "select system_identifier from pg_control_system()";
    let expected = value(&cluster.admin().await, sql).await;
    for (kind, database) in [("true", ""), ("database", "postgres")] {
        let finished = psql(&proxy, &cluster, kind, "IDENTIFY_SYSTEM").await;
        let line = finished.stdout.trim();
        assert!(line.starts_with(&format!("{expected}|1|")), "{kind}: {line}");
        assert!(line.ends_with(&format!("|{database}")), "{kind}: {line}");
    }
    // A connection for logical replication runs SQL too, under the name that the client gave.
    let sql = "select backend_type || ' ' || application_name from pg_stat_activity \
               where pid = pg_backend_pid()";
    let finished = psql(&proxy, &cluster, "database", sql).await;
    assert_eq!(finished.stdout.trim(), "walsender psql");
    until_walsenders(&cluster, "0").await;
}

#[tokio::test]
async fn pg_basebackup_takes_a_backup_that_verifies() {
    let (cluster, proxy) = replicated(2).await;
    write(
        &cluster,
        "create table t as select n, repeat('x', 500) from generate_series(1, 20000) n",
    )
    .await;
    let dir = run_dir::fresh_dir("backup").join("data");
    let options = ["-X", "stream", "-c", "fast", "--no-sync", "-D", path(&dir)];
    libpq("pg_basebackup", &proxy, &cluster).args(options).succeed().await;
    let verified = Program::postgres("pg_verifybackup").args([path(&dir)]).succeed().await;
    assert!(verified.stdout.contains("backup successfully verified"), "{}", verified.report());
    until_walsenders(&cluster, "0").await;
    assert_serves(&proxy, &cluster.named("postgres")).await;
}

#[tokio::test]
async fn pg_receivewal_streams_the_log_up_to_a_point() {
    let (cluster, proxy) = replicated(2).await;
    let dir = run_dir::fresh_dir("wal");
    let sql = "select pg_create_physical_replication_slot('receiver', true)";
    write(&cluster, sql).await;
    write(&cluster, "create table t as select n from generate_series(1, 50000) n").await;
    write(&cluster, "select pg_switch_wal()").await;
    let end = write(&cluster, "insert into t select n from generate_series(1, 1000) n").await;
    let options =
        ["-D", path(&dir), "--slot", "receiver", "--no-loop", "--no-sync", "--endpos", &end];
    libpq("pg_receivewal", &proxy, &cluster).args(options).succeed().await;
    let names = std::fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().file_name());
    let names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
    assert!(names.iter().any(|name| name.len() == 24), "no whole segment in {names:?}");
}

#[tokio::test]
async fn pg_recvlogical_decodes_every_change() {
    let (cluster, proxy) = replicated(2).await;
    let options = ["-d", "postgres", "--slot", "decoder", "--create-slot", "-P", "test_decoding"];
    libpq("pg_recvlogical", &proxy, &cluster).args(options).succeed().await;
    let sql = "create table t (n int); insert into t select generate_series(1, 5000)";
    let end = write(&cluster, sql).await;
    let options = [
        "-d",
        "postgres",
        "--slot",
        "decoder",
        "--start",
        "-f",
        "-",
        "--no-loop",
        "--endpos",
        &end,
    ];
    let finished = libpq("pg_recvlogical", &proxy, &cluster).args(options).succeed().await;
    let inserts = finished.stdout.matches("table public.t: INSERT: n[integer]:").count();
    assert_eq!(inserts, 5000, "{}", finished.stderr);
    assert!(finished.stdout.contains("n[integer]:5000\n"));
    until_walsenders(&cluster, "0").await;
}

/// Begins to stream the log from its present end.
async fn stream(cluster: &Cluster, client: &mut RawClient) {
    let lsn = write(cluster, "select 1").await;
    client.send(&message::query(&format!("START_REPLICATION {lsn}"))).await;
    let answers = client.read_until(b'W').await;
    assert!(answers.iter().all(|answer| answer.tag != b'E'), "{answers:?}");
}

#[tokio::test]
async fn a_stream_goes_both_ways_and_ends_where_the_client_ends_it() {
    let (cluster, proxy) = replicated(2).await;
    let mut client = join(&proxy, &cluster.named("postgres"), PHYSICAL).await.unwrap();
    for _ in 0..3 {
        stream(&cluster, &mut client).await;
        write(&cluster, "create temp table t as select generate_series(1, 1000)").await;
        let data = client.read_until(b'd').await;
        assert!(data.iter().all(|answer| answer.tag == b'd'), "{data:?}");
        // A status update that asks for an answer: a keepalive, behind what else is under way.
        let status = [&b"r"[..], &[0; 32], &[1]].concat();
        client.send(&message::copy_data(&status)).await;
        while client.read().await.body[0] != b'k' {}
        client.send(&message::copy_done()).await;
        let answers = client.read_until_ready().await;
        let tags: Vec<_> = answers.iter().map(|answer| answer.tag).collect();
        assert!(tags.ends_with(b"cCCZ"), "{answers:?}");
    }
    let answers = client.query("IDENTIFY_SYSTEM").await;
    assert!(answers.iter().any(|answer| answer.tag == b'D'), "{answers:?}");
}

#[tokio::test]
async fn a_client_that_replicates_counts_in_its_pool_and_leaves_nothing_behind() {
    let (cluster, proxy) = replicated(1).await;
    let database = cluster.named("postgres");
    // The only connection of the pool is idle and makes room.
    assert_serves(&proxy, &database).await;
    let mut own = join(&proxy, &database, LOGICAL).await.unwrap();
    let pid = own.query_value("set search_path to nowhere; select pg_backend_pid()").await;
    let error = join(&proxy, &database, LOGICAL).await.err().unwrap();
    assert_eq!(error.sqlstate(), Some("53300"), "{error:?}");
    assert_eq!(error.field(b'S'), Some("FATAL"));
    // Physical replication is of no database, and so of another pool.
    let other = join(&proxy, &database, PHYSICAL).await.unwrap();
    until_walsenders(&cluster, "2").await;
    drop(other);
    // Between transactions it stays the client's own.
    let served = {
        let proxy_config = proxy.config(&database);
        tokio::spawn(async move {
            let client = harness::database::connect(&proxy_config).await;
            value(&client, "select pg_backend_pid() || current_setting('search_path')").await
        })
    };
    assert_eq!(own.query_value("select current_setting('search_path')").await, "nowhere");
    assert_eq!(own.query_value("select pg_backend_pid()").await, pid);
    drop(own);
    let other = wait::within("the connection that became free", served).await.unwrap();
    assert!(!other.starts_with(&pid) && !other.contains("nowhere"), "{other}");
    until_walsenders(&cluster, "0").await;
}

#[tokio::test]
async fn a_query_of_a_client_that_replicates_can_be_cancelled() {
    let (cluster, proxy) = replicated(2).await;
    let mut client = RawClient::connect(proxy.port).await;
    let login = proxy::login(&cluster.named("postgres"));
    let greeting = client.log_in(&login, &[LOGICAL]).await.unwrap();
    client.send(&message::query("select pg_sleep(600)")).await;
    let admin = cluster.admin().await;
    let sql = "select count(*) from pg_stat_activity where wait_event = 'PgSleep'";
    wait::until("the query runs", || async { value(&admin, sql).await == "1" }).await;
    let mut canceller = RawClient::connect(proxy.port).await;
    let request = [&[0, 0, 0, 16, 4, 210, 22, 46], &greeting.key[..]].concat();
    canceller.send(&request).await;
    assert!(canceller.read_to_end().await.is_empty());
    assert_eq!(first_error(&client.read_until_ready().await), "57014");
}

#[tokio::test]
async fn who_may_not_replicate_is_told_so_by_the_server() {
    let (cluster, proxy) = replicated(2).await;
    let database = cluster.named("postgres");
    create_role(&database, "no_replicator", "x").await;
    let login =
        Login { user: "no_replicator".into(), password: "x".into(), ..proxy::login(&database) };
    for kind in [PHYSICAL, LOGICAL] {
        let mut client = RawClient::connect(proxy.port).await;
        let error = client.log_in(&login, &[kind]).await.unwrap_err();
        assert_eq!(error.sqlstate(), Some("42501"), "{error:?}");
        assert_eq!(error.field(b'S'), Some("FATAL"));
    }
    assert_serves(&proxy, &database).await;
}

#[tokio::test]
async fn a_stream_does_not_hold_up_the_end_of_the_proxy() {
    let (cluster, proxy) = replicated(2).await;
    let mut client = join(&proxy, &cluster.named("postgres"), PHYSICAL).await.unwrap();
    stream(&cluster, &mut client).await;
    assert!(proxy.stop().await.success());
    let answers = client.read_to_end().await;
    assert_eq!(first_error(&answers), "57P01", "{answers:?}");
    until_walsenders(&cluster, "0").await;
}
