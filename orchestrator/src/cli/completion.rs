//! `orchestrator completion`: what a shell needs to complete the commands of this binary.

use std::io;

use clap::{Args, ValueEnum};

use super::failure::Failure;

/// Print a script that makes a shell complete these commands, such as `source <(orchestrator completion bash)`
#[derive(Debug, Args)]
pub(crate) struct Completion {
    /// Whose shell
    shell: Shell,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

impl Completion {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let shell = match self.shell {
            Shell::Bash => clap_complete::Shell::Bash,
            Shell::Zsh => clap_complete::Shell::Zsh,
            Shell::Fish => clap_complete::Shell::Fish,
        };
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut super::command(), "orchestrator", &mut script);
        Ok(io::Write::write_all(&mut io::stdout(), &script)?)
    }
}
