//! The hooks of one filter, each with what its answers mean there.

use bytes::Bytes;

use super::{
    core::Core,
    slot::{Hooked, Slot},
};
use crate::{
    BodyMode, Changes, Direction, FailureKind, UpstreamError,
    bindings::exports::weir::filter::events::{Hook as GuestHook, Resumption},
    state::{Hook, Waited},
};

/// What a filter has decided about a head.
pub(super) enum Headed {
    Passes,
    Holds,
    Waits,
}

/// What became of a chunk.
pub(super) enum Passed {
    /// This goes on.
    On(Bytes),
    Gone,
    /// Nothing yet.
    Waits(Bytes),
}

impl Slot {
    /// The head hook, if asked for.
    pub(super) fn head(&mut self, core: &mut Core, at: usize, direction: Direction, end: bool) -> Hooked<Headed> {
        if !self.subscription.head(direction) || self.is_out() || self.runs_beside {
            return Ok(Headed::Passes);
        }
        let hook = Hook::Head(direction);
        let action = self.call(core, at, hook, |guest, store, number| match direction {
            Direction::Request => guest.weir_filter_events().call_on_request_head(store, number, end),
            Direction::Response => guest.weir_filter_events().call_on_response_head(store, number, end),
        })?;
        self.decide_head(core, at, hook, action.map(Resumption::from))
    }

    /// The head hook that waited goes on.
    pub(super) fn resume_head(&mut self, core: &mut Core, at: usize, direction: Direction) -> Hooked<Headed> {
        let hook = Hook::Resumed(Waited::Head, direction);
        let decided = self.resumed(core, at, hook, GuestHook::head(direction), None)?;
        self.decide_head(core, at, hook, decided)
    }

    fn decide_head(&mut self, core: &mut Core, at: usize, hook: Hook, decided: Option<Resumption>) -> Hooked<Headed> {
        match decided {
            Some(Resumption::HoldForBody) => Ok(Headed::Holds),
            Some(Resumption::Wait) => {
                self.wait(core, at, hook).map(|waits| if waits { Headed::Waits } else { Headed::Passes })
            }
            other => {
                self.decide(core, at, hook, other, "a head is no chunk to replace or drop").map(|()| Headed::Passes)
            }
        }
    }

    /// What means the same in every hook. `no_chunk` is the breach of one that has no chunk.
    fn decide(
        &mut self,
        core: &mut Core,
        at: usize,
        hook: Hook,
        decided: Option<Resumption>,
        no_chunk: &str,
    ) -> Hooked<()> {
        match decided {
            None | Some(Resumption::Proceed) => Ok(()),
            Some(Resumption::Respond(response)) => self.respond(core, at, hook, response),
            Some(Resumption::Abort) => Err(self.abort(core, at)),
            Some(Resumption::Replace(_) | Resumption::DropChunk) => self.breach(core, at, hook, no_chunk),
            Some(Resumption::HoldForBody) => self.breach(core, at, hook, "there is no head to hold"),
            Some(Resumption::Wait) => self.breach(core, at, hook, "it cannot wait here"),
        }
    }

    /// `on-resume`. None: the filter takes no part any more, or failed just now.
    fn resumed(
        &mut self,
        core: &mut Core,
        at: usize,
        hook: Hook,
        waiting: GuestHook,
        chunk: Option<&Bytes>,
    ) -> Hooked<Option<Resumption>> {
        if self.is_out() {
            return Ok(None);
        }
        let Some((call, outcome)) = self.take_ended_call() else { return Ok(Some(Resumption::Wait)) };
        self.call(core, at, hook, |guest, store, number| {
            store.data_mut().waiting_chunk = chunk.cloned();
            let decided =
                guest.weir_filter_events().call_on_resume(&mut *store, number, waiting, call, &(&outcome).into());
            store.data_mut().waiting_chunk = None;
            decided
        })
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
        self.decide(core, at, hook, action.map(Resumption::from), "there is no chunk")
    }

    /// A chunk of a body.
    pub(super) fn chunk(&mut self, core: &mut Core, at: usize, direction: Direction, chunk: Bytes) -> Hooked<Passed> {
        let mode = self.mode(direction);
        if mode == BodyMode::None {
            return Ok(Passed::On(self.after_buffered(direction, chunk)));
        }
        if mode < BodyMode::Buffer {
            return self.body(core, at, direction, chunk, false);
        }
        let buffer = &mut self.buffers[direction.index()];
        buffer.extend_from_slice(&chunk);
        let limit = self.subscription.max_buffer as usize;
        if buffer.len() <= limit {
            return Ok(Passed::Gone);
        }
        let reason = format!("the body exceeds the {limit} bytes that it may buffer");
        let hook = Hook::Body(direction);
        let failure = self.filter(&core.chain).failure(hook.as_str(), FailureKind::BufferOverflow, reason);
        self.fail(core, at, failure)?;
        Ok(Passed::On(std::mem::take(&mut self.buffers[direction.index()]).freeze()))
    }

    /// What was gathered for a filter that takes no part any more: it failed in the other direction, under policy `open`.
    fn buffered(&mut self, direction: Direction) -> Passed {
        match std::mem::take(&mut self.buffers[direction.index()]).freeze() {
            gathered if gathered.is_empty() => Passed::Gone,
            gathered => Passed::On(gathered),
        }
    }

    fn after_buffered(&mut self, direction: Direction, chunk: Bytes) -> Bytes {
        let buffer = &mut self.buffers[direction.index()];
        if buffer.is_empty() {
            return chunk;
        }
        buffer.extend_from_slice(&chunk);
        std::mem::take(buffer).freeze()
    }

    /// The end of a body; what goes on before it.
    pub(super) fn end(&mut self, core: &mut Core, at: usize, direction: Direction) -> Hooked<Passed> {
        match self.mode(direction) {
            BodyMode::None => Ok(self.buffered(direction)),
            BodyMode::Observe | BodyMode::Transform => self.body(core, at, direction, Bytes::new(), true),
            BodyMode::Buffer => {
                let whole = std::mem::take(&mut self.buffers[direction.index()]).freeze();
                self.body(core, at, direction, whole, true)
            }
        }
    }

    fn body(&mut self, core: &mut Core, at: usize, direction: Direction, chunk: Bytes, end: bool) -> Hooked<Passed> {
        let hook = Hook::Body(direction);
        let action = self.call(core, at, hook, |guest, store, number| {
            guest.weir_filter_events().call_on_body(store, number, direction.into(), &chunk, end)
        })?;
        self.copied(chunk.len(), 0);
        self.decide_chunk(core, at, hook, direction, action.map(Resumption::from), chunk)
    }

    /// The body hook that waited with a chunk goes on.
    pub(super) fn resume_chunk(
        &mut self,
        core: &mut Core,
        at: usize,
        direction: Direction,
        chunk: Bytes,
    ) -> Hooked<Passed> {
        let hook = Hook::Resumed(Waited::Body, direction);
        let decided = self.resumed(core, at, hook, GuestHook::body(direction), Some(&chunk))?;
        self.decide_chunk(core, at, hook, direction, decided, chunk)
    }

    fn decide_chunk(
        &mut self,
        core: &mut Core,
        at: usize,
        hook: Hook,
        direction: Direction,
        decided: Option<Resumption>,
        chunk: Bytes,
    ) -> Hooked<Passed> {
        match decided {
            Some(Resumption::Wait) => {
                let waits = self.wait(core, at, hook)?;
                Ok(if waits { Passed::Waits(chunk) } else { Passed::On(chunk) })
            }
            Some(Resumption::Replace(_) | Resumption::DropChunk) if self.mode(direction) == BodyMode::Observe => {
                self.breach(core, at, hook, "it changes a body that it asked only to observe")?;
                Ok(Passed::On(chunk))
            }
            Some(Resumption::Replace(bytes)) => {
                self.copied(0, bytes.len());
                let limit = self.filter(&core.chain).publication().limits.answer_bytes as usize;
                if bytes.len() > limit {
                    self.oversized(core, at, hook, bytes.len(), limit)?;
                    return Ok(Passed::On(chunk));
                }
                self.has_changed(Changes::body(direction));
                Ok(Passed::On(Bytes::from(bytes)))
            }
            Some(Resumption::DropChunk) => {
                self.has_changed(Changes::body(direction).when(!chunk.is_empty()));
                Ok(Passed::Gone)
            }
            other => self.decide(core, at, hook, other, "there is no chunk").map(|()| Passed::On(chunk)),
        }
    }

    pub(super) fn copied(&self, bytes_in: usize, bytes_out: usize) {
        if let Some(seat) = &self.seat {
            seat.instance.borrow_mut().copied(bytes_in, bytes_out);
        }
    }

    /// `on-trailers`, if asked for and there are any. True: it waits.
    pub(super) fn trailers(&mut self, core: &mut Core, at: usize, direction: Direction) -> Hooked<bool> {
        let wanted = self.subscription.trailers(direction) && !self.is_out() && !self.runs_beside;
        if !wanted || core.exchange().trailers(direction).is_none() {
            return Ok(false);
        }
        let hook = Hook::Trailers(direction);
        let action = self.call(core, at, hook, |guest, store, number| {
            guest.weir_filter_events().call_on_trailers(store, number, direction.into())
        })?;
        self.decide_trailers(core, at, hook, action.map(Resumption::from))
    }

    /// The hook of trailers that waited goes on. True: it waits again.
    pub(super) fn resume_trailers(&mut self, core: &mut Core, at: usize, direction: Direction) -> Hooked<bool> {
        let hook = Hook::Resumed(Waited::Trailers, direction);
        let decided = self.resumed(core, at, hook, GuestHook::trailers(direction), None)?;
        self.decide_trailers(core, at, hook, decided)
    }

    fn decide_trailers(&mut self, core: &mut Core, at: usize, hook: Hook, decided: Option<Resumption>) -> Hooked<bool> {
        match decided {
            Some(Resumption::Wait) => self.wait(core, at, hook),
            other => self.decide(core, at, hook, other, "trailers are no chunk to replace or drop").map(|()| false),
        }
    }
}
