//! Filters' own log lines: from guests into the agent's log, and into the record.

use std::{
    borrow::Cow,
    sync::{Arc, OnceLock},
};

use uuid::Uuid;
use weir_host::{Filter, Level, LogSink};

use crate::{
    config::Tuned,
    record::{Line, Lines},
};

/// Writes each line as an event of the target `filter`, and records it.
#[derive(Default)]
pub struct FilterLog {
    lines: Lines,
    /// says whether lines are recorded, and what of them is not
    tuned: OnceLock<Arc<Tuned>>,
}

impl FilterLog {
    pub fn new(lines: Lines) -> Self {
        Self { lines, tuned: OnceLock::new() }
    }

    /// What is in force says from now on what of lines is recorded; the agent's own log has them whole.
    pub fn follow(&self, tuned: &Arc<Tuned>) {
        self.tuned.get_or_init(|| Arc::clone(tuned));
    }
}

impl LogSink for FilterLog {
    fn write(&self, filter: &Filter, exchange: Option<Uuid>, level: Level, message: &str) {
        let (name, version) = (filter.name(), filter.version());
        let word = match level {
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
        };
        let tuning = self.tuned.get().map(|tuned| tuned.now());
        if tuning.as_ref().is_none_or(|tuning| tuning.capture.filter_lines) {
            let rules = tuning.as_ref().and_then(|tuning| tuning.redaction.as_ref());
            let words = rules.map_or(Cow::Borrowed(message.as_bytes()), |rules| rules.words(message));
            let text = &*String::from_utf8_lossy(&words);
            self.lines.tell(&Line { filter: name.as_str(), version, level: word, exchange, text });
        }
        let exchange = exchange.map(tracing::field::display);
        match level {
            Level::Debug => tracing::debug!(target: "filter", filter = %name, version, exchange, "{message}"),
            Level::Info => tracing::info!(target: "filter", filter = %name, version, exchange, "{message}"),
            Level::Warn => tracing::warn!(target: "filter", filter = %name, version, exchange, "{message}"),
            Level::Error => tracing::error!(target: "filter", filter = %name, version, exchange, "{message}"),
        }
    }
}
