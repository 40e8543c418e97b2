//! A filter under test.

use std::{cell::Cell, time::Duration};

use weir_golden::Outcome;

use super::{Exchange, live, passage::Passage};
use crate::{
    ClientHello, Completed, Connect, Content, Decision, Filter, MessageAction, Messages, Origin, Problems,
    Subscription, Summary, Tick, Tunnel, guest::Guest, log::Level,
};

/// A configured filter, to which exchanges can be sent.
pub struct Tested<F: Filter> {
    pub(super) guest: Guest<F>,
    pub(super) subscription: Subscription,
    numbers: Cell<u32>,
}

impl<F: Filter> Tested<F> {
    /// Checks a configuration and takes it on, as the agent does.
    ///
    /// # Errors
    /// What is wrong with the configuration.
    ///
    /// # Panics
    /// The filter accepts a configuration and then does not take it on.
    pub fn new(config: &str) -> Result<Self, Problems> {
        let guest = Guest::new();
        let problems: Problems = guest.validate_config(config).into_iter().collect();
        problems.or(())?;
        let subscription = guest.configure(config).expect("what was validated can be configured");
        Ok(Self { guest, subscription, numbers: Cell::new(0) })
    }

    /// Sends one exchange through the filter, from its first hook to `done`.
    pub fn run(&self, exchange: Exchange) -> Outcome {
        let number = self.numbers.get();
        self.numbers.set(number.wrapping_add(1));
        Passage::new(self, number, exchange).run()
    }

    /// As [`Self::run`], and tells what the exchange came to.
    pub fn complete(&self, exchange: Exchange, summary: &Summary) -> Outcome
    where
        F: Completed,
    {
        let number = self.numbers.get();
        self.numbers.set(number.wrapping_add(1));
        Passage::new(self, number, exchange).run_and(|guest, number, reason| guest.completed(number, reason, summary))
    }

    /// As [`Self::run`], and shows these messages once the response is there. What became of each; after a close no more are
    /// shown. None: the filter does not want to see them.
    pub fn converse(
        &self,
        exchange: Exchange,
        messages: impl IntoIterator<Item = (Origin, Content)>,
    ) -> Option<Vec<MessageAction>>
    where
        F: Messages,
    {
        self.converse_and(exchange, messages).1
    }

    /// As [`Self::converse`], with what became of the exchange.
    pub(super) fn converse_and(
        &self,
        exchange: Exchange,
        messages: impl IntoIterator<Item = (Origin, Content)>,
    ) -> (Outcome, Option<Vec<MessageAction>>)
    where
        F: Messages,
    {
        let number = self.numbers.get();
        self.numbers.set(number.wrapping_add(1));
        let mut actions = None;
        let outcome = Passage::new(self, number, exchange).run_and(|guest, number, _| {
            if !guest.messages_open(number) {
                return;
            }
            let actions = actions.insert(Vec::new());
            for (origin, content) in messages {
                actions.push(guest.message(number, origin, content));
                if matches!(actions.last(), Some(MessageAction::Close { .. })) {
                    break;
                }
            }
        });
        (outcome, actions)
    }

    /// How often its clock ticks.
    pub fn interval(&self) -> Duration
    where
        F: Tick,
    {
        self.guest.interval()
    }

    /// Asks about a tunnel.
    pub fn connect(&self, to: &Tunnel) -> Decision
    where
        F: Connect,
    {
        self.guest.connect(to)
    }

    /// Asks about the TLS in a tunnel.
    pub fn client_hello(&self, to: &Tunnel, hello: &ClientHello) -> Decision
    where
        F: Connect,
    {
        self.guest.client_hello(to, hello)
    }

    /// Lets its clock tick once.
    pub fn tick(&self)
    where
        F: Tick,
    {
        self.guest.tick();
    }

    /// What the filter asked to see.
    pub fn subscription(&self) -> Subscription {
        self.subscription
    }

    /// Lines that were logged on this thread since the last call.
    pub fn log(&self) -> Vec<(Level, String)> {
        live::take_log()
    }

    /// Exchanges that the filter still keeps state of.
    pub fn live_states(&self) -> usize {
        self.guest.live()
    }
}
