//! What moves in a pipe: works that are under way, what the decoder gives, and then the head.

use bytes::Bytes;

use super::{Decoding, End, Flow, Head, Hold, Paused, Pipe, Waiting};
use crate::{
    BodyMode, FailureKind, Progress,
    bindings::weir::filter::http::Part,
    decode::{self, Coding, Decoder, Step},
    run::{
        core::Core,
        hooks::{Headed, Passed},
        slot::Slot,
    },
};

/// Decoded bytes that may wait to be sent. More come when these are taken.
const READY_BYTES: usize = 256 << 10;

/// Something that has come as far as a position.
pub(super) enum Work {
    Chunk(usize, Bytes),
    /// The end of the body.
    End(usize),
    /// The filter there has had the end of the body, and what it gave then goes before its trailers.
    Trailers(usize),
}

impl Pipe {
    /// Moves everything as far as it goes, and says where the head stands then.
    pub(super) fn drive(&mut self, core: &mut Core, slots: &mut [Slot]) -> Flow<Progress> {
        loop {
            if self.waiting.is_some() {
                return Ok(Progress::Waiting);
            }
            if let Some(work) = self.works.pop_front() {
                self.perform(core, slots, work)?;
            } else if !self.draw_taps(core, slots)? && !self.draw(core, slots)? {
                match self.head {
                    Head::Moving if self.is_held(slots) => return Ok(self.wants_more(slots)),
                    Head::Moving if self.given.is_some() => {
                        if !self.take_head(core, slots)? {
                            return Ok(self.wants_more(slots));
                        }
                    }
                    Head::Moving if self.next < self.len => self.meet(core, slots)?,
                    Head::Moving => {
                        self.open(core);
                        return Ok(Progress::Open);
                    }
                    Head::Open => {
                        self.freeze_trailers(core);
                        return Ok(Progress::Open);
                    }
                    Head::Coming | Head::Stopped => return Ok(Progress::Open),
                }
            }
        }
    }

    /// Something new, behind what is under way already.
    pub(super) fn feed(&mut self, core: &mut Core, slots: &mut [Slot], work: Work) -> Flow<()> {
        if self.waiting.is_some() || !self.works.is_empty() {
            self.works.push_back(work);
            return Ok(());
        }
        self.perform(core, slots, work)
    }

    fn perform(&mut self, core: &mut Core, slots: &mut [Slot], work: Work) -> Flow<()> {
        match work {
            Work::Chunk(at, chunk) => self.arrive(core, slots, at, chunk),
            Work::End(at) => self.arrive_end(core, slots, at),
            Work::Trailers(at) => self.trailers(core, slots, at),
        }
    }

    /// The hook that waits goes on, if there is reason to.
    pub(in crate::run) fn resume(&mut self, core: &mut Core, slots: &mut [Slot]) -> Flow<Option<Progress>> {
        let Some(at) = self.waiting.as_ref().map(|waiting| waiting.at) else {
            return if self.take_news(slots) { self.drive(core, slots).map(Some) } else { Ok(None) };
        };
        let index = self.slot(at);
        let slot = &mut slots[index];
        if !slot.can_resume() {
            return Ok(None);
        }
        let Some(Waiting { with, .. }) = self.waiting.take() else { return Ok(None) };
        match with {
            Paused::Head(codings) => {
                let headed = slot.resume_head(core, index, self.direction)?;
                self.met(core, slots, headed, codings);
            }
            Paused::Chunk(chunk) => {
                let passed = slot.resume_chunk(core, index, self.direction, chunk)?;
                self.passed(core, slots, at, passed)?;
            }
            Paused::Trailers => {
                let waits = slot.resume_trailers(core, index, self.direction)?;
                self.after_trailers(core, slots, at, waits)?;
            }
        }
        self.drive(core, slots).map(Some)
    }

    fn wait(&mut self, at: usize, with: Paused) {
        self.waiting = Some(Waiting { at, with });
    }

    /// The head meets the next filter.
    fn meet(&mut self, core: &mut Core, slots: &mut [Slot]) -> Flow<()> {
        self.hold = None;
        let index = self.slot(self.next);
        let slot = &mut slots[index];
        // What the filter is shown is coded as the head says before the filter can change it.
        let coded = slot.wants_decoded(self.direction) && !self.bodyless && self.decoding.is_none();
        let codings = if coded { decode::codings(core.exchange(), self.direction) } else { None };
        if slot.runs_beside {
            if let Some(codings) = codings {
                self.decode(core, self.next, &codings);
            }
            return self.meet_middleware(core, slots);
        }
        let headed = slot.head(core, index, self.direction, self.bodyless)?;
        self.met(core, slots, headed, codings);
        Ok(())
    }

    /// The filter has had the head: on it goes, and what queues passes this filter.
    fn met(&mut self, core: &mut Core, slots: &[Slot], headed: Headed, codings: Option<Vec<Coding>>) {
        let at = self.next;
        if matches!(headed, Headed::Waits) {
            return self.wait(at, Paused::Head(codings));
        }
        let slot = &slots[self.slot(at)];
        self.next += 1;
        if let Some(codings) = codings.filter(|_| slot.mode(self.direction) != BodyMode::None) {
            self.decode(core, at, &codings);
        }
        if matches!(headed, Headed::Holds) {
            self.hold = Some(Hold { at, shown: 0, limit: slot.subscription.max_buffer as usize });
        }
        // of a head without a body nothing queues, and to drain nothing takes its time
        if !self.queue.is_empty() {
            self.queued = 0;
            self.works.extend(self.queue.drain(..).map(|chunk| Work::Chunk(at, chunk)));
        }
        if self.end == End::Through && !self.bodyless {
            self.end = End::Moving;
            self.works.push_back(Work::End(at));
        }
    }

    /// The head is through.
    fn open(&mut self, core: &mut Core) {
        self.hold = None;
        self.head = Head::Open;
        core.freeze(Part::head(self.direction));
        self.freeze_trailers(core);
    }

    pub(super) fn is_held(&self, slots: &[Slot]) -> bool {
        let Some(hold) = &self.hold else { return false };
        hold.shown <= hold.limit && self.end != End::Through && !slots[self.slot(hold.at)].is_out()
    }

    /// A chunk has come as far as a position: there is a decoder, the head, or a filter.
    pub(super) fn arrive(&mut self, core: &mut Core, slots: &mut [Slot], at: usize, chunk: Bytes) -> Flow<()> {
        match &mut self.decoding {
            Some(decoding) if decoding.at == at => {
                decoding.decoder.push(chunk);
                Ok(())
            }
            _ => self.enter(core, slots, at, chunk),
        }
    }

    /// As [`Self::arrive`], behind the decoder that may be there.
    fn enter(&mut self, core: &mut Core, slots: &mut [Slot], at: usize, chunk: Bytes) -> Flow<()> {
        if at == self.next {
            self.queued += chunk.len();
            self.queue.push_back(chunk);
            return Ok(());
        }
        if let Some(hold) = self.hold.as_mut().filter(|hold| hold.at == at) {
            hold.shown += chunk.len();
        }
        let index = self.slot(at);
        if slots[index].is_tap(self.direction) {
            self.give_chunk(slots, at, chunk);
            return Ok(());
        }
        let passed = slots[index].chunk(core, index, self.direction, chunk)?;
        self.passed(core, slots, at, passed)
    }

    /// What a filter has made of a chunk goes to the next.
    fn passed(&mut self, core: &mut Core, slots: &mut [Slot], at: usize, passed: Passed) -> Flow<()> {
        match passed {
            Passed::On(chunk) if !chunk.is_empty() => self.arrive(core, slots, at + 1, chunk),
            Passed::On(_) | Passed::Gone => Ok(()),
            Passed::Waits(chunk) => {
                self.wait(at, Paused::Chunk(chunk));
                Ok(())
            }
        }
    }

    pub(super) fn arrive_end(&mut self, core: &mut Core, slots: &mut [Slot], at: usize) -> Flow<()> {
        match &mut self.decoding {
            Some(decoding) if decoding.at == at => {
                decoding.decoder.end();
                self.end = End::Decoding;
                Ok(())
            }
            _ => self.enter_end(core, slots, at),
        }
    }

    /// The end of the body goes from filter to filter: what one gives at its end is a chunk for those behind it, and its
    /// trailers come after its body.
    fn enter_end(&mut self, core: &mut Core, slots: &mut [Slot], at: usize) -> Flow<()> {
        if at == self.next {
            self.end = End::Through;
            return Ok(());
        }
        let index = self.slot(at);
        if slots[index].is_tap(self.direction) {
            self.give_end(core, slots, at);
            return Ok(());
        }
        match slots[index].end(core, index, self.direction)? {
            Passed::Gone => self.trailers(core, slots, at),
            passed => {
                self.works.push_front(Work::Trailers(at));
                self.passed(core, slots, at, passed)
            }
        }
    }

    fn trailers(&mut self, core: &mut Core, slots: &mut [Slot], at: usize) -> Flow<()> {
        let index = self.slot(at);
        let waits = slots[index].trailers(core, index, self.direction)?;
        self.after_trailers(core, slots, at, waits)
    }

    fn after_trailers(&mut self, core: &mut Core, slots: &mut [Slot], at: usize, waits: bool) -> Flow<()> {
        if waits {
            self.wait(at, Paused::Trailers);
            return Ok(());
        }
        self.arrive_end(core, slots, at + 1)
    }

    /// Undoes the body's coding in front of a filter.
    fn decode(&mut self, core: &mut Core, at: usize, codings: &[Coding]) {
        core.exchange_mut().keep_original(self.direction);
        if let Some(fields) = core.exchange_mut().fields_mut(self.direction) {
            decode::uncoded(fields);
        }
        self.decoding = Some(Decoding { at, decoder: Decoder::new(codings) });
    }

    /// Draws on the decoder once, where there is room for what it gives. False: there is nothing to draw.
    fn draw(&mut self, core: &mut Core, slots: &mut [Slot]) -> Flow<bool> {
        if !self.decoding.as_ref().is_some_and(|decoding| self.has_room_behind(slots, decoding.at)) {
            return Ok(false);
        }
        let Some(Decoding { at, decoder }) = &mut self.decoding else { return Ok(false) };
        let at = *at;
        match decoder.step() {
            Ok(Step::Chunk(chunk)) => self.enter(core, slots, at, chunk)?,
            Ok(Step::End) if self.end == End::Decoding => {
                self.end = End::Moving;
                self.enter_end(core, slots, at)?;
            }
            Ok(Step::Starved | Step::End) => return Ok(false),
            Err(broken) => self.blame_sender(core, slots, at, &broken)?,
        }
        Ok(true)
    }

    pub(super) fn has_room(&self, slots: &[Slot]) -> bool {
        match self.head {
            Head::Open => self.queued < READY_BYTES,
            Head::Moving => self.is_held(slots),
            Head::Coming | Head::Stopped => false,
        }
    }

    fn blame_sender(&self, core: &mut Core, slots: &mut [Slot], at: usize, broken: &decode::Broken) -> Flow<()> {
        let index = self.slot(at);
        let kind = FailureKind::Coding(self.direction);
        let failure = slots[index].filter(&core.chain).failure("on-body", kind, broken.to_string());
        slots[index].fail(core, index, failure)
    }

    fn freeze_trailers(&self, core: &mut Core) {
        if self.head == Head::Open && self.end == End::Through {
            core.freeze(Part::trailers(self.direction));
        }
    }
}
