//! What in a step's statements has hurt others: locks that stop everybody for long, changes that
//! break programs which still run, and types that are regretted. Pure: reads what the parser made
//! of them. A step names the rules that it breaks on purpose in its header: `ignore = ["..."]`.

use std::collections::BTreeSet;

use pg_query::NodeEnum;
use pg_query::protobuf::{
    AlterTableCmd, AlterTableStmt, AlterTableType, ColumnDef, ConstrType, Constraint, DropBehavior,
    Node, ObjectType, Token,
};

use crate::effect::{Effects, is_constant, is_serial};
use crate::header::DeclaredLoss;
use crate::location::Location;
use crate::script::{Script, Statement};
use crate::step::file_name;
use crate::unbound::Name;
use crate::{Header, MigrateError, Step};

/// A rule: its name, how grave breaking it is, and what to do instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// As in `ignore`.
    pub name: &'static str,
    /// How grave it is.
    pub gravity: Gravity,
    /// Whether it depends on how large the table is.
    pub harm: Harm,
    /// What goes wrong, and what to do instead.
    pub advice: &'static str,
}

/// How grave a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gravity {
    /// Would be better otherwise.
    Advice,
    /// Stops others, or breaks them, or loses rows.
    Danger,
}

/// Whether the harm depends on how large the table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Harm {
    /// It does not.
    Always,
    /// It grows with the rows: nobody notices on a small table.
    WithRows,
}

/// A rule that a statement breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// The file.
    pub file: String,
    /// Where in it.
    pub location: Location,
    /// The rule.
    pub rule: Rule,
    /// The relations that the statement names.
    pub relations: Vec<String>,
}

/// Makes the rules, and the list of them.
macro_rules! rules {
    ($($constant:ident = $name:literal, $gravity:ident, $harm:ident, $advice:literal;)*) => {
        $(const $constant: Rule = Rule { name: $name, gravity: Gravity::$gravity, harm: Harm::$harm, advice: $advice };)*
        /// Every rule.
        pub const RULES: &[Rule] = &[$($constant),*];
    };
}

rules! {
    INDEX = "require-concurrent-index-creation", Danger, WithRows, "writes to the table wait until the index is built: CREATE INDEX CONCURRENTLY, with transaction = false";
    NO_INDEX = "require-concurrent-index-deletion", Danger, Always, "reads and writes of the table wait for the lock: DROP INDEX CONCURRENTLY, with transaction = false";
    REINDEX = "require-concurrent-reindex", Danger, WithRows, "writes to the table wait until the index is built: REINDEX ... CONCURRENTLY, with transaction = false";
    DETACH = "require-concurrent-partition-detach", Danger, Always, "everybody waits for the table: DETACH PARTITION ... CONCURRENTLY, with transaction = false";
    REFRESH = "require-concurrent-refresh", Advice, WithRows, "nobody reads the view meanwhile: REFRESH MATERIALIZED VIEW CONCURRENTLY, over a unique index";
    REQUIRED = "adding-required-field", Danger, Always, "fails on a table with rows: give the column a default, or let it be null at first";
    DEFAULT = "adding-field-with-default", Danger, WithRows, "the default is worked out for every row under ACCESS EXCLUSIVE: add the column without, set the default, fill the rows in batches";
    GENERATED = "adding-generated-field", Danger, WithRows, "every row is written anew under ACCESS EXCLUSIVE: add a plain column, fill it in batches, keep it by a trigger";
    SERIAL_FIELD = "adding-serial-field", Danger, WithRows, "every row is written anew under ACCESS EXCLUSIVE: add a plain column, fill it in batches, then set its default";
    NOT_NULL = "adding-not-nullable-field", Danger, WithRows, "every row is read under ACCESS EXCLUSIVE: add CHECK (... IS NOT NULL) NOT VALID, VALIDATE it in a later step, then SET NOT NULL";
    TYPE = "changing-column-type", Danger, Always, "every row is written anew under ACCESS EXCLUSIVE, and programs break: add a new column and move over";
    NOT_VALID = "constraint-missing-not-valid", Danger, WithRows, "every row is read while writes wait: add it NOT VALID, and VALIDATE CONSTRAINT in a later step";
    TOGETHER = "validating-in-the-same-transaction", Danger, WithRows, "the lock of ADD CONSTRAINT is held while every row is read: VALIDATE CONSTRAINT in a later step";
    UNIQUE = "disallowed-unique-constraint", Danger, WithRows, "the index is built under ACCESS EXCLUSIVE: CREATE UNIQUE INDEX CONCURRENTLY, then ADD CONSTRAINT ... USING INDEX";
    DROP_COLUMN = "ban-drop-column", Danger, Always, "programs that still name the column fail: drop it in a later release than the last use; declare destructive = true";
    DROP_TABLE = "ban-drop-table", Danger, Always, "programs that still name the table fail: drop it in a later release than the last use; declare destructive = true";
    DROP_DATABASE = "ban-drop-database", Danger, Always, "no step should do that";
    TRUNCATE = "ban-truncate", Danger, Always, "all rows go: declare destructive = true where that is meant";
    NULLABLE = "ban-drop-not-null", Advice, Always, "programs that do not expect a null fail";
    RENAME_COLUMN = "renaming-column", Danger, Always, "programs that use the old name fail: add a new column, or a view";
    RENAME_TABLE = "renaming-table", Danger, Always, "programs that use the old name fail: leave a view of that name behind";
    CASCADE = "ban-drop-cascade", Danger, Always, "what goes with it is not said: name each object";
    NO_WHERE = "ban-unconditional-write", Danger, WithRows, "every row is written in one transaction: write in batches, or declare destructive = true";
    FULL = "ban-vacuum-full", Danger, WithRows, "every row is written anew under ACCESS EXCLUSIVE: pg_repack, or VACUUM";
    LONG_NAME = "identifier-too-long", Danger, Always, "PostgreSQL cuts names at 63 bytes without an error";
    INT = "prefer-bigint-over-int", Advice, Always, "an int runs out after 2,147,483,647 rows: bigint";
    SERIAL = "prefer-identity", Advice, Always, "a serial's sequence has rights of its own: bigint GENERATED ALWAYS AS IDENTITY";
    TIMESTAMP = "prefer-timestamptz", Advice, Always, "without a time zone nobody knows when it was: timestamptz";
    CHAR = "ban-char-field", Advice, Always, "char(n) is padded with blanks: text, with a check of its length";
    MONEY = "ban-money-field", Advice, Always, "money depends on lc_monetary: numeric";
    JSON = "prefer-jsonb", Advice, Always, "json can be neither compared nor indexed: jsonb";
    PUBLIC = "ban-grant-to-public", Danger, Always, "everybody who may connect gets it: name the roles";
    EXISTS = "ban-if-not-exists", Advice, Always, "what is there may be something else under that name: a step is recorded, and runs once";
}

/// Checks the ways up and down of a step. The way down may drop what the way up made.
///
/// # Errors
/// [`MigrateError::BadScript`], also for a rule in `ignore` that there is not.
pub fn lint(step: &Step) -> Result<Vec<Complaint>, MigrateError> {
    let file = file_name(step.version, &step.name, "up");
    let script = Script::parse(&file, &step.up)?;
    let header = step.header()?;
    if let Some(unknown) =
        header.ignore.iter().find(|name| !RULES.iter().any(|rule| rule.name == **name))
    {
        return Err(MigrateError::BadScript {
            file,
            location: Location::of(&script.text, script.text.find(unknown.as_str()).unwrap_or(0)),
            reason: format!("the header: there is no rule \"{unknown}\""),
        });
    }
    let mut complaints = check(&script, &header);
    complaints.retain(|complaint| !header.ignore.iter().any(|name| name == complaint.rule.name));
    Ok(complaints)
}

/// What the statements before have made: nobody else uses it yet.
#[derive(Default)]
struct Made {
    tables: BTreeSet<String>,
    /// Constraints that were added NOT VALID.
    not_valid: BTreeSet<String>,
}

impl Made {
    fn has(&self, relation: Option<&pg_query::protobuf::RangeVar>) -> bool {
        relation.is_some_and(|relation| self.tables.contains(&Name::of(relation).name))
    }
}

fn check(script: &Script, header: &Header) -> Vec<Complaint> {
    let path = header.search_path.as_deref().unwrap_or("public");
    let schema = path.split(',').next().unwrap_or_default().trim().trim_matches('"');
    let mut made = Made::default();
    let mut complaints = Vec::new();
    for statement in &script.statements {
        let mut rules = broken(statement, header, &mut made);
        rules.extend(has_long_name(&statement.text).then_some(LONG_NAME));
        rules.sort_by_key(|rule| std::cmp::Reverse(rule.gravity));
        rules.dedup();
        complaints.extend(rules.into_iter().map(|rule| Complaint {
            file: script.file.clone(),
            location: script.location(statement),
            rule,
            relations: relations(statement, schema),
        }));
    }
    complaints
}

/// The relations that a statement names, as SQL has them.
fn relations(statement: &Statement, schema: &str) -> Vec<String> {
    match Effects::of(statement) {
        Effects::Known(effects) => {
            effects.iter().map(|effect| effect.relation.sql(schema)).collect()
        }
        Effects::Opaque => Vec::new(),
    }
}

/// The parser cuts names itself, so the text is asked.
fn has_long_name(text: &str) -> bool {
    const NAME_BYTES_MAX: usize = 63;
    let Ok(scanned) = pg_query::scan(text) else { return false };
    scanned.tokens.iter().filter(|token| token.token() == Token::Ident).any(|token| {
        let name = &text[token.start as usize..token.end as usize];
        name.trim_matches('"').replace("\"\"", "\"").len() > NAME_BYTES_MAX
    })
}

fn broken(statement: &Statement, header: &Header, made: &mut Made) -> Vec<Rule> {
    let mut rules = Vec::new();
    let lossy = header.loss == DeclaredLoss::Destructive;
    let mut when = |broken: bool, rule: Rule| {
        if broken {
            rules.push(rule)
        }
    };
    match &statement.node {
        NodeEnum::CreateStmt(create) => {
            when(create.if_not_exists, EXISTS);
            if let Some(relation) = &create.relation {
                made.tables.insert(relation.relname.clone());
            }
            let columns = create.table_elts.iter().filter_map(|node| match &node.node {
                Some(NodeEnum::ColumnDef(column)) => Some(column),
                _ => None,
            });
            columns.for_each(|column| rules.extend(column_types(column)));
        }
        NodeEnum::CreateTableAsStmt(create) => {
            let relation = create.into.as_ref().and_then(|into| into.rel.as_ref());
            made.tables.extend(relation.map(|relation| relation.relname.clone()));
        }
        NodeEnum::IndexStmt(index) => {
            when(!index.concurrent && !made.has(index.relation.as_ref()), INDEX);
            when(index.if_not_exists, EXISTS);
        }
        NodeEnum::DropStmt(drop) => {
            when(drop.behavior() == DropBehavior::DropCascade, CASCADE);
            when(drop.remove_type() == ObjectType::ObjectIndex && !drop.concurrent, NO_INDEX);
            when(drop.remove_type() == ObjectType::ObjectTable && !lossy, DROP_TABLE);
        }
        NodeEnum::DropdbStmt(_) => when(true, DROP_DATABASE),
        NodeEnum::ReindexStmt(_) => when(!crate::unbound::is_unbound(&statement.node), REINDEX),
        NodeEnum::RefreshMatViewStmt(refresh) => when(!refresh.concurrent, REFRESH),
        NodeEnum::TruncateStmt(truncate) => {
            when(!lossy, TRUNCATE);
            when(truncate.behavior() == DropBehavior::DropCascade, CASCADE);
        }
        NodeEnum::RenameStmt(rename) => {
            when(rename.rename_type() == ObjectType::ObjectColumn, RENAME_COLUMN);
            when(rename.rename_type() == ObjectType::ObjectTable, RENAME_TABLE);
        }
        NodeEnum::UpdateStmt(update) => when(
            update.where_clause.is_none() && !lossy && !made.has(update.relation.as_ref()),
            NO_WHERE,
        ),
        NodeEnum::DeleteStmt(delete) => when(
            delete.where_clause.is_none() && !lossy && !made.has(delete.relation.as_ref()),
            NO_WHERE,
        ),
        NodeEnum::VacuumStmt(vacuum) => {
            let full = |node: &Node| matches!(&node.node, Some(NodeEnum::DefElem(option)) if option.defname == "full");
            when(vacuum.options.iter().any(full), FULL);
        }
        NodeEnum::GrantStmt(grant) => {
            let public = |node: &Node| matches!(&node.node, Some(NodeEnum::RoleSpec(role)) if role.roletype() == pg_query::protobuf::RoleSpecType::RolespecPublic);
            when(grant.is_grant && grant.grantees.iter().any(public), PUBLIC);
        }
        NodeEnum::AlterTableStmt(alter) => rules.extend(altered(alter, header, made)),
        _ => {}
    }
    rules
}

fn altered(alter: &AlterTableStmt, header: &Header, made: &mut Made) -> Vec<Rule> {
    let mut rules = Vec::new();
    let new = made.has(alter.relation.as_ref());
    for node in &alter.cmds {
        let Some(NodeEnum::AlterTableCmd(command)) = &node.node else { continue };
        let found = subcommand(command, header, made);
        // In a table that the step itself has made nobody waits.
        rules.extend(found.into_iter().filter(|rule| !new || rule.gravity == Gravity::Advice));
    }
    rules
}

fn subcommand(command: &AlterTableCmd, header: &Header, made: &mut Made) -> Vec<Rule> {
    use AlterTableType as Alter;
    let lossy = header.loss == DeclaredLoss::Destructive;
    let definition = command.def.as_deref().and_then(|node| node.node.as_ref());
    match (command.subtype(), definition) {
        (Alter::AtAddColumn, Some(NodeEnum::ColumnDef(column))) => new_column(column),
        (Alter::AtAddConstraint, Some(NodeEnum::Constraint(constraint))) => {
            if constraint.skip_validation {
                made.not_valid.insert(constraint.conname.clone());
            }
            new_constraint(constraint)
        }
        (Alter::AtValidateConstraint, _) if made.not_valid.contains(&command.name) => {
            vec![TOGETHER]
        }
        (Alter::AtSetNotNull, _) => vec![NOT_NULL],
        (Alter::AtAlterColumnType, _) => vec![TYPE],
        (Alter::AtDropNotNull, _) => vec![NULLABLE],
        (Alter::AtDropColumn, _) => {
            let mut rules = Vec::new();
            if !lossy {
                rules.push(DROP_COLUMN);
            }
            if command.behavior() == DropBehavior::DropCascade {
                rules.push(CASCADE);
            }
            rules
        }
        (Alter::AtDetachPartition, Some(NodeEnum::PartitionCmd(partition)))
            if !partition.concurrent =>
        {
            vec![DETACH]
        }
        _ => Vec::new(),
    }
}

fn new_column(column: &ColumnDef) -> Vec<Rule> {
    let mut rules = column_types(column);
    let kinds: Vec<&Constraint> = column
        .constraints
        .iter()
        .filter_map(|node| match &node.node {
            Some(NodeEnum::Constraint(constraint)) => Some(&**constraint),
            _ => None,
        })
        .collect();
    let has = |kind: ConstrType| kinds.iter().find(|constraint| constraint.contype() == kind);
    let default = has(ConstrType::ConstrDefault);
    if has(ConstrType::ConstrNotnull).is_some()
        && default.is_none()
        && has(ConstrType::ConstrIdentity).is_none()
    {
        rules.push(REQUIRED);
    }
    if default.is_some_and(|default| !is_constant(default.raw_expr.as_deref())) {
        rules.push(DEFAULT);
    }
    if has(ConstrType::ConstrGenerated).is_some() {
        rules.push(GENERATED);
    }
    if is_serial(column) || has(ConstrType::ConstrIdentity).is_some() {
        rules.push(SERIAL_FIELD);
    }
    if has(ConstrType::ConstrUnique).is_some() || has(ConstrType::ConstrPrimary).is_some() {
        rules.push(UNIQUE);
    }
    rules
}

fn new_constraint(constraint: &Constraint) -> Vec<Rule> {
    let mut rules = Vec::new();
    match constraint.contype() {
        ConstrType::ConstrCheck | ConstrType::ConstrForeign if !constraint.skip_validation => {
            rules.push(NOT_VALID)
        }
        ConstrType::ConstrUnique | ConstrType::ConstrPrimary if constraint.indexname.is_empty() => {
            rules.push(UNIQUE)
        }
        _ => {}
    }
    rules
}

/// What is regretted of a column's type and name.
fn column_types(column: &ColumnDef) -> Vec<Rule> {
    let mut rules = Vec::new();
    if is_serial(column) {
        rules.push(SERIAL);
    }
    let last = column.type_name.as_ref().and_then(|name| name.names.last());
    let Some(NodeEnum::String(name)) = last.and_then(|node| node.node.as_ref()) else {
        return rules;
    };
    let primary = |node: &Node| matches!(&node.node, Some(NodeEnum::Constraint(constraint)) if constraint.contype() == ConstrType::ConstrPrimary);
    match name.sval.as_str() {
        "int4" | "int2" if column.constraints.iter().any(primary) => rules.push(INT),
        "timestamp" => rules.push(TIMESTAMP),
        "bpchar" => rules.push(CHAR),
        "money" => rules.push(MONEY),
        "json" => rules.push(JSON),
        _ => {}
    }
    rules
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::StepKind;

    fn complaints(up: &str) -> Vec<&'static str> {
        let step = Step {
            version: "1".parse().unwrap(),
            name: "some_step".into(),
            kind: StepKind::Schema,
            up: up.to_owned().into(),
            down: Some("SELECT 1".into()),
            verify: None,
        };
        lint(&step).unwrap().into_iter().map(|complaint| complaint.rule.name).collect()
    }

    #[test]
    fn each_rule_is_broken_by_its_statement() {
        let long = "x".repeat(64);
        let cases = [
            (INDEX, "CREATE INDEX i ON t (a)".to_owned()),
            (NO_INDEX, "DROP INDEX i".to_owned()),
            (REINDEX, "REINDEX TABLE t".to_owned()),
            (DETACH, "ALTER TABLE t DETACH PARTITION p".to_owned()),
            (REFRESH, "REFRESH MATERIALIZED VIEW v".to_owned()),
            (REQUIRED, "ALTER TABLE t ADD COLUMN a text NOT NULL".to_owned()),
            (DEFAULT, "ALTER TABLE t ADD COLUMN a uuid DEFAULT gen_random_uuid()".to_owned()),
            (GENERATED, "ALTER TABLE t ADD COLUMN a bigint GENERATED ALWAYS AS (b) STORED".to_owned()),
            (SERIAL_FIELD, "ALTER TABLE t ADD COLUMN a bigint GENERATED ALWAYS AS IDENTITY".to_owned()),
            (NOT_NULL, "ALTER TABLE t ALTER COLUMN a SET NOT NULL".to_owned()),
            (TYPE, "ALTER TABLE t ALTER COLUMN a TYPE bigint".to_owned()),
            (NOT_VALID, "ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0)".to_owned()),
            (TOGETHER, "ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0) NOT VALID; ALTER TABLE t VALIDATE CONSTRAINT c".to_owned()),
            (UNIQUE, "ALTER TABLE t ADD CONSTRAINT c UNIQUE (a)".to_owned()),
            (DROP_COLUMN, "ALTER TABLE t DROP COLUMN a".to_owned()),
            (DROP_TABLE, "DROP TABLE t".to_owned()),
            (DROP_DATABASE, "DROP DATABASE d".to_owned()),
            (TRUNCATE, "TRUNCATE t".to_owned()),
            (NULLABLE, "ALTER TABLE t ALTER COLUMN a DROP NOT NULL".to_owned()),
            (RENAME_COLUMN, "ALTER TABLE t RENAME COLUMN a TO b".to_owned()),
            (RENAME_TABLE, "ALTER TABLE t RENAME TO u".to_owned()),
            (CASCADE, "DROP VIEW v CASCADE".to_owned()),
            (NO_WHERE, "UPDATE t SET a = 1".to_owned()),
            (FULL, "VACUUM FULL t".to_owned()),
            (LONG_NAME, format!("CREATE TABLE {long} (a bigint)")),
            (INT, "CREATE TABLE t (a int PRIMARY KEY)".to_owned()),
            (SERIAL, "CREATE TABLE t (a bigserial)".to_owned()),
            (TIMESTAMP, "CREATE TABLE t (a timestamp)".to_owned()),
            (CHAR, "CREATE TABLE t (a char(3))".to_owned()),
            (MONEY, "CREATE TABLE t (a money)".to_owned()),
            (JSON, "CREATE TABLE t (a json)".to_owned()),
            (PUBLIC, "GRANT SELECT ON t TO PUBLIC".to_owned()),
            (EXISTS, "CREATE TABLE IF NOT EXISTS t (a bigint)".to_owned()),
        ];
        let names: Vec<&str> = cases.iter().map(|(rule, _)| rule.name).collect();
        assert_eq!(
            names,
            RULES.iter().map(|rule| rule.name).collect::<Vec<_>>(),
            "a rule without its case"
        );
        for (rule, sql) in cases {
            assert_eq!(complaints(&sql), [rule.name], "{sql}");
        }
    }

    #[test]
    fn what_is_meant_or_harms_nobody_is_let_through() {
        let fine = [
            "CREATE TABLE t (a bigint); CREATE INDEX i ON t (a); ALTER TABLE t ADD CHECK (a > 0)",
            "-- taskmaster: transaction = false\nCREATE INDEX CONCURRENTLY i ON t (a)",
            "-- taskmaster: destructive = true\nALTER TABLE t DROP COLUMN a; DROP TABLE u; TRUNCATE v",
            "-- taskmaster: ignore = [\"renaming-table\"]\nALTER TABLE t RENAME TO u",
            "ALTER TABLE t ADD COLUMN a int NOT NULL DEFAULT 0, ADD COLUMN b timestamptz DEFAULT now()",
            "ALTER TABLE t ADD CONSTRAINT c UNIQUE USING INDEX i",
            "UPDATE t SET a = 1 WHERE b",
        ];
        for sql in fine {
            assert!(complaints(sql).is_empty(), "{sql}: {:?}", complaints(sql));
        }
    }
}
