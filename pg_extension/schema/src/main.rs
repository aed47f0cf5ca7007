//! `taskmaster-schema`: from the built library of the extension to the files PostgreSQL installs.
//!
//! The SQL of the extension is kept by pgrx in a section of the library itself, so this program
//! needs the library alone: no cargo-pgrx, no PostgreSQL. It owns the command line; what the files
//! hold and how they are written is in the modules beside it.

mod artefacts;
mod script;
mod upgrade;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use eyre::WrapErr;

use artefacts::Artefacts;

/// Writes taskmaster.so, taskmaster.control and the scripts that install and update the extension, for the built library.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// The built library, such as target/release/libtaskmaster.so.
    #[arg(long)]
    library: PathBuf,
    /// The directory for the files; it is made when it is missing.
    #[arg(long)]
    out: PathBuf,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("taskmaster-schema: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> eyre::Result<()> {
    let library = fs::read(&arguments.library).wrap_err_with(|| {
        let path = arguments.library.display();
        format!("cannot read {path}; build it with `cargo build -p taskmaster`")
    })?;
    Artefacts::of(library)?.write(&arguments.out)
}
