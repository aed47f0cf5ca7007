//! Sets up where and how the process logs: standard error, as `[log]` says, and changes how much.

use std::io::{self, IsTerminal};

use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload::{self, Handle};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt};

use crate::config::{Log, LogFormat};

/// Changes how much is logged.
pub(super) struct Level(Option<Handle<EnvFilter, Registry>>);

/// Starts logging. RUST_LOG, where set, goes before the configured level, then and later. Works once per process.
pub(super) fn start(log: &Log) -> Level {
    let given = EnvFilter::try_from_default_env().ok();
    let is_given = given.is_some();
    let (filter, handle) = reload::Layer::new(given.unwrap_or_else(|| EnvFilter::new(&log.level)));
    let lines = fmt::layer().with_ansi(io::stderr().is_terminal()).with_writer(io::stderr);
    let lines = match log.format {
        LogFormat::Text => lines.with_target(false).boxed(),
        LogFormat::Json => lines.json().boxed(),
    };
    if let Err(error) = tracing_subscriber::registry().with(filter).with(lines).try_init() {
        tracing::debug!(%error, "logging had been started before");
    }
    Level((!is_given).then_some(handle))
}

impl Level {
    /// Logs from now on what these directives say. False when RUST_LOG says it.
    pub(super) fn change(&self, directives: &str) -> bool {
        let Some(handle) = &self.0 else { return false };
        if let Err(error) = handle.reload(EnvFilter::new(directives)) {
            tracing::warn!(%error, "the log level stays as it was");
        }
        true
    }
}
