//! One exchange's passage through a chain.

use std::{collections::VecDeque, rc::Rc, sync::Arc};

use bytes::Bytes;
use http::HeaderMap;

use crate::{
    Answer, Chain, Direction, DoneReason, Exchange, Filter, Instances, Length, LocalResponse, Progress, Receipt,
    UpstreamError,
};

/// One exchange's passage through a chain, without I/O: the agent feeds heads, chunks and ends as they arrive, and
/// sends on what comes out. Request first, then response; the two bodies may be fed in turn.
pub struct Run {
    exchange: Option<Box<Exchange>>,
    _instances: Rc<Instances>,
    _chain: Arc<Chain>,
    output: [VecDeque<Bytes>; 2],
    ended: [bool; 2],
}

impl Run {
    /// Begins the passage with the filters that `applies` picks. No guest runs yet.
    pub fn begin(
        instances: &Rc<Instances>,
        chain: &Arc<Chain>,
        exchange: Box<Exchange>,
        _applies: impl Fn(&Filter) -> bool,
    ) -> Self {
        Self {
            exchange: Some(exchange),
            _instances: Rc::clone(instances),
            _chain: Arc::clone(chain),
            output: Default::default(),
            ended: [false; 2],
        }
    }

    /// The exchange as it is now.
    pub fn exchange(&self) -> &Exchange {
        self.exchange.as_deref().expect("the exchange is lent only while a hook runs")
    }

    /// The exchange, to be changed by the agent: this does not count as a filter's change.
    pub fn exchange_mut(&mut self) -> &mut Exchange {
        self.exchange.as_deref_mut().expect("the exchange is lent only while a hook runs")
    }

    /// The request head is there. `end_of_stream`: it has no body.
    pub fn request_head(&mut self, end_of_stream: bool) -> Progress {
        self.ended[0] = end_of_stream;
        Progress::Open
    }

    /// The response head is there: the agent has put it into the exchange.
    pub fn response_head(&mut self, end_of_stream: bool) -> Progress {
        self.ended[1] = end_of_stream;
        Progress::Open
    }

    /// Bytes of a body. Before the next ones, take [`Self::output`] until there is none.
    pub fn chunk(&mut self, direction: Direction, chunk: Bytes) -> Progress {
        self.output[direction.index()].push_back(chunk);
        Progress::Open
    }

    /// The body ended. Nothing to do for a head that came with `end_of_stream`.
    pub fn end(&mut self, direction: Direction, trailers: Option<HeaderMap>) -> Progress {
        self.ended[direction.index()] = true;
        match direction {
            Direction::Request => self.exchange_mut().request_trailers = trailers,
            Direction::Response => self.exchange_mut().response_trailers = trailers,
        }
        Progress::Open
    }

    /// Bytes that are through the whole chain. When a compressed body is decoded for a filter, this is what drives the
    /// decoding on, so that memory stays bounded; should a filter answer or fail on the way, this gives none and
    /// [`Self::answer`] has the answer.
    pub fn output(&mut self, direction: Direction) -> Option<Bytes> {
        self.output[direction.index()].pop_front()
    }

    /// An answer that came up in [`Self::output`]: look here whenever that gave nothing although the body is not
    /// drained. Otherwise the next `chunk` or `end` returns it.
    pub fn answer(&mut self) -> Option<Answer> {
        None
    }

    /// The body ended and all of it was taken by [`Self::output`]; trailers are in the exchange.
    pub fn is_drained(&self, direction: Direction) -> bool {
        self.ended[direction.index()] && self.output[direction.index()].is_empty()
    }

    /// Does any filter take part in this body or its trailers, or is some of it still in here? If not, the agent
    /// forwards the body without the run. To be asked when the head is open.
    pub fn sees_body(&self, _direction: Direction) -> bool {
        false
    }

    /// What is known of the body's length. To be asked when the head is open.
    pub fn length(&self, _direction: Direction) -> Length {
        Length::AsReceived
    }

    /// No response came. `Open`: no filter answered, use the agent's own error response.
    pub fn upstream_error(&mut self, _error: UpstreamError) -> Progress {
        Progress::Open
    }

    /// After [`Answer::Respond`]: makes it the exchange's response. The agent goes on with [`Self::response_head`],
    /// [`Self::chunk`] and [`Self::end`]; these run only the filters entered before the one that answered.
    pub fn respond_with(&mut self, response: LocalResponse) {
        let (mut parts, ()) = http::Response::new(()).into_parts();
        parts.status = response.status;
        parts.headers = response.headers;
        self.exchange_mut().response = Some(parts);
    }

    /// The response head is on its way to the client: a later `respond` of a filter becomes [`Answer::Abort`].
    pub fn response_committed(&mut self) {}

    /// The exchange is over: tells every filter that met it. Dropping the run does this with
    /// [`DoneReason::ClientGone`].
    pub fn finish(&mut self, _reason: DoneReason) {}

    /// What each filter did, in chain order; filters that were never asked for anything are left out.
    pub fn receipts(&self) -> impl Iterator<Item = Receipt<'_>> {
        std::iter::empty()
    }
}
