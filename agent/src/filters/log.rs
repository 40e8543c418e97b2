//! Filters' own log lines: from guests into the agent's log, and into the record.

use uuid::Uuid;
use weir_host::{Filter, Level, LogSink};

use crate::record::{Line, Lines};

/// Writes each line as an event of the target `filter`, and records it.
#[derive(Default)]
pub struct FilterLog {
    lines: Lines,
}

impl FilterLog {
    pub fn new(lines: Lines) -> Self {
        Self { lines }
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
        self.lines.tell(&Line { filter: name.as_str(), version, level: word, exchange, text: message });
        let exchange = exchange.map(tracing::field::display);
        match level {
            Level::Debug => tracing::debug!(target: "filter", filter = %name, version, exchange, "{message}"),
            Level::Info => tracing::info!(target: "filter", filter = %name, version, exchange, "{message}"),
            Level::Warn => tracing::warn!(target: "filter", filter = %name, version, exchange, "{message}"),
            Level::Error => tracing::error!(target: "filter", filter = %name, version, exchange, "{message}"),
        }
    }
}
