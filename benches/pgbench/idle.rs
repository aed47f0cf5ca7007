//! Resident memory of clients that have logged in and do nothing.

use std::time::Duration;

use harness::raw::RawClient;
use harness::{Cluster, Database, message, proxy};

use crate::bouncer::{Bouncer, Release};
use crate::cpu::{Pid, resident_kib};
use crate::error::BenchError;
use crate::load::Security;
use crate::options::Options;
use crate::start_proxy;
use crate::target::Way;
use crate::trust::Trust;

/// Fresh processes measured for each pooler.
const PROCESSES: u32 = 2;

/// Long enough for what the logins left to be freed.
const SETTLE: Duration = Duration::from_millis(500);

/// KiB for each idle client, from one fresh process of a pooler.
#[derive(Debug, Clone, Copy)]
pub(crate) struct IdleCost {
    /// Which pooler.
    pub(crate) way: Way,
    /// Whether the clients came over TLS.
    pub(crate) security: Security,
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
    trust: &Trust,
) -> Result<Vec<IdleCost>, BenchError> {
    let release = Release::of(&options.pgbouncer)?;
    let database = cluster.database().await;
    let mut costs = Vec::new();
    for security in Security::ALL.repeat(PROCESSES as usize) {
        let crowd = Crowd { database: &database, trust, security, len: options.idle_clients };
        let proxy = start_proxy(cluster, trust).await;
        let client_kib = crowd.growth(proxy.port, proxy.pid()).await?;
        costs.push(IdleCost { way: Way::Proxy, security, client_kib });
        drop(proxy);
        let bouncer = Bouncer::start(&options.pgbouncer, &release, cluster, trust).await?;
        let client_kib = crowd.growth(bouncer.port, bouncer.pid()).await?;
        costs.push(IdleCost { way: Way::Bouncer, security, client_kib });
    }
    for IdleCost { way, security, client_kib } in &costs {
        println!("idle client of {}, TLS {}: {client_kib:.2} KiB", way.name(), security.name());
    }
    Ok(costs)
}

/// The clients of one process.
struct Crowd<'a> {
    database: &'a Database<'a>,
    trust: &'a Trust,
    security: Security,
    len: u32,
}

impl Crowd<'_> {
    /// Growth of the resident memory in KiB for each client. One client comes first, so that what the first login of all
    /// costs is not counted.
    async fn growth(&self, port: u16, pid: Pid) -> Result<f64, BenchError> {
        let mut connected = vec![self.login(port).await];
        tokio::time::sleep(SETTLE).await;
        let before = resident_kib(pid)?;
        for _ in 0..self.len {
            connected.push(self.login(port).await);
        }
        tokio::time::sleep(SETTLE).await;
        let after = resident_kib(pid)?;
        for client in &mut connected {
            client.send(&message::terminate()).await;
        }
        Ok((after as f64 - before as f64) / f64::from(self.len))
    }

    async fn login(&self, port: u16) -> RawClient {
        let login = proxy::login(self.database);
        if self.security == Security::Plain {
            return RawClient::login(port, &login).await;
        }
        let mut client = self.trust.connect(port).await;
        client.log_in(&login, &[]).await.expect("the login is the cluster's own");
        client
    }
}
