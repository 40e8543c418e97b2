//! Why the orchestrator is away, or does not do what it is asked, and how long it wants not to be asked again.

use std::time::Duration;

use tonic::Status;

use super::link::explain;

/// gRFC A6: milliseconds to the next attempt, as the server has it.
const PUSHBACK: &str = "grpc-retry-pushback-ms";
/// Whatever is asked, an agent comes again after this.
const LONGEST: Duration = Duration::from_secs(5 * 60);

/// An end, and what comes next.
#[derive(Debug)]
pub(crate) struct Parting {
    pub(crate) reason: String,
    /// At least, where the orchestrator says so.
    pub(crate) wait: Option<Duration>,
}

impl From<&str> for Parting {
    fn from(reason: &str) -> Self {
        Self { reason: reason.to_owned(), wait: None }
    }
}

impl From<tonic::transport::Error> for Parting {
    fn from(error: tonic::transport::Error) -> Self {
        Self { reason: explain(&error), wait: None }
    }
}

impl From<Status> for Parting {
    fn from(status: Status) -> Self {
        Self { reason: explain(&status), wait: asked_to_wait(&status) }
    }
}

/// How long whoever refused wants not to be asked again.
pub(crate) fn asked_to_wait(status: &Status) -> Option<Duration> {
    let asked = status.metadata().get(PUSHBACK)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_millis(asked).min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: Option<Duration>) {
        let mut status = Status::resource_exhausted("slow down");
        status.metadata_mut().insert(PUSHBACK, text.parse().unwrap());
        assert_eq!(asked_to_wait(&status), expect, "{text}");
    }

    #[test]
    fn what_is_asked_is_waited_for_within_a_bound() {
        check("1500", Some(Duration::from_millis(1500)));
        check("0", Some(Duration::ZERO));
        check("86400000", Some(LONGEST));
        for text in ["-1", "", "soon", "1.5", "99999999999999999999"] {
            check(text, None);
        }
        assert_eq!(asked_to_wait(&Status::unavailable("away")), None);
    }
}
