//! Sets, appends and removes fields of request and response heads. In: heads. Out: the same heads, changed. Values are
//! literal; bodies are never seen.
#![forbid(unsafe_code)]

mod change;

use serde::Deserialize;
use weir_sdk::{Action, Filter, HeaderError, HeadersMut, Problems, Request, Response, Subscription, warn};

use crate::change::{Change, Changes};

/// The configuration. `schema.json` says the same to editors.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Config {
    request: Changes,
    response: Changes,
}

/// The filter.
#[derive(Debug)]
pub struct Headers {
    request: Vec<Change>,
    response: Vec<Change>,
}

impl Filter for Headers {
    type Config = Config;
    type State = ();

    fn new(config: Config) -> Result<Self, Problems> {
        let mut problems = Problems::new();
        let request = config.request.check("/request", &mut problems);
        let response = config.response.check("/response", &mut problems);
        problems.or(Self { request, response })
    }

    fn subscription(&self) -> Subscription {
        let mut subscription = Subscription::new();
        if !self.request.is_empty() {
            subscription = subscription.request_head();
        }
        if !self.response.is_empty() {
            subscription = subscription.response_head();
        }
        subscription
    }

    fn request_head(&self, request: &mut Request, _state: &mut ()) -> Action {
        apply(&self.request, &mut request.headers_mut());
        Action::Next
    }

    fn response_head(&self, response: &mut Response, _state: &mut ()) -> Action {
        apply(&self.response, &mut response.headers_mut());
        Action::Next
    }
}

weir_sdk::export!(Headers);

/// A change that the agent refuses is told to the operator, and the others are made all the same.
fn apply(changes: &[Change], headers: &mut HeadersMut<'_>) {
    for change in changes {
        if let Err(fault) = change.apply(headers) {
            report(change, fault);
        }
    }
}

#[cold]
fn report(change: &Change, fault: HeaderError) {
    warn!("{} was not done: {fault}", change.describe());
}

#[cfg(test)]
mod tests;
