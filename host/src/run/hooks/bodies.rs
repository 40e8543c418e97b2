//! The body hooks: chunks as they come, whole bodies that were gathered, and what a filter makes of them.

use bytes::Bytes;

use super::Passed;
use crate::{
    BodyMode, Changes, Direction, FailureKind,
    bindings::exports::weir::filter::events::{Hook as GuestHook, Resumption},
    run::{
        core::Core,
        slot::{Hooked, Slot},
    },
    state::{Hook, Waited},
};

impl Slot {
    /// A chunk of a body.
    pub(in crate::run) fn chunk(
        &mut self,
        core: &mut Core,
        at: usize,
        direction: Direction,
        chunk: Bytes,
    ) -> Hooked<Passed> {
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
    pub(in crate::run) fn end(&mut self, core: &mut Core, at: usize, direction: Direction) -> Hooked<Passed> {
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
    pub(in crate::run) fn resume_chunk(
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

    pub(in crate::run) fn copied(&self, bytes_in: usize, bytes_out: usize) {
        if let Some(seat) = &self.seat {
            seat.instance.borrow_mut().copied(bytes_in, bytes_out);
        }
    }
}
