//! An exchange takes another course: whichever part finds that out, the one that can act on it takes it up.

use std::task::{Context, Poll, Waker};

use weir_host::{Answer, LocalResponse};

use super::super::problem::Problem;
use super::Live;

/// An exchange takes another course than to the upstream and back.
#[derive(Debug)]
pub(in super::super) enum Stop {
    /// A filter answers.
    Respond(LocalResponse),
    /// The agent answers, because it is the one that was asked.
    Reply(LocalResponse),
    /// The agent answers, because there is nothing better.
    Problem(Problem),
    /// Nobody does: the client sees its connection or its stream end.
    Abort,
}

#[derive(Default)]
pub(super) struct Stopping {
    stop: Option<Stop>,
    waker: Option<Waker>,
}

impl From<Answer> for Stop {
    fn from(answer: Answer) -> Self {
        match answer {
            Answer::Respond(response) => Stop::Respond(response),
            Answer::Abort => Stop::Abort,
            Answer::Failed(failure) => Stop::Problem(Problem::from(&failure)),
        }
    }
}

impl From<Problem> for Stop {
    fn from(problem: Problem) -> Self {
        Stop::Problem(problem)
    }
}

impl Live {
    /// For a part that cannot answer by itself: the part that can, or that sends the reply, takes it up.
    pub(in super::super) fn stop(&self, stop: Stop) {
        self.ends_by(&stop);
        let mut stopping = self.stopping.borrow_mut();
        stopping.stop.get_or_insert(stop);
        if let Some(waker) = stopping.waker.take() {
            waker.wake();
        }
    }

    pub(in super::super) fn poll_stop(&self, cx: &mut Context<'_>) -> Poll<Stop> {
        let mut stopping = self.stopping.borrow_mut();
        if let Some(stop) = stopping.stop.take() {
            return Poll::Ready(stop);
        }
        if stopping.waker.as_ref().is_none_or(|waker| !waker.will_wake(cx.waker())) {
            stopping.waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }
}
