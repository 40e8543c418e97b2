//! Calls and timers that a filter has started for one exchange. The host only keeps the books: the agent makes the calls
//! and brings back what they came to.

use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use weir_artifact::Name;

use crate::{Placeholder, UpstreamError};

/// Calls and timers of one filter in one exchange.
const CALLS: u8 = 16;

/// What the agent is to do for a filter that waits.
#[derive(Debug)]
pub struct Call {
    /// For [`crate::Run::call_ended`].
    pub id: u32,
    /// What it is.
    pub kind: CallKind,
}

/// A timer or a request.
#[derive(Debug)]
pub enum CallKind {
    /// Let so much time pass.
    Timer(Duration),
    /// Send a request and read the whole response.
    Request(Box<CallRequest>),
}

/// A request that a filter makes.
#[derive(Debug)]
pub struct CallRequest {
    /// Who makes it.
    pub filter: Name,
    /// Which server of its publication it goes to.
    pub upstream: Name,
    /// The request; its URI is in absolute form, and Content-Length is the agent's to set.
    pub request: Request<Bytes>,
    /// What stands for secrets in its fields.
    pub placeholders: Vec<Placeholder>,
    /// For the whole call.
    pub timeout: Duration,
    /// Content that is longer is [`UpstreamError::TooLarge`].
    pub max_bytes: usize,
}

/// What a call came to.
#[derive(Debug, Clone)]
pub enum CallOutcome {
    /// The time of a timer has passed.
    Elapsed,
    /// A whole response.
    Response(CallResponse),
    /// There is none.
    Failed(UpstreamError),
}

/// The response to a call.
#[derive(Debug, Clone)]
pub struct CallResponse {
    /// Its status.
    pub status: StatusCode,
    /// Its fields.
    pub headers: HeaderMap,
    /// Its content, as it came.
    pub body: Bytes,
}

/// The calls of one filter in one exchange.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    started: u8,
    /// Not handed to the agent yet.
    new: Vec<(u8, CallKind)>,
    under_way: u8,
    /// Not told to the filter yet.
    ended: VecDeque<(u8, CallOutcome)>,
}

/// The filter has started all that it may.
pub(crate) struct TooManyCalls;

impl Calls {
    /// The call's number for the guest.
    pub(crate) fn start(&mut self, kind: CallKind) -> Result<u32, TooManyCalls> {
        if self.started == CALLS {
            return Err(TooManyCalls);
        }
        let number = self.started;
        self.started += 1;
        self.under_way += 1;
        self.new.push((number, kind));
        Ok(number.into())
    }

    pub(crate) fn has_new(&self) -> bool {
        !self.new.is_empty()
    }

    /// For the agent; `of` is the filter's place in the run.
    pub(crate) fn take_new(&mut self, of: usize) -> impl Iterator<Item = Call> {
        self.new.drain(..).map(move |(number, kind)| Call { id: id(of, number), kind })
    }

    pub(crate) fn ended(&mut self, number: u8, outcome: CallOutcome) {
        self.under_way = self.under_way.saturating_sub(1);
        self.ended.push_back((number, outcome));
    }

    pub(crate) fn take_ended(&mut self) -> Option<(u32, CallOutcome)> {
        self.ended.pop_front().map(|(number, outcome)| (number.into(), outcome))
    }

    /// Can something that waits be resumed now?
    pub(crate) fn has_ended(&self) -> bool {
        !self.ended.is_empty()
    }

    /// Is there anything to wait for?
    pub(crate) fn has_any(&self) -> bool {
        self.under_way > 0 || self.has_ended()
    }
}

/// For the agent: which call of which filter.
pub(crate) fn id(of: usize, number: u8) -> u32 {
    (of as u32) << 8 | u32::from(number)
}

/// The filter's place in the run, and the call's number there.
pub(crate) fn of_id(id: u32) -> (usize, u8) {
    ((id >> 8) as usize, id as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_ended_is_told_once_and_in_order() {
        let mut calls = Calls::default();
        assert!(!calls.has_any());
        for number in 0..u32::from(CALLS) {
            assert_eq!(calls.start(CallKind::Timer(Duration::ZERO)).ok(), Some(number));
        }
        assert!(calls.start(CallKind::Timer(Duration::ZERO)).is_err());
        let ids: Vec<_> = calls.take_new(3).map(|call| of_id(call.id)).collect();
        assert_eq!(ids[..2], [(3, 0), (3, 1)]);
        assert!(calls.has_any() && !calls.has_ended());
        calls.ended(1, CallOutcome::Elapsed);
        calls.ended(0, CallOutcome::Elapsed);
        assert_eq!(calls.take_ended().map(|(number, _)| number), Some(1));
        assert_eq!(calls.take_ended().map(|(number, _)| number), Some(0));
        assert!(!calls.has_ended() && calls.has_any());
    }
}
