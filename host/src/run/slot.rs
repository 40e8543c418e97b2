//! One filter's part in one exchange: its hooks, what their answers mean, and what its failure means.

use std::{rc::Rc, sync::Arc};

use bytes::{Bytes, BytesMut};
use wasmtime::Store;
use weir_artifact::FailurePolicy;

use crate::{
    Answer, BodyMode, Chain, Direction, DoneReason, Exchange, Failure, FailureKind, Filter, Instances, LocalResponse,
    Receipt, Subscription, UpstreamError, Verdict,
    bindings::{
        Filter as Guest,
        exports::weir::filter::events::{Action, ChunkAction},
        weir::filter::http::{LocalResponse as GuestResponse, Part},
    },
    convert,
    instances::Seat,
    state::{Frozen, Hook, State},
};

/// What all filters of a run share.
pub(super) struct Core {
    lent: Option<Box<Exchange>>,
    instances: Rc<Instances>,
    pub(super) chain: Arc<Chain>,
    frozen: Frozen,
    pub(super) committed: bool,
    /// The filter that answered, or failed: those before it see the response that follows.
    pub(super) answered: Option<usize>,
}

impl Core {
    pub(super) fn new(instances: Rc<Instances>, chain: Arc<Chain>, exchange: Box<Exchange>) -> Self {
        let frozen = Frozen::default();
        Self { lent: Some(exchange), instances, chain, frozen, committed: false, answered: None }
    }

    pub(super) fn exchange(&self) -> &Exchange {
        self.lent.as_deref().expect("the exchange is lent only while a hook runs")
    }

    pub(super) fn exchange_mut(&mut self) -> &mut Exchange {
        self.lent.as_deref_mut().expect("the exchange is lent only while a hook runs")
    }

    /// The part is sent.
    pub(super) fn freeze(&mut self, part: Part) {
        self.frozen = self.frozen.with(part);
    }

    /// A response that is not the upstream's takes the place of the one there was.
    pub(super) fn respond(&mut self, response: LocalResponse) {
        let (mut head, ()) = http::Response::new(()).into_parts();
        head.status = response.status;
        head.headers = response.headers;
        head.version = self.exchange().request.version;
        self.freeze(Part::Request);
        self.frozen = self.frozen.local_response();
        let exchange = self.exchange_mut();
        let upstream = exchange.response.replace(head).map(Box::new);
        exchange.original_response = exchange.original_response.take().or(upstream);
        exchange.response_trailers = None;
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// It takes part.
    In,
    /// Its breaker is open and there is nothing to fall back to: it fails at its first hook.
    Refused,
    /// It failed, or ended the exchange: it meets no hook any more.
    Out,
}

/// One filter's part in one exchange.
pub(super) struct Slot {
    index: usize,
    substitute: Option<Arc<Filter>>,
    pub(super) subscription: Subscription,
    modes: [BodyMode; 2],
    seat: Option<Seat>,
    buffer: BytesMut,
    standing: Standing,
    verdict: Verdict,
    failure: Option<Box<Failure>>,
    met: bool,
    changed: bool,
    changed_body: bool,
}

type Hooked<R> = Result<R, Box<Answer>>;

impl Slot {
    pub(super) fn new(index: usize, subscription: Subscription) -> Self {
        Self {
            index,
            substitute: None,
            modes: [subscription.request_body, subscription.response_body],
            subscription,
            seat: None,
            buffer: BytesMut::new(),
            standing: Standing::In,
            verdict: Verdict::Next,
            failure: None,
            met: false,
            changed: false,
            changed_body: false,
        }
    }

    pub(super) fn substituted(index: usize, substitute: Arc<Filter>) -> Self {
        let subscription = substitute.subscription();
        Self { substitute: Some(substitute), ..Self::new(index, subscription) }
    }

    pub(super) fn refused(index: usize, subscription: Subscription) -> Self {
        Self { standing: Standing::Refused, ..Self::new(index, subscription) }
    }

    pub(super) fn filter<'a>(&'a self, chain: &'a Chain) -> &'a Arc<Filter> {
        self.substitute.as_ref().unwrap_or(&chain.filters()[self.index])
    }

    /// How it takes part in this body.
    pub(super) fn mode(&self, direction: Direction) -> BodyMode {
        if self.is_out() { BodyMode::None } else { self.modes[direction.index()] }
    }

    pub(super) fn is_out(&self) -> bool {
        self.standing == Standing::Out
    }

    /// It has changed a body, before it failed perhaps.
    pub(super) fn has_changed_body(&self) -> bool {
        self.changed_body
    }

    /// The head hook, if asked for. True: the head is to be held.
    pub(super) fn head(&mut self, core: &mut Core, at: usize, direction: Direction, end: bool) -> Hooked<bool> {
        if !self.subscription.head(direction) || self.is_out() {
            return Ok(false);
        }
        let hook = Hook::Head(direction);
        let action = self.call(core, at, hook, |guest, store, number| match direction {
            Direction::Request => guest.weir_filter_events().call_on_request_head(store, number, end),
            Direction::Response => guest.weir_filter_events().call_on_response_head(store, number, end),
        })?;
        match action {
            None | Some(Action::Next) => Ok(false),
            Some(Action::HoldForBody) => Ok(true),
            Some(other) => self.act(core, at, hook, other).map(|()| false),
        }
    }

    /// `on-upstream-error`: for filters that met the exchange, or would have met its response.
    pub(super) fn upstream_error(&mut self, core: &mut Core, at: usize, error: &UpstreamError) -> Hooked<()> {
        if self.is_out() || self.seat.is_none() && !self.subscription.response_head {
            return Ok(());
        }
        let hook = Hook::UpstreamError;
        let action = self.call(core, at, hook, |guest, store, number| {
            guest.weir_filter_events().call_on_upstream_error(store, number, &error.into())
        })?;
        match action {
            None | Some(Action::Next) => Ok(()),
            Some(Action::HoldForBody) => self.breach(core, at, hook, "there is no body to hold for"),
            Some(other) => self.act(core, at, hook, other),
        }
    }

    fn act(&mut self, core: &mut Core, at: usize, hook: Hook, action: Action) -> Hooked<()> {
        match action {
            Action::Next | Action::HoldForBody => Ok(()),
            Action::Respond(response) => self.respond(core, at, hook, response),
            Action::Abort => Err(self.abort(core, at)),
            Action::Wait => self.breach(core, at, hook, "it waits, but has started nothing to wait for"),
        }
    }

    /// A chunk of a body; what goes on in its place.
    pub(super) fn chunk(
        &mut self,
        core: &mut Core,
        at: usize,
        direction: Direction,
        chunk: Bytes,
    ) -> Hooked<Option<Bytes>> {
        let mode = self.mode(direction);
        if mode == BodyMode::None || chunk.is_empty() {
            return Ok(Some(chunk));
        }
        if mode < BodyMode::Buffer {
            return self.body(core, at, direction, chunk, false);
        }
        self.buffer.extend_from_slice(&chunk);
        let limit = self.subscription.max_buffer as usize;
        if self.buffer.len() <= limit {
            return Ok(None);
        }
        let reason = format!("the body exceeds the {limit} bytes that it may buffer");
        let hook = Hook::Body(direction);
        let failure = self.filter(&core.chain).failure(hook.as_str(), FailureKind::BufferOverflow, reason);
        self.fail(core, at, failure)?;
        Ok(Some(std::mem::take(&mut self.buffer).freeze()))
    }

    /// The end of a body; what goes on before it.
    pub(super) fn end(&mut self, core: &mut Core, at: usize, direction: Direction) -> Hooked<Option<Bytes>> {
        match self.mode(direction) {
            BodyMode::None => Ok(None),
            BodyMode::Observe | BodyMode::Transform => self.body(core, at, direction, Bytes::new(), true),
            BodyMode::Buffer => {
                let whole = std::mem::take(&mut self.buffer).freeze();
                self.body(core, at, direction, whole, true)
            }
        }
    }

    fn body(
        &mut self,
        core: &mut Core,
        at: usize,
        direction: Direction,
        chunk: Bytes,
        end: bool,
    ) -> Hooked<Option<Bytes>> {
        let hook = Hook::Body(direction);
        let action = self.call(core, at, hook, |guest, store, number| {
            guest.weir_filter_events().call_on_body(store, number, direction.into(), &chunk, end)
        })?;
        let given = match &action {
            Some(ChunkAction::Replace(bytes)) => bytes.len(),
            _ => 0,
        };
        if let Some(seat) = &self.seat {
            seat.instance.borrow_mut().copied(chunk.len(), given);
        }
        match action {
            None | Some(ChunkAction::Pass) => Ok(Some(chunk).filter(|chunk| !chunk.is_empty())),
            Some(ChunkAction::Replace(_) | ChunkAction::DropChunk) if self.mode(direction) == BodyMode::Observe => {
                self.breach(core, at, hook, "it changes a body that it asked only to observe")?;
                Ok(Some(chunk))
            }
            Some(ChunkAction::Replace(bytes)) => {
                let limit = self.filter(&core.chain).publication().limits.answer_bytes as usize;
                if bytes.len() > limit {
                    self.oversized(core, at, hook, bytes.len(), limit)?;
                    return Ok(Some(chunk));
                }
                self.changed_body = true;
                Ok(Some(Bytes::from(bytes)).filter(|bytes| !bytes.is_empty()))
            }
            Some(ChunkAction::DropChunk) => {
                self.changed_body |= !chunk.is_empty();
                Ok(None)
            }
            Some(other) => self.act_on_chunk(core, at, hook, other).map(|()| Some(chunk)),
        }
    }

    /// `on-trailers`, if asked for and there are any.
    pub(super) fn trailers(&mut self, core: &mut Core, at: usize, direction: Direction) -> Hooked<()> {
        let wanted = self.subscription.trailers(direction) && !self.is_out();
        if !wanted || core.exchange().trailers(direction).is_none() {
            return Ok(());
        }
        let hook = Hook::Trailers(direction);
        let action = self.call(core, at, hook, |guest, store, number| {
            guest.weir_filter_events().call_on_trailers(store, number, direction.into())
        })?;
        match action {
            None | Some(ChunkAction::Pass) => Ok(()),
            Some(ChunkAction::Replace(_) | ChunkAction::DropChunk) => {
                self.breach(core, at, hook, "trailers are no chunk to replace or drop")
            }
            Some(other) => self.act_on_chunk(core, at, hook, other),
        }
    }

    fn act_on_chunk(&mut self, core: &mut Core, at: usize, hook: Hook, action: ChunkAction) -> Hooked<()> {
        match action {
            ChunkAction::Pass | ChunkAction::Replace(_) | ChunkAction::DropChunk => Ok(()),
            ChunkAction::Respond(response) => self.respond(core, at, hook, response),
            ChunkAction::Abort => Err(self.abort(core, at)),
            ChunkAction::Wait => self.breach(core, at, hook, "it waits, but has started nothing to wait for"),
        }
    }

    /// `on-done`, once, if it met the exchange.
    pub(super) fn done(&mut self, core: &mut Core, reason: DoneReason) {
        let Some(seat) = self.seat.take() else { return };
        let mut instance = seat.instance.borrow_mut();
        if !instance.is_dead() {
            let called = instance.call(seat.number, Hook::Done, core.frozen, &mut core.lent, |guest, store| {
                guest.weir_filter_events().call_on_done(store, seat.number, reason.into())
            });
            if let Err(failure) = called {
                self.filter(&core.chain).stats().failed(failure.kind);
                self.failure.get_or_insert(Box::new(failure));
            }
        }
        drop(instance);
        let breaker = self.filter(&core.chain).breaker();
        match self.failure.as_deref().map(|failure| failure.kind) {
            None => breaker.succeeded(),
            // Not of its own doing.
            Some(FailureKind::InstanceLost | FailureKind::Coding(_)) => {}
            Some(_) => breaker.failed(),
        }
    }

    pub(super) fn receipt<'a>(&'a self, chain: &'a Chain) -> Option<Receipt<'a>> {
        let filter = self.filter(chain);
        let met = self.met || self.failure.is_some();
        met.then(|| Receipt {
            name: filter.name(),
            version: filter.version(),
            digest: filter.digest(),
            verdict: self.verdict,
            error: self.failure.as_deref(),
            changed: self.changed || self.changed_body,
        })
    }

    /// Enters the guest. None: the filter failed, or is broken, and its policy lets the exchange go on without it.
    fn call<R>(
        &mut self,
        core: &mut Core,
        at: usize,
        hook: Hook,
        enter: impl FnOnce(&Guest, &mut Store<State>, u32) -> wasmtime::Result<R>,
    ) -> Hooked<Option<R>> {
        let called = match self.seat(core) {
            Ok(seat) => {
                seat.instance.borrow_mut().call(seat.number, hook, core.frozen, &mut core.lent, |guest, store| {
                    enter(guest, store, seat.number)
                })
            }
            Err(failure) => Err(failure),
        };
        match called {
            Ok((answer, effects)) => {
                self.changed |= effects.changed;
                if let (Some(mode), Hook::Head(direction)) = (effects.narrowed, hook) {
                    self.modes[direction.index()] = mode;
                }
                Ok(Some(answer))
            }
            Err(failure) => self.fail(core, at, failure).map(|()| None),
        }
    }

    fn seat(&mut self, core: &Core) -> Result<&Seat, Failure> {
        if self.seat.is_none() {
            let filter = self.filter(&core.chain);
            if self.standing == Standing::Refused {
                let reason = "it failed too often in a row".to_owned();
                return Err(filter.failure("breaker", FailureKind::BreakerOpen, reason));
            }
            let seat = core.instances.seat(filter).map_err(|fault| {
                filter.breaker().failed();
                filter.failure(fault.phase(), FailureKind::Instantiate, fault.to_string())
            })?;
            self.seat = Some(seat);
            self.met = true;
        }
        Ok(self.seat.as_ref().expect("taken above"))
    }

    fn respond(&mut self, core: &mut Core, at: usize, hook: Hook, response: GuestResponse) -> Hooked<()> {
        let limit = self.filter(&core.chain).publication().limits.answer_bytes as usize;
        if response.body.len() > limit {
            return self.oversized(core, at, hook, response.body.len(), limit);
        }
        match convert::local_response(response) {
            Err(reason) => self.breach(core, at, hook, &reason),
            Ok(_) if core.committed => Err(self.abort(core, at)),
            Ok(response) => {
                self.leave(core, at, Verdict::Responded);
                Err(Box::new(Answer::Respond(response)))
            }
        }
    }

    fn abort(&mut self, core: &mut Core, at: usize) -> Box<Answer> {
        self.leave(core, at, Verdict::Aborted);
        Box::new(Answer::Abort)
    }

    fn leave(&mut self, core: &mut Core, at: usize, verdict: Verdict) {
        self.standing = Standing::Out;
        self.verdict = verdict;
        core.answered = Some(at);
    }

    fn breach(&mut self, core: &mut Core, at: usize, hook: Hook, reason: &str) -> Hooked<()> {
        let failure = self.filter(&core.chain).failure(hook.as_str(), FailureKind::Contract, reason.to_owned());
        self.fail(core, at, failure)
    }

    fn oversized(&mut self, core: &mut Core, at: usize, hook: Hook, bytes: usize, limit: usize) -> Hooked<()> {
        let reason = format!("its answer has {bytes} bytes, more than {limit}");
        let failure = self.filter(&core.chain).failure(hook.as_str(), FailureKind::AnswerTooLarge, reason);
        self.fail(core, at, failure)
    }

    /// The failure policy. Ok: the exchange goes on without this filter.
    pub(super) fn fail(&mut self, core: &mut Core, at: usize, failure: Failure) -> Hooked<()> {
        let filter = self.filter(&core.chain);
        filter.stats().failed(failure.kind);
        // What was decoded cannot be coded again: a broken coding is no case for going on.
        let open = filter.publication().on_failure == FailurePolicy::Open && failure.kind.sender().is_none();
        self.failure = Some(Box::new(failure.clone()));
        if open {
            self.standing = Standing::Out;
            self.verdict = Verdict::Skipped;
            return Ok(());
        }
        self.leave(core, at, Verdict::Failed);
        Err(Box::new(Answer::Failed(failure)))
    }
}
