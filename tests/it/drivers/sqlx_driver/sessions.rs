//! What a session keeps beyond its queries: settings, temporary tables, locks, channels; and what outlives it.

use harness::wait;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgAdvisoryLock, PgAdvisoryLockKey, PgListener, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

use super::{Place, Seen, options};

const SETTINGS: &str = "select current_setting('TimeZone') || ' ' || current_setting('work_mem')";

const LOCKS: &str = "select count(*)::text from pg_locks where locktype = 'advisory' \
                     and pid = pg_backend_pid()";

async fn run(connection: &mut PgConnection, sql: impl Into<String>) {
    sqlx::raw_sql(AssertSqlSafe(sql.into())).execute(&mut *connection).await.unwrap();
}

/// Asks for a text and says what it was.
async fn ask(connection: &mut PgConnection, sql: impl Into<String>, seen: &mut Seen) {
    let sql = sql.into();
    let row = sqlx::raw_sql(AssertSqlSafe(sql.clone())).fetch_one(&mut *connection).await;
    seen.say(&sql, row.unwrap().get::<String, _>(0));
}

async fn refused(connection: &mut PgConnection, sql: &'static str, seen: &mut Seen) {
    seen.state(sql, sqlx::query(sql).fetch_one(&mut *connection).await);
}

pub(super) async fn settings(connection: &mut PgConnection, seen: &mut Seen) {
    run(connection, "begin; set local timezone = 'Asia/Tokyo'").await;
    run(connection, "select set_config('work_mem', '7MB', true)").await;
    ask(connection, SETTINGS, seen).await;
    run(connection, "commit").await;
    ask(connection, SETTINGS, seen).await;
    let memory = seen.number + 1;
    run(connection, format!("set timezone = 'America/Lima'; set work_mem = '{memory}MB'")).await;
    for _ in 0..3 {
        ask(connection, SETTINGS, seen).await;
    }
    run(connection, "reset all").await;
    ask(connection, SETTINGS, seen).await;
}

/// What holds a connection, each thing until it is given back.
pub(super) async fn holding(connection: &mut PgConnection, seen: &mut Seen) {
    run(connection, format!("create temp table own as select '{}' as n", seen.number)).await;
    ask(connection, "select n from own", seen).await;
    run(connection, "drop table own").await;
    refused(connection, "select n from own", seen).await;
    let lock = PgAdvisoryLock::with_key(PgAdvisoryLockKey::BigInt(i64::from(seen.number)));
    let mut guard = lock.acquire(&mut *connection).await.unwrap();
    ask(guard.as_mut(), LOCKS, seen).await;
    guard.release_now().await.unwrap();
    run(connection, format!("begin; select pg_advisory_xact_lock({})", seen.number)).await;
    ask(connection, LOCKS, seen).await;
    run(connection, "commit; prepare q as select 'by sql'").await;
    ask(connection, LOCKS, seen).await;
    ask(connection, "execute q", seen).await;
    run(connection, "deallocate q; unlisten *; discard temp").await;
    refused(connection, "execute q", seen).await;
}

pub(super) async fn cursors(connection: &mut PgConnection, seen: &mut Seen) {
    let declared =
        "declare c scroll cursor with hold for select n::text from generate_series(1, 9) n";
    run(connection, format!("begin; {declared}")).await;
    for sql in ["fetch c", "fetch relative 3 from c", "fetch prior from c"] {
        ask(connection, sql, seen).await;
    }
    run(connection, "commit").await;
    ask(connection, "fetch last from c", seen).await;
    run(connection, "close c").await;
    refused(connection, "fetch c", seen).await;
}

pub(super) async fn two_phase(connection: &mut PgConnection, seen: &mut Seen) {
    let table = seen.table.clone();
    for end in ["commit", "rollback"] {
        run(connection, format!("begin; insert into {table} values (500, '{end}')")).await;
        run(connection, format!("prepare transaction '{table}'")).await;
        let known = format!("select gid from pg_prepared_xacts where gid = '{table}'");
        ask(connection, known, seen).await;
        run(connection, format!("{end} prepared '{table}'")).await;
        ask(connection, format!("select max(id)::text from {table}"), seen).await;
        run(connection, format!("delete from {table} where id = 500")).await;
    }
}

pub(super) async fn large_objects(connection: &mut PgConnection, seen: &mut Seen) {
    let mut open = connection.begin().await.unwrap();
    let row = sqlx::query("select lo_create(0)").fetch_one(&mut *open).await.unwrap();
    let oid = row.get::<Oid, _>(0);
    let query = sqlx::query("select lo_open($1, 131072)").bind(oid);
    let handle = query.fetch_one(&mut *open).await.unwrap().get::<i32, _>(0);
    let query = sqlx::query("select lowrite($1, $2)").bind(handle).bind(b"large".repeat(1000));
    seen.say("written", query.fetch_one(&mut *open).await.unwrap().get::<i32, _>(0));
    let query = sqlx::query("select lo_lseek($1, 5, 0)").bind(handle);
    query.fetch_one(&mut *open).await.unwrap();
    let query = sqlx::query("select loread($1, 8)").bind(handle);
    seen.say("read", query.fetch_one(&mut *open).await.unwrap().get::<Vec<u8>, _>(0));
    open.commit().await.unwrap();
    let query = sqlx::query("select length(lo_get($1)), lo_unlink($1)").bind(oid);
    seen.say("length", query.fetch_one(&mut *connection).await.unwrap().get::<i32, _>(0));
    // The driver's pool and its listener have connections of their own: without session reports this one
    // would keep its server connection, and two clients could wait for each other.
    run(connection, "discard all").await;
    connection.clear_cached_statements().await.unwrap();
}

/// By the driver's pool and its listener.
pub(super) async fn notifications(place: &Place, seen: &mut Seen) {
    let pool =
        PgPoolOptions::new().max_connections(1).connect_lazy_with(options(place, place.port));
    let row = sqlx::query("select 'by the pool'").fetch_one(&pool).await.unwrap();
    seen.say("pool", row.get::<String, _>(0));
    let mut listener = PgListener::connect_with(&pool).await.unwrap();
    listener.listen(&seen.table).await.unwrap();
    let watching = options(place, place.server_port);
    let mut watcher = PgConnection::connect_with(&watching).await.unwrap();
    for word in ["one", "two"] {
        run(&mut watcher, format!("notify {}, '{word}'", seen.table)).await;
        let heard = wait::within("a notification", listener.recv()).await.unwrap();
        seen.say("heard", (heard.channel().to_owned(), heard.payload().to_owned()));
    }
    listener.unlisten_all().await.unwrap();
    watcher.close().await.unwrap();
    drop(listener);
    pool.close().await;
}
