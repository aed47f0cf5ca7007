//! Small questions that many tests ask of a client or a server.

use harness::message::Message;
use harness::raw::RawClient;
use harness::{Cluster, Database, Proxy, ProxyConfig, wait};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio_postgres::tls::TlsConnect;
use tokio_postgres::{CancelToken, Client, SimpleQueryMessage};

/// The shared cluster, a new database on it, and a proxy configured by `configure`.
pub(crate) async fn proxied(
    configure: impl FnOnce(&mut ProxyConfig),
) -> (&'static Cluster, Database<'static>, Proxy) {
    let cluster = Cluster::shared().await;
    let database = cluster.create_database().await;
    let proxy = Proxy::start(cluster, configure).await;
    (cluster, database, proxy)
}

/// The same with a pool of `max` server connections.
pub(crate) async fn proxied_by(max: i64) -> (&'static Cluster, Database<'static>, Proxy) {
    proxied(|config| {
        config.set("pool.min", 1).set("pool.max", max);
    })
    .await
}

/// The first column of the only row of a simple query, as text.
pub(crate) async fn value(client: &Client, sql: &str) -> String {
    let messages = client.simple_query(sql).await;
    let messages = messages.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    let row = messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    row.unwrap_or_else(|| panic!("{sql}: no value")).to_owned()
}

/// Cancels a query through 127.0.0.1:`port`, and waits until the server has closed the connection that carried the request.
///
/// PostgreSQL signals the process and then its group (`signal_child` in postmaster.c), before it closes the connection:
/// a client that does not wait, as tokio-postgres by itself, may have its next query hit by the second signal.
pub(crate) async fn cancel(token: &CancelToken, port: u16, tls: impl TlsConnect<TcpStream>) {
    let socket = std::net::TcpStream::connect(("127.0.0.1", port)).expect("the server listens");
    socket.set_nonblocking(true).expect("a socket can be asked for that");
    let kept = socket.try_clone().expect("a socket can be had twice");
    let [socket, mut kept] = [socket, kept].map(|socket| TcpStream::from_std(socket).unwrap());
    token.cancel_query_raw(socket, tls).await.expect("the request is sent");
    // What TLS says at its end is nobody's concern, and so is a reset instead of an orderly end.
    let _ = wait::within("the end of a cancel request", kept.read_to_end(&mut Vec::new())).await;
}

/// Which server connection answers this client now.
pub(crate) async fn backend_pid(client: &Client) -> String {
    value(client, "select pg_backend_pid()").await
}

/// The SQLSTATE of an error that the server, or the proxy in its place, reported.
pub(crate) fn sqlstate(error: &tokio_postgres::Error) -> &str {
    error.code().unwrap_or_else(|| panic!("no SQLSTATE: {error:?}")).code()
}

/// The SQLSTATE of the first ErrorResponse.
pub(crate) fn first_error(messages: &[Message]) -> &str {
    let error = messages.iter().find_map(Message::sqlstate);
    error.unwrap_or_else(|| panic!("no ErrorResponse in {messages:?}"))
}

/// Shows that a proxy still serves: a new client logs in and gets an answer.
pub(crate) async fn assert_serves(proxy: &Proxy, database: &Database<'_>) {
    let client = proxy.connect(database).await;
    assert_eq!(value(&client, "select 6 * 7").await, "42");
}

/// The transaction status of the last ReadyForQuery: `I`, `T` or `E`.
pub(crate) fn status(messages: &[Message]) -> &str {
    let last = messages.last().filter(|message| message.tag == b'Z');
    last.unwrap_or_else(|| panic!("no ReadyForQuery at the end of {messages:?}")).text()
}

/// Runs each statement as a simple query and fails when one fails.
pub(crate) async fn run(client: &mut RawClient, statements: &[&str]) {
    for sql in statements {
        let messages = client.query(sql).await;
        let failed = messages.iter().find(|message| message.tag == b'E');
        assert!(failed.is_none(), "{sql}: {failed:?}");
    }
}

/// Makes a role that may log in with `password` and use every schema of `database`.
pub(crate) async fn create_role(database: &Database<'_>, name: &str, password: &str) {
    let password = password.replace('\'', "''");
    let sql = format!(
        "do $$ begin create role {name} login password '{password}'; \
         exception when duplicate_object then alter role {name} login password '{password}'; end $$"
    );
    database.cluster().admin().await.batch_execute(&sql).await.expect("a role can be made");
}
