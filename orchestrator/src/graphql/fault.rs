//! What is wrong, as GraphQL tells it: a message, and in `extensions` a `code`, the HTTP status that REST would answer, and
//! for queries the column.

use std::sync::Arc;

use async_graphql::{ErrorExtensionValues, ErrorExtensions as _, ServerError};

use crate::{rest::Problem, store::StoreError};

/// A problem of REST, on its way out.
#[derive(Debug, Clone)]
pub(super) struct Fault(Arc<Problem>);

impl Fault {
    pub(super) fn too_much(mebibytes: usize) -> Self {
        let detail =
            format!("the answer would carry more than {mebibytes} MiB, whole messages counted: ask for less of it");
        Problem::too_large(detail).into()
    }

    fn extend(&self, extensions: &mut ErrorExtensionValues) {
        extensions.set("code", self.0.code());
        extensions.set("status", self.0.status());
        if let Some(column) = self.0.column() {
            extensions.set("column", column);
        }
    }

    /// Of a request as a whole.
    pub(super) fn of_request(&self) -> ServerError {
        let mut error = ServerError::new(self.0.detail(), None);
        self.extend(error.extensions.get_or_insert_default());
        error
    }

    pub(super) fn status(&self) -> u16 {
        self.0.status()
    }

    /// Seconds; 0 for none.
    pub(super) fn retry_after(&self) -> u32 {
        self.0.retry_after_s()
    }
}

impl From<Problem> for Fault {
    fn from(problem: Problem) -> Self {
        Self(Arc::new(problem))
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Problem::from(error).into()
    }
}

impl From<Fault> for async_graphql::Error {
    fn from(fault: Fault) -> Self {
        Self::new(fault.0.detail()).extend_with(|_, extensions| fault.extend(extensions))
    }
}
