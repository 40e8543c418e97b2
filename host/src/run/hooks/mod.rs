//! The hooks of one filter, each with what its answers mean there.

mod bodies;

use bytes::Bytes;

use super::{
    core::Core,
    slot::{Hooked, Slot},
};
use crate::{
    Direction, UpstreamError,
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
