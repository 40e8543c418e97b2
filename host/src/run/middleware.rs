//! The part that a guest beside the exchange has in it, as the chain sees it: heads and chunks are given to the guest over its wire, and
//! what it makes of them is taken when it is there. What it says is held to the rules of the contract before it counts.

mod heads;
mod part;
mod slot;

use std::{
    collections::VecDeque,
    sync::{Arc, Weak},
    task::{Wake, Waker},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, response};
use wasmtime_wasi_http::WasiBody;

use self::heads::Kept;
use crate::{
    Direction, Exchange, Failure, Filter, UpstreamError,
    middleware::{self, InputBody, Task, Wire},
    room::Place,
};

/// One exchange's guest.
pub(super) struct Part {
    wire: Arc<Wire>,
    sides: [Side; 2],
    /// The next handler came to nothing, and the guest knows.
    pub(super) told_error: bool,
    /// It answers of itself.
    pub(super) responds: bool,
}

#[derive(Default)]
struct Side {
    stage: Stage,
    /// Fields of the head that is given which are no guest's.
    kept: Kept,
    waker: Option<Waker>,
    body: Option<WasiBody>,
    /// The head may go only when it is known whether a body follows.
    head: Option<Made>,
    first: Option<Pull>,
    /// The length that the guest promised.
    declared: Option<u64>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Idle,
    /// The head is with the guest.
    Given,
    /// The guest has handed a head on; its body follows.
    Out,
    Done,
}

/// A head that the guest handed on.
enum Made {
    Request(Box<http::request::Parts>),
    Response(Box<response::Parts>),
}

/// What there is of a body.
pub(super) enum Pull {
    Chunk(Bytes),
    End(Option<HeaderMap>),
    /// Not yet.
    Nothing,
    Broken(Failure),
    /// The guest breaks it off.
    Aborts,
}

/// Where a head stands.
pub(super) enum Head {
    /// Still with the guest.
    Nothing,
    /// Handed on; whether it or what comes with it is another than before, and whether a body follows.
    Out {
        changed: bool,
        bodyless: bool,
    },
    /// The guest answers in place of what comes after it.
    Responds(Box<response::Parts>),
    /// The guest closes the exchange.
    Aborts,
    Failed(Failure),
}

impl Part {
    /// The guest begins, with the request as it is now.
    pub(super) fn begin(filter: &Arc<Filter>, place: Place, exchange: &mut Exchange, bodyless: bool) -> (Self, Task) {
        let limits = &filter.publication().limits;
        let wire = Arc::new(Wire::new(Duration::from_millis(limits.cpu_ms.into())));
        let mut part = Self { sides: Default::default(), told_error: false, responds: false, wire };
        for direction in [Direction::Request, Direction::Response] {
            let signal = Signal { wire: Arc::downgrade(&part.wire), direction };
            part.side(direction).waker = Some(Waker::from(Arc::new(signal)));
        }
        let body = InputBody::new(&part.wire, Direction::Request);
        let request = heads::request(exchange, &mut part.side(Direction::Request).kept, body);
        part.given(Direction::Request, bodyless);
        let task = middleware::start(filter, &part.wire, request, exchange, place);
        (part, task)
    }

    /// The response has come as far as this, on its way back.
    pub(super) fn give_response(&mut self, exchange: &mut Exchange, bodyless: bool) {
        let response = heads::response(exchange, &mut self.side(Direction::Response).kept);
        self.given(Direction::Response, bodyless);
        self.wire.answer(Ok(response));
    }

    fn given(&mut self, direction: Direction, bodyless: bool) {
        self.side(direction).stage = Stage::Given;
        if bodyless {
            self.wire.push_end(direction, None);
        }
    }

    fn side(&mut self, direction: Direction) -> &mut Side {
        &mut self.sides[direction.index()]
    }

    fn stage(&self, direction: Direction) -> Stage {
        self.sides[direction.index()].stage
    }

    pub(super) fn wire(&self) -> &Wire {
        &self.wire
    }

    /// Does the body of this direction go through the guest now?
    pub(super) fn is_tap(&self, direction: Direction) -> bool {
        matches!(self.stage(direction), Stage::Given | Stage::Out)
    }

    /// The guest has given all that it gives in this direction.
    pub(super) fn is_done(&self, direction: Direction) -> bool {
        self.stage(direction) == Stage::Done
    }

    pub(super) fn is_idle(&self, direction: Direction) -> bool {
        self.stage(direction) == Stage::Idle
    }

    pub(super) fn declared(&self, direction: Direction) -> Option<u64> {
        self.sides[direction.index()].declared
    }

    /// What came in goes out as it is: the guest handed the very body on.
    pub(super) fn is_spliced(&self, direction: Direction) -> bool {
        self.wire.is_spliced(direction)
    }

    /// It failed before it took any of a body: what it was given, to go on without it.
    pub(super) fn take_back(&mut self, direction: Direction) -> Option<(VecDeque<Bytes>, Option<HeaderMap>)> {
        let taken = self.wire.take_back(direction)?;
        let side = self.side(direction);
        side.stage = Stage::Done;
        Some(taken)
    }

    /// Its own response takes its place in the exchange.
    pub(super) fn answers(&mut self) {
        self.responds = true;
        self.side(Direction::Response).stage = Stage::Given;
        self.side(Direction::Request).stage = Stage::Done;
        // the chain takes no more of the client's
        self.wire.break_off(Direction::Request);
        self.wire.asks_nothing(Direction::Request);
    }

    pub(super) fn upstream_error(&mut self, error: &UpstreamError) {
        self.told_error = true;
        self.wire.answer(Err(error.clone()));
    }

    /// The status of the response that comes out, as far as it is known.
    pub(super) fn status(&mut self, exchange: &Exchange, direction: Direction) -> Option<http::StatusCode> {
        match (direction, &self.side(direction).head) {
            (Direction::Request, _) => None,
            (_, Some(Made::Response(head))) => Some(head.status),
            _ => self.wire.status().or_else(|| Some(exchange.response.as_ref()?.status)),
        }
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.wire.close();
    }
}

/// How a head came to the guest.
#[derive(Clone, Copy)]
pub(super) struct Fed {
    /// Without a body.
    pub(super) bodyless: bool,
    /// There is none to the response, whatever the guest says (RFC 9110 section 6.4.1).
    pub(super) has_no_content: bool,
    /// The response is the upstream's.
    pub(super) keeps_original: bool,
}

/// Wakes the chain when a body of the guest has more.
struct Signal {
    wire: Weak<Wire>,
    direction: Direction,
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        if let Some(wire) = self.wire.upgrade() {
            wire.has_more(self.direction);
        }
    }
}
