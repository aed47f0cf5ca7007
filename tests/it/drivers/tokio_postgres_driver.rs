//! What tokio-postgres sees of a server.

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt, pin_mut};
use harness::wait;
use tokio::net::TcpStream;
use tokio_postgres::config::SslMode;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Config, Error};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{CLIENTS, Place};
use crate::support::{cancel as cancel_query, value};

/// The transcripts of all clients, in the order of their numbers.
pub(super) async fn transcripts(place: Place, tls: MakeRustlsConnect) -> String {
    let clients = (0..CLIENTS).map(|number| transcript(place.clone(), tls.clone(), number));
    futures_util::future::join_all(clients).await.concat()
}

async fn connect(place: &Place, port: u16, tls: MakeRustlsConnect) -> Client {
    let mut config = Config::new();
    config
        .host("localhost")
        .hostaddr([127, 0, 0, 1].into())
        .port(port)
        .user(&place.user)
        .password(&place.password)
        .dbname(&place.database)
        .ssl_mode(SslMode::Require);
    let (client, connection) = config.connect(tls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// What was seen, one line for each step.
struct Seen {
    number: u32,
    text: String,
}

impl Seen {
    fn say(&mut self, what: &str, seen: impl std::fmt::Debug) {
        self.text += &format!("{} {what} {seen:?}\n", self.number);
    }

    fn state<T>(&mut self, what: &str, outcome: Result<T, Error>) {
        let state = outcome.err().map(|error| error.code().map(|code| code.code().to_owned()));
        self.say(what, state);
    }
}

async fn transcript(place: Place, tls: MakeRustlsConnect, number: u32) -> String {
    let client = connect(&place, place.port, tls.clone()).await;
    let table = format!("tokio{number}");
    let mut seen = Seen { number, text: String::new() };
    queries(&client, &mut seen).await;
    transaction(&client, &table, &mut seen).await;
    copy(&client, &table, &mut seen).await;
    let watcher = connect(&place, place.server_port, tls.clone()).await;
    cancel(client, &watcher, &place, tls, &mut seen).await;
    seen.text
}

async fn queries(client: &Client, seen: &mut Seen) {
    seen.say("simple", client.simple_query("select 1 as one; select 'two' as two").await.unwrap());
    let sql = "select $1::int + $2::int, $3::text, $4::bytea, $5::int[], null::text";
    let statement = client.prepare(sql).await.unwrap();
    seen.say("parameters", statement.params());
    let number = i32::try_from(seen.number).unwrap();
    for step in 0..3_i32 {
        let (bytes, array) = (&b"\x00\xff"[..], vec![1, 2, step]);
        let parameters: [&(dyn ToSql + Sync); 5] = [&number, &step, &"é\n", &bytes, &array];
        let row = client.query_one(&statement, &parameters).await.unwrap();
        seen.say("prepared", (row.get::<_, i32>(0), row.get::<_, &str>(1)));
        seen.say("prepared", (row.get::<_, &[u8]>(2), row.get::<_, Vec<i32>>(3)));
        seen.say("prepared", row.get::<_, Option<&str>>(4));
    }
    let rows = client.query_typed("select $1", &[(&number, Type::INT4)]).await.unwrap();
    seen.say("unprepared", rows[0].get::<_, i32>(0));
    let (one, two, three) = tokio::join!(
        client.query_one("select 1", &[]),
        client.query_one("select 1 / 0", &[]),
        client.query_one("select 3", &[]),
    );
    seen.say("pipelined", (one.unwrap().get::<_, i32>(0), three.unwrap().get::<_, i32>(0)));
    seen.state("pipelined", two);
}

async fn transaction(client: &Client, table: &str, seen: &mut Seen) {
    client.batch_execute("begin").await.unwrap();
    let sql = format!("create table {table} (id int primary key, word text)");
    client.batch_execute(&sql).await.unwrap();
    let sql = format!("insert into {table} values ($1, $2)");
    seen.say("insert", client.execute(&sql, &[&1_i32, &"kept"]).await.unwrap());
    client.batch_execute("commit; begin").await.unwrap();
    client.execute(&sql, &[&2_i32, &"lost"]).await.unwrap();
    seen.state("error", client.query("select 1 / $1::int", &[&0_i32]).await);
    seen.state("after the error", client.query("select 1", &[]).await);
    client.batch_execute("rollback").await.unwrap();
    seen.state("twice", client.execute(&sql, &[&1_i32, &"twice"]).await);
    seen.say("rows", value(client, &format!("select count(*) from {table}")).await);
}

async fn copy(client: &Client, table: &str, seen: &mut Seen) {
    let sink = client.copy_in::<_, Bytes>(&format!("copy {table} from stdin")).await.unwrap();
    pin_mut!(sink);
    for id in 10..15 {
        sink.send(Bytes::from(format!("{id}\trow {id}\n"))).await.unwrap();
    }
    seen.say("copied in", sink.finish().await.unwrap());
    let sql = format!("copy (select * from {table} order by id) to stdout");
    let stream = client.copy_out(&sql).await.unwrap();
    pin_mut!(stream);
    while let Some(chunk) = stream.next().await {
        seen.say("copied out", chunk.unwrap());
    }
    let sink = client.copy_in::<_, Bytes>(&format!("copy {table} from stdin")).await.unwrap();
    let mut sink = Box::pin(sink);
    sink.send(Bytes::from_static(b"not a number\tx\n")).await.unwrap();
    seen.state("refused copy", sink.as_mut().finish().await);
}

async fn cancel(
    client: Client,
    watcher: &Client,
    place: &Place,
    mut tls: MakeRustlsConnect,
    seen: &mut Seen,
) {
    let token = client.cancel_token();
    let sql = format!("select pg_sleep(600) /* tokio{} */", seen.number);
    let query = tokio::spawn(async move { (client.batch_execute(&sql).await, client) });
    let running = format!(
        "select count(*) from pg_stat_activity where wait_event = 'PgSleep' \
         and query like 'select pg_sleep(600) /* tokio{} */%'",
        seen.number
    );
    wait::until("the query runs", async || value(watcher, &running).await == "1").await;
    let tls = MakeTlsConnect::<TcpStream>::make_tls_connect(&mut tls, "localhost").unwrap();
    cancel_query(&token, place.port, tls).await;
    let (outcome, client) = wait::within("the cancelled query", query).await.unwrap();
    seen.state("cancelled", outcome);
    seen.say("lives", value(&client, "select 'lives'").await);
}
