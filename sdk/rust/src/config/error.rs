//! A fault and its place, built as it travels outward.

use std::fmt;

use serde::de;

use crate::Problem;

#[derive(Debug)]
pub(super) struct Error {
    /// RFC 6901, so far: whoever passes the fault outward puts its own key before it.
    pointer: String,
    message: String,
}

impl Error {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { pointer: String::new(), message: message.into() }
    }

    /// The fault lies beneath this key or index.
    pub(super) fn beneath(mut self, key: &str) -> Self {
        let key = key.replace('~', "~0").replace('/', "~1");
        self.pointer = format!("/{key}{}", self.pointer);
        self
    }

    pub(super) fn into_problem(self) -> Problem {
        Problem::at(self.pointer, self.message)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message.to_string())
    }
}
