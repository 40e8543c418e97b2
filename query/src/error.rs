//! The one fault a query can have: at a column, something else was expected. Whoever wrote the query is to blame.

/// Where a query is wrong and what was expected there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("query, column {column}: {message}")]
pub struct QueryError {
    column: usize,
    message: String,
}

impl QueryError {
    pub(crate) fn new(column: usize, message: impl Into<String>) -> Self {
        Self { column, message: message.into() }
    }

    /// Counted in characters from 1.
    pub fn column(&self) -> usize {
        self.column
    }

    /// What is wrong and what was expected.
    pub fn message(&self) -> &str {
        &self.message
    }
}
