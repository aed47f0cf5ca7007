//! Seals of the audit: what is sealed and when, that every kind of tampering is found, and that a month
//! goes only under its seal.

use harness::{Cluster, Database};

use super::actors::member;
use super::session::Session;

async fn database() -> Database<'static> {
    Cluster::shared().await.database().await
}

const VERDICT: &str = "select string_agg(concat_ws(' ', partition ~ '^audit_log_p[0-9]{8}$', ok, \
    first_bad, reason), '; ' order by partition) from verify_audit()";

/// A session whose log is sealed but for other databases' transactions, which no test waits for.
async fn sealed(database: &Database<'_>) -> Session {
    let session = Session::open(database).await;
    session.run("select create_task('t' || g) from generate_series(1, 20) g").await;
    seal(&session).await;
    session
}

/// Seals until all that is there now is sealed: transactions of the whole cluster count, and other tests
/// have some.
async fn seal(session: &Session) {
    let last = session.text("select max(id) from audit_log").await;
    let is_sealed =
        format!("select coalesce(max(last_id), 0) >= {last} from audit_seals where kind = 'batch'");
    harness::wait::until("the log is sealed", async || {
        session.text("select seal_audit()").await;
        session.text(&is_sealed).await == "t"
    })
    .await;
}

/// The first id that is logged of the tasks.
async fn first_task(session: &Session) -> i64 {
    let sql = "select min(id) from audit_log where table_name = 'tasks' and operation = 'INSERT'";
    session.text(sql).await.parse().unwrap()
}

#[tokio::test]
async fn an_untouched_log_verifies() {
    let session = sealed(&database().await).await;
    assert_eq!(session.text(VERDICT).await, "t t");
    session.run("select create_task('later'); update tasks set priority = 9").await;
    assert_eq!(session.text(VERDICT).await, "t t", "what is not sealed yet does no harm");
    seal(&session).await;
    assert_eq!(session.text(VERDICT).await, "t t");
    let chain = "select count(*) >= 2 and count(*) = max(seal_no) from audit_seals";
    assert_eq!(session.text(chain).await, "t");
}

#[tokio::test]
async fn a_changed_deleted_inserted_or_reordered_row_is_found_by_partition_and_id() {
    let session = sealed(&database().await).await;
    let first = first_task(&session).await;
    let (id, next) = (first + 5, first + 6);
    let swap = format!(
        "update audit_log l set changes = o.changes, salt = o.salt, row_key = o.row_key \
         from audit_log o where l.id in ({id}, {next}) and o.id in ({id}, {next}) and l.id <> o.id"
    );
    let renumber = format!(
        "update audit_log set id = case id when {id} then {next} else {id} end \
         where id in ({id}, {next})"
    );
    let insert = format!(
        "insert into audit_log (id, table_name, operation) overriding system value \
         values ({id}, 'tasks', 'DELETE')"
    );
    let mut tampering = vec![
        (format!("delete from audit_log where id in ({id}, {next})"), "deleted"),
        (swap, "changed"),
        (insert, "inserted"),
        (format!("alter table audit_log alter id drop identity; {renumber}"), "changed"),
        (
            "insert into audit_log (id, table_name, operation) overriding system value \
                  values (0, 'tasks', 'DELETE')"
                .to_owned(),
            "inserted",
        ),
    ];
    for change in [
        "actor = 'nobody'",
        "login = null",
        "application_name = 'x'",
        "client_addr = '10.0.0.1'",
        "peer_port = 7",
        "table_name = 'workflows'",
        "operation = 'DELETE'",
        "row_key = 'x'",
        "tenant_id = 'x'",
        "transaction_id = '5'",
        "occurred_at = occurred_at - interval '1 microsecond'",
        "changes = changes - 'title'",
        "changes = jsonb_set(changes, '{title,1}', '\"forged\"')",
        "changes = changes || '{\"priority\": [0, 0.00000000000000000001]}'",
        "salt = gen_random_uuid()",
        "salt = null, kept = '{\"salts\": {}, \"digests\": {}}', erased_by = gen_random_uuid()",
    ] {
        tampering.push((format!("update audit_log set {change} where id = {id}"), "changed"));
    }
    for (sql, how) in tampering {
        let at = if sql.contains("values (0,") { 0 } else { id };
        session.run(&format!("begin; {sql}")).await;
        let expected = format!("t f {at} the row was {how}");
        assert_eq!(session.text(VERDICT).await, expected, "{sql}");
        session.run("rollback").await;
    }
    assert_eq!(session.text(VERDICT).await, "t t");
}

#[tokio::test]
async fn a_seal_that_was_tampered_with_is_found() {
    let session = sealed(&database().await).await;
    session.run("select create_task('more')").await;
    seal(&session).await;
    for sql in [
        "update audit_seals set root = seal where seal_no = 1",
        "update audit_seals set previous = seal where seal_no = 2",
        "update audit_seals set leaves = overlay(leaves placing '\\x00'::bytea from 40 for 1) \
         where seal_no = 1",
        "update audit_seals set row_count = row_count + 1 where seal_no = 1",
        "update audit_seals set leaves = '\\x00' where seal_no = 1",
        "delete from audit_seals where seal_no = 1",
    ] {
        session.run(&format!("begin; {sql}")).await;
        let verdict = session.text(VERDICT).await;
        let expected = if sql.starts_with("delete") { "row was inserted" } else { "seal" };
        assert!(verdict.starts_with("t f ") && verdict.contains(expected), "{sql}: {verdict}");
        session.run("rollback").await;
    }
}

/// A row under a receipt must be one of an erasure; a receipt alone does not let a value be replaced.
#[tokio::test]
async fn a_receipt_does_not_cover_a_forged_value() {
    let session = sealed(&database().await).await;
    let id = first_task(&session).await;
    session.text("select count(*) from erase_subject('nobody here', 'delete', 'x', false)").await;
    let forged = format!(
        "begin; update audit_log set salt = null, kept = '{{\"salts\": {{}}, \"digests\": {{}}}}', \
         erased_by = (select id from erasure_requests) where id = {id}"
    );
    session.run(&forged).await;
    assert_eq!(session.text(VERDICT).await, format!("t f {id} the row was changed"));
    session.run("rollback").await;
}

/// Ids are given out in another order than transactions end: a batch must not close before they have.
#[tokio::test]
async fn rows_of_open_transactions_are_not_sealed_past() {
    let database = database().await;
    let (session, slow) = (sealed(&database).await, Session::open(&database).await);
    slow.run("begin; select create_task('slow')").await;
    session.run("select create_task('quick')").await;
    let last = "select max(last_id) from audit_seals";
    let before = session.text(last).await;
    for _ in 0..3 {
        session.text("select seal_audit()").await;
    }
    assert_eq!(session.text(last).await, before);
    slow.run("commit").await;
    seal(&session).await;
    assert_eq!(session.text(VERDICT).await, "t t");
    let unsealed = format!("select count(*) from audit_log where id > ({last})");
    assert_eq!(session.text(&unsealed).await, "0");
}

#[tokio::test]
async fn sealing_needs_a_transaction_that_sees_others_end() {
    let session = sealed(&database().await).await;
    session.run("begin isolation level repeatable read").await;
    assert_eq!(session.sqlstate("select seal_audit()").await, "25001");
}

#[tokio::test]
async fn two_at_once_make_one_chain() {
    let database = database().await;
    let (one, other) = (Session::open(&database).await, Session::open(&database).await);
    one.run("select create_task('a'); begin; select seal_audit()").await;
    assert_eq!(other.text("select seal_audit()").await, "0", "another one seals");
    one.run("commit").await;
    seal(&other).await;
    assert_eq!(one.text(VERDICT).await, "t t");
}

#[tokio::test]
async fn only_what_is_before_a_time_is_sealed_when_one_is_given() {
    let session = sealed(&database().await).await;
    let until = session.text("select clock_timestamp()").await;
    session.run("select create_task('later')").await;
    session.text(&format!("select seal_audit('{until}')")).await;
    let unsealed = "select count(*) from audit_log \
        where id > (select max(last_id) from audit_seals) and operation = 'INSERT' \
        and table_name = 'tasks'";
    assert_eq!(session.text(unsealed).await, "1");
}

/// Rows of past months, sealed, with their partitions.
async fn with_past_months(database: &Database<'_>) -> Session {
    let session = Session::open(database).await;
    session
        .run(
            "select make_partition('audit_log', m::date, (m + interval '1 month')::date) \
             from generate_series(timestamp '2001-01-01', '2001-02-01', '1 month') m; \
             insert into audit_log (occurred_at, table_name, operation) \
             select timestamptz '2001-01-15 00:00+00' + g * interval '1 day', 'tasks', 'DELETE' \
             from generate_series(1, 40) g",
        )
        .await;
    seal(&session).await;
    harness::wait::until("the months are sealed", async || {
        session.text("select seal_audit()").await;
        session.text("select count(*) from audit_seals where kind = 'month'").await == "2"
    })
    .await;
    session
}

#[tokio::test]
async fn a_month_is_dropped_only_after_its_seal_which_stays() {
    let database = database().await;
    let session = with_past_months(&database).await;
    let drop = |dry: bool| {
        format!(
            "select string_agg(concat_ws(' ', partition, action, rows), '; ' order by partition) \
             from drop_audit_months('2001-03-01', {dry})"
        )
    };
    let expected =
        "audit_log_p20010101 would be dropped 16; audit_log_p20010201 would be dropped 24";
    assert_eq!(session.text(&drop(true)).await, expected);
    // A row that no seal covers keeps its month.
    session
        .run(
            "insert into audit_log (occurred_at, table_name, operation) \
             values ('2001-02-03 00:00+00', 'tasks', 'DELETE')",
        )
        .await;
    session.run("select set_legal_hold('somebody', now() + interval '1 day', 'a lawsuit')").await;
    assert!(session.text(&drop(false)).await.contains("kept: a legal hold"));
    session.run("select set_legal_hold('somebody', now(), 'over')").await;
    let admin = member(&database, "admin").await;
    let expected = "audit_log_p20010101 dropped 16; audit_log_p20010201 kept: not sealed 25";
    assert_eq!(admin.text(&drop(false)).await, expected);
    let logged = "select changes ->> 'rows' from audit_log where operation = 'DROP'";
    assert_eq!(session.text(logged).await, "16");
    let seal = "select dropped_at is not null from audit_seals where month = '2001-01-01'";
    assert_eq!(session.text(seal).await, "t");
    let verdict = "select bool_and(ok) from verify_audit()";
    assert_eq!(session.text(verdict).await, "t");
    session.run("begin; delete from audit_log where occurred_at < '2001-02-05'").await;
    let early = "select partition from verify_audit('2001-01-01', '2001-03-01') where not ok";
    assert_eq!(session.text(early).await, "audit_log_p20010201");
    session.run("rollback").await;
}

#[tokio::test]
async fn retention_of_the_audit_takes_sealed_months_alone() {
    let database = database().await;
    let session = with_past_months(&database).await;
    let admin = member(&database, "admin").await;
    session
        .run(
            "create table if not exists retention_policies (data_set text primary key, \
             keep interval not null, updated_at timestamptz not null default now()); \
             alter table retention_policies owner to taskmaster_owner",
        )
        .await;
    assert_eq!(admin.text("select apply_audit_retention()").await, "0", "without a policy");
    admin.run("select set_retention('audit_log', interval '1 year')").await;
    admin.run("select set_retention('system_metrics', interval '3 days', 'drop')").await;
    let kept = "select string_agg(data_set || ' ' || keep, ',' order by data_set) \
        from retention_policies where data_set in ('audit_log', 'audit_log.sealed', 'system_metrics')";
    assert_eq!(session.text(kept).await, "audit_log.sealed 1 year,system_metrics 3 days");
    assert_eq!(admin.text("select apply_audit_retention()").await, "2");
    assert_eq!(session.text("select bool_and(ok) from verify_audit()").await, "t");
    admin.run("select set_retention('audit_log', null, 'keep')").await;
    assert_eq!(session.text(kept).await, "system_metrics 3 days");
    for sql in [
        "select set_retention('tasks', interval '1 day')",
        "select set_retention('audit_log', null)",
        "select set_retention('audit_log', interval '1 day', 'burn')",
        "select set_retention('pg_class', interval '1 day')",
    ] {
        assert_eq!(admin.sqlstate(sql).await, "22023", "{sql}");
    }
}

#[tokio::test]
async fn verification_looks_at_the_range_that_is_asked() {
    let session = with_past_months(&database().await).await;
    session.run("select create_task('now')").await;
    seal(&session).await;
    session
        .run("delete from audit_log where occurred_at > '2026-01-01' and table_name = 'tasks'")
        .await;
    let past = "select count(*) from verify_audit(p_to => '2001-03-01') where not ok \
                and first_bad is not null and partition < 'audit_log_p2002'";
    assert_eq!(session.text(past).await, "0");
    let all = "select count(*) from verify_audit() where not ok";
    assert_eq!(session.text(all).await, "1");
}
