//! Makes exchanges fail on purpose, to see what clients make of it. In: heads. Out: an abort, an error, or nothing at all.
//!
//! Latency has its place beside these effects ([`effect::Effect`]) and waits for timers in the contract.
#![forbid(unsafe_code)]

mod chance;
mod config;
mod effect;
mod fault;

use weir_sdk::{Action, Filter, Problems, Request, Response, Subscription, matching::Facts};

use crate::{
    config::{Config, Phase},
    fault::Fault,
};

/// The filter.
#[derive(Debug)]
pub struct DelayAndFault {
    faults: Vec<Fault>,
}

impl Filter for DelayAndFault {
    type Config = Config;
    /// The fault that is to meet the response, by its place.
    type State = Option<usize>;

    fn new(config: Config) -> Result<Self, Problems> {
        let mut problems = Problems::new();
        if config.faults.is_empty() {
            problems.push("/faults", "without faults nothing fails");
        }
        let faults = config.faults.into_iter().enumerate();
        let faults =
            faults.map(|(index, fault)| Fault::new(&format!("/faults/{index}"), fault, &mut problems)).collect();
        problems.or(Self { faults })
    }

    fn subscription(&self) -> Subscription {
        let subscription = Subscription::new().request_head();
        let meets_responses = self.faults.iter().any(|fault| fault.phase == Phase::Response);
        if meets_responses { subscription.response_head() } else { subscription }
    }

    fn request_head(&self, request: &mut Request, on_response: &mut Option<usize>) -> Action {
        let facts = Facts::of(request);
        let struck = self.faults.iter().position(|fault| fault.strikes(&facts, request));
        self.faults.iter().for_each(|fault| fault.clean(request));
        match struck.map(|index| (index, &self.faults[index])) {
            Some((_, fault)) if fault.phase == Phase::Request => fault.effect.action(request),
            Some((index, _)) => {
                *on_response = Some(index);
                Action::Next
            }
            None => Action::Next,
        }
    }

    fn response_head(&self, response: &mut Response, on_response: &mut Option<usize>) -> Action {
        match on_response.take().and_then(|index| self.faults.get(index)) {
            Some(fault) => fault.effect.action(response.request()),
            None => Action::Next,
        }
    }
}

weir_sdk::export!(DelayAndFault);

#[cfg(test)]
mod tests;
