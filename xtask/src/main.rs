//! `cargo xtask …`: everything that a person or CI does with this repository, without any tool but cargo. Each command
//! sets up what it misses.

mod filters;
mod setup;

use clap::Parser;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Builds, runs and measures Weir", disable_help_subcommand = true)]
enum Command {
    /// Builds filters/ and examples/ as components: target/filters/NAME.wasm
    Filters,
    /// Starts orchestrator, agent and a sample origin, pushes a filter and sends a request; stays until ctrl-c
    Up,
    /// Runs every test
    Test,
    /// Prints the side-by-side table, with peers where they are installed
    Bench,
}

fn main() -> anyhow::Result<()> {
    match Command::parse() {
        Command::Filters => filters::build().map(drop),
        Command::Up | Command::Test | Command::Bench => anyhow::bail!("this tree has no such step yet"),
    }
}
