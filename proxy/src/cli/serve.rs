//! `taskmaster serve`.

use std::io::{self, Write};

use super::operated::Operated;
use super::{CliError, ServeArgs, limits, logging, runtime, signals};
use crate::config::{Environment, Keeper};
use crate::listener::{self, Arrival, Operation};

pub(super) fn run(arguments: &ServeArgs) -> Result<(), CliError> {
    let keeper = Keeper::load(arguments.config.clone(), Environment::of_process)?;
    if arguments.check {
        println!("the configuration is valid");
        keeper.config().weaknesses().iter().for_each(|weakness| println!("warning: {weakness}"));
        return Ok(());
    }
    let level = logging::start(&keeper.config().log);
    limits::raise_open_files();
    let config = keeper.listener();
    let arrival = arrival(arguments, &config)?;
    let (operation, asker) = Operation::new(Box::new(Operated::new(keeper, level)));
    let operation = operation.arriving(arrival);
    signals::ask(asker)?;
    runtime()?.block_on(async {
        // Whoever started it may have closed standard output: that is no reason to end.
        let ready = |address| drop(writeln!(io::stdout(), "taskmaster: ready on {address}"));
        listener::run(config, operation, ready).await
    })?;
    Ok(())
}

fn arrival(arguments: &ServeArgs, config: &listener::Config) -> Result<Arrival, CliError> {
    match (arguments.take_over, &config.peer_dir) {
        (false, _) => Ok(Arrival::Fresh),
        (true, Some(_)) => Ok(Arrival::TakingOver),
        (true, None) => Err(CliError::usage(
            "--take-over finds no other process: set listen.peer_dir, and restart the one that runs with it",
        )),
    }
}
