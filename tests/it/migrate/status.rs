//! `taskmaster migrate status` on the command line: its lines, its JSON, and its exit codes.

use std::process::Output;

use harness::{Cluster, Database, ProxyConfig, proxy};
use serde_json::Value;

use super::support::{runner_of, up, up_all};

/// Runs `taskmaster migrate` against the database.
fn migrate(database: &Database<'_>, arguments: &[&str]) -> Output {
    let mut config = ProxyConfig::new(database.cluster());
    config.set("server.dbname", database.name.as_str());
    let file = config.write();
    let mut command = proxy::taskmaster(&config.dir);
    command.arg("migrate").args(arguments).arg("--config").arg(file);
    command.output().expect("the binary can be started")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn json(database: &Database<'_>, exit_code: i32) -> Value {
    let output = migrate(database, &["status", "--json", "--check"]);
    assert_eq!(output.status.code(), Some(exit_code), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("one JSON object")
}

#[tokio::test]
async fn it_tells_what_is_to_be_done_until_everything_is() {
    let database = Cluster::shared().await.create_database().await;
    let status = json(&database, 6);
    assert_eq!(status["current"], false);
    assert_eq!(status["extension"], Value::Null);
    assert_eq!(status["steps"][0]["version"], "0001");
    assert_eq!(status["steps"][0]["state"], "pending");
    assert_eq!(status["steps"][0]["applied_at"], Value::Null);

    up(&mut runner_of(&database, 8, vec![]).await).await.0.unwrap();
    let client = database.connect().await;
    let older =
        "DROP EXTENSION taskmaster; CREATE EXTENSION taskmaster SCHEMA taskmaster VERSION '0.1.0'";
    client.batch_execute(older).await.unwrap();
    let status = json(&database, 6);
    let states: Vec<_> =
        status["steps"].as_array().unwrap().iter().map(|step| step["state"].clone()).collect();
    assert_eq!(states.iter().filter(|state| *state == "applied").count(), 8);
    assert_eq!(status["extension"]["installed"], "0.1.0");
    let lines = migrate(&database, &["status"]);
    assert_eq!(lines.status.code(), Some(0), "without --check it only tells");
    let lines = text(&lines.stdout);
    let last = lines.lines().last().unwrap();
    assert!(
        last.starts_with("extension taskmaster: 0.1.0 installed, the server's files: "),
        "{lines}"
    );
    let refused = migrate(&database, &["status", "--check"]);
    let said = text(&refused.stderr);
    assert!(
        said.contains("steps are not as this program has them: taskmaster migrate up"),
        "{said}"
    );

    up_all(&database).await;
    let status = json(&database, 0);
    assert_eq!(status["current"], true);
    assert_eq!(status["extension"]["installed"], status["extension"]["available"]);
    assert!(status["steps"][0]["applied_at"].as_str().unwrap().ends_with('Z'));
}

#[tokio::test]
async fn up_on_the_command_line_is_what_it_asks_for() {
    let database = Cluster::shared().await.create_database().await;
    let output = migrate(&database, &["up"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    json(&database, 0);
    let output = migrate(&database, &["down"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let status = json(&database, 6);
    let steps = status["steps"].as_array().unwrap();
    assert_eq!(steps[steps.len() - 1]["state"], "pending");
    assert_eq!(steps[steps.len() - 2]["state"], "applied");
    let output = migrate(&database, &["status", "--nonsense"]);
    assert_eq!(output.status.code(), Some(2));
}
