//! What sqlx sees of a server.

mod sessions;

use futures_util::StreamExt;
use harness::wait;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::types::Json;
use sqlx::{AssertSqlSafe, Connection, Error, PgConnection, Row};

use super::{CLIENTS, Place};

/// The transcripts of all clients, in the order of their numbers.
pub(super) async fn transcripts(place: Place) -> String {
    let clients = (0..CLIENTS).map(|number| transcript(place.clone(), number));
    futures_util::future::join_all(clients).await.concat()
}

fn options(place: &Place, port: u16) -> PgConnectOptions {
    PgConnectOptions::new_without_pgpass()
        .host("localhost")
        .port(port)
        .username(&place.user)
        .password(&place.password)
        .database(&place.database)
        .ssl_mode(PgSslMode::VerifyFull)
        .ssl_root_cert(&place.ca_file)
        .statement_cache_capacity(10)
}

/// What was seen, one line for each step.
struct Seen {
    number: u32,
    table: String,
    text: String,
}

impl Seen {
    fn say(&mut self, what: &str, seen: impl std::fmt::Debug) {
        self.text += &format!("{} {what} {seen:?}\n", self.number);
    }

    fn state<T>(&mut self, what: &str, outcome: Result<T, Error>) {
        let error = outcome.err();
        let database = error.as_ref().and_then(Error::as_database_error);
        self.say(what, database.and_then(|error| error.code().map(|code| code.into_owned())));
    }
}

async fn transcript(place: Place, number: u32) -> String {
    let mut connection = PgConnection::connect_with(&options(&place, place.port)).await.unwrap();
    let table = format!("sqlx{number}");
    let mut seen = Seen { number, table: table.clone(), text: String::new() };
    queries(&mut connection, &mut seen).await;
    statements(&mut connection, &mut seen).await;
    transaction(&mut connection, &table, &mut seen).await;
    savepoints(&mut connection, &table, &mut seen).await;
    copy(&mut connection, &table, &mut seen).await;
    sessions::settings(&mut connection, &mut seen).await;
    sessions::holding(&mut connection, &mut seen).await;
    sessions::cursors(&mut connection, &mut seen).await;
    sessions::two_phase(&mut connection, &mut seen).await;
    sessions::large_objects(&mut connection, &mut seen).await;
    sessions::notifications(&place, &mut seen).await;
    cancel(&place, connection, &table, &mut seen).await;
    seen.text
}

async fn queries(connection: &mut PgConnection, seen: &mut Seen) {
    let rows = sqlx::raw_sql("select 1 as one; select 2 as one").fetch_all(&mut *connection).await;
    let rows: Vec<i32> = rows.unwrap().iter().map(|row| row.get(0)).collect();
    seen.say("simple", rows);
    let number = i32::try_from(seen.number).unwrap();
    for step in 0..3_i32 {
        let query = sqlx::query("select $1::int + $2, $3::text, $4::bytea, $5::int[], null::text")
            .bind(number)
            .bind(step)
            .bind("é\n")
            .bind(&b"\x00\xff"[..])
            .bind(vec![1, 2, step]);
        let row = query.fetch_one(&mut *connection).await.unwrap();
        seen.say("prepared", (row.get::<i32, _>(0), row.get::<&str, _>(1)));
        seen.say("prepared", (row.get::<Vec<u8>, _>(2), row.get::<Vec<i32>, _>(3)));
        seen.say("prepared", row.get::<Option<&str>, _>(4));
    }
    let document = serde_json::json!({"number": number, "list": [1, null, "é\n"]});
    for sql in ["select $1::jsonb, $1 ->> 'list'", "select $1::json, $1 ->> 'list'"] {
        let query = sqlx::query(sql).bind(Json(&document));
        let row = query.fetch_one(&mut *connection).await.unwrap();
        let back = row.get::<Json<serde_json::Value>, _>(0).0;
        seen.say("json", (back == document, row.get::<String, _>(1)));
    }
    let query = sqlx::query("select $1::bigint * 2").bind(i64::from(number)).persistent(false);
    seen.say("unprepared", query.fetch_one(&mut *connection).await.unwrap().get::<i64, _>(0));
    connection.clear_cached_statements().await.unwrap();
    let row = sqlx::query("select $1::int").bind(number).fetch_one(&mut *connection).await;
    seen.say("after the cache was cleared", row.unwrap().get::<i32, _>(0));
}

/// More texts than the cache of the driver holds.
async fn statements(connection: &mut PgConnection, seen: &mut Seen) {
    let number = i32::try_from(seen.number).unwrap();
    for _ in 0..3 {
        let mut sum = 0;
        for step in 0..30 {
            let sql = AssertSqlSafe(format!("select $1::int + {step}"));
            let row = sqlx::query(sql).bind(number).fetch_one(&mut *connection).await.unwrap();
            sum += row.get::<i32, _>(0);
        }
        seen.say("statements", (sum, connection.cached_statements_size()));
    }
    seen.state("broken", sqlx::query("selec 1").fetch_one(&mut *connection).await);
    let mut rows = sqlx::query("select generate_series(1, $1)").bind(200).fetch(&mut *connection);
    // The rest of the rows is read when the connection is used again.
    seen.say("streamed", rows.next().await.unwrap().unwrap().get::<i32, _>(0));
    drop(rows);
}

/// Nested transactions, one of which is dropped instead of ended.
async fn savepoints(connection: &mut PgConnection, table: &str, seen: &mut Seen) {
    let insert = |id: i32| {
        let sql = AssertSqlSafe(format!("insert into {table} values ($1, 'nested') returning id"));
        sqlx::query(sql).bind(id)
    };
    let mut outer = connection.begin().await.unwrap();
    let mut inner = outer.begin().await.unwrap();
    seen.say("inner", insert(30).fetch_one(&mut *inner).await.unwrap().get::<i32, _>(0));
    inner.commit().await.unwrap();
    let mut inner = outer.begin().await.unwrap();
    seen.state("taken", insert(30).fetch_one(&mut *inner).await);
    inner.rollback().await.unwrap();
    let mut inner = outer.begin().await.unwrap();
    insert(31).fetch_one(&mut *inner).await.unwrap();
    drop(inner);
    seen.say("outer", insert(32).fetch_one(&mut *outer).await.unwrap().get::<i32, _>(0));
    outer.commit().await.unwrap();
    let mut left = connection.begin_with("begin isolation level serializable").await.unwrap();
    let row = sqlx::query("show transaction_isolation").fetch_one(&mut *left).await.unwrap();
    seen.say("isolation", row.get::<String, _>(0));
    drop(left);
    let sql = AssertSqlSafe(format!("select count(*) from {table} where id >= 30"));
    let row = sqlx::query(sql).fetch_one(&mut *connection).await.unwrap();
    seen.say("rows", row.get::<i64, _>(0));
    let sql = AssertSqlSafe(format!("delete from {table} where id >= 30"));
    sqlx::query(sql).execute(&mut *connection).await.unwrap();
}

async fn transaction(connection: &mut PgConnection, table: &str, seen: &mut Seen) {
    let insert = format!("insert into {table} values ($1, $2)");
    let mut open = connection.begin().await.unwrap();
    let sql = format!("create table {table} (id int primary key, word text)");
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *open).await.unwrap();
    let query = sqlx::query(AssertSqlSafe(insert.clone())).bind(1).bind("kept");
    seen.say("insert", query.execute(&mut *open).await.unwrap().rows_affected());
    open.commit().await.unwrap();

    let mut open = connection.begin().await.unwrap();
    let query = sqlx::query(AssertSqlSafe(insert.clone())).bind(2).bind("lost");
    query.execute(&mut *open).await.unwrap();
    let failed = sqlx::query("select 1 / $1::int").bind(0).fetch_one(&mut *open).await;
    seen.state("error", failed);
    seen.state("after the error", sqlx::query("select 1").fetch_one(&mut *open).await);
    open.rollback().await.unwrap();

    let query = sqlx::query(AssertSqlSafe(insert)).bind(1).bind("twice");
    seen.state("twice", query.execute(&mut *connection).await);
    let sql = format!("select count(*) from {table}");
    let row = sqlx::query(AssertSqlSafe(sql)).fetch_one(&mut *connection).await.unwrap();
    seen.say("rows", row.get::<i64, _>(0));
}

async fn copy(connection: &mut PgConnection, table: &str, seen: &mut Seen) {
    let sql = format!("copy {table} from stdin");
    let mut sink = connection.copy_in_raw(&sql).await.unwrap();
    for id in 10..15 {
        sink.send(format!("{id}\trow {id}\n").as_bytes()).await.unwrap();
    }
    seen.say("copied in", sink.finish().await.unwrap());
    let out = format!("copy (select * from {table} order by id) to stdout");
    let mut stream = connection.copy_out_raw(&out).await.unwrap();
    while let Some(chunk) = stream.next().await {
        seen.say("copied out", chunk.unwrap());
    }
    drop(stream);
    let sink = connection.copy_in_raw(&sql).await.unwrap();
    seen.state("aborted copy", sink.abort("changed its mind").await);
    let mut sink = connection.copy_in_raw(&sql).await.unwrap();
    sink.send(&b"not a number\tx\n"[..]).await.unwrap();
    seen.state("refused copy", sink.finish().await);
}

/// sqlx has no cancel of its own: the query is ended from beside.
async fn cancel(place: &Place, mut connection: PgConnection, table: &str, seen: &mut Seen) {
    let options = options(place, place.server_port);
    let mut watcher = PgConnection::connect_with(&options).await.unwrap();
    let sql = format!("select pg_sleep(600) /* {table} */");
    let query = tokio::spawn(async move {
        let outcome = sqlx::query(AssertSqlSafe(sql)).execute(&mut connection).await;
        (outcome, connection)
    });
    // Only a query that sleeps is cancelled: a request that comes while the statement is parsed has no effect.
    let cancel = format!(
        "select count(*) from (select pg_cancel_backend(pid) from pg_stat_activity \
         where wait_event = 'PgSleep' and query like 'select pg_sleep(600) /* {table} */%') as hit"
    );
    wait::until("the query runs and is cancelled", async || {
        let row = sqlx::query(AssertSqlSafe(cancel.clone())).fetch_one(&mut watcher).await;
        row.unwrap().get::<i64, _>(0) == 1
    })
    .await;
    let (outcome, mut connection) = wait::within("the cancelled query", query).await.unwrap();
    seen.state("cancelled", outcome);
    let row = sqlx::query("select 'lives'").fetch_one(&mut connection).await.unwrap();
    seen.say("lives", row.get::<&str, _>(0));
    connection.close().await.unwrap();
}
