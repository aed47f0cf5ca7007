//! `record_metric` writes its row without a plan where that is safe. Each thing an INSERT owes its table is held here, and
//! where the function has to go by the plan, that it does.

use harness::{Cluster, Database};

use super::session::{Session, fresh};

/// One way to spoil the short way, and what it has to be undone by.
const BY_PLAN: [(&str, &str); 8] = [
    (
        "create trigger t before insert on system_metrics for each row execute function quiet()",
        "drop trigger t on system_metrics",
    ),
    (
        "create trigger t after insert on system_metrics for each statement execute function quiet()",
        "drop trigger t on system_metrics",
    ),
    (
        "create trigger t after insert on system_metrics referencing new table as n \
         for each statement execute function quiet()",
        "drop trigger t on system_metrics",
    ),
    (
        "create rule r as on insert to system_metrics do also select 1",
        "drop rule r on system_metrics",
    ),
    (
        "alter table system_metrics add g text generated always as (upper(metric_name)) stored",
        "alter table system_metrics drop g",
    ),
    (
        "alter table system_metrics alter metric_value type numeric(20, 4)",
        "alter table system_metrics alter metric_value type numeric",
    ),
    (
        "alter table system_metrics alter component type varchar(50)",
        "alter table system_metrics alter component type varchar(100)",
    ),
    (
        "alter table system_metrics alter metric_type type text",
        "alter table system_metrics alter metric_type type varchar(50)",
    ),
];

pub(super) const QUIET: &str = "create function quiet() returns trigger language plpgsql as \
                     $$ begin return new; end $$";

/// A session that is told of every statement, those inside of functions included.
pub(super) async fn observed(database: &Database<'_>) -> Session {
    let session = Session::open(database).await;
    session
        .run(
            "load 'auto_explain'; set auto_explain.log_min_duration = 0; \
             set auto_explain.log_nested_statements = on; set client_min_messages = log",
        )
        .await;
    session
}

/// Whether the call ran an INSERT into the table by a plan.
pub(super) async fn goes_by_plan(session: &mut Session, call: &str, table: &str) -> bool {
    session.notices();
    session.text(call).await;
    let notices = session.notices();
    assert!(!notices.is_empty(), "auto_explain reports at least the call itself");
    let insert = format!("INSERT INTO taskmaster.{table}");
    notices.iter().any(|notice| notice.message.contains(&insert))
}

const CALL: &str = "select record_metric('m', 1.5, 'c', 'gauge', '{\"a\": 1}')";

#[tokio::test]
async fn the_short_way_is_taken_and_left_where_it_is_not_safe() {
    let database = Cluster::shared().await.database().await;
    let mut session = observed(&database).await;
    session.run(QUIET).await;
    assert!(!goes_by_plan(&mut session, CALL, "system_metrics").await, "nothing stands in the way");
    for (spoil, undo) in BY_PLAN {
        session.run(spoil).await;
        assert!(goes_by_plan(&mut session, CALL, "system_metrics").await, "{spoil}");
        session.run(undo).await;
        assert!(!goes_by_plan(&mut session, CALL, "system_metrics").await, "{undo}");
    }
    let rows = "select count(*), count(distinct id) from system_metrics";
    assert_eq!(session.rows(rows).await.unwrap()[0], ["17", "17"]);
}

#[tokio::test]
async fn triggers_for_each_row_fire_and_see_the_row() {
    let session = fresh().await;
    session
        .run(
            "create table seen (name text, n bigint); \
             create function see() returns trigger language plpgsql as $$ begin \
               insert into seen select new.metric_name, count(*) from system_metrics; \
               return null; end $$; \
             create trigger t after insert on system_metrics for each row execute function see(); \
             create trigger w after insert on system_metrics for each row \
               when (new.metric_value > 10) execute function see()",
        )
        .await;
    session.run("select record_metric('one', 1); select record_metric('two', 20)").await;
    let seen = "select string_agg(name || n, ' ' order by n) from seen";
    assert_eq!(session.text(seen).await, "one1 two2 two2");
}

#[tokio::test]
async fn a_trigger_may_record_a_metric_itself() {
    let session = fresh().await;
    session
        .run(
            "create function more() returns trigger language plpgsql as $$ begin \
               perform record_metric('inner', 1, new.id::text); return null; end $$; \
             create trigger t after insert on system_metrics for each row \
               when (new.metric_name = 'outer') execute function more()",
        )
        .await;
    session.run("select record_metric('outer', n) from generate_series(1, 3) n").await;
    let pairs = "select count(*) from system_metrics i join system_metrics o \
                 on i.component = o.id::text where i.metric_name = 'inner'";
    assert_eq!(session.text(pairs).await, "3");
}

#[tokio::test]
async fn foreign_keys_hold() {
    let session = fresh().await;
    session
        .run(
            "create table known (name varchar(100) primary key); insert into known values ('m'); \
             alter table system_metrics add foreign key (metric_name) references known",
        )
        .await;
    session.text(CALL).await;
    let refusal = session.refusal("select record_metric('unknown', 1)").await;
    assert_eq!(refusal.sqlstate, "23503");
    assert!(refusal.constraint.ends_with(".system_metrics_metric_name_fkey"), "{refusal:?}");
    // A deferred one is looked at when the transaction ends.
    session
        .run(
            "alter table system_metrics drop constraint system_metrics_metric_name_fkey; \
             alter table system_metrics add foreign key (metric_name) references known \
             deferrable initially deferred",
        )
        .await;
    session
        .run("begin; select record_metric('later', 1); insert into known values ('later'); commit")
        .await;
    session.run("begin; select record_metric('never', 1)").await;
    assert_eq!(session.sqlstate("commit").await, "23503");
}

#[tokio::test]
async fn check_not_null_and_unique_constraints_hold() {
    let session = fresh().await;
    for (constraint, call, sqlstate) in [
        ("add constraint c check (metric_value < 10)", "'m', 11", "23514"),
        ("alter source_system set not null", "'m', 1", "23502"),
    ] {
        session.run(&format!("alter table system_metrics {constraint}")).await;
        let sql = format!("select record_metric({call})");
        assert_eq!(session.sqlstate(&sql).await, sqlstate, "{constraint}");
    }
    session.run("alter table system_metrics alter source_system drop not null").await;
    session.run("create unique index on system_metrics (metric_name, recorded_at)").await;
    session.run("begin; select record_metric('m', 1)").await;
    assert_eq!(session.sqlstate("select record_metric('m', 2)").await, "23505");
    session.run("rollback").await;
    let detail = session.refusal("select record_metric('m', 11)").await.detail;
    assert!(detail.as_str().unwrap().contains("Failing row contains"), "{detail}");
}

#[tokio::test]
async fn defaults_are_those_of_the_table_as_it_is() {
    let session = fresh().await;
    session.text(CALL).await;
    session
        .run(
            "create sequence numbers; create function twice(n bigint) returns bigint language sql \
             as 'select n * 2'; \
             alter table system_metrics add seq bigint default twice(nextval('numbers')), \
             add word text default 'fixed', add nothing int; \
             alter table system_metrics alter recorded_at set default now() - interval '1 minute'",
        )
        .await;
    session.text("select record_metric('n', 1)").await;
    let row = "select concat_ws('|', seq, word, nothing, recorded_at = now()) \
               from system_metrics where metric_name = 'n'";
    assert_eq!(session.text(row).await, "4|fixed|f");
    let late = "select count(*) from system_metrics where metric_name = 'n' \
                and recorded_at < now() - interval '59 seconds'";
    assert_eq!(session.text(late).await, "1");
    session.run("create or replace function twice(n bigint) returns bigint language sql as 'select n * 3'").await;
    session.text("select record_metric('o', 1)").await;
    assert_eq!(session.text("select seq from system_metrics where metric_name = 'o'").await, "9");
}

#[tokio::test]
async fn rows_find_their_partition_whatever_its_columns_order() {
    let session = fresh().await;
    session
        .run(
            "create table odd (source_system varchar(50), tags jsonb default '{}', gone int, id uuid, \
               metric_unit varchar(20), metric_type varchar(50) not null, component varchar(100), \
               recorded_at timestamptz not null, metric_metadata jsonb, metric_value numeric not null, \
               metric_name varchar(100) not null, tenant_id text not null, \
               constraint system_metrics_metric_type_check \
               check (metric_type in ('gauge', 'counter', 'histogram', 'timer'))); \
             alter table odd drop gone, alter id set not null; \
             alter table system_metrics attach partition odd \
               for values from ('2001-01-01 00:00+00') to ('2001-01-02 00:00+00')",
        )
        .await;
    let call = "select record_metric('m', 2, 'c', 'timer', '{\"a\": 1}', 'ms', 's', \
                '2001-01-01 12:00+00', '{\"b\": 2}')";
    session.text(call).await;
    let row = "select concat_ws('|', metric_name, metric_value, component, metric_type, tags, \
               metric_unit, source_system, metric_metadata) from odd";
    assert_eq!(session.text(row).await, "m|2|c|timer|{\"a\": 1}|ms|s|{\"b\": 2}");
    // A partition with a trigger that could change the row goes by the plan, which fires it.
    session
        .run(
            "create function shout() returns trigger language plpgsql as \
             $$ begin new.component := upper(new.component); return new; end $$; \
             create trigger t before insert on odd for each row execute function shout()",
        )
        .await;
    session.text(call).await;
    assert_eq!(
        session.text("select string_agg(component, '' order by component) from odd").await,
        "Cc"
    );
}

#[tokio::test]
async fn without_a_partition_for_it_a_row_is_refused() {
    let session = fresh().await;
    session.run("drop table system_metrics_default").await;
    let refusal =
        session.refusal("select record_metric('m', 1, p_recorded_at => '2001-01-01')").await;
    assert_eq!(refusal.sqlstate, "23514");
    assert!(refusal.message.contains("no partition"), "{}", refusal.message);
}

#[tokio::test]
async fn row_level_security_is_that_of_the_caller() {
    let session = fresh().await;
    session
        .run(
            "do $$ begin create role direct_rls; exception when duplicate_object then null; end $$; \
             grant usage on schema taskmaster to direct_rls; \
             grant select, insert on system_metrics to direct_rls; \
             grant execute on all functions in schema taskmaster to direct_rls; \
             create policy p on system_metrics as restrictive for insert to direct_rls \
               with check (component = 'mine')",
        )
        .await;
    session.text("select record_metric('m', 1, 'owner')").await;
    session.run("set role direct_rls").await;
    session.text("select record_metric('m', 1, 'mine')").await;
    assert_eq!(session.sqlstate("select record_metric('m', 1, 'other')").await, "42501");
    session.run("reset role; alter table system_metrics disable row level security; set role direct_rls").await;
    session.text("select record_metric('m', 1, 'other')").await;
    session.run("reset role").await;
    assert_eq!(session.text("select count(*) from system_metrics").await, "3");
}

#[tokio::test]
async fn privileges_are_those_of_the_caller() {
    let session = fresh().await;
    session
        .run(
            "do $$ begin create role direct_acl; exception when duplicate_object then null; end $$; \
             grant usage on schema taskmaster to direct_acl; \
             grant execute on all functions in schema taskmaster to direct_acl; set role direct_acl",
        )
        .await;
    assert_eq!(session.sqlstate(CALL).await, "42501");
    session
        .run("reset role; grant insert on system_metrics to direct_acl; set role direct_acl")
        .await;
    // The id is returned, which reads it.
    assert_eq!(session.sqlstate(CALL).await, "42501");
    session
        .run("reset role; grant select (id) on system_metrics to direct_acl; set role direct_acl")
        .await;
    session.text(CALL).await;
    session
        .run("reset role; grant select on system_metrics to direct_acl; set role direct_acl")
        .await;
    session.text(CALL).await;
    session
        .run("reset role; revoke insert on system_metrics from direct_acl; set role direct_acl")
        .await;
    assert_eq!(session.sqlstate(CALL).await, "42501");
}

#[tokio::test]
async fn a_read_only_transaction_writes_nothing() {
    let session = fresh().await;
    session.run("begin read only").await;
    assert_eq!(session.sqlstate(CALL).await, "25006");
    session.run("rollback").await;
    session.text(CALL).await;
}

#[tokio::test]
async fn a_statement_that_follows_sees_the_row_and_a_savepoint_takes_it_back() {
    let session = fresh().await;
    session
        .run(
            "create function count_after() returns bigint language plpgsql as \
             $$ begin perform record_metric('m', 1); return (select count(*) from system_metrics); end $$",
        )
        .await;
    assert_eq!(session.text("select count_after() + count_after() * 10").await, "21");
    session.run("begin; savepoint s; select record_metric('m', 1); rollback to s; commit").await;
    assert_eq!(session.text("select count(*) from system_metrics").await, "2");
    // The query that calls does not: its snapshot is older.
    let same = "select count(record_metric('m', 1)) + (select count(*) from system_metrics)";
    assert_eq!(session.text(same).await, "3");
}
