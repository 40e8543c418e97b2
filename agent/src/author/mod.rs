//! `agent filter …`: what an author does with a filter before anybody runs it. Files enter, answers leave on standard output;
//! the exit code is 0, 1 (there is something wrong with the filter) or 2 (asked for wrongly). No network, no data dir.

mod build;
mod cases;
mod file;
mod inspect;
mod pattern;
mod portrait;

use std::{
    collections::BTreeSet,
    io::{self, Write as _},
    process::ExitCode,
};

use clap::Subcommand;
use weir_adapter::Form;

/// Tools for the authors of filters.
#[derive(Subcommand)]
pub(crate) enum FilterCommand {
    Inspect(inspect::Inspect),
    Build(build::Build),
    Test(cases::Test),
}

/// Why a tool gives no answer. What is wrong with a filter mostly is one.
#[derive(Debug, thiserror::Error)]
enum Fault {
    /// The command line, or a file that it names.
    #[error("{0}")]
    Usage(String),
    /// The filter.
    #[error("{0}")]
    Filter(String),
    /// This machine.
    #[error(transparent)]
    Host(#[from] weir_host::HostError),
    #[error("cannot write the answer: {0}")]
    Output(io::Error),
}

impl FilterCommand {
    /// Does what was asked; the exit code says how it ended.
    pub(crate) fn run(self) -> ExitCode {
        let answered = match self {
            Self::Inspect(inspect) => inspect.run(),
            Self::Build(build) => build.run(),
            Self::Test(test) => test.run(),
        };
        let fault = match answered {
            Ok(true) => return ExitCode::SUCCESS,
            Ok(false) => return ExitCode::FAILURE,
            // whoever read the answer has read enough
            Err(Fault::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => return ExitCode::SUCCESS,
            Err(fault) => fault,
        };
        for line in fault.to_string().lines() {
            eprintln!("agent: {line}");
        }
        if matches!(fault, Fault::Usage(_)) { ExitCode::from(2) } else { ExitCode::FAILURE }
    }
}

/// One line, or several. A closed pipe is an error, not a panic.
fn say(text: &str) -> Result<(), Fault> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush()).map_err(Fault::Output)
}

/// `66.2 KiB`.
fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} bytes"),
        1024..1_048_576 => format!("{:.1} KiB", bytes as f64 / 1024.0),
        _ => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
    }
}

/// The short names of interfaces of the contract, each once, and whole names of others. A module's names have a function at the
/// end, and beside them stands what only its own bindings know.
fn short<'a>(names: impl IntoIterator<Item = &'a String>, form: Form) -> Vec<&'a str> {
    let is_told = |name: &&String| form == Form::Component || ours(name).is_some();
    let names = names.into_iter().filter(is_told);
    let all: BTreeSet<&str> = names.map(|name| ours(name).map_or(name.as_str(), |(interface, _)| interface)).collect();
    all.into_iter().collect()
}

/// `weir:filter/http@0.1.0` -> (`http`, `0.1.0`).
fn ours(name: &str) -> Option<(&str, &str)> {
    name.strip_prefix(weir_wit::PACKAGE)?.strip_prefix('/')?.split_once('@')
}
