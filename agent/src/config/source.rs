//! Where each setting comes from: flags over variables over the file over the defaults. Says of every fault in which of
//! them it is, so that nobody has to search.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use clap::{ArgMatches, Args as _, Command, parser::ValueSource};

use super::{
    Config, file,
    settings::Settings,
    validate::{KeyFault, validate},
};

/// Where a fault is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A flag, such as `--listen`.
    Flag(String),
    /// An environment variable.
    Variable(String),
    /// The configuration file; the line from 1, where there is one.
    File(PathBuf, Option<usize>),
    /// Nobody set the key: its default does not fit here.
    Default,
}

/// One thing wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub place: Place,
    /// Such as `client.head_bytes`.
    pub key: String,
    pub problem: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Flag(flag) => write!(f, "{flag}: ")?,
            Place::Variable(name) => write!(f, "{name}: ")?,
            Place::File(path, Some(line)) => write!(f, "{}:{line}: ", path.display())?,
            Place::File(path, None) => write!(f, "{}: ", path.display())?,
            Place::Default => {}
        }
        if !self.key.is_empty() && !matches!(self.place, Place::Flag(_) | Place::Variable(_)) {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.problem)
    }
}

/// The configuration cannot be used; one line per fault.
#[derive(Debug, thiserror::Error)]
pub struct ConfigFaults(pub Vec<Fault>);

impl fmt::Display for ConfigFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, fault) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            fault.fmt(f)?;
        }
        Ok(())
    }
}

/// The whole configuration. `settings` and `matches` are what flags and variables said.
///
/// # Errors
/// Everything that is wrong.
pub fn load(settings: Settings, matches: &ArgMatches, path: Option<&Path>) -> Result<Config, ConfigFaults> {
    let mut faults = unknown_variables(std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()));
    let mut text = None;
    let mut from_file = Settings::default();
    if let Some(path) = path {
        match read(path) {
            Ok((content, settings)) => (text, from_file) = (Some(content), settings),
            Err(more) => faults.extend(more),
        }
    }
    if !faults.is_empty() {
        return Err(ConfigFaults(faults));
    }
    let place = |key: &str| {
        let known = known_keys();
        let argument = known.get_arguments().find(|argument| argument.get_id() == key);
        match (matches.try_contains_id(key).ok().and_then(|_| matches.value_source(key)), argument, path, &text) {
            (Some(ValueSource::CommandLine), Some(argument), ..) => {
                Place::Flag(format!("--{}", argument.get_long().unwrap_or(key)))
            }
            (Some(ValueSource::EnvVariable), Some(argument), ..) => {
                Place::Variable(argument.get_env().unwrap_or_default().to_string_lossy().into_owned())
            }
            (_, _, Some(path), Some(text)) => match file::line_of(text, key) {
                Some(line) => Place::File(path.to_owned(), Some(line)),
                None => Place::Default,
            },
            _ => Place::Default,
        }
    };
    validate(settings.over(from_file)).map_err(|faults| placed(faults, place))
}

/// A configuration file by itself: what `agent check` does.
///
/// # Errors
/// Everything that is wrong with it.
pub fn check_file(path: &Path) -> Result<Config, ConfigFaults> {
    let (text, settings) = read(path).map_err(ConfigFaults)?;
    validate(settings).map_err(|faults| placed(faults, |key| Place::File(path.to_owned(), file::line_of(&text, key))))
}

fn placed(faults: Vec<KeyFault>, place: impl Fn(&str) -> Place) -> ConfigFaults {
    let fault = |KeyFault { key, problem }| Fault { place: place(key), key: key.to_owned(), problem };
    ConfigFaults(faults.into_iter().map(fault).collect())
}

fn read(path: &Path) -> Result<(String, Settings), Vec<Fault>> {
    let place = |line| Place::File(path.to_owned(), line);
    let text = std::fs::read_to_string(path)
        .map_err(|error| vec![Fault { place: place(None), key: String::new(), problem: error.to_string() }])?;
    let known = known_keys();
    let is_known = |key: &str| known.get_arguments().any(|argument| argument.get_id() == key);
    let mut settings = file::read(&text, is_known).map_err(|faults| {
        let fault = |f: file::LineFault| Fault { place: place(Some(f.line)), key: f.key, problem: f.problem };
        faults.into_iter().map(fault).collect::<Vec<_>>()
    })?;
    // paths in a file are meant from where the file is
    let folder = path.parent().unwrap_or(Path::new(""));
    let top = &mut settings.top;
    for path in [&mut top.data_dir, &mut top.filters, &mut settings.upstream.ca].into_iter().flatten() {
        *path = folder.join(&*path);
    }
    for path in top.trust_keys.iter_mut().flatten() {
        *path = folder.join(&*path);
    }
    Ok((text, settings))
}

fn known_keys() -> Command {
    Settings::augment_args(Command::new("agent"))
}

/// A misspelt variable would else be ignored in silence.
fn unknown_variables(names: impl Iterator<Item = String>) -> Vec<Fault> {
    let known = known_keys();
    let is_known = |name: &str| known.get_arguments().any(|argument| argument.get_env().is_some_and(|own| own == name));
    names
        .filter(|name| name.starts_with("WEIR_AGENT_") && name != "WEIR_AGENT_CONFIG" && !is_known(name))
        .map(|name| Fault {
            place: Place::Variable(name),
            key: String::new(),
            problem: "there is no such variable".to_owned(),
        })
        .collect()
}

#[cfg(test)]
mod tests;
