//! What a run would do: each statement with the locks it takes and the rows it goes through, without
//! running anything.

use std::collections::BTreeMap;

use crate::change::Change;
use crate::effect::{Effect, Effects, locks_table_of_index};
use crate::reply::reply;
use crate::script::Statement;
use crate::{
    Complaint, Direction, DownTo, Harm, LockMode, MigrateError, Runner, Transaction, UpTo, Version,
    Work,
};

/// How many characters of a statement are shown.
const SHOWN_MAX: usize = 100;

/// From how many rows on a table is large.
const LARGE_ROWS: f64 = 10_000.0;

/// Rows and bytes of relations, by name. Of a table that was never analysed nobody knows the rows.
const SIZES: &str = "
    SELECT name, CASE WHEN c.relkind = 'p'
                      THEN (SELECT sum(greatest(l.reltuples, 0)) FROM pg_partition_tree(c.oid) AS p JOIN pg_class AS l ON l.oid = p.relid)
                      WHEN c.reltuples >= 0 THEN c.reltuples
                      WHEN pg_relation_size(c.oid) = 0 THEN 0 END::float8,
           CASE WHEN c.relkind = 'p'
                THEN (SELECT sum(pg_table_size(relid)) FROM pg_partition_tree(c.oid))::bigint
                ELSE pg_table_size(c.oid) END,
           (SELECT format('%I.%I', n.nspname, t.relname) FROM pg_index AS i JOIN pg_class AS t ON t.oid = i.indrelid
              JOIN pg_namespace AS n ON n.oid = t.relnamespace WHERE i.indexrelid = c.oid)
      FROM unnest($1::text[]) AS name JOIN pg_class AS c ON c.oid = to_regclass(name)";

/// A step that would run.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedStep {
    /// Its number.
    pub version: Version,
    /// Its name in words.
    pub name: String,
    /// Whether it would be applied or reverted.
    pub direction: Direction,
    /// How its statements are held together.
    pub transaction: Transaction,
    /// In order.
    pub statements: Vec<PlannedStatement>,
}

/// A statement that would run.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedStatement {
    /// The file.
    pub file: String,
    /// Its line, from 1.
    pub line: u32,
    /// Its beginning, in one line.
    pub text: String,
    /// What it does to relations.
    pub touches: Touches,
}

/// What a statement does to relations.
#[derive(Debug, Clone, PartialEq)]
pub enum Touches {
    /// These; none for what concerns new objects only.
    These(Vec<Touch>),
    /// What its code says, which only the server reads.
    Unknown,
}

/// One relation that a statement locks.
#[derive(Debug, Clone, PartialEq)]
pub struct Touch {
    /// Its name.
    pub relation: String,
    /// The lock, held until the end of the step's transaction.
    pub lock: LockMode,
    /// What is done under it.
    pub work: Work,
    /// How large it is; none when it is not there yet, or only named by its index.
    pub size: Option<Size>,
}

/// What the server says of a relation that is there.
struct Found {
    size: Size,
    /// Of an index: its table.
    table: Option<String>,
}

/// How large a relation is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Size {
    /// As the statistics have it; none before the first ANALYZE.
    pub rows: Option<f64>,
    /// On disk.
    pub bytes: i64,
}

impl Runner {
    /// What [`Runner::up`] would do.
    ///
    /// # Errors
    /// The same refusals, and those of the server.
    ///
    /// # Cancel safety
    /// Changes nothing, at any point.
    pub async fn plan_up(&self, to: UpTo) -> Result<Vec<PlannedStep>, MigrateError> {
        let applied = self.plan.ledger().read(&self.connection.client, &self.settings).await?;
        let changes = self.pending_changes(&applied, to).await?;
        self.outline(&changes).await
    }

    /// What [`Runner::down`] would do.
    ///
    /// # Errors
    /// The same refusals, and those of the server.
    ///
    /// # Cancel safety
    /// Changes nothing, at any point.
    pub async fn plan_down(&self, to: DownTo) -> Result<Vec<PlannedStep>, MigrateError> {
        let applied = self.plan.ledger().read(&self.connection.client, &self.settings).await?;
        let kept = crate::runner::kept(&applied, to)?;
        let changes = applied[kept..].iter().rev().map(|row| Change::revert(row, self.frame()));
        self.outline(&changes.collect::<Result<Vec<_>, _>>()?).await
    }

    /// What [`lint`](crate::lint()) says of the steps that the database does not have yet, without what
    /// does harm to large tables only and concerns small ones.
    ///
    /// # Errors
    /// The refusals of [`Runner::up`], and those of the server.
    ///
    /// # Cancel safety
    /// Changes nothing, at any point.
    pub async fn lint_pending(&self) -> Result<Vec<Complaint>, MigrateError> {
        let applied = self.plan.ledger().read(&self.connection.client, &self.settings).await?;
        let pending = self.plan.pending(&applied, UpTo::Latest)?;
        let complaints =
            pending.iter().map(crate::lint::lint).collect::<Result<Vec<_>, _>>()?.concat();
        let names: Vec<String> = complaints.iter().flat_map(|one| one.relations.clone()).collect();
        let found = self.sizes(&names).await?;
        let is_large = |name: &String| {
            found
                .get(name)
                .is_some_and(|found| found.size.rows.is_none_or(|rows| rows >= LARGE_ROWS))
        };
        let counts =
            |one: &Complaint| one.rule.harm == Harm::Always || one.relations.iter().any(is_large);
        Ok(complaints.into_iter().filter(counts).collect())
    }

    async fn outline(&self, changes: &[Change]) -> Result<Vec<PlannedStep>, MigrateError> {
        let known: Vec<(usize, &Statement, Effects)> = changes
            .iter()
            .enumerate()
            .flat_map(|(index, change)| {
                change.script.statements.iter().map(move |one| (index, one))
            })
            .map(|(index, statement)| (index, statement, Effects::of(statement)))
            .collect();
        let mut names: Vec<String> = known
            .iter()
            .flat_map(|(index, _, effects)| {
                let schema = changes[*index].first_schema();
                match effects {
                    Effects::Known(effects) => {
                        effects.iter().map(|one| one.relation.sql(schema)).collect()
                    }
                    Effects::Opaque => Vec::new(),
                }
            })
            .collect();
        names.sort_unstable();
        names.dedup();
        let sizes = self.sizes(&names).await?;
        let planned = changes.iter().enumerate().map(|(index, change)| PlannedStep {
            version: change.version,
            name: change.name.clone(),
            direction: change.direction(),
            transaction: change.transaction,
            statements: known
                .iter()
                .filter(|(of, _, _)| *of == index)
                .map(|(_, statement, effects)| planned(change, statement, effects, &sizes))
                .collect(),
        });
        Ok(planned.collect())
    }

    async fn sizes(&self, names: &[String]) -> Result<BTreeMap<String, Found>, MigrateError> {
        const DOING: &str = "asking how large the tables are";
        let limit = self.settings.reply_timeout();
        let rows = reply(DOING, limit, self.connection.client.query(SIZES, &[&names])).await?;
        let found = |row: &tokio_postgres::Row| {
            let size = Size { rows: row.get(1), bytes: row.get(2) };
            (row.get(0), Found { size, table: row.get(3) })
        };
        Ok(rows.iter().map(found).collect())
    }
}

fn planned(
    change: &Change,
    statement: &Statement,
    effects: &Effects,
    sizes: &BTreeMap<String, Found>,
) -> PlannedStatement {
    let touches = match effects {
        Effects::Opaque => Touches::Unknown,
        Effects::Known(effects) => {
            let mut touches = merged(effects, change.first_schema(), sizes);
            if locks_table_of_index(&statement.node) {
                touches.extend(tables_of(effects, change.first_schema(), sizes));
            }
            Touches::These(touches)
        }
    };
    PlannedStatement {
        file: change.script.file.clone(),
        line: statement.line,
        text: beginning(&statement.text),
        touches,
    }
}

/// One entry for each relation: its strongest lock, its heaviest work.
fn merged(effects: &[Effect], schema: &str, sizes: &BTreeMap<String, Found>) -> Vec<Touch> {
    let mut touches: Vec<Touch> = Vec::new();
    for Effect { relation, lock, work } in effects {
        let name = relation.sql(schema);
        let size = sizes.get(&name).map(|found| found.size);
        let name = name.replace('"', "");
        match touches.iter_mut().find(|touch| touch.relation == name) {
            Some(touch) => {
                touch.lock = touch.lock.max(*lock);
                touch.work = touch.work.max(*work);
            }
            None => touches.push(Touch { relation: name, lock: *lock, work: *work, size }),
        }
    }
    touches
}

/// The tables of indexes, under the same lock.
fn tables_of(effects: &[Effect], schema: &str, sizes: &BTreeMap<String, Found>) -> Vec<Touch> {
    let touch = |effect: &Effect| {
        let relation = sizes.get(&effect.relation.sql(schema))?.table.clone()?;
        Some(Touch { relation, lock: effect.lock, work: Work::Catalog, size: None })
    };
    effects.iter().filter_map(touch).collect()
}

/// The first words of a statement, in one line.
pub(crate) fn beginning(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(SHOWN_MAX) {
        Some((at, _)) => format!("{} ...", &line[..at]),
        None => line,
    }
}
