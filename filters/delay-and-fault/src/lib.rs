//! Makes exchanges late or has them fail on purpose, to see what clients make of it. In: heads. Out: a wait, then an abort,
//! an error, or nothing at all.
#![forbid(unsafe_code)]

mod chance;
mod config;
mod delay;
mod effect;
mod fault;

use weir_sdk::{
    Action, CallOutcome, Filter, Problems, Request, Response, Resumed, Resumption, Subscription, matching::Facts,
};

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
    /// The fault that has struck, by its place.
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

    fn request_head(&self, request: &mut Request, struck: &mut Option<usize>) -> Action {
        let facts = Facts::of(request);
        *struck = self.faults.iter().position(|fault| fault.strikes(&facts, request));
        self.faults.iter().for_each(|fault| fault.clean(request));
        self.of(*struck, Phase::Request).map_or(Action::Next, |fault| fault.begin(request))
    }

    fn response_head(&self, response: &mut Response, struck: &mut Option<usize>) -> Action {
        self.of(*struck, Phase::Response).map_or(Action::Next, |fault| fault.begin(response.request()))
    }

    fn resumed(&self, resumed: &mut Resumed, _: CallOutcome, struck: &mut Option<usize>) -> Resumption {
        let fault = struck.and_then(|index| self.faults.get(index));
        fault.map_or(Resumption::Proceed, |fault| fault.finish(resumed.request()))
    }
}

impl DelayAndFault {
    /// The fault that has struck, if it is about this phase.
    fn of(&self, struck: Option<usize>, phase: Phase) -> Option<&Fault> {
        struck.and_then(|index| self.faults.get(index)).filter(|fault| fault.phase == phase)
    }
}

weir_sdk::export!(DelayAndFault);

#[cfg(test)]
mod tests;
