//! The harness itself: clusters start, stop and leave nothing behind.

use harness::Cluster;
use harness::cluster::Stop;

#[tokio::test]
async fn a_shared_cluster_serves_separate_databases() {
    let cluster = Cluster::shared().await;
    let (one, two) = (cluster.create_database().await, cluster.create_database().await);
    one.connect().await.batch_execute("create table only_here (id int)").await.unwrap();
    let sql = "select count(*) from pg_class where relname = 'only_here'";
    assert_eq!(one.connect().await.query_one(sql, &[]).await.unwrap().get::<_, i64>(0), 1);
    assert_eq!(two.connect().await.query_one(sql, &[]).await.unwrap().get::<_, i64>(0), 0);
}

#[tokio::test]
async fn a_cluster_of_its_own_stops_and_starts_with_its_data() {
    let cluster = Cluster::builder().setting("work_mem", "5MB").start();
    let admin = cluster.admin().await;
    admin.batch_execute("create table kept (id int); insert into kept values (7)").await.unwrap();
    drop(admin);
    cluster.stop(Stop::Fast);
    cluster.start();
    let admin = cluster.admin().await;
    let sql = "select id, current_setting('work_mem') from kept";
    let row = admin.query_one(sql, &[]).await.unwrap();
    assert_eq!((row.get::<_, i32>(0), row.get::<_, &str>(1)), (7, "5MB"));
}

#[tokio::test]
async fn migrated_databases_find_the_tables_without_a_schema_name() {
    let cluster = Cluster::shared().await;
    for _ in 0..2 {
        let database = cluster.database().await;
        let client = database.connect().await;
        let row = client.query_one("select count(*) from tasks", &[]).await.unwrap();
        assert_eq!(row.get::<_, i64>(0), 0);
    }
}
