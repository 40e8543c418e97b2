//! Lets pages of other origins read responses, by the Fetch standard's CORS protocol. In: heads. Out: a preflight's answer
//! made here, and the CORS fields of every other response: the policy is this filter's, not the upstream's.
#![forbid(unsafe_code)]

mod config;
mod origin;
mod policy;
mod preflight;

use weir_sdk::{Action, Filter, HeadersMut, Problems, Request, Response, Subscription, matching::Facts, warn};

use crate::{config::Config, policy::Policy};

/// The filter.
#[derive(Debug)]
pub struct Cors {
    policy: Policy,
}

/// What the request said, before other filters changed it.
#[derive(Debug, Default)]
pub struct Asked {
    /// The exchange is one that the policy is about.
    is_ours: bool,
    /// What Access-Control-Allow-Origin says.
    allow_origin: Option<String>,
}

impl Filter for Cors {
    type Config = Config;
    type State = Asked;

    fn new(config: Config) -> Result<Self, Problems> {
        Ok(Self { policy: Policy::new(config)? })
    }

    fn subscription(&self) -> Subscription {
        Subscription::new().request_head().response_head()
    }

    fn request_head(&self, request: &mut Request, asked: &mut Asked) -> Action {
        asked.is_ours = self.policy.scope.covers(&Facts::of(request));
        if !asked.is_ours {
            return Action::Next;
        }
        let origins = request.headers().get_all("origin");
        // A page sends one. Several are nobody's.
        let origin = if let [origin] = &origins[..] { Some(origin.as_str()) } else { None };
        asked.allow_origin = origin.and_then(|origin| self.policy.allow_origin(origin));
        match preflight::Preflight::of(request, !origins.is_empty()) {
            Some(preflight) => preflight.answer(&self.policy, asked.allow_origin.as_deref(), request).into(),
            None => Action::Next,
        }
    }

    fn response_head(&self, response: &mut Response, asked: &mut Asked) -> Action {
        if asked.is_ours {
            let done = self.policy.apply(asked.allow_origin.as_deref(), &mut response.headers_mut());
            if let Err(fault) = done {
                warn!("a response goes out without its CORS fields: {fault}");
                withdraw(&mut response.headers_mut());
            }
        }
        Action::Next
    }
}

weir_sdk::export!(Cors);

/// Every field by which a response lets other origins in.
const GRANTS: [&str; 7] = [
    "access-control-allow-origin",
    "access-control-allow-credentials",
    "access-control-expose-headers",
    "access-control-allow-methods",
    "access-control-allow-headers",
    "access-control-max-age",
    "access-control-allow-private-network",
];

fn withdraw(headers: &mut HeadersMut<'_>) {
    for name in GRANTS {
        let _ = headers.remove(name);
    }
}

#[cfg(test)]
mod tests;
