//! The roles: what each may call and touch, that PUBLIC may nothing, and that they outlive one database
//! while another needs them.

use harness::{Cluster, Database};

use super::actors::member;
use super::session::Session;

async fn database() -> Database<'static> {
    Cluster::shared().await.database().await
}

/// Functions of the schema that PUBLIC may execute, but for those of other extensions.
const PUBLIC_FUNCTIONS: &str = "select coalesce(string_agg(p.oid::regprocedure::text, ','), 'none') \
    from pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a \
    where p.pronamespace = 'taskmaster'::regnamespace and a.grantee = 0 and not exists ( \
      select from pg_depend e join pg_extension x on x.oid = e.refobjid where e.objid = p.oid \
      and e.classid = 'pg_proc'::regclass and e.deptype = 'e' and x.extname <> 'taskmaster')";

#[tokio::test]
async fn public_may_nothing() {
    let session = Session::open(&database().await).await;
    assert_eq!(session.text(PUBLIC_FUNCTIONS).await, "none");
    let relations = "select count(*) from pg_class c, aclexplode(c.relacl) a \
        where c.relnamespace = 'taskmaster'::regnamespace and a.grantee = 0";
    assert_eq!(session.text(relations).await, "0");
    let schema = "select count(*) from pg_namespace n, aclexplode(n.nspacl) a \
        where n.nspname = 'taskmaster' and a.grantee = 0";
    assert_eq!(session.text(schema).await, "0");
}

#[tokio::test]
async fn functions_that_come_later_are_not_publics_either() {
    let database = database().await;
    let session = Session::open(&database).await;
    session
        .run(
            "drop extension taskmaster; create extension taskmaster schema taskmaster; \
             create function taskmaster.later() returns int language sql as 'select 1'; \
             create procedure taskmaster.later_too() language sql as 'select 1'; \
             create aggregate taskmaster.later_sum(int) (sfunc = int4pl, stype = int); \
             insert into function_access values ('for_agents', '{taskmaster_agent}'); \
             create function taskmaster.for_agents() returns int language sql as 'select 2'; \
             create function public.theirs() returns int language sql as 'select 3'",
        )
        .await;
    assert_eq!(session.text(PUBLIC_FUNCTIONS).await, "none");
    let agent = member(&database, "agent").await;
    assert_eq!(agent.text("select for_agents() + public.theirs()").await, "5");
    assert_eq!(agent.sqlstate("select later()").await, "42501");
    assert_eq!(member(&database, "admin").await.text("select later()").await, "1");
    assert_eq!(member(&database, "admin").await.sqlstate("select for_agents()").await, "42501");
    agent.text("select create_task('still works') is not null").await;
}

const GROUPS: [&str; 5] = ["admin", "agent", "integration", "readonly", "auditor"];

/// Each call, and which of `GROUPS` may make it: `x` yes, `-` no.
const CALLS: &[(&str, &str)] = &[
    ("select create_task('t')", "xx---"),
    ("select update_task_status('00000000-0000-0000-0000-000000000001', 'pending')", "xx---"),
    ("select create_workflow('00000000-0000-0000-0000-000000000001')", "xx---"),
    (
        "select update_workflow_step('00000000-0000-0000-0000-000000000002', 'a', 'running')",
        "xx---",
    ),
    ("select record_metric('m', 1)", "xxx--"),
    ("select log_api_call('g', '/x', 'GET', 200, 1)", "xxx--"),
    ("select calculate_task_completion('00000000-0000-0000-0000-000000000001')", "xxxxx"),
    ("select count(*) from get_task_hierarchy('00000000-0000-0000-0000-000000000001')", "xxxxx"),
    ("select identity_challenge()", "xxxxx"),
    ("select ensure_partitions()", "x----"),
    ("select ensure_audit_partitions()", "x----"),
    ("select seal_audit()", "x----"),
    ("select count(*) from verify_audit()", "x---x"),
    ("select export_subject('nobody')", "x----"),
    ("select count(*) from erase_subject('nobody')", "x----"),
    ("select count(*) from drop_audit_months(now())", "x----"),
    ("select count(*) from create_tasks('[{\"title\": \"t\"}]')", "xx---"),
    ("select count(*) from claim_task('w')", "xx---"),
    ("select add_gate('00000000-0000-0000-0000-000000000001', 'human', '{}')", "xx---"),
    ("select count(*) from get_task_events()", "xxxxx"),
    ("select count(*) from search_tasks('one')", "xxxxx"),
    ("select export_taskmaster_json()", "xxxxx"),
    ("select count(*) from get_system_health()", "xxxxx"),
    ("select count(*) from partition_status()", "xxxxx"),
    ("select count(*) from integration_status()", "xxxxx"),
    ("select openmetrics()", "xxxxx"),
    ("select record_metrics('[{\"metric_name\": \"m\", \"metric_value\": 1}]')", "xxx--"),
    ("select record_metric('m', 1, p_recorded_at => now() - interval '1 hour')", "xxx--"),
    (
        "select log_api_call('g', '/x', 'GET', 200, 1, p_tokens_in => 7, \
         p_task_id => '00000000-0000-0000-0000-000000000001', \
         p_response_headers => '{\"x-ratelimit-remaining\": \"5\", \"x-ratelimit-limit\": \"9\"}')",
        "xxx--",
    ),
    ("select count(*) from acquire_rate_limit('g')", "xxx--"),
    ("select record_health_check('g', false)", "xxx--"),
    ("select count(*) from due_health_checks()", "x-x--"),
    ("select set_task_budget('00000000-0000-0000-0000-000000000001', 1)", "x----"),
    ("select register_integration('github', 'h')", "x----"),
    ("select roll_up_metrics()", "x----"),
    ("select tick()", "x----"),
    ("select apply_retention()", "x----"),
    ("select cleanup_old_data()", "x----"),
    ("select delete_before('api_access_logs', '2001-01-01')", "x----"),
    ("select delete_before('audit_log', '2001-01-01')", "-----"),
    ("select drop_partition('audit_log', 'audit_log_default')", "-----"),
    ("select make_partition('system_metrics', '2001-01-01', '2001-01-02')", "-----"),
];

/// Statements on tables, and who may run them.
const STATEMENTS: &[(&str, &str)] = &[
    ("select count(*) from tasks", "xxxxx"),
    ("insert into tasks (title) values ('t')", "xx---"),
    ("update tasks set priority = 1", "xx---"),
    ("delete from tasks where title = 't'", "x----"),
    ("insert into system_metrics (metric_name, metric_value) values ('m', 1)", "xxx--"),
    ("update system_metrics set metric_value = 2", "x----"),
    ("update external_integrations set current_usage = 1", "xxx--"),
    ("update external_integrations set configuration = '{}'", "x----"),
    ("select count(*) from schema_migrations", "xxxxx"),
    ("select count(*) from ready_tasks", "xxxxx"),
    ("select count(*) from blocked_tasks, blocking_tasks, v_taskmaster_tasks", "xxxxx"),
    ("delete from task_dependencies", "xx---"),
    ("update task_events set actor = 'x'", "x----"),
    ("update task_budgets set tokens_max = 1", "x----"),
    ("update task_status_transitions set guard = null", "x----"),
    ("insert into metric_dirty_buckets (bucket) values (now())", "xxx--"),
    ("delete from metric_rollups", "x----"),
    ("update retention_policies set keep = '1 day'", "x----"),
    ("delete from schema_migrations", "-----"),
    ("select count(*) from audit_log", "----x"),
    ("select count(*) from legal_holds", "x---x"),
    ("insert into function_access values ('x', '{}')", "-----"),
    ("create table taskmaster.mine (a int)", "-----"),
];

#[tokio::test]
async fn each_role_can_do_its_work_and_nothing_else() {
    let database = database().await;
    let superuser = Session::open(&database).await;
    superuser
        .run(
            "insert into tasks (id, title) values ('00000000-0000-0000-0000-000000000001', 'one'); \
             insert into external_integrations (integration_type, integration_name, configuration) \
             values ('github', 'g', '{}')",
        )
        .await;
    for (index, group) in GROUPS.into_iter().enumerate() {
        let session = member(&database, group).await;
        for (sql, allowed) in CALLS.iter().chain(STATEMENTS) {
            session.run("begin").await;
            let outcome = session.rows(sql).await.map_err(|refusal| refusal.sqlstate);
            session.run("rollback").await;
            let is_refused = outcome.as_ref().is_err_and(|sqlstate| sqlstate == "42501");
            // A call may fail for what it finds; it is not refused for who makes it.
            assert_eq!(!is_refused, &allowed[index..=index] == "x", "{group}: {sql}: {outcome:?}");
            let known = [None, Some("P0002"), Some("23505")];
            let sqlstate = outcome.err().filter(|_| !is_refused);
            assert!(known.contains(&sqlstate.as_deref()), "{group}: {sql}: {sqlstate:?}");
        }
    }
}

/// Partitions are reached through their table, where the policies are.
#[tokio::test]
async fn no_role_reaches_a_partition_directly() {
    let database = database().await;
    for group in GROUPS {
        let session = member(&database, group).await;
        for table in ["system_metrics_default", "api_access_logs_default", "audit_log_default"] {
            assert_eq!(session.sqlstate(&format!("select from {table}")).await, "42501", "{group}");
        }
        let dated = "select max(relname) from pg_class where relname ~ '^system_metrics_p[0-9]+$'";
        let partition = session.text(dated).await;
        assert_eq!(session.sqlstate(&format!("select from {partition}")).await, "42501", "{group}");
    }
}

/// Every table of the schema is under protection: a step that makes one calls `protect_table`.
#[tokio::test]
async fn every_table_has_its_owner_and_its_grants() {
    let session = Session::open(&database().await).await;
    let sql = "select coalesce(string_agg(c.relname, ','), 'none') from pg_class c \
        where c.relnamespace = 'taskmaster'::regnamespace and c.relkind in ('r', 'p') \
        and c.relowner <> 'taskmaster_owner'::regrole";
    assert_eq!(session.text(sql).await, "none", "protect_table() has not been called for these");
    let unaudited = "select string_agg(c.relname, ',' order by c.relname) from pg_class c \
        where c.relnamespace = 'taskmaster'::regnamespace and c.relkind in ('r', 'p') \
        and not c.relispartition and not exists ( \
          select from pg_trigger t where t.tgrelid = c.oid and t.tgname = 'audit_row')";
    assert_eq!(
        session.text(unaudited).await,
        "audit_log,audit_seals,idempotency_keys,integration_health,integration_health_history,\
         integration_rate_state,maintenance_state,metric_dirty_buckets,metric_rollups,metric_series,\
         rollup_samples,rollup_watermarks"
    );
    let generated = "select coalesce(string_agg(c.relname || '.' || a.attname, ','), 'none') \
        from pg_trigger t join pg_class c on c.oid = t.tgrelid \
        join pg_attribute a on a.attrelid = c.oid and a.attgenerated <> '' and not a.attisdropped \
        where t.tgname = 'audit_row' and c.relnamespace = 'taskmaster'::regnamespace \
        and position(a.attname in encode(t.tgargs, 'escape')) = 0";
    assert_eq!(session.text(generated).await, "none", "protect_table() is to be called again");
}

#[tokio::test]
async fn a_second_database_keeps_the_roles_that_it_uses() {
    let cluster = Cluster::builder().start();
    let roles = "select count(*) from pg_roles where rolname ~ '^taskmaster_'";
    let (one, two) = (cluster.database().await, cluster.database().await);
    for database in [&one, &two] {
        let session = Session::open(database).await;
        assert_eq!(session.text(roles).await, "6");
    }
    let session = Session::open(&two).await;
    session.run("create role outsider in role taskmaster_readonly").await;
    down_to_nothing(&one).await;
    assert_eq!(session.text(roles).await, "6");
    let agent = member(&two, "agent").await;
    agent.text("select create_task('still there') is not null").await;
}

async fn down_to_nothing(database: &Database<'_>) {
    use taskmaster_migrations::{DownTo, Runner, Target, TlsMode, connect};
    let cluster = database.cluster();
    let host = cluster.socket_dir.to_str().unwrap();
    let mut target = Target::new(host, cluster.port, cluster.superuser, &database.name);
    target.password = Some(cluster.password.to_owned());
    target.tls = TlsMode::Disable;
    let mut runner = Runner::new(connect(&target, tokio_postgres::NoTls).await.unwrap());
    runner.down(DownTo::Nothing, &mut |_| ()).await.unwrap();
}

#[tokio::test]
async fn roles_that_nobody_needs_any_more_go() {
    let cluster = Cluster::builder().start();
    let database = cluster.create_database().await;
    {
        use taskmaster_migrations::{Runner, Target, TlsMode, UpTo, connect};
        let host = cluster.socket_dir.to_str().unwrap();
        let mut target = Target::new(host, cluster.port, cluster.superuser, &database.name);
        target.password = Some(cluster.password.to_owned());
        target.tls = TlsMode::Disable;
        let mut runner = Runner::new(connect(&target, tokio_postgres::NoTls).await.unwrap());
        runner.up(UpTo::Latest, &mut |_| ()).await.unwrap();
    }
    let session = Session::open(&database).await;
    let roles = "select string_agg(rolname, ',') from pg_roles where rolname ~ '^taskmaster_'";
    session.run("create role outsider in role taskmaster_readonly").await;
    down_to_nothing(&database).await;
    assert_eq!(session.text(roles).await, "taskmaster_readonly", "it has a member");
}
