//! `orchestrator new-filter`: a project for a filter, in a language of the author's. Asks no server.

use std::path::PathBuf;

use clap::{Args, builder::PossibleValuesParser};
use weir_scaffold::{FilterName, Language, WriteFault};

use super::{failure::Failure, output};

/// Begin a filter: a project that builds, with code, golden cases, a schema of its configuration, and the SDK beside it
#[derive(Debug, Args)]
pub(crate) struct NewFilter {
    /// Name of the filter, of its folder and of its component: words of a-z and 0-9 joined by `-`
    name: FilterName,
    /// What it is written in
    #[arg(long = "lang", value_name = "LANGUAGE", value_parser = PossibleValuesParser::new(Language::ALL.map(Language::name)))]
    language: String,
    /// Folder to make the project's folder in [default: this one]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

impl NewFilter {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let Self { name, language, dir } = self;
        let found = Language::ALL.into_iter().find(|known| known.name() == language);
        let language = found.ok_or_else(|| Failure::Usage(format!("there is no language `{language}`")))?;
        let folder = weir_scaffold::write(&name, language, &dir.unwrap_or_default()).map_err(|fault| match fault {
            exists @ WriteFault::Exists(_) => Failure::Usage(exists.to_string()),
            WriteFault::Io { path, error } => Failure::File { path, error },
        })?;
        output::say(format!(
            "{} is a filter in {}. Next:\n  cd {}\n  ./build.sh\n  agent filter test {name}.wasm cases",
            folder.display(),
            language.name(),
            folder.display(),
        ))?;
        Ok(())
    }
}
