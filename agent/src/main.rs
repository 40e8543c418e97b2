//! The `agent` binary.

use std::process::ExitCode;

/// Chosen by measurement: half the system allocator's time on the data path, and memory that is given back. Without huge
/// pages, which double what is resident here and spare no time.
#[cfg(not(feature = "count-memory"))]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[cfg(feature = "count-memory")]
#[global_allocator]
static ALLOCATOR: weir_agent::memory::Counting = weir_agent::memory::Counting;

fn main() -> ExitCode {
    weir_agent::cli::main().unwrap_or_else(|error| {
        for line in format!("{error:#}").lines() {
            eprintln!("agent: {line}");
        }
        ExitCode::FAILURE
    })
}
