//! Requests that the guest of an exchange makes to servers of its publication: on their way to the agent, and what came of
//! them on its way back.

use std::sync::{PoisonError, atomic::Ordering::Relaxed};

use tokio::sync::oneshot;

use super::Wire;
use crate::calls::{self, Call, CallKind, CallOutcome, CallRequest, TooManyCalls};

/// Under way at once.
const CALLS: usize = 16;

/// A request, while the agent has not come for it, and then its place, until there is an outcome.
#[derive(Default)]
pub(super) struct Asked {
    new: Vec<(u8, CallRequest)>,
    /// Whoever waits for the outcome, by number.
    waiting: [Option<oneshot::Sender<CallOutcome>>; CALLS],
}

impl Wire {
    /// Comes back with what the agent brings. Not at all where the exchange is over first.
    pub(in crate::middleware) fn fetch(
        &self,
        request: CallRequest,
    ) -> Result<oneshot::Receiver<CallOutcome>, TooManyCalls> {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let number = asked.waiting.iter().position(Option::is_none).ok_or(TooManyCalls)?;
        let (tell, outcome) = oneshot::channel();
        asked.waiting[number] = Some(tell);
        asked.new.push((number as u8, request));
        drop(asked);
        self.calls.fetch_add(1, Relaxed);
        // whoever drives the exchange comes for it
        self.notify_both();
        Ok(outcome)
    }

    /// Is a call under way? Then it is the agent that is waited for.
    pub(super) fn calls(&self) -> bool {
        self.calls.load(Relaxed) > 0
    }

    /// Has it asked for something that the agent has not come for?
    pub(crate) fn has_new_calls(&self) -> bool {
        self.calls() && !self.asked.lock().unwrap_or_else(PoisonError::into_inner).new.is_empty()
    }

    /// For the agent; `of` is the filter's place in the run.
    pub(crate) fn take_calls(&self, of: usize) -> Vec<Call> {
        if !self.calls() {
            return Vec::new();
        }
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let request =
            |(number, request)| Call { id: calls::id(of, number), kind: CallKind::Request(Box::new(request)) };
        asked.new.drain(..).map(request).collect()
    }

    /// A call came to its end.
    pub(crate) fn call_ended(&self, number: u8, outcome: CallOutcome) {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(tell) = asked.waiting.get_mut(usize::from(number)).and_then(Option::take) else { return };
        drop(asked);
        self.calls.fetch_sub(1, Relaxed);
        self.moves();
        // nobody may wait any more
        let _ = tell.send(outcome);
    }
}
