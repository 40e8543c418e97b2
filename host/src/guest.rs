//! What a component exports: the two interfaces of every filter, and those that it may have beside them. Looked up by name
//! once, when it is compiled; an instance finds them by place.

use wasmtime::{
    Store,
    component::{Instance, InstancePre},
};

use crate::{
    bindings::{
        Filter, FilterIndices,
        completed::{CompletedHooks, CompletedHooksIndices},
        connect::{ConnectHooks, ConnectHooksIndices},
        exports::weir::filter::{events, lifecycle},
        message::{MessageHooks, MessageHooksIndices},
        tick::{TickHooks, TickHooksIndices},
    },
    state::State,
};

/// Interfaces that a filter exports beside `lifecycle` and `events`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Hooks {
    /// `connect`: it decides about tunnels.
    pub connect: bool,
    /// `message`: it sees the messages of WebSockets and server-sent events.
    pub message: bool,
    /// `completed`: it is told what exchanges came to.
    pub completed: bool,
    /// `tick`: it works by the clock.
    pub tick: bool,
}

impl Hooks {
    /// Their names, as in the contract.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        [("connect", self.connect), ("message", self.message), ("completed", self.completed), ("tick", self.tick)]
            .into_iter()
            .filter_map(|(name, there)| there.then_some(name))
    }
}

/// Where in a component its exports are.
pub(crate) struct Exports {
    filter: FilterIndices,
    connect: Option<ConnectHooksIndices>,
    message: Option<MessageHooksIndices>,
    completed: Option<CompletedHooksIndices>,
    tick: Option<TickHooksIndices>,
}

impl Exports {
    pub(crate) fn find(linked: &InstancePre<State>) -> wasmtime::Result<Self> {
        Ok(Self {
            filter: FilterIndices::new(linked)?,
            connect: has(linked, "connect").then(|| ConnectHooksIndices::new(linked)).transpose()?,
            message: has(linked, "message").then(|| MessageHooksIndices::new(linked)).transpose()?,
            completed: has(linked, "completed").then(|| CompletedHooksIndices::new(linked)).transpose()?,
            tick: has(linked, "tick").then(|| TickHooksIndices::new(linked)).transpose()?,
        })
    }

    pub(crate) fn hooks(&self) -> Hooks {
        Hooks {
            connect: self.connect.is_some(),
            message: self.message.is_some(),
            completed: self.completed.is_some(),
            tick: self.tick.is_some(),
        }
    }

    pub(crate) fn of(&self, instance: &Instance, store: &mut Store<State>) -> wasmtime::Result<Guest> {
        Ok(Guest {
            filter: self.filter.load(&mut *store, instance)?,
            connect: self.connect.as_ref().map(|at| at.load(&mut *store, instance)).transpose()?,
            message: self.message.as_ref().map(|at| at.load(&mut *store, instance)).transpose()?,
            completed: self.completed.as_ref().map(|at| at.load(&mut *store, instance)).transpose()?,
            tick: self.tick.as_ref().map(|at| at.load(&mut *store, instance)).transpose()?,
        })
    }
}

/// An interface that is there has to be whole.
fn has(linked: &InstancePre<State>, interface: &str) -> bool {
    let name = format!("{}/{interface}@{}", weir_wit::PACKAGE, weir_wit::VERSION);
    linked.component().get_export_index(None, &name).is_some()
}

/// The exports of one instance.
pub(crate) struct Guest {
    filter: Filter,
    connect: Option<ConnectHooks>,
    message: Option<MessageHooks>,
    completed: Option<CompletedHooks>,
    tick: Option<TickHooks>,
}

impl Guest {
    pub(crate) fn weir_filter_lifecycle(&self) -> &lifecycle::Guest {
        self.filter.weir_filter_lifecycle()
    }

    pub(crate) fn weir_filter_events(&self) -> &events::Guest {
        self.filter.weir_filter_events()
    }

    pub(crate) fn connect(&self) -> Option<&ConnectHooks> {
        self.connect.as_ref()
    }

    pub(crate) fn message(&self) -> Option<&MessageHooks> {
        self.message.as_ref()
    }

    pub(crate) fn completed(&self) -> Option<&CompletedHooks> {
        self.completed.as_ref()
    }

    pub(crate) fn tick(&self) -> Option<&TickHooks> {
        self.tick.as_ref()
    }
}
