//! The order in which an exchange meets filters.

use std::sync::Arc;

use crate::Filter;

/// A snapshot of the active filters: requests meet them in ascending priority, ties by name; responses in reverse.
#[derive(Debug, Default)]
pub struct Chain {
    filters: Vec<Arc<Filter>>,
}

impl Chain {
    /// Sorts the filters.
    pub fn new(mut filters: Vec<Arc<Filter>>) -> Self {
        filters.sort_by(|a, b| (a.publication().priority, a.name()).cmp(&(b.publication().priority, b.name())));
        Self { filters }
    }

    /// The filters in the order of requests.
    pub fn filters(&self) -> &[Arc<Filter>] {
        &self.filters
    }
}
