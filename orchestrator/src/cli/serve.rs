//! `orchestrator serve`: configuration, log, runtime, server.

use std::io::IsTerminal as _;

use clap::{Args, ValueEnum};
use tracing_subscriber::EnvFilter;

use super::failure::Failure;
use crate::{ServeArgs, ServeConfig, open_files};

/// Run the server, until SIGTERM or ctrl-c
#[derive(Debug, Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    serve: ServeArgs,
    /// Form of the log, which goes to stderr
    #[arg(long, env = "WEIR_LOG_FORMAT", value_name = "FORMAT", default_value = "text")]
    log_format: LogFormat,
    /// What is logged, such as `debug` or `info,weir_orchestrator=debug`
    #[arg(long, env = "WEIR_LOG", value_name = "FILTER", default_value = "info")]
    log: String,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

impl Serve {
    pub(crate) fn run(self) -> Result<(), Failure> {
        unknown_variables()?;
        let config = ServeConfig::load(self.serve)?;
        let filter =
            EnvFilter::try_new(&self.log).map_err(|error| Failure::Usage(format!("--log {}: {error}", self.log)))?;
        let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
        match self.log_format {
            LogFormat::Text => log.with_ansi(std::io::stderr().is_terminal()).init(),
            LogFormat::Json => log.json().init(),
        }
        open_files::raise_limit();
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::Runtime)?;
        Ok(runtime.block_on(crate::serve(config))?)
    }
}

/// A misspelt variable would else be ignored in silence. Those of agents are none of ours.
fn unknown_variables() -> Result<(), Failure> {
    let command = super::command();
    let commands = || std::iter::once(&command).chain(command.get_subcommands());
    let known = |name: &str| {
        commands()
            .flat_map(clap::Command::get_arguments)
            .any(|argument| argument.get_env().is_some_and(|own| own == name))
    };
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let unknown: Vec<String> =
        names.filter(|name| name.starts_with("WEIR_") && !name.starts_with("WEIR_AGENT_") && !known(name)).collect();
    match &unknown[..] {
        [] => Ok(()),
        names => Err(Failure::Usage(format!("{}: there is no such variable", names.join(", ")))),
    }
}
