//! Lines for the operator. The agent adds filter, version and exchange, and limits the rate; what is over the limit is
//! counted. Use the macros [`debug!`](crate::debug), [`info!`](crate::info), [`warn!`](crate::warn) and
//! [`error!`](crate::error).

use std::fmt;

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For whoever works on the filter.
    Debug,
    /// Worth knowing.
    Info,
    /// Something is not as it should be, and the filter went on.
    Warn,
    /// The filter could not do its work.
    Error,
}

/// Writes a line. The macros call this.
pub fn write(level: Level, message: fmt::Arguments<'_>) {
    match message.as_str() {
        Some(text) => crate::imports::log(level, text),
        None => crate::imports::log(level, &message.to_string()),
    }
}

/// Writes a debug line; arguments as for `format!`.
#[macro_export]
macro_rules! debug {
    ($($argument:tt)+) => { $crate::log::write($crate::log::Level::Debug, ::core::format_args!($($argument)+)) };
}

/// Writes an info line; arguments as for `format!`.
#[macro_export]
macro_rules! info {
    ($($argument:tt)+) => { $crate::log::write($crate::log::Level::Info, ::core::format_args!($($argument)+)) };
}

/// Writes a warning; arguments as for `format!`.
#[macro_export]
macro_rules! warn {
    ($($argument:tt)+) => { $crate::log::write($crate::log::Level::Warn, ::core::format_args!($($argument)+)) };
}

/// Writes an error line; arguments as for `format!`.
#[macro_export]
macro_rules! error {
    ($($argument:tt)+) => { $crate::log::write($crate::log::Level::Error, ::core::format_args!($($argument)+)) };
}
