//! `pg_dump | psql` into a new cluster: every row, partition, index, policy, trigger and grant, and
//! functions that work.

use harness::database::connect;
use harness::program::{Finished, Program};
use harness::{Cluster, Database};
use tokio_postgres::Client;

use super::support::{NO_DATED_PARTITIONS, dump, up_all};

fn postgres(program: &str, cluster: &Cluster) -> Program {
    Program::postgres(program)
        .env("PGHOST", &cluster.socket_dir)
        .env("PGPORT", cluster.port.to_string())
        .env("PGUSER", cluster.superuser)
        .env("PGPASSWORD", cluster.password)
}

async fn restore(cluster: &Cluster, database: &str, text: &str) -> Finished {
    let arguments = ["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", database];
    postgres("psql", cluster).args(arguments).input(text).succeed().await
}

/// Work of every kind, a proxy, an erasure, and a sealed audit.
const WORK: &str = "
    insert into external_integrations (integration_type, integration_name, configuration)
        values ('github', 'g', '{}');
    select create_task('task ' || g, p_assigned_to => 'ann', p_metadata => '{\"a\": \"ünï\"}')
        from generate_series(1, 30) g;
    select create_workflow(id) from tasks;
    select record_metric('m', g) from generate_series(1, 50) g;
    insert into system_metrics (metric_name, metric_value, recorded_at) values ('old', 1, '2001-01-01');
    select log_api_call('g', '/x', 'GET', 200, 1, p_user_id => 'ann');
    update tasks set priority = 3 where title like '%5';
    insert into proxy_keys (name, stored_key) values ('edge', sha256('key'));
    select count(*) from erase_subject('ann', 'pseudonymize', 'asked', false);
    create table taskmaster.own (id int primary key, body text);
    select taskmaster.protect_table('taskmaster.own');
    alter table taskmaster.tasks add column extra text default 'x';
    create index own_index on taskmaster.tasks (extra);
    create policy own_policy on taskmaster.own for select to taskmaster_readonly using (body is null);";

async fn run(client: &Client, sql: &str) {
    client.batch_execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
}

async fn text(client: &Client, sql: &str) -> String {
    let row = client.query_one(sql, &[]).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    row.get::<_, Option<String>>(0).unwrap_or_default()
}

/// A digest of each table's rows.
async fn contents(client: &Client) -> Vec<String> {
    let sql = "select c.relname::text from pg_class c where c.relnamespace = 'taskmaster'::regnamespace \
        and c.relkind = 'r' order by 1";
    let mut contents = Vec::new();
    for row in client.query(sql, &[]).await.unwrap() {
        let name: String = row.get(0);
        let sql = format!(
            "select count(*) || ' ' || coalesce(md5(string_agg(t::text, '|' order by t::text)), '-') \
             from only taskmaster.{name} t"
        );
        contents.push(format!("{name}: {}", text(client, &sql).await));
    }
    contents
}

/// What a dump of the schema does not show the same way on both sides.
async fn sealed(database: &Database<'_>) -> Client {
    let client = database.connect().await;
    harness::wait::until("the log is sealed", async || {
        run(&client, "select seal_audit()").await;
        let sql = "select ((select max(last_id) from audit_seals) >= max(id))::text from audit_log";
        text(&client, sql).await == "true"
    })
    .await;
    client
}

#[tokio::test]
async fn a_dump_restored_into_a_new_cluster_is_the_same_and_works() {
    let (old, new) = (Cluster::builder().start(), Cluster::builder().start());
    let source = old.create_database().await;
    up_all(&source).await;
    run(&source.connect().await, WORK).await;
    let before = sealed(&source).await;

    let roles =
        postgres("pg_dumpall", &old).args(["--roles-only", "--no-role-passwords"]).succeed().await;
    let lines = roles.stdout.lines().filter(|line| line.contains("taskmaster_"));
    let roles = lines.fold(String::new(), |text, line| text + line + "\n");
    assert_eq!(roles.matches("CREATE ROLE").count(), 6, "{roles}");
    restore(&new, "postgres", &roles).await;
    let arguments = ["--create", "-d", &source.name];
    let dumped = postgres("pg_dump", &old).args(arguments).succeed().await;
    restore(&new, "postgres", &dumped.stdout).await;

    let target = new.named(&source.name);
    let (there, here) = (shape(&source), shape(&target));
    let differing = there.lines().zip(here.lines()).find(|(there, here)| there != here);
    assert!(there == here, "first difference: {differing:?}");
    assert!(dump(&target, &[]).contains("CREATE POLICY own_policy"));
    let after = connect(&target.config()).await;
    assert_eq!(contents(&after).await, contents(&before).await);
    assert_eq!(acls(&after).await, acls(&before).await);

    for sql in [
        "select bool_and(ok)::text from verify_audit()",
        "select (create_task('after') is not null)::text",
        "select (record_metric('m', 1) is not null)::text",
        "select (count(*) >= 1)::text from audit_log where changes -> 'title' ->> 1 = 'after'",
        "select (count(*) = 0)::text from erase_subject('ann')",
        "select (current_tenant() is null)::text",
    ] {
        assert_eq!(text(&after, sql).await, "true", "{sql}");
    }
    run(&after, "select ensure_partitions(); select ensure_audit_partitions()").await;
    let after = sealed(&target).await;
    assert_eq!(text(&after, "select bool_and(ok)::text from verify_audit()").await, "true");
    assert_eq!(up_all(&target).await.steps, [], "all steps are there");
    assert!(!dump(&target, &[NO_DATED_PARTITIONS]).is_empty());
}

/// A dump of the schema. PostgreSQL prints the words of a CHECK or a view on `varchar` with other casts when it has read
/// what it printed itself.
fn shape(database: &Database<'_>) -> String {
    let plain = |line: &str| {
        if !line.contains("= ANY") && !line.contains("<> ALL") {
            return line.to_owned() + "\n";
        }
        let casts = ["::character varying", "::text[]", "::text", "(", ")"];
        casts.iter().fold(line.to_owned() + "\n", |line, cast| line.replace(cast, ""))
    };
    dump(database, &["--create"]).lines().map(plain).collect()
}

/// Grants of the extension's functions, which a dump has as a difference.
async fn acls(client: &Client) -> String {
    let sql = "select string_agg(p.oid::regprocedure || ' ' || grants, E'\\n' order by p.oid::regprocedure::text) \
        from pg_proc p, lateral (select string_agg(a.grantee::regrole || a.privilege_type, ',' \
            order by a.grantee::regrole::text, a.privilege_type) as grants \
            from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a) as g \
        where p.pronamespace = 'taskmaster'::regnamespace";
    text(client, sql).await
}
