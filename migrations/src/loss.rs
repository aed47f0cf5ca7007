//! Which rows and columns went with the statements of a transaction: what the catalog and the
//! server's own counters say, whatever the statements looked like.
//!
//! Must not know what is done about it.

use std::collections::BTreeMap;

use tokio_postgres::{GenericClient, Row};

use crate::header::DeclaredLoss;
use crate::ledger::quoted;
use crate::reply::reply;
use crate::{Event, MigrateError, Settings, Version};

const DOING: &str = "looking for rows that are lost";

/// Tables and their columns, without those of the system, of sessions and of the runner. The rows
/// that this transaction removed and changed are counted by the server (pg_stat_xact_all_tables).
const TABLES: &str = "
    SELECT c.oid, n.nspname, c.relname, coalesce(pg_relation_filenode(c.oid), 0) AS filenode,
           (SELECT inhparent FROM pg_inherits WHERE inhrelid = c.oid AND c.relispartition) AS parent,
           coalesce(s.n_tup_del, 0) AS deleted, coalesce(s.n_tup_upd, 0) AS updated, coalesce(s.n_tup_ins, 0) AS inserted,
           ARRAY(SELECT a.attnum FROM pg_attribute AS a
                  WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum) AS numbers,
           ARRAY(SELECT a.attname::text FROM pg_attribute AS a
                  WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum) AS names,
           ARRAY(SELECT format_type(a.atttypid, a.atttypmod) FROM pg_attribute AS a
                  WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum) AS types
      FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
      LEFT JOIN pg_stat_xact_all_tables AS s ON s.relid = c.oid
     WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND n.nspname !~ '^pg_'
       AND n.nspname NOT IN ('information_schema', 'taskmaster_migrations', 'taskmaster_backup')";

/// The tables of a database at one moment of a transaction.
#[derive(Debug)]
pub(crate) struct Tables(BTreeMap<u32, Table>);

#[derive(Debug, Clone)]
struct Table {
    schema: String,
    name: String,
    filenode: u32,
    parent: Option<u32>,
    deleted: i64,
    updated: i64,
    inserted: i64,
    /// By number: name and type.
    columns: BTreeMap<i16, (String, String)>,
}

/// What of a table is lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lost {
    /// All of it.
    Table,
    /// Some or all of its rows, or what they held.
    Rows,
    /// Columns: gone, or of another type.
    Columns(Vec<String>),
}

/// One table that loses something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Loss {
    pub(crate) schema: String,
    pub(crate) table: String,
    pub(crate) what: Lost,
    /// All columns, as they were before.
    pub(crate) columns: Vec<String>,
    /// Rows with something to lose: counted, not estimated.
    pub(crate) rows: i64,
    /// What those rows take up.
    pub(crate) bytes: i64,
}

impl Loss {
    /// The table, as SQL has it.
    pub(crate) fn sql(&self) -> String {
        format!("{}.{}", quoted(&self.schema), quoted(&self.table))
    }

    /// What is to be told of it.
    pub(crate) fn event(&self, version: Version) -> Event {
        let (table, what) = (self.sql().replace('"', ""), self.what.clone());
        Event::Losing { version, table, what, rows: self.rows, bytes: self.bytes }
    }

    /// A whole table.
    pub(crate) async fn of_table(
        client: &impl GenericClient,
        table: &str,
        settings: &Settings,
    ) -> Result<Option<Self>, MigrateError> {
        const OID: &str = "SELECT to_regclass($1)::oid";
        let oid: Option<u32> =
            reply(DOING, settings.reply_timeout(), client.query_one(OID, &[&table])).await?.get(0);
        let tables = Tables::read(client, settings).await?;
        let found = oid.and_then(|oid| tables.0.get(&oid));
        Ok(found.map(|table| table.loss(Lost::Table)))
    }
}

impl Table {
    fn of(row: &Row) -> (u32, Self) {
        let (numbers, names, types): (Vec<i16>, Vec<String>, Vec<String>) =
            (row.get("numbers"), row.get("names"), row.get("types"));
        let columns = numbers.into_iter().zip(names.into_iter().zip(types)).collect();
        let table = Self {
            schema: row.get("nspname"),
            name: row.get("relname"),
            filenode: row.get("filenode"),
            parent: row.get("parent"),
            deleted: row.get("deleted"),
            updated: row.get("updated"),
            inserted: row.get("inserted"),
            columns,
        };
        (row.get("oid"), table)
    }

    fn loss(&self, what: Lost) -> Loss {
        Loss {
            schema: self.schema.clone(),
            table: self.name.clone(),
            what,
            columns: self.columns.values().map(|(name, _)| name.clone()).collect(),
            rows: 0,
            bytes: 0,
        }
    }

    /// The columns that are gone or of another type.
    fn lost_columns(&self, after: &Self) -> Vec<String> {
        let changed = self.columns.iter().filter(|(number, (_, kind))| {
            after.columns.get(*number).is_none_or(|(_, kind_after)| !widens(kind, kind_after))
        });
        changed.map(|(_, (name, _))| name.clone()).collect()
    }
}

impl Tables {
    /// Reads them as the transaction sees them.
    ///
    /// # Errors
    /// [`MigrateError::Server`] and [`MigrateError::NoAnswer`].
    ///
    /// # Cancel safety
    /// Changes nothing, at any point.
    pub(crate) async fn read(
        client: &impl GenericClient,
        settings: &Settings,
    ) -> Result<Self, MigrateError> {
        let rows = reply(DOING, settings.reply_timeout(), client.query(TABLES, &[])).await?;
        Ok(Self(rows.iter().map(Table::of).collect()))
    }

    /// What is lost of these tables in the transaction as it stands now, not yet weighed.
    ///
    /// # Errors
    /// As [`Tables::read`].
    ///
    /// # Cancel safety
    /// Changes nothing, at any point.
    pub(crate) async fn losses(
        &self,
        client: &impl GenericClient,
        declared: DeclaredLoss,
        settings: &Settings,
    ) -> Result<Vec<Loss>, MigrateError> {
        let after = Self::read(client, settings).await?;
        let mut losses = Vec::new();
        for (oid, before) in &self.0 {
            let what = match after.0.get(oid) {
                None => Some(Lost::Table),
                Some(now)
                    if now.filenode != before.filenode
                        && before.is_emptied(now, client, settings).await? =>
                {
                    Some(Lost::Rows)
                }
                Some(now) => before.lost(now, declared),
            };
            // What a partition loses with its parent is lost, and copied, with the parent.
            let with_parent = before.parent.is_some_and(|parent| !after.0.contains_key(&parent));
            if let Some(what) = what.filter(|_| !with_parent) {
                losses.push(before.loss(what));
            }
        }
        Ok(losses)
    }
}

impl Table {
    /// Of a table with a new file: whether it was emptied, or written anew with its rows. A table that
    /// was emptied has no rows now, or only such as were put in since, which the server has counted.
    async fn is_emptied(
        &self,
        now: &Self,
        client: &impl GenericClient,
        settings: &Settings,
    ) -> Result<bool, MigrateError> {
        if now.inserted > 0 {
            return Ok(true);
        }
        let sql = format!(
            "SELECT NOT EXISTS (SELECT FROM {}.{})",
            quoted(&now.schema),
            quoted(&now.name)
        );
        Ok(reply(DOING, settings.reply_timeout(), client.query_one(&sql, &[])).await?.get(0))
    }

    fn lost(&self, now: &Self, declared: DeclaredLoss) -> Option<Lost> {
        let columns = self.lost_columns(now);
        let removed = now.deleted > self.deleted;
        let changed = declared == DeclaredLoss::Destructive && now.updated > self.updated;
        if removed || changed {
            Some(Lost::Rows)
        } else {
            (!columns.is_empty()).then_some(Lost::Columns(columns))
        }
    }
}

/// Whether every value of one type is one of the other: then a change of type loses nothing.
fn widens(from: &str, to: &str) -> bool {
    const WIDER: &[(&str, &[&str])] = &[
        ("smallint", &["integer", "bigint", "numeric"]),
        ("integer", &["bigint", "numeric"]),
        ("bigint", &["numeric"]),
        ("real", &["double precision"]),
        ("character varying", &["text"]),
        ("text", &["character varying"]),
    ];
    let (base, length) =
        from.split_once('(').map_or((from, None), |(base, length)| (base, Some(length)));
    let length_of = |text: &str| text.trim_end_matches(')').parse::<u32>().ok();
    let is_text = base == "character varying";
    from == to
        || WIDER.iter().any(|(narrow, wider)| {
            (*narrow == from || (is_text && *narrow == base)) && wider.contains(&to)
        })
        || (is_text && to == "character varying")
        || (is_text
            && to.split_once('(').is_some_and(|(wider, to)| {
                wider == base && length.and_then(length_of) <= length_of(to) && length.is_some()
            }))
}

/// Counts what there is to lose, in the transaction in which it is still there, and leaves out what
/// is nothing.
///
/// # Errors
/// [`MigrateError::Server`] and [`MigrateError::NoAnswer`].
///
/// # Cancel safety
/// Changes nothing, at any point.
pub(crate) async fn weigh(
    client: &impl GenericClient,
    losses: Vec<Loss>,
    settings: &Settings,
) -> Result<Vec<Loss>, MigrateError> {
    let mut weighed = Vec::new();
    for mut loss in losses {
        let held = match &loss.what {
            Lost::Table | Lost::Rows => String::new(),
            Lost::Columns(columns) => {
                let held = columns.iter().map(|column| format!("{} IS NOT NULL", quoted(column)));
                format!(" WHERE {}", held.collect::<Vec<_>>().join(" OR "))
            }
        };
        // Of a partitioned table the partitions hold the bytes; any other is in no tree.
        let sql = format!(
            "SELECT (SELECT count(*) FROM {table}{held}), (pg_table_size({name}::regclass) + (SELECT \
               coalesce(sum(pg_table_size(relid)), 0) FROM pg_partition_tree({name}::regclass) WHERE level > 0))::bigint",
            table = loss.sql(),
            name = crate::ledger::literal(&loss.sql()),
        );
        let row = reply(DOING, settings.reply_timeout(), client.query_one(&sql, &[])).await?;
        (loss.rows, loss.bytes) = (row.get(0), row.get(1));
        if loss.rows > 0 {
            weighed.push(loss);
        }
    }
    Ok(weighed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wider_type_loses_nothing_and_a_narrower_one_may() {
        let wider = [
            ("integer", "bigint"),
            ("smallint", "numeric"),
            ("character varying(10)", "character varying(20)"),
            ("character varying(10)", "text"),
            ("character varying(10)", "character varying"),
            ("text", "text"),
        ];
        for (from, to) in wider {
            assert!(widens(from, to), "{from} to {to}");
        }
        let narrower = [
            ("bigint", "integer"),
            ("text", "character varying(10)"),
            ("character varying(20)", "character varying(10)"),
            ("character varying", "character varying(10)"),
            ("numeric", "numeric(5,2)"),
            ("timestamp with time zone", "date"),
        ];
        for (from, to) in narrower {
            assert!(!widens(from, to), "{from} to {to}");
        }
    }
}
