//! `sql/schema.sql` is what the migrations add up to. `TASKMASTER_BLESS=1` writes it anew.

use std::fs;

use harness::Cluster;
use harness::artefacts::repository_dir;

use super::support::{NO_DATED_PARTITIONS, dump, up_all};

/// What the file says about itself.
const HEADER: &str = "\
-- What the migrations add up to, to be read and compared. Generated: run the test
-- migrate::schema_file with TASKMASTER_BLESS=1 after a new step. To make a database, use
-- \"taskmaster migrate up\". The dated partitions are not here: which ones there are depends on
-- the day.
";

#[tokio::test]
async fn the_schema_file_is_what_the_migrations_add_up_to() {
    let database = Cluster::shared().await.create_database().await;
    up_all(&database).await;
    let dumped = dump(&database, &[NO_DATED_PARTITIONS]);
    let expected = format!("{HEADER}{dumped}");
    let path = repository_dir().join("sql/schema.sql");
    if std::env::var_os("TASKMASTER_BLESS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &expected).unwrap();
    }
    let present = fs::read_to_string(&path).unwrap_or_default();
    let pairs = present.lines().zip(expected.lines());
    let differing = pairs.enumerate().find(|(_, (there, here))| there != here);
    assert!(
        present == expected,
        "sql/schema.sql is not what the migrations add up to; first difference: {differing:?}"
    );
}
