//! The command line: what was typed enters, one of the commands and an exit code leave.

use std::{io::Write as _, path::PathBuf, process::ExitCode};

use anyhow::Context as _;
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};

use crate::{
    author::FilterCommand,
    config::{self, Config, Settings},
    logging, start,
    tls::FleetFolder,
};

#[derive(Parser)]
#[command(name = "agent", version, about = "Carries traffic and runs filters on it", max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Carry traffic until told to stop
    Run(Options),
    /// Say whether a configuration file can be used
    Check {
        /// The file
        file: PathBuf,
    },
    /// Print the certificate that clients have to trust for interception; it is made if there is none
    Ca {
        /// Print where the certificate is instead
        #[arg(long)]
        path: bool,
        /// Print a request for an intermediate of the fleet's root, for `orchestrator ca sign` where its key is
        #[arg(long, conflicts_with_all = ["path", "install"])]
        request: bool,
        /// Take the answer to the request; an agent that runs takes it up by itself
        #[arg(long, value_name = "FILE", conflicts_with = "path")]
        install: Option<PathBuf>,
        #[command(flatten)]
        options: Options,
    },
    /// For authors of filters: look at one, make a component of one, test one
    Filter {
        #[command(subcommand)]
        command: FilterCommand,
    },
    /// Print a script that makes a shell complete these commands, such as `source <(agent completion bash)`
    Completion {
        /// Whose shell
        shell: Shell,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

impl Shell {
    fn script(self) -> Vec<u8> {
        let shell = match self {
            Self::Bash => clap_complete::Shell::Bash,
            Self::Zsh => clap_complete::Shell::Zsh,
            Self::Fish => clap_complete::Shell::Fish,
        };
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut Cli::command(), "agent", &mut script);
        script
    }
}

#[derive(clap::Args)]
struct Options {
    /// Configuration file (TOML); a flag or a WEIR_AGENT_… variable wins over it
    #[arg(long, env = "WEIR_AGENT_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
}

/// Does what the command line says.
///
/// # Errors
/// In words, for the operator.
pub fn main() -> anyhow::Result<ExitCode> {
    let matches = Cli::command().get_matches();
    let Cli { command } = Cli::from_arg_matches(&matches)?;
    let own = matches.subcommand().map(|(_, own)| own).unwrap_or(&matches);
    match command {
        Command::Run(options) => {
            let config = options.load(own)?;
            let (_log, level) = logging::start(&config.log)?;
            start::run(config, level)?;
        }
        Command::Check { file } => {
            config::check_file(&file)?;
            println!("{} can be used", file.display());
        }
        Command::Ca { path, request, install, options } => {
            let config = options.load(own)?;
            let folder = FleetFolder::of(&config.data_dir);
            if request {
                print!("{}", folder.request()?);
                return Ok(ExitCode::SUCCESS);
            }
            if let Some(file) = install {
                folder.install(&std::fs::read_to_string(&file).with_context(|| file.display().to_string())?)?;
                return Ok(ExitCode::SUCCESS);
            }
            let certificate = start::certificate(&config)?;
            if path {
                println!("{}", certificate.display());
            } else {
                print!("{}", std::fs::read_to_string(&certificate)?);
            }
        }
        Command::Filter { command } => return Ok(command.run()),
        Command::Completion { shell } => std::io::stdout().write_all(&shell.script())?,
    }
    Ok(ExitCode::SUCCESS)
}

impl Options {
    fn load(self, matches: &clap::ArgMatches) -> Result<Config, config::ConfigFaults> {
        config::load(self.settings, matches, self.config.as_deref())
    }
}
