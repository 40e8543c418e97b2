//! Tells browsers what they may do with a response: HSTS, Content-Security-Policy and their like. In: response heads. Out: the
//! same heads with these fields, and without those that tell what software the origin runs.
#![forbid(unsafe_code)]

mod config;
mod preset;

use weir_sdk::{
    Action, Filter, HeaderError, HeadersMut, Problems, Response, Subscription,
    matching::{Facts, Scope},
    warn,
};

use crate::config::{Config, Existing};

/// The filter.
#[derive(Debug)]
pub struct SecurityHeaders {
    /// For every response.
    fields: Vec<(&'static str, String)>,
    /// Strict-Transport-Security: over https only (RFC 6797 section 7.2).
    hsts: Option<String>,
    remove: Vec<String>,
    existing: Existing,
    scope: Scope,
}

impl Filter for SecurityHeaders {
    type Config = Config;
    type State = ();

    fn new(config: Config) -> Result<Self, Problems> {
        let mut problems = Problems::new();
        let filter = Self {
            hsts: config.hsts(&mut problems),
            fields: config.fields(&mut problems),
            scope: Scope::new("/match", &config.scope, &mut problems),
            remove: config.remove,
            existing: config.existing,
        };
        if filter.fields.is_empty() && filter.hsts.is_none() && filter.remove.is_empty() {
            problems.push("", "nothing is to be set and nothing to be removed: choose a `preset`, or name fields");
        }
        problems.or(filter)
    }

    fn subscription(&self) -> Subscription {
        Subscription::new().response_head()
    }

    fn response_head(&self, response: &mut Response, _state: &mut ()) -> Action {
        // Every spelling of a path that is meant is protected.
        if !self.scope.is_empty() && !self.scope.touches(&Facts::of(response.request())) {
            return Action::Next;
        }
        let is_secure = self.hsts.is_some() && response.request().scheme() == "https";
        let mut headers = response.headers_mut();
        let hsts = self.hsts.as_ref().filter(|_| is_secure).map(|value| ("strict-transport-security", value));
        let fields = self.fields.iter().map(|(name, value)| (*name, value));
        for (name, value) in fields.chain(hsts) {
            report(name, self.put(&mut headers, name, value));
        }
        for name in &self.remove {
            report(name, headers.remove(name));
        }
        Action::Next
    }
}

weir_sdk::export!(SecurityHeaders);

impl SecurityHeaders {
    fn put(&self, headers: &mut HeadersMut<'_>, name: &str, value: &str) -> Result<(), HeaderError> {
        match self.existing {
            Existing::Keep if headers.contains(name) => Ok(()),
            Existing::Keep | Existing::Overwrite => headers.set(name, value),
        }
    }
}

fn report(name: &str, done: Result<(), HeaderError>) {
    if let Err(fault) = done {
        warn!("`{name}` was not changed: {fault}");
    }
}

#[cfg(test)]
mod tests;
