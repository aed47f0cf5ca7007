//! New settings under clients that go on: RELOAD, SIGHUP and SET, what they change at once, what they leave and name,
//! and that settings which cannot be used change nothing.

use harness::program::Program;
use harness::proxy_config::path_text;
use harness::raw::{Login, RawClient};
use harness::{Authority, Cluster, Database, Proxy, ProxyConfig, message, proxy, wait};
use nix::sys::signal::Signal;
use tokio_postgres::Client;
use toml::Table;

use crate::admin::{console, row_of, table};
use crate::support::{assert_serves, backend_pid, create_role, first_error, sqlstate, value};

/// A running proxy whose configuration can be written anew.
struct Scene {
    cluster: &'static Cluster,
    database: Database<'static>,
    config: ProxyConfig,
    proxy: Proxy,
}

impl Scene {
    async fn start(configure: impl FnOnce(&mut ProxyConfig)) -> Self {
        let cluster = Cluster::shared().await;
        let database = cluster.create_database().await;
        let mut config = ProxyConfig::new(cluster);
        config.set("pool.min", 1).set("pool.max", 2);
        configure(&mut config);
        let proxy = Proxy::start_with(&config).await;
        Self { cluster, database, config, proxy }
    }

    /// Writes the changed configuration and has it read.
    async fn reload(&mut self, change: impl FnOnce(&mut ProxyConfig)) {
        change(&mut self.config);
        self.config.write();
        self.console().await.batch_execute("reload").await.unwrap();
    }

    async fn console(&self) -> Client {
        console(self.cluster, &self.proxy).await
    }

    async fn setting(&self, key: &str) -> String {
        let (_, rows) = table(&self.console().await, "show config").await;
        let row = rows.iter().find(|row| row["key"] == key);
        row.unwrap_or_else(|| panic!("no setting {key}"))["value"].clone()
    }

    /// Logs in as this user and gives its name back, or the SQLSTATE of the refusal.
    async fn log_in(&self, user: &str, password: &str) -> Result<(), String> {
        let login = Login {
            user: user.to_owned(),
            password: password.to_owned(),
            database: self.database.name.clone(),
        };
        let mut client = RawClient::connect(self.proxy.port).await;
        let refused = client.log_in(&login, &[]).await.err();
        refused.map_or(Ok(()), |error| Err(error.sqlstate().unwrap().to_owned()))
    }
}

fn entry(pairs: &[(&str, &str)]) -> Table {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).into())).collect()
}

#[tokio::test]
async fn transactions_go_on_through_a_reload_and_new_settings_hold_after_it() {
    let mut scene = Scene::start(|_| {}).await;
    let busy = scene.proxy.connect(&scene.database).await;
    busy.batch_execute("create table rows (i int); begin; insert into rows values (1)")
        .await
        .unwrap();
    let mut idle = scene.proxy.raw(&scene.database).await;
    idle.query("set timezone = 'Asia/Tokyo'").await;
    let pid = backend_pid(&busy).await;
    scene
        .reload(|config| {
            config.set("pool.max", 1).set("pool.acquire_timeout_ms", 300);
        })
        .await;
    assert_eq!(
        row_of(&scene.console().await, "show databases", &scene.database).await["pool_size"],
        "1"
    );
    // The only connection that there may be now is the one of the transaction.
    assert_eq!(first_error(&idle.query("select 1").await), "53300");
    assert_eq!(backend_pid(&busy).await, pid);
    busy.batch_execute("insert into rows values (2); commit").await.unwrap();
    assert_eq!(idle.query_value("show timezone").await, "Asia/Tokyo");
    assert_eq!(idle.query_value("select count(*) from rows").await, "2");
}

#[tokio::test]
async fn a_hangup_reads_the_configuration_too() {
    let mut scene = Scene::start(|_| {}).await;
    let client = scene.proxy.connect(&scene.database).await;
    scene.config.set("pool.max", 7).write();
    scene.proxy.signal(Signal::SIGHUP);
    wait::until("it was read", async || scene.setting("pool.max").await == "7").await;
    assert_eq!(value(&client, "select 'still here'").await, "still here");
}

#[tokio::test]
async fn a_file_that_cannot_be_used_changes_nothing_and_says_which_key_and_why() {
    let mut scene = Scene::start(|_| {}).await;
    scene.proxy.expect_log("the settings stay as they were");
    let client = scene.proxy.connect(&scene.database).await;
    client.batch_execute("begin").await.unwrap();
    let console = scene.console().await;
    for (key, wrong, right) in [("pool.min", 5, 1), ("pool.maxx", 1, 0)] {
        scene.config.set("pool.idle_timeout_ms", 77).set(key, wrong).write();
        let error = console.batch_execute("reload").await.unwrap_err();
        let told = error.as_db_error().unwrap();
        assert_eq!(sqlstate(&error), "F0000");
        let name = key.rsplit('.').next().unwrap();
        assert!(told.message().contains(name), "{told:?}");
        assert!(scene.proxy.log().contains(name), "{}", scene.proxy.log());
        scene.config.set(key, right);
    }
    scene.config.unset("pool.maxx");
    std::fs::remove_file(scene.config.dir.join("password")).unwrap();
    scene.config.write();
    let error = console.batch_execute("reload").await.unwrap_err();
    assert!(error.as_db_error().unwrap().message().contains("password"), "{error:?}");
    assert_eq!(scene.setting("pool.idle_timeout_ms").await, "10000");
    client.batch_execute("commit").await.unwrap();
    assert_serves(&scene.proxy, &scene.database).await;
}

#[tokio::test]
async fn what_holds_from_the_next_start_on_is_named() {
    let mut scene = Scene::start(|_| {}).await;
    scene.proxy.expect_log("from the next start on");
    let mut operator = RawClient::connect(scene.proxy.port).await;
    let console = scene.cluster.named("taskmaster_admin");
    operator.log_in(&proxy::login(&console), &[]).await.unwrap();
    scene.config.set("listen.workers", 2).set("pool.max", 3).write();
    let replies = operator.query("reload").await;
    let notices: Vec<_> = replies.iter().filter(|reply| reply.tag == b'N').collect();
    assert_eq!(notices.len(), 1, "{replies:?}");
    assert!(notices[0].field(b'M').unwrap().contains("listen.workers"), "{notices:?}");
    assert_eq!(notices[0].field(b'S'), Some("WARNING"));
    assert_eq!(scene.setting("pool.max").await, "3", "the rest holds");
    assert!(scene.proxy.log().contains("listen.workers"));
}

#[tokio::test]
async fn users_and_their_passwords_come_and_go() {
    let mut scene = Scene::start(|_| {}).await;
    for (role, password) in [("reload_ann", "first"), ("reload_ben", "other")] {
        create_role(&scene.database, role, password).await;
    }
    let user = |name: &str, password: &str| entry(&[("name", name), ("password", password)]);
    scene
        .reload(|config| {
            config.push("auth.users", user("reload_ann", "wrong"));
        })
        .await;
    assert_eq!(scene.log_in("reload_ann", "first").await, Err("28P01".to_owned()));
    scene
        .reload(|config| {
            config.unset("auth.users");
            config.push("auth.users", user("reload_ann", "first"));
            config.push("auth.users", user("reload_ben", "other"));
        })
        .await;
    assert_eq!(scene.log_in("reload_ann", "first").await, Ok(()));
    assert_eq!(scene.log_in("reload_ben", "other").await, Ok(()));
}

#[tokio::test]
async fn a_pool_whose_password_changes_uses_the_new_one_without_a_new_login() {
    let mut scene = Scene::start(|config| {
        config.push("auth.users", entry(&[("name", "reload_cat"), ("password", "before")]));
    })
    .await;
    create_role(&scene.database, "reload_cat", "before").await;
    let mut config = scene.proxy.config(&scene.database);
    config.user("reload_cat").password("before");
    let client = harness::database::connect(&config).await;
    let pid = backend_pid(&client).await;
    create_role(&scene.database, "reload_cat", "after").await;
    scene
        .reload(|config| {
            config.unset("auth.users");
            config.push("auth.users", entry(&[("name", "reload_cat"), ("password", "after")]));
        })
        .await;
    assert_ne!(backend_pid(&client).await, pid, "the connection was replaced");
    assert_eq!(scene.log_in("reload_cat", "before").await, Err("28P01".to_owned()));
}

#[tokio::test]
async fn a_database_moves_as_soon_as_its_transactions_have_ended() {
    let cluster = Cluster::shared().await;
    let (old, new) = (cluster.create_database().await, cluster.create_database().await);
    let moved = |to: &Database<'_>| entry(&[("name", "app"), ("dbname", &to.name)]);
    let mut scene = Scene::start(|config| {
        config.push("databases", moved(&old));
    })
    .await;
    let app = cluster.named("app");
    let (busy, idle) = (scene.proxy.connect(&app).await, scene.proxy.connect(&app).await);
    busy.batch_execute("begin").await.unwrap();
    assert_eq!(value(&idle, "select current_database()").await, old.name);
    scene
        .reload(|config| {
            config.unset("databases");
            config.push("databases", moved(&new));
        })
        .await;
    assert_eq!(value(&busy, "select current_database()").await, old.name);
    assert_eq!(value(&idle, "select current_database()").await, new.name);
    busy.batch_execute("commit").await.unwrap();
    assert_eq!(value(&busy, "select current_database()").await, new.name);
    assert_eq!(
        value(&scene.proxy.connect(&app).await, "select current_database()").await,
        new.name
    );
}

#[tokio::test]
async fn another_way_to_the_server_is_taken_and_a_wrong_one_is_put_right() {
    let mut scene = Scene::start(|config| {
        config.set("server.down_after_ms", 60_000);
    })
    .await;
    let client = scene.proxy.connect(&scene.database).await;
    let mut waiter = scene.proxy.raw(&scene.database).await;
    let pid = backend_pid(&client).await;
    client.batch_execute("begin").await.unwrap();
    let port = i64::from(scene.cluster.port);
    scene
        .reload(|config| {
            config.set("server.port", 1);
        })
        .await;
    waiter.send(&message::query("select 'served'")).await;
    assert_eq!(backend_pid(&client).await, pid, "the transaction stays where it is");
    scene
        .reload(|config| {
            config.set("server.port", port);
        })
        .await;
    let replies = waiter.read_until_ready().await;
    assert!(replies.iter().any(|reply| reply.tag == b'D'), "{replies:?}");
    client.batch_execute("commit").await.unwrap();
    assert_ne!(backend_pid(&client).await, pid);
}

#[tokio::test]
async fn new_handshakes_get_the_new_certificate() {
    let (old, new) = (Authority::new(), Authority::new());
    let certified = |config: &mut ProxyConfig, authority: &Authority| {
        let certificate = authority.server(&["localhost"]);
        config
            .set("listen.tls.cert_file", path_text(&certificate.cert_file))
            .set("listen.tls.key_file", path_text(&certificate.key_file));
    };
    let mut scene = Scene::start(|config| certified(config, &old)).await;
    let before = scene.proxy.connect_tls(&scene.database, &old).await;
    scene.reload(|config| certified(config, &new)).await;
    let after = scene.proxy.connect_tls(&scene.database, &new).await;
    assert_eq!(value(&after, "select 'after'").await, "after");
    assert_eq!(value(&before, "select 'before'").await, "before");
}

#[tokio::test]
async fn limits_and_operators_change() {
    let mut scene = Scene::start(|_| {}).await;
    create_role(&scene.database, "reload_viewer", "looks").await;
    let mut first = scene.proxy.raw(&scene.database).await;
    scene
        .reload(|config| {
            config.set("listen.client_max", 1);
        })
        .await;
    let (user, password) = (scene.cluster.superuser, scene.cluster.password);
    assert_eq!(scene.log_in(user, password).await, Err("53300".to_owned()));
    scene
        .reload(|config| {
            config.unset("listen.client_max").set("limits.query_timeout_ms", 100);
            config.set("admin.stats_users", vec!["reload_viewer"]);
        })
        .await;
    assert_eq!(first_error(&first.query("select pg_sleep(600)").await), "57014");
    let mut config = scene.proxy.config(&scene.cluster.named("pgbouncer"));
    config.user("reload_viewer").password("looks");
    let viewer = harness::database::connect(&config).await;
    assert!(!table(&viewer, "show pools").await.0.is_empty());
    let denied = viewer.batch_execute("set pool.max = 1").await.unwrap_err();
    assert_eq!(sqlstate(&denied), "42501");
    scene
        .reload(|config| {
            config.unset("admin.stats_users");
        })
        .await;
    let denied = viewer.batch_execute("show pools").await.unwrap_err();
    assert_eq!(sqlstate(&denied), "42501");
}

#[tokio::test]
async fn more_room_in_the_budget_serves_who_waits() {
    let mut scene = Scene::start(|config| {
        config.set("limits.server_connections_max", 1);
    })
    .await;
    let other = scene.cluster.create_database().await;
    let holder = scene.proxy.connect(&scene.database).await;
    holder.batch_execute("begin").await.unwrap();
    let mut config = scene.proxy.config(&other);
    config.application_name("waits");
    let waiter = tokio::spawn(async move {
        let client = harness::database::connect(&config).await;
        value(&client, "select 'served'").await
    });
    let console = scene.console().await;
    wait::until("it waits", async || {
        let (_, lists) = table(&console, "show lists").await;
        lists.iter().any(|row| row["list"] == "login_clients" && row["items"] == "1")
    })
    .await;
    scene
        .reload(|config| {
            config.set("limits.server_connections_max", 2);
        })
        .await;
    assert_eq!(wait::within("the waiter", waiter).await.unwrap(), "served");
    holder.batch_execute("commit").await.unwrap();
}

#[tokio::test]
async fn set_changes_one_setting_until_the_next_reload() {
    let mut scene = Scene::start(|config| {
        config.env("DB_POOL_MIN", "1");
    })
    .await;
    scene.proxy.expect_log("the settings stay as they were");
    let console = scene.console().await;
    for (sql, key, expected) in [
        ("set pool.max = 5", "pool.max", "5"),
        ("SET pool.test_query TO 'select 1';", "pool.test_query", "select 1"),
        ("set query_timeout = 1.5", "limits.query_timeout_ms", "1500"),
        ("set pool.test_on_borrow = off", "pool.test_on_borrow", "false"),
        ("set stats_users = 'a, b'", "admin.stats_users", "a, b"),
    ] {
        console.batch_execute(sql).await.unwrap();
        assert_eq!(scene.setting(key).await, expected, "{sql}");
    }
    assert_eq!(scene.setting("pool.max").await, "5", "what was set before stays");
    for (sql, state, part) in [
        ("set pool.max = 0", "F0000", "pool.max"),
        ("set pool.maxx = 5", "F0000", "maxx"),
        ("set listen.workers = 4", "F0000", "restart"),
        ("set pool.min = 2", "F0000", "DB_POOL_MIN"),
        ("set auth.password = 'hush hush'", "F0000", "secret"),
        ("set max_clients = 5", "42704", "max_clients"),
    ] {
        let error = console.batch_execute(sql).await.unwrap_err();
        assert_eq!(sqlstate(&error), state, "{sql}");
        assert!(error.as_db_error().unwrap().message().contains(part), "{sql}: {error:?}");
    }
    assert!(!scene.proxy.log().contains("hush"), "a secret was logged");
    scene.reload(|_| {}).await;
    assert_eq!(scene.setting("pool.max").await, "2");
    assert_serves(&scene.proxy, &scene.database).await;
}

#[tokio::test]
async fn the_log_says_more_when_it_is_told_to() {
    let scene = Scene::start(|_| {}).await;
    let is_debugged = || scene.proxy.log().contains("\"level\":\"DEBUG\"");
    assert_serves(&scene.proxy, &scene.database).await;
    assert!(!is_debugged());
    scene.console().await.batch_execute("set log.level = debug").await.unwrap();
    wait::until("it says more", async || {
        assert_serves(&scene.proxy, &scene.database).await;
        is_debugged()
    })
    .await;
}

#[tokio::test]
async fn clients_under_load_do_not_notice_reloads() {
    let mut scene = Scene::start(|config| {
        config.set("listen.workers", 2);
    })
    .await;
    let direct = scene.database.connect().await;
    direct
        .batch_execute("create table counter (n int); insert into counter values (0)")
        .await
        .unwrap();
    let script = scene.proxy.dir.join("load.sql");
    std::fs::write(
        &script,
        "begin;\nupdate counter set n = n + 1;\ncommit;\nselect n from counter;\n",
    )
    .unwrap();
    let (file, target) =
        (script.to_str().unwrap().to_owned(), scene.proxy.connect_string(&scene.database));
    // Not prepared: pgbench prepares synchronously, and would not hear of its clients inside transactions meanwhile.
    let load = tokio::spawn(async move {
        let arguments = ["-n", "-c", "8", "-t", "150", "-M", "extended", "-f", &file, &target];
        Program::postgres("pgbench").args(arguments).succeed().await
    });
    let mut max = 1;
    while !load.is_finished() {
        max = 3 - max;
        scene
            .reload(|config| {
                // Another maximum each time, and each time other connections.
                config.set("pool.max", max).set("pool.max_lifetime_ms", 1_000_000 + max);
            })
            .await;
    }
    load.await.unwrap();
    assert_eq!(value(&direct, "select n from counter").await, "1200");
}
