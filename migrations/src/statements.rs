//! A step without a transaction: each statement by itself, and how far it has come.
//!
//! A statement that PostgreSQL allows in a transaction is committed together with the note that it
//! is done. Before one that it does not allow, the note says that it is begun; when the runner comes
//! back and finds that note, the catalog tells whether the statement took effect.

use std::time::Instant;

use sha2::{Digest, Sha256};
use tokio_postgres::Client;

use crate::apply::{self, Done, begin, run_one};
use crate::catalog::Catalog;
use crate::change::{Change, Frame, Record};
use crate::ledger::literal;
use crate::reply::reply;
use crate::runner::Observer;
use crate::script::{Script, Statement};
use crate::unbound::{Name, Question, is_unbound};
use crate::{Direction, Event, MigrateError, Version};

const DOING: &str = "noting how far the step has come";

const READ: &str = "
    SELECT version, direction, description, statements_done, statement_begun, done_checksum, script, down_sql
      FROM taskmaster_migrations.progress WHERE ledger = $1";

const NOTE: &str = "
    INSERT INTO taskmaster_migrations.progress
        (ledger, version, direction, description, statements_done, statement_begun, done_checksum, script, down_sql,
         tool_version)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
    ON CONFLICT (ledger, version) DO UPDATE
       SET statements_done = EXCLUDED.statements_done, statement_begun = EXCLUDED.statement_begun,
           direction = EXCLUDED.direction, done_checksum = EXCLUDED.done_checksum, script = EXCLUDED.script";

const CLEAR: &str = "DELETE FROM taskmaster_migrations.progress WHERE ledger = $1 AND version = $2";

/// How far a step has come that is not through.
#[derive(Debug, Clone)]
pub(crate) struct Progress {
    pub(crate) version: Version,
    pub(crate) direction: Direction,
    pub(crate) description: String,
    /// Statements that are done.
    pub(crate) done: i32,
    /// The statement after them was begun, and nobody knows how it ended.
    pub(crate) begun: Option<i32>,
    pub(crate) done_checksum: String,
    /// The text of the script as it was begun.
    pub(crate) script: String,
    /// The step's way down, as it was when the way up was begun.
    pub(crate) down_sql: Option<String>,
}

/// The step of a ledger that is not through, if there is one.
///
/// # Errors
/// [`MigrateError::Server`] and [`MigrateError::NoAnswer`].
///
/// # Cancel safety
/// Changes nothing, at any point.
pub(crate) async fn unfinished(
    client: &Client,
    frame: Frame<'_>,
) -> Result<Option<Progress>, MigrateError> {
    if !crate::history::exists(client, frame.settings).await? {
        return Ok(None);
    }
    let row = reply(
        DOING,
        frame.settings.reply_timeout(),
        client.query_opt(READ, &[&frame.ledger.schema]),
    )
    .await?;
    row.map(|row| {
        Ok(Progress {
            version: row.get::<_, &str>(0).parse()?,
            direction: if row.get::<_, &str>(1) == "up" { Direction::Up } else { Direction::Down },
            description: row.get(2),
            done: row.get(3),
            begun: row.get(4),
            done_checksum: row.get(5),
            script: row.get(6),
            down_sql: row.get(7),
        })
    })
    .transpose()
}

/// Runs the statements of a change from where it stopped, or from the first one, and records it.
///
/// # Errors
/// [`MigrateError::UnfinishedChanged`]; [`MigrateError::Step`] and the others of
/// [`apply::attempt`]: then the statements before stay, and the note says so.
///
/// # Cancel safety
/// The note tells how far it has come; the next run goes on from there.
pub(crate) async fn attempt(
    client: &mut Client,
    change: &Change,
    before: &Catalog,
    frame: Frame<'_>,
    observe: Observer<'_>,
) -> Result<Done, MigrateError> {
    let started = Instant::now();
    let progress = unfinished(client, frame).await?;
    let progress =
        progress.filter(|one| one.version == change.version && one.direction == change.direction());
    let mut run =
        Run { client, change, frame, tolerant: Tolerance::of(change), events: Vec::new() };
    let first = run.position(progress.as_ref()).await?;
    let of = change.script.statements.len();
    for (index, statement) in change.script.statements.iter().enumerate().skip(first) {
        run.statement(index, statement, observe).await?;
        observe(&Event::StatementDone { version: change.version, statement: index + 1, of });
    }
    run.finish(before, started).await
}

/// What a statement on the way back from a step that never got through may meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tolerance {
    /// Every error counts.
    None,
    /// What it was to remove may not be there yet.
    NotThere,
}

impl Tolerance {
    fn of(change: &Change) -> Self {
        match change.record {
            Record::Abandon => Self::NotThere,
            _ => Self::None,
        }
    }

    fn passes(self, error: &MigrateError) -> bool {
        // undefined_object, undefined_table, undefined_column, undefined_function, and
        // invalid_schema_name for what was never made.
        const NOT_THERE: [&str; 5] = ["42704", "42P01", "42703", "42883", "3F000"];
        self == Self::NotThere && error.sqlstate().is_some_and(|code| NOT_THERE.contains(&code))
    }
}

struct Run<'a> {
    client: &'a mut Client,
    change: &'a Change,
    frame: Frame<'a>,
    tolerant: Tolerance,
    events: Vec<Event>,
}

impl Run<'_> {
    /// The index of the statement to go on with.
    async fn position(&mut self, progress: Option<&Progress>) -> Result<usize, MigrateError> {
        let Some(progress) = progress else { return Ok(0) };
        let done = usize::try_from(progress.done).unwrap_or_default();
        if prefix_checksum(&self.change.script, done) != Some(progress.done_checksum.clone()) {
            return Err(MigrateError::UnfinishedChanged {
                file: self.change.script.file.clone(),
                version: self.change.version,
                done: progress.done,
            });
        }
        let begun = progress.begun.and_then(|_| self.change.script.statements.get(done));
        // The statement that was begun is the one in the note, not what the file has there now.
        let noted = Script::parse(&self.change.script.file, &progress.script)?;
        let same =
            begun.zip(noted.statements.get(done)).is_some_and(|(now, then)| now.text == then.text);
        match begun {
            Some(statement) if same && self.took_effect(statement).await? => {
                self.note(done + 1, None).await?;
                Ok(done + 1)
            }
            Some(_) => {
                if let Some(then) = noted.statements.get(done) {
                    self.clean_up(then).await?;
                }
                Ok(done)
            }
            None => Ok(done),
        }
    }

    async fn statement(
        &mut self,
        index: usize,
        statement: &Statement,
        observe: Observer<'_>,
    ) -> Result<(), MigrateError> {
        if is_unbound(&statement.node) {
            self.unbound(index, statement).await
        } else {
            self.bound(index, statement, observe).await
        }
    }

    /// One that is committed together with the note.
    async fn bound(
        &mut self,
        index: usize,
        statement: &Statement,
        observe: Observer<'_>,
    ) -> Result<(), MigrateError> {
        let settings = &self.change.settings;
        let transaction = begin(self.client, settings, &self.change.search_path).await?;
        let ran = apply::guarded(
            &transaction,
            self.change,
            std::slice::from_ref(statement),
            self.frame,
            observe,
        )
        .await;
        match ran {
            Ok(events) => self.events.extend(events),
            Err(error) if self.tolerant.passes(&error) => {
                drop(transaction);
                return self.note(index + 1, None).await;
            }
            Err(error) => return Err(error),
        }
        note(&transaction, self.change, self.frame, (index + 1, None)).await?;
        reply(DOING, settings.reply_timeout(), transaction.commit()).await
    }

    /// One that cannot be: what it was is noted before, that it is done after it.
    async fn unbound(&mut self, index: usize, statement: &Statement) -> Result<(), MigrateError> {
        self.note(index, Some(index + 1)).await?;
        // A lock that is waited for in vain leaves an invalid index behind; while an index is built
        // concurrently, those who wait for its locks wait for nobody else.
        let prelude = format!(
            "SET standard_conforming_strings = on; SET lock_timeout = 0; SET statement_timeout = {}; SET search_path = {}",
            self.change.settings.statement_timeout.as_millis(),
            self.change.search_path,
        );
        let limit = self.change.settings.reply_timeout();
        for setting in prelude.split("; ") {
            reply(DOING, limit, self.client.batch_execute(setting)).await?;
        }
        let ran = run_one(self.client, self.change, statement).await;
        let reset = "RESET lock_timeout; RESET statement_timeout; RESET search_path; RESET standard_conforming_strings";
        match ran {
            Ok(()) => reply(DOING, limit, self.client.batch_execute(reset)).await?,
            Err(error) => {
                reply(DOING, limit, self.client.batch_execute(reset)).await?;
                self.clean_up(statement).await?;
                if !self.tolerant.passes(&error) {
                    self.note(index, None).await?;
                    return Err(error);
                }
            }
        }
        self.note(index + 1, None).await
    }

    async fn note(&mut self, done: usize, begun: Option<usize>) -> Result<(), MigrateError> {
        let settings = self.frame.settings;
        let transaction = begin(self.client, settings, "pg_catalog").await?;
        note(&transaction, self.change, self.frame, (done, begun)).await?;
        reply(DOING, settings.reply_timeout(), transaction.commit()).await
    }

    /// Whether a statement took effect of which only the beginning is known. The same again is as
    /// good where it changes nothing that is there.
    async fn took_effect(&self, statement: &Statement) -> Result<bool, MigrateError> {
        let regclass = |name: &Name| {
            format!("to_regclass({})", literal(&name.sql(self.change.first_schema())))
        };
        let question = match Question::about(statement) {
            Question::Index(index) => format!(
                "SELECT EXISTS (SELECT FROM pg_index WHERE indexrelid = {} AND indisvalid)",
                regclass(&index)
            ),
            Question::Gone(names) => {
                let gone = names.iter().map(|name| format!("{} IS NULL", regclass(name)));
                format!("SELECT {}", gone.collect::<Vec<_>>().join(" AND "))
            }
            Question::Detached(_, partition) => format!(
                "SELECT NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = {})",
                regclass(&partition)
            ),
            Question::Database(name) => {
                format!(
                    "SELECT EXISTS (SELECT FROM pg_database WHERE datname = {})",
                    literal(&name)
                )
            }
            Question::NoDatabase(name) => {
                format!(
                    "SELECT NOT EXISTS (SELECT FROM pg_database WHERE datname = {})",
                    literal(&name)
                )
            }
            Question::RebuiltIndex(_) | Question::RebuiltTable(_) | Question::Nothing => {
                return Ok(false);
            }
        };
        self.ask(&question).await
    }

    /// Removes what a statement left behind that did not get through.
    async fn clean_up(&self, statement: &Statement) -> Result<(), MigrateError> {
        const DOING: &str = "removing what an interrupted statement left";
        let settings = &self.change.settings;
        let regclass = |name: &Name| {
            format!("to_regclass({})", literal(&name.sql(self.change.first_schema())))
        };
        // Their names: src/backend/commands/indexcmds.c, ReindexRelationConcurrently.
        let commands = match Question::about(statement) {
            Question::Index(index) => invalid(&format!("i.indexrelid = {}", regclass(&index))),
            Question::RebuiltIndex(index) => invalid(&format!(
                r"c.relname ~ (E'^' || {} || E'_cc(new|old)\\d*$') AND i.indrelid = (SELECT indrelid FROM pg_index WHERE indexrelid = {})",
                literal(&index.name),
                regclass(&index)
            )),
            Question::RebuiltTable(table) => invalid(&format!(
                r"c.relname ~ '_cc(new|old)\d*$' AND i.indrelid = {}",
                regclass(&table)
            )),
            Question::Detached(table, partition) => {
                let (table, sql) = (
                    table.sql(self.change.first_schema()),
                    partition.sql(self.change.first_schema()),
                );
                format!(
                    "SELECT {} WHERE EXISTS (SELECT FROM pg_inherits WHERE inhrelid = {} AND inhdetachpending)",
                    literal(&format!("ALTER TABLE {table} DETACH PARTITION {sql} FINALIZE")),
                    regclass(&partition),
                )
            }
            _ => return Ok(()),
        };
        let rows =
            reply(DOING, settings.reply_timeout(), self.client.query(&commands, &[])).await?;
        for row in rows {
            let command: String = row.get(0);
            tracing::info!(command, DOING);
            reply(DOING, settings.reply_timeout(), self.client.batch_execute(&command)).await?;
        }
        Ok(())
    }

    async fn ask(&self, question: &str) -> Result<bool, MigrateError> {
        const DOING: &str = "asking whether a statement took effect";
        Ok(reply(DOING, self.change.settings.reply_timeout(), self.client.query_one(question, &[]))
            .await?
            .get(0))
    }

    /// The record, in place of the note.
    async fn finish(&mut self, before: &Catalog, started: Instant) -> Result<Done, MigrateError> {
        let settings = &self.change.settings;
        let limit = settings.reply_timeout();
        let transaction = begin(self.client, settings, &self.change.search_path).await?;
        if let Record::Delete = self.change.record {
            let struck = self.frame.ledger.delete(&transaction, self.change.version);
            reply("striking the step out of the ledger", limit, struck).await?;
        }
        let mut events = std::mem::take(&mut self.events);
        let catalog =
            apply::record(&transaction, self.change, before, self.frame, started, &mut events)
                .await?;
        let version = self.change.version.to_string();
        reply(DOING, limit, transaction.execute(CLEAR, &[&self.frame.ledger.schema, &version]))
            .await?;
        if let Record::Insert { verify: Some(script), .. } = &self.change.record {
            apply::check(&transaction, self.change.version, script, settings).await?;
        }
        reply("committing the step", limit, transaction.commit()).await?;
        Ok(Done { duration: started.elapsed(), catalog, events })
    }
}

async fn note(
    transaction: &tokio_postgres::Transaction<'_>,
    change: &Change,
    frame: Frame<'_>,
    (done, begun): (usize, Option<usize>),
) -> Result<(), MigrateError> {
    let number = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
    let checksum = prefix_checksum(&change.script, done).unwrap_or_default();
    let down = match &change.record {
        Record::Insert { step, .. } => step.stored_down(),
        _ => None,
    };
    let row: [&(dyn tokio_postgres::types::ToSql + Sync); 10] = [
        &frame.ledger.schema,
        &change.version.to_string(),
        &change.direction().to_string(),
        &change.name,
        &number(done),
        &begun.map(number),
        &checksum,
        &change.script.text,
        &down,
        &env!("CARGO_PKG_VERSION"),
    ];
    reply(DOING, frame.settings.reply_timeout(), transaction.execute(NOTE, &row))
        .await
        .map(|_row| ())
}

/// The sha256 of the first statements of a script; none when it has not as many.
fn prefix_checksum(script: &Script, count: usize) -> Option<String> {
    let mut digest = Sha256::new();
    for statement in script.statements.get(..count)? {
        digest.update((statement.text.len() as u64).to_be_bytes());
        digest.update(statement.text.as_bytes());
    }
    Some(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The commands that drop invalid indexes.
fn invalid(which: &str) -> String {
    format!(
        "SELECT format('DROP INDEX CONCURRENTLY %I.%I', n.nspname, c.relname) \
           FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace \
          WHERE NOT i.indisvalid AND NOT c.relispartition AND ({which})"
    )
}
