//! The locks that `plan` tells are those that PostgreSQL takes.

use harness::{Cluster, Database};
use taskmaster_migrations::{Touches, UpTo};

use super::folder::Folder;
use super::support::value;

const TABLES: &str = "
    CREATE TABLE parent (id bigint PRIMARY KEY);
    CREATE TABLE t (id bigint PRIMARY KEY, a int, b text, p bigint, CONSTRAINT c CHECK (a > 0) NOT VALID);
    CREATE INDEX i ON t (a);
    CREATE TABLE parts (id bigint) PARTITION BY RANGE (id);
    CREATE TABLE part PARTITION OF parts FOR VALUES FROM (0) TO (10);
    CREATE TABLE loose (id bigint);
    CREATE VIEW v AS SELECT 1 AS one;
    CREATE MATERIALIZED VIEW m AS SELECT 1 AS one;
    CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
    CREATE TRIGGER g BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION f();
    CREATE POLICY q ON t USING (true);
    CREATE STATISTICS s ON a, id FROM t;";

/// Statements, of which each is planned and run.
const STATEMENTS: &[&str] = &[
    "ALTER TABLE t ADD COLUMN x int",
    "ALTER TABLE t ADD COLUMN x int REFERENCES parent",
    "ALTER TABLE t DROP COLUMN b",
    "ALTER TABLE t ALTER COLUMN a TYPE bigint",
    "ALTER TABLE t ALTER COLUMN a SET DEFAULT 1",
    "ALTER TABLE t ALTER COLUMN a SET NOT NULL",
    "ALTER TABLE t ALTER COLUMN a SET STATISTICS 10",
    "ALTER TABLE t ALTER COLUMN a SET (n_distinct = 5)",
    "ALTER TABLE t ADD CONSTRAINT k FOREIGN KEY (p) REFERENCES parent NOT VALID",
    "ALTER TABLE t ADD CONSTRAINT k CHECK (a > 1)",
    "ALTER TABLE t ADD CONSTRAINT k UNIQUE (a)",
    "ALTER TABLE t VALIDATE CONSTRAINT c",
    "ALTER TABLE t DROP CONSTRAINT c",
    "ALTER TABLE t DISABLE TRIGGER g",
    "ALTER TABLE t ENABLE ROW LEVEL SECURITY",
    "ALTER TABLE t SET (fillfactor = 70)",
    "ALTER TABLE t SET (autovacuum_enabled = false)",
    "ALTER TABLE t REPLICA IDENTITY FULL",
    "ALTER TABLE t SET UNLOGGED",
    "ALTER TABLE t OWNER TO CURRENT_USER",
    "ALTER TABLE t CLUSTER ON i",
    "ALTER TABLE t RENAME TO u",
    "ALTER TABLE t RENAME COLUMN a TO z",
    "ALTER INDEX i RENAME TO j",
    "ALTER TABLE t SET SCHEMA elsewhere",
    "ALTER TABLE parts ATTACH PARTITION loose FOR VALUES FROM (10) TO (20)",
    "ALTER TABLE parts DETACH PARTITION part",
    "CREATE TABLE n (id bigint REFERENCES parent)",
    "CREATE TABLE n PARTITION OF parts FOR VALUES FROM (20) TO (30)",
    "CREATE TABLE n () INHERITS (t)",
    "CREATE INDEX n ON t (b)",
    "DROP INDEX i",
    "DROP TABLE t",
    "DROP VIEW v",
    "DROP TRIGGER g ON t",
    "DROP POLICY q ON t",
    "CREATE TRIGGER n BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()",
    "CREATE POLICY n ON t USING (a > 0)",
    "CREATE RULE n AS ON DELETE TO t DO INSTEAD NOTHING",
    "CREATE VIEW n AS SELECT * FROM t",
    "REFRESH MATERIALIZED VIEW m",
    "COMMENT ON TABLE t IS 'x'",
    "COMMENT ON COLUMN t.a IS 'x'",
    "TRUNCATE t",
    "ANALYZE t",
    "CLUSTER t USING i",
    "REINDEX TABLE t",
    "LOCK TABLE t IN EXCLUSIVE MODE",
    "INSERT INTO t (id) SELECT id FROM parent",
    "UPDATE t SET a = 1 WHERE id = 1",
    "DELETE FROM t USING parent WHERE parent.id = t.id",
    "SELECT * FROM t FOR UPDATE",
    "SELECT count(*) FROM t JOIN parent USING (id)",
];

/// The strongest lock on each table and view that a statement takes, beside those of planning.
async fn taken(database: &Database<'_>, statement: &str) -> Vec<(String, String)> {
    const LOCKS: &str = "
        SELECT DISTINCT ON (n.oid) 'public.' || n.name, l.mode
          FROM pg_locks AS l JOIN unnest($1::oid[], $2::text[]) AS n(oid, name) ON n.oid = l.relation
         WHERE l.pid = pg_backend_pid() AND l.granted
         ORDER BY n.oid, array_position(ARRAY['AccessExclusiveLock', 'ExclusiveLock', 'ShareRowExclusiveLock', 'ShareLock',
                  'ShareUpdateExclusiveLock', 'RowExclusiveLock', 'RowShareLock', 'AccessShareLock'], l.mode)";
    let mut client = database.connect().await;
    // Only relations that were there before: new ones are nobody else's.
    let before = "SELECT array_agg(oid ORDER BY oid), array_agg(relname::text ORDER BY oid) FROM pg_class \
                  WHERE relnamespace = 'public'::regnamespace";
    let row = client.query_one(before, &[]).await.unwrap();
    let (oids, names): (Vec<u32>, Vec<String>) = (row.get(0), row.get(1));
    let locks = client.prepare(LOCKS).await.unwrap();
    let transaction = client.transaction().await.unwrap();
    transaction
        .batch_execute(statement)
        .await
        .unwrap_or_else(|error| panic!("{statement}: {error:?}"));
    let rows = transaction.query(&locks, &[&oids, &names]).await.unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

#[tokio::test]
async fn each_statement_takes_the_locks_that_the_plan_tells() {
    let database = Cluster::shared().await.create_database().await;
    database
        .connect()
        .await
        .batch_execute(&format!("CREATE SCHEMA elsewhere; {TABLES}"))
        .await
        .unwrap();
    let folder = Folder::new(&[
        ("0001_all.up.sql", &format!("{};", STATEMENTS.join(";\n"))),
        ("0001_all.down.sql", "SELECT 1;"),
    ]);
    let steps = folder.runner(&database).await.plan_up(UpTo::Latest).await.unwrap();
    let mut wrong = Vec::new();
    for (statement, planned) in STATEMENTS.iter().zip(&steps[0].statements) {
        let Touches::These(touches) = &planned.touches else { panic!("{statement}") };
        let taken = taken(&database, statement).await;
        for touch in touches {
            let mode = format!("{}Lock", words(&touch.lock.to_string()));
            let found = taken.iter().find(|(relation, _)| *relation == touch.relation);
            if found.map(|(_, mode)| mode) != Some(&mode) {
                wrong.push(format!(
                    "{statement}: {} was planned {mode}, taken {found:?}",
                    touch.relation
                ));
            }
        }
        // What blocks others must not be missing from the plan.
        let tables = [
            "public.t",
            "public.parent",
            "public.parts",
            "public.part",
            "public.loose",
            "public.m",
            "public.v",
        ];
        for (relation, mode) in
            taken.iter().filter(|(relation, _)| tables.contains(&relation.as_str()))
        {
            let weak =
                ["AccessShareLock", "RowShareLock", "RowExclusiveLock"].contains(&mode.as_str());
            if !weak && !touches.iter().any(|touch| touch.relation == *relation) {
                wrong
                    .push(format!("{statement}: {relation} is locked {mode}, and not in the plan"));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert_eq!(value(&database, "SELECT count(*) FROM t").await, "0");
}

/// `SHARE ROW EXCLUSIVE` as pg_locks has it: `ShareRowExclusive`.
fn words(mode: &str) -> String {
    mode.split(' ').map(|word| format!("{}{}", &word[..1], word[1..].to_lowercase())).collect()
}
