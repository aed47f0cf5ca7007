//! What tokio-postgres sees of a server.

mod rows;
mod sessions;

use std::future::poll_fn;

use futures_util::future::join_all;
use harness::wait;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_postgres::config::SslMode;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{AsyncMessage, Client, Config, Error, Notification};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{CLIENTS, Place};
use crate::support::{cancel as cancel_query, value};

/// The transcripts of all clients, in the order of their numbers.
pub(super) async fn transcripts(place: Place, tls: MakeRustlsConnect) -> String {
    let clients = (0..CLIENTS).map(|number| transcript(place.clone(), tls.clone(), number));
    join_all(clients).await.concat()
}

type Heard = mpsc::UnboundedReceiver<Notification>;

async fn connect(place: &Place, port: u16, tls: MakeRustlsConnect) -> (Client, Heard) {
    let mut config = Config::new();
    config
        .host("localhost")
        .hostaddr([127, 0, 0, 1].into())
        .port(port)
        .user(&place.user)
        .password(&place.password)
        .dbname(&place.database)
        .ssl_mode(SslMode::Require);
    let (client, mut connection) = config.connect(tls).await.unwrap();
    let (sender, heard) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some(Ok(message)) = poll_fn(|cx| connection.poll_message(cx)).await {
            if let AsyncMessage::Notification(notification) = message {
                let _ = sender.send(notification);
            }
        }
    });
    (client, heard)
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
        let state = outcome.err().map(|error| error.code().map(|code| code.code().to_owned()));
        self.say(what, state);
    }

    /// Asks for a value and says what it was.
    async fn ask(&mut self, client: &Client, sql: &str) {
        let seen = value(client, sql).await;
        self.say(sql, seen);
    }

    /// The client's number as PostgreSQL has it.
    fn int(&self) -> i32 {
        i32::try_from(self.number).expect("there are few clients")
    }
}

async fn transcript(place: Place, tls: MakeRustlsConnect, number: u32) -> String {
    let (mut client, mut heard) = connect(&place, place.port, tls.clone()).await;
    let (watcher, _) = connect(&place, place.server_port, tls.clone()).await;
    let mut seen = Seen { number, table: format!("tokio{number}"), text: String::new() };
    rows::queries(&client, &mut seen).await;
    rows::statements(&client, &mut seen).await;
    rows::pipelines(&client, &mut seen).await;
    rows::transactions(&mut client, &mut seen).await;
    rows::portals(&mut client, &mut seen).await;
    rows::copies(&client, &mut seen).await;
    sessions::settings(&client, &mut seen).await;
    sessions::holding(&client, &mut seen).await;
    sessions::notifications(&client, &mut heard, &watcher, &mut seen).await;
    sessions::two_phase(&client, &mut seen).await;
    sessions::large_objects(&client, &mut seen).await;
    let client = cancelled(client, &watcher, (&place, tls.clone()), &mut seen).await;
    client.batch_execute("begin").await.unwrap();
    let client = cancelled(client, &watcher, (&place, tls), &mut seen).await;
    client.batch_execute("rollback").await.unwrap();
    seen.text
}

/// Cancels a query, and says how it ended and what the next one meets.
async fn cancelled(
    client: Client,
    watcher: &Client,
    (place, mut tls): (&Place, MakeRustlsConnect),
    seen: &mut Seen,
) -> Client {
    let token = client.cancel_token();
    let sql = format!("select pg_sleep(600) /* {} */", seen.table);
    let running = format!(
        "select count(*) from pg_stat_activity where wait_event = 'PgSleep' and query like '{sql}%'"
    );
    let query = tokio::spawn(async move { (client.batch_execute(&sql).await, client) });
    wait::until("the query runs", async || value(watcher, &running).await == "1").await;
    let tls = MakeTlsConnect::<TcpStream>::make_tls_connect(&mut tls, "localhost").unwrap();
    cancel_query(&token, place.port, tls).await;
    let (outcome, client) = wait::within("the cancelled query", query).await.unwrap();
    seen.state("cancelled", outcome);
    seen.state("lives", client.simple_query("select 'lives'").await);
    client
}
