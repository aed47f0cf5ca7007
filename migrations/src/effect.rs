//! What a statement does to the tables it names: the lock it takes and the work under it. Pure:
//! reads what the parser made of it, and does not know how large a table is.
//!
//! Sources: PostgreSQL documentation, 13.3 Explicit Locking; `AlterTableGetLockLevel` in
//! `src/backend/commands/tablecmds.c`. A test compares the locks with those that a server takes.

use std::fmt;

use pg_query::NodeEnum;
use pg_query::protobuf::{
    AlterTableCmd, AlterTableStmt, AlterTableType, ColumnDef, ConstrType, Constraint, IndexStmt,
    Node, ObjectType, RangeVar,
};

use crate::script::Statement;
use crate::unbound::Name;

/// The modes of table locks, from the weakest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LockMode {
    /// Reads.
    AccessShare,
    /// `SELECT ... FOR UPDATE` and its like.
    RowShare,
    /// Writes of rows.
    RowExclusive,
    /// Others read and write; no other change of the table.
    ShareUpdateExclusive,
    /// Others read.
    Share,
    /// Others read.
    ShareRowExclusive,
    /// Others read.
    Exclusive,
    /// Nobody else does anything.
    AccessExclusive,
}

impl fmt::Display for LockMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::AccessShare => "ACCESS SHARE",
            Self::RowShare => "ROW SHARE",
            Self::RowExclusive => "ROW EXCLUSIVE",
            Self::ShareUpdateExclusive => "SHARE UPDATE EXCLUSIVE",
            Self::Share => "SHARE",
            Self::ShareRowExclusive => "SHARE ROW EXCLUSIVE",
            Self::Exclusive => "EXCLUSIVE",
            Self::AccessExclusive => "ACCESS EXCLUSIVE",
        })
    }
}

/// How much of a table a statement goes through while it holds the lock, from the least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Work {
    /// The catalog only: a moment.
    Catalog,
    /// Rows that a condition picks.
    SomeRows,
    /// Every row is read.
    Reads,
    /// Every row is written anew.
    Rewrites,
    /// Everything goes.
    Drops,
}

impl Work {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Catalog => "changes the catalog",
            Self::SomeRows => "works on rows",
            Self::Reads => "reads every row",
            Self::Rewrites => "writes every row anew",
            Self::Drops => "removes every row",
        }
    }
}

/// A table, index or view that a statement locks, with what it does to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Effect {
    pub(crate) relation: Name,
    pub(crate) lock: LockMode,
    pub(crate) work: Work,
}

/// The effects of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Effects {
    /// On these relations; none where only new objects or objects other than relations are touched.
    Known(Vec<Effect>),
    /// Its code is known to the server alone.
    Opaque,
}

impl Effects {
    /// Of a statement.
    pub(crate) fn of(statement: &Statement) -> Self {
        match &statement.node {
            NodeEnum::DoStmt(_) | NodeEnum::CallStmt(_) | NodeEnum::ExecuteStmt(_) => Self::Opaque,
            node => Self::Known(effects(node)),
        }
    }
}

/// Whether a statement that names an index locks its table in the same way.
pub(crate) fn locks_table_of_index(node: &NodeEnum) -> bool {
    match node {
        NodeEnum::DropStmt(drop) => drop.remove_type() == ObjectType::ObjectIndex,
        NodeEnum::ReindexStmt(_) => true,
        _ => false,
    }
}

fn effects(node: &NodeEnum) -> Vec<Effect> {
    use LockMode as Lock;
    match node {
        NodeEnum::AlterTableStmt(alter) => alter_table(alter),
        NodeEnum::RenameStmt(rename) => {
            let index = rename.rename_type() == ObjectType::ObjectIndex;
            let lock = if index { Lock::ShareUpdateExclusive } else { Lock::AccessExclusive };
            one(rename.relation.as_ref(), lock, Work::Catalog)
        }
        NodeEnum::AlterObjectSchemaStmt(alter) => {
            one(alter.relation.as_ref(), Lock::AccessExclusive, Work::Catalog)
        }
        NodeEnum::DropStmt(drop) => {
            let lock =
                if drop.concurrent { Lock::ShareUpdateExclusive } else { Lock::AccessExclusive };
            dropped(drop.remove_type(), &drop.objects, lock)
        }
        NodeEnum::IndexStmt(index) => create_index(index),
        NodeEnum::CreateStmt(create) => created(create),
        NodeEnum::CreateTableAsStmt(_) | NodeEnum::ViewStmt(_) => read(node),
        NodeEnum::RefreshMatViewStmt(refresh) => {
            let lock = if refresh.concurrent { Lock::Exclusive } else { Lock::AccessExclusive };
            one(refresh.relation.as_ref(), lock, Work::Rewrites)
        }
        NodeEnum::CreateTrigStmt(trigger) => {
            one(trigger.relation.as_ref(), Lock::ShareRowExclusive, Work::Catalog)
        }
        NodeEnum::CreatePolicyStmt(policy) => {
            one(policy.table.as_ref(), Lock::AccessExclusive, Work::Catalog)
        }
        NodeEnum::AlterPolicyStmt(policy) => {
            one(policy.table.as_ref(), Lock::AccessExclusive, Work::Catalog)
        }
        NodeEnum::RuleStmt(rule) => {
            one(rule.relation.as_ref(), Lock::AccessExclusive, Work::Catalog)
        }
        NodeEnum::CommentStmt(comment) => commented(comment.objtype(), comment.object.as_deref()),
        NodeEnum::TruncateStmt(truncate) => {
            each(&truncate.relations, Lock::AccessExclusive, Work::Drops)
        }
        NodeEnum::VacuumStmt(vacuum) => vacuumed(vacuum),
        NodeEnum::ClusterStmt(cluster) => {
            one(cluster.relation.as_ref(), Lock::AccessExclusive, Work::Rewrites)
        }
        NodeEnum::ReindexStmt(reindex) => {
            let concurrent = crate::unbound::is_unbound(node);
            let lock = if concurrent { Lock::ShareUpdateExclusive } else { Lock::Share };
            one(reindex.relation.as_ref(), lock, Work::Reads)
        }
        NodeEnum::LockStmt(lock) => each(&lock.relations, locked(lock.mode), Work::Catalog),
        _ => rows(node),
    }
}

/// Of statements that read and write rows.
fn rows(node: &NodeEnum) -> Vec<Effect> {
    use LockMode as Lock;
    match node {
        NodeEnum::InsertStmt(insert) => {
            with_reads(node, one(insert.relation.as_ref(), Lock::RowExclusive, Work::SomeRows))
        }
        NodeEnum::UpdateStmt(update) => {
            let work = if update.where_clause.is_some() { Work::SomeRows } else { Work::Rewrites };
            with_reads(node, one(update.relation.as_ref(), Lock::RowExclusive, work))
        }
        NodeEnum::DeleteStmt(delete) => {
            let work = if delete.where_clause.is_some() { Work::SomeRows } else { Work::Drops };
            with_reads(node, one(delete.relation.as_ref(), Lock::RowExclusive, work))
        }
        NodeEnum::MergeStmt(merge) => {
            with_reads(node, one(merge.relation.as_ref(), Lock::RowExclusive, Work::SomeRows))
        }
        NodeEnum::CopyStmt(copy) if copy.is_from => {
            one(copy.relation.as_ref(), Lock::RowExclusive, Work::SomeRows)
        }
        NodeEnum::SelectStmt(_) | NodeEnum::CopyStmt(_) => read(node),
        _ => Vec::new(),
    }
}

fn one(relation: Option<&RangeVar>, lock: LockMode, work: Work) -> Vec<Effect> {
    let effect = |relation| Effect { relation: Name::of(relation), lock, work };
    relation.map(effect).into_iter().collect()
}

fn each(relations: &[Node], lock: LockMode, work: Work) -> Vec<Effect> {
    let ranges = relations.iter().filter_map(|node| match node.node.as_ref()? {
        NodeEnum::RangeVar(range) => Some(range),
        _ => None,
    });
    ranges.flat_map(|range| one(Some(range), lock, work)).collect()
}

/// Each subcommand by itself; the table is locked as the strongest of them asks.
fn alter_table(alter: &AlterTableStmt) -> Vec<Effect> {
    let mut effects = Vec::new();
    for node in &alter.cmds {
        let Some(NodeEnum::AlterTableCmd(command)) = &node.node else { continue };
        let (lock, work) = subcommand(command);
        effects.extend(one(alter.relation.as_ref(), lock, work));
        if let Some(other) = other_table(command) {
            effects.push(other);
        }
    }
    effects
}

fn subcommand(command: &AlterTableCmd) -> (LockMode, Work) {
    use AlterTableType as Alter;
    use LockMode as Lock;
    let definition = command.def.as_deref().and_then(|node| node.node.as_ref());
    match (command.subtype(), definition) {
        (Alter::AtAddColumn, Some(NodeEnum::ColumnDef(column))) => {
            (Lock::AccessExclusive, new_column(column))
        }
        (Alter::AtAddConstraint, Some(NodeEnum::Constraint(constraint))) => {
            new_constraint(constraint)
        }
        (
            Alter::AtAlterColumnType
            | Alter::AtSetTableSpace
            | Alter::AtSetLogged
            | Alter::AtSetUnLogged,
            _,
        ) => (Lock::AccessExclusive, Work::Rewrites),
        (Alter::AtSetNotNull, _) => (Lock::AccessExclusive, Work::Reads),
        (Alter::AtValidateConstraint, _) => (Lock::ShareUpdateExclusive, Work::Reads),
        (Alter::AtAttachPartition, _) => (Lock::ShareUpdateExclusive, Work::Catalog),
        (Alter::AtDetachPartition, Some(NodeEnum::PartitionCmd(partition)))
            if partition.concurrent =>
        {
            (Lock::ShareUpdateExclusive, Work::Catalog)
        }
        (
            Alter::AtSetStatistics
            | Alter::AtSetOptions
            | Alter::AtResetOptions
            | Alter::AtClusterOn
            | Alter::AtDropCluster
            | Alter::AtSetRelOptions
            | Alter::AtResetRelOptions,
            _,
        ) => (Lock::ShareUpdateExclusive, Work::Catalog),
        (
            Alter::AtEnableTrig
            | Alter::AtEnableAlwaysTrig
            | Alter::AtEnableReplicaTrig
            | Alter::AtEnableTrigAll
            | Alter::AtEnableTrigUser
            | Alter::AtDisableTrig
            | Alter::AtDisableTrigAll
            | Alter::AtDisableTrigUser,
            _,
        ) => (Lock::ShareRowExclusive, Work::Catalog),
        (Alter::AtDropColumn, _) => (Lock::AccessExclusive, Work::Drops),
        _ => (Lock::AccessExclusive, Work::Catalog),
    }
}

/// A column with a constant default costs no row; what is worked out for each row does.
fn new_column(column: &ColumnDef) -> Work {
    let mut work = Work::Catalog;
    for node in &column.constraints {
        let Some(NodeEnum::Constraint(constraint)) = &node.node else { continue };
        work = work.max(match constraint.contype() {
            ConstrType::ConstrGenerated | ConstrType::ConstrIdentity => Work::Rewrites,
            ConstrType::ConstrDefault if !is_constant(constraint.raw_expr.as_deref()) => {
                Work::Rewrites
            }
            ConstrType::ConstrPrimary
            | ConstrType::ConstrUnique
            | ConstrType::ConstrCheck
            | ConstrType::ConstrForeign => Work::Reads,
            _ => Work::Catalog,
        });
    }
    if is_serial(column) { Work::Rewrites } else { work }
}

/// Whether a default is the same for every row: a constant, or a function that is known to give one
/// value in a transaction. Others may not be.
pub(crate) fn is_constant(expression: Option<&Node>) -> bool {
    match expression.and_then(|node| node.node.as_ref()) {
        Some(NodeEnum::AConst(_) | NodeEnum::SqlvalueFunction(_)) | None => true,
        Some(NodeEnum::TypeCast(cast)) => is_constant(cast.arg.as_deref()),
        Some(NodeEnum::FuncCall(call)) => {
            let name = call.funcname.last().and_then(|part| part.node.as_ref());
            matches!(name, Some(NodeEnum::String(name)) if ["now", "current_setting", "transaction_timestamp"].contains(&name.sval.as_str()))
        }
        Some(NodeEnum::AArrayExpr(array)) => {
            array.elements.iter().all(|element| is_constant(Some(element)))
        }
        Some(NodeEnum::AExpr(expression)) => {
            is_constant(expression.lexpr.as_deref()) && is_constant(expression.rexpr.as_deref())
        }
        _ => false,
    }
}

/// Whether a column is of one of the types that make a sequence.
pub(crate) fn is_serial(column: &ColumnDef) -> bool {
    let last = column.type_name.as_ref().and_then(|name| name.names.last());
    let name = match last.and_then(|node| node.node.as_ref()) {
        Some(NodeEnum::String(name)) => name.sval.as_str(),
        _ => return false,
    };
    ["serial", "serial4", "bigserial", "serial8", "smallserial", "serial2"].contains(&name)
}

fn new_constraint(constraint: &Constraint) -> (LockMode, Work) {
    let unread = constraint.skip_validation || !constraint.indexname.is_empty();
    let work = if unread { Work::Catalog } else { Work::Reads };
    match constraint.contype() {
        ConstrType::ConstrForeign => (LockMode::ShareRowExclusive, work),
        _ => (LockMode::AccessExclusive, work),
    }
}

/// The other table of a foreign key, or the partition of an attachment.
fn other_table(command: &AlterTableCmd) -> Option<Effect> {
    match command.def.as_deref()?.node.as_ref()? {
        NodeEnum::Constraint(key) if key.contype() == ConstrType::ConstrForeign => referenced(key),
        NodeEnum::ColumnDef(column) => {
            column.constraints.iter().find_map(|node| match node.node.as_ref()? {
                NodeEnum::Constraint(key) if key.contype() == ConstrType::ConstrForeign => {
                    referenced(key)
                }
                _ => None,
            })
        }
        NodeEnum::PartitionCmd(partition) => {
            let attach = command.subtype() == AlterTableType::AtAttachPartition;
            let work = if attach { Work::Reads } else { Work::Catalog };
            one(partition.name.as_ref(), LockMode::AccessExclusive, work).pop()
        }
        _ => None,
    }
}

fn referenced(key: &Constraint) -> Option<Effect> {
    one(key.pktable.as_ref(), LockMode::ShareRowExclusive, Work::Catalog).pop()
}

fn create_index(index: &IndexStmt) -> Vec<Effect> {
    let lock = if index.concurrent { LockMode::ShareUpdateExclusive } else { LockMode::Share };
    one(index.relation.as_ref(), lock, Work::Reads)
}

/// What a new table locks of others: those that its keys refer to, its parents, the table it is a
/// partition of.
fn created(create: &pg_query::protobuf::CreateStmt) -> Vec<Effect> {
    let mut keys: Vec<&Constraint> = Vec::new();
    for node in create.table_elts.iter().chain(&create.constraints) {
        match &node.node {
            Some(NodeEnum::Constraint(constraint)) => keys.push(constraint),
            Some(NodeEnum::ColumnDef(column)) => {
                keys.extend(column.constraints.iter().filter_map(|node| match &node.node {
                    Some(NodeEnum::Constraint(constraint)) => Some(&**constraint),
                    _ => None,
                }));
            }
            _ => {}
        }
    }
    let own = create.relation.as_ref().map(Name::of);
    let foreign = keys.into_iter().filter(|key| key.contype() == ConstrType::ConstrForeign);
    let mut effects: Vec<Effect> = foreign
        .filter_map(referenced)
        .filter(|effect| Some(&effect.relation) != own.as_ref())
        .collect();
    let parent = if create.partbound.is_some() {
        LockMode::AccessExclusive
    } else {
        LockMode::ShareUpdateExclusive
    };
    effects.extend(each(&create.inh_relations, parent, Work::Catalog));
    effects
}

fn dropped(kind: ObjectType, objects: &[Node], lock: LockMode) -> Vec<Effect> {
    let work = match kind {
        ObjectType::ObjectTable => Work::Drops,
        ObjectType::ObjectIndex
        | ObjectType::ObjectView
        | ObjectType::ObjectMatview
        | ObjectType::ObjectSequence => Work::Catalog,
        // Named as `table.trigger`.
        ObjectType::ObjectTrigger | ObjectType::ObjectPolicy | ObjectType::ObjectRule => {
            let tables = objects.iter().filter_map(crate::unbound::owner_of_list);
            return tables.map(|relation| Effect { relation, lock, work: Work::Catalog }).collect();
        }
        _ => return Vec::new(),
    };
    let names = objects.iter().filter_map(crate::unbound::name_of_list);
    names.map(|relation| Effect { relation, lock, work }).collect()
}

fn commented(kind: ObjectType, object: Option<&Node>) -> Vec<Effect> {
    let name = match kind {
        ObjectType::ObjectTable | ObjectType::ObjectView => {
            object.and_then(crate::unbound::name_of_list)
        }
        ObjectType::ObjectColumn => object.and_then(crate::unbound::owner_of_list),
        _ => None,
    };
    let effect =
        |relation| Effect { relation, lock: LockMode::ShareUpdateExclusive, work: Work::Catalog };
    name.map(effect).into_iter().collect()
}

fn vacuumed(vacuum: &pg_query::protobuf::VacuumStmt) -> Vec<Effect> {
    let full = vacuum.options.iter().any(
        |node| matches!(&node.node, Some(NodeEnum::DefElem(option)) if option.defname == "full"),
    );
    let (lock, work) = if full {
        (LockMode::AccessExclusive, Work::Rewrites)
    } else {
        (LockMode::ShareUpdateExclusive, Work::Reads)
    };
    let relations = vacuum.rels.iter().filter_map(|node| match node.node.as_ref()? {
        NodeEnum::VacuumRelation(relation) => relation.relation.as_ref(),
        _ => None,
    });
    relations.flat_map(|relation| one(Some(relation), lock, work)).collect()
}

/// The modes of LOCK TABLE: `src/include/storage/lockdefs.h`.
fn locked(mode: i32) -> LockMode {
    match mode {
        1 => LockMode::AccessShare,
        2 => LockMode::RowShare,
        3 => LockMode::RowExclusive,
        4 => LockMode::ShareUpdateExclusive,
        5 => LockMode::Share,
        6 => LockMode::ShareRowExclusive,
        7 => LockMode::Exclusive,
        _ => LockMode::AccessExclusive,
    }
}

/// The tables that a query reads.
fn read(node: &NodeEnum) -> Vec<Effect> {
    let text = node.deparse().unwrap_or_default();
    let tables = pg_query::parse(&text).map(|parsed| parsed.select_tables()).unwrap_or_default();
    let locking = matches!(node, NodeEnum::SelectStmt(select) if !select.locking_clause.is_empty());
    let lock = if locking { LockMode::RowShare } else { LockMode::AccessShare };
    let names = tables.iter().map(|table| match table.rsplit_once('.') {
        Some((schema, name)) => Name { schema: Some(schema.to_owned()), name: name.to_owned() },
        None => Name { schema: None, name: table.clone() },
    });
    names.map(|relation| Effect { relation, lock, work: Work::SomeRows }).collect()
}

fn with_reads(node: &NodeEnum, mut effects: Vec<Effect>) -> Vec<Effect> {
    let written: Vec<Name> = effects.iter().map(|effect| effect.relation.clone()).collect();
    effects.extend(read(node).into_iter().filter(|effect| !written.contains(&effect.relation)));
    effects
}
