//! `taskmaster import-pgbouncer`: its exit codes and files, and a real proxy started from what it writes.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use harness::cluster::free_port;
use harness::raw::{Login, RawClient};
use harness::{Cluster, Proxy, ProxyConfig, proxy, run_dir};

use crate::support::{create_role, value};

/// How an import ended, and what it said.
struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

fn taskmaster(dir: &Path, arguments: &[&str]) -> Ended {
    let output =
        proxy::taskmaster(dir).args(arguments).output().expect("the binary can be started");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ended { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
}

/// A directory with these files.
fn scene(files: &[(&str, &str)]) -> PathBuf {
    let dir = run_dir::fresh_dir("import");
    for (name, text) in files {
        fs::write(dir.join(name), text).unwrap();
    }
    dir
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn a_proxy_starts_from_an_imported_file_and_its_users_log_in() {
    let cluster = Cluster::shared().await;
    let (database, other) = (cluster.create_database().await, cluster.create_database().await);
    for (name, password) in
        [("import_alice", "open sesame"), ("import_carol", "c'est \"moi\""), ("import_app", "app")]
    {
        create_role(&database, name, password).await;
    }
    let admin = cluster.admin().await;
    let verifier =
        value(&admin, "select rolpassword from pg_authid where rolname = 'import_carol'").await;
    let port = free_port();
    let ini = format!(
        "[databases]\n{0} = host=127.0.0.1 port={2}\n\
         renamed = host=127.0.0.1 port={2} dbname={0} pool_size=3 pool_mode=session\n\
         forced = host=127.0.0.1 port={2} dbname={1} user=import_app password=app\n\
         [users]\nimport_carol = pool_mode=session max_user_connections=2 pool_size=2\n\
         [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nauth_file = userlist.txt\n\
         auth_type = scram-sha-256\nadmin_users = import_alice\npool_mode = transaction\n\
         unix_socket_dir =\n",
        database.name, other.name, cluster.port
    );
    let list = format!("\"import_alice\" \"open sesame\"\n\"import_carol\" \"{verifier}\"\n");
    let dir = scene(&[("pgbouncer.ini", &ini), ("userlist.txt", &list)]);
    let ended =
        taskmaster(&dir, &["import-pgbouncer", "pgbouncer.ini", "--out", "taskmaster.toml"]);
    assert_eq!((ended.code, &*ended.stdout, &*ended.stderr), (Some(0), "", ""));
    let checked = taskmaster(&dir, &["serve", "--check", "--config", "taskmaster.toml"]);
    assert_eq!(checked.code, Some(0), "{}", checked.stderr);

    let file = dir.join("taskmaster.toml");
    let text = fs::read_to_string(&file).unwrap();
    assert!(!text.contains("sesame") && !text.contains("SCRAM"), "{text}");
    // The harness reads JSON.
    fs::write(&file, format!("{text}\n[log]\nformat = \"json\"\n")).unwrap();
    let proxy = Proxy::start_with(&ProxyConfig::of_file(&file)).await;
    let login = |user: &str, password: &str, database: &str| Login {
        user: user.to_owned(),
        password: password.to_owned(),
        database: database.to_owned(),
    };
    let mut alice =
        RawClient::login(proxy.port, &login("import_alice", "open sesame", &database.name)).await;
    assert_eq!(alice.query_value("select current_user").await, "import_alice");
    let mut carol =
        RawClient::login(proxy.port, &login("import_carol", "c'est \"moi\"", "renamed")).await;
    assert_eq!(carol.query_value("select current_database()").await, database.name);
    let mut forced =
        RawClient::login(proxy.port, &login("import_alice", "open sesame", "forced")).await;
    let who = "select session_user || ' in ' || current_database()";
    assert_eq!(forced.query_value(who).await, format!("import_app in {}", other.name));

    for (who, expected) in [
        (login("import_alice", "wrong", &database.name), "28P01"),
        (login("import_nobody", "x", &database.name), "28P01"),
        (login("import_app", "app", &database.name), "28P01"),
        (login("import_alice", "open sesame", "postgres"), "3D000"),
    ] {
        let mut refused = RawClient::connect(proxy.port).await;
        let error = refused.log_in(&who, &[]).await.unwrap_err();
        assert_eq!(error.sqlstate(), Some(expected), "{} in {}", who.user, who.database);
    }
    shows_what_was_imported(&proxy, &database.name).await;
}

async fn shows_what_was_imported(proxy: &Proxy, database: &str) {
    let mut config = tokio_postgres::Config::new();
    config.host("127.0.0.1").port(proxy.port).user("import_alice").password("open sesame");
    let console = harness::database::connect(config.dbname("pgbouncer")).await;
    let (_, pools) = crate::admin::table(&console, "show pools").await;
    let mut pools: Vec<_> = pools
        .iter()
        .map(|row| [&*row["database"], &*row["user"], &*row["pool_mode"]].join(" "))
        .collect();
    pools.sort();
    let mut expected = [
        format!("{database} import_alice transaction"),
        "forced import_app transaction".to_owned(),
        "renamed import_carol session".to_owned(),
    ];
    expected.sort();
    assert_eq!(pools, expected);
    let (_, databases) = crate::admin::table(&console, "show databases").await;
    let forced = databases.iter().find(|row| row["name"] == "forced").unwrap();
    assert_eq!((&*forced["force_user"], &*forced["pool_size"]), ("import_app", "20"));
    let (_, users) = crate::admin::table(&console, "show users").await;
    let carol = users.iter().find(|row| row["name"] == "import_carol").unwrap();
    let shown = ["pool_size", "pool_mode", "max_user_connections", "current_client_connections"];
    assert_eq!(shown.map(|name| &*carol[name]), ["2", "session", "2", "1"]);
}

#[tokio::test]
async fn what_is_left_out_is_named_line_by_line_with_an_exit_code_of_its_own() {
    let ini = "[databases]\n* = host=h\n[pgbouncer]\nlisten_addr = *\npool_mode = statement\n\
               pidfile = /run/x.pid\n";
    let dir = scene(&[("pgbouncer.ini", ini)]);
    let ended = taskmaster(&dir, &["import-pgbouncer", "pgbouncer.ini"]);
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    assert!(ended.stdout.contains("host = \"0.0.0.0, ::\""), "{}", ended.stdout);
    let lines: Vec<_> = ended.stderr.lines().collect();
    assert_eq!(lines.len(), 3, "{}", ended.stderr);
    assert!(lines[0].starts_with("left out: pidfile = /run/x.pid: "), "{}", lines[0]);
    assert!(lines[1].starts_with("left out: pool_mode = statement: "), "{}", lines[1]);
    fs::write(dir.join("taskmaster.toml"), &ended.stdout).unwrap();
    let checked = taskmaster(&dir, &["serve", "--check", "--config", "taskmaster.toml"]);
    assert_eq!(checked.code, Some(0), "{}", checked.stderr);
}

#[tokio::test]
async fn what_serve_would_refuse_is_no_success() {
    let ini = "[databases]\n* = host=h\n[pgbouncer]\nlisten_addr = *\n\
               client_tls_sslmode = require\nclient_tls_cert_file = gone.crt\n\
               client_tls_key_file = gone.key\n";
    let dir = scene(&[("pgbouncer.ini", ini)]);
    let ended = taskmaster(&dir, &["import-pgbouncer", "pgbouncer.ini"]);
    assert_eq!(ended.code, Some(3));
    assert!(ended.stderr.contains("gone.crt"), "{}", ended.stderr);
}

#[tokio::test]
async fn an_ini_that_cannot_be_used_is_refused() {
    let dir = scene(&[("broken.ini", "[pgbouncer]\nlisten_port\n")]);
    for (name, expected) in [("broken.ini", "broken.ini:2"), ("missing.ini", "missing.ini")] {
        let ended = taskmaster(&dir, &["import-pgbouncer", name, "--out", "x.toml"]);
        assert_eq!((ended.code, &*ended.stdout), (Some(2), ""));
        assert!(ended.stderr.contains(expected), "{}", ended.stderr);
        assert!(!dir.join("x.toml").exists());
    }
}

#[tokio::test]
async fn passwords_are_written_to_private_files_alone_and_nothing_is_overwritten() {
    let ini = "[databases]\n* = host=h\n[pgbouncer]\nlisten_addr = *\nauth_file = list\n";
    let dir = scene(&[("pgbouncer.ini", ini), ("list", "\"a\" \"hidden one\"\n")]);
    let shown = taskmaster(&dir, &["import-pgbouncer", "pgbouncer.ini"]);
    assert_eq!(shown.code, Some(3));
    assert!(shown.stderr.contains("auth_file a = ...") && shown.stderr.contains("--out"));
    assert!(!(shown.stdout + &shown.stderr).contains("hidden"));

    let import = ["import-pgbouncer", "pgbouncer.ini", "--out", "new.toml"];
    assert_eq!(taskmaster(&dir, &import).code, Some(0));
    let (secrets, file) = (dir.join("new.secrets"), dir.join("new.secrets/a.password"));
    assert_eq!((mode(&secrets), mode(&file)), (0o700, 0o600));
    assert_eq!(fs::read_to_string(&file).unwrap(), "hidden one\n");

    fs::write(dir.join("list"), "\"a\" \"another\"\n").unwrap();
    let refused = taskmaster(&dir, &import);
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.contains("--force"), "{}", refused.stderr);
    assert_eq!(fs::read_to_string(&file).unwrap(), "hidden one\n");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let forced = taskmaster(&dir, &[&import[..], &["--force"]].concat());
    assert_eq!(forced.code, Some(0), "{}", forced.stderr);
    assert_eq!((fs::read_to_string(&file).unwrap().as_str(), mode(&file)), ("another\n", 0o600));
}
