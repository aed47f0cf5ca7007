//! Servers that are killed and networks that stall: what each client sees of it, and that nothing is run twice (I8).

mod killed;
mod lost;
mod stalled;

use harness::message::Message;
use harness::raw::RawClient;
use harness::{Cluster, Database, Fault, Proxy, ProxyConfig};
use tokio_postgres::Client;

use crate::support::value;

/// A new database of the shared cluster, and a proxy with one server connection behind a relay that can fail.
async fn behind(
    configure: impl FnOnce(&mut ProxyConfig),
) -> (&'static Cluster, Database<'static>, Fault, Proxy) {
    let cluster = Cluster::shared().await;
    let database = cluster.create_database().await;
    let fault = Fault::start(cluster.port);
    let proxy = Proxy::start(cluster, |config| {
        config
            .set("server.port", i64::from(fault.port()))
            .set("server.connect_retry_interval_ms", 20)
            .set("pool.min", 0)
            .set("pool.max", 1);
        configure(config);
    })
    .await;
    (cluster, database, fault, proxy)
}

/// The only ErrorResponse of a session that was ended: FATAL, with a code that says why.
fn last_word(messages: &[Message]) -> &Message {
    let mut errors = messages.iter().filter(|message| message.tag == b'E');
    let error = errors.next().unwrap_or_else(|| panic!("ended without a word: {messages:?}"));
    assert!(errors.next().is_none(), "more than one error: {messages:?}");
    assert_eq!(error.field(b'S'), Some("FATAL"), "{error:?}");
    error
}

/// The session was lost with its server connection: the client is told so by the server or by the proxy, once.
async fn assert_lost(client: &mut RawClient) {
    let messages = client.read_to_end().await;
    let error = last_word(&messages);
    let code = error.sqlstate().unwrap();
    assert!(["08006", "57P01", "57P02"].contains(&code), "{error:?}");
    if code == "08006" {
        assert!(error.field(b'H').unwrap().contains("not known"), "{error:?}");
    }
}

/// How often what `what` stands for took effect.
async fn effects(admin: &Client, what: &str) -> String {
    value(admin, &format!("select count(*) from effects where what = '{what}'")).await
}

fn insert(what: &str) -> String {
    format!("insert into effects values ('{what}')")
}
