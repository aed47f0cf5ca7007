//! The proof that each step goes up, down and up again: in a database of its own, with rows in it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use tokio_postgres::Socket;
use tokio_postgres::tls::MakeTlsConnect;

use crate::apply::begin;
use crate::backup::{self, list};
use crate::catalog::Catalog;
use crate::ledger::{Ledger, Maker, quoted};
use crate::reply::reply;
use crate::{
    Backup, Connection, DownTo, Event, MigrateError, Plan, Runner, Settings, Target, UpTo, Version,
    connect,
};

const DOING: &str = "proving the steps in a shadow database";

/// Makes rows up.
const SEED: &str = include_str!("seed.sql");

/// The tables, each with its columns.
const TABLES: &str = "
    SELECT c.oid::regclass::text,
           (SELECT coalesce(array_agg(a.attname::text ORDER BY a.attname), '{}') FROM pg_attribute AS a
             WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)
      FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname !~ '^pg_'
       AND n.nspname NOT IN ('information_schema', 'taskmaster_migrations', 'taskmaster_backup')
       AND c.relname <> 'schema_migrations'";

/// What the proof went through.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proven {
    /// Steps that went up, down and up again.
    pub steps: Vec<Version>,
    /// Steps that say that they cannot go down.
    pub irreversible: Vec<Version>,
    /// Tables that held rows while the last step went down and up.
    pub tables_with_rows: usize,
    /// Tables for which no row could be made up: the server's words.
    pub without_rows: Vec<String>,
}

/// Makes a shadow database on the target's server, with the product's steps if the target has them and
/// the plan is a project's, and in it takes each step up, down and up again,
/// with rows in the tables. It is dropped at the end, whatever came of it.
///
/// # Errors
/// The failure of a step on its way; [`MigrateError::NotRepeatable`] when a second way up makes
/// something else than the first or when rows that were there before the step do not survive its way
/// down; [`MigrateError::Server`] and [`MigrateError::NoAnswer`], 42501 without the right to make a database.
///
/// # Cancel safety
/// A cancelled call leaves the shadow database behind; its name begins with `taskmaster_shadow_`.
pub async fn prove<T>(
    target: &Target,
    tls: T,
    plan: &Plan,
    observe: &mut (dyn FnMut(&Event) + Send),
) -> Result<Proven, MigrateError>
where
    T: MakeTlsConnect<Socket> + Clone,
    T::Stream: Send + 'static,
{
    let settings = Settings::default();
    let home = connect(target, tls.clone()).await?;
    let name =
        format!("taskmaster_shadow_{}_{}", std::process::id(), crate::retry::chance_number());
    let make = format!("CREATE DATABASE {} TEMPLATE template0", quoted(&name));
    reply(DOING, settings.reply_timeout(), home.client.batch_execute(&make)).await?;
    let shadow = Target { dbname: name.clone(), ..target.clone() };
    let beside_product = plan.ledger().maker == Maker::Runner
        && Ledger::product().exists(&home.client, &settings).await?;
    let outcome = async {
        let mut connection = connect(&shadow, tls).await?;
        if beside_product {
            // Steps of a project may build on the product's, where the database has these.
            let mut product = Runner::new(connection);
            product.up(UpTo::Latest, observe).await?;
            connection = product.connection;
        }
        Proof::new(connection, plan, &settings).run(observe).await
    }
    .await;
    let drop = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", quoted(&name));
    let dropped = reply(DOING, settings.reply_timeout(), home.client.batch_execute(&drop)).await;
    // What the steps did comes first; a database that stays behind is an error where all went well.
    let proven = outcome?;
    dropped.map(|()| proven)
}

struct Proof<'a> {
    runner: Runner,
    plan: &'a Plan,
    proven: Proven,
    /// Tables that hold made-up rows and no others.
    made_up: BTreeSet<String>,
}

/// A table, its columns, and the copy of its rows.
#[derive(Debug, Clone)]
struct Held {
    table: String,
    columns: Vec<String>,
    copy: String,
}

impl<'a> Proof<'a> {
    fn new(connection: Connection, plan: &'a Plan, settings: &Settings) -> Self {
        // Copies of rows that a way down drops would be in the way of nothing, and take their time.
        let settings = Settings { backup: Backup::Skipped, ..settings.clone() };
        let runner = Runner::with_plan(connection, plan.clone()).settings(settings);
        Self { runner, plan, proven: Proven::default(), made_up: BTreeSet::new() }
    }

    async fn run(
        mut self,
        observe: &mut (dyn FnMut(&Event) + Send),
    ) -> Result<Proven, MigrateError> {
        for step in self.plan.steps() {
            let version = step.version;
            let held = self.up_with_rows(version, observe).await?;
            if step.down.is_none() {
                self.proven.irreversible.push(version);
                continue;
            }
            let first = self.catalog().await?;
            let columns_up = self.columns().await?;
            self.seed().await?;
            // With rows in what the step made: whether its way down stands that is the question.
            self.runner.down(DownTo::Previous, observe).await?;
            self.compare_rows(version, &held, &columns_up).await?;
            self.up_with_rows(version, observe).await?;
            let differences = first.differences(&self.catalog().await?);
            if !differences.is_empty() {
                let what =
                    differences.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
                let what = format!("a second way up makes something else than the first: {what}");
                return Err(MigrateError::NotRepeatable { version, what });
            }
            self.seed().await?;
            self.proven.steps.push(version);
        }
        self.proven.tables_with_rows = self.filled().await?;
        Ok(self.proven)
    }

    /// Applies a step beside rows. Where rows that were made up do not fit what the step demands of
    /// rows, they go first. Gives what was there before the step.
    async fn up_with_rows(
        &mut self,
        version: Version,
        observe: &mut (dyn FnMut(&Event) + Send),
    ) -> Result<Vec<Held>, MigrateError> {
        let held = self.hold().await?;
        match self.runner.up(UpTo::Version(version), observe).await {
            Ok(_report) => return Ok(held),
            // Class 23, integrity constraint violation.
            Err(error) if error.sqlstate().is_some_and(|code| code.starts_with("23")) => {}
            Err(error) => return Err(error),
        }
        let tables = std::mem::take(&mut self.made_up).into_iter().collect::<Vec<_>>().join(", ");
        let Runner { connection, settings, .. } = &mut self.runner;
        let sql = format!("TRUNCATE {tables} CASCADE");
        reply(DOING, settings.reply_timeout(), connection.client.batch_execute(&sql)).await?;
        let held = self.hold().await?;
        self.runner.up(UpTo::Version(version), observe).await?;
        Ok(held)
    }

    async fn catalog(&mut self) -> Result<Catalog, MigrateError> {
        let Runner { connection, settings, .. } = &mut self.runner;
        let transaction = begin(&mut connection.client, settings, "pg_catalog").await?;
        Catalog::read(&transaction, settings).await
    }

    async fn seed(&mut self) -> Result<(), MigrateError> {
        let Runner { connection, settings, .. } = &mut self.runner;
        let transaction = begin(&mut connection.client, settings, "pg_catalog").await?;
        reply(DOING, settings.reply_timeout(), transaction.batch_execute(SEED)).await?;
        reply(DOING, settings.reply_timeout(), transaction.commit()).await?;
        self.proven.without_rows.clear();
        while let Some(Event::Notice { message, .. }) = connection.take_notice() {
            if let Some(table) = message.strip_prefix("made rows for table ") {
                self.made_up.insert(table.to_owned());
            } else if message.starts_with("no row for table ") {
                self.proven.without_rows.push(message);
            }
        }
        Ok(())
    }

    /// Keeps what the tables hold.
    async fn hold(&mut self) -> Result<Vec<Held>, MigrateError> {
        let Runner { connection, settings, .. } = &mut self.runner;
        let limit = settings.reply_timeout();
        let transaction = begin(&mut connection.client, settings, "pg_catalog").await?;
        let rows = reply(DOING, limit, transaction.query(TABLES, &[])).await?;
        let mut sql = "SET LOCAL client_min_messages = warning; DROP SCHEMA IF EXISTS taskmaster_backup CASCADE; \
                       CREATE SCHEMA taskmaster_backup;"
            .to_owned();
        let mut held = Vec::new();
        for (number, row) in rows.iter().enumerate() {
            let (table, columns): (String, Vec<String>) = (row.get(0), row.get(1));
            let copy = format!("taskmaster_backup.held_{number}");
            let _ = write!(sql, "CREATE TABLE {copy} AS SELECT {} FROM {table};", list(&columns));
            held.push(Held { table, columns, copy });
        }
        reply(DOING, limit, transaction.batch_execute(&sql)).await?;
        reply(DOING, limit, transaction.commit()).await?;
        Ok(held)
    }

    /// The columns of the tables, by the tables' names.
    async fn columns(&mut self) -> Result<BTreeMap<String, Vec<String>>, MigrateError> {
        let Runner { connection, settings, .. } = &mut self.runner;
        let transaction = begin(&mut connection.client, settings, "pg_catalog").await?;
        let rows = reply(DOING, settings.reply_timeout(), transaction.query(TABLES, &[])).await?;
        Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
    }

    /// Rows that were there before the step are there after its way down, and where they held a value
    /// they hold one. What a column held that the way up dropped or made anew, it holds again.
    async fn compare_rows(
        &mut self,
        version: Version,
        held: &[Held],
        columns_up: &BTreeMap<String, Vec<String>>,
    ) -> Result<(), MigrateError> {
        let columns_now = self.columns().await?;
        let Runner { connection, settings, .. } = &mut self.runner;
        let transaction = begin(&mut connection.client, settings, "pg_catalog").await?;
        for one in held {
            let Some(now) = columns_now.get(&one.table) else { continue };
            let key = backup::key(&transaction, &one.table, settings).await?;
            let up = columns_up.get(&one.table);
            let there = one.columns.iter().filter(|column| now.contains(column)).cloned();
            let (kept, again): (Vec<String>, Vec<String>) =
                there.partition(|column| up.is_some_and(|up| up.contains(column)));
            let mut missing = 0;
            for sql in [one.vanished(&key, &kept), one.other(&again)].into_iter().flatten() {
                let row = reply(DOING, settings.reply_timeout(), transaction.query_one(&sql, &[]))
                    .await?;
                missing += row.get::<_, i64>(0);
            }
            if missing > 0 {
                let what = format!(
                    "up and down again, {missing} rows of {} are not what they were",
                    one.table
                );
                return Err(MigrateError::NotRepeatable { version, what });
            }
        }
        Ok(())
    }

    /// How many tables hold rows.
    async fn filled(&mut self) -> Result<usize, MigrateError> {
        let held = self.hold().await?;
        let Runner { connection, settings, .. } = &mut self.runner;
        let mut filled = 0;
        for Held { copy, .. } in held {
            let sql = format!("SELECT EXISTS (SELECT FROM {copy})");
            let row =
                reply(DOING, settings.reply_timeout(), connection.client.query_one(&sql, &[]))
                    .await?;
            filled += usize::from(row.get::<_, bool>(0));
        }
        Ok(filled)
    }
}

impl Held {
    /// Asks how many rows are gone, or hold nothing where they held something.
    fn vanished(&self, key: &[String], columns: &[String]) -> Option<String> {
        if key.is_empty() || key.iter().any(|column| !columns.contains(column)) {
            return None;
        }
        let same = key.iter().map(|column| format!("t.{0} = b.{0}", quoted(column)));
        let gone = columns
            .iter()
            .map(|column| format!("(b.{0} IS NOT NULL AND t.{0} IS NULL)", quoted(column)));
        Some(format!(
            "SELECT count(*) FROM {} AS b LEFT JOIN {} AS t ON {} WHERE {}",
            self.copy,
            self.table,
            same.collect::<Vec<_>>().join(" AND "),
            gone.collect::<Vec<_>>().join(" OR ")
        ))
    }

    /// Asks how many rows are not as they were in these columns.
    fn other(&self, columns: &[String]) -> Option<String> {
        let list = list(columns);
        (!columns.is_empty()).then(|| {
            format!(
                "SELECT count(*) FROM (SELECT ROW({list})::text FROM {} EXCEPT ALL SELECT ROW({list})::text FROM {}) AS other",
                self.copy, self.table
            )
        })
    }
}
