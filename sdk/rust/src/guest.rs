//! One instance of a filter: the filter itself and the state of each exchange, behind the plain functions and exchange
//! numbers of the contract. The same code runs in wasm and in native tests.

use std::{
    cell::{OnceCell, RefCell},
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
    time::Duration,
};

use crate::{
    Action, CallOutcome, Chunk, ChunkAction, ClientHello, Completed, Connect, Content, Decision, Done, DoneReason,
    Filter, Hook, MessageAction, Messages, Origin, Problem, Request, Response, Resumed, Resumption, Subscription,
    Summary, Tick, Trailers, TrailersAction, Tunnel, UpstreamError, config, exchange::Direction, headers::Part,
};

/// One instance of a filter. Hooks before `configure` do nothing; the agent calls none.
pub struct Guest<F: Filter> {
    filter: OnceCell<F>,
    states: RefCell<HashMap<u32, F::State, BuildHasherDefault<NumberHasher>>>,
}

impl<F: Filter> Guest<F> {
    /// Not configured yet.
    pub const fn new() -> Self {
        Self { filter: OnceCell::new(), states: RefCell::new(HashMap::with_hasher(BuildHasherDefault::new())) }
    }

    pub(crate) fn validate_config(&self, json: &str) -> Vec<Problem> {
        match config::parse(json).and_then(F::new) {
            Ok(_) => Vec::new(),
            Err(problems) => problems.into_vec(),
        }
    }

    pub(crate) fn configure(&self, json: &str) -> Result<Subscription, String> {
        let filter = config::parse(json).and_then(F::new).map_err(|problems| problems.to_string())?;
        let subscription = filter.subscription();
        self.filter.set(filter).map_err(|_| "configured twice".to_owned())?;
        Ok(subscription)
    }

    pub(crate) fn request_head(&self, number: u32, end_of_stream: bool) -> Action {
        self.hook(number, Action::Next, |filter, state| {
            filter.request_head(&mut Request::new(number, end_of_stream), state)
        })
    }

    pub(crate) fn response_head(&self, number: u32, end_of_stream: bool) -> Action {
        self.hook(number, Action::Next, |filter, state| {
            filter.response_head(&mut Response::new(number, end_of_stream), state)
        })
    }

    pub(crate) fn body(&self, number: u32, direction: Direction, chunk: Chunk) -> ChunkAction {
        self.hook(number, ChunkAction::Pass, |filter, state| match direction {
            Direction::Request => filter.request_body(&mut Request::new(number, true), chunk, state),
            Direction::Response => filter.response_body(&mut Response::new(number, true), chunk, state),
        })
    }

    pub(crate) fn trailers(&self, number: u32, direction: Direction) -> TrailersAction {
        self.hook(number, TrailersAction::Next, |filter, state| match direction {
            Direction::Request => filter.request_trailers(&mut Trailers::new(number, Part::RequestTrailers), state),
            Direction::Response => filter.response_trailers(&mut Trailers::new(number, Part::ResponseTrailers), state),
        })
    }

    pub(crate) fn upstream_error(&self, number: u32, error: UpstreamError) -> Action {
        self.hook(number, Action::Next, |filter, state| {
            filter.upstream_error(&Request::new(number, true), error, state)
        })
    }

    pub(crate) fn resumed(&self, number: u32, waiting: Hook, call: u32, outcome: CallOutcome) -> Resumption {
        self.hook(number, Resumption::Proceed, |filter, state| {
            filter.resumed(&mut Resumed::new(number, waiting, call), outcome, state)
        })
    }

    pub(crate) fn done(&self, number: u32, reason: DoneReason) {
        let state = self.states.borrow_mut().remove(&number).unwrap_or_default();
        if let Some(filter) = self.filter.get() {
            filter.done(&Done::new(number, reason), state);
        }
    }

    pub(crate) fn connect(&self, to: &Tunnel) -> Decision
    where
        F: Connect,
    {
        self.filter.get().map_or(Decision::Next, |filter| filter.connect(to))
    }

    pub(crate) fn client_hello(&self, to: &Tunnel, hello: &ClientHello) -> Decision
    where
        F: Connect,
    {
        self.filter.get().map_or(Decision::Next, |filter| filter.client_hello(to, hello))
    }

    pub(crate) fn messages_open(&self, number: u32) -> bool
    where
        F: Messages,
    {
        self.hook(number, false, |filter, state| filter.open(&Response::new(number, true), state))
    }

    pub(crate) fn message(&self, number: u32, origin: Origin, content: Content) -> MessageAction
    where
        F: Messages,
    {
        self.hook(number, MessageAction::Pass, |filter, state| {
            filter.message(&Response::new(number, true), origin, content, state)
        })
    }

    pub(crate) fn completed(&self, number: u32, reason: DoneReason, summary: &Summary)
    where
        F: Completed,
    {
        self.hook(number, (), |filter, state| filter.completed(&Done::new(number, reason), summary, state));
    }

    /// Nothing ticks before there is a filter.
    pub(crate) fn interval(&self) -> Duration
    where
        F: Tick,
    {
        self.filter.get().map_or(Duration::MAX, F::interval)
    }

    pub(crate) fn tick(&self)
    where
        F: Tick,
    {
        if let Some(filter) = self.filter.get() {
            filter.tick();
        }
    }

    /// Runs a hook on the state of its exchange. Hooks do not nest: the agent enters an instance once at a time.
    fn hook<A>(&self, number: u32, otherwise: A, hook: impl FnOnce(&F, &mut F::State) -> A) -> A {
        let Some(filter) = self.filter.get() else { return otherwise };
        if size_of::<F::State>() == 0 {
            return hook(filter, &mut F::State::default());
        }
        hook(filter, self.states.borrow_mut().entry(number).or_default())
    }

    /// Exchanges whose state is kept.
    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn live(&self) -> usize {
        self.states.borrow().len()
    }
}

impl<F: Filter> Default for Guest<F> {
    fn default() -> Self {
        Self::new()
    }
}

/// Exchange numbers are the agent's own and need no hash that resists an attacker: one multiplication by an odd number
/// keeps the low bits distinct and spreads them over the high ones; the map looks at both.
#[derive(Default)]
pub(crate) struct NumberHasher(u64);

impl Hasher for NumberHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32(u32::from(*byte));
        }
    }

    fn write_u32(&mut self, number: u32) {
        self.0 = (self.0 ^ u64::from(number)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use crate::{NoConfig, Problems};

    /// Gives back at the end what came before.
    struct Keep;

    impl Filter for Keep {
        type Config = NoConfig;
        type State = Vec<u8>;

        fn new(_: NoConfig) -> Result<Self, Problems> {
            Ok(Self)
        }

        fn subscription(&self) -> Subscription {
            Subscription::new()
        }

        fn request_body(&self, _: &mut Request, chunk: Chunk, kept: &mut Vec<u8>) -> ChunkAction {
            kept.extend_from_slice(&chunk);
            if chunk.end_of_stream { ChunkAction::Replace(kept.clone()) } else { ChunkAction::Drop }
        }
    }

    #[test]
    fn exchanges_in_flight_at_once_do_not_meet() {
        let guest = Guest::<Keep>::new();
        guest.configure("{}").map(drop).unwrap();
        // As a host numbers them: a place, and above it how often the place was used.
        let numbers: Vec<u32> = (0..500).map(|place| (place % 7) << 16 | place).collect();
        let push = |number: u32, text: String, end_of_stream| {
            guest.body(number, Direction::Request, Chunk { bytes: text.into_bytes(), end_of_stream })
        };
        for round in 0..3 {
            numbers
                .iter()
                .for_each(|number| assert_eq!(push(*number, format!("{number}.{round} "), false), ChunkAction::Drop));
        }
        assert_eq!(guest.live(), numbers.len());
        for number in &numbers {
            let all = format!("{number}.0 {number}.1 {number}.2 ").into_bytes();
            assert_eq!(push(*number, String::new(), true), ChunkAction::Replace(all));
            guest.done(*number, DoneReason::Complete);
        }
        assert_eq!(guest.live(), 0);
    }
}
