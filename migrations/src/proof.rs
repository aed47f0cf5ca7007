//! Whether what came back from a backup is what the backup holds.
//!
//! Must not know how it came back.

use std::fmt;

use tokio_postgres::Transaction;

use crate::backup::{self, TableCopy, list};
use crate::ledger::quoted;
use crate::reply::reply;
use crate::{MigrateError, Settings};

const DOING: &str = "comparing what came back";

/// The defaults of a table's columns that are always the same: no function or operator in them is
/// other than immutable, and none is a sequence or the present time (`nodes/primnodes.h`).
const DEFAULTS: &str = r"
    SELECT a.attname::text, format('(%s)::%s', pg_get_expr(d.adbin, d.adrelid), format_type(a.atttypid, a.atttypmod))
      FROM pg_attribute AS a JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
     WHERE a.attrelid = $1::text::regclass AND a.attgenerated = '' AND NOT a.attisdropped
       AND d.adbin::text !~ '\{(SQLVALUEFUNCTION|NEXTVALUEEXPR)'
       AND NOT EXISTS (SELECT FROM regexp_matches(d.adbin::text, ':(?:op)?funcid (\d+)', 'g') AS m(found)
                         JOIN pg_proc AS p ON p.oid = m.found[1]::oid WHERE p.provolatile <> 'i')";

/// How far a restored table was compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// Each row of the backup is in the table and holds what the backup holds.
    Identical,
    /// Rows or values that were there stayed, or have no row or column to go to. All others are what
    /// the backup holds.
    OthersStayed,
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Identical => "compared: each row is what the backup holds",
            Self::OthersStayed => "compared: what was written is what the backup holds",
        })
    }
}

/// How the rows of a copy stand in their table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Standing {
    /// Rows of the copy whose key is in the table.
    found: i64,
    /// Those of them that hold something else there.
    other: i64,
}

/// The comparison of one table with its copy, begun before anything is written.
#[derive(Debug)]
pub(crate) struct Comparison<'a> {
    copy: &'a TableCopy,
    /// Columns of the copy that the table has and that can be written.
    columns: Vec<String>,
    extent: Extent,
    was_empty: bool,
    /// Rows that hold something else and may go on doing so.
    stays: i64,
}

/// Whether the table has all columns of the copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    AllColumns,
    SomeColumns,
}

/// Says of a column of `t` whether it holds nothing that somebody wrote: nothing, or its default.
/// Has the columns' defaults by their names.
#[derive(Debug, Default)]
pub(crate) struct Unwritten(Vec<(String, String)>);

impl Unwritten {
    /// Asks the server what the columns of a table hold by default.
    ///
    /// # Errors
    /// [`MigrateError::Server`] and [`MigrateError::NoAnswer`].
    ///
    /// # Cancel safety
    /// Changes nothing, at any point.
    pub(crate) async fn of_table(
        transaction: &Transaction<'_>,
        table: &str,
        settings: &Settings,
    ) -> Result<Self, MigrateError> {
        let limit = settings.reply_timeout();
        let rows = reply(DOING, limit, transaction.query(DEFAULTS, &[&table])).await?;
        Ok(Self(rows.iter().map(|row| (row.get(0), row.get(1))).collect()))
    }

    /// The condition, as SQL has it.
    pub(crate) fn sql(&self, column: &str) -> String {
        let name = quoted(column);
        match self.0.iter().find(|(name, _)| name == column) {
            Some((_, default)) => {
                format!("(t.{name} IS NULL OR t.{name}::text = ({default})::text)")
            }
            None => format!("t.{name} IS NULL"),
        }
    }
}

impl<'a> Comparison<'a> {
    /// Of a table into which rows will come.
    pub(crate) fn new(copy: &'a TableCopy, columns: Vec<String>, extent: Extent) -> Self {
        Self { copy, columns, extent, was_empty: false, stays: 0 }
    }

    /// The same of a table that holds no rows.
    pub(crate) fn of_empty_table(self) -> Self {
        Self { was_empty: true, ..self }
    }

    /// Counts the rows that hold something else than the backup, where they do in columns that
    /// somebody wrote: they stay as they are.
    ///
    /// # Errors
    /// [`MigrateError::Server`] and [`MigrateError::NoAnswer`].
    ///
    /// # Cancel safety
    /// Changes nothing, at any point.
    pub(crate) async fn count_what_stays(
        &mut self,
        transaction: &Transaction<'_>,
        unwritten: Option<&Unwritten>,
        settings: &Settings,
    ) -> Result<(), MigrateError> {
        if !self.copy.key.is_empty() {
            self.stays = self.standing(transaction, unwritten, settings).await?.other;
        }
        Ok(())
    }

    /// Compares after everything is written.
    ///
    /// # Errors
    /// [`MigrateError::Restore`] when something that was written is not what the backup holds;
    /// [`MigrateError::Server`] and [`MigrateError::NoAnswer`].
    ///
    /// # Cancel safety
    /// Changes nothing, at any point.
    pub(crate) async fn finish(
        &self,
        transaction: &Transaction<'_>,
        backup: i64,
        settings: &Settings,
    ) -> Result<Proof, MigrateError> {
        let copy = self.copy;
        let all_columns = self.extent == Extent::AllColumns;
        let differs = || MigrateError::Restore {
            id: backup,
            reason: format!("{} would not hold what the backup holds", copy.table_sql()),
        };
        if self.was_empty && all_columns {
            let found =
                backup::count(transaction, &copy.table_sql(), &copy.columns, settings).await?;
            let same = found == (copy.rows, copy.checksum.clone());
            return if same { Ok(Proof::Identical) } else { Err(differs()) };
        }
        let standing = if copy.key.is_empty() {
            Standing { found: copy.rows - self.missing(transaction, settings).await?, other: 0 }
        } else {
            self.standing(transaction, None, settings).await?
        };
        if standing.other != self.stays || copy.key.is_empty() && standing.found != copy.rows {
            return Err(differs());
        }
        let all_there = standing == Standing { found: copy.rows, other: 0 };
        Ok(if all_there && all_columns { Proof::Identical } else { Proof::OthersStayed })
    }

    async fn standing(
        &self,
        transaction: &Transaction<'_>,
        unwritten: Option<&Unwritten>,
        settings: &Settings,
    ) -> Result<Standing, MigrateError> {
        let columns = self.columns.iter().filter(|column| !self.copy.key.contains(column));
        let other = columns.map(|column| {
            let differs = format!("t.{0}::text IS DISTINCT FROM b.{0}::text", quoted(column));
            match unwritten {
                Some(unwritten) => format!("{differs} AND NOT ({})", unwritten.sql(column)),
                None => differs,
            }
        });
        let other = std::iter::once("false".to_owned()).chain(other).collect::<Vec<_>>();
        let sql = format!(
            "SELECT count(*), count(*) FILTER (WHERE {}) FROM {} AS b JOIN {} AS t ON {}",
            other.join(" OR "),
            self.copy.copy_sql(),
            self.copy.table_sql(),
            same_key(self.copy),
        );
        let asked = transaction.query_one(&sql, &[]);
        let row = reply(DOING, settings.reply_timeout(), asked).await?;
        Ok(Standing { found: row.get(0), other: row.get(1) })
    }

    /// Rows of the copy that the table does not hold, by their text alone.
    async fn missing(
        &self,
        transaction: &Transaction<'_>,
        settings: &Settings,
    ) -> Result<i64, MigrateError> {
        let sql =
            format!("SELECT count(*) FROM ({}) AS missing", missing_rows(self.copy, &self.columns));
        let row = reply(DOING, settings.reply_timeout(), transaction.query_one(&sql, &[])).await?;
        Ok(row.get(0))
    }
}

/// Finds the row `t` of the table that is the row `b` of the copy.
pub(crate) fn same_key(copy: &TableCopy) -> String {
    let same = copy.key.iter().map(|column| format!("t.{0} = b.{0}", quoted(column)));
    same.collect::<Vec<_>>().join(" AND ")
}

/// The rows of a copy without a key that the table does not hold as often as the copy does. Compares
/// by text: not every type has an equality.
pub(crate) fn missing_rows(copy: &TableCopy, columns: &[String]) -> String {
    let columns = list(columns);
    let text = format!("ROW({columns})::text");
    format!(
        "SELECT {columns} FROM (SELECT {columns}, {text} AS \"the row\", row_number() OVER (PARTITION BY {text}) AS \"of these\" FROM {}) AS b \
           LEFT JOIN (SELECT {text} AS \"the row\", count(*) AS \"there\" FROM {} GROUP BY 1) AS t USING (\"the row\") \
          WHERE \"of these\" > coalesce(\"there\", 0)",
        copy.copy_sql(),
        copy.table_sql(),
    )
}
