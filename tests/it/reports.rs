//! What the extension reports of a session, seen by a raw client directly on PostgreSQL that asked for it.

use harness::proxy::login;
use harness::raw::RawClient;
use harness::{Cluster, Database};

/// A session that asked for reports, and the latest value of each.
struct Session {
    client: RawClient,
    reasons: String,
    settings: String,
    lsn: String,
    shapes: String,
}

impl Session {
    async fn open(database: &Database<'_>) -> Self {
        Self::open_with(database, &[("taskmaster.report", "on")]).await
    }

    async fn open_with(database: &Database<'_>, parameters: &[(&str, &str)]) -> Self {
        let mut client = RawClient::connect(database.cluster().port).await;
        let greeting = client.log_in(&login(database), parameters).await.expect("a login");
        let [reasons, settings, lsn, shapes] = Default::default();
        let mut session = Self { client, reasons, settings, lsn, shapes };
        for (name, value) in greeting.parameters {
            session.note(&name, &value);
        }
        session
    }

    /// Runs these statements one by one.
    async fn run(&mut self, statements: &[&str]) {
        for sql in statements {
            for reply in self.client.query(sql).await {
                if reply.tag == b'S' {
                    let text = String::from_utf8_lossy(&reply.body);
                    let mut parts = text.split('\0');
                    let (name, value) = (parts.next().unwrap(), parts.next().unwrap());
                    self.note(name, value);
                }
            }
        }
    }

    fn note(&mut self, name: &str, value: &str) {
        match name {
            "taskmaster.session" => self.reasons = value.to_owned(),
            "taskmaster.settings" => self.settings = value.to_owned(),
            "taskmaster.lsn" => self.lsn = value.to_owned(),
            "taskmaster.schema" => self.shapes = value.to_owned(),
            _ => assert!(!name.starts_with("taskmaster."), "{name}"),
        }
    }
}

async fn database() -> Database<'static> {
    Cluster::shared().await.database().await
}

const LOCK_IN_FUNCTION: &str = "create function lock_it() returns void language plpgsql as \
     $$ begin perform pg_advisory_lock(7); end $$";
const SET_IN_FUNCTION: &str = "create function set_it(v text) returns void language plpgsql as \
     $$ begin perform set_config('work_mem', v, false); end $$";

#[tokio::test]
async fn what_holds_a_session_is_reported_until_it_is_gone() {
    let database = database().await;
    let mut session = Session::open(&database).await;
    session.run(&[LOCK_IN_FUNCTION, "create role somebody_reported"]).await;
    let failed = &["begin", "select pg_advisory_lock(9)", "select 1/0", "rollback"];
    let cases: &[(&[&str], &str)] = &[
        (&["select 1"], ""),
        (&["select pg_advisory_lock(1)"], "lock"),
        (&["select pg_advisory_unlock(1)"], ""),
        (&["begin", "select pg_advisory_xact_lock(1)", "commit"], ""),
        (&["select lock_it()"], "lock"),
        (&["select pg_advisory_unlock_all()"], ""),
        (failed, "lock"),
        (&["discard all"], ""),
        (&["create temp table t (a int)"], "temp"),
        (&["drop table t"], ""),
        (&["begin", "create temp table t (a int) on commit drop", "commit"], ""),
        (&["begin", "create temp table t (a int)", "rollback"], ""),
        (&["begin; savepoint s; create temp table t (a int); rollback to s; commit"], ""),
        (&["do $$ begin create temp table t (a int); end $$"], "temp"),
        (&["begin", "drop table t", "rollback"], "temp"),
        (&["discard temp"], ""),
        (&["create function pg_temp.f() returns int language sql as 'select 1'"], "temp"),
        (&["drop function pg_temp.f()"], ""),
        (&["create aggregate pg_temp.most (int) (sfunc = int4larger, stype = int)"], "temp"),
        (&["drop aggregate pg_temp.most (int)"], ""),
        (&["select 1 as a into temp t2"], "temp"),
        (&["discard all"], ""),
        (&["declare c cursor with hold for select 1"], "cursor"),
        (&["close c"], ""),
        (&["begin", "declare c cursor for select 1", "commit"], ""),
        (&["begin", "declare c cursor with hold for select 1", "rollback"], ""),
        (&["begin", "declare c cursor with hold for select 1", "select 1/0", "rollback"], ""),
        (&["declare c cursor with hold for select 1"], "cursor"),
        (&["do $$ declare c refcursor := 'c'; begin close c; end $$"], ""),
        (&["listen a", "listen b", "unlisten a"], "listen"),
        (&["unlisten b"], ""),
        (&["begin", "listen a", "rollback"], ""),
        (&["begin; savepoint s; listen a; rollback to s; listen b; commit"], "listen"),
        (&["discard temp", "discard plans", "discard sequences"], "listen"),
        (&["unlisten *"], ""),
        (&["prepare p as select 1"], "prepare"),
        (&["deallocate p"], ""),
        (&["begin", "prepare p as select 1", "rollback"], "prepare"),
        (&["deallocate all"], ""),
        (&["set role somebody_reported"], "role"),
        (&["reset role"], ""),
        (&["begin", "set local role somebody_reported", "commit"], ""),
        (&["set session authorization somebody_reported"], "role"),
        (&["reset session authorization"], ""),
        (&["select set_config('role', 'somebody_reported', false)"], "role"),
        (&["begin", "reset role", "rollback"], "role"),
        (&["discard all"], ""),
        (&["set role somebody_reported", "reset session authorization"], ""),
        (&["listen a", "select pg_advisory_lock(3)"], "listen,lock"),
        (&["discard all"], ""),
        (&["select set_config('a.long', repeat('x', 10000), false)"], "setting"),
        (&["reset all"], ""),
    ];
    for (statements, expected) in cases {
        session.run(statements).await;
        assert_eq!(session.reasons, *expected, "after {statements:?}");
    }
}

#[tokio::test]
async fn what_holds_a_session_is_reported_across_transactions_that_do_nothing() {
    let database = database().await;
    let mut session = Session::open(&database).await;
    let cases: &[(&[&str], &str)] = &[
        (&["do $$ begin perform pg_advisory_lock(5); commit; end $$", "select 1"], "lock"),
        (&["do $$ begin perform pg_advisory_unlock(5); rollback; end $$"], ""),
        (
            &["do $$ begin create temp table t (a int); commit; drop table t; rollback; end $$"],
            "temp",
        ),
        (&["select 1", "begin", "drop table t", "commit"], ""),
        (&["begin", "declare c cursor with hold for select 1", "commit", "select 1"], "cursor"),
        (&["select 1", "do $$ declare c refcursor := 'c'; begin close c; end $$"], ""),
        (&["begin; savepoint s; select pg_advisory_lock(6); rollback to s; rollback"], "lock"),
        (&["select pg_advisory_unlock(6)"], ""),
    ];
    for (statements, expected) in cases {
        session.run(statements).await;
        assert_eq!(session.reasons, *expected, "after {statements:?}");
    }
}

/// Whoever drops what a temporary object depends on takes that along; the next transaction says so, whatever it does.
#[tokio::test]
async fn temporary_objects_that_another_session_took_away_are_not_reported() {
    let database = database().await;
    let mut session = Session::open(&database).await;
    let make = "create function pg_temp.f(color) returns int language sql as 'select 1'";
    session.run(&["create type color as enum ('red')", make, "select 1"]).await;
    assert_eq!(session.reasons, "temp");
    database.connect().await.batch_execute("drop type color cascade").await.unwrap();
    session.run(&["select 1"]).await;
    assert_eq!(session.reasons, "");
}

#[tokio::test]
async fn settings_are_reported_as_they_stand_after_each_transaction() {
    let database = database().await;
    let mut session = Session::open(&database).await;
    session.run(&[SET_IN_FUNCTION]).await;
    let cases: &[(&[&str], &str)] = &[
        (&["select 1"], "{}"),
        (&["set work_mem = '2MB'"], r#"{"work_mem":"2048"}"#),
        (&["begin", "set work_mem = '3MB'", "rollback"], r#"{"work_mem":"2048"}"#),
        (&["begin", "set local work_mem = '3MB'", "commit"], r#"{"work_mem":"2048"}"#),
        (
            &["begin; savepoint s; set work_mem = '4MB'; rollback to s; commit"],
            r#"{"work_mem":"2048"}"#,
        ),
        (&["select set_it('5MB')"], r#"{"work_mem":"5120"}"#),
        (&["begin", "select set_it('6MB')", "select 1/0", "rollback"], r#"{"work_mem":"5120"}"#),
        (&["do $$ begin set work_mem = '7MB'; end $$"], r#"{"work_mem":"7168"}"#),
        (&["reset work_mem"], "{}"),
        (&["set search_path = a, \"B c\""], r#"{"search_path":"a, \"B c\""}"#),
        (
            &["select set_config('my.own', 'it''s', false)"],
            r#"{"my.own":"it's","search_path":"a, \"B c\""}"#,
        ),
        (
            &["set session characteristics as transaction isolation level serializable"],
            r#"{"default_transaction_isolation":"serializable","my.own":"it's","search_path":"a, \"B c\""}"#,
        ),
        (&["reset all"], "{}"),
        (&["set random_page_cost = 1.23456789"], r#"{"random_page_cost":"1.23456789"}"#),
        (
            &["set vacuum_cost_delay = '1500us'"],
            r#"{"random_page_cost":"1.23456789","vacuum_cost_delay":"1.5"}"#,
        ),
        (&["discard all"], "{}"),
        (&["set xmloption = document"], r#"{"xmloption":"document"}"#),
        (&["reset xmloption", "set enable_sort = off"], r#"{"enable_sort":"off"}"#),
        (&["reset all"], "{}"),
        (&["begin", "set transaction isolation level serializable", "commit"], "{}"),
    ];
    for (statements, expected) in cases {
        session.run(statements).await;
        assert_eq!(session.settings, *expected, "after {statements:?}");
    }
}

/// A report that the client's encoding could not carry would be an error at each ReadyForQuery.
#[tokio::test]
async fn settings_reach_a_client_whose_encoding_lacks_their_characters() {
    let database = database().await;
    let mut session = Session::open(&database).await;
    let set = "select set_config('my.own', chr(26085) || chr(128512) || '\"\\' || chr(10), false) is null";
    session.run(&["set client_encoding = 'LATIN1'", set]).await;
    let expected = r#"{"client_encoding":"LATIN1","my.own":"\u65e5\ud83d\ude00\"\\\n"}"#;
    assert_eq!(session.settings, expected);
}

#[tokio::test]
async fn only_commits_that_wrote_have_a_place_in_the_log() {
    let database = database().await;
    let mut session = Session::open(&database).await;
    session.run(&["create table written (a int)"]).await;
    let first = session.lsn.clone();
    assert!(first.contains('/'), "{first}");
    session
        .run(&["select * from written", "begin", "insert into written values (1)", "rollback"])
        .await;
    assert_eq!(session.lsn, first);
    session.run(&["insert into written values (1)"]).await;
    let witness = database.connect().await;
    let sql = "select $1::text::pg_lsn > $2::text::pg_lsn and $1::text::pg_lsn <= pg_current_wal_insert_lsn()";
    let row = witness.query_one(sql, &[&session.lsn, &first]).await.unwrap();
    assert!(row.get::<_, bool>(0), "{} after {first}", session.lsn);
}

#[tokio::test]
async fn committed_changes_of_shape_are_counted() {
    let database = database().await;
    let mut session = Session::open(&database).await;
    let cases: &[(&[&str], &str)] = &[
        (&["select 1", "create temp table mine (a int)"], "0"),
        (&["create table shaped (a int)"], "1"),
        (&["begin", "alter table shaped add b int", "rollback"], "1"),
        (&["do $$ begin alter table shaped add b int; end $$"], "2"),
        (&["begin; alter table shaped drop b; drop table shaped; commit"], "3"),
    ];
    for (statements, expected) in cases {
        session.run(statements).await;
        assert_eq!(session.shapes, *expected, "after {statements:?}");
    }
}

/// A prepared transaction takes effect when it is committed, by whomever.
#[tokio::test]
async fn the_commit_of_a_prepared_transaction_is_reported_where_it_happens() {
    let cluster = Cluster::builder().setting("max_prepared_transactions", "2").start();
    let database = cluster.database().await;
    let (mut one, mut other) = (Session::open(&database).await, Session::open(&database).await);
    one.run(&["begin", "create table later (a int)", "prepare transaction 'one'"]).await;
    other.run(&["commit prepared 'one'"]).await;
    assert_eq!(other.shapes, "1");
    let sql = "select $1::text::pg_lsn > '0/0' and $1::text::pg_lsn <= pg_current_wal_insert_lsn()";
    let witness = database.connect().await;
    let row = witness.query_one(sql, &[&other.lsn]).await.unwrap();
    assert!(row.get::<_, bool>(0), "{}", other.lsn);
    one.run(&["begin", "create table never (a int)", "prepare transaction 'two'", "set a.b = 'c'"])
        .await;
    let seen = (other.lsn.clone(), one.settings.clone());
    other.run(&["rollback prepared 'two'", "select 1"]).await;
    assert_eq!((other.lsn, &*seen.1), (seen.0, r#"{"a.b":"c"}"#));
}

#[tokio::test]
async fn nothing_is_reported_to_who_does_not_ask() {
    let database = database().await;
    let mut session = Session::open_with(&database, &[]).await;
    session.run(&["listen a", "set work_mem = '2MB'", "create table t (a int)"]).await;
    let all = [&session.reasons, &session.settings, &session.lsn, &session.shapes];
    assert!(all.iter().all(|report| report.is_empty()));
}

/// With `shared_preload_libraries` the library is there before any connection.
#[tokio::test]
async fn a_library_of_the_whole_server_reports_to_who_asks() {
    let cluster = Cluster::builder().setting("shared_preload_libraries", "taskmaster").start();
    for database in [cluster.create_database().await, cluster.database().await] {
        let by_options = [("options", "-c taskmaster.report=on")];
        for parameters in [&by_options, &[("taskmaster.report", "on")]] {
            let mut session = Session::open_with(&database, parameters).await;
            assert_eq!((&*session.settings, &*session.shapes), ("{}", "0"));
            session.run(&["create temp table t (a int)", "set work_mem = '2MB'"]).await;
            assert_eq!(session.reasons, "temp");
            assert_eq!(session.settings, r#"{"work_mem":"2048"}"#);
        }
        let mut silent = Session::open_with(&database, &[]).await;
        silent.run(&["listen a", "create table t (a int)"]).await;
        assert_eq!((&*silent.reasons, &*silent.shapes), ("", ""));
    }
}

#[tokio::test]
async fn ordinary_roles_get_reports_and_options_can_ask() {
    let database = database().await;
    let admin = database.connect().await;
    let role = format!("reported_{}", database.name);
    let sql = format!("create role {role} login password 'secret'");
    admin.batch_execute(&sql).await.unwrap();
    let mut login = login(&database);
    (login.user, login.password) = (role, "secret".to_owned());
    let mut client = RawClient::connect(database.cluster().port).await;
    let greeting = client.log_in(&login, &[("options", "-c taskmaster.report=on")]).await.unwrap();
    let named: Vec<_> =
        greeting.parameters.iter().filter(|(name, _)| name.starts_with("taskmaster.")).collect();
    assert_eq!(named.len(), 4, "{named:?}");
}

#[tokio::test]
async fn a_library_that_comes_late_does_not_report() {
    let database = database().await;
    let admin = database.connect().await;
    let sql = format!("alter database {} reset session_preload_libraries", database.name);
    admin.batch_execute(&sql).await.unwrap();
    let mut session = Session::open(&database).await;
    session.run(&["create temp table t (a int)", "load '$libdir/taskmaster'", "listen a"]).await;
    assert_eq!(session.reasons, "");
}
