//! The admin console of a running proxy: what it shows is so, and what it is told happens.

mod commands;
mod exporter;
mod show;

use std::collections::BTreeMap;

use harness::{Cluster, Database, Proxy, wait};
use tokio_postgres::{Client, SimpleQueryMessage};

/// One row by column name; NULL is empty.
pub(crate) type Row = BTreeMap<String, String>;

/// A console of the superuser, who is `auth.user` and therefore an operator.
pub(crate) async fn console(cluster: &'static Cluster, proxy: &Proxy) -> Client {
    proxy.connect(&cluster.named("taskmaster_admin")).await
}

/// The names of the columns, in order, and the rows.
pub(crate) async fn table(console: &Client, sql: &str) -> (Vec<String>, Vec<Row>) {
    let messages = console.simple_query(sql).await;
    let messages = messages.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    let (mut names, mut rows) = (Vec::new(), Vec::new());
    for message in messages {
        match message {
            SimpleQueryMessage::RowDescription(columns) => {
                names = columns.iter().map(|column| column.name().to_owned()).collect();
            }
            SimpleQueryMessage::Row(row) => {
                let value = |at: usize| row.get(at).unwrap_or_default().to_owned();
                rows.push(
                    names.iter().cloned().enumerate().map(|(at, n)| (n, value(at))).collect(),
                );
            }
            _ => {}
        }
    }
    (names, rows)
}

/// The rows of `sql` about this database.
pub(crate) async fn rows_of(console: &Client, sql: &str, database: &Database<'_>) -> Vec<Row> {
    let (_, rows) = table(console, sql).await;
    let about = |row: &Row| {
        let name = row.get("database").filter(|_| !row.contains_key("name"));
        name.or_else(|| row.get("name")) == Some(&database.name)
    };
    rows.into_iter().filter(about).collect()
}

/// The only row of `sql` about this database.
pub(crate) async fn row_of(console: &Client, sql: &str, database: &Database<'_>) -> Row {
    let mut rows = rows_of(console, sql, database).await;
    assert_eq!(rows.len(), 1, "{sql}: {rows:?}");
    rows.remove(0)
}

/// Waits until the pool of `database` has these figures.
pub(crate) async fn until_pool(
    console: &Client,
    database: &Database<'_>,
    expected: &[(&str, &str)],
) {
    wait::until(&format!("the pool shows {expected:?}"), || async {
        let rows = rows_of(console, "show pools", database).await;
        rows.first().is_some_and(|row| expected.iter().all(|(name, value)| row[*name] == *value))
    })
    .await;
}
