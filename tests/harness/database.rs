//! One database of a cluster, made for one test.

use std::sync::atomic::{AtomicU32, Ordering};

use taskmaster_migrations::{Runner, Target, TlsMode, UpTo};
use tokio_postgres::{Client, Config, NoTls};

use crate::{Cluster, wait};

/// A database; it goes away with its cluster.
#[derive(Debug)]
pub struct Database<'a> {
    /// Its name.
    pub name: String,
    cluster: &'a Cluster,
}

/// A migrated database that others are copied from.
#[derive(Debug)]
pub(crate) struct Template {
    name: String,
    /// `ALTER DATABASE ... SET` of the migrations: kept outside the database, so not copied.
    settings: Vec<String>,
}

impl<'a> Database<'a> {
    pub(crate) fn new(cluster: &'a Cluster, name: String) -> Self {
        Self { name, cluster }
    }

    /// The cluster it is in.
    pub fn cluster(&self) -> &'a Cluster {
        self.cluster
    }

    /// Connection parameters for a direct connection as the superuser.
    pub fn config(&self) -> Config {
        let mut config = Config::new();
        config
            .host_path(&self.cluster.socket_dir)
            .port(self.cluster.port)
            .user(self.cluster.superuser)
            .password(self.cluster.password)
            .dbname(&self.name);
        config
    }

    /// A direct connection as the superuser, driven by a task of the current runtime.
    ///
    /// # Panics
    /// When PostgreSQL refuses.
    pub async fn connect(&self) -> Client {
        connect(&self.config()).await
    }

    /// The same connection as a URL over TCP, for programs.
    pub fn url(&self) -> String {
        let password = self.cluster.password.replace(' ', "%20");
        let (user, port, name) = (self.cluster.superuser, self.cluster.port, &self.name);
        format!("postgresql://{user}:{password}@127.0.0.1:{port}/{name}")
    }
}

/// Connects without TLS and drives the connection by a task of the current runtime.
///
/// # Panics
/// When the server refuses.
pub async fn connect(config: &Config) -> Client {
    let connecting = config.connect(NoTls).await;
    let (client, connection) = connecting.unwrap_or_else(|error| panic!("{config:?}: {error:?}"));
    // The client reports how the connection ended; nobody waits for this task.
    tokio::spawn(connection);
    client
}

/// A database copied from `template`.
pub(crate) async fn create<'a>(cluster: &'a Cluster, template: &str) -> Database<'a> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("t{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let sql = format!("create database {name} template {template}");
    cluster.admin().await.batch_execute(&sql).await.expect("a database can be created");
    Database::new(cluster, name)
}

/// A database copied from one that was migrated once for this cluster.
pub(crate) async fn create_migrated(cluster: &Cluster) -> Database<'_> {
    let template = cluster.migrated.get_or_init(|| migrate(cluster)).await;
    let database = create(cluster, &template.name).await;
    let admin = cluster.admin().await;
    for setting in &template.settings {
        let (name, value) = setting.split_once('=').expect("stored as name=value");
        let sql = format!("alter database {} set {name} to {value}", database.name);
        admin.batch_execute(&sql).await.expect("a setting of the migrations can be repeated");
    }
    database
}

async fn migrate(cluster: &Cluster) -> Template {
    let database = create(cluster, "template0").await;
    // A cluster may take TCP connections over TLS alone.
    let host = cluster.socket_dir.to_str().expect("the harness makes paths in UTF-8");
    let mut target = Target::new(host, cluster.port, cluster.superuser, &database.name);
    target.password = Some(cluster.password.to_owned());
    target.tls = TlsMode::Disable;
    let connection = taskmaster_migrations::connect(&target, NoTls).await;
    let mut runner = Runner::new(connection.unwrap_or_else(|error| panic!("{target}: {error}")));
    let applied = runner.up(UpTo::Latest, &mut |_| {}).await;
    applied.unwrap_or_else(|error| panic!("{target}: {error}"));
    drop(runner);
    wait_until_unused(&database).await;
    let sql = "select unnest(setconfig) from pg_db_role_setting s join pg_database d \
               on d.oid = s.setdatabase where d.datname = $1 and s.setrole = 0";
    let rows = cluster.admin().await.query(sql, &[&database.name]).await;
    let settings = rows.expect("the catalog can be read").iter().map(|row| row.get(0)).collect();
    Template { name: database.name, settings }
}

/// A database cannot be copied while somebody is connected to it.
async fn wait_until_unused(database: &Database<'_>) {
    let admin = database.cluster.admin().await;
    wait::until("the migration's connection is closed", || async {
        let sql = "select count(*) from pg_stat_activity where datname = $1";
        let row = admin.query_one(sql, &[&database.name]).await.expect("the view can be read");
        row.get::<_, i64>(0) == 0
    })
    .await;
}
