//! The `taskmaster` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    match taskmaster_proxy::cli::run(std::env::args_os()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("taskmaster: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}
