//! The audit: what it says of each kind of change, that nobody else writes it, and what it leaves out.

use harness::{Cluster, Database};

use super::actors::{Vouching, member};
use super::session::Session;

async fn database() -> Database<'static> {
    Cluster::shared().await.database().await
}

/// What was logged of a table, without what differs from run to run.
fn log(table: &str) -> String {
    format!(
        "select string_agg(concat_ws(' ', operation, \
           (select string_agg(key || '=' || value, ',' order by key) from jsonb_each(changes) \
             where key not in ('id', 'created_at', 'started_at'))), '; ' order by id) \
         from audit_log where table_name = '{table}' and operation !~ 'AUDIT'"
    )
}

#[tokio::test]
async fn each_change_is_logged_as_what_is_different() {
    let database = database().await;
    let session = Session::open(&database).await;
    let id = session.text("select create_task('a')").await;
    session.run("update tasks set title = 'b', priority = 3").await;
    session.run("update tasks set priority = 3; update tasks set updated_at = now()").await;
    session.run("delete from tasks; truncate tasks cascade").await;
    let inserted = "acceptance_criteria=[null, []],affected_files=[null, []]";
    let logged = session.text(&log("tasks")).await;
    assert!(logged.starts_with(&format!("INSERT {inserted}")), "{logged}");
    assert!(logged.contains("; UPDATE priority=[0, 3],title=[\"a\", \"b\"]; DELETE "), "{logged}");
    assert!(logged.ends_with("; TRUNCATE"), "{logged}");
    let keys = "select string_agg(distinct row_key, ',') from audit_log \
        where table_name = 'tasks' and operation in ('INSERT', 'UPDATE', 'DELETE')";
    assert_eq!(session.text(keys).await, id);
}

/// The original wrote the table's name into a column that took another one, and failed each time.
#[tokio::test]
async fn defect_10_each_audited_table_can_be_written() {
    let session = Session::open(&database().await).await;
    let task = session.text("select create_task('a')").await;
    session.text(&format!("select create_workflow('{task}')")).await;
    session
        .run(
            "insert into external_integrations (integration_type, integration_name, configuration) \
             values ('github', 'g', '{}'); select log_api_call('g', '/x', 'GET', 200, 1); \
             select record_metric('m', 1); update system_metrics set metric_value = 2; \
             delete from api_access_logs",
        )
        .await;
    let sql = "select string_agg(distinct table_name || ' ' || operation, ',' \
        order by table_name || ' ' || operation) from audit_log where operation !~ 'AUDIT' \
        and table_name <> 'schema_migrations' and table_name !~ 'personal|function'";
    let expected = "api_access_logs DELETE,external_integrations INSERT,system_metrics UPDATE,\
                    tasks INSERT,workflows INSERT";
    assert_eq!(session.text(sql).await, expected);
}

#[tokio::test]
async fn the_log_says_who_and_from_where() {
    let database = database().await;
    let proxy = Vouching::new(&database).await;
    let session = member(&database, "agent").await;
    let who = r#"{"actor":"ann","tenant":"acme","client_addr":"203.0.113.9","client_port":4711}"#;
    proxy.assume(&session, 1, who).await;
    session.run("set application_name = 'the agent'; select create_task('a')").await;
    let mut config = tokio_postgres::Config::new();
    config.host("127.0.0.1").port(database.cluster().port).dbname(&database.name);
    config.user(format!("agent_{}", database.name)).password("secret");
    Session::connect(&config).await.run("select create_task('b')").await;
    let sql = "select string_agg(concat_ws('|', login, actor, tenant_id, application_name, \
        peer_addr, peer_port > 0, client_addr, client_port), ' ' order by id) from audit_log \
        where operation = 'INSERT' and table_name = 'tasks'";
    let login = format!("agent_{}", database.name);
    let expected =
        format!("{login}|ann|acme|the agent|203.0.113.9|4711 {login}|{login}|||127.0.0.1|t");
    let logged = Session::open(&database).await.text(sql).await;
    assert_eq!(logged, expected);
}

#[tokio::test]
async fn nobody_but_the_owner_writes_the_log() {
    let database = database().await;
    Session::open(&database).await.run("select create_task('a')").await;
    for group in ["admin", "agent", "integration", "readonly", "auditor"] {
        let session = member(&database, group).await;
        for sql in [
            "insert into audit_log (table_name, operation) values ('tasks', 'DELETE')",
            "update audit_log set actor = 'nobody'",
            "delete from audit_log",
            "truncate audit_log",
            "insert into audit_log_default (id, table_name, operation) values (1, 't', 'DELETE')",
            "delete from audit_seals",
            "update audit_seals set dropped_at = now()",
            "select audit_event('tasks', 'DELETE', '{}')",
            "select audit_row()",
            "select enable_audit('system_metrics')",
            "select disable_audit('tasks')",
            "alter table tasks disable trigger audit_row",
            "drop trigger audit_row on tasks",
            "set session_replication_role = replica",
        ] {
            let sqlstate = session.sqlstate(sql).await;
            assert!(["42501", "0A000"].contains(&&*sqlstate), "{group}: {sql}: {sqlstate}");
        }
        let may_read = session.rows("select count(*) from audit_log").await.is_ok();
        assert_eq!(may_read, group == "auditor", "{group}");
    }
}

#[tokio::test]
async fn a_write_is_not_lost_when_the_partition_is_missing() {
    let session = Session::open(&database().await).await;
    let month = "to_char(now() at time zone 'UTC', 'YYYYMM') || '01'";
    let partition = session.text(&format!("select 'audit_log_p' || {month}")).await;
    session.run(&format!("drop table {partition}; select create_task('a')")).await;
    assert_eq!(session.text("select count(*) from audit_log_default").await, "1");
    session.text("select ensure_audit_partitions()").await;
    assert_eq!(session.text("select count(*) from audit_log_default").await, "0");
    assert_eq!(session.text(&format!("select count(*) from {partition}")).await, "1");
}

#[tokio::test]
async fn what_is_rolled_back_is_not_logged() {
    let session = Session::open(&database().await).await;
    session.run("begin; select create_task('a'); rollback").await;
    assert_eq!(session.text("select count(*) from tasks").await, "0");
    let count =
        "select count(*) from audit_log where table_name = 'tasks' and operation = 'INSERT'";
    assert_eq!(session.text(count).await, "0");
}

#[tokio::test]
async fn rows_that_are_a_log_themselves_are_audited_when_they_change() {
    let session = Session::open(&database().await).await;
    session
        .run(
            "select record_metric('m', g) from generate_series(1, 100) g; \
             update system_metrics set metric_value = 0 where metric_value = 7; \
             delete from system_metrics where metric_value = 8; truncate system_metrics",
        )
        .await;
    let expected = "UPDATE metric_value=[7, 0]; DELETE";
    let logged = session.text(&log("system_metrics")).await;
    assert!(logged.starts_with(expected) && logged.ends_with("; TRUNCATE"), "{logged}");
}

#[tokio::test]
async fn counting_calls_of_an_integration_is_not_a_change() {
    let session = Session::open(&database().await).await;
    session
        .run(
            "insert into external_integrations (integration_type, integration_name, configuration) \
             values ('github', 'g', '{}'); select log_api_call('g', '/x', 'GET', 200, 1); \
             update external_integrations set status = 'inactive'",
        )
        .await;
    let logged = session.text(&log("external_integrations")).await;
    assert!(logged.ends_with("; UPDATE status=[\"active\", \"inactive\"]"), "{logged}");
    assert_eq!(logged.matches("UPDATE").count(), 1, "{logged}");
}

#[tokio::test]
async fn an_owner_turns_it_on_and_off_and_the_log_says_so() {
    let session = Session::open(&database().await).await;
    session
        .run(
            "create table mine (a int, b text, c int generated always as (a + 1) stored, \
             primary key (a, b)); select enable_audit('mine', 'all', '{}'); \
             insert into mine values (1, 'x'); select disable_audit('mine'); \
             insert into mine values (2, 'y')",
        )
        .await;
    let sql = "select string_agg(concat_ws(' ', operation, row_key, changes), '; ' order by id) \
        from audit_log where table_name = 'mine'";
    let expected = "ENABLE AUDIT {\"what\": \"all\"}; INSERT [1, \"x\"] {\"a\": [null, 1], \
                    \"b\": [null, \"x\"]}; DISABLE AUDIT {}";
    assert_eq!(session.text(sql).await, expected);
    assert_eq!(session.text("select disable_audit('mine')").await, "f");
    assert_eq!(session.sqlstate("select enable_audit('mine', 'some')").await, "22023");
    assert_eq!(session.sqlstate("select enable_audit('audit_log')").await, "22023");
}

#[tokio::test]
async fn partitions_that_come_later_are_audited() {
    let session = Session::open(&database().await).await;
    session
        .run(
            "select make_partition('system_metrics', '2001-01-01', '2001-01-02'); \
             insert into system_metrics (metric_name, metric_value, recorded_at) \
             values ('m', 1, '2001-01-01 12:00+00'); \
             update system_metrics_p20010101 set metric_value = 2",
        )
        .await;
    assert_eq!(session.text(&log("system_metrics")).await, "UPDATE metric_value=[1, 2]");
}
