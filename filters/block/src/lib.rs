//! Answers requests for listed hosts, paths and methods itself. In: heads. Out: a refusal, or nothing at all.
//!
//! Access is decided here, so each source that names a host is asked (CONNECT target, TLS server name, authority),
//! and host and path are compared in the form that the upstream will understand, not in the one that was typed.
#![forbid(unsafe_code)]

mod config;
mod refusal;
mod rules;

use weir_sdk::{Action, Filter, Problems, Request, Subscription};

use crate::{config::Config, refusal::Refusal, rules::Rules};

/// The filter.
#[derive(Debug)]
pub struct Block {
    rules: Rules,
    refusal: Refusal,
}

impl Filter for Block {
    type Config = Config;
    type State = ();

    fn new(config: Config) -> Result<Self, Problems> {
        let mut problems = Problems::new();
        let rules = Rules::new(&config, &mut problems);
        let refusal = Refusal::new(&config, &mut problems);
        problems.or(Self { rules, refusal })
    }

    fn subscription(&self) -> Subscription {
        Subscription::new().request_head()
    }

    fn request_head(&self, request: &mut Request, _state: &mut ()) -> Action {
        match self.rules.find(request) {
            Some(rule) => self.refusal.respond(&rule, request).into(),
            None => Action::Next,
        }
    }
}

weir_sdk::export!(Block);

#[cfg(test)]
mod tests;
