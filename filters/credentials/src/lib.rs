//! Signs requests in with secrets that the filter itself never sees. In: request heads. Out: the same heads with a field in which
//! the agent puts the secret when it sends them.
#![forbid(unsafe_code)]

mod config;
mod rule;

use weir_sdk::{Action, Filter, Problems, Refusal, Request, Subscription, matching::Facts, warn};

use crate::{config::Config, rule::Rule};

/// The filter.
#[derive(Debug)]
pub struct Credentials {
    rules: Vec<Rule>,
}

impl Filter for Credentials {
    type Config = Config;
    type State = ();

    fn new(config: Config) -> Result<Self, Problems> {
        let mut problems = Problems::new();
        if config.rules.is_empty() {
            problems.push("/rules", "without rules nobody is signed in");
        }
        let rules = config.rules.into_iter().enumerate();
        let rules = rules.map(|(index, rule)| Rule::new(&format!("/rules/{index}"), rule, &mut problems)).collect();
        problems.or(Self { rules })
    }

    fn subscription(&self) -> Subscription {
        Subscription::new().request_head()
    }

    fn request_head(&self, request: &mut Request, _state: &mut ()) -> Action {
        let facts = Facts::of(request);
        let Some((index, rule)) = self.rules.iter().enumerate().find(|(_, rule)| rule.fits(&facts)) else {
            return Action::Next;
        };
        match rule.apply(request) {
            Ok(true) => Action::Next,
            Ok(false) => {
                warn!("rule {index}: this agent has no secret {}, or the publication does not grant it", rule.secret);
                refuse(request, index, "The agent cannot sign this request in.")
            }
            Err(fault) => {
                warn!("rule {index}: the field was not set: {fault}");
                refuse(request, index, "The request has no room for its credentials.")
            }
        }
    }
}

weir_sdk::export!(Credentials);

#[cold]
fn refuse(request: &Request, rule: usize, detail: &str) -> Action {
    let refusal = Refusal {
        filter: "credentials",
        status: 502,
        kind: "no-credentials",
        title: "The request could not be signed in",
        detail,
        rule: Some(&format!("/rules/{rule}")),
    };
    refusal.response(request).into()
}

#[cfg(test)]
mod tests;
