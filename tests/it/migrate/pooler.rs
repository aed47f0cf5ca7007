//! A connection that does not end at PostgreSQL itself is refused.

use harness::{Cluster, Proxy};
use taskmaster_migrations::{ErrorKind, MigrateError, connect};
use tokio_postgres::NoTls;

use super::support::{runner, target, value};

#[tokio::test]
async fn a_connection_through_the_proxy_is_refused() {
    let cluster = Cluster::shared().await;
    let database = cluster.create_database().await;
    let proxy = Proxy::start(cluster, |_| ()).await;
    let mut through = target(&database);
    through.host = "127.0.0.1".to_owned();
    through.port = proxy.port;
    let error = connect(&through, NoTls).await.unwrap_err();
    assert!(matches!(error, MigrateError::Pooler { .. }), "{error}");
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert_eq!(error.hint().as_deref(), Some("give the host and port of PostgreSQL itself"));
    assert_eq!(value(&database, "SELECT to_regnamespace('taskmaster')").await, "NULL");
}

#[tokio::test]
async fn a_direct_connection_is_taken_over_tcp_with_and_without_tls() {
    let authority = harness::Authority::new();
    let cluster = Cluster::builder().tls(&authority.server(&["localhost"])).start();
    let database = cluster.create_database().await;
    let mut direct = target(&database);
    direct.host = "localhost".to_owned();
    for tls in [taskmaster_migrations::TlsMode::Disable, taskmaster_migrations::TlsMode::Require] {
        direct.tls = tls;
        connect(&direct, authority.connector()).await.unwrap();
    }
    runner(&database).await.status().await.unwrap();
}
