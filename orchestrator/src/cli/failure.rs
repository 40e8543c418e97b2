//! Why a command did not do what it was asked, and what to do about it.

use std::{io, path::PathBuf, process::ExitCode};

use super::person;

/// Each says whose fault it is: the command's arguments, this machine, the server, or agents.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// clap's own; help and version come this way too.
    #[error(transparent)]
    Arguments(clap::Error),
    /// Arguments that only together, or only looked into, are wrong.
    #[error("{0}")]
    Usage(String),
    #[error(transparent)]
    Config(#[from] crate::ConfigError),
    #[error(transparent)]
    Serve(#[from] crate::ServeError),
    #[error(transparent)]
    Keys(#[from] crate::backup::keys::KeysError),
    /// A file that is not the backup that it was taken for.
    #[error("{}: {reason}", path.display())]
    Backup { path: PathBuf, reason: String },
    #[error("{}: {error}", path.display())]
    File { path: PathBuf, error: io::Error },
    /// A key, or the folder of keys.
    #[error("{0}")]
    Key(String),
    /// Refused here, before anything was sent: filter, phase and reason.
    #[error("filter {name}: {phase}: {reason}")]
    Filter { name: String, phase: &'static str, reason: String },
    #[error(
        "no orchestrator answers at {url}: {reason}\n`orchestrator serve` starts one; --orchestrator URL or \
         WEIR_ORCHESTRATOR names another"
    )]
    Unreachable { url: String, reason: String },
    #[error(
        "the orchestrator at {url} cannot be trusted: {reason}\n--ca FILE or WEIR_CA names the CA that signed its certificate: \
         with `serve --rest-tls own`, the file ca.pem of its data folder"
    )]
    Untrusted { url: String, reason: String },
    #[error(
        "no token for {0}: give --token or WEIR_TOKEN, or name with --data-dir the server's data folder, which holds it"
    )]
    NoToken(String),
    #[error(
        "the orchestrator at {url} does not take the token from {source_of_token}\nit may have expired or been revoked, or be \
         another server's: --token or WEIR_TOKEN gives another"
    )]
    Unauthorized { url: String, source_of_token: String },
    /// A problem document (RFC 9457).
    #[error("the orchestrator refused it ({status}): {text}")]
    Problem { status: u16, text: String },
    /// Not what this version of the command understands.
    #[error("the orchestrator's answer to {asked} cannot be read: {reason}")]
    Answer { asked: String, reason: String },
    #[error("{0}")]
    Refused(String),
    /// Told already, line by line.
    #[error("")]
    Told,
    #[error("cannot write the answer: {0}")]
    Output(#[from] io::Error),
    #[error("cannot start the runtime: {0}")]
    Runtime(io::Error),
}

impl Failure {
    /// Tells it on stderr and gives the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        match self {
            // Help and version go to stdout with code 0.
            Self::Arguments(error) => {
                let _ = error.print();
                return u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from);
            }
            // Whoever read the answer has read enough.
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => return ExitCode::SUCCESS,
            Self::Told => return ExitCode::FAILURE,
            _ => eprintln!("error: {}", person::lines(&self.to_string())),
        }
        match self {
            Self::Usage(_) | Self::Config(_) => ExitCode::from(2),
            _ => ExitCode::FAILURE,
        }
    }
}
