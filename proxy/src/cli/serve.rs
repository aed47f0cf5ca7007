//! `taskmaster serve`.

use std::io::{self, Write};

use super::signals::{self, Hangup};
use super::{CliError, ServeArgs, limits, logging, runtime};
use crate::config::{Config, Environment};
use crate::listener::{self, ListenerError};

pub(super) fn run(arguments: &ServeArgs) -> Result<(), CliError> {
    let config = Config::load(arguments.config.as_deref(), &Environment::of_process()?)?;
    let listener = config.listener()?;
    if arguments.check {
        println!("the configuration is valid");
        return Ok(());
    }
    logging::start(&config.log);
    limits::raise_open_files();
    let mut stops = signals::count(Hangup::Ignored)?;
    let mut second = stops.clone();
    runtime()?.block_on(async {
        let first = async move {
            let _ = stops.wait_for(|count| *count > 0).await;
            tracing::info!("draining; a second signal ends at once");
        };
        // Whoever started it may have closed standard output: that is no reason to end.
        let ready = |address| drop(writeln!(io::stdout(), "taskmaster: ready on {address}"));
        tokio::select! {
            served = listener::run(listener, first, ready) => served,
            _ = second.wait_for(|count| *count > 1) => Ok::<_, ListenerError>(()),
        }
    })?;
    Ok(())
}
