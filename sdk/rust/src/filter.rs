//! The trait that a filter implements.

use serde::de::DeserializeOwned;

use crate::{
    Action, CallOutcome, Chunk, ChunkAction, Done, Problems, Request, Response, Resumed, Resumption, Subscription,
    Trailers, TrailersAction, UpstreamError,
};

/// A filter: built once from its configuration, then shared by every exchange of its instance.
///
/// Hooks come in this order: request head, request body and trailers, response head (or upstream error), response body and
/// trailers, done. Only those run that [`Filter::subscription`] asks for; every one may be left out. `state` is what this
/// exchange's earlier hooks left there.
#[allow(unused_variables, reason = "the parameters of hooks that do nothing are named for the reader")]
pub trait Filter: Sized + 'static {
    /// The configuration. A field of the JSON text that this type does not know is a fault. [`NoConfig`](crate::NoConfig)
    /// where there is nothing to configure.
    type Config: DeserializeOwned;

    /// What is remembered of one exchange between its hooks; `()` where there is nothing.
    type State: Default + 'static;

    /// Makes the filter, or says what is wrong with its configuration. Also runs only to check a configuration.
    ///
    /// # Errors
    /// Every fault, with its place.
    fn new(config: Self::Config) -> Result<Self, Problems>;

    /// What the filter wants to see. Asked once, after [`Filter::new`].
    fn subscription(&self) -> Subscription;

    /// The head of a request came.
    fn request_head(&self, request: &mut Request, state: &mut Self::State) -> Action {
        Action::Next
    }

    /// A chunk of a request's body came. Its head can be changed only if it is held ([`Action::HoldForBody`]).
    fn request_body(&self, request: &mut Request, chunk: Chunk, state: &mut Self::State) -> ChunkAction {
        ChunkAction::Pass
    }

    /// A request's trailers came, after its last chunk.
    fn request_trailers(&self, trailers: &mut Trailers, state: &mut Self::State) -> TrailersAction {
        TrailersAction::Next
    }

    /// The head of a response came.
    fn response_head(&self, response: &mut Response, state: &mut Self::State) -> Action {
        Action::Next
    }

    /// A chunk of a response's body came. Its head can be changed only if it is held ([`Action::HoldForBody`]).
    fn response_body(&self, response: &mut Response, chunk: Chunk, state: &mut Self::State) -> ChunkAction {
        ChunkAction::Pass
    }

    /// A response's trailers came, after its last chunk.
    fn response_trailers(&self, trailers: &mut Trailers, state: &mut Self::State) -> TrailersAction {
        TrailersAction::Next
    }

    /// No response came. [`Action::Respond`] answers in its place; [`Action::Next`] leaves the agent's own error response.
    /// There is no body to hold for.
    fn upstream_error(&self, request: &Request, error: UpstreamError, state: &mut Self::State) -> Action {
        Action::Next
    }

    /// A call or timer that a hook waits for has ended ([`Action::Wait`]). What the hook could change can be changed now.
    fn resumed(&self, resumed: &mut Resumed, outcome: CallOutcome, state: &mut Self::State) -> Resumption {
        Resumption::Proceed
    }

    /// The exchange is over. Runs once for every exchange that met a hook.
    fn done(&self, done: &Done, state: Self::State) {}
}
