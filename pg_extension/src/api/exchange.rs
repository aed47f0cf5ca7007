//! `import_taskmaster_json`, `export_taskmaster_json`.

use pgrx::iter::TableIterator;
use pgrx::{Uuid, default, name, pg_extern};

use crate::domain::argument::Argument;
use crate::store::exchange::{self, Run};
use crate::store::{JsonText, Jsonb, OrRaise};

/// The largest file.
const FILE_BYTES_MAX: usize = 64 * 1_048_576;

/// Makes the tasks of a `tasks.json` of Task Master that were not imported before, all or none, and
/// returns what becomes of each; a trial run, which is the default, only says so.
#[pg_extern(volatile, parallel_unsafe)]
fn import_taskmaster_json(
    p_doc: Option<Jsonb>,
    p_dry_run: default!(Option<bool>, "true"),
) -> TableIterator<
    'static,
    (
        name!(tag, String),
        name!(number, String),
        name!(title, String),
        name!(action, String),
        name!(task_id, Option<Uuid>),
    ),
> {
    let document = Argument("p_doc").required(p_doc);
    let document = document.and_then(|doc| doc.read("p_doc", FILE_BYTES_MAX)).or_raise();
    let run = if p_dry_run == Some(false) { Run::Real } else { Run::Trial };
    let imported = exchange::import(&document, run).or_raise().into_iter();
    TableIterator::new(
        imported.map(|task| (task.tag, task.number, task.title, task.action.to_owned(), task.task)),
    )
}

/// The `tasks.json` of Task Master that holds every task, or those of one tag.
#[pg_extern(stable, parallel_safe)]
fn export_taskmaster_json(p_tag: default!(Option<&str>, "NULL")) -> JsonText {
    JsonText(exchange::export(p_tag).to_string())
}
