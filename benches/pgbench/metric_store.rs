//! What it costs to record metrics, one by one and a thousand at a time, and what it saves to have them rolled up. A section of
//! the results of its own.

mod cost;
mod month;

use std::fmt::{self, Display, Formatter};

use harness::Cluster;

use crate::error::BenchError;
use crate::summary::Summary;

/// The figures, and what they were taken on.
#[derive(Debug)]
pub(crate) struct MetricStore {
    cost: cost::Cost,
    month: month::Month,
    /// The machine and the versions.
    machine: String,
}

/// Takes all of them.
///
/// # Errors
/// When a figure cannot be read.
pub(crate) async fn measure(cluster: &Cluster, machine: String) -> Result<MetricStore, BenchError> {
    let cost = cost::measure(cluster).await?;
    Ok(MetricStore { cost, month: month::measure(cluster).await?, machine })
}

impl Display for MetricStore {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "## Metrics: recording and rollups

Written by `make bench BENCH=\"--only metric-store\"`. Instructions are those of the backend in user mode as valgrind counts
them, the login taken off; they do not depend on what else the machine does. Times are medians of interleaved runs, in parentheses
the least and the greatest. {}.

{}
{}",
            self.machine, self.cost, self.month
        )
    }
}

/// Figures with digits that fit their size.
pub(crate) fn shown(figures: &[f64]) -> String {
    Summary::of(figures.iter().copied())
        .map_or_else(|| "-".to_owned(), |summary| summary.to_string())
}
