//! psql and its companions through the proxy, without TLS and with a verified certificate: every
//! statement of the user's document as it is written there.

use harness::program::{Finished, Program};
use harness::proxy_config::path_text;
use harness::{Authority, Cluster, Database, Proxy};

const SEED_TABLES: &str = include_str!("psql/seed_tables.sql");
const SEED_FUNCTIONS: &str = include_str!("psql/seed_functions.sql");

async fn with_tls(cluster: &Cluster) -> (Authority, Proxy) {
    let authority = Authority::new();
    let certificate = authority.server(&["localhost"]);
    let proxy = Proxy::start(cluster, |config| {
        config
            .set("pool.min", 1)
            .set("pool.max", 2)
            .set("listen.tls.mode", "allow")
            .set("listen.tls.cert_file", path_text(&certificate.cert_file))
            .set("listen.tls.key_file", path_text(&certificate.key_file));
    })
    .await;
    (authority, proxy)
}

/// A libpq program that connects through the proxy; `ssl_mode` is libpq's.
fn libpq(name: &str, proxy: &Proxy, cluster: &Cluster, ssl_mode: &str) -> Program {
    Program::postgres(name)
        .env("PGHOST", "localhost")
        .env("PGPORT", proxy.port.to_string())
        .env("PGUSER", cluster.superuser)
        .env("PGPASSWORD", cluster.password)
        .env("PGSSLMODE", ssl_mode)
        .env("PGCONNECT_TIMEOUT", "30")
}

async fn psql(
    proxy: &Proxy,
    database: &Database<'_>,
    verify: Option<&Authority>,
    sql: &str,
) -> Finished {
    let ssl_mode = if verify.is_some() { "verify-full" } else { "disable" };
    let mut program = libpq("psql", proxy, database.cluster(), ssl_mode);
    if let Some(authority) = verify {
        program = program.env("PGSSLROOTCERT", &authority.cert_file);
    }
    program
        .args(["-X", "-v", "ON_ERROR_STOP=1", "-At", "-d", &database.name])
        .input(sql)
        .succeed()
        .await
}

#[tokio::test]
async fn the_tables_of_the_seed_can_be_made_as_written() {
    let cluster = Cluster::shared().await;
    let (authority, proxy) = with_tls(cluster).await;
    for verify in [None, Some(&authority)] {
        let database = cluster.create_database().await;
        let finished = psql(&proxy, &database, verify, SEED_TABLES).await;
        assert_eq!(finished.stdout.matches("CREATE TABLE").count(), 5, "{}", finished.report());
    }
}

#[tokio::test]
async fn the_functions_of_the_seed_run_as_written() {
    let cluster = Cluster::shared().await;
    let (authority, proxy) = with_tls(cluster).await;
    for verify in [None, Some(&authority)] {
        let database = cluster.database().await;
        let finished = psql(&proxy, &database, verify, SEED_FUNCTIONS).await;
        let expected = "PREPARE\nINSERT 0 1\nt\nt\nt\nt\nParent|0\nChild|1\nt\n2\n";
        assert_eq!(finished.stdout, expected, "{}", finished.report());
    }
}

/// What psql does by itself with queries: expanded rows, variables, queries made of results, catalogs, a crosstab, pages of a
/// cursor, pipes; and a query that is watched until it fails.
const OWN_COMMANDS: &str = r"
create sequence steps; create table t (id int primary key, word text);
insert into t select n, 'word ' || n from generate_series(1, 30) n;
\x on
select * from t where id < 3;
\x auto
\pset format aligned
select * from t where id < 3;
\gdesc
select id, word from t where id < 3 \gdesc
select 7 as seven \gset
select :seven + 1;
select format('select %s as made', n) from generate_series(1, 3) n \gexec
select id % 2 as even, id % 3 as third, count(*) from t group by 1, 2 \crosstabview
\d t
\dt
\df nothing
\set FETCH_COUNT 7
select count(*), sum(id) from (select * from t) all_of_it;
select id from t order by id;
\set FETCH_COUNT 0
\copy t to pstdout
begin; insert into t values (1, 'twice');
select 1;
\echo :LAST_ERROR_SQLSTATE
rollback;
\set ON_ERROR_ROLLBACK on
begin; insert into t values (1, 'twice'); select 'goes on'; commit;
select 6 / (3 - nextval('steps')) as left \watch 0.05
";

#[tokio::test]
async fn commands_of_psql_itself_give_the_same() {
    let cluster = Cluster::builder().start();
    let proxy = Proxy::start(&cluster, |config| {
        config.set("pool.min", 1).set("pool.max", 2);
    })
    .await;
    let mut outputs = Vec::new();
    for port in [cluster.port, proxy.port] {
        let database = cluster.create_database().await;
        let program = libpq("psql", &proxy, &cluster, "disable").env("PGPORT", port.to_string());
        let finished =
            program.args(["-X", "-d", &database.name]).input(OWN_COMMANDS).succeed().await;
        // The moment of each turn of a watch is in its title.
        let is_same = |line: &&str| !line.contains("(every ");
        let lines = finished.stdout.lines().chain(finished.stderr.lines()).filter(is_same);
        outputs.push(lines.collect::<Vec<_>>().join("\n"));
    }
    assert_eq!(outputs[1], outputs[0]);
    for seen in ["-[ RECORD 1 ]", "goes on", "25P02", "division by zero", "word 30"] {
        assert!(outputs[0].contains(seen), "{seen} is not in {}", outputs[0]);
    }
}

#[tokio::test]
async fn the_database_of_the_seed_is_created_through_the_proxy() {
    let cluster = Cluster::builder().start();
    let (_, proxy) = with_tls(&cluster).await;
    libpq("createdb", &proxy, &cluster, "disable").args(["codegen-taskmaster-db"]).succeed().await;
    let database = cluster.named("codegen-taskmaster-db");
    let finished = psql(&proxy, &database, None, "select current_database()").await;
    assert_eq!(finished.stdout.trim(), "codegen-taskmaster-db");
}

#[tokio::test]
async fn psql_knows_the_encryption_and_refuses_a_stranger() {
    let cluster = Cluster::shared().await;
    let database = cluster.create_database().await;
    let (authority, proxy) = with_tls(cluster).await;
    let finished = psql(&proxy, &database, Some(&authority), "\\conninfo").await;
    assert!(finished.stdout.contains("TLSv1.3"), "{}", finished.report());
    let stranger = Authority::new();
    let refused = libpq("psql", &proxy, cluster, "verify-full")
        .env("PGSSLROOTCERT", &stranger.cert_file)
        .args(["-X", "-d", &database.name, "-c", "select 1"])
        .run()
        .await;
    assert!(!refused.status.success(), "{}", refused.report());
}

#[tokio::test]
async fn meta_commands_and_copy_of_psql_work() {
    let cluster = Cluster::shared().await;
    let database = cluster.create_database().await;
    let (_, proxy) = with_tls(cluster).await;
    let sql = "create table t (id int, word text);\n\
               \\copy t from stdin with (format csv)\n1,one\n2,two\n\\.\n\
               \\copy t to stdout with (format csv)\n\
               \\d t\n\\dt\nselect count(*) from t;\n";
    let finished = psql(&proxy, &database, None, sql).await;
    assert!(finished.stdout.contains("COPY 2\n1,one\n2,two\n"), "{}", finished.report());
    assert!(finished.stdout.ends_with("2\n"), "{}", finished.report());
}

#[tokio::test]
async fn pg_dump_and_restore_through_the_proxy() {
    let cluster = Cluster::shared().await;
    let (source, target) = (cluster.create_database().await, cluster.create_database().await);
    let (_, proxy) = with_tls(cluster).await;
    let sql = "create table t as select n, repeat('x', 1000) from generate_series(1, 500) n";
    psql(&proxy, &source, None, sql).await;
    let dump =
        libpq("pg_dump", &proxy, cluster, "disable").args(["-d", &source.name]).succeed().await;
    psql(&proxy, &target, None, &dump.stdout).await;
    let count = psql(&proxy, &target, None, "select count(*) from public.t").await;
    assert_eq!(count.stdout.trim(), "500");
}
