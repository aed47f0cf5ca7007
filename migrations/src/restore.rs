//! Brings the rows of a backup back into their tables.
//!
//! Rows and values that are there already stay, unless told otherwise. Must not know why the backup
//! was taken.

use std::fmt;

use tokio_postgres::{GenericClient, Transaction};

use crate::backup::{BackupRecord, Holds, TableCopy, list};
use crate::ledger::{literal, quoted};
use crate::proof::{Comparison, Extent, Proof, Unwritten, missing_rows, same_key};
use crate::reply::reply;
use crate::{MigrateError, Settings};

const DOING: &str = "bringing rows back";

/// Columns, and those of them that can be written.
const COLUMNS: &str = "
    SELECT coalesce(array_agg(attname::text), '{}'),
           coalesce(array_agg(attname::text) FILTER (WHERE attgenerated = ''), '{}')
      FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped";

/// The triggers of a table and its partitions that fire in this session, with the table.
const TRIGGERS: &str = "
    SELECT g.tgrelid::regclass::text, quote_ident(g.tgname), g.tgenabled = 'A'
      FROM pg_trigger AS g
     WHERE (g.tgrelid = $1::text::regclass OR g.tgrelid IN (SELECT relid FROM pg_partition_tree($1::text::regclass)))
       AND NOT g.tgisinternal AND g.tgenabled IN ('O', 'A') AND g.tgparentid = 0";

/// For each table of $1, the others of $1 that it refers to by foreign keys.
const REFERS: &str = "
    SELECT conrelid::regclass::oid, confrelid::regclass::oid FROM pg_constraint
     WHERE contype = 'f' AND conrelid <> confrelid
       AND conrelid = ANY ($1::text[]::regclass[]::oid[]) AND confrelid = ANY ($1::text[]::regclass[]::oid[])";

/// What becomes of rows that are there already, and of values in columns that came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Present {
    /// They stay.
    Stay,
    /// The backup's take their place.
    Overwritten,
}

/// What came back into one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// The table.
    pub table: String,
    /// Rows that the backup holds.
    pub held: i64,
    /// Rows that were put in or written over.
    pub written: u64,
    /// How far the table was compared with the backup.
    pub proof: Proof,
}

impl fmt::Display for Restored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { table, held, written, proof } = self;
        let stayed = u64::try_from(*held).unwrap_or_default().saturating_sub(*written);
        write!(f, "{table}: {written} of {held} rows written")?;
        if stayed > 0 {
            write!(f, ", {stayed} were there already or have no row to go to")?;
        }
        write!(f, "; {proof}")
    }
}

/// Brings a backup back, in the order in which the tables refer to each other.
///
/// # Errors
/// [`MigrateError::Restore`] before anything is written when a table or column is not there, or when
/// what came back is not what the backup holds; [`MigrateError::Server`], [`MigrateError::NoAnswer`].
///
/// # Cancel safety
/// Part of the transaction.
pub(crate) async fn run(
    transaction: &Transaction<'_>,
    backup: &BackupRecord,
    present: Present,
    settings: &Settings,
) -> Result<Vec<Restored>, MigrateError> {
    let off = transaction.batch_execute("SET LOCAL row_security = off");
    reply(DOING, settings.reply_timeout(), off).await?;
    for copy in &backup.tables {
        check(transaction, backup.id, copy, settings).await?;
    }
    let mut restored = Vec::new();
    for copy in in_order(transaction, &backup.tables, settings).await? {
        restored.push(table(transaction, backup.id, copy, present, settings).await?);
    }
    Ok(restored)
}

/// Whether the table, its columns and the copy are there.
async fn check(
    client: &impl GenericClient,
    id: i64,
    copy: &TableCopy,
    settings: &Settings,
) -> Result<(), MigrateError> {
    let refuse = |reason: String| Err(MigrateError::Restore { id, reason });
    for (name, what) in [(copy.table_sql(), "table"), (copy.copy_sql(), "copy")] {
        if columns(client, &name, settings).await?.0.is_empty() {
            return refuse(format!("the {what} {name} is not there"));
        }
    }
    let (there, _) = columns(client, &copy.table_sql(), settings).await?;
    let missing =
        copy.columns.iter().find(|column| copy.holds == Holds::Columns && !there.contains(column));
    match missing {
        Some(column) => refuse(format!("column {column} of {} is not there", copy.table_sql())),
        None => Ok(()),
    }
}

/// The columns of a table, and those of them that can be written; none when it is not there.
async fn columns(
    client: &impl GenericClient,
    table: &str,
    settings: &Settings,
) -> Result<(Vec<String>, Vec<String>), MigrateError> {
    let row = reply(DOING, settings.reply_timeout(), client.query_one(COLUMNS, &[&table])).await?;
    Ok((row.get(0), row.get(1)))
}

/// The copies, those first that others refer to.
async fn in_order<'a>(
    client: &impl GenericClient,
    copies: &'a [TableCopy],
    settings: &Settings,
) -> Result<Vec<&'a TableCopy>, MigrateError> {
    const OIDS: &str = "SELECT $1::text[]::regclass[]::oid[]";
    let names: Vec<String> = copies.iter().map(TableCopy::table_sql).collect();
    let limit = settings.reply_timeout();
    let oids: Vec<u32> = reply(DOING, limit, client.query_one(OIDS, &[&names])).await?.get(0);
    let rows = reply(DOING, limit, client.query(REFERS, &[&names])).await?;
    let refers: Vec<(u32, u32)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let mut left: Vec<(u32, &TableCopy)> = oids.into_iter().zip(copies).collect();
    let mut ordered = Vec::with_capacity(left.len());
    while !left.is_empty() {
        let waits = |oid: u32| {
            refers
                .iter()
                .any(|(from, to)| *from == oid && left.iter().any(|(other, _)| other == to))
        };
        // Tables that refer to each other in a circle come in the order of the backup: their keys
        // must be deferrable, or PostgreSQL says which one is in the way.
        let next = left.iter().position(|(oid, _)| !waits(*oid)).unwrap_or(0);
        ordered.push(left.remove(next).1);
    }
    Ok(ordered)
}

async fn table(
    transaction: &Transaction<'_>,
    id: i64,
    copy: &TableCopy,
    present: Present,
    settings: &Settings,
) -> Result<Restored, MigrateError> {
    let limit = settings.reply_timeout();
    let table = copy.table_sql();
    let empty = format!("SELECT NOT EXISTS (SELECT FROM {table})");
    let empty: bool = reply(DOING, limit, transaction.query_one(&empty, &[])).await?.get(0);
    let was_empty = empty && copy.holds == Holds::Rows;
    let (there, writable) = columns(transaction, &table, settings).await?;
    let extent = match copy.columns.iter().all(|column| there.contains(column)) {
        true => Extent::AllColumns,
        false => Extent::SomeColumns,
    };
    let columns: Vec<String> =
        copy.columns.iter().filter(|column| writable.contains(column)).cloned().collect();
    let unwritten = match copy.holds {
        Holds::Columns => Some(Unwritten::of_table(transaction, &table, settings).await?),
        Holds::Rows => None,
    };
    let mut comparison = Comparison::new(copy, columns.clone(), extent);
    if was_empty {
        comparison = comparison.of_empty_table();
    } else if present == Present::Stay {
        comparison.count_what_stays(transaction, unwritten.as_ref(), settings).await?;
    }
    let sql = match unwritten {
        Some(unwritten) => {
            write_columns(copy, &columns, (present == Present::Stay).then_some(&unwritten))
        }
        None if was_empty => insert(copy, &columns, ""),
        None => write_rows(copy, &columns, present),
    };
    let written = without_triggers(transaction, &table, &sql, settings).await?;
    reply(DOING, limit, transaction.batch_execute(&advance_sequences(copy))).await?;
    let proof = comparison.finish(transaction, id, settings).await?;
    Ok(Restored { table, held: copy.rows, written, proof })
}

/// Writes rows. A trigger would change what comes back, or write it down as somebody's deed.
async fn without_triggers(
    transaction: &Transaction<'_>,
    table: &str,
    sql: &str,
    settings: &Settings,
) -> Result<u64, MigrateError> {
    let limit = settings.reply_timeout();
    let triggers = reply(DOING, limit, transaction.query(TRIGGERS, &[&table])).await?;
    let switch = |how: fn(bool) -> &'static str| -> String {
        triggers
            .iter()
            .map(|row| (row.get::<_, String>(0), row.get::<_, String>(1), row.get::<_, bool>(2)))
            .map(|(table, name, always)| {
                format!("ALTER TABLE {table} {} TRIGGER {name};", how(always))
            })
            .collect()
    };
    let off = switch(|_| "DISABLE");
    reply(DOING, limit, transaction.batch_execute(&off)).await?;
    let written = reply(DOING, limit, transaction.execute(sql, &[])).await?;
    let on = switch(|always| if always { "ENABLE ALWAYS" } else { "ENABLE" });
    reply(DOING, limit, transaction.batch_execute(&on)).await?;
    Ok(written)
}

fn write_rows(copy: &TableCopy, columns: &[String], present: Present) -> String {
    if copy.key.is_empty() {
        // Nothing tells which rows are there already but the rows themselves.
        return format!(
            "INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE {}",
            copy.table_sql(),
            list(columns),
            missing_rows(copy, columns)
        );
    }
    let others: Vec<String> =
        columns.iter().filter(|column| !copy.key.contains(column)).cloned().collect();
    let conflict = match present {
        Present::Overwritten if !others.is_empty() => {
            let set = others.iter().map(|column| format!("{0} = EXCLUDED.{0}", quoted(column)));
            format!("({}) DO UPDATE SET {}", list(&copy.key), set.collect::<Vec<_>>().join(", "))
        }
        _ => "DO NOTHING".to_owned(),
    };
    insert(copy, columns, &format!("ON CONFLICT {conflict}"))
}

fn insert(copy: &TableCopy, columns: &[String], conflict: &str) -> String {
    format!(
        "INSERT INTO {} ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} FROM {} {conflict}",
        copy.table_sql(),
        copy.copy_sql(),
        columns = list(columns),
    )
}

/// Writes what columns held into the rows that are still there; where `unwritten` is given, only in
/// place of values that nobody wrote.
fn write_columns(copy: &TableCopy, columns: &[String], unwritten: Option<&Unwritten>) -> String {
    let lost: Vec<&String> = columns.iter().filter(|column| !copy.key.contains(column)).collect();
    if lost.is_empty() {
        return "SELECT WHERE false".to_owned();
    }
    let set = lost.iter().map(|column| {
        let name = quoted(column);
        match unwritten {
            Some(unwritten) => {
                format!(
                    "{name} = CASE WHEN {} THEN b.{name} ELSE t.{name} END",
                    unwritten.sql(column)
                )
            }
            None => format!("{name} = b.{name}"),
        }
    });
    let any = match unwritten {
        Some(unwritten) => {
            lost.iter().map(|column| unwritten.sql(column)).collect::<Vec<_>>().join(" OR ")
        }
        None => "true".to_owned(),
    };
    format!(
        "UPDATE {} AS t SET {} FROM {} AS b WHERE {} AND ({any})",
        copy.table_sql(),
        set.collect::<Vec<_>>().join(", "),
        copy.copy_sql(),
        same_key(copy),
    )
}

/// A number that a row has must not be given out again.
fn advance_sequences(copy: &TableCopy) -> String {
    format!(
        "DO $$ DECLARE c name; s text; v bigint; BEGIN
             FOR c IN SELECT attname FROM pg_attribute WHERE attrelid = {table}::regclass AND attnum > 0
                         AND NOT attisdropped AND attname = ANY ({columns}::text[]) LOOP
                 s := pg_get_serial_sequence({table}, c);
                 CONTINUE WHEN s IS NULL;
                 EXECUTE format('SELECT max(%I) FROM %s', c, {table}) INTO v;
                 IF v > coalesce(pg_sequence_last_value(s::regclass), 0) THEN PERFORM setval(s, v); END IF;
             END LOOP;
         END $$",
        table = literal(&copy.table_sql()),
        columns = literal(&format!(
            "{{{}}}",
            copy.columns.iter().map(|column| quoted(&column.replace('\\', "\\\\"))).collect::<Vec<_>>().join(",")
        )),
    )
}
