//! Requests that the guest of an exchange makes to servers of its publication: on their way to the agent, and what came of
//! them on its way back.

use std::{
    sync::{MutexGuard, PoisonError, atomic::Ordering::Relaxed},
    task::Waker,
    time::Instant,
};

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
    /// The agent, when it is to come.
    agent: Option<Waker>,
}

impl Wire {
    /// Comes back with what the agent brings. Not at all where the exchange is over first.
    pub(in crate::middleware) fn fetch(
        &self,
        request: CallRequest,
    ) -> Result<oneshot::Receiver<CallOutcome>, TooManyCalls> {
        let timeout = request.timeout;
        let mut asked = self.asked();
        let number = asked.waiting.iter().position(Option::is_none).ok_or(TooManyCalls)?;
        let (tell, outcome) = oneshot::channel();
        asked.waiting[number] = Some(tell);
        asked.new.push((number as u8, request));
        let agent = asked.agent.take();
        drop(asked);
        self.calls.fetch_add(1, Relaxed);
        let mut inner = self.lock();
        inner.longest_call = inner.longest_call.max(timeout);
        drop(inner);
        if let Some(agent) = agent {
            agent.wake();
        }
        Ok(outcome)
    }

    fn asked(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whom to wake when there is something to come for.
    pub(crate) fn listen_for_calls(&self, agent: &Waker) {
        self.asked().agent = Some(agent.clone());
    }

    /// Is a call under way? Then it is the agent that is waited for.
    pub(super) fn calls(&self) -> bool {
        self.calls.load(Relaxed) > 0
    }

    /// Has it asked for something that the agent has not come for?
    pub(crate) fn has_new_calls(&self) -> bool {
        self.calls() && !self.asked().new.is_empty()
    }

    /// For the agent; `of` is the filter's place in the run.
    pub(crate) fn take_calls(&self, of: usize) -> Vec<Call> {
        if !self.calls() {
            return Vec::new();
        }
        let mut asked = self.asked();
        let new = std::mem::take(&mut asked.new);
        let mut wanted = Vec::with_capacity(new.len());
        for (number, request) in new {
            let place = &mut asked.waiting[usize::from(number)];
            // the guest has given it up before it began
            if place.as_ref().is_none_or(oneshot::Sender::is_closed) {
                *place = None;
                self.calls.fetch_sub(1, Relaxed);
                continue;
            }
            wanted.push(Call { id: calls::id(of, number), kind: CallKind::Request(Box::new(request)) });
        }
        wanted
    }

    /// A call came to its end.
    pub(crate) fn call_ended(&self, number: u8, outcome: CallOutcome) {
        let mut asked = self.asked();
        let Some(tell) = asked.waiting.get_mut(usize::from(number)).and_then(Option::take) else { return };
        drop(asked);
        self.calls.fetch_sub(1, Relaxed);
        self.lock().moved = Instant::now();
        // nobody may wait any more
        let _ = tell.send(outcome);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use http::Request;

    use super::*;
    use crate::UpstreamError;

    fn request() -> CallRequest {
        CallRequest {
            filter: "asks".parse().unwrap(),
            upstream: "oracle".parse().unwrap(),
            request: Request::new(Bytes::new()),
            placeholders: Vec::new(),
            timeout: Duration::from_secs(1),
            max_bytes: 1,
        }
    }

    #[test]
    fn each_call_has_its_outcome_and_its_place_goes_to_another() {
        let wire = Wire::new(Duration::from_secs(1));
        let mut waiting: Vec<_> = (0..CALLS).filter_map(|_| wire.fetch(request()).ok()).collect();
        assert!(waiting.len() == CALLS && wire.fetch(request()).is_err() && wire.has_new_calls());
        let calls = wire.take_calls(2);
        assert!(calls.len() == CALLS && !wire.has_new_calls() && wire.take_calls(2).is_empty());
        let (of, number) = calls::of_id(calls[5].id);
        wire.call_ended(number, CallOutcome::Failed(UpstreamError::Dns));
        wire.call_ended(number, CallOutcome::Failed(UpstreamError::Reset));
        assert!(of == 2 && matches!(waiting[5].try_recv(), Ok(CallOutcome::Failed(UpstreamError::Dns))));
        assert!(wire.fetch(request()).is_ok() && wire.fetch(request()).is_err());
    }

    #[test]
    fn what_was_given_up_before_it_began_is_not_begun() {
        let wire = Wire::new(Duration::from_secs(1));
        drop(wire.fetch(request()));
        assert!(wire.calls() && wire.take_calls(0).is_empty() && !wire.calls());
        let given_up = wire.fetch(request());
        let [call] = &wire.take_calls(0)[..] else { panic!("one begins") };
        drop(given_up);
        assert!(wire.calls(), "it counts until it ends");
        wire.call_ended(calls::of_id(call.id).1, CallOutcome::Failed(UpstreamError::Reset));
        assert!(!wire.calls());
    }
}
