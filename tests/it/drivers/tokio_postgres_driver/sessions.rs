//! What a session keeps beyond its queries: settings, temporary tables, locks, channels; and what outlives it.

use harness::wait;
use tokio_postgres::Client;

use super::{Heard, Seen};

const SETTINGS: &str = "select current_setting('TimeZone') || ' ' || current_setting('work_mem')";

const LOCKS: &str =
    "select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()";

async fn run(client: &Client, sql: &str) {
    client.batch_execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
}

pub(super) async fn settings(client: &Client, seen: &mut Seen) {
    run(client, "begin; set local timezone = 'Asia/Tokyo'").await;
    run(client, "select set_config('work_mem', '7MB', true)").await;
    seen.ask(client, SETTINGS).await;
    run(client, "commit").await;
    seen.ask(client, SETTINGS).await;
    let sql = format!("set timezone = 'America/Lima'; set work_mem = '{}MB'", seen.number + 1);
    run(client, &sql).await;
    for _ in 0..3 {
        seen.ask(client, SETTINGS).await;
    }
    run(client, "begin; set work_mem = '9MB'; savepoint a; reset all; rollback to a").await;
    seen.ask(client, SETTINGS).await;
    run(client, "rollback").await;
    seen.ask(client, SETTINGS).await;
    run(client, "discard all").await;
    seen.ask(client, SETTINGS).await;
}

/// What holds a connection, each thing until it is given back.
pub(super) async fn holding(client: &Client, seen: &mut Seen) {
    let number = seen.number;
    run(client, &format!("create temp table own as select {number} as n")).await;
    seen.ask(client, "select n from own").await;
    run(client, "drop table own").await;
    seen.state("dropped", client.simple_query("select n from own").await);
    run(client, &format!("select pg_advisory_lock({number})")).await;
    seen.ask(client, LOCKS).await;
    seen.ask(client, &format!("select pg_advisory_unlock({number})")).await;
    run(client, &format!("begin; select pg_advisory_xact_lock({number})")).await;
    seen.ask(client, LOCKS).await;
    run(client, "commit").await;
    seen.ask(client, LOCKS).await;
    run(client, "prepare q as select 'by sql'").await;
    seen.ask(client, "execute q").await;
    run(client, "discard all").await;
    seen.state("discarded", client.simple_query("execute q").await);
}

pub(super) async fn notifications(
    client: &Client,
    heard: &mut Heard,
    watcher: &Client,
    seen: &mut Seen,
) {
    let channel = seen.table.clone();
    run(client, &format!("listen {channel}")).await;
    run(client, &format!("notify {channel}, 'from itself'")).await;
    let one = wait::within("a notification", heard.recv()).await.unwrap();
    run(watcher, &format!("notify {channel}, 'while idle'")).await;
    let two = wait::within("a notification", heard.recv()).await.unwrap();
    for notification in [one, two] {
        seen.say("heard", (notification.channel(), notification.payload()));
    }
    run(client, "unlisten *").await;
    seen.state("silence", client.simple_query("select pg_listening_channels()").await);
}

pub(super) async fn two_phase(client: &Client, seen: &mut Seen) {
    let table = seen.table.clone();
    for end in ["commit", "rollback"] {
        run(client, &format!("begin; insert into {table} values (500, '{end}')")).await;
        run(client, &format!("prepare transaction '{table}'")).await;
        let sql = format!("select count(*) from pg_prepared_xacts where gid = '{table}'");
        seen.ask(client, &sql).await;
        run(client, &format!("{end} prepared '{table}'")).await;
        seen.ask(client, &format!("select max(id) from {table}")).await;
        run(client, &format!("delete from {table} where id = 500")).await;
    }
}

pub(super) async fn large_objects(client: &Client, seen: &mut Seen) {
    run(client, "begin").await;
    let row = client.query_one("select lo_create(0)", &[]).await.unwrap();
    let oid = row.get::<_, u32>(0);
    let row = client.query_one("select lo_open($1, 131072)", &[&oid]).await.unwrap();
    let handle = row.get::<_, i32>(0);
    let bytes = b"large".repeat(1000);
    let written = client.query_one("select lowrite($1, $2)", &[&handle, &bytes]).await.unwrap();
    seen.say("written", written.get::<_, i32>(0));
    client.execute("select lo_lseek($1, 5, 0)", &[&handle]).await.unwrap();
    let read = client.query_one("select loread($1, 8)", &[&handle]).await.unwrap();
    seen.say("read", read.get::<_, &[u8]>(0));
    run(client, "commit").await;
    let row = client.query_one("select length(lo_get($1)), lo_unlink($1)", &[&oid]).await.unwrap();
    seen.say("length", row.get::<_, i32>(0));
}
