//! A project's own steps: a folder of files, a ledger of its own, headers, and steps without a
//! transaction that stop and go on.

use std::fs;

use harness::Cluster;
use taskmaster_migrations::{DownTo, ErrorKind, Event, MigrateError, StepState};

use super::folder::Folder;
use super::support::{up, value};

const ORDERS: (&str, &str) = (
    "0001_orders.up.sql",
    "CREATE TABLE orders (id bigint PRIMARY KEY, amount numeric, note text);",
);
const NO_ORDERS: (&str, &str) = ("0001_orders.down.sql", "DROP TABLE orders;");
const INDEXES: (&str, &str) = (
    "0002_indexes.up.sql",
    "-- taskmaster: transaction = false\n\
     CREATE INDEX CONCURRENTLY orders_amount ON orders (amount);\n\
     INSERT INTO orders VALUES (2, 2, 'by the step');\n\
     CREATE UNIQUE INDEX CONCURRENTLY orders_note ON orders (note);\n",
);
const NO_INDEXES: (&str, &str) = (
    "0002_indexes.down.sql",
    "-- taskmaster: transaction = false\n\
     DROP INDEX CONCURRENTLY orders_note;\nDELETE FROM orders WHERE id = 2;\nDROP INDEX CONCURRENTLY orders_amount;\n",
);
const RECORDED: &str =
    "SELECT string_agg(version, ',' ORDER BY version) FROM app_steps.schema_migrations";
const INDEXES_THERE: &str = "SELECT string_agg(indexrelid::regclass::text || ':' || indisvalid, ',' ORDER BY 1) \
     FROM pg_index WHERE indrelid = 'public.orders'::regclass AND NOT indisprimary";

#[tokio::test]
async fn a_folder_is_applied_and_reverted_beside_the_product() {
    let database = Cluster::shared().await.create_database().await;
    super::support::up_all(&database).await;
    let folder = Folder::new(&[ORDERS, NO_ORDERS, INDEXES, NO_INDEXES]);
    let (outcome, events) = up(&mut folder.runner(&database).await).await;
    assert_eq!(outcome.unwrap().steps.len(), 2);
    assert!(!events.iter().any(|event| matches!(event, Event::Drift { .. })), "{events:?}");
    assert_eq!(value(&database, RECORDED).await, "0001,0002");
    assert_eq!(value(&database, INDEXES_THERE).await, "orders_amount:true,orders_note:true");

    // The product sees no drift in what the project did.
    let (outcome, events) = up(&mut super::support::runner(&database).await).await;
    outcome.unwrap();
    assert!(!events.iter().any(|event| matches!(event, Event::Drift { .. })), "{events:?}");

    let mut runner = folder.runner(&database).await;
    let report = runner.down(DownTo::Nothing, &mut |_| ()).await.unwrap();
    assert_eq!(report.steps.len(), 2);
    assert_eq!(value(&database, "SELECT to_regclass('public.orders')").await, "NULL");
}

#[tokio::test]
async fn a_statement_that_fails_outside_a_transaction_leaves_no_invalid_index_and_goes_on_when_mended()
 {
    let database = Cluster::shared().await.create_database().await;
    let folder = Folder::new(&[ORDERS, NO_ORDERS, INDEXES, NO_INDEXES]);
    let mut runner = folder.runner(&database).await;
    runner.up("1".parse().unwrap(), &mut |_| ()).await.unwrap();
    let twice = "INSERT INTO orders VALUES (8, 1, 'same'), (9, 1, 'same')";
    database.connect().await.batch_execute(twice).await.unwrap();

    let error = up(&mut runner).await.0.unwrap_err();
    assert_eq!(error.sqlstate(), Some("23505"), "{error}");
    assert!(error.to_string().starts_with("0002_indexes.up.sql:4:1: "), "{error}");
    assert_eq!(value(&database, INDEXES_THERE).await, "orders_amount:true");
    assert_eq!(value(&database, RECORDED).await, "0001");
    assert_eq!(runner.status().await.unwrap().steps[1].state, StepState::Unfinished);

    // What is done may not change any more; what follows may.
    folder.write("0002_indexes.up.sql", &INDEXES.1.replace("orders_amount", "orders_sum"));
    let error = up(&mut folder.runner(&database).await).await.0.unwrap_err();
    assert!(matches!(error, MigrateError::UnfinishedChanged { done: 2, .. }), "{error}");
    folder.write("0002_indexes.up.sql", &INDEXES.1.replace("UNIQUE ", ""));
    let report = folder.runner(&database).await.resume(&mut |_| ()).await.unwrap();
    assert_eq!(report.steps.len(), 1);
    assert_eq!(value(&database, INDEXES_THERE).await, "orders_amount:true,orders_note:true");
    assert_eq!(value(&database, "SELECT count(*) FROM orders").await, "3");
    assert_eq!(value(&database, RECORDED).await, "0001,0002");
    folder.runner(&database).await.down(DownTo::Previous, &mut |_| ()).await.unwrap();
    assert_eq!(value(&database, INDEXES_THERE).await, "NULL");
}

#[tokio::test]
async fn a_step_that_stopped_goes_back_to_where_it_began() {
    let database = Cluster::shared().await.create_database().await;
    let folder = Folder::new(&[ORDERS, NO_ORDERS, INDEXES, NO_INDEXES]);
    let mut runner = folder.runner(&database).await;
    runner.up("1".parse().unwrap(), &mut |_| ()).await.unwrap();
    let before = runner.fingerprint().await.unwrap().present;
    let twice = "INSERT INTO orders VALUES (8, 1, 'same'), (9, 1, 'same')";
    database.connect().await.batch_execute(twice).await.unwrap();
    up(&mut runner).await.0.unwrap_err();
    assert_ne!(runner.fingerprint().await.unwrap().present, before);
    // Not even the files are needed.
    fs::remove_file(folder.path().join(INDEXES.0)).unwrap();
    fs::remove_file(folder.path().join(NO_INDEXES.0)).unwrap();
    let mut runner = folder.runner(&database).await;
    let error = up(&mut runner).await.0.unwrap_err();
    assert!(matches!(error, MigrateError::Unfinished { done: 2, .. }), "{error}");
    let report = runner.down(DownTo::Previous, &mut |_| ()).await.unwrap();
    assert_eq!(report.steps.len(), 1);
    assert_eq!(runner.fingerprint().await.unwrap().present, before);
    assert_eq!(value(&database, RECORDED).await, "0001");
    assert_eq!(runner.status().await.unwrap().steps.len(), 1);
}

#[tokio::test]
async fn what_cannot_run_in_a_transaction_must_say_so() {
    let database = Cluster::shared().await.create_database().await;
    let text = INDEXES.1.replace("-- taskmaster: transaction = false", "-- none");
    let folder = Folder::new(&[ORDERS, NO_ORDERS, ("0002_indexes.up.sql", &text), NO_INDEXES]);
    let error = up(&mut folder.runner(&database).await).await.0.unwrap_err();
    assert!(error.to_string().contains("0002_indexes.up.sql:2:1: "), "{error}");
    assert!(error.to_string().contains("transaction = false"), "{error}");
    assert_eq!(value(&database, "SELECT to_regclass('public.orders')").await, "NULL");
}

#[tokio::test]
async fn steps_of_other_ledgers_are_required_and_conflicted_with() {
    let database = Cluster::shared().await.create_database().await;
    super::support::up_all(&database).await;
    let needs = |entry: &str| format!("-- taskmaster: {entry}\n{}", ORDERS.1);
    let refused = async |entry: &str| {
        let folder = Folder::new(&[(ORDERS.0, &needs(entry)), NO_ORDERS]);
        let error = up(&mut folder.runner(&database).await).await.0.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
        error.to_string()
    };
    let missing = refused("requires = [\"taskmaster:9000\"]").await;
    assert_eq!(missing, "step 0001 requires taskmaster:9000, which is not applied");
    let conflict = refused("conflicts = [\"taskmaster:0002\"]").await;
    assert_eq!(conflict, "step 0001 conflicts with taskmaster:0002, which is applied");
    assert!(refused("extension = \"99.1\"").await.contains("requires extension taskmaster 99.1"));

    let folder = Folder::new(&[(ORDERS.0, &needs("requires = [\"taskmaster:0002\"]")), NO_ORDERS]);
    up(&mut folder.runner(&database).await).await.0.unwrap();
    let mut product = super::support::runner(&database).await;
    let error = product.down(DownTo::Nothing, &mut |_| ()).await.unwrap_err();
    assert_eq!(error.to_string(), "step 0002 is required by app_steps:0001, which is applied");
    folder.runner(&database).await.down(DownTo::Nothing, &mut |_| ()).await.unwrap();
    product.down(DownTo::Nothing, &mut |_| ()).await.unwrap();
}

#[tokio::test]
async fn folders_that_are_not_in_order_are_refused_before_anything_runs() {
    let folder = Folder::new(&[ORDERS, NO_ORDERS]);
    folder.write("0003_late.up.sql", "SELECT 1;");
    folder.write("0003_late.down.sql", "SELECT 1;");
    assert_eq!(folder.refused(), "there is no step 0002, though there are later ones");
    folder.write("0002_a.up.sql", "SELECT 1;");
    assert!(folder.refused().contains("write 0002_a.down.sql"), "{}", folder.refused());
    folder.write("0002_b.up.sql", "SELECT 1;");
    assert_eq!(folder.refused(), "two steps have the number 0002: a and b");
    fs::remove_file(folder.path().join("0002_b.up.sql")).unwrap();
    fs::remove_file(folder.path().join("0002_a.up.sql")).unwrap();
    folder.write("0002_a.down.sql", "SELECT 1;");
    assert!(
        folder.refused().ends_with("0002_a.up.sql: the file is missing"),
        "{}",
        folder.refused()
    );
    fs::write(folder.path().join("0002_a.up.sql"), b"SELECT 1;\n-- caf\xe9\n").unwrap();
    assert_eq!(folder.refused(), "0002_a.up.sql:2:7: not in UTF-8: save the file in that encoding");
    folder.write("0002_a.up.sql", "SELECT 1;");
    folder.write("notes.sql", "SELECT 1;");
    assert!(folder.refused().contains("NNNN_name.up.sql"), "{}", folder.refused());
}

#[tokio::test]
async fn a_checkout_with_other_line_ends_is_the_same_and_another_text_is_not() {
    let database = Cluster::shared().await.create_database().await;
    let folder =
        Folder::new(&[("0001_orders.up.sql", "CREATE TABLE orders (\n id int);\n"), NO_ORDERS]);
    up(&mut folder.runner(&database).await).await.0.unwrap();
    folder.write("0001_orders.up.sql", "\u{feff}CREATE TABLE orders (\r\n id int);\r\n");
    assert_eq!(up(&mut folder.runner(&database).await).await.0.unwrap().steps, []);
    folder.write("0001_orders.up.sql", "CREATE TABLE orders (\n id bigint);\n");
    let mut runner = folder.runner(&database).await;
    let error = up(&mut runner).await.0.unwrap_err();
    assert!(matches!(error, MigrateError::ChecksumChanged { .. }), "{error}");
    let repaired = runner.repair("the type was widened by hand", &mut |_| ()).await.unwrap();
    assert_eq!(repaired.len(), 1);
    up(&mut runner).await.0.unwrap();
    let last = runner.history().await.unwrap().pop().unwrap();
    assert_eq!(
        (last.action.as_str(), last.reason.as_deref()),
        ("repair", Some("the type was widened by hand"))
    );
}

#[tokio::test]
async fn a_thousand_steps_are_read_checked_and_planned() {
    let folder = Folder::new(&[]);
    for number in 1..=1000 {
        let requires = if number == 1 {
            String::new()
        } else {
            format!("-- taskmaster: requires = [\"{:04}\"]\n", number - 1)
        };
        let up = format!(
            "{requires}CREATE TABLE t{number} (id bigint PRIMARY KEY, name text);\nCREATE INDEX t{number}_name ON t{number} (name);\n"
        );
        folder.write(&format!("{number:04}_table.up.sql"), &up);
        folder.write(&format!("{number:04}_table.down.sql"), &format!("DROP TABLE t{number};\n"));
    }
    let database = Cluster::shared().await.create_database().await;
    let started = std::time::Instant::now();
    let planned = folder.runner(&database).await.plan_up("latest".parse().unwrap()).await.unwrap();
    println!("1,000 steps are planned in {:?}", started.elapsed());
    assert_eq!(planned.len(), 1000);
    assert_eq!(planned[999].statements.len(), 2);
}
