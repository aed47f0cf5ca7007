//! `taskmaster migrate` as people and CI use it: each verb, its lines, its JSON, its exit codes.

use std::process::Output;

use harness::{Cluster, Database, ProxyConfig, proxy};
use serde_json::Value;

use super::folder::{Folder, LEDGER};
use super::support::value;

/// A folder's steps in a database, by the command line.
struct Desk {
    folder: Folder,
    database: Database<'static>,
}

/// What a command printed, and its exit code.
#[derive(Debug)]
struct Said {
    code: i32,
    out: String,
    err: String,
}

impl Said {
    fn of(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            code: output.status.code().unwrap(),
            out: text(&output.stdout),
            err: text(&output.stderr),
        }
    }

    #[track_caller]
    fn json(&self) -> Vec<Value> {
        self.out
            .lines()
            .map(|line| {
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {self:?}"))
            })
            .collect()
    }
}

impl Desk {
    async fn new(files: &[(&str, &str)]) -> Self {
        Self {
            folder: Folder::new(files),
            database: Cluster::shared().await.create_database().await,
        }
    }

    fn run(&self, arguments: &[&str]) -> Said {
        let mut config = ProxyConfig::new(self.database.cluster());
        config.set("server.dbname", self.database.name.as_str());
        let file = config.write();
        let mut command = proxy::taskmaster(&config.dir);
        command
            .arg("migrate")
            .args(arguments)
            .args(["--ledger", LEDGER, "--dir"])
            .arg(self.folder.path());
        Said::of(command.arg("--config").arg(file).output().expect("the binary can be started"))
    }

    #[track_caller]
    fn done(&self, arguments: &[&str]) -> String {
        let said = self.run(arguments);
        assert_eq!(said.code, 0, "{arguments:?}: {said:?}");
        said.out
    }

    #[track_caller]
    fn refused(&self, arguments: &[&str], code: i32) -> String {
        let said = self.run(arguments);
        assert_eq!(said.code, code, "{arguments:?}: {said:?}");
        said.err
    }
}

const FILES: &[(&str, &str)] = &[
    ("0001_orders.up.sql", "CREATE TABLE orders (id bigint PRIMARY KEY, note text NOT NULL);\n"),
    ("0001_orders.down.sql", "DROP TABLE orders;\n"),
    ("0001_orders.verify.sql", "SELECT 'orders is missing' WHERE to_regclass('orders') IS NULL;\n"),
    ("0002_amount.up.sql", "ALTER TABLE orders ADD COLUMN amount numeric NOT NULL DEFAULT 0;\n"),
    ("0002_amount.down.sql", "ALTER TABLE orders DROP COLUMN amount;\n"),
];

#[tokio::test]
async fn a_step_is_made_planned_applied_verified_reverted_and_restored() {
    let desk = Desk::new(FILES).await;
    let made = desk.done(&["new", "Add index"]);
    assert!(made.lines().next().unwrap().ends_with("0003_add_index.up.sql"), "{made}");
    assert!(
        desk.refused(&["validate"], 4)
            .contains("0003_add_index.up.sql:1:1: the file holds no statement")
    );
    desk.folder.write("0003_add_index.up.sql", "-- taskmaster: transaction = false\nCREATE INDEX CONCURRENTLY orders_note ON orders (note);\n");
    desk.folder.write(
        "0003_add_index.down.sql",
        "-- taskmaster: transaction = false\nDROP INDEX CONCURRENTLY orders_note;\n",
    );
    assert_eq!(desk.done(&["validate"]), "steps: all 3 can be read and fit each other\n");
    assert_eq!(desk.done(&["lint"]), "");

    let plan = desk.done(&["plan"]);
    assert!(plan.contains("0002_amount.up.sql:1  ALTER TABLE orders ADD COLUMN amount"), "{plan}");
    assert!(
        plan.contains("ACCESS EXCLUSIVE       public.orders: changes the catalog (not there yet)"),
        "{plan}"
    );
    assert!(desk.done(&["up", "--to", "2"]).ends_with(
        "2 steps applied
"
    ));
    let rows = "INSERT INTO orders SELECT n, 'note ' || n, n FROM generate_series(1, 500) AS n; ANALYZE orders";
    desk.database.connect().await.batch_execute(rows).await.unwrap();
    let plan = desk.done(&["plan"]);
    assert!(
        plan.contains("SHARE UPDATE EXCLUSIVE public.orders: reads every row (500 rows, "),
        "{plan}"
    );
    desk.done(&["up"]);
    assert_eq!(desk.done(&["verify"]), "1 step checked, without a complaint\n");

    let down = desk.done(&["down", "--to", "1"]);
    assert!(down.contains("0002: public.orders loses amount: 500 rows, "), "{down}");
    let list = desk.done(&["backup", "--list"]);
    assert!(
        list.contains("before app_steps 0002 down") && list.contains("public.orders: 500 rows"),
        "{list}"
    );
    desk.done(&["up"]);
    let restored = desk.done(&["restore", "1"]);
    assert!(restored.contains("500 of 500 rows written"), "{restored}");
    assert_eq!(value(&desk.database, "SELECT sum(amount) FROM orders").await, "125250");
    assert_eq!(desk.done(&["backup", "--forget", "1"]), "backup 1 is dropped\n");
    assert!(desk.refused(&["restore", "1"], 4).contains("there is no such backup"));
    let copied = desk.done(&["backup", "public.orders"]);
    assert!(copied.contains("500 rows") && copied.contains("copied to"), "{copied}");
    assert!(desk.refused(&["backup", "nowhere"], 2).contains("there is no table nowhere"));
    let redone = desk.done(&["redo"]);
    assert!(redone.contains("2 steps reverted and applied"), "{redone}");
    let history = desk.done(&["history"]);
    let actions: Vec<&str> =
        history.lines().filter_map(|line| line.split_whitespace().nth(2)).collect();
    let expected = [
        "found", "found", "up", "up", "up", "down", "down", "up", "up", "restore", "forget",
        "backup", "down", "up",
    ];
    assert_eq!(actions, expected, "{history}");
}

#[tokio::test]
async fn a_syntax_error_is_shown_with_its_line_and_a_caret() {
    let desk = Desk::new(FILES).await;
    desk.folder.write(
        "0002_amount.up.sql",
        "-- A comment.\nALTER TABLE orders\n    ADD COLUM amount numeric;\n",
    );
    for verb in ["validate", "up", "plan", "lint"] {
        let error = desk.refused(&[verb], 4);
        let expected = [
            "taskmaster: 0002_amount.up.sql:3:22: syntax error at or near \"numeric\": correct the file there, and run it again",
            "      ADD COLUM amount numeric;",
            "                       ^",
            "",
        ];
        let expected = expected.join("\n");
        assert_eq!(error, expected, "{verb}");
    }
    desk.folder.write("0002_amount.up.sql", "ALTER TABLE orders ADD COLUMN amount nmeric;\n");
    let error = desk.refused(&["up"], 1);
    assert!(
        error.starts_with(
            "taskmaster: 0002_amount.up.sql:1:38: type \"nmeric\" does not exist (SQLSTATE 42704)"
        ),
        "{error}"
    );
    assert!(error.ends_with("\n  ALTER TABLE orders ADD COLUMN amount nmeric;\n                                       ^\n"), "{error}");
    assert_eq!(
        value(&desk.database, "SELECT count(*) FROM app_steps.schema_migrations").await,
        "1"
    );
}

#[tokio::test]
async fn what_ci_reads_is_one_json_object_a_line() {
    let desk = Desk::new(FILES).await;
    let events = desk.run(&["up", "--json"]).json();
    let kinds: Vec<&str> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(
        kinds,
        ["started", "finished", "started", "finished", "partitions", "done"],
        "{events:?}"
    );
    assert_eq!(events[5]["steps"][1]["version"], "0002");
    let plan = desk.run(&["plan", "--down", "--json"]).json();
    assert_eq!(plan[0]["statements"][0]["touches"][0]["lock"], "ACCESS EXCLUSIVE", "{plan:?}");
    assert_eq!(plan[0]["statements"][0]["touches"][0]["work"], "removes every row");
    let fingerprint = &desk.run(&["fingerprint", "--json"]).json()[0];
    assert_eq!(fingerprint["present"], fingerprint["recorded"]);
    let history = desk.run(&["history", "--json"]).json();
    assert_eq!(history.last().unwrap()["fingerprint"], fingerprint["present"]);
    let failed = desk.run(&["restore", "7", "--json"]);
    assert_eq!((failed.code, failed.json()[0]["exit_code"].as_i64()), (4, Some(4)));
}

#[tokio::test]
async fn what_others_did_is_shown_and_fails_the_check() {
    let desk = Desk::new(FILES).await;
    desk.done(&["up"]);
    assert_eq!(desk.done(&["drift", "--check"]), "everything is as the last migration left it\n");
    desk.database
        .connect()
        .await
        .batch_execute("ALTER TABLE orders ALTER COLUMN note DROP NOT NULL")
        .await
        .unwrap();
    let said = desk.run(&["drift", "--check"]);
    assert_eq!(said.code, 6, "{said:?}");
    assert_eq!(said.out, "~ column public.orders.note\n    - text not null\n    + text\n");
    assert!(desk.done(&["fingerprint"]).contains("the last migration left"));
    assert!(desk.done(&["doctor"]).contains("warning: somebody else has changed the database"));
    assert!(desk.refused(&["up", "--no-drift"], 4).contains("~ column public.orders.note"));
    assert!(desk.done(&["up"]).contains("drift: somebody else has changed this since the last migration: ~ column public.orders.note"));
    assert_eq!(desk.run(&["drift", "--check"]).code, 0);
    desk.database.connect().await.batch_execute("DROP TABLE orders").await.unwrap();
    assert_eq!(desk.done(&["drift", "--accept", "moved away"]), "6 objects taken over as found\n");
    assert!(desk.done(&["history"]).ends_with(": moved away\n"));
}

#[tokio::test]
async fn a_database_that_is_there_is_taken_over_and_records_are_repaired() {
    let desk = Desk::new(FILES).await;
    let error = desk.refused(&["baseline", "1"], 1);
    assert!(
        error.contains("orders is missing") || error.contains("does not hold what it promises"),
        "{error}"
    );
    desk.database
        .connect()
        .await
        .batch_execute("CREATE TABLE orders (id bigint PRIMARY KEY, note text NOT NULL)")
        .await
        .unwrap();
    assert_eq!(desk.done(&["baseline", "1"]), "1 step recorded as applied\n");
    desk.done(&["up"]);
    assert!(desk.done(&["status"]).lines().all(|line| line.contains("applied")));
    desk.folder.write(
        "0001_orders.up.sql",
        "CREATE TABLE orders (id bigint PRIMARY KEY, note text NOT NULL CHECK (note <> ''));\n",
    );
    assert!(desk.refused(&["up"], 4).contains("migrate repair"));
    assert_eq!(desk.refused(&["repair"], 2).lines().count(), 6);
    assert_eq!(desk.done(&["repair", "--reason", "came by hand"]), "1 step taken as they are\n");
    desk.done(&["status", "--check"]);
}

#[tokio::test]
async fn dangers_are_named_and_a_lock_that_is_left_behind_is_freed() {
    let desk = Desk::new(FILES).await;
    desk.folder.write("0002_amount.up.sql", "ALTER TABLE orders ALTER COLUMN note TYPE varchar(10);\nCREATE INDEX orders_note ON orders (note);\n");
    let said = desk.run(&["lint"]);
    assert_eq!(said.code, 7, "{said:?}");
    let lines: Vec<&str> = said.out.lines().collect();
    assert!(
        lines[0].starts_with("0002_amount.up.sql:1:1: danger: ")
            && lines[0].ends_with("(changing-column-type)"),
        "{said:?}"
    );
    assert!(
        lines[1].starts_with("0002_amount.up.sql:2:1: danger: ")
            && lines[1].ends_with("(require-concurrent-index-creation)"),
        "{said:?}"
    );

    // Of the database nothing but a large table is in danger.
    desk.done(&["up", "--to", "1"]);
    let pending = desk.run(&["lint", "--pending"]);
    assert!(
        pending.out.contains("changing-column-type") && !pending.out.contains("index-creation"),
        "{pending:?}"
    );
    let fill = "INSERT INTO orders SELECT n, n FROM generate_series(1, 10000) AS n; ANALYZE orders";
    desk.database.connect().await.batch_execute(fill).await.unwrap();
    let pending = desk.run(&["lint", "--pending"]);
    assert!(pending.out.contains("index-creation"), "{pending:?}");

    assert_eq!(desk.done(&["unlock"]), "nobody holds the lock\n");
    let holder = desk.database.connect().await;
    let key = i64::from_be_bytes(*b"taskmigr");
    holder.query_one("SELECT pg_advisory_lock($1)", &[&key]).await.unwrap();
    let error = desk.refused(&["up", "--wait", "100ms"], 5);
    assert!(error.contains("another migration is running"), "{error}");
    assert!(desk.refused(&["unlock"], 5).contains("--now"));
    assert!(desk.done(&["unlock", "--now"]).starts_with("ended unnamed, process "));
    assert!(
        desk.refused(&["up", "--ledger", "taskmaster"], 2)
            .contains("cannot be used multiple times")
    );
}

#[tokio::test]
async fn a_server_is_reached_over_its_unix_socket_too() {
    let desk = Desk::new(FILES).await;
    let cluster = desk.database.cluster();
    let mut config = ProxyConfig::new(cluster);
    config.set("server.dbname", desk.database.name.as_str());
    config.set("server.host", cluster.socket_dir.to_str().unwrap());
    config.set("server.ssl_mode", "prefer");
    let file = config.write();
    let mut command = proxy::taskmaster(&config.dir);
    command
        .args(["migrate", "up", "--ledger", LEDGER, "--dir"])
        .arg(desk.folder.path())
        .arg("--config")
        .arg(file);
    let said = Said::of(command.output().unwrap());
    assert_eq!(said.code, 0, "{said:?}");
}

#[tokio::test]
async fn a_step_that_stopped_is_told_resumed_and_proven() {
    let desk = Desk::new(FILES).await;
    desk.folder.write(
        "0003_unique.up.sql",
        "-- taskmaster: transaction = false\nCREATE UNIQUE INDEX CONCURRENTLY orders_note ON orders (note);\n",
    );
    desk.folder.write("0003_unique.down.sql", "DROP INDEX orders_note;\n");
    desk.done(&["up", "--to", "2"]);
    assert_eq!(desk.done(&["resume"]), "0 steps finished\n");
    let client = desk.database.connect().await;
    client.batch_execute("INSERT INTO orders VALUES (1, 'same'), (2, 'same')").await.unwrap();
    let error = desk.refused(&["up"], 1);
    assert!(error.contains("0003_unique.up.sql:2:1: could not create unique index"), "{error}");
    assert!(desk.done(&["status"]).contains("0003  unfinished"));
    let doctor = desk.run(&["doctor"]);
    assert_eq!(doctor.code, 6, "{doctor:?}");
    assert!(
        doctor.out.contains("problem: step 0003 stopped on its way up after statement 0"),
        "{doctor:?}"
    );
    assert!(desk.refused(&["resume"], 1).contains("SQLSTATE 23505"));
    client.batch_execute("DELETE FROM orders WHERE id = 2").await.unwrap();
    assert!(desk.done(&["resume"]).contains("1 step finished"));
    assert_eq!(desk.run(&["doctor"]).code, 0);

    let proof = desk.done(&["validate", "--roundtrip"]);
    assert!(
        proof.contains("3 steps went up, down and up again; 1 table held rows meanwhile"),
        "{proof}"
    );
    client.batch_execute("DROP TABLE orders").await.unwrap();
    let error = desk.refused(&["verify"], 1);
    assert!(
        error.contains(
            "0001_orders.verify.sql:1: the step does not hold what it promises: orders is missing"
        ),
        "{error}"
    );
}
