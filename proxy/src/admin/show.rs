//! What SHOW shows: for each table its columns, in PgBouncer's order with ours at the end, and its rows.
//!
//! Pure: snapshots in, rows out.

mod connections;
mod gate;
mod general;
mod pools;
mod stats;

use crate::admin::Config;
use crate::admin::statement::Show;
use crate::admin::table::{Column, Kind, Row, row};
use crate::gate::Gate;
use crate::pool::snapshot::{Activity, Detail, Snapshot};

/// How much of the workers a table needs; none when it needs nothing of them.
pub(super) fn detail(what: Show) -> Option<Detail> {
    match what {
        Show::Help | Show::Version | Show::Config | Show::Parameter(..) => None,
        Show::Limits | Show::Bans => None,
        Show::Peers | Show::PeerPools | Show::DnsHosts | Show::DnsZones => None,
        Show::Clients | Show::Servers | Show::Sockets | Show::ActiveSockets => {
            Some(Detail::Connections)
        }
        Show::Prepared => Some(Detail::Statements),
        _ => Some(Detail::Figures),
    }
}

/// The columns of a table.
pub(super) fn columns(what: Show) -> Vec<Column> {
    match what {
        Show::Help => vec![("command", Kind::Text), ("purpose", Kind::Text)],
        Show::Version => vec![("version", Kind::Text)],
        Show::Config => general::CONFIG.to_vec(),
        Show::Databases => pools::DATABASES.to_vec(),
        Show::Users => pools::USERS.to_vec(),
        Show::Pools => pools::POOLS.to_vec(),
        Show::Clients => [connections::CONNECTION, connections::PIN].concat(),
        Show::Servers => [connections::CONNECTION, connections::SERVES].concat(),
        Show::Sockets | Show::ActiveSockets => connections::socket_columns(),
        Show::Peers => general::PEERS.to_vec(),
        Show::PeerPools => general::PEER_POOLS.to_vec(),
        Show::DnsHosts => general::DNS_HOSTS.to_vec(),
        Show::DnsZones => general::DNS_ZONES.to_vec(),
        Show::Stats => stats::all_columns(),
        Show::StatsTotals | Show::StatsAverages => stats::half_columns(),
        Show::Totals => vec![("name", Kind::Text), ("value", Kind::Int)],
        Show::Pins => stats::PINS.to_vec(),
        Show::Limits => gate::LIMITS.to_vec(),
        Show::Bans => gate::BANS.to_vec(),
        Show::Lists => vec![("list", Kind::Text), ("items", Kind::Int)],
        Show::Memory => general::MEMORY.to_vec(),
        Show::Prepared => pools::PREPARED.to_vec(),
        Show::State => vec![("key", Kind::Text), ("value", Kind::Text)],
        Show::Parameter(name, _) => vec![(name, Kind::Text)],
    }
}

/// What tables are made of.
pub(super) struct Facts<'a> {
    /// One for each worker.
    pub(super) snapshots: &'a [Snapshot],
    /// The settings.
    pub(super) config: &'a Config,
    /// Clients that are connected, those that are still logging in included.
    pub(super) connected: usize,
    /// Who may come in, and how often.
    pub(super) gate: &'a Gate,
}

fn is_busy(activity: Activity) -> bool {
    activity != Activity::Idle
}

/// The rows of a table.
pub(super) fn rows(what: Show, facts: &Facts<'_>) -> Vec<Row> {
    let Facts { snapshots, config, .. } = *facts;
    match what {
        Show::Help => general::help(),
        Show::Version => vec![row![general::VERSION]],
        Show::Config => general::config(config),
        Show::Databases => pools::databases(snapshots, config),
        Show::Users => pools::users(snapshots, config),
        Show::Pools => pools::pools(snapshots),
        Show::Clients => connections::clients(snapshots),
        Show::Servers => connections::servers(snapshots),
        Show::Sockets => connections::sockets(snapshots, |_| true),
        Show::ActiveSockets => connections::sockets(snapshots, is_busy),
        // There are no peers of other hosts and no cache of names.
        Show::Peers | Show::PeerPools | Show::DnsHosts | Show::DnsZones => Vec::new(),
        Show::Stats => stats::all(snapshots),
        Show::StatsTotals => stats::totals_by_database(snapshots),
        Show::StatsAverages => stats::averages_by_database(snapshots),
        Show::Totals => stats::sums(snapshots),
        Show::Pins => stats::pins(snapshots),
        Show::Limits => gate::limits(facts.gate),
        Show::Bans => gate::bans(facts.gate),
        Show::Lists => general::lists(facts),
        Show::Memory => general::memory(snapshots),
        Show::Prepared => pools::prepared(snapshots),
        Show::State => general::state(snapshots),
        Show::Parameter(_, value) => vec![row![value]],
    }
}
