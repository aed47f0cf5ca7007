//! A runner whose connection is gone at any point of its talk with the server leaves nothing that the
//! next one does not finish or take back.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use harness::{Cluster, Database};
use taskmaster_migrations::{DownTo, Runner, TlsMode, UpTo, connect};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio_postgres::NoTls;

use super::folder::{Folder, LEDGER};
use super::support::{target, value};

/// Whether the server still gets the last message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    Before,
    After,
}

/// A way to the server that ends at the n-th request: a Query or a Sync (PostgreSQL documentation,
/// 55.7 Message Formats). Counts them.
struct Wire {
    address: SocketAddr,
    requests: Arc<AtomicUsize>,
}

impl Wire {
    async fn to(port: u16, last: usize, cut: Cut) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&requests);
        tokio::spawn(async move {
            let (near, _) = listener.accept().await.unwrap();
            let far = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            near.set_nodelay(true).unwrap();
            far.set_nodelay(true).unwrap();
            let ((mut from_client, mut to_client), (mut from_server, to_server)) =
                (near.into_split(), far.into_split());
            let answers =
                tokio::spawn(
                    async move { tokio::io::copy(&mut from_server, &mut to_client).await },
                );
            forward(&mut from_client, to_server, last, cut, &counted).await;
            answers.abort();
        });
        Self { address, requests }
    }
}

/// Passes messages on until the last one; then both connections are closed.
async fn forward(
    from: &mut OwnedReadHalf,
    mut to: OwnedWriteHalf,
    last: usize,
    cut: Cut,
    requests: &AtomicUsize,
) {
    let mut startup = true;
    loop {
        let mut head = vec![0; if startup { 4 } else { 5 }];
        if from.read_exact(&mut head).await.is_err() {
            return;
        }
        let length = u32::from_be_bytes(head[head.len() - 4..].try_into().unwrap()) as usize;
        let mut body = vec![0; length - 4];
        from.read_exact(&mut body).await.unwrap();
        let request = !startup && matches!(head[0], b'Q' | b'S');
        startup = false;
        let number = requests.fetch_add(usize::from(request), Ordering::SeqCst) + 1;
        let is_last = request && number == last;
        if is_last && cut == Cut::Before {
            return;
        }
        head.extend(body);
        if to.write_all(&head).await.is_err() || is_last {
            return;
        }
    }
}

async fn runner_over(wire: &Wire, folder: &Folder, database: &Database<'_>) -> Option<Runner> {
    let mut target = target(database);
    target.host = "127.0.0.1".to_owned();
    target.port = wire.address.port();
    target.tls = TlsMode::Disable;
    let plan = taskmaster_migrations::load(folder.path()).unwrap().of_project(LEDGER);
    Some(Runner::with_plan(connect(&target, NoTls).await.ok()?, plan))
}

fn folder() -> Folder {
    Folder::new(&[
        (
            "0001_orders.up.sql",
            "CREATE TABLE orders (id bigint PRIMARY KEY, note text); INSERT INTO orders VALUES (1, 'one');",
        ),
        ("0001_orders.down.sql", "DROP TABLE orders;"),
        (
            "0002_indexes.up.sql",
            "-- taskmaster: transaction = false\n\
             CREATE INDEX CONCURRENTLY orders_note ON orders (note);\n\
             INSERT INTO orders SELECT max(id) + 1, 'by the step' FROM orders;\n\
             DROP INDEX CONCURRENTLY orders_note;\n\
             CREATE UNIQUE INDEX CONCURRENTLY orders_lower ON orders (lower(note));\n",
        ),
        (
            "0002_indexes.down.sql",
            "-- taskmaster: transaction = false\n\
             DROP INDEX CONCURRENTLY IF EXISTS orders_lower;\nDELETE FROM orders WHERE note = 'by the step';\n\
             DROP INDEX CONCURRENTLY IF EXISTS orders_note;\n",
        ),
    ])
}

const ROWS: &str = "SELECT string_agg(id || ' ' || note, ',' ORDER BY id) FROM orders";
const UNFINISHED: &str = "SELECT count(*) FROM taskmaster_migrations.progress";

/// Everything is there once, and nothing is half done.
async fn is_up(database: &Database<'_>, fingerprint: &str, folder: &Folder, at: &str) {
    let found = folder.runner(database).await.fingerprint().await.unwrap();
    assert_eq!(found.present, fingerprint, "{at}");
    assert_eq!(found.recorded.as_deref(), Some(fingerprint), "{at}");
    assert_eq!(value(database, ROWS).await, "1 one,2 by the step", "{at}");
    assert_eq!(value(database, UNFINISHED).await, "0", "{at}");
    let recorded =
        format!("SELECT string_agg(version, ',' ORDER BY version) FROM {LEDGER}.schema_migrations");
    assert_eq!(value(database, &recorded).await, "0001,0002", "{at}");
}

/// Runs up over a wire that ends at the n-th request; false when the run does not get that far.
async fn cut_at(last: usize, cut: Cut, folder: &Folder, database: &Database<'_>) -> bool {
    let wire = Wire::to(database.cluster().port, last, cut).await;
    if let Some(mut runner) = runner_over(&wire, folder, database).await {
        let _ = runner.up(UpTo::Latest, &mut |_| ()).await;
    }
    wire.requests.load(Ordering::SeqCst) >= last
}

#[tokio::test]
async fn a_runner_that_is_gone_at_any_request_is_finished_or_taken_back_by_the_next() {
    let cluster = Cluster::shared().await;
    let folder = folder();
    let database = cluster.create_database().await;
    let mut runner = folder.runner(&database).await;
    runner.up(UpTo::Latest, &mut |_| ()).await.unwrap();
    let fingerprint = runner.fingerprint().await.unwrap().present;
    is_up(&database, &fingerprint, &folder, "uninterrupted").await;
    runner.down(DownTo::Nothing, &mut |_| ()).await.unwrap();
    let empty = runner.fingerprint().await.unwrap().present;

    // All of them with TASKMASTER_EVERY_CUT=1; otherwise every seventh.
    const REQUESTS_MAX: usize = 400;
    let stride = if std::env::var_os("TASKMASTER_EVERY_CUT").is_some() { 1 } else { 7 };
    let mut cuts = 0;
    for last in (1..REQUESTS_MAX).step_by(stride) {
        let cut = if last % 2 == 0 { Cut::Before } else { Cut::After };
        let database = cluster.create_database().await;
        if !cut_at(last, cut, &folder, &database).await {
            break;
        }
        cuts += 1;
        let at = format!("cut {cut:?} request {last}");
        let mut runner = folder.runner(&database).await;
        if last % 3 == 0 {
            let down = runner.down(DownTo::Nothing, &mut |_| ()).await;
            down.unwrap_or_else(|error| panic!("{at}: down: {error}"));
            assert_eq!(runner.fingerprint().await.unwrap().present, empty, "{at}");
        }
        let up = runner.up(UpTo::Latest, &mut |_| ()).await;
        up.unwrap_or_else(|error| panic!("{at}: up: {error}"));
        is_up(&database, &fingerprint, &folder, &at).await;
    }
    assert!(cuts > 60 / stride, "only {cuts} requests were cut");
}
