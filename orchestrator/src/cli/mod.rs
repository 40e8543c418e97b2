//! The command line. Arguments come in; answers go to stdout, errors to stderr, and the exit code is 0, 1 (refused or
//! failed) or 2 (asked for wrongly). Apart from `serve` and `restore`, a command knows the server by its REST only: what it can do,
//! any program can do.

mod agents;
mod arguments;
mod asked;
mod audit;
mod backup;
mod breakpoints;
mod ca;
mod client;
mod completion;
mod config;
mod confirm;
mod connections;
mod ending;
mod export;
mod failure;
mod filters;
mod history;
mod import;
mod intercept;
mod join_token;
mod join_tokens;
mod keys;
mod lines;
mod listing;
mod new_filter;
mod output;
mod paint;
mod part;
mod person;
mod progress;
mod publish;
mod push;
mod replay;
mod restore;
mod retention;
mod serve;
mod stream;
mod tokens;
mod traffic;
mod tunnels;
pub(crate) mod units;
mod usage;
mod users;

use std::{ffi::OsString, process::ExitCode};

use clap::{CommandFactory, Parser, Subcommand};

use failure::Failure;

/// Holds a fleet of Weir agents together: signed filters out, traffic and metrics in
#[derive(Debug, Parser)]
#[command(name = "orchestrator", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(Box<serve::Serve>),
    NewFilter(new_filter::NewFilter),
    PushFilter(push::PushFilter),
    Filters(filters::Filters),
    Agents(agents::Agents),
    Config(config::Config),
    Ca(ca::Ca),
    Traffic(traffic::Traffic),
    Breakpoints(breakpoints::Breakpoints),
    Intercept(intercept::Intercept),
    Tunnels(tunnels::Tunnels),
    Usage(usage::Usage),
    Replay(replay::Replay),
    Connections(connections::Connections),
    Export(export::Export),
    Import(import::Import),
    Keys(keys::Keys),
    JoinToken(join_token::JoinTokenArgs),
    JoinTokens(join_tokens::JoinTokens),
    Tokens(tokens::Tokens),
    Users(users::Users),
    Audit(audit::Audit),
    Retention(retention::Retention),
    Backup(backup::Backup),
    Restore(restore::Restore),
    Completion(completion::Completion),
}

/// Runs the command that the process was started with.
pub fn run() -> ExitCode {
    match execute(std::env::args_os()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

/// The command line as clap knows it: help texts and completions come of it.
pub fn command() -> clap::Command {
    Cli::command()
}

fn execute(typed: impl IntoIterator<Item = OsString>) -> Result<(), Failure> {
    let cli = Cli::try_parse_from(typed).map_err(arguments::told)?;
    let command = match cli.command {
        Command::Serve(serve) => return serve.run(),
        Command::NewFilter(new) => return new.run(),
        Command::Completion(completion) => return completion.run(),
        asks => asks,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::Runtime)?;
    runtime.block_on(async {
        match command {
            Command::Serve(_) | Command::NewFilter(_) | Command::Completion(_) => Ok(()),
            Command::PushFilter(push) => push.run().await,
            Command::Filters(filters) => filters.run().await,
            Command::Agents(agents) => agents.run().await,
            Command::Config(config) => config.run().await,
            Command::Ca(ca) => ca.run().await,
            Command::Traffic(traffic) => traffic.run().await,
            Command::Breakpoints(breakpoints) => breakpoints.run().await,
            Command::Intercept(intercept) => intercept.run().await,
            Command::Tunnels(tunnels) => tunnels.run().await,
            Command::Usage(usage) => usage.run().await,
            Command::Replay(replay) => replay.run().await,
            Command::Connections(connections) => connections.run().await,
            Command::Export(export) => export.run().await,
            Command::Import(import) => import.run().await,
            Command::Keys(keys) => keys.run().await,
            Command::JoinToken(join) => join.run().await,
            Command::JoinTokens(tokens) => tokens.run().await,
            Command::Tokens(tokens) => tokens.run().await,
            Command::Users(users) => users.run().await,
            Command::Audit(audit) => audit.run().await,
            Command::Retention(retention) => retention.run().await,
            Command::Backup(backup) => backup.run().await,
            Command::Restore(restore) => restore.run().await,
        }
    })
}
