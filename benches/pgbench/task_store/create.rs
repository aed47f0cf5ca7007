//! One task: by the extension's function and by its PL/pgSQL twin.

use std::fmt::{self, Display, Formatter};
use std::fs;

use harness::{Cluster, run_dir};

use crate::error::BenchError;
use crate::instructions::Counter;
use crate::load::Script;
use crate::metric::install_plpgsql;

/// Who creates the task, and how.
const WRITERS: [(&str, &str); 3] = [
    (
        "create_task, native",
        "select taskmaster.create_task('Mend the parser', 'It stops at a comma', 'bug_fix', 5)",
    ),
    (
        "create_task, PL/pgSQL",
        "select taskmaster_plpgsql.create_task('Mend the parser', 'It stops at a comma', 'bug_fix', 5)",
    ),
    (
        "INSERT of task and event",
        "with made as (insert into taskmaster.tasks (title, description, type, priority) \
         values ('Mend the parser', 'It stops at a comma', 'bug_fix', 5) returning id) \
         insert into taskmaster.task_events (task_id, kind, to_status) select id, 'created', 'pending' from made",
    ),
];

/// Instructions of a transaction with one call.
#[derive(Debug)]
pub(super) struct Create(Vec<(&'static str, f64)>);

/// Counts.
pub(super) async fn measure(cluster: &Cluster) -> Result<Create, BenchError> {
    let database = cluster.database().await;
    install_plpgsql(&database).await?;
    let scripts = WRITERS.iter().map(|(_, sql)| script(sql)).collect::<Result<Vec<_>, _>>()?;
    let counter = Counter::start(&database, &scripts[0]).await?;
    let mut counts = Vec::new();
    for ((name, _), script) in WRITERS.iter().zip(&scripts) {
        let count = counter.by_transaction(script, "").await?;
        println!("{name}: {count:.0} instructions a transaction");
        counts.push((*name, count));
    }
    Ok(Create(counts))
}

fn script(sql: &str) -> Result<Script, BenchError> {
    let file = run_dir::fresh_dir("script").join("call.sql");
    fs::write(&file, format!("{sql};\n"))
        .map_err(BenchError::io("writing a script for pgbench"))?;
    Ok(Script::File(file))
}

impl Display for Create {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "One task by a prepared call in a transaction of its own: all that the backend does for it. Ratios to PL/pgSQL.\n\n\
             | writer | instructions | ratio |\n|---|---|---|"
        )?;
        let oracle = self.0[1].1;
        for (name, count) in &self.0 {
            writeln!(f, "| {name} | {count:.0} | {:.2} |", count / oracle)?;
        }
        Ok(())
    }
}
