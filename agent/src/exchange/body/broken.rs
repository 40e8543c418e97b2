//! Why a body does not come to its end, and what becomes of its exchange then.

use std::time::Duration;

use super::super::{live::Stop, problem::Problem};

/// Why a body does not come to its end.
#[derive(Debug, thiserror::Error)]
pub(in crate::exchange) enum Broken {
    #[error("the client's body broke off: {0}")]
    Client(hyper::Error),
    #[error("the upstream's body broke off: {0}")]
    Upstream(hyper::Error),
    #[error("nothing more of the body came from the {who} for {} seconds", limit.as_secs())]
    Idle { who: &'static str, limit: Duration },
    #[error("the exchange was stopped")]
    Stopped,
}

impl From<Broken> for Stop {
    fn from(broken: Broken) -> Self {
        let text = broken.to_string();
        match broken {
            Broken::Client(_) => Stop::Problem(Problem::request_body(text)),
            Broken::Idle { who: "client", .. } => Stop::Problem(Problem::request_silent(text)),
            Broken::Upstream(_) => Stop::Problem(Problem::upstream_protocol(text)),
            Broken::Idle { .. } => Stop::Problem(Problem::upstream_silent(text)),
            Broken::Stopped => Stop::Abort,
        }
    }
}
