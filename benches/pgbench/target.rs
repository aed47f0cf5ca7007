//! One of the ways to the database that are compared.

use harness::Cluster;

use crate::cpu::Pid;

/// Server connections of each pooler.
pub(crate) const POOL_SIZE: u32 = 10;

/// Which way it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// No pooler.
    Direct,
    /// This project's proxy.
    Proxy,
    /// PgBouncer.
    Bouncer,
}

/// Where pgbench connects, and whose CPU time is the pooler's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target {
    /// Which way it is.
    pub(crate) way: Way,
    /// TCP port on 127.0.0.1.
    pub(crate) port: u16,
    /// The pooler's process; none when there is no pooler.
    pub(crate) pid: Option<Pid>,
}

impl Target {
    /// PostgreSQL itself.
    pub(crate) fn direct(cluster: &Cluster) -> Self {
        Self { way: Way::Direct, port: cluster.port, pid: None }
    }

    /// The proxy.
    pub(crate) fn proxy(port: u16, pid: Pid) -> Self {
        Self { way: Way::Proxy, port, pid: Some(pid) }
    }

    /// PgBouncer.
    pub(crate) fn bouncer(port: u16, pid: Pid) -> Self {
        Self { way: Way::Bouncer, port, pid: Some(pid) }
    }
}

impl Way {
    /// All, in the order of the first round.
    pub(crate) const ALL: [Self; 3] = [Self::Direct, Self::Proxy, Self::Bouncer];

    /// Its name in the results.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Proxy => "taskmaster",
            Self::Bouncer => "PgBouncer",
        }
    }
}
