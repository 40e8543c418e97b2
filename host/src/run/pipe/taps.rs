//! Middleware in a pipe. The head goes into one and comes out when the guest hands it on; a body goes in as the guest asks for
//! it, and what the guest gives in its place is drawn from there as there is room for it behind. So a chunk waits at most
//! where somebody reads it, and whoever feeds the pipe is held back by whoever reads slowest.

use bytes::Bytes;
use http::HeaderMap;

use super::{End, Flow, Head, Pipe, drive::Work};
use crate::{
    BodyMode, Failure, Progress,
    run::{
        core::Core,
        middleware::{Head as MiddlewareHead, Pull},
        slot::Slot,
    },
};

impl Pipe {
    /// The head meets a middleware: it goes in, and with it what queues in front of it.
    pub(super) fn meet_middleware(&mut self, core: &mut Core, slots: &mut [Slot]) -> Flow<()> {
        let at = self.next;
        let index = self.slot(at);
        let is_in = slots[index].give(core, index, self.direction, self.bodyless)?;
        self.next += 1;
        self.queued = 0;
        self.works.extend(self.queue.drain(..).map(|chunk| Work::Chunk(at, chunk)));
        if is_in {
            self.has_taps = true;
            self.given = Some(at);
        }
        if self.end == End::Through {
            self.end = match (self.bodyless, is_in) {
                (true, true) => End::Inside,
                (true, false) => End::Through,
                (false, _) => End::Moving,
            };
            if self.end == End::Moving {
                self.works.push_back(Work::End(at));
            }
        }
        Ok(())
    }

    /// The head comes out of the middleware that has it. False: not yet.
    pub(super) fn take_head(&mut self, core: &mut Core, slots: &mut [Slot]) -> Flow<bool> {
        let Some(at) = self.given else { return Ok(false) };
        let index = self.slot(at);
        match slots[index].head_out(core, self.direction, self.bodyless) {
            None => self.given = None,
            Some(MiddlewareHead::Nothing) => return Ok(false),
            Some(MiddlewareHead::Out { bodyless, .. }) => {
                self.given = None;
                self.bodyless = bodyless;
                if bodyless {
                    self.ends_early(at);
                    self.end = End::Through;
                }
            }
            Some(MiddlewareHead::Responds(head)) => return Err(slots[index].answers(core, index, *head)),
            Some(MiddlewareHead::Aborts) => return Err(slots[index].abort(core, index)),
            Some(MiddlewareHead::Failed(failure)) => self.fail_tap(core, slots, at, failure)?,
        }
        Ok(true)
    }

    /// Goes on without a middleware that failed, where it has taken nothing of this direction.
    fn fail_tap(&mut self, core: &mut Core, slots: &mut [Slot], at: usize, failure: Failure) -> Flow<()> {
        let index = self.slot(at);
        let was_given = self.given == Some(at);
        let rest = if was_given { slots[index].take_back(self.direction) } else { None };
        slots[index].fail_where(core, index, failure, rest.is_some())?;
        self.given = None;
        let Some((chunks, trailers)) = rest else { return Ok(()) };
        if self.end == End::Inside {
            self.end = if self.bodyless { End::Through } else { End::Moving };
            core.exchange_mut().set_trailers(self.direction, trailers);
            if self.end == End::Moving {
                self.works.push_front(Work::End(at + 1));
            }
        }
        for chunk in chunks.into_iter().rev() {
            self.works.push_front(Work::Chunk(at + 1, chunk));
        }
        Ok(())
    }

    pub(super) fn give_chunk(&self, slots: &[Slot], at: usize, chunk: Bytes) {
        if let Some(part) = &slots[self.slot(at)].part {
            part.wire().push(self.direction, chunk);
        }
    }

    pub(super) fn give_end(&mut self, core: &mut Core, slots: &[Slot], at: usize) {
        let exchange = core.exchange_mut();
        let trailers = exchange.trailers(self.direction).cloned();
        exchange.set_trailers(self.direction, None);
        if let Some(part) = &slots[self.slot(at)].part {
            part.wire().push_end(self.direction, trailers);
        }
        self.end = End::Inside;
    }

    /// Draws once on what middleware gives, where there is room for it behind. False: there is nothing to draw.
    pub(super) fn draw_taps(&mut self, core: &mut Core, slots: &mut [Slot]) -> Flow<bool> {
        if !self.has_taps {
            return Ok(false);
        }
        let mut has_room = self.has_room(slots);
        for at in (0..self.next).rev() {
            let index = self.slot(at);
            if !slots[index].is_tap(self.direction) {
                if self.is_spent(&slots[index]) {
                    break;
                }
                continue;
            }
            if has_room && self.given != Some(at) {
                match slots[index].pull(core, self.direction) {
                    Pull::Nothing => {}
                    Pull::Chunk(chunk) => return self.arrive(core, slots, at + 1, chunk).map(|()| true),
                    Pull::End(trailers) => return self.tap_ends(core, slots, at, trailers).map(|()| true),
                    Pull::Aborts => return Err(slots[index].abort(core, index)),
                    Pull::Broken(failure) => return self.fail_tap(core, slots, at, failure).map(|()| true),
                }
            }
            has_room = wants(&slots[index], self);
        }
        Ok(false)
    }

    /// Is there room for what comes from this position on? The first middleware there says so, wherever the head is.
    pub(super) fn has_room_behind(&self, slots: &[Slot], at: usize) -> bool {
        let mut behind = (at..self.next).map(|at| &slots[self.slot(at)]);
        let tap = behind.find(|slot| self.has_taps && slot.is_tap(self.direction));
        tap.map_or_else(|| self.has_room(slots), |tap| wants(tap, self))
    }

    /// It gave its end: what comes in front of it no longer matters.
    fn is_spent(&self, slot: &Slot) -> bool {
        slot.part.as_ref().is_some_and(|part| part.is_done(self.direction))
    }

    fn tap_ends(&mut self, core: &mut Core, slots: &mut [Slot], at: usize, trailers: Option<HeaderMap>) -> Flow<()> {
        core.exchange_mut().set_trailers(self.direction, trailers);
        self.ends_early(at);
        self.end = End::Moving;
        self.arrive_end(core, slots, at + 1)
    }

    /// The body ends here, whatever is on its way to here.
    fn ends_early(&mut self, at: usize) {
        self.works.retain(|work| work.at() > at);
        if self.decoding.as_ref().is_some_and(|decoding| decoding.at <= at) {
            self.decoding = None;
        }
    }

    /// Is nothing to be fed now? A middleware reads when it likes, and after the end of what comes in, it has the word.
    pub(super) fn is_blocked(&self, slots: &[Slot]) -> bool {
        if !self.has_taps || self.head == Head::Stopped {
            return false;
        }
        let first = (0..self.next).map(|at| &slots[self.slot(at)]).find(|slot| slot.is_tap(self.direction));
        self.end == End::Inside || first.is_some_and(|slot| !wants(slot, self))
    }

    pub(super) fn wants_more(&self, slots: &[Slot]) -> Progress {
        if self.is_blocked(slots) { Progress::Waiting } else { Progress::Held }
    }

    pub(super) fn has_news(&self, slots: &[Slot]) -> bool {
        self.has_taps && self.on_the_way(slots).any(|slot| slot.has_news(self.direction))
    }

    pub(super) fn take_news(&self, slots: &[Slot]) -> bool {
        let parts = self.on_the_way(slots).filter_map(|slot| slot.part.as_ref());
        // of each: what one has does not wait for another look
        self.has_taps && parts.filter(|part| part.wire().take_news(self.direction)).count() > 0
    }

    /// The length that the last middleware promised, if nothing behind it changes the body.
    pub(super) fn declared(&self, slots: &[Slot]) -> Option<u64> {
        for at in (0..self.len).rev() {
            let slot = &slots[self.slot(at)];
            if slot.is_tap(self.direction) {
                return slot.part.as_ref()?.declared(self.direction);
            }
            if slot.mode(self.direction) >= BodyMode::Transform || slot.has_changed_body() {
                return None;
            }
        }
        None
    }
}

fn wants(slot: &Slot, pipe: &Pipe) -> bool {
    slot.part.as_ref().is_some_and(|part| part.wire().wants(pipe.direction))
}

impl Work {
    fn at(&self) -> usize {
        match self {
            Self::Chunk(at, _) | Self::End(at) | Self::Trailers(at) => *at,
        }
    }
}
