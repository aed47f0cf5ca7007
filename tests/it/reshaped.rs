//! Prepared statements whose tables change where the proxy cannot see it: directly on the server, without the extension.
//! `cached plan must not change result type` (0A000) is for those alone whom PostgreSQL would tell it too.

use harness::message::{self, Message};
use harness::raw::RawClient;
use harness::{Cluster, Database, Proxy};

use crate::support::{first_error, proxied_by, run, status};

const SELECT: &str = "select * from t";

/// A table with one row, and somebody who changes it behind the proxy's back.
async fn scene() -> (&'static Cluster, Database<'static>, Proxy, RawClient) {
    let (cluster, database, proxy) = proxied_by(1).await;
    let mut direct = RawClient::login(cluster.port, &harness::proxy::login(&database)).await;
    run(&mut direct, &["create table t as select 1 as a"]).await;
    (cluster, database, proxy, direct)
}

async fn widen(direct: &mut RawClient) {
    run(direct, &["alter table t add column b text default 'b'"]).await;
}

async fn say(client: &mut RawClient, messages: &[Vec<u8>]) -> Vec<Message> {
    client.send(&[messages.concat(), message::sync()].concat()).await;
    client.read_until_ready().await
}

fn parse(sql: &str) -> Vec<u8> {
    message::parse("s", sql)
}

fn look() -> Vec<u8> {
    [message::bind("s", &[]), message::execute("", 0)].concat()
}

/// Columns of the only row, and that no error came.
fn columns(replies: &[Message]) -> usize {
    let rows: Vec<_> = replies.iter().filter(|reply| reply.tag == b'D').collect();
    assert!(rows.len() == 1 && status(replies) != "E", "{replies:?}");
    rows[0].columns().len()
}

fn tags(replies: &[Message]) -> String {
    replies.iter().map(|reply| char::from(reply.tag)).collect()
}

#[tokio::test]
async fn who_prepares_after_a_change_that_nobody_saw_does_not_meet_the_old_shape() {
    let (_, database, proxy, mut direct) = scene().await;
    let mut old = proxy.raw(&database).await;
    assert_eq!(columns(&say(&mut old, &[parse(SELECT), look()]).await), 1);
    // One prepares before the change and looks after it for the first time.
    let mut early = proxy.raw(&database).await;
    say(&mut early, &[parse(SELECT)]).await;
    widen(&mut direct).await;
    // As drivers do: prepare and describe, then run; all in one; described by portal.
    let mut driver = proxy.raw(&database).await;
    let replies = say(&mut driver, &[parse(SELECT), message::describe(b'S', "s")]).await;
    assert_eq!(tags(&replies), "1tTZ", "{replies:?}");
    assert_eq!(columns(&say(&mut driver, &[look()]).await), 2);
    widen_again(&mut direct, "c").await;
    let mut whole = proxy.raw(&database).await;
    let replies = say(&mut whole, &[parse(SELECT), look()]).await;
    assert_eq!((columns(&replies), &*tags(&replies)), (3, "12DCZ"));
    let replies = say(&mut early, &[look()]).await;
    assert_eq!((columns(&replies), &*tags(&replies)), (3, "2DCZ"));
    widen_again(&mut direct, "d").await;
    let mut portal = proxy.raw(&database).await;
    say(&mut portal, &[parse(SELECT)]).await;
    let steps = [message::bind("s", &[]), message::describe(b'P', ""), message::execute("", 0)];
    let replies = say(&mut portal, &steps).await;
    assert_eq!((columns(&replies), &*tags(&replies)), (4, "2TDCZ"));
}

async fn widen_again(direct: &mut RawClient, column: &str) {
    run(direct, &[&format!("alter table t add column {column} int")]).await;
}

#[tokio::test]
async fn who_was_told_the_old_shape_is_told_that_it_changed_and_prepares_anew() {
    let (_, database, proxy, mut direct) = scene().await;
    let mut client = proxy.raw(&database).await;
    assert_eq!(columns(&say(&mut client, &[parse(SELECT), look()]).await), 1);
    widen(&mut direct).await;
    let replies = say(&mut client, &[look()]).await;
    assert_eq!(first_error(&replies), "0A000");
    assert!(!format!("{replies:?}").contains("taskmaster_"));
    say(&mut client, &[message::close(b'S', "s")]).await;
    assert_eq!(columns(&say(&mut client, &[parse(SELECT), look()]).await), 2);
    // Inside a transaction the error has ended it already; behind it all is well.
    widen_again(&mut direct, "c").await;
    let mut other = proxy.raw(&database).await;
    run(&mut other, &["begin"]).await;
    assert_eq!(first_error(&say(&mut other, &[parse(SELECT), look()]).await), "0A000");
    run(&mut other, &["rollback", "begin", "deallocate s"]).await;
    assert_eq!(columns(&say(&mut other, &[parse(SELECT), look()]).await), 3);
    run(&mut other, &["commit"]).await;
}

#[tokio::test]
async fn what_is_sent_again_runs_once_and_in_its_place() {
    let (_, database, proxy, mut direct) = scene().await;
    let insert = "insert into t (a) values (7) returning *";
    let mut old = proxy.raw(&database).await;
    assert_eq!(columns(&say(&mut old, &[parse(insert), look()]).await), 1);
    let mut client = proxy.raw(&database).await;
    say(&mut client, &[parse(insert)]).await;
    widen(&mut direct).await;
    // Three sequences in one write: the first is refused and sent again, the others wait for it.
    let count = [
        message::parse("", "select count(*) from t"),
        message::bind("", &[]),
        message::execute("", 0),
    ]
    .concat();
    let bytes =
        [look(), message::sync(), count.clone(), message::sync(), message::query("select 3")];
    client.send(&bytes.concat()).await;
    assert_eq!(columns(&client.read_until_ready().await), 2);
    let replies = client.read_until_ready().await;
    let row = replies.iter().find(|reply| reply.tag == b'D').unwrap();
    assert_eq!(row.columns(), [Some("3".to_owned())], "one of old, one of this, one of the scene");
    assert_eq!(columns(&client.read_until_ready().await), 1);
    // A statement that stands behind something that was run is not run again.
    let mut late = proxy.raw(&database).await;
    say(&mut late, &[parse(insert)]).await;
    widen_again(&mut direct, "c").await;
    let first = [
        message::parse("", "insert into t (a) values (8)"),
        message::bind("", &[]),
        message::execute("", 0),
    ]
    .concat();
    assert_eq!(first_error(&say(&mut late, &[first, look()]).await), "0A000");
    assert_eq!(direct.query_value("select count(*) from t").await, "3");
}
