//! What is wrong with a configuration: where it says so, and what to do about it.

use std::path::PathBuf;

/// The operator's configuration is wrong.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: {error}", file.display())]
    Read {
        /// Named by `--config`.
        file: PathBuf,
        /// Why not.
        error: std::io::Error,
    },
    /// The file is not TOML, has a key that does not exist, or a value of another type.
    #[error("{}:{line}: {message}", file.display())]
    File {
        /// Named by `--config`.
        file: PathBuf,
        /// Counted from 1.
        line: usize,
        /// Names the key.
        message: String,
    },
    /// A value that cannot be served.
    #[error("{}{key}: {reason}", place(file, *line))]
    Value {
        /// Where it was set, if that was in a file.
        file: Option<PathBuf>,
        /// Counted from 1.
        line: usize,
        /// As in the file.
        key: &'static str,
        /// What to do about it.
        reason: String,
    },
}

/// Of a value, wherever it was set.
pub(super) fn value(key: &'static str, reason: String) -> ConfigError {
    ConfigError::Value { file: None, line: 0, key, reason }
}

fn place(file: &Option<PathBuf>, line: usize) -> String {
    file.as_ref().map_or_else(String::new, |file| format!("{}:{line}: ", file.display()))
}
