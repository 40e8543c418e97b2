//! Messages on their way through the chain: those of the client meet its filters in order, those of the upstream in reverse.

use super::{
    Run,
    core::Core,
    slot::{Hooked, Slot},
};
use crate::{
    Answer, Changes, Close, Direction, Failure, FailureKind, Filter, Judged, Message,
    bindings::message::exports::weir::filter::message::MessageAction, state::Hook,
};

/// What one filter made of a message.
enum Told {
    Pass,
    Replace(Message),
    Drop,
    Close(Close),
}

impl Run {
    /// Does a filter of this exchange export `message`? Then it may want to see what follows an upgrade.
    pub fn may_see_messages(&self) -> bool {
        self.slots.iter().any(|slot| !slot.is_out() && slot.filter(&self.core.chain).hooks().message)
    }

    /// Messages begin: asks each filter whether it is to see them. Whether any is.
    ///
    /// # Errors
    /// A filter failed, and its policy lets nothing go on without it.
    pub fn messages_open(&mut self) -> Result<bool, Failure> {
        for at in 0..self.slots.len() {
            self.slots[at].messages_open(&mut self.core, at).map_err(|answer| failure(*answer))?;
        }
        Ok(self.sees_messages())
    }

    /// Does any filter still see messages? If not, the agent forwards bytes without the run.
    pub fn sees_messages(&self) -> bool {
        self.slots.iter().any(Slot::takes_messages)
    }

    /// The longest message that any filter may be shown, in bytes.
    pub fn longest_message(&self) -> usize {
        let takers = self.slots.iter().filter(|slot| slot.takes_messages());
        takers.map(|slot| limit(slot.filter(&self.core.chain))).max().unwrap_or(0)
    }

    /// A message longer than [`Self::longest_message`] is on its way: every filter that sees messages fails.
    ///
    /// # Errors
    /// The policy of one of them lets nothing go on without it.
    pub fn message_too_long(&mut self) -> Result<(), Failure> {
        self.fail_takers(|slot, core, at| slot.message_too_long(core, at)).map_err(|answer| failure(*answer))
    }

    /// The messages come in a form that nobody here reads: every filter that sees messages fails.
    ///
    /// # Errors
    /// The policy of one of them lets nothing go on without it.
    pub fn messages_unreadable(&mut self, reason: &str) -> Result<(), Failure> {
        self.fail_takers(|slot, core, at| {
            let filter = slot.filter(&core.chain);
            let failure = filter.failure(Hook::Open.as_str(), FailureKind::Unreadable, reason.to_owned());
            slot.fail(core, at, failure)
        })
        .map_err(|answer| failure(*answer))
    }

    fn fail_takers(&mut self, fail: impl Fn(&mut Slot, &mut Core, usize) -> Hooked<()>) -> Hooked<()> {
        for at in 0..self.slots.len() {
            if self.slots[at].takes_messages() {
                fail(&mut self.slots[at], &mut self.core, at)?;
            }
        }
        Ok(())
    }

    /// Takes one message through the chain.
    pub fn message(&mut self, direction: Direction, message: &Message) -> Judged {
        let count = self.slots.len();
        let mut replaced = None;
        for step in 0..count {
            let at = if direction == Direction::Request { step } else { count - 1 - step };
            let message = replaced.as_ref().unwrap_or(message);
            match self.slots[at].message(&mut self.core, at, direction, message) {
                Ok(Told::Pass) => {}
                Ok(Told::Replace(other)) => replaced = Some(other),
                Ok(Told::Drop) => return Judged::Drop,
                Ok(Told::Close(close)) => return Judged::Close(close),
                Err(answer) => return Judged::Failed(failure(*answer)),
            }
        }
        replaced.map_or(Judged::Pass, Judged::Replace)
    }
}

fn limit(filter: &Filter) -> usize {
    filter.publication().limits.buffer_bytes as usize
}

/// No hook of messages can answer.
fn failure(answer: Answer) -> Failure {
    match answer {
        Answer::Failed(failure) => failure,
        Answer::Respond(_) | Answer::Abort => unreachable!("a message is neither answered nor aborted"),
    }
}

impl Slot {
    fn takes_messages(&self) -> bool {
        self.sees_messages && !self.is_out()
    }

    fn messages_open(&mut self, core: &mut Core, at: usize) -> Hooked<()> {
        if self.is_out() || !self.filter(&core.chain).hooks().message {
            return Ok(());
        }
        let opened = self.call(core, at, Hook::Open, |guest, store, number| {
            // without the interface nobody comes here
            guest.message().map(|hooks| hooks.weir_filter_message().call_on_open(store, number)).transpose()
        })?;
        self.sees_messages = opened.flatten().unwrap_or(false);
        Ok(())
    }

    fn message(&mut self, core: &mut Core, at: usize, origin: Direction, message: &Message) -> Hooked<Told> {
        if !self.takes_messages() {
            return Ok(Told::Pass);
        }
        if message.len() > limit(self.filter(&core.chain)) {
            return self.message_too_long(core, at).map(|()| Told::Pass);
        }
        let content = message.into();
        let action = self.call(core, at, Hook::Message, |guest, store, number| {
            let hooks = guest.message().map(|hooks| hooks.weir_filter_message());
            hooks.map(|hooks| hooks.call_on_message(store, number, origin.into(), &content)).transpose()
        })?;
        self.copied(message.len(), 0);
        match action.flatten() {
            None | Some(MessageAction::Pass) => Ok(Told::Pass),
            Some(MessageAction::Replace(content)) => self.replace(core, at, message, content.into()),
            Some(MessageAction::DropMessage) => {
                self.has_changed(Changes::MESSAGES);
                Ok(Told::Drop)
            }
            Some(MessageAction::Close(close)) => {
                let close = Close { code: close.code, reason: close.reason };
                if !close.is_valid() {
                    self.breach(core, at, Hook::Message, "it closes with what may not be sent (RFC 6455 section 7.4)")?;
                    return Ok(Told::Pass);
                }
                self.abort(core, at);
                Ok(Told::Close(close))
            }
        }
    }

    fn replace(&mut self, core: &mut Core, at: usize, message: &Message, other: Message) -> Hooked<Told> {
        self.copied(0, other.len());
        let limit = self.filter(&core.chain).publication().limits.answer_bytes as usize;
        if other.len() > limit {
            return self.oversized(core, at, Hook::Message, other.len(), limit).map(|()| Told::Pass);
        }
        if let Some(fault) = message.fault_of(&other) {
            return self.breach(core, at, Hook::Message, fault).map(|()| Told::Pass);
        }
        self.has_changed(Changes::MESSAGES);
        Ok(Told::Replace(other))
    }

    fn message_too_long(&mut self, core: &mut Core, at: usize) -> Hooked<()> {
        let filter = self.filter(&core.chain);
        let reason = format!("a message exceeds the {} bytes that it may buffer", limit(filter));
        let failure = filter.failure(Hook::Message.as_str(), FailureKind::BufferOverflow, reason);
        self.fail(core, at, failure)
    }
}
