//! A hunt for state that leaks from one client to another or is lost on the way (I6): random programs
//! of statements that change their session, from eight clients at once over two server connections,
//! must see what the same programs see of PostgreSQL with a server connection each.
//!
//! `HUNT_SEED` and `HUNT_PROGRAMS` choose other programs, and how many. What differs for good reasons is not
//! in the programs: a name that is both an SQL and a protocol statement, `currval()` in a later transaction,
//! a custom setting that is empty instead of unknown once any session of the server had it, and UNLISTEN and DISCARD TEMP in
//! a transaction that is prepared.

mod hunt;
mod observation;
mod program;
mod random;
mod vocabulary;

use std::str::FromStr;

use harness::{Cluster, Database, Proxy};

use hunt::Hunt;

/// The number in an environment variable, or another.
fn setting<T: FromStr>(name: &str, default: T) -> T {
    std::env::var(name).ok().map_or(default, |text| {
        text.parse().unwrap_or_else(|_| panic!("{name} is not a number: {text}"))
    })
}

async fn hunt(cluster: &Cluster, databases: [Database<'_>; 2]) {
    let proxy = Proxy::start(cluster, |config| {
        config.set("pool.min", 1).set("pool.max", 2);
    })
    .await;
    let hunt = Hunt::prepare(cluster, &proxy, databases).await;
    hunt.run(setting("HUNT_SEED", 1), setting("HUNT_PROGRAMS", 160)).await;
}

fn cluster() -> Cluster {
    Cluster::builder().setting("max_prepared_transactions", "100").start()
}

#[tokio::test]
async fn nothing_leaks_where_statements_are_read() {
    let cluster = cluster();
    let databases = [cluster.create_database().await, cluster.create_database().await];
    hunt(&cluster, databases).await;
}

#[tokio::test]
async fn nothing_leaks_where_sessions_report() {
    let cluster = cluster();
    let databases = [cluster.database().await, cluster.database().await];
    hunt(&cluster, databases).await;
}
