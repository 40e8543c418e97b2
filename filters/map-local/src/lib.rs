//! Answers requests with fixed responses, in the upstream's place. In: request heads. Out: a response from the configuration,
//! or nothing at all.
#![forbid(unsafe_code)]

mod config;
mod etag;
mod fixed;

use weir_sdk::{Action, Filter, Problems, Request, Subscription, matching::Facts};

use crate::{config::Config, fixed::Fixed};

/// The filter.
#[derive(Debug)]
pub struct MapLocal {
    rules: Vec<Fixed>,
}

impl Filter for MapLocal {
    type Config = Config;
    type State = ();

    fn new(config: Config) -> Result<Self, Problems> {
        let mut problems = Problems::new();
        if config.rules.is_empty() {
            problems.push("/rules", "without rules nothing is answered");
        }
        let rules = config.rules.into_iter().enumerate();
        let rules = rules.map(|(index, rule)| Fixed::new(&format!("/rules/{index}"), rule, &mut problems)).collect();
        problems.or(Self { rules })
    }

    fn subscription(&self) -> Subscription {
        Subscription::new().request_head()
    }

    fn request_head(&self, request: &mut Request, _state: &mut ()) -> Action {
        let facts = Facts::of(request);
        match self.rules.iter().find(|rule| rule.scope.touches(&facts)) {
            Some(rule) => rule.answer(facts.method(), request.headers()).into(),
            None => Action::Next,
        }
    }
}

weir_sdk::export!(MapLocal);

#[cfg(test)]
mod tests;
