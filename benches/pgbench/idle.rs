//! Resident memory of clients that have logged in and do nothing.

use std::time::Duration;

use harness::raw::RawClient;
use harness::{Cluster, Database, message, proxy};

use crate::bouncer::{Bouncer, Release};
use crate::cpu::{Pid, resident_kib};
use crate::error::BenchError;
use crate::options::Options;
use crate::start_proxy;
use crate::target::Way;

/// Fresh processes measured for each pooler.
const PROCESSES: u32 = 2;

/// Long enough for what the logins left to be freed.
const SETTLE: Duration = Duration::from_millis(500);

/// KiB for each idle client, from one fresh process of a pooler.
#[derive(Debug, Clone, Copy)]
pub(crate) struct IdleCost {
    /// Which pooler.
    pub(crate) way: Way,
    /// The growth of its resident memory divided by the number of clients.
    pub(crate) client_kib: f64,
}

/// Measures both poolers in turn.
///
/// # Errors
/// When one cannot be started or ends.
pub(crate) async fn measure(
    cluster: &Cluster,
    options: &Options,
) -> Result<Vec<IdleCost>, BenchError> {
    let release = Release::of(&options.pgbouncer)?;
    let database = cluster.create_database().await;
    let mut costs = Vec::new();
    for _ in 0..PROCESSES {
        let proxy = start_proxy(cluster).await;
        let client_kib = growth(proxy.port, proxy.pid(), &database, options.idle_clients).await?;
        costs.push(IdleCost { way: Way::Proxy, client_kib });
        drop(proxy);
        let bouncer = Bouncer::start(&options.pgbouncer, &release, cluster).await?;
        let client_kib =
            growth(bouncer.port, bouncer.pid(), &database, options.idle_clients).await?;
        costs.push(IdleCost { way: Way::Bouncer, client_kib });
    }
    for cost in &costs {
        println!("idle client of {}: {:.2} KiB", cost.way.name(), cost.client_kib);
    }
    Ok(costs)
}

/// Growth of the resident memory in KiB for each of `clients`. One client comes first, so that
/// what the first login of all costs is not counted.
async fn growth(
    port: u16,
    pid: Pid,
    database: &Database<'_>,
    clients: u32,
) -> Result<f64, BenchError> {
    let login = proxy::login(database);
    let mut connected = vec![RawClient::login(port, &login).await];
    tokio::time::sleep(SETTLE).await;
    let before = resident_kib(pid)?;
    for _ in 0..clients {
        connected.push(RawClient::login(port, &login).await);
    }
    tokio::time::sleep(SETTLE).await;
    let after = resident_kib(pid)?;
    for client in &mut connected {
        client.send(&message::terminate()).await;
    }
    Ok((after as f64 - before as f64) / f64::from(clients))
}
