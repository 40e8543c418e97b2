//! What the crate `weir-streaming` shares with this one.

use serde::de::DeserializeOwned;

#[cfg(target_arch = "wasm32")]
pub use crate::component::log_panics;
#[cfg(not(target_arch = "wasm32"))]
use crate::{CallError, CallOutcome, CallRequest, imports};
use crate::{LocalResponse, Problem, Problems, Request, Response, config};

/// The request of a hook that runs.
pub fn request(number: u32, end_of_stream: bool) -> Request {
    Request::new(number, end_of_stream)
}

/// The exchange of a hook that runs.
pub fn number(request: &Request) -> u32 {
    request.number()
}

/// What a call comes to in a native build.
///
/// # Errors
/// It would not be sent.
#[cfg(not(target_arch = "wasm32"))]
pub fn call(of: u32, upstream: &str, request: &CallRequest) -> Result<CallOutcome, CallError> {
    imports::call(of, upstream, request)
}

/// The response of a hook that runs.
pub fn response(number: u32, end_of_stream: bool) -> Response {
    Response::new(number, end_of_stream)
}

/// Makes a filter of its configuration.
pub fn configured<C: DeserializeOwned, F>(
    json: &str,
    new: impl FnOnce(C) -> Result<F, Problems>,
) -> Result<F, Problems> {
    config::parse(json).and_then(new)
}

/// Every one of them.
pub fn all(problems: Problems) -> Vec<Problem> {
    problems.into_vec()
}

/// Status, fields and body.
pub fn parts(response: LocalResponse) -> (u16, Vec<(String, String)>, Vec<u8>) {
    (response.status, response.headers, response.body)
}
