//! A connection to a fresh migrated database, and what a refusal on it looks like. It must not
//! know any function of the extension.

use harness::{Cluster, Database};
use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_postgres::error::DbError;
use tokio_postgres::{AsyncMessage, Client, Config, NoTls, SimpleQueryMessage};

/// The fields of an ErrorResponse or NoticeResponse that callers may rely on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Report {
    pub(super) sqlstate: String,
    pub(super) message: String,
    /// `DETAIL`, which is a JSON object whenever the extension speaks.
    pub(super) detail: Value,
    pub(super) hint: String,
    /// `table.constraint`, or empty.
    pub(super) constraint: String,
}

/// A connection whose notices are kept.
pub(super) struct Session {
    client: Client,
    notices: UnboundedReceiver<Report>,
}

/// A session on a new migrated database of the shared cluster.
pub(super) async fn fresh() -> Session {
    Session::open(&Cluster::shared().await.database().await).await
}

impl Session {
    /// A session of the superuser.
    pub(super) async fn open(database: &Database<'_>) -> Self {
        Self::connect(&database.config()).await
    }

    /// A session of whoever `config` names.
    pub(super) async fn connect(config: &Config) -> Self {
        let (client, mut connection) = config.connect(NoTls).await.expect("a login");
        let (sender, notices) = unbounded_channel();
        tokio::spawn(async move {
            while let Some(Ok(message)) =
                std::future::poll_fn(|context| connection.poll_message(context)).await
            {
                if let AsyncMessage::Notice(notice) = message {
                    // Nobody listens any more when the session is dropped.
                    let _ = sender.send(Report::of(&notice));
                }
            }
        });
        Self { client, notices }
    }

    /// Runs statements that must succeed.
    pub(super) async fn run(&self, sql: &str) {
        self.client.batch_execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }

    /// The first column of the only row, as text; `NULL` for null.
    pub(super) async fn text(&self, sql: &str) -> String {
        let mut rows = self.rows(sql).await.unwrap_or_else(|report| panic!("{sql}: {report:?}"));
        assert_eq!(rows.len(), 1, "{sql}: {rows:?}");
        rows.remove(0).remove(0)
    }

    /// The rows as text, or the refusal.
    pub(super) async fn rows(&self, sql: &str) -> Result<Vec<Vec<String>>, Report> {
        let messages = self.client.simple_query(sql).await.map_err(|error| {
            Report::of(error.as_db_error().unwrap_or_else(|| panic!("{sql}: {error:?}")))
        })?;
        Ok(messages.iter().filter_map(columns).collect())
    }

    /// The refusal of a statement that must fail.
    pub(super) async fn refusal(&self, sql: &str) -> Report {
        match self.rows(sql).await {
            Err(report) => report,
            Ok(rows) => panic!("{sql} succeeded: {rows:?}"),
        }
    }

    /// The SQLSTATE of a statement that must fail.
    pub(super) async fn sqlstate(&self, sql: &str) -> String {
        self.refusal(sql).await.sqlstate
    }

    /// The notices since the last call, oldest first.
    pub(super) fn notices(&mut self) -> Vec<Report> {
        std::iter::from_fn(|| self.notices.try_recv().ok()).collect()
    }
}

impl Report {
    fn of(error: &DbError) -> Self {
        let detail = error.detail().unwrap_or_default();
        let names = [error.table(), error.constraint()];
        let names: Vec<_> = names.into_iter().flatten().filter(|name| !name.is_empty()).collect();
        Self {
            sqlstate: error.code().code().to_owned(),
            message: error.message().to_owned(),
            detail: serde_json::from_str(detail).unwrap_or_else(|_| Value::from(detail)),
            hint: error.hint().unwrap_or_default().to_owned(),
            constraint: names.join("."),
        }
    }
}

fn columns(message: &SimpleQueryMessage) -> Option<Vec<String>> {
    let SimpleQueryMessage::Row(row) = message else { return None };
    Some((0..row.len()).map(|index| row.get(index).unwrap_or("NULL").to_owned()).collect())
}
