//! Lets only so many requests through in a time. In: request heads. Out: 429 with when to come again, or nothing but the
//! count, which is kept in the filter's store: all workers of an agent, and all versions of the filter, count together.
#![forbid(unsafe_code)]

mod config;
mod rule;
mod window;

use weir_sdk::{Action, Filter, Problems, Refusal, Request, Response, Subscription, clock, matching::Facts, warn};

use crate::{
    config::{Config, WhenFull},
    rule::{Rule, Verdict},
};

/// The filter.
#[derive(Debug)]
pub struct RateLimit {
    rules: Vec<Rule>,
    headers: bool,
    when_full: WhenFull,
}

impl Filter for RateLimit {
    type Config = Config;
    /// `RateLimit` fields that the response is to have.
    type State = Vec<String>;

    fn new(config: Config) -> Result<Self, Problems> {
        let mut problems = Problems::new();
        if config.rules.is_empty() {
            problems.push("/rules", "without rules nothing is limited");
        }
        let rules: Vec<Rule> = (config.rules.into_iter().enumerate())
            .map(|(index, rule)| Rule::new(&format!("/rules/{index}"), rule, &mut problems))
            .collect();
        for (index, rule) in rules.iter().enumerate() {
            if rules[..index].iter().any(|earlier| earlier.name == rule.name) {
                problems.push(format!("/rules/{index}/name"), "another rule has this name, and would count with it");
            }
        }
        problems.or(Self { rules, headers: config.headers, when_full: config.when_full })
    }

    fn subscription(&self) -> Subscription {
        let subscription = Subscription::new().request_head();
        if self.headers { subscription.response_head() } else { subscription }
    }

    fn request_head(&self, request: &mut Request, fields: &mut Vec<String>) -> Action {
        let now = clock::now_ms();
        let mut taken: Vec<rule::Taken> = Vec::new();
        let facts = Facts::of(request);
        for rule in self.rules.iter().filter(|rule| rule.covers(&facts)) {
            match rule.take(request, now) {
                Verdict::Taken(one) => {
                    fields.push(one.field.clone());
                    taken.push(one);
                }
                Verdict::Full if self.when_full == WhenFull::Pass => {
                    warn!("the store is full: rule {} counts no new keys", rule.name);
                }
                verdict => {
                    // who is refused by one rule has used nothing up of another
                    taken.iter().for_each(rule::Taken::give_back);
                    return refuse(request, rule, &verdict).into();
                }
            }
        }
        Action::Next
    }

    fn response_head(&self, response: &mut Response, fields: &mut Vec<String>) -> Action {
        for field in fields.drain(..) {
            // a name that is well-formed, and a value that the filter made
            let _ = response.headers_mut().append("ratelimit", &field);
        }
        Action::Next
    }
}

fn refuse(request: &Request, rule: &Rule, verdict: &Verdict) -> weir_sdk::LocalResponse {
    let seconds = match verdict {
        Verdict::Over { seconds } => *seconds,
        _ => rule.window_seconds(),
    };
    let refusal = Refusal {
        filter: "rate-limit",
        status: rule.status,
        kind: "rate-limited",
        title: "Too many requests",
        detail: "The limit is reached; the field `retry-after` says in how many seconds there is room again.",
        rule: Some(&rule.pointer),
    };
    refusal.response(request).header("retry-after", seconds.to_string()).header("ratelimit-policy", rule.policy())
}

weir_sdk::export!(RateLimit);

#[cfg(test)]
mod tests;
