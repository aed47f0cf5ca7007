//! Which rows and columns went with the statements of a transaction: what the catalog and the
//! server's own counters say, whatever the statements looked like.
//!
//! Must not know what is done about it.

use std::collections::BTreeMap;

use tokio_postgres::{GenericClient, Row};

use crate::header::DeclaredLoss;
use crate::ledger::quoted;
use crate::reply::reply;
use crate::{MigrateError, Settings};

const DOING: &str = "looking for rows that are lost";

/// Tables and their columns, without those of the system, of sessions and of the runner. The rows
/// that this transaction removed and changed are counted by the server (pg_stat_xact_all_tables).
const TABLES: &str = "
    SELECT c.oid, n.nspname, c.relname, coalesce(pg_relation_filenode(c.oid), 0) AS filenode,
           (SELECT inhparent FROM pg_inherits WHERE inhrelid = c.oid AND c.relispartition) AS parent,
           coalesce(s.n_tup_del, 0) AS deleted, coalesce(s.n_tup_upd, 0) AS updated,
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
            after.columns.get(*number).is_none_or(|(_, kind_after)| kind_after != kind)
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
    fn lost(&self, now: &Self, declared: DeclaredLoss) -> Option<Lost> {
        let columns = self.lost_columns(now);
        let removed = now.deleted > self.deleted;
        let changed = declared == DeclaredLoss::Destructive && now.updated > self.updated;
        // A new file without a new type of a column: emptied, or written anew as it was. Which of
        // the two, the count of its rows tells.
        let emptied = now.filenode != self.filenode && columns.is_empty();
        if removed || changed || emptied {
            Some(Lost::Rows)
        } else {
            (!columns.is_empty()).then_some(Lost::Columns(columns))
        }
    }
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
        // Of a partitioned table the partitions hold the bytes.
        let sql = format!(
            "SELECT (SELECT count(*) FROM {table}{held}), (SELECT coalesce(sum(pg_table_size(relid)), 0)::bigint \
               FROM pg_partition_tree({name}::regclass) WHERE isleaf)",
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
