//! Row-level security: whose rows a client sees and changes, that nothing a client does shows it others',
//! and that plans stay what they were.

use harness::{Cluster, Database};

use super::actors::{Vouching, member};
use super::session::Session;

async fn database() -> Database<'static> {
    Cluster::shared().await.database().await
}

/// Agents of two tenants and of none, each with a task.
async fn tenants(database: &Database<'_>) -> [Session; 3] {
    let proxy = Vouching::new(database).await;
    let [acme, evil, none] = [
        member(database, "agent").await,
        member(database, "agent").await,
        member(database, "agent").await,
    ];
    proxy.assume(&acme, 1, r#"{"actor":"ann","tenant":"acme"}"#).await;
    proxy.assume(&evil, 1, r#"{"actor":"eve","tenant":"evil"}"#).await;
    for (session, title) in [(&acme, "acme"), (&evil, "evil"), (&none, "nobody")] {
        session.text(&format!("select create_task('{title}') is not null")).await;
    }
    [acme, evil, none]
}

const TITLES: &str = "select string_agg(title, ',' order by title) from tasks";

#[tokio::test]
async fn each_tenant_sees_its_own_rows() {
    let database = database().await;
    let [acme, evil, none] = tenants(&database).await;
    assert_eq!(acme.text(TITLES).await, "acme");
    assert_eq!(evil.text(TITLES).await, "evil");
    assert_eq!(none.text(TITLES).await, "nobody");
    for table in ["workflows", "system_metrics", "external_integrations", "api_access_logs"] {
        let insert = match table {
            "workflows" => "select create_workflow(id) from tasks",
            "system_metrics" => "select record_metric('m', 1)",
            "api_access_logs" => "select log_api_call('g', '/x', 'GET', 200, 1)",
            _ => continue,
        };
        acme.run(insert).await;
        let count = format!("select count(*) from {table}");
        assert_eq!(acme.text(&count).await, "1", "{table}");
        assert_eq!(evil.text(&count).await, "0", "{table}");
        assert_eq!(none.text(&count).await, "0", "{table}");
    }
}

/// People of one name, who send the same key.
#[tokio::test]
async fn keys_of_requests_are_the_tenants_own() {
    let database = database().await;
    let proxy = Vouching::new(&database).await;
    let [acme, evil] = [member(&database, "agent").await, member(&database, "agent").await];
    proxy.assume(&acme, 1, r#"{"actor":"ann","tenant":"acme"}"#).await;
    proxy.assume(&evil, 1, r#"{"actor":"ann","tenant":"evil"}"#).await;
    let create = "select create_task('t', p_idempotency_key => 'k')";
    let [first, again, other] =
        [acme.text(create).await, acme.text(create).await, evil.text(create).await];
    assert_eq!(first, again);
    assert_ne!(first, other);
    assert_eq!(evil.text("select id from tasks").await, other);
}

#[tokio::test]
async fn no_tenant_writes_into_another() {
    let database = database().await;
    let [acme, evil, _] = tenants(&database).await;
    let id = acme.text("select id from tasks").await;
    for sql in [
        "insert into tasks (title, tenant_id) values ('x', 'acme')",
        "insert into tasks (title, tenant_id) values ('x', '')",
        "insert into tasks (title, tenant_id) values ('x', null)",
        "update tasks set tenant_id = 'acme'",
    ] {
        assert_eq!(evil.sqlstate(sql).await, "42501", "{sql}");
    }
    let update = format!(
        "with u as (update tasks set title = 'x' where id = '{id}' returning 1) \
                          select count(*) from u"
    );
    assert_eq!(evil.text(&update).await, "0");
    let status = format!("select update_task_status('{id}', 'in_progress')");
    assert_eq!(evil.sqlstate(&status).await, "P0002");
    let child = format!("select create_task('child', p_parent_task_id => '{id}')");
    assert_eq!(evil.sqlstate(&child).await, "23503");
}

/// Operators see all when no proxy says that they act for a tenant, as a single-tenant installation did
/// before there were tenants.
#[tokio::test]
async fn operators_and_owners_see_all_tenants() {
    let database = database().await;
    tenants(&database).await;
    let all = "acme,evil,nobody";
    assert_eq!(Session::open(&database).await.text(TITLES).await, all);
    let admin = member(&database, "admin").await;
    assert_eq!(admin.text(TITLES).await, all);
    assert_eq!(member(&database, "auditor").await.text(TITLES).await, all);
    assert_eq!(member(&database, "owner").await.text(TITLES).await, all);
    assert_eq!(member(&database, "readonly").await.text(TITLES).await, "nobody");
    admin.run("update tasks set priority = 1 where title = 'evil'").await;
    let audited = "select tenant_id from audit_log where operation = 'UPDATE'";
    assert_eq!(Session::open(&database).await.text(audited).await, "evil");
}

#[tokio::test]
async fn an_auditor_of_a_tenant_sees_its_audit() {
    let database = database().await;
    tenants(&database).await;
    let auditor = member(&database, "auditor").await;
    let sql = "select string_agg(distinct tenant_id, ',') from audit_log";
    assert_eq!(auditor.text(sql).await, ",acme,evil");
    let proxy = "select stored_key is not null from proxy_keys";
    assert_eq!(auditor.sqlstate(proxy).await, "42501");
}

/// The original asked `current_user` inside a SECURITY DEFINER function, which is always the definer.
#[tokio::test]
async fn defect_16_policies_ask_who_acts_inside_functions_of_others_too() {
    let database = database().await;
    Session::open(&database)
        .await
        .run(
            "create function public.count_as_owner() returns bigint language sql security definer \
             as 'select count(*) from taskmaster.tasks'; \
             create function public.who_as_owner() returns text language sql security definer \
             as 'select taskmaster.current_actor() || taskmaster.current_tenant()'; \
             alter function public.count_as_owner() owner to taskmaster_agent; \
             alter function public.who_as_owner() owner to taskmaster_agent",
        )
        .await;
    let [acme, evil, _] = tenants(&database).await;
    acme.text("select create_task('second') is not null").await;
    assert_eq!(acme.text("select public.count_as_owner()").await, "2");
    assert_eq!(evil.text("select public.count_as_owner()").await, "1");
    assert_eq!(acme.text("select public.who_as_owner()").await, "annacme");
}

#[tokio::test]
async fn one_connection_serves_tenants_one_after_another() {
    let database = database().await;
    let proxy = Vouching::new(&database).await;
    tenants_rows(&database).await;
    let session = member(&database, "agent").await;
    session.run("prepare titles as select string_agg(title, ',') from tasks").await;
    for (sequence, tenant) in [(1, "one"), (2, "two"), (3, "one")] {
        let identity = format!(r#"{{"tenant":"{tenant}"}}"#);
        proxy.assume(&session, sequence, &identity).await;
        // The functions' plans are kept from one tenant to the next.
        let id = session.text("select id from tasks").await;
        let completion = format!("select calculate_task_completion('{id}')");
        assert_eq!(session.text(&completion).await, "0.00");
        assert_eq!(session.text("execute titles").await, tenant);
    }
}

async fn tenants_rows(database: &Database<'_>) {
    let sql = "insert into tasks (title, tenant_id) values ('one', 'one'), ('two', 'two')";
    Session::open(database).await.run(sql).await;
}

#[tokio::test]
async fn an_agent_changes_tasks_that_are_its_own_or_nobodys() {
    let database = database().await;
    let [acme, ..] = tenants(&database).await;
    let proxy = "update tasks set tenant_id = 'acme', assigned_to = title where title <> 'acme'";
    let superuser = Session::open(&database).await;
    superuser.run(proxy).await;
    superuser
        .run("insert into tasks (title, tenant_id, assigned_to) values ('hers', 'acme', 'ann')")
        .await;
    assert_eq!(acme.text(TITLES).await, "acme,evil,hers,nobody");
    let changed = "with u as (update tasks set priority = 9 returning title) \
        select string_agg(title, ',' order by title) from u";
    assert_eq!(acme.text(changed).await, "acme,hers");
    let status = "select update_task_status(id, 'in_progress') from tasks where title = 'evil'";
    assert_eq!(acme.sqlstate(status).await, "P0002");
    acme.run("update tasks set assigned_to = 'eve' where title = 'hers'").await;
    assert_eq!(acme.text(changed).await, "acme", "what is given away is not hers any more");
}

#[tokio::test]
async fn plans_stay_index_scans() {
    let database = database().await;
    let superuser = Session::open(&database).await;
    superuser
        .run(
            "alter table tasks disable trigger audit_row; \
             insert into tasks (title, tenant_id, priority, status) \
             select 'task ' || g, case g % 10 when 0 then 'acme' else 'tenant' || g % 500 end, \
                    g % 11, case g % 4 when 0 then 'pending' else 'deferred' end \
             from generate_series(1, 100000) g; analyze tasks",
        )
        .await;
    let proxy = Vouching::new(&database).await;
    let session = member(&database, "agent").await;
    proxy.assume(&session, 1, r#"{"actor":"ann","tenant":"tenant7"}"#).await;
    for query in [
        "select * from tasks where id = gen_random_uuid()",
        "select * from tasks where status = 'pending' order by priority desc, created_at limit 10",
        "select * from tasks where status = 'pending'",
        "select count(*) from tasks",
        "select * from tasks where assigned_to = 'ann' and status = 'pending'",
        "update tasks set priority = 1 where status = 'pending'",
    ] {
        let plan = session.rows(&format!("explain {query}")).await.unwrap().concat().join("\n");
        assert!(plan.contains("Index"), "{query}:\n{plan}");
        assert!(!plan.contains("Seq Scan"), "{query}:\n{plan}");
    }
    assert_eq!(session.text("select count(*) from tasks").await, "200");
}

#[tokio::test]
async fn a_table_is_protected_in_one_line() {
    let database = database().await;
    let superuser = Session::open(&database).await;
    superuser
        .run(
            "create table taskmaster.notes (id bigserial primary key, body text); \
             insert into taskmaster.notes (body) values ('old'); \
             select taskmaster.protect_table('taskmaster.notes'); \
             select taskmaster.protect_table('taskmaster.notes')",
        )
        .await;
    let [acme, evil, none] = tenants(&database).await;
    acme.run("insert into notes (body) values ('hello')").await;
    let bodies = "select string_agg(body, ',') from notes";
    assert_eq!(acme.text(bodies).await, "hello");
    assert_eq!(evil.text(bodies).await, "NULL");
    assert_eq!(none.text(bodies).await, "old");
    assert_eq!(member(&database, "readonly").await.text(bodies).await, "old");
    let logged = "select string_agg(actor, ',') from audit_log where table_name = 'notes' \
        and operation = 'INSERT'";
    assert_eq!(superuser.text(logged).await, "ann");
    for sql in [
        "select taskmaster.protect_table('tasks', p_rows => 'mine')",
        "select taskmaster.protect_table('tasks', p_audit => 'some')",
    ] {
        assert_eq!(superuser.sqlstate(sql).await, "22023", "{sql}");
    }
    let admin = member(&database, "admin").await;
    let sql = "select taskmaster.protect_table('tasks', p_agent => 'DELETE')";
    assert_eq!(admin.sqlstate(sql).await, "42501");
}

/// What belongs to a task or an integration is seen by whoever sees that, also when an operator made it.
#[tokio::test]
async fn what_operators_do_is_seen_by_the_tenant_it_concerns() {
    let database = database().await;
    let [acme, evil, _] = tenants(&database).await;
    let id = acme.text("select id from tasks").await;
    let admin = member(&database, "admin").await;
    admin.run(&format!("select add_gate('{id}', 'human', '{{}}')")).await;
    admin.run(&format!("select set_task_budget('{id}', 100)")).await;
    for table in ["task_gates", "task_budgets"] {
        let count = format!("select count(*) from {table}");
        assert_eq!(acme.text(&count).await, "1", "{table}");
        assert_eq!(evil.text(&count).await, "0", "{table}");
    }
    let kinds = "select string_agg(kind, ',' order by seq) from task_events";
    assert_eq!(acme.text(kinds).await, "created,gate_added");
    assert_eq!(evil.text(kinds).await, "created");
    acme.run("select resolve_gate(id) from task_gates").await;
    let log = format!(
        "select log_api_call('g', '/x', 'GET', 200, 1, p_task_id => '{id}', p_tokens_in => 7)"
    );
    acme.run(&log).await;
    assert_eq!(acme.text("select tokens_used from task_budgets").await, "7");
    let waits =
        format!("insert into task_dependencies (task_id, depends_on) select id, '{id}' from tasks");
    evil.run(&waits).await;
    assert_eq!(acme.text("select count(*) from task_dependencies").await, "0");
}

/// A worker with no rights but an agent's takes a task of its tenant and brings it to its end.
#[tokio::test]
async fn an_agent_of_a_tenant_does_all_its_work() {
    let database = database().await;
    let [acme, evil, none] = tenants(&database).await;
    let first = acme.text("select id from tasks").await;
    acme.run(&format!("select create_task('next', p_depends_on => array['{first}']::uuid[])"))
        .await;
    acme.run("select create_workflow(id) from tasks where title = 'acme'").await;
    acme.run("select update_workflow_step(id, 'build', 'running') from workflows").await;
    acme.run("select update_workflow_step(id, 'build', 'completed') from workflows").await;
    assert_eq!(acme.text("select string_agg(title, ',') from ready_tasks").await, "acme");
    acme.run(
        "create temp table held as select * from claim_task('w'); \
         select heartbeat(task_id, claim_token, p_progress => '{\"at\": 1}') from held; \
         select complete_task(task_id, claim_token, '{\"ok\": true}') from held",
    )
    .await;
    assert_eq!(acme.text("select string_agg(title, ',') from ready_tasks").await, "next");
    for (table, rows) in
        [("workflow_steps", "1"), ("task_contexts", "2"), ("task_dependencies", "1")]
    {
        let count = format!("select count(*) from {table}");
        assert_eq!(acme.text(&count).await, rows, "{table}");
        for other in [&evil, &none] {
            assert_eq!(other.text(&count).await, "0", "{table}");
        }
    }
}

/// The rollups are made of the measurements of all.
#[tokio::test]
async fn no_tenant_reads_what_is_made_of_all_tenants() {
    let database = database().await;
    let [acme, evil, none] = tenants(&database).await;
    acme.run("select record_metric('m', 1, p_recorded_at => now() - interval '1 hour')").await;
    member(&database, "admin").await.run("select roll_up_metrics()").await;
    let series = "select count(*) from metric_series";
    assert_eq!(none.text(series).await, "1");
    for tenant in [&acme, &evil] {
        assert_eq!(tenant.text(series).await, "0");
        assert_eq!(tenant.text("select count(*) from metric_rollups").await, "0");
    }
}
