//! `cargo xtask …`: everything that a person or CI does with this repository, without any tool but cargo. Each command
//! sets up what it misses.

mod api;
mod bench;
mod bucket;
mod child;
mod filters;
mod fuzz;
mod languages;
mod runner;
mod setup;
mod standard;
mod steps;
mod test;
mod up;

use std::process::ExitCode;

use clap::Parser;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Builds, runs and measures Weir", disable_help_subcommand = true)]
enum Command {
    /// Builds filters/ and examples/ as components: target/filters/NAME.wasm
    Filters,
    /// Starts orchestrator, agent and a sample origin, pushes a filter and sends a request; stays until ctrl-c
    Up {
        /// Ends when everything has been shown to work
        #[arg(long)]
        once: bool,
    },
    /// Begins a filter in each language, outside the repository, builds it and runs its cases
    NewFilters,
    /// Sets up what tests need beside cargo, for who runs some of them by hand
    Setup,
    /// Runs every test
    Test,
    /// Asks a real orchestrator all that its description says (schemathesis), for so many seconds
    Api {
        /// Seconds
        #[arg(long, default_value_t = 180)]
        seconds: u64,
    },
    /// Runs the fuzz targets for a while each
    Fuzz(fuzz::Options),
    /// Prints the side-by-side table, with peers where they are installed
    Bench(bench::Options),
    /// Swaps a filter 1000 times under load and judges the agent's memory
    Soak {
        /// Swaps
        #[arg(long, default_value_t = 1000)]
        swaps: u32,
    },
}

fn main() -> ExitCode {
    match run(Command::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn all_built(missing: Vec<String>) -> anyhow::Result<()> {
    if missing.is_empty() { Ok(()) } else { anyhow::bail!("{}", missing.join("\n")) }
}

fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Filters => filters::build().map(|built| {
            built.missing.iter().for_each(|reason| eprintln!("skipped {reason}"));
        }),
        Command::Up { once } => up::run("up", once),
        Command::NewFilters => test::new_filters(),
        Command::Setup => test::set_up().and_then(all_built),
        Command::Test => test::run(),
        Command::Api { seconds } => test::api(seconds),
        Command::Fuzz(options) => fuzz::run(&options),
        Command::Bench(options) => bench::run(&options),
        Command::Soak { swaps } => test::soak(swaps),
    }
}
