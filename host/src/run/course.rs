//! The exchange takes another course than to the upstream and back: a filter answers, or no response comes.

use super::{Run, pipe::Pipe};
use crate::{Answer, Direction, LocalResponse, Progress, UpstreamError, bindings::weir::filter::http::Part};

impl Run {
    /// While the response is awaited: has a filter answered, or failed, before it is there?
    pub fn early_answer(&mut self) -> Option<Answer> {
        if self.slots.iter().all(|slot| slot.part.is_none()) {
            return None;
        }
        for at in (0..self.request.entered()).rev().filter(|at| self.slots[*at].part.is_some()).collect::<Vec<_>>() {
            if let Err(answer) = self.slots[at].early(&mut self.core, at) {
                self.halt(Direction::Request);
                return Some(*answer);
            }
        }
        None
    }

    /// No response came. `Open`: no filter answered, use the agent's own error response. `Waiting`: one may yet, see
    /// [`Self::resume`] of the response.
    pub fn upstream_error(&mut self, error: UpstreamError) -> Progress {
        self.core.freeze(Part::Request);
        self.upstream_failed = true;
        self.failing = Some((self.request.entered(), error));
        self.request.stop();
        self.tell_error()
    }

    pub(super) fn tell_error(&mut self) -> Progress {
        while let Some((entered, error)) = self.failing.take().filter(|(entered, _)| *entered > 0) {
            let at = entered - 1;
            let slot = &mut self.slots[at];
            let told = if slot.runs_beside {
                if let Some(part) = &slot.part {
                    part.wire().take_news(Direction::Response);
                }
                slot.middleware_error(&mut self.core, at, &error)
            } else {
                slot.upstream_error(&mut self.core, at, &error).map(Some)
            };
            match told {
                Err(answer) => return self.settle(Direction::Response, Err(answer)),
                Ok(Some(())) => self.failing = Some((at, error)),
                Ok(None) => {
                    self.failing = Some((entered, error));
                    return Progress::Waiting;
                }
            }
        }
        Progress::Open
    }

    /// After [`Answer::Respond`]: makes it the exchange's response. The agent goes on with [`Self::response_head`],
    /// [`Self::chunk`] and [`Self::end`]; these run only the filters entered before the one that answered. A response
    /// of the agent's own may be given too.
    pub fn respond_with(&mut self, response: LocalResponse) {
        let told = if self.upstream_failed { 0 } else { self.request.entered() };
        let before = *self.core.answered.get_or_insert(told);
        self.request.stop();
        self.answer = None;
        self.events = None;
        self.core.respond(response);
        for slot in &mut self.slots {
            slot.meets_another_response();
        }
        self.response = Pipe::new(Direction::Response, before);
    }
}
