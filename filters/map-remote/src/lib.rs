//! Sends requests elsewhere than the client asked. In: request heads. Out: the same heads with another authority, another scheme
//! and another prefix of the path.
#![forbid(unsafe_code)]

mod config;
mod route;

use weir_sdk::{Action, Filter, HeaderError, Problems, Refusal, Request, Subscription, matching::Facts, warn};

use crate::{config::Config, route::Route};

/// The filter.
#[derive(Debug)]
pub struct MapRemote {
    routes: Vec<Route>,
    forwarded_host: bool,
}

impl Filter for MapRemote {
    type Config = Config;
    type State = ();

    fn new(config: Config) -> Result<Self, Problems> {
        let mut problems = Problems::new();
        if config.rules.is_empty() {
            problems.push("/rules", "without rules nothing is sent elsewhere");
        }
        let rules = config.rules.iter().enumerate();
        let routes = rules.map(|(index, rule)| Route::new(&format!("/rules/{index}"), rule, &mut problems)).collect();
        problems.or(Self { routes, forwarded_host: config.forwarded_host })
    }

    fn subscription(&self) -> Subscription {
        Subscription::new().request_head()
    }

    fn request_head(&self, request: &mut Request, _state: &mut ()) -> Action {
        let path = request.path();
        let facts = Facts::of(request);
        // The first rule that fits, and none behind it: what was sent elsewhere is not sent on.
        let Some((route, target)) = self.routes.iter().find_map(|route| Some((route, route.map(&path, &facts)?)))
        else {
            return Action::Next;
        };
        match self.send(request, route, &target) {
            Ok(()) => Action::Next,
            Err(fault) => refuse(request, fault),
        }
    }
}

weir_sdk::export!(MapRemote);

impl MapRemote {
    fn send(&self, request: &mut Request, route: &Route, path: &str) -> Result<(), HeaderError> {
        let before = request.authority();
        if self.forwarded_host {
            request.headers_mut().set("x-forwarded-host", &before)?;
        }
        request.set_path(path)?;
        if let Some(scheme) = route.scheme {
            request.set_scheme(scheme.as_str())?;
        }
        match &route.authority {
            Some(authority) if *authority != before => request.set_authority(authority),
            _ => Ok(()),
        }
    }
}

/// Half of a change is none: the request must not reach a place that nobody meant.
#[cold]
fn refuse(request: &Request, fault: HeaderError) -> Action {
    warn!("a request could not be sent elsewhere: {fault}");
    let refusal = Refusal {
        filter: "map-remote",
        status: 502,
        kind: "not-mapped",
        title: "The request could not be sent on",
        detail: "The filter `map-remote` could not change where the request goes.",
        rule: None,
    };
    refusal.response(request).into()
}

#[cfg(test)]
mod tests;
