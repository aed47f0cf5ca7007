//! The identity that a proxy says its client has: that it can say it, and that nobody else can, by any
//! statement, setting or trick that we could think of.

use harness::{Cluster, Database};

use super::actors::{Vouching, member};
use super::session::Session;

const ACME: &str =
    r#"{"actor":"ann","tenant":"acme","client_addr":"203.0.113.9","client_port":4711}"#;
const WHO: &str = "select concat_ws('|', taskmaster.current_actor(), taskmaster.current_tenant())";

async fn database() -> Database<'static> {
    Cluster::shared().await.database().await
}

/// An agent's session that a proxy has vouched for, as ann of acme.
async fn vouched(database: &Database<'_>) -> (Session, Vouching) {
    let proxy = Vouching::new(database).await;
    let session = member(database, "agent").await;
    proxy.assume(&session, 7, ACME).await;
    assert_eq!(session.text(WHO).await, "ann|acme");
    (session, proxy)
}

#[tokio::test]
async fn one_connection_serves_one_client_after_another() {
    let database = database().await;
    let (session, proxy) = vouched(&database).await;
    proxy.assume(&session, 8, r#"{"actor":"bob"}"#).await;
    assert_eq!(session.text(WHO).await, "bob");
    proxy.assume(&session, 9, "{}").await;
    assert_eq!(session.text(WHO).await, format!("agent_{}", database.name));
}

#[tokio::test]
async fn without_a_proxy_the_login_acts_and_there_is_no_tenant() {
    let database = database().await;
    let session = member(&database, "readonly").await;
    assert_eq!(session.text(WHO).await, format!("readonly_{}", database.name));
    let superuser = Session::open(&database).await;
    assert_eq!(superuser.text(WHO).await, "postgres");
}

/// What an SQL user can try; each leaves the identity as it is, whether it is refused or not.
#[tokio::test]
async fn no_statement_of_a_client_changes_it() {
    let database = database().await;
    let (session, _) = vouched(&database).await;
    let forged = r#"'{"actor":"root","tenant":"other"}'"#;
    let user = format!("agent_{}", database.name);
    let tries = [
        (format!("set taskmaster_identity = {forged}"), "42501"),
        (format!("set local taskmaster_identity = {forged}"), "42501"),
        (format!("set session taskmaster_identity = {forged}"), "42501"),
        (format!("select set_config('taskmaster_identity', {forged}, false)"), "42501"),
        (format!("select set_config('taskmaster_identity', {forged}, true)"), "42501"),
        (format!("select set_config('TaskMaster_Identity', {forged}, true)"), "42501"),
        ("set taskmaster_identity to default".into(), "42501"),
        ("reset taskmaster_identity".into(), "42501"),
        (format!("alter system set taskmaster_identity = {forged}"), "42501"),
        (format!("alter role {user} set taskmaster_identity = {forged}"), "42501"),
        (format!("alter database {} set taskmaster_identity = {forged}", database.name), "42501"),
        (
            format!(
                "create function pg_temp.f() returns text language sql \
                 set taskmaster_identity = {forged} as 'select taskmaster.current_tenant()'"
            ),
            "42501",
        ),
        (
            "create function pg_temp.g() returns text language sql security definer \
             set taskmaster_identity from current as 'select 1::text'; select pg_temp.g()"
                .into(),
            "42501",
        ),
        (
            format!(
                "create function pg_temp.h() returns text language sql security definer as \
                 $$ select set_config('taskmaster_identity', {forged}, false) $$; \
                 select pg_temp.h()"
            ),
            "42501",
        ),
        (
            "update pg_settings set setting = '{}' where name = 'taskmaster_identity'; \
             select 1/0"
                .into(),
            "22012",
        ),
        ("reset all; select 1/0".into(), "22012"),
        (format!("set taskmaster.identity = {forged}; select 1/0"), "22012"),
        ("set role taskmaster_admin".into(), "42501"),
        ("set session authorization postgres".into(), "42501"),
        (format!("begin; savepoint s; set taskmaster_identity = {forged}"), "42501"),
    ];
    for (sql, expected) in tries {
        assert_eq!(session.sqlstate(&sql).await, expected, "{sql}");
        session.run("rollback").await;
        assert_eq!(session.text(WHO).await, "ann|acme", "{sql}");
    }
    for harmless in [
        "discard all",
        "reset all",
        "set role none",
        "reset session authorization",
        "begin; savepoint s; select 1; rollback to s; rollback",
        "begin; set local work_mem = '1MB'; commit",
        "do $$ begin begin perform set_config('taskmaster_identity', '{}', false); \
         exception when others then null; end; end $$",
    ] {
        session.run(harmless).await;
        assert_eq!(session.text(WHO).await, "ann|acme", "{harmless}");
    }
}

#[tokio::test]
async fn a_proof_is_good_once_for_one_backend_and_one_identity() {
    let database = database().await;
    let (session, proxy) = vouched(&database).await;
    let used = proxy.call(&session, 7, ACME).await;
    let older = proxy.call(&session, 3, r#"{"tenant":"other"}"#).await;
    let another = proxy.call(&member(&database, "agent").await, 20, r#"{"tenant":"other"}"#).await;
    let altered = proxy.call(&session, 30, ACME).await.replace("acme", "evil");
    let zeros = format!("select assume_identity('{{}}', 40, '\\x{}')", "00".repeat(32));
    let short = "select assume_identity('{}', 50, '\\x00')".to_owned();
    for call in [used, older, another, altered, zeros, short] {
        assert_eq!(session.sqlstate(&call).await, "42501", "{call}");
        assert_eq!(session.text(WHO).await, "ann|acme", "{call}");
    }
    for (call, sqlstate) in [
        ("select assume_identity(null, 1, '\\x00')", "22004"),
        ("select assume_identity('{}', null, '\\x00')", "22004"),
        ("select assume_identity('{}', 1, null)", "22004"),
        ("select assume_identity('[]', 60, '\\x00')", "22023"),
        ("select stored_key from proxy_keys", "42501"),
        ("insert into proxy_keys values ('mine', decode(repeat('00', 32), 'hex'))", "42501"),
    ] {
        assert_eq!(session.sqlstate(call).await, sqlstate, "{call}");
    }
}

#[tokio::test]
async fn a_number_is_used_up_even_if_its_transaction_is_rolled_back() {
    let database = database().await;
    let (session, proxy) = vouched(&database).await;
    let call = proxy.call(&session, 8, r#"{"actor":"bob"}"#).await;
    session.run(&format!("begin; {call}; rollback")).await;
    assert_eq!(session.text(WHO).await, "ann|acme");
    assert_eq!(session.sqlstate(&call).await, "42501");
}

#[tokio::test]
async fn not_even_a_superuser_sets_it_by_hand() {
    let database = database().await;
    let session = Session::open(&database).await;
    for sql in [
        "set taskmaster_identity = '{\"tenant\":\"x\"}'",
        "select set_config('taskmaster_identity', '{\"tenant\":\"x\"}', false)",
        "alter role current_user set taskmaster_identity = '{}'",
    ] {
        assert_eq!(session.sqlstate(sql).await, "42501", "{sql}");
    }
    let system = "alter system set taskmaster_identity = '{}'";
    assert_eq!(session.sqlstate(system).await, "55P02");
    assert_eq!(session.text(WHO).await, "postgres");
}

#[tokio::test]
async fn a_login_does_not_bring_it_along() {
    let database = database().await;
    drop(member(&database, "agent").await);
    let mut config = database.config();
    config.user(format!("agent_{}", database.name)).password("secret");
    config.options("-c taskmaster_identity={\"tenant\":\"x\"}");
    let refused = config.connect(tokio_postgres::NoTls).await;
    assert!(refused.is_err(), "a startup packet that sets the identity is refused");
}

/// Where the library is not loaded nothing vouches, whatever a client sets; and it stays like that when a
/// function of the extension loads it.
#[tokio::test]
async fn without_the_library_there_is_no_identity() {
    let database = database().await;
    let sql = format!("alter database {} reset session_preload_libraries", database.name);
    Session::open(&database).await.run(&sql).await;
    let session = member(&database, "agent").await;
    let login = format!("agent_{}", database.name);
    assert_eq!(session.sqlstate("set taskmaster_identity = '{\"tenant\":\"x\"}'").await, "42704");
    session.run("set taskmaster.identity = '{\"tenant\":\"x\"}'").await;
    assert_eq!(session.text(WHO).await, login);
    session.text("select identity_challenge()").await;
    assert_eq!(session.text(WHO).await, login);
    assert_eq!(session.sqlstate("set taskmaster_identity = '{\"tenant\":\"x\"}'").await, "42501");
}

#[tokio::test]
async fn the_helpers_do_not_need_the_extension() {
    let database = database().await;
    let superuser = Session::open(&database).await;
    superuser.run("select create_task('t'); drop extension taskmaster").await;
    let session = member(&database, "agent").await;
    assert_eq!(session.text("select title from tasks").await, "t");
    assert_eq!(session.text(WHO).await, format!("agent_{}", database.name));
}

#[tokio::test]
async fn parallel_workers_know_it() {
    let database = database().await;
    let (session, _) = vouched(&database).await;
    let everything_to_workers = "select set_config(name, 'on', false) from pg_settings \
        where name in ('force_parallel_mode', 'debug_parallel_query')";
    session.text(everything_to_workers).await;
    let plan = session.rows(&format!("explain {WHO}")).await.unwrap();
    assert!(plan[0][0].contains("Gather"), "{plan:?}");
    assert_eq!(session.text(WHO).await, "ann|acme");
}

#[tokio::test]
async fn a_library_of_the_whole_server_gives_each_backend_its_own_challenge() {
    let cluster = Cluster::builder().setting("shared_preload_libraries", "taskmaster").start();
    let database = cluster.database().await;
    let (one, proxy) = vouched(&database).await;
    let other = member(&database, "agent").await;
    let challenge = "select identity_challenge()";
    assert_ne!(one.text(challenge).await, other.text(challenge).await);
    assert_eq!(one.text(challenge).await, one.text(challenge).await);
    proxy.assume(&other, 1, r#"{"tenant":"other"}"#).await;
    assert_eq!(one.text(WHO).await, "ann|acme");
}

#[tokio::test]
async fn without_the_tables_the_command_is_named() {
    let database = Cluster::shared().await.create_database().await;
    let session = Session::open(&database).await;
    session.run("create extension taskmaster").await;
    let call = format!("select assume_identity('{{}}', 1, '\\x{}')", "00".repeat(32));
    let refusal = session.refusal(&call).await;
    assert_eq!((&*refusal.sqlstate, &*refusal.hint), ("55000", "run `taskmaster migrate up`"));
}
