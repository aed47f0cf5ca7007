//! What watches PgBouncer watches the proxy: the exporter that Debian ships, run for real, and what the one of
//! prometheus-community reads (its collector.go).

use std::process::{Command, Stdio};

use harness::cluster::free_port;
use harness::{reaper, run_dir, wait};
use nix::sys::signal::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{console, row_of, table};
use crate::support::{backend_pid, proxied_by};

/// The columns whose values become metrics, by table.
const NUMBERS: [(&str, &str); 3] = [
    (
        "show databases",
        "pool_size reserve_pool max_connections current_connections paused disabled",
    ),
    (
        "show stats_totals",
        "query_count query_time bytes_received bytes_sent wait_time xact_count xact_time \
         client_parse_count server_parse_count bind_count",
    ),
    (
        "show pools",
        "cl_active cl_active_cancel_req cl_waiting cl_waiting_cancel_req sv_active \
         sv_active_cancel sv_being_canceled sv_idle sv_used sv_tested sv_login maxwait",
    ),
];

/// A running exporter; ends with the test.
struct Exporter(std::process::Child);

impl Drop for Exporter {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
        reaper::forget(self.0.id());
    }
}

#[tokio::test]
async fn the_exporter_of_debian_scrapes_the_console() {
    let (cluster, database, proxy) = proxied_by(2).await;
    // Stays, so that its pool does.
    let client = proxy.connect(&database).await;
    backend_pid(&client).await;
    let (port, dir) = (free_port(), run_dir::fresh_dir("exporter"));
    let log = std::fs::File::create(dir.join("log")).unwrap();
    let child = Command::new("prometheus-pgbouncer-exporter")
        .args(["--host", "127.0.0.1", "--port", &port.to_string()])
        .args(["--pgbouncer-host", "127.0.0.1", "--pgbouncer-port", &proxy.port.to_string()])
        .args(["--pgbouncer-user", cluster.superuser])
        .env("PGPASSWORD", cluster.password)
        .current_dir(&dir)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("scripts/setup.sh installs prometheus-pgbouncer-exporter");
    reaper::adopt(child.id(), Signal::SIGKILL);
    let mut exporter = Exporter(child);
    wait::until("the exporter listens", || {
        let ended = exporter.0.try_wait().unwrap();
        let log = dir.join("log");
        async move {
            assert!(ended.is_none(), "{}", std::fs::read_to_string(log).unwrap_or_default());
            TcpStream::connect(("127.0.0.1", port)).await.is_ok()
        }
    })
    .await;
    let text = scrape(port).await;
    let labels = format!("{{database=\"{}\"", database.name);
    for name in ["pgbouncer_requests_total", "pgbouncer_received_bytes_total"] {
        assert!(text.contains(&format!("{name}{labels}}}")), "{name}: {text}");
    }
    for name in ["pgbouncer_active_clients", "pgbouncer_waiting_clients"] {
        assert!(text.contains(&format!("{name}{labels},user=")), "{name}: {text}");
    }
    for name in ["pgbouncer_used_clients", "pgbouncer_databases", "pgbouncer_dns_pending"] {
        assert!(text.lines().any(|line| line.starts_with(&format!("{name} "))), "{name}: {text}");
    }
}

async fn scrape(port: u16) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.0 200"), "{answer}");
    answer
}

#[tokio::test]
async fn what_the_exporter_of_prometheus_reads_is_there_and_is_a_number() {
    let (cluster, database, proxy) = proxied_by(2).await;
    let console = console(cluster, &proxy).await;
    // Stays, so that its pool does.
    let client = proxy.connect(&database).await;
    backend_pid(&client).await;
    for (sql, columns) in NUMBERS {
        let row = row_of(&console, sql, &database).await;
        for column in columns.split_whitespace() {
            let value = row.get(column).unwrap_or_else(|| panic!("{sql} has no {column}"));
            assert!(value.parse::<f64>().is_ok(), "{sql} {column} = {value:?}");
        }
    }
    let (names, lists) = table(&console, "SHOW LISTS;").await;
    assert_eq!(names.len(), 2);
    assert!(lists.iter().all(|row| row["items"].parse::<f64>().is_ok()), "{lists:?}");
    let (names, settings) = table(&console, "SHOW CONFIG;").await;
    assert_eq!(names.len(), 4);
    for key in ["max_client_conn", "max_user_connections"] {
        let setting = settings.iter().find(|row| row["key"] == key).unwrap();
        assert!(setting["value"].parse::<f64>().is_ok(), "{setting:?}");
    }
    let (names, version) = table(&console, "SHOW VERSION;").await;
    assert_eq!((names.len(), version.len()), (1, 1));
}
