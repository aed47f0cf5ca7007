//! Clients that connect, log in, ask once and leave, again and again.

use harness::Database;

use crate::comparison::round_of;
use crate::cpu::CpuTime;
use crate::error::BenchError;
use crate::load::{Connections, Length, Load, Protocol, Script, Security};
use crate::machine;
use crate::options::Options;
use crate::target::{Target, Way};

/// Clients at once: more than cores, fewer than server connections.
const CLIENTS: u32 = 8;

/// The figures of one run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LoginCost {
    /// Which pooler.
    pub(crate) way: Way,
    /// Whether the clients came over TLS.
    pub(crate) security: Security,
    /// Logins per second.
    pub(crate) by_second: f64,
    /// CPU microseconds of the pooler for each.
    pub(crate) pooler_us: f64,
}

/// Measures both poolers in turn.
///
/// # Errors
/// When a figure cannot be read.
pub(crate) async fn measure(
    database: &Database<'_>,
    targets: &[Target; 3],
    options: &Options,
) -> Result<Vec<LoginCost>, BenchError> {
    let postmaster = machine::postmaster(database.cluster()).await?;
    let mut costs = Vec::new();
    for round in 0..options.rounds {
        for security in Security::ALL {
            for target in round_of(targets, round).filter(|target| target.way != Way::Direct) {
                let load = load(&target, security, options.seconds);
                let before = CpuTime::now(target.pid, postmaster).await?;
                let outcome = load.run(database).await?;
                let used = CpuTime::now(target.pid, postmaster).await?.since(before);
                let pooler_us = used.pooler_us as f64 / outcome.transactions.max(1) as f64;
                let cost =
                    LoginCost { way: target.way, security, by_second: outcome.tps, pooler_us };
                println!("{cost:?}");
                costs.push(cost);
            }
        }
    }
    Ok(costs)
}

fn load(target: &Target, security: Security, seconds: u32) -> Load {
    Load {
        port: target.port,
        clients: CLIENTS,
        protocol: Protocol::Simple,
        script: Script::SelectOnly,
        length: Length::Seconds(seconds),
        connections: Connections::Each,
        security,
        options: "",
    }
}
