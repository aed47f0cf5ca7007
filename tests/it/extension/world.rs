//! One side of the differential test: a database, the schema whose functions are called there, and
//! the names its ids go by, so that both sides can be compared. It must not know which calls are
//! made.

use std::fs;

use harness::{Cluster, artefacts};

use super::session::{Report, Session, fresh};

/// A database with one implementation of the functions under test.
pub(super) struct World {
    session: Session,
    schema: &'static str,
    /// Ids that calls returned, in order; equal positions mean the same thing on both sides.
    ids: Vec<String>,
}

/// What a call came to, with every id by its name.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) rows: Result<Vec<Vec<String>>, Report>,
    pub(super) notices: Vec<Report>,
}

/// The rows of every table without what differs by nature: ids get names, times become `T`.
const CONTENTS: [&str; 6] = [
    "select id, title, description, requirements, status, priority, assigned_to, type, \
     parent_task_id, completed_at is null, updated_at >= created_at, metadata, version from tasks",
    "select task_id, kind, from_status, to_status, actor, payload, \
     row_number() over (partition by task_id order by seq) from task_events",
    "select id, task_id, status, current_step, workflow_type, total_steps, timeout_minutes, \
     retry_count, completed_at is null, \
     md5(regexp_replace(steps_completed::text, '\"timestamp\": \"[^\"]*\"', 'T', 'g')), \
     regexp_replace(error_log::text, '\"timestamp\": \"[^\"]*\"', 'T', 'g') from workflows",
    "select id, metric_name, metric_value, component, metric_type, tags, metric_metadata, \
     metric_unit, source_system from system_metrics",
    "select id, integration_id, endpoint, method, request_headers, response_status, \
     response_time_ms, user_id, task_id, error_message, retry_count, adjustments \
     from api_access_logs",
    "select integration_name, integration_type, current_usage, last_used_at is null, \
     usage_reset_at > now() from external_integrations",
];

/// A session on a new migrated database that has the PL/pgSQL functions, too.
pub(super) async fn with_oracle() -> Session {
    let session = fresh().await;
    let directory = artefacts::repository_dir().join("sql/plpgsql");
    let entries = fs::read_dir(&directory).expect("sql/plpgsql is in the repository");
    let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    files.sort();
    for file in files {
        session.run(&fs::read_to_string(&file).expect("a script is UTF-8")).await;
    }
    session
}

impl World {
    /// The side that calls the functions of `schema`, on a database prepared by `setup`.
    pub(super) async fn new(schema: &'static str, setup: &str) -> Self {
        Cluster::shared().await;
        let session = with_oracle().await;
        session.run(setup).await;
        Self { session, schema, ids: Vec::new() }
    }

    /// How many ids there are.
    pub(super) fn ids(&self) -> usize {
        self.ids.len()
    }

    /// Runs a call, in which `@schema` stands for the schema and `@3@` for the id of that number.
    pub(super) async fn call(&mut self, template: &str) -> Outcome {
        let sql = self.render(template);
        let rows = self.session.rows(&sql).await;
        if let Ok(rows) = &rows {
            self.learn(&rows[..]);
        }
        let notices = self.session.notices();
        Outcome {
            rows: match rows {
                Ok(rows) => Ok(rows.iter().map(|row| self.named_row(row)).collect()),
                Err(report) => Err(self.named_report(report)),
            },
            notices: notices.into_iter().map(|notice| self.named_report(notice)).collect(),
        }
    }

    /// Every row of every table, in an order that does not depend on ids.
    pub(super) async fn contents(&self) -> Vec<String> {
        let mut contents = Vec::new();
        for sql in CONTENTS {
            let rows = self.session.rows(sql).await.expect("the tables can be read");
            let mut rows: Vec<_> = rows.iter().map(|row| self.named_row(row).join("|")).collect();
            rows.sort();
            contents.append(&mut rows);
        }
        contents
    }

    fn render(&self, template: &str) -> String {
        let sql = template.replace("@schema", self.schema);
        let names = (0..self.ids.len()).map(name);
        names.zip(&self.ids).fold(sql, |sql, (name, id)| sql.replace(&name, id))
    }

    /// A call that returns one id has made something.
    fn learn(&mut self, rows: &[Vec<String>]) {
        if let [row] = rows
            && let [value] = row.as_slice()
            && value.len() == 36
        {
            self.ids.push(value.clone());
        }
    }

    fn named_row(&self, row: &[String]) -> Vec<String> {
        row.iter().map(|value| self.named(value)).collect()
    }

    fn named_report(&self, report: Report) -> Report {
        let detail = self.named(&report.detail.to_string());
        Report {
            message: self.named(&report.message),
            detail: serde_json::from_str(&detail).expect("a name is plain text inside JSON"),
            ..report
        }
    }

    fn named(&self, text: &str) -> String {
        let ids = self.ids.iter().enumerate();
        ids.fold(text.to_owned(), |text, (index, id)| text.replace(id, &name(index)))
    }
}

/// The name of the id with this number.
pub(super) fn name(index: usize) -> String {
    format!("@{index}@")
}
