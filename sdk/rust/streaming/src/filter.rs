//! The trait that a filter with streams implements.

use serde::de::DeserializeOwned;

use weir_sdk::{Problems, Request, Response, UpstreamError};

use crate::{Action, Body, Subscription};

/// A filter whose bodies are streams: built from its configuration for each exchange. Every hook may be left out.
#[allow(async_fn_in_trait, reason = "a component has one thread")]
#[allow(unused_variables, reason = "the parameters of hooks that do nothing are named for the reader")]
pub trait StreamFilter: Sized + 'static {
    /// The configuration, as of [`Filter`](weir_sdk::Filter::Config).
    type Config: DeserializeOwned;

    /// Makes the filter, or says what is wrong with its configuration. Also runs only to check a configuration.
    ///
    /// # Errors
    /// Every fault, with its place.
    fn new(config: Self::Config) -> Result<Self, Problems>;

    /// What the filter wants to see: which hooks are called, which of them is given its body, and whether bodies come decoded.
    /// Asked when the filter is loaded.
    fn subscription(&self) -> Subscription;

    /// The head of a request came. `body` is none where there is none or none was asked for.
    async fn request(&'static self, request: &mut Request, body: Option<Body>) -> Action {
        Action::Next
    }

    /// The head of a response came. Not after this filter has answered itself.
    async fn response(&'static self, response: &mut Response, body: Option<Body>) -> Action {
        Action::Next
    }

    /// No response came. [`Action::Respond`] answers in its place; others leave the agent's own error response. Runs if
    /// `response` does.
    async fn upstream_error(&'static self, request: &Request, error: UpstreamError) -> Action {
        Action::Next
    }
}
