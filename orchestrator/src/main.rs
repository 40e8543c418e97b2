//! The `orchestrator` binary: the server and the commands that speak to it.

use std::process::ExitCode;

fn main() -> ExitCode {
    weir_orchestrator::cli::run()
}
