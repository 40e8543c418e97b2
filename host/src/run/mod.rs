//! One exchange's passage through a chain: what the agent drives.

mod core;
mod course;
mod events;
mod hooks;
mod messages;
mod middleware;
mod pipe;
mod slot;
mod waits;

use std::{rc::Rc, sync::Arc};

use bytes::Bytes;
use http::HeaderMap;
use weir_artifact::FailurePolicy;

use self::{core::Core, events::Events, pipe::Pipe, slot::Slot};
use crate::{
    Answer, Chain, Direction, DoneReason, Exchange, Filter, Instances, Length, Progress, Receipt, Summary,
    UpstreamError, bindings::weir::filter::http::Part, filter::Pick,
};

/// One exchange's passage through a chain, without I/O: the agent feeds heads, chunks and ends as they arrive, and
/// sends on what comes out. Request first, then response; the two bodies may be fed in turn.
pub struct Run {
    core: Core,
    slots: Vec<Slot>,
    request: Pipe,
    response: Pipe,
    /// What is through the pipe of the response is a stream of events, which filters look at.
    events: Option<Box<Events>>,
    /// From [`Self::output`], where it cannot be returned.
    answer: Option<Answer>,
    /// No response came: filters were told so in place of a response head.
    upstream_failed: bool,
    /// Filters that are still to hear that no response came: those before this one.
    failing: Option<(usize, UpstreamError)>,
    finished: bool,
}

impl Run {
    /// Begins the passage with the filters that `applies` picks. No guest runs yet.
    pub fn begin(
        instances: &Rc<Instances>,
        chain: &Arc<Chain>,
        exchange: Box<Exchange>,
        applies: impl Fn(&Filter) -> bool,
    ) -> Self {
        Self::begin_under(instances, chain, exchange, |filter| applies(filter).then(|| filter.publication().on_failure))
    }

    /// The same, where `policy` says what the exchange gets when a filter that it meets fails; none: it does not meet it.
    pub fn begin_under(
        instances: &Rc<Instances>,
        chain: &Arc<Chain>,
        exchange: Box<Exchange>,
        policy: impl Fn(&Filter) -> Option<FailurePolicy>,
    ) -> Self {
        let mut slots = Vec::with_capacity(chain.filters().len());
        for (index, filter) in chain.filters().iter().enumerate() {
            let Some(policy) = policy(filter) else { continue };
            slots.push(match filter.pick(policy) {
                Pick::This => Slot::new(index, filter, policy),
                Pick::Fallback(substitute) => Slot::substituted(index, substitute, policy),
                Pick::Nobody => Slot::refused(index, filter, policy),
            });
        }
        Self {
            request: Pipe::new(Direction::Request, slots.len()),
            response: Pipe::new(Direction::Response, 0),
            events: None,
            core: Core::new(Rc::clone(instances), Arc::clone(chain), exchange),
            slots,
            answer: None,
            upstream_failed: false,
            failing: None,
            finished: false,
        }
    }

    /// The exchange as it is now.
    pub fn exchange(&self) -> &Exchange {
        self.core.exchange()
    }

    /// The exchange, to be changed by the agent: this does not count as a filter's change.
    pub fn exchange_mut(&mut self) -> &mut Exchange {
        self.core.exchange_mut()
    }

    /// The request head is there. `end_of_stream`: it has no body.
    pub fn request_head(&mut self, end_of_stream: bool) -> Progress {
        let result = self.request.head(&mut self.core, &mut self.slots, end_of_stream);
        self.settle(Direction::Request, result)
    }

    /// The response head is there: the agent has put it into the exchange. `end_of_stream`: it has no body.
    pub fn response_head(&mut self, end_of_stream: bool) -> Progress {
        self.core.freeze(Part::Request);
        if self.core.answered.is_none() {
            self.response = Pipe::new(Direction::Response, self.request.entered());
        }
        let result = self.response.head(&mut self.core, &mut self.slots, end_of_stream);
        self.settle(Direction::Response, result)
    }

    /// Bytes of a body. Before the next ones, take [`Self::output`] until there is none.
    pub fn chunk(&mut self, direction: Direction, chunk: Bytes) -> Progress {
        if let Some(answer) = self.answer.take() {
            return Progress::Answer(answer);
        }
        let (pipe, core, slots) = self.parts(direction);
        let result = pipe.chunk(core, slots, chunk);
        self.settle(direction, result)
    }

    /// The body ended. Nothing to do for a head that came with `end_of_stream`.
    pub fn end(&mut self, direction: Direction, trailers: Option<HeaderMap>) -> Progress {
        if let Some(answer) = self.answer.take() {
            return Progress::Answer(answer);
        }
        let (pipe, core, slots) = self.parts(direction);
        let result = pipe.end(core, slots, trailers);
        self.settle(direction, result)
    }

    /// Bytes that are through the whole chain. When a compressed body is decoded for a filter, this is what drives the
    /// decoding on, so that memory stays bounded; should a filter answer or fail on the way, this gives none and
    /// [`Self::answer`] has the answer.
    pub fn output(&mut self, direction: Direction) -> Option<Bytes> {
        match self.next_output(direction) {
            Ok(bytes) => bytes,
            Err(answer) => {
                self.halt(direction);
                self.answer = Some(*answer);
                None
            }
        }
    }

    fn next_output(&mut self, direction: Direction) -> Result<Option<Bytes>, Box<Answer>> {
        if direction == Direction::Response
            && let Some(mut events) = self.events.take()
        {
            let output = self.event_output(&mut events);
            self.events = Some(events);
            return output;
        }
        let (pipe, core, slots) = self.parts(direction);
        pipe.output(core, slots)
    }

    /// An answer that came up in [`Self::output`]: look here whenever that gave nothing although the body is not
    /// drained. Otherwise the next `chunk` or `end` returns it.
    pub fn answer(&mut self) -> Option<Answer> {
        self.answer.take()
    }

    /// The body ended and all of it was taken by [`Self::output`]; trailers are in the exchange.
    pub fn is_drained(&self, direction: Direction) -> bool {
        let is_drained = match self.events(direction) {
            Some(events) => events.is_drained(),
            None => self.pipe(direction).is_drained(),
        };
        is_drained && self.answer.is_none()
    }

    /// The exchange took another course, or is over: nothing more comes out, and whoever carries this body on has to
    /// break it off. To end it would make half a body look whole.
    pub fn is_stopped(&self, direction: Direction) -> bool {
        self.pipe(direction).is_stopped()
    }

    /// Does any filter take part in this body or its trailers, or is some of it still in here? If not, the agent
    /// forwards the body without the run. To be asked when the head is open.
    pub fn sees_body(&self, direction: Direction) -> bool {
        self.events(direction).is_some() || self.pipe(direction).sees_body(&self.slots)
    }

    /// What is known of the body's length. To be asked when the head is open, before any output is taken.
    pub fn length(&self, direction: Direction) -> Length {
        if self.events(direction).is_some() { Length::Unknown } else { self.pipe(direction).length(&self.slots) }
    }

    /// The response head is on its way to the client: a later `respond` of a filter becomes [`Answer::Abort`].
    pub fn response_committed(&mut self) {
        self.core.committed = true;
    }

    /// The exchange is over, and this is what it came to: tells the filters that asked to know, then as [`Self::finish`].
    pub fn complete(&mut self, reason: DoneReason, summary: &Summary) {
        if !self.finished {
            self.request.stop();
            self.response.stop();
            self.core.freeze_all();
            for at in 0..self.slots.len() {
                self.slots[at].completed(&mut self.core, reason, summary);
            }
        }
        self.finish(reason);
    }

    /// The exchange is over: tells every filter that met it. Dropping the run does this with
    /// [`DoneReason::ClientGone`].
    pub fn finish(&mut self, reason: DoneReason) {
        if std::mem::replace(&mut self.finished, true) {
            return;
        }
        self.request.stop();
        self.response.stop();
        for slot in &mut self.slots {
            slot.done(&mut self.core, reason);
        }
    }

    /// What each filter did, in chain order; filters that were never asked for anything are left out.
    pub fn receipts(&self) -> impl Iterator<Item = Receipt<'_>> {
        self.slots.iter().filter_map(|slot| slot.receipt(&self.core.chain))
    }

    fn settle(&mut self, direction: Direction, result: Result<Progress, Box<Answer>>) -> Progress {
        result.unwrap_or_else(|answer| {
            self.halt(direction);
            Progress::Answer(*answer)
        })
    }

    /// An answer ends the way of the body it came from; one to a response ends the request's way, too.
    fn halt(&mut self, direction: Direction) {
        if direction == Direction::Response {
            self.response.stop();
        }
        self.request.stop();
    }

    fn events(&self, direction: Direction) -> Option<&Events> {
        self.events.as_deref().filter(|_| direction == Direction::Response)
    }

    fn pipe(&self, direction: Direction) -> &Pipe {
        match direction {
            Direction::Request => &self.request,
            Direction::Response => &self.response,
        }
    }

    fn parts(&mut self, direction: Direction) -> (&mut Pipe, &mut Core, &mut [Slot]) {
        let pipe = match direction {
            Direction::Request => &mut self.request,
            Direction::Response => &mut self.response,
        };
        (pipe, &mut self.core, &mut self.slots)
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.finish(DoneReason::ClientGone);
    }
}
