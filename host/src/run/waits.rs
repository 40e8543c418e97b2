//! What filters have begun that goes on beside the exchange, calls and guests, and what goes on once that has news.

use std::task::Waker;

use super::Run;
use crate::{Call, CallOutcome, Direction, Progress, Task, calls};

impl Run {
    /// What filters have started since this was last asked. To be asked after every step.
    pub fn take_calls(&mut self) -> Vec<Call> {
        let hooks_have = std::mem::take(&mut self.core.has_new_calls);
        let mut calls = Vec::new();
        for (at, slot) in self.slots.iter_mut().enumerate().filter(|(_, slot)| hooks_have || slot.part.is_some()) {
            slot.take_calls(at, &mut calls);
        }
        calls
    }

    /// Is there something that [`Self::take_calls`] gives?
    pub fn has_calls(&self) -> bool {
        let mut parts = self.slots.iter().filter_map(|slot| slot.part.as_ref());
        self.core.has_new_calls || parts.any(|part| part.wire().has_new_calls())
    }

    /// Whom to wake when a guest that runs beside the exchange has called somebody.
    pub fn listen_for_calls(&self, waker: &Waker) {
        for part in self.slots.iter().filter_map(|slot| slot.part.as_ref()) {
            part.wire().listen_for_calls(waker);
        }
    }

    /// Guests that have begun since this was last asked: each is to be polled on this thread until it is through, or the
    /// exchange is over. To be asked after every step.
    pub fn take_tasks(&mut self) -> Vec<Task> {
        std::mem::take(&mut self.core.tasks)
    }

    /// Whom to wake when [`Self::can_resume`] may have become true by such a task.
    pub fn listen(&mut self, direction: Direction, waker: &Waker) {
        for part in self.slots.iter().filter_map(|slot| slot.part.as_ref()) {
            part.wire().listen(direction, waker);
        }
    }

    /// A call came to its end; then [`Self::resume`] what waits.
    pub fn call_ended(&mut self, id: u32, outcome: CallOutcome) {
        let (at, number) = calls::of_id(id);
        if let Some(slot) = self.slots.get_mut(at) {
            slot.call_ended(number, outcome);
        }
    }

    /// Does a hook of this direction wait? Then nothing more is to be fed to it.
    pub fn is_waiting(&self, direction: Direction) -> bool {
        self.pipe(direction).is_waiting(&self.slots)
    }

    /// Is there reason for what waits to go on?
    pub fn can_resume(&self, direction: Direction) -> bool {
        match self.failing {
            Some((entered, _)) if direction == Direction::Response => {
                entered.checked_sub(1).is_some_and(|at| self.slots[at].has_news(direction))
            }
            _ => self.pipe(direction).can_resume(&self.slots),
        }
    }

    /// Goes on after [`Progress::Waiting`], once there is reason to. None: there is none yet.
    pub fn resume(&mut self, direction: Direction) -> Option<Progress> {
        if self.failing.is_some() && direction == Direction::Response {
            return Some(self.tell_error()).filter(|progress| !matches!(progress, Progress::Waiting));
        }
        let (pipe, core, slots) = self.parts(direction);
        let result = pipe.resume(core, slots).transpose()?;
        Some(self.settle(direction, result))
    }
}
