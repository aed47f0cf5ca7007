//! An extension of an earlier version becomes what a fresh install is, and what cannot be brought along stops the update.

use harness::{Cluster, Database};
use taskmaster_migrations::Event;

use super::folder::Folder;
use super::support::{NO_DATED_PARTITIONS, dump, runner, runner_of, up, up_all, value};

/// The first version that there was.
const FIRST: &str = "0.1.0";

/// Everything that the catalogs say of the extension's functions.
const MEMBERS: &str = "SELECT string_agg(concat_ws(' | ', p.oid::regprocedure, p.prokind, p.proargnames, p.proargmodes, \
    pg_get_expr(p.proargdefaults, 0), p.proallargtypes::regtype[], p.prorettype::regtype, p.proretset, p.provolatile, \
    p.proparallel, p.proisstrict, p.prosecdef, p.proleakproof, p.procost, p.prorows, p.proconfig, p.prosrc, p.probin, \
    p.proowner::regrole, acl.list, a.*), E'\\n' ORDER BY p.oid::regprocedure::text) \
    FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'taskmaster' \
    JOIN pg_proc p ON p.oid = d.objid LEFT JOIN pg_aggregate a ON a.aggfnoid = p.oid \
    LEFT JOIN LATERAL (SELECT array_agg(x ORDER BY x::text) AS list FROM unnest(p.proacl) x) acl ON true \
    WHERE d.refclassid = 'pg_extension'::regclass AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e'";

const VERSION: &str = "SELECT extversion FROM pg_extension WHERE extname = 'taskmaster'";

/// A database with the steps up to the extension, and the first version of that.
async fn first_version(cluster: &Cluster) -> Database<'_> {
    let database = cluster.create_database().await;
    up(&mut runner_of(&database, 8, vec![]).await).await.0.unwrap();
    let client = database.connect().await;
    let make = format!(
        "DROP EXTENSION taskmaster; CREATE EXTENSION taskmaster SCHEMA taskmaster VERSION '{FIRST}'"
    );
    client.batch_execute(&make).await.unwrap();
    database
}

#[tokio::test]
async fn the_first_version_becomes_what_a_fresh_install_is() {
    let cluster = Cluster::shared().await;
    let database = first_version(cluster).await;
    let client = database.connect().await;
    let refused = client.batch_execute("SELECT taskmaster.record_metric('m', 1)").await;
    assert!(refused.is_err(), "an argument that is not given was read");

    let (outcome, events) = up(&mut runner(&database).await).await;
    outcome.unwrap();
    let fresh = cluster.create_database().await;
    up_all(&fresh).await;
    let to = value(&fresh, VERSION).await;
    assert_ne!(to, FIRST);
    assert!(matches!(events[0], Event::Drift { .. }), "{events:?}");
    assert_eq!(events[1], Event::ExtensionUpdated { from: FIRST.to_owned(), to: to.clone() });
    assert_eq!(value(&database, VERSION).await, to);
    let members = value(&database, MEMBERS).await;
    assert_eq!(members, value(&fresh, MEMBERS).await);
    assert!(members.lines().count() > 70, "{members}");
    let rest = [NO_DATED_PARTITIONS];
    let (updated, fresh) = (dump(&database, &rest), dump(&fresh, &rest));
    let differing = updated.lines().zip(fresh.lines()).find(|(updated, fresh)| updated != fresh);
    assert!(updated == fresh, "the first difference: {differing:?}");
    client.batch_execute("SELECT taskmaster.record_metric('m', 1)").await.unwrap();

    let (outcome, events) = up(&mut runner(&database).await).await;
    outcome.unwrap();
    let is_update = |event: &Event| matches!(event, Event::ExtensionUpdated { .. });
    assert!(!events.iter().any(is_update), "{events:?}");
}

#[tokio::test]
async fn what_an_unchanged_function_has_stays() {
    let database = first_version(Cluster::shared().await).await;
    let client = database.connect().await;
    let role = format!("reader_of_{}", database.name);
    let uses = format!(
        "CREATE VIEW public.tree AS SELECT * FROM taskmaster.get_task_hierarchy(gen_random_uuid()); \
         CREATE ROLE {role}; \
         GRANT EXECUTE ON FUNCTION taskmaster.get_task_hierarchy(uuid) TO {role}"
    );
    client.batch_execute(&uses).await.unwrap();
    client.batch_execute("ALTER EXTENSION taskmaster UPDATE").await.unwrap();
    let may = format!(
        "SELECT has_function_privilege('{role}', 'taskmaster.get_task_hierarchy(uuid)', 'EXECUTE')"
    );
    assert_eq!(value(&database, &may).await, "t");
    assert_eq!(value(&database, "SELECT count(*) FROM public.tree").await, "0");
    client.batch_execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await.unwrap();
}

#[tokio::test]
async fn a_view_on_a_function_that_goes_stops_the_update_and_is_named() {
    let database = first_version(Cluster::shared().await).await;
    let client = database.connect().await;
    let view = "CREATE VIEW public.done AS SELECT taskmaster.calculate_task_completion(gen_random_uuid()) AS percent";
    client.batch_execute(view).await.unwrap();
    let (outcome, _) = up(&mut runner(&database).await).await;
    let error = outcome.unwrap_err();
    assert_eq!(error.sqlstate(), Some("2BP01"), "{error}");
    assert!(error.to_string().contains("view public.done depends on function"), "{error}");
    assert_eq!(value(&database, VERSION).await, FIRST);
    client.batch_execute("DROP VIEW public.done").await.unwrap();
    up_all(&database).await;
    assert_ne!(value(&database, VERSION).await, FIRST);
}

#[tokio::test]
async fn an_extension_newer_than_the_files_is_left_alone_and_said_so() {
    let database = Cluster::shared().await.create_database().await;
    up_all(&database).await;
    let client = database.connect().await;
    let newer = "UPDATE pg_extension SET extversion = '999.0' WHERE extname = 'taskmaster'";
    client.batch_execute(newer).await.unwrap();
    let (outcome, _) = up(&mut runner(&database).await).await;
    let error = outcome.unwrap_err();
    assert_eq!(error.sqlstate(), Some("22023"), "{error}");
    assert!(error.to_string().contains("999.0"), "{error}");
}

#[tokio::test]
async fn what_a_step_made_before_it_stopped_is_not_recorded_as_the_updates() {
    let cluster = Cluster::shared().await;
    let database = first_version(cluster).await;
    let up_to_it = |text: &str| {
        Folder::new(&[
            (
                "0001_mine.up.sql",
                &format!(
                    "-- taskmaster: transaction = false\nCREATE TABLE mine (id int);\n{text};\n"
                ),
            ),
            ("0001_mine.down.sql", "DROP TABLE mine;"),
        ])
    };
    // The step stops while the files of the server are those of the first version.
    let current = "UPDATE pg_extension SET extversion = (SELECT default_version FROM pg_available_extensions \
                   WHERE name = 'taskmaster') WHERE extname = 'taskmaster'";
    let client = database.connect().await;
    client.batch_execute(current).await.unwrap();
    up(&mut up_to_it("SELECT 1 / 0").runner(&database).await).await.0.unwrap_err();
    let back =
        format!("UPDATE pg_extension SET extversion = '{FIRST}' WHERE extname = 'taskmaster'");
    client.batch_execute(&back).await.unwrap();

    let folder = up_to_it("SELECT 1");
    let (outcome, events) = up(&mut folder.runner(&database).await).await;
    outcome.unwrap();
    assert!(
        events.iter().any(|event| matches!(event, Event::ExtensionUpdated { .. })),
        "{events:?}"
    );
    let recorded = "SELECT string_agg(e.action, ' ') FROM taskmaster_migrations.events AS e \
                      JOIN taskmaster_migrations.changes AS c ON c.event_id = e.id \
                     WHERE c.kind = 'table' AND c.name = 'public.mine'";
    assert_eq!(value(&database, recorded).await, "up");
    assert!(folder.runner(&database).await.drift().await.unwrap().is_empty());
}
