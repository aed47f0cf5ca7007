//! `taskmaster tunnel`: cloudflared's configuration is read as it is, and a connector is asked over HTTP. The answers of the
//! connector are those of cloudflared 2026.8.2.

use std::path::PathBuf;
use std::process::Output;

use harness::{proxy, run_dir};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

async fn taskmaster(dir: PathBuf, arguments: Vec<String>) -> Output {
    let run = move || {
        proxy::taskmaster(&dir).args(arguments).output().expect("the binary can be started")
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}

fn texts(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

async fn check(text: &str, more: &[&str]) -> (Option<i32>, String, String) {
    let dir = run_dir::fresh_dir("tunnel");
    std::fs::write(dir.join("config.yml"), text).unwrap();
    std::fs::write(dir.join("taskmaster.toml"), "[tunnel]\nport = 8432\n").unwrap();
    let arguments =
        ["tunnel", "check", "config.yml"].iter().chain(more).map(|word| (*word).to_owned());
    texts(&taskmaster(dir, arguments.collect()).await)
}

const GOOD: &str = "tunnel: db\ncredentials-file: t.json\ningress:\n  - hostname: db.example.com\n    service: http://127.0.0.1:8432\n  - service: http_status:404\n";

#[tokio::test]
async fn a_file_is_checked_line_by_line() {
    assert_eq!(
        check(GOOD, &["--config", "taskmaster.toml"]).await,
        (Some(0), String::new(), String::new())
    );
    let elsewhere = GOOD.replace("8432", "8433");
    let (code, out, _) = check(&elsewhere, &["--config", "taskmaster.toml"]).await;
    assert_eq!(code, Some(7));
    assert!(out.contains("config.yml:4:3: error: no rule leads to the proxy: give one service: http://127.0.0.1:8432"), "{out}");
    let blind = GOOD.replace("http://127.0.0.1:8432", "tcp://127.0.0.1:6432");
    let (code, out, _) = check(&blind, &[]).await;
    assert_eq!(code, Some(0), "a warning is no error");
    assert!(out.starts_with("config.yml:5:14: warning: tcp:// hides who the client is"), "{out}");
    let wrong = GOOD.replace("tunnel: db", "tunel: db\noriginRequest: {connectTimeout: 30}");
    let (code, out, error) = check(&wrong, &["--json"]).await;
    assert_eq!(code, Some(7));
    let found: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((found[0]["line"].as_u64(), found[0]["gravity"].as_str()), (Some(1), Some("error")));
    assert!(found[0]["text"].as_str().unwrap().ends_with("is tunnel meant?"), "{out}");
    assert_eq!(found[1]["text"], "connectTimeout is a duration: write 30s, not 30");
    assert!(error.contains("2 errors: correct them, and restart cloudflared"), "{error}");
    let missing = ["tunnel", "check", "nowhere.yml"].map(str::to_owned).to_vec();
    let (code, _, error) = texts(&taskmaster(run_dir::fresh_dir("tunnel"), missing).await);
    assert!(code == Some(2) && error.contains("cannot read nowhere.yml"), "{error}");
}

/// The metrics server of a connector that gives this answer.
async fn connector(status: &'static str, body: &'static str) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 1_024];
            let len = stream.read(&mut request).await.unwrap();
            assert!(request[..len].starts_with(b"GET /ready HTTP/1.1\r\n"));
            let head = format!(
                "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
        }
    });
    port
}

#[tokio::test]
async fn a_connector_is_healthy_degraded_down_or_unknown() {
    for (status, body, code, said) in [
        (
            "200 OK",
            r#"{"status":200,"readyConnections":4,"connectorId":"c14d"}"#,
            0,
            "healthy: 4 of 4",
        ),
        (
            "200 OK",
            r#"{"status":200,"readyConnections":1,"connectorId":"c14d"}"#,
            6,
            "degraded: 1 of 4",
        ),
        (
            "503 Service Unavailable",
            r#"{"status":503,"readyConnections":0,"connectorId":"c14d"}"#,
            6,
            "down: 0 of 4",
        ),
        ("200 OK", "<html>", 3, ""),
    ] {
        let metrics = format!("127.0.0.1:{}", connector(status, body).await);
        let arguments = ["tunnel", "status", "--metrics", &metrics].map(str::to_owned).to_vec();
        let (found, out, error) = texts(&taskmaster(run_dir::fresh_dir("tunnel"), arguments).await);
        assert_eq!(found, Some(code), "{out}{error}");
        assert!(out.starts_with(said), "{out}");
    }
    let arguments = ["tunnel", "status", "--metrics", "127.0.0.1:1"].map(str::to_owned).to_vec();
    let (code, _, error) = texts(&taskmaster(run_dir::fresh_dir("tunnel"), arguments).await);
    assert!(
        code == Some(3)
            && error.contains("the connector does not answer at http://127.0.0.1:1/ready"),
        "{error}"
    );
    let elsewhere = ["tunnel", "status", "--metrics", "example.com:80"].map(str::to_owned).to_vec();
    let (code, _, error) = texts(&taskmaster(run_dir::fresh_dir("tunnel"), elsewhere).await);
    assert!(code == Some(3) && error.contains("no http URL of this machine"), "{error}");
}
