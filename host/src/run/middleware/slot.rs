//! A filter whose guest runs beside the exchange, in its slot: where its guest begins, answers, fails and ends.

use std::collections::VecDeque;

use bytes::Bytes;
use http::{HeaderMap, response};

use super::{Fed, Head, Part, Pull};
use crate::{
    Answer, Changes, Direction, FailureKind, LocalResponse, UpstreamError,
    run::{
        core::Core,
        slot::{Hooked, Slot, not_seated},
    },
};

impl Slot {
    /// Gives the head to the guest; for a request, that begins it. False: the exchange goes on without it.
    pub(in crate::run) fn give(
        &mut self,
        core: &mut Core,
        at: usize,
        direction: Direction,
        bodyless: bool,
    ) -> Hooked<bool> {
        if self.is_out() {
            return Ok(false);
        }
        match direction {
            Direction::Request => self.begin(core, at, bodyless),
            Direction::Response => self.give_response(core, at, bodyless),
        }
    }

    fn begin(&mut self, core: &mut Core, at: usize, bodyless: bool) -> Hooked<bool> {
        let filter = self.filter(&core.chain).clone();
        let place = self.admitted(core).and_then(|()| filter.place().map_err(|fault| not_seated(&filter, &fault)));
        let place = match place {
            Ok(place) => place,
            Err(failure) => return self.fail(core, at, failure).map(|()| false),
        };
        self.meets();
        let (part, task) = Part::begin(&filter, place, core.exchange_mut(), bodyless);
        self.part = Some(Box::new(part));
        core.tasks.push(task);
        Ok(true)
    }

    fn give_response(&mut self, core: &mut Core, at: usize, bodyless: bool) -> Hooked<bool> {
        let Some(part) = &mut self.part else { return Ok(false) };
        if part.responds {
            return Ok(true);
        }
        if !part.is_idle(Direction::Response) {
            let reason = "another response takes the place of the one that it was given".to_owned();
            let phase = part.wire().phase();
            self.part = None;
            let failure = self.filter(&core.chain).failure(phase, FailureKind::InstanceLost, reason);
            return self.fail(core, at, failure).map(|()| false);
        }
        part.give_response(core.exchange_mut(), bodyless);
        Ok(true)
    }

    pub(in crate::run) fn is_tap(&self, direction: Direction) -> bool {
        self.part.as_ref().is_some_and(|part| part.is_tap(direction))
    }

    pub(in crate::run) fn has_news(&self, direction: Direction) -> bool {
        self.part.as_ref().is_some_and(|part| part.wire().has_news(direction))
    }

    /// Has the head come out of the guest?
    pub(in crate::run) fn head_out(&mut self, core: &mut Core, direction: Direction, bodyless: bool) -> Option<Head> {
        let filter = self.filter(&core.chain).clone();
        self.hear(core);
        let keeps_original = core.frozen.keeps_original_response();
        let part = self.part.as_mut()?;
        let exchange = core.exchange_mut();
        let status = part.status(exchange, direction);
        let fed = Fed {
            bodyless,
            has_no_content: status.is_some_and(|status| crate::has_no_content(exchange.client_method(), status)),
            keeps_original,
        };
        let head = part.head(&filter, exchange, direction, fed);
        if let Head::Out { changed, .. } = &head {
            self.has_changed(Changes::head(direction).when(*changed));
        }
        Some(head)
    }

    /// The guest answers: its head goes back as a response of a filter's, and its body follows from here.
    pub(in crate::run) fn answers(&mut self, core: &mut Core, at: usize, head: response::Parts) -> Box<Answer> {
        if core.committed {
            return self.abort(core, at);
        }
        if let Some(part) = &mut self.part {
            part.answers();
        }
        self.has_responded();
        core.answered = Some(at + 1);
        Box::new(Answer::Respond(LocalResponse { status: head.status, headers: head.headers, body: Bytes::new() }))
    }

    pub(in crate::run) fn pull(&mut self, core: &Core, direction: Direction) -> Pull {
        let filter = self.filter(&core.chain).clone();
        let Some(part) = &mut self.part else { return Pull::Nothing };
        let pull = part.pull(&filter, direction);
        let is_changed = !part.is_spliced(direction) && matches!(pull, Pull::Chunk(_));
        self.has_changed(Changes::body(direction).when(is_changed));
        pull
    }

    /// The guest failed with nothing of it gone: what it had been given. None: some of it is gone.
    pub(in crate::run) fn take_back(&mut self, direction: Direction) -> Option<(VecDeque<Bytes>, Option<HeaderMap>)> {
        self.part.as_mut()?.take_back(direction)
    }

    /// No response came: tells the guest, and says what it makes of that. None: it has not said yet.
    pub(in crate::run) fn middleware_error(
        &mut self,
        core: &mut Core,
        at: usize,
        error: &UpstreamError,
    ) -> Hooked<Option<()>> {
        let filter = self.filter(&core.chain).clone();
        self.hear(core);
        let Some(part) = &mut self.part else { return Ok(Some(())) };
        if !part.told_error {
            part.upstream_error(error);
        }
        match part.early_response(&filter, core.exchange()) {
            // here it is the guest that is waited for
            Head::Nothing | Head::Out { .. } => {
                part.wire().asks(Direction::Response);
                Ok(None)
            }
            Head::Responds(head) => Err(self.answers(core, at, *head)),
            Head::Aborts => Err(self.abort(core, at)),
            // It passes the error on.
            Head::Failed(failure) if failure.kind == FailureKind::GaveError => {
                part.wire().asks_nothing(Direction::Response);
                Ok(Some(()))
            }
            Head::Failed(failure) => self.fail(core, at, failure).map(Some),
        }
    }

    /// While the response is awaited: the guest may answer, or fail, before it is there.
    pub(in crate::run) fn early(&mut self, core: &mut Core, at: usize) -> Hooked<()> {
        let filter = self.filter(&core.chain).clone();
        self.hear(core);
        if self.has_failed() {
            return Ok(());
        }
        let Some(part) = self.part.as_mut().filter(|part| part.is_idle(Direction::Response)) else { return Ok(()) };
        match part.early_response(&filter, core.exchange()) {
            Head::Nothing | Head::Out { .. } => Ok(()),
            Head::Responds(head) => Err(self.answers(core, at, *head)),
            Head::Aborts => Err(self.abort(core, at)),
            Head::Failed(failure) => {
                let spliced_or_done = part.is_spliced(Direction::Request) || part.is_done(Direction::Request);
                self.fail_where(core, at, failure, spliced_or_done)
            }
        }
    }

    /// Takes up what the guest has said of the exchange.
    fn hear(&self, core: &mut Core) {
        let Some(part) = &self.part else { return };
        for said in part.wire().said() {
            let tags = &mut core.exchange_mut().tags;
            match tags.iter_mut().find(|tag| tag.filter == said.filter && tag.name == said.name) {
                Some(tag) => *tag = said,
                None => tags.push(said),
            }
        }
        core.exchange_mut().placeholders.extend(part.wire().held());
    }

    /// The exchange is over.
    pub(in crate::run) fn middleware_done(&mut self, core: &mut Core) {
        self.hear(core);
        let Some(part) = self.part.take() else { return };
        self.has_spent(part.wire().busy());
        if let Some(failure) = part.wire().failure().filter(|_| !self.has_failed()) {
            self.failed_unseen(core, failure);
        }
        self.judge(core, false);
    }
}
