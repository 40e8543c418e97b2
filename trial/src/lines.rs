//! What filters log while a case runs: kept, for whoever reads why it failed.

use std::sync::{Mutex, PoisonError};

use uuid::Uuid;
use weir_host::{Filter, Level, LogSink};

/// Lines since somebody took them.
#[derive(Default)]
pub(crate) struct Lines(Mutex<Vec<String>>);

impl Lines {
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl LogSink for Lines {
    fn write(&self, _: &Filter, _: Option<Uuid>, level: Level, message: &str) {
        let level = match level {
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
        };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{level}: {message}"));
    }
}
