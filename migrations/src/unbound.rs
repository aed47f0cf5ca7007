//! Statements that PostgreSQL does not allow in a transaction, and what can be asked about them
//! afterwards. Pure: reads what the parser made of them.
//!
//! Source: the calls of `PreventInTransactionBlock` in `src/backend/tcop/utility.c` and
//! `src/backend/commands`.

use pg_query::NodeEnum;
use pg_query::protobuf::{
    AlterTableType, Node, ObjectType, RangeVar, ReindexObjectType, ReindexStmt,
};

use crate::ledger::quoted;
use crate::script::Statement;

/// Whether PostgreSQL refuses the statement inside a transaction block.
pub(crate) fn is_unbound(node: &NodeEnum) -> bool {
    match node {
        NodeEnum::IndexStmt(index) => index.concurrent,
        NodeEnum::DropStmt(drop) => drop.concurrent,
        NodeEnum::ReindexStmt(reindex) => {
            let whole = !matches!(
                reindex.kind(),
                ReindexObjectType::ReindexObjectIndex | ReindexObjectType::ReindexObjectTable
            );
            whole || has_option(&reindex.params, "concurrently")
        }
        NodeEnum::VacuumStmt(vacuum) => vacuum.is_vacuumcmd,
        NodeEnum::AlterTableStmt(_) => detach(node).is_some(),
        NodeEnum::ClusterStmt(cluster) => cluster.relation.is_none(),
        NodeEnum::AlterDatabaseStmt(alter) => has_option(&alter.options, "tablespace"),
        NodeEnum::CreatedbStmt(_)
        | NodeEnum::DropdbStmt(_)
        | NodeEnum::CreateTableSpaceStmt(_)
        | NodeEnum::DropTableSpaceStmt(_)
        | NodeEnum::AlterSystemStmt(_)
        | NodeEnum::CreateSubscriptionStmt(_)
        | NodeEnum::DropSubscriptionStmt(_) => true,
        _ => false,
    }
}

/// What is to be asked of the catalog about a statement of which only the beginning is known.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Question {
    /// An index that is to be there, and valid.
    Index(Name),
    /// Relations that are to be gone.
    Gone(Vec<Name>),
    /// A partition that is to stand alone: the table, the partition.
    Detached(Name, Name),
    /// A database that is to be there.
    Database(String),
    /// A database that is to be gone.
    NoDatabase(String),
    /// An index that was built anew: the same again does no harm.
    RebuiltIndex(Name),
    /// A table whose indexes were built anew: the same again does no harm.
    RebuiltTable(Name),
    /// Nothing: the same again does no harm, or says itself that it was done.
    Nothing,
}

/// A relation, as the statement names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name {
    /// None: the first schema of the search_path.
    pub(crate) schema: Option<String>,
    pub(crate) name: String,
}

impl Name {
    fn new(schema: &str, name: &str) -> Self {
        Self { schema: (!schema.is_empty()).then(|| schema.to_owned()), name: name.to_owned() }
    }

    pub(crate) fn of(range: &RangeVar) -> Self {
        Self::new(&range.schemaname, &range.relname)
    }

    /// As SQL has it, where `schema` stands for one that is not named.
    pub(crate) fn sql(&self, schema: &str) -> String {
        format!("{}.{}", quoted(self.schema.as_deref().unwrap_or(schema)), quoted(&self.name))
    }
}

impl Question {
    /// About a statement.
    pub(crate) fn about(statement: &Statement) -> Self {
        match &statement.node {
            NodeEnum::IndexStmt(index) => {
                let schema = index.relation.as_ref().map(|table| table.schemaname.as_str());
                Self::Index(Name::new(schema.unwrap_or_default(), &index.idxname))
            }
            NodeEnum::DropStmt(drop) if drop.remove_type() == ObjectType::ObjectIndex => {
                Self::Gone(drop.objects.iter().filter_map(name_of_list).collect())
            }
            NodeEnum::AlterTableStmt(_) => detach(&statement.node)
                .map_or(Self::Nothing, |(table, partition)| Self::Detached(table, partition)),
            NodeEnum::ReindexStmt(reindex) => rebuilt(reindex),
            NodeEnum::CreatedbStmt(made) => Self::Database(made.dbname.clone()),
            NodeEnum::DropdbStmt(gone) => Self::NoDatabase(gone.dbname.clone()),
            _ => Self::Nothing,
        }
    }
}

/// What keeps an unbound statement out of a step, though it could run.
pub(crate) fn objection(node: &NodeEnum) -> Option<&'static str> {
    match node {
        NodeEnum::IndexStmt(index) if index.concurrent && index.idxname.is_empty() => Some(
            "an index that is built concurrently needs a name, or a failed one could not be found again",
        ),
        _ => None,
    }
}

fn rebuilt(reindex: &ReindexStmt) -> Question {
    match (&reindex.relation, reindex.kind()) {
        (Some(index), ReindexObjectType::ReindexObjectIndex) => {
            Question::RebuiltIndex(Name::of(index))
        }
        (Some(table), ReindexObjectType::ReindexObjectTable) => {
            Question::RebuiltTable(Name::of(table))
        }
        _ => Question::Nothing,
    }
}

/// `ALTER TABLE table DETACH PARTITION partition CONCURRENTLY`.
fn detach(node: &NodeEnum) -> Option<(Name, Name)> {
    let NodeEnum::AlterTableStmt(alter) = node else { return None };
    let table = alter.relation.as_ref()?;
    alter.cmds.iter().find_map(|command| match command.node.as_ref()? {
        NodeEnum::AlterTableCmd(command)
            if command.subtype() == AlterTableType::AtDetachPartition =>
        {
            match command.def.as_ref()?.node.as_ref()? {
                NodeEnum::PartitionCmd(partition) if partition.concurrent => {
                    Some((Name::of(table), Name::of(partition.name.as_ref()?)))
                }
                _ => None,
            }
        }
        _ => None,
    })
}

fn has_option(options: &[Node], name: &str) -> bool {
    let named = |node: &Node| matches!(&node.node, Some(NodeEnum::DefElem(option)) if option.defname == name);
    options.iter().any(named)
}

/// `a.b` as the parser writes it in DROP and COMMENT.
pub(crate) fn name_of_list(node: &Node) -> Option<Name> {
    named(&parts(node)?)
}

/// `a.b` of `a.b.c`: the table of a trigger, policy, rule or column.
pub(crate) fn owner_of_list(node: &Node) -> Option<Name> {
    let parts = parts(node)?;
    named(&parts[..parts.len().checked_sub(1)?])
}

fn parts(node: &Node) -> Option<Vec<&str>> {
    let NodeEnum::List(list) = node.node.as_ref()? else { return None };
    let parts = list.items.iter().filter_map(|item| match item.node.as_ref()? {
        NodeEnum::String(part) => Some(part.sval.as_str()),
        _ => None,
    });
    Some(parts.collect())
}

fn named(parts: &[&str]) -> Option<Name> {
    match parts {
        [name] => Some(Name::new("", name)),
        [.., schema, name] => Some(Name::new(schema, name)),
        [] => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::Script;

    fn statement(text: &str) -> Statement {
        Script::parse("f.sql", text).unwrap().statements.remove(0)
    }

    #[test]
    fn statements_that_no_transaction_takes_are_known() {
        let unbound = [
            "CREATE INDEX CONCURRENTLY i ON t (a)",
            "DROP INDEX CONCURRENTLY i",
            "REINDEX TABLE CONCURRENTLY t",
            "REINDEX (CONCURRENTLY) INDEX i",
            "REINDEX DATABASE d",
            "VACUUM t",
            "ALTER TABLE t DETACH PARTITION p CONCURRENTLY",
            "CREATE DATABASE d",
            "DROP DATABASE d",
            "ALTER SYSTEM SET work_mem = '1MB'",
            "CLUSTER",
        ];
        for text in unbound {
            assert!(is_unbound(&statement(text).node), "{text}");
        }
        for text in [
            "CREATE INDEX i ON t (a)",
            "DROP INDEX i",
            "REINDEX TABLE t",
            "ANALYZE t",
            "CLUSTER t",
            "ALTER TABLE t DETACH PARTITION p",
            "ALTER TYPE e ADD VALUE 'x'",
        ] {
            assert!(!is_unbound(&statement(text).node), "{text}");
        }
    }

    #[test]
    fn what_to_ask_is_known() {
        let name = |schema, name| Name::new(schema, name);
        let about = |text| Question::about(&statement(text));
        assert_eq!(
            about("CREATE INDEX CONCURRENTLY i ON s.t (a)"),
            Question::Index(name("s", "i"))
        );
        assert_eq!(
            about("DROP INDEX CONCURRENTLY s.i, \"J\""),
            Question::Gone(vec![name("s", "i"), name("", "J")])
        );
        assert_eq!(
            about("ALTER TABLE t DETACH PARTITION s.p CONCURRENTLY"),
            Question::Detached(name("", "t"), name("s", "p"))
        );
        assert_eq!(about("REINDEX INDEX CONCURRENTLY s.i"), Question::RebuiltIndex(name("s", "i")));
        assert_eq!(about("VACUUM t"), Question::Nothing);
        assert_eq!(name("", "a\"b").sql("public"), "\"public\".\"a\"\"b\"");
        assert!(objection(&statement("CREATE INDEX CONCURRENTLY ON t (a)").node).is_some());
    }
}
