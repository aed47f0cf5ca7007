//! `taskmaster up`.

use super::{CliError, UpArgs, limits, logging, runtime, signals};
use crate::config::{Environment, Log, LogFormat};
use crate::embedded::{self, UpOptions};

pub(super) fn run(arguments: UpArgs) -> Result<(), CliError> {
    // The steps are the output; the log speaks only when something is wrong.
    logging::start(&Log { format: LogFormat::Text, level: "warn".to_owned() });
    let options = UpOptions {
        port: arguments.port,
        data_dir: arguments.data_dir,
        pg_bindir: arguments.pg_bindir,
        extension_dir: arguments.extension_dir,
        // DB_HOST and the like are meant for a server that is there; this one is our own.
        environment: Environment::of_process()?.with_prefix("DB_POOL_"),
    };
    limits::raise_open_files();
    let stops = signals::count()?;
    Ok(runtime()?.block_on(embedded::up(&options, stops))?)
}
