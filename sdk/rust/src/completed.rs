//! What exchanges came to.

use std::time::Duration;

use crate::{Done, Filter};

/// What an exchange came to, in figures.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// Bytes of content, as the client sent them.
    pub request_bytes: f64,
    /// Bytes of content, as the client got them.
    pub response_bytes: f64,
    /// From the request's head to the end.
    pub duration: Duration,
    /// From the request's head to that of the upstream's response.
    pub first_byte: Option<Duration>,
    /// IP address and port that it was sent to.
    pub upstream_address: Option<String>,
}

/// A filter that is told what exchanges came to; exported by `weir_sdk::export!(MyFilter, with Completed)`.
pub trait Completed: Filter {
    /// Every exchange that the publication's `match` lets the filter see, whether or not it met another hook, but one that the
    /// filter failed and one that stood behind its open breaker. Before [`Filter::done`]. Nothing can be changed.
    fn completed(&self, exchange: &Done, summary: &Summary, state: &mut Self::State);
}
