//! Filters' own log lines: from guests into the agent's log.

use uuid::Uuid;
use weir_host::{Filter, Level, LogSink};

/// Writes each line as an event of the target `filter`.
pub struct FilterLog;

impl LogSink for FilterLog {
    fn write(&self, filter: &Filter, exchange: Option<Uuid>, level: Level, message: &str) {
        let (name, version) = (filter.name(), filter.version());
        let exchange = exchange.map(tracing::field::display);
        match level {
            Level::Debug => tracing::debug!(target: "filter", filter = %name, version, exchange, "{message}"),
            Level::Info => tracing::info!(target: "filter", filter = %name, version, exchange, "{message}"),
            Level::Warn => tracing::warn!(target: "filter", filter = %name, version, exchange, "{message}"),
            Level::Error => tracing::error!(target: "filter", filter = %name, version, exchange, "{message}"),
        }
    }
}
