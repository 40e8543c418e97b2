//! One live guest: its store, its limits, and the one way in. A trap kills it; whoever had it finds it dead.

use std::{sync::Arc, time::Duration};

use wasmtime::{Store, Trap, WasmBacktrace};

use crate::{
    BodyMode, Changes, Exchange, Failure, FailureKind, Filter, LoadFault, Problem, Subscription,
    calls::Calls,
    clock,
    compiled::Compiled,
    guest::Guest,
    imports::{TooMuch, WrongMetric},
    numbers::Numbers,
    room::Place,
    state::{CpuLimit, Frozen, Hook, Memory, StaleNumber, State},
    stats::Tally,
    tick::Ticks,
};

/// What an answer may need beside its payload: fields of a response, lengths, the guest's own slack.
const HOSTCALL_SLACK: usize = 256 << 10;

/// One live guest.
pub(crate) struct Instance {
    store: Store<State>,
    guest: Guest,
    pub(crate) numbers: Numbers,
    served: u32,
    dead: bool,
    /// Linear memory after `configure`: recycling by memory counts what came after.
    base: usize,
    /// When its clock ticks next, and how often.
    pub(crate) ticks: Option<Ticks>,
    tally: Tally,
    /// Ticks of the clock that the last call took.
    spent: u64,
    /// What [`crate::FilterStats::memory`] knows of.
    told_memory: u64,
    /// In the pool, beyond the one that each worker has.
    _place: Option<Place>,
}

/// What a hook did beside its answer.
pub(crate) struct Effects {
    pub(crate) changed: Changes,
    pub(crate) narrowed: Option<BodyMode>,
}

impl Instance {
    /// Instantiates and configures.
    pub(crate) fn start(filter: &Arc<Filter>) -> Result<Self, LoadFault> {
        let mut instance = Self::instantiate(filter)?;
        instance.configure()?;
        Ok(instance)
    }

    /// One more than the worker's first of this filter, if there is room for it.
    pub(crate) fn start_another(filter: &Arc<Filter>) -> Result<Self, LoadFault> {
        let place = filter.place()?;
        let mut instance = Self::start(filter)?;
        instance._place = Some(place);
        Ok(instance)
    }

    /// Instantiates; the guest has no configuration yet.
    pub(crate) fn instantiate(filter: &Arc<Filter>) -> Result<Self, LoadFault> {
        let limits = &filter.publication().limits;
        let state = State::new(filter);
        let mut store = Store::new(filter.host().engine(), state);
        store.limiter(|state| &mut state.memory);
        store.epoch_deadline_callback(|mut store| Ok(store.data_mut().cpu.tick()?));
        store.set_epoch_deadline(1);
        // Twice what an answer may have: one that is a little over fails by policy, and only more than that traps.
        store.set_hostcall_fuel(2 * limits.answer_bytes as usize + HOSTCALL_SLACK);
        let Compiled { linked, exports } = filter.compiled().ok_or_else(|| {
            LoadFault::Instantiate("its guests run beside their exchanges, and none without one".to_owned())
        })?;
        let guest = linked
            .instantiate(&mut store)
            .and_then(|instance| exports.of(&instance, &mut store))
            .map_err(|error| LoadFault::Instantiate(explain(&error, &store.data().memory).1))?;
        filter.stats().instance_made();
        let (numbers, tally) = (Numbers::default(), Tally::default());
        Ok(Self {
            store,
            guest,
            numbers,
            served: 0,
            dead: false,
            base: 0,
            ticks: None,
            tally,
            spent: 0,
            told_memory: 0,
            _place: None,
        })
    }

    /// What the guest finds wrong with its configuration.
    pub(crate) fn validate(&mut self) -> Result<Vec<Problem>, LoadFault> {
        let filter = Arc::clone(&self.store.data().filter);
        let config = &filter.publication().config;
        self.store.set_epoch_deadline(1);
        self.store.data_mut().cpu.since = None;
        let found = self.guest.weir_filter_lifecycle().call_validate_config(&mut self.store, config);
        let found = found.map_err(|error| self.start_fault("validate-config", &error))?;
        Ok(found.into_iter().map(|it| Problem { pointer: it.pointer, message: it.message }).collect())
    }

    /// Gives the guest its configuration.
    pub(crate) fn configure(&mut self) -> Result<Subscription, LoadFault> {
        let filter = Arc::clone(&self.store.data().filter);
        let publication = filter.publication();
        self.store.set_epoch_deadline(1);
        self.store.data_mut().cpu.since = None;
        let answer = self.guest.weir_filter_lifecycle().call_configure(&mut self.store, &publication.config);
        let answer = answer.map_err(|error| self.start_fault("configure", &error))?;
        let asked = answer.map_err(LoadFault::Configure)?;
        self.set_clock()?;
        self.store.data_mut().cpu.limit = Duration::from_millis(publication.limits.cpu_ms.into());
        self.base = self.store.data().memory.bytes;
        Ok(Subscription::new(asked, publication.limits.buffer_bytes))
    }

    fn set_clock(&mut self) -> Result<(), LoadFault> {
        let Some(hooks) = self.guest.tick() else { return Ok(()) };
        let interval = hooks.weir_filter_tick().call_interval(&mut self.store);
        let interval = interval.map_err(|error| self.start_fault("interval", &error))?;
        self.ticks = Some(Ticks::every(Duration::from_millis(interval.into())));
        Ok(())
    }

    fn start_fault(&mut self, phase: &'static str, error: &wasmtime::Error) -> LoadFault {
        self.dead = true;
        LoadFault::Trap { phase, reason: explain(error, &self.store.data().memory).1 }
    }

    /// Runs a hook with the exchange lent to the guest.
    pub(crate) fn call<R>(
        &mut self,
        number: u32,
        hook: Hook,
        frozen: Frozen,
        exchange: &mut Option<Box<Exchange>>,
        calls: &mut Option<Box<Calls>>,
        enter: impl FnOnce(&Guest, &mut Store<State>) -> wasmtime::Result<R>,
    ) -> Result<(R, Effects), Failure> {
        self.spent = 0;
        if self.dead {
            return Err(self.failure(
                hook,
                FailureKind::InstanceLost,
                "another exchange ended the instance".to_owned(),
            ));
        }
        let state = self.store.data_mut();
        state.lent = exchange.take();
        state.calls = calls.take();
        state.number = number;
        state.hook = hook;
        state.frozen = frozen;
        state.changed = Changes::default();
        state.narrowed = None;
        state.cpu.since = None;
        state.memory.refused = None;
        self.store.set_epoch_deadline(1);
        // until it has come back: should the host panic in there, nobody enters again
        self.dead = true;
        let begin = clock::ticks();
        let result = enter(&self.guest, &mut self.store);
        self.spent = clock::ticks().saturating_sub(begin);
        self.tally.called(self.spent);
        let state = self.store.data_mut();
        *exchange = state.lent.take();
        *calls = state.calls.take();
        let effects = Effects { changed: state.changed, narrowed: state.narrowed };
        self.dead = result.is_err();
        result.map(|answer| (answer, effects)).map_err(|error| {
            let (kind, reason) = explain(&error, &self.store.data().memory);
            self.failure(hook, kind, reason)
        })
    }

    pub(crate) fn failure(&self, hook: Hook, kind: FailureKind, reason: String) -> Failure {
        self.store.data().filter.failure(hook.as_str(), kind, reason)
    }

    /// What the last call took, however it ended, in ticks of [`clock`].
    pub(crate) fn spent(&self) -> u64 {
        self.spent
    }

    /// Counts body bytes that were copied into and out of the guest.
    pub(crate) fn copied(&mut self, bytes_in: usize, bytes_out: usize) {
        self.tally.bytes_in += bytes_in as u64;
        self.tally.bytes_out += bytes_out as u64;
    }

    /// A number for an exchange that begins here.
    pub(crate) fn admit(&mut self) -> Option<u32> {
        let number = self.numbers.take()?;
        self.served = self.served.saturating_add(1);
        self.store.data().filter.stats().exchange();
        Some(number)
    }

    /// The exchange ended here.
    pub(crate) fn release(&mut self, number: u32) {
        self.numbers.give_back(number);
        self.tell();
    }

    /// Adds what it has done since to the filter's figures.
    pub(crate) fn tell(&mut self) {
        let state = self.store.data();
        let stats = state.filter.stats();
        stats.add(std::mem::take(&mut self.tally));
        let memory = state.memory.bytes as u64;
        stats.memory_changed(std::mem::replace(&mut self.told_memory, memory), memory);
    }

    pub(crate) fn filter(&self) -> &Arc<Filter> {
        &self.store.data().filter
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.dead
    }

    /// May another exchange begin here?
    pub(crate) fn has_room(&self) -> bool {
        !self.dead
            && self.numbers.live() < self.store.data().filter.publication().limits.exchanges_per_instance as usize
    }

    /// Has it served so long, or grown so much, that the next exchanges should meet a fresh one? A guest that starts
    /// above the bound would be replaced by every exchange: it may double.
    pub(crate) fn is_worn(&self) -> bool {
        let state = self.store.data();
        let limits = &state.filter.publication().limits;
        let memory = state.memory.bytes;
        self.dead
            || self.served >= limits.recycle_exchanges
            || memory > limits.recycle_bytes as usize && memory > 2 * self.base
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        let stats = self.store.data().filter.stats();
        stats.add(std::mem::take(&mut self.tally));
        stats.memory_changed(self.told_memory, 0);
        stats.instance_gone();
    }
}

/// Which kind of failure an error of a call is, and its reason in one line.
pub(crate) fn explain(error: &wasmtime::Error, memory: &Memory) -> (FailureKind, String) {
    if let Some(limit) = error.downcast_ref::<CpuLimit>() {
        return (FailureKind::Cpu, limit.to_string());
    }
    let breach = error.downcast_ref::<StaleNumber>().map(ToString::to_string);
    let breach = breach.or_else(|| error.downcast_ref::<WrongMetric>().map(ToString::to_string));
    if let Some(breach) = breach.or_else(|| error.downcast_ref::<TooMuch>().map(ToString::to_string)) {
        return (FailureKind::Contract, breach);
    }
    let root = error.root_cause().to_string();
    if root.contains("fuel allocated for hostcalls") {
        return (FailureKind::AnswerTooLarge, "what it gave the host exceeds `answer_bytes`".to_owned());
    }
    let place = error
        .downcast_ref::<WasmBacktrace>()
        .and_then(|trace| trace.frames().iter().find_map(|frame| frame.func_name()).map(|name| format!(" in {name}")));
    let reason = format!("{root}{}", place.unwrap_or_default());
    match memory.refused {
        Some(bytes) if error.downcast_ref::<Trap>().is_some() => {
            (FailureKind::Memory, format!("it asked for {bytes} bytes of memory, more than {}: {reason}", memory.limit))
        }
        _ => (FailureKind::Trap, reason),
    }
}
