//! A tunnel of a case, as an agent asks the chain about it: before it dials, and when TLS begins inside.

use std::rc::Rc;

use weir_golden::{Case, Course, Outcome, Verdict};
use weir_host::{Chain, ClientHello, Instances, Passage, Tunnel, on_client_hello, on_connect};

use crate::convert::{self, CaseFault};

pub(crate) fn ask(
    instances: &Rc<Instances>,
    chain: &Chain,
    case: &Case,
    asked: &weir_golden::Tunnel,
) -> Result<Outcome, CaseFault> {
    let from = convert::connection(case)?;
    let mut tunnel = Tunnel {
        entry: from.entry,
        client_address: from.client_address,
        user: from.user,
        target: asked.target.clone(),
    };
    let mut course = Course::default();
    let connected = on_connect(instances, chain, tunnel.clone(), |filter, _| Some(filter.publication().on_failure));
    if let Some(outcome) = goes_on(connected, &mut course) {
        return Ok(outcome);
    }
    if let Some(hello) = &asked.hello {
        if let Some(target) = &course.redirect {
            tunnel.target.clone_from(target);
        }
        let hello = ClientHello { server_name: hello.server_name.clone(), alpn: hello.alpn.clone() };
        let greeted =
            on_client_hello(instances, chain, tunnel, &hello, |filter, _| Some(filter.publication().on_failure));
        if let Some(outcome) = goes_on(greeted, &mut course) {
            return Ok(outcome);
        }
    }
    Ok(Outcome { verdict: Verdict::Open, tunnel: course, ..Outcome::invalid(Vec::new()) })
}

/// Adds to the course; an outcome, if it is the end of it. What is said of the handshake goes before what was said of the target.
fn goes_on(passage: Passage, course: &mut Course) -> Option<Outcome> {
    match passage {
        Passage::Open { redirect, intercept } => {
            course.redirect = redirect.map(|redirect| redirect.target).or(course.redirect.take());
            course.intercept = intercept.or(course.intercept);
            None
        }
        Passage::Denied { reason, .. } => {
            let tunnel = Course { reason: Some(reason), ..Course::default() };
            Some(Outcome { verdict: Verdict::Deny, tunnel, ..Outcome::invalid(Vec::new()) })
        }
        Passage::Failed(failure) => {
            let reason = Some(failure.to_string());
            Some(Outcome { verdict: Verdict::Fail, reason, ..Outcome::invalid(Vec::new()) })
        }
    }
}
