//! What is held about a person: given out, erased from every table and the audit, and kept under a legal
//! hold; and that the seals of the audit hold after all that.

use harness::{Cluster, Database};

use super::actors::{Vouching, member};
use super::session::Session;

async fn database() -> Database<'static> {
    Cluster::shared().await.database().await
}

/// Rows about ann, about Joanne, whose name has ann's in it, and about nobody; made by ann.
async fn with_people(database: &Database<'_>) -> Session {
    let proxy = Vouching::new(database).await;
    let agent = member(database, "agent").await;
    let who = r#"{"actor":"ann","client_addr":"203.0.113.9","client_port":1}"#;
    proxy.assume(&agent, 1, who).await;
    agent
        .run(
            "select create_task('Call ann', 'ann said so; joanne did not', p_assigned_to => 'ann', \
               p_metadata => '{\"owner\": \"ann\", \"other\": [\"joanne\", {\"ann\": 1}]}'); \
             select create_task('Call joanne', p_assigned_to => 'joanne'); \
             select log_api_call('x', '/x', 'GET', 500, 1, p_user_id => 'ann', \
               p_error_message => 'no user ann')",
        )
        .await;
    let session = Session::open(database).await;
    harness::wait::until("the log is sealed", async || {
        session.text("select seal_audit()").await;
        let sql = "select (select max(last_id) from audit_seals) >= max(id) from audit_log";
        session.text(sql).await == "t"
    })
    .await;
    session
}

/// Whole words only: joanne stays.
const LEFT: &str = "select coalesce(string_agg(what, ','), 'nothing') from ( \
      select 'tasks' from tasks t where t::text ~ '\\mann\\M' \
      union all select 'api' from api_access_logs t where t::text ~ '\\mann\\M' \
      union all select 'events' from task_events t where t::text ~ '\\mann\\M' \
      union all select 'audit' from audit_log t where t::text ~ '\\mann\\M' \
      union all select 'client' from audit_log where client_addr is not null \
      union all select 'receipt' from erasure_requests t where t::text ~ '\\mann\\M' \
      union all select 'holds' from legal_holds t where t::text ~ '\\mann\\M') as l (what)";

const IS_INTACT: &str = "select bool_and(ok) from verify_audit()";

fn erase(mode: &str, dry: bool) -> String {
    format!(
        "select string_agg(concat_ws(' ', table_name, column_name, rows), '; ') \
         from erase_subject('ann', '{mode}', 'asked to', {dry})"
    )
}

#[tokio::test]
async fn a_dry_run_says_what_would_go_and_changes_nothing() {
    let database = database().await;
    let session = with_people(&database).await;
    let before =
        session.text("select md5(string_agg(t::text, '|' order by id)) from tasks t").await;
    let admin = member(&database, "admin").await;
    let expected = "api_access_logs error_message 1; api_access_logs user_id 1; \
                    task_events actor 2; tasks assigned_to 1; tasks created_by 2; tasks description 1; tasks metadata 1; tasks title 1; \
                    audit_log changes 2";
    for mode in ["pseudonymize", "delete"] {
        assert_eq!(admin.text(&erase(mode, true)).await, expected);
    }
    let default = "select count(*) from erase_subject('ann')";
    assert_eq!(admin.text(default).await, "9");
    let after = session.text("select md5(string_agg(t::text, '|' order by id)) from tasks t").await;
    assert_eq!(after, before);
    assert_eq!(session.text("select count(*) from erasure_requests").await, "0");
}

#[tokio::test]
async fn a_pseudonym_takes_the_place_of_a_person_everywhere() {
    let database = database().await;
    let session = with_people(&database).await;
    let admin = member(&database, "admin").await;
    let went = admin.text(&erase("pseudonymize", false)).await;
    assert!(
        went.contains("tasks assigned_to 1; tasks created_by 2; tasks description 1"),
        "{went}"
    );
    assert_eq!(session.text(LEFT).await, "nothing");
    let one = "select count(distinct p) from (select assigned_to from tasks where assigned_to \
        like 'erased-%' union all select user_id from api_access_logs union all \
        select metadata ->> 'owner' from tasks where metadata ? 'owner') as t (p)";
    assert_eq!(session.text(one).await, "1", "all rows have the same pseudonym");
    let kept = "select count(*) from tasks where description ~ 'joanne did not' \
        and metadata -> 'other' ->> 0 = 'joanne' or title = 'Call joanne'";
    assert_eq!(session.text(kept).await, "2", "others stay");
    let others = "select count(*) from audit_log where changes -> 'assigned_to' ->> 1 = 'joanne'";
    assert_eq!(session.text(others).await, "1");
    assert_eq!(session.text(IS_INTACT).await, "t");
}

#[tokio::test]
async fn deletion_clears_values_and_deletes_rows_about_the_person_alone() {
    let database = database().await;
    let session = with_people(&database).await;
    session.run("select set_legal_hold('ann', now(), 'an old hold on ann')").await;
    session.text(&erase("delete", false)).await;
    assert_eq!(session.text(LEFT).await, "nothing");
    let cleared = "select (select count(*) from tasks where assigned_to is null) || ' ' || \
        (select count(*) from api_access_logs where user_id is null) || ' ' || \
        (select count(*) from legal_holds)";
    assert_eq!(session.text(cleared).await, "1 1 0");
    assert_eq!(session.text(IS_INTACT).await, "t");
}

/// Erasing one person after another, sealed or not, leaves the seals intact and tampering visible.
#[tokio::test]
async fn seals_hold_after_any_number_of_erasures() {
    let database = database().await;
    let session = with_people(&database).await;
    session.run("select create_task('unsealed', p_assigned_to => 'ann')").await;
    session.text(&erase("delete", false)).await;
    let joanne = "select count(*) from erase_subject('joanne', 'pseudonymize', 'too', false)";
    session.text(joanne).await;
    assert_eq!(session.text(IS_INTACT).await, "t");
    harness::wait::until("the rest is sealed", async || {
        session.text("select seal_audit()").await;
        let sql = "select (select max(last_id) from audit_seals) >= max(id) from audit_log";
        session.text(sql).await == "t"
    })
    .await;
    assert_eq!(session.text(IS_INTACT).await, "t");
    let twice = "select max(cardinality(array(select jsonb_object_keys(kept -> 'digests')))) >= 2 \
        from audit_log where kept is not null";
    assert_eq!(session.text(twice).await, "t");
    for change in [
        "changes = jsonb_set(changes, '{status,1}', '\"completed\"')",
        "erased_by = gen_random_uuid()",
    ] {
        let sql = format!(
            "begin; update audit_log set {change} where id = (select min(id) from audit_log \
             where kept is not null and operation = 'INSERT')"
        );
        session.run(&sql).await;
        assert_eq!(session.text(IS_INTACT).await, "f", "{change}");
        session.run("rollback").await;
    }
}

#[tokio::test]
async fn the_receipt_says_what_went_but_not_whose() {
    let session = with_people(&database().await).await;
    session.text(&erase("pseudonymize", false)).await;
    let receipt =
        session.text("select concat_ws(' ', mode, reason, counts) from erasure_requests").await;
    assert!(receipt.starts_with("pseudonymize asked to {"), "{receipt}");
    assert!(
        receipt.contains("\"tasks.assigned_to\": 1") && receipt.contains("\"audit_log\": "),
        "{receipt}"
    );
}

#[tokio::test]
async fn a_legal_hold_refuses() {
    let database = database().await;
    let session = with_people(&database).await;
    let admin = member(&database, "admin").await;
    let id =
        admin.text("select set_legal_hold('ann', now() + interval '1 hour', 'a lawsuit')").await;
    for dry in [true, false] {
        assert_eq!(admin.sqlstate(&erase("delete", dry)).await, "42501");
    }
    let again = "select set_legal_hold('ann', clock_timestamp(), 'it is over')";
    assert_eq!(admin.text(again).await, id);
    assert_eq!(admin.rows(&erase("delete", true)).await.unwrap().len(), 1);
    let holds = "select concat_ws(' ', count(*), min(reason)) from legal_holds";
    assert_eq!(session.text(holds).await, "1 it is over");
}

#[tokio::test]
async fn refusals() {
    let database = database().await;
    let session = Session::open(&database).await;
    for (sql, sqlstate) in [
        ("select export_subject(null)", "22004"),
        ("select export_subject(' ')", "22023"),
        ("select export_subject('ab')", "22023"),
        ("select export_subject('erased-1234')", "22023"),
        ("select export_subject(repeat('x', 256))", "22023"),
        ("select erase_subject(null)", "22004"),
        ("select erase_subject('ann', 'shred', 'x')", "22023"),
        ("select erase_subject('ann', null, 'x')", "22023"),
        ("select erase_subject('ann', 'delete', null, false)", "22023"),
        ("select erase_subject('ann', 'delete', 'because ann asked', false)", "22023"),
        ("select set_legal_hold('ann', null, 'x')", "22004"),
        ("select set_legal_hold('ann', now(), ' ')", "22004"),
        ("select redact_audit('ann', 'x', null, '{}', true)", "22004"),
    ] {
        assert_eq!(session.sqlstate(sql).await, sqlstate, "{sql}");
    }
    let proxy = Vouching::new(&database).await;
    let admin = member(&database, "admin").await;
    proxy.assume(&admin, 1, r#"{"tenant":"acme"}"#).await;
    assert_eq!(admin.sqlstate("select export_subject('ann')").await, "42501");
    session.run("drop extension taskmaster").await;
    assert_eq!(session.sqlstate("select erase_subject('ann')").await, "55000");
}

#[tokio::test]
async fn everything_about_a_person_is_given_out() {
    let database = database().await;
    let session = with_people(&database).await;
    let admin = member(&database, "admin").await;
    let sql = "select string_agg(key || ' ' || jsonb_array_length(value), ', ' order by key) \
        from jsonb_each(export_subject('ann') -> 'tables')";
    assert_eq!(admin.text(sql).await, "api_access_logs 1, audit_log 2, task_events 2, tasks 2");
    let row = "select e -> 'tables' -> 'tasks' -> 0 ->> 'title' from export_subject('ann') as e";
    assert_eq!(admin.text(row).await, "Call ann");
    let nobody = "select export_subject('nobody at all') -> 'tables'";
    assert_eq!(admin.text(nobody).await, "{}");
    // A name is data, whatever is in it.
    for name in ["o''brien", r#"a\"b%_.*("#, "ann; drop table tasks", "日本語の名"] {
        session.run(&format!("select create_task('x', p_assigned_to => '{name}')")).await;
        let sql = format!("select count(*) from erase_subject('{name}', 'delete', 'asked', false)");
        assert!(session.text(&sql).await != "0", "{name}");
        let left = format!("select count(*) from tasks where assigned_to = '{name}'");
        assert_eq!(session.text(&left).await, "0", "{name}");
    }
    assert_eq!(session.text(IS_INTACT).await, "t");
}

#[tokio::test]
async fn a_step_can_add_personal_columns() {
    let session = Session::open(&database().await).await;
    session
        .run(
            "create table visits (id int primary key, visitor text not null, note varchar(12)); \
             select protect_table('visits'); insert into personal_columns values \
               ('visits', 'visitor', 'identifier', 'row'), ('visits', 'note', 'text', 'clear'); \
             insert into visits values (1, 'ann', 'x'), (2, 'bob', 'ann was here')",
        )
        .await;
    session.text(&erase("pseudonymize", false)).await;
    let cut = "select string_agg(visitor ~ 'erased' || ' ' || note, ',' order by id) from visits";
    let text = session.text(cut).await;
    assert!(text.starts_with("true x,false erased-"), "{text}");
    session.run("update visits set visitor = 'ann' where id = 1").await;
    session.text(&erase("delete", false)).await;
    assert_eq!(session.text("select string_agg(visitor, ',') from visits").await, "bob");
}
