//! The `taskmaster` program.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// An idle client is a few allocations on cache lines of their own. In glibc's heap the alignment of each costs up to 112
/// bytes; here it costs none (I7).
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    match taskmaster_proxy::cli::run(std::env::args_os()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("taskmaster: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}
