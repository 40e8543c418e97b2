//! The hooks of one filter, each with what its answers mean there.

use bytes::Bytes;

use super::{
    core::Core,
    slot::{Hooked, Slot},
};
use crate::{
    BodyMode, Direction, FailureKind, UpstreamError,
    bindings::exports::weir::filter::events::{Action, ChunkAction},
    state::Hook,
};

impl Slot {
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
        if chunk.is_empty() {
            return Ok(None);
        }
        if mode == BodyMode::None {
            return Ok(Some(self.after_buffered(direction, chunk)));
        }
        if mode < BodyMode::Buffer {
            return self.body(core, at, direction, chunk, false);
        }
        let buffer = &mut self.buffers[direction.index()];
        buffer.extend_from_slice(&chunk);
        let limit = self.subscription.max_buffer as usize;
        if buffer.len() <= limit {
            return Ok(None);
        }
        let reason = format!("the body exceeds the {limit} bytes that it may buffer");
        let hook = Hook::Body(direction);
        let failure = self.filter(&core.chain).failure(hook.as_str(), FailureKind::BufferOverflow, reason);
        self.fail(core, at, failure)?;
        Ok(Some(std::mem::take(&mut self.buffers[direction.index()]).freeze()))
    }

    /// What was gathered for a filter that takes no part any more: it failed in the other direction, under policy `open`.
    fn buffered(&mut self, direction: Direction) -> Option<Bytes> {
        let buffer = &mut self.buffers[direction.index()];
        (!buffer.is_empty()).then(|| std::mem::take(buffer).freeze())
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
    pub(super) fn end(&mut self, core: &mut Core, at: usize, direction: Direction) -> Hooked<Option<Bytes>> {
        match self.mode(direction) {
            BodyMode::None => Ok(self.buffered(direction)),
            BodyMode::Observe | BodyMode::Transform => self.body(core, at, direction, Bytes::new(), true),
            BodyMode::Buffer => {
                let whole = std::mem::take(&mut self.buffers[direction.index()]).freeze();
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
}
