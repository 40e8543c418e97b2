//! Guests of the world `weir:filter/stream-filter`: a copy of the exchange's heads to work on, the imports that every filter
//! has, and two hooks with the bodies as streams.

mod arrived;
mod departing;
mod duct;
mod hooks;
mod waits;

use std::{sync::Arc, time::Duration};

use http::Request;
use wasmtime::{
    Engine, Store, UpdateDeadline,
    component::{Component, Linker},
};

use self::hooks::Passage;
use super::{
    InputBody, Wire,
    drive::{self, START},
};
use crate::{
    Exchange, Filter, LoadFault, Problem, Subscription,
    bindings::streaming::{StreamFilter, StreamFilterPre, exports::weir::filter::lifecycle},
    filter::Code,
    imports, instance,
    state::{Cpu, State},
};

/// The number of the one exchange.
const NUMBER: u32 = 1;

/// Compiled and linked.
pub(crate) struct Compiled(StreamFilterPre<State>);

/// Compiles and links.
pub(super) struct Workshop(Linker<State>);

impl Workshop {
    pub(super) fn open(engine: &Engine) -> wasmtime::Result<Self> {
        let mut linker = imports::linker(engine)?;
        waits::add(&mut linker)?;
        Ok(Self(linker))
    }

    pub(super) fn compile(&self, component: &Component) -> wasmtime::Result<Compiled> {
        StreamFilterPre::new(self.0.instantiate_pre(component)?).map(Compiled)
    }
}

fn compiled(filter: &Filter) -> &Compiled {
    match filter.code() {
        Code::Streaming(compiled) => compiled,
        Code::Events(_) | Code::Middleware(_) => unreachable!("asked only of filters with streams"),
    }
}

/// What a guest has of an exchange, and the request's body.
pub(super) struct Begun {
    exchange: Box<Exchange>,
    body: InputBody,
}

/// The exchange as it is now, for a guest of its own.
pub(super) fn copy(exchange: &Exchange, request: Request<InputBody>) -> Begun {
    let (parts, body) = request.into_parts();
    let mut copy = Exchange::new(exchange.id, Arc::clone(&exchange.connection), parts);
    copy.tags = exchange.tags.clone();
    Begun { exchange: copy, body }
}

/// Every end of it is told over the wire, and before the store goes: what goes with it tells the chain nothing.
pub(super) async fn serve(filter: Arc<Filter>, wire: Arc<Wire>, begun: Begun) {
    let Some(begin) = hooks::before(&filter, &wire, begun).await else { return };
    let mut state = State::new(&filter);
    state.wire = Some(Arc::clone(&wire));
    let mut store = Store::new(filter.host().concurrent_engine(), state);
    drive::bound(&mut store, &filter, &wire, |state: &mut State| &mut state.memory);
    let fail = |store: &Store<State>, error: &wasmtime::Error| {
        wire.fail(drive::explain(&filter, &store.data().memory, wire.phase(), error));
    };
    wire.enter(START);
    let guest = match compiled(&filter).0.instantiate_async(&mut store).await {
        Ok(guest) => guest,
        Err(error) => return fail(&store, &error),
    };
    wire.enter("configure");
    let config = &filter.publication().config;
    match guest.weir_filter_lifecycle().call_configure(&mut store, config).await {
        // what it asked for when it was loaded counts
        Ok(Ok(_)) => {}
        Ok(Err(reason)) => return fail(&store, &wasmtime::Error::msg(reason)),
        Err(error) => return fail(&store, &error),
    }
    let served = store
        .run_concurrent(async |accessor| Passage::new(accessor, &guest, &filter, &wire).through(begin).await)
        .await;
    if let Err(error) = served.flatten() {
        fail(&store, &error);
    }
}

/// A start that serves nobody: does it come up within its limits, and does its configuration suit it? Then what it wants.
pub(super) async fn trial(filter: &Arc<Filter>) -> Result<Subscription, LoadFault> {
    let publication = filter.publication();
    let mut cpu = Cpu { limit: Duration::from_millis(publication.limits.startup_ms.into()), since: None };
    let wire = Arc::new(Wire::new(cpu.limit));
    let mut store = Store::new(filter.host().concurrent_engine(), State::new(filter));
    drive::bound(&mut store, filter, &wire, |state: &mut State| &mut state.memory);
    store.epoch_deadline_callback(move |_| cpu.tick().map(|_| UpdateDeadline::Continue(1)).map_err(Into::into));
    let guest = match compiled(filter).0.instantiate_async(&mut store).await {
        Ok(guest) => guest,
        Err(error) => return Err(LoadFault::Instantiate(instance::explain(&error, &store.data().memory).1)),
    };
    let lifecycle = guest.weir_filter_lifecycle();
    let found = lifecycle.call_validate_config(&mut store, &publication.config).await;
    let problems = found.map_err(|error| fault("validate-config", &store, &error))?;
    if !problems.is_empty() {
        let problem = |it: lifecycle::Problem| Problem { pointer: it.pointer, message: it.message };
        return Err(LoadFault::Config { problems: problems.into_iter().map(problem).collect() });
    }
    let asked = lifecycle.call_configure(&mut store, &publication.config).await;
    let asked = asked.map_err(|error| fault("configure", &store, &error))?.map_err(LoadFault::Configure)?;
    Ok(subscription(&asked, publication.limits.buffer_bytes))
}

fn fault(phase: &'static str, store: &Store<State>, error: &wasmtime::Error) -> LoadFault {
    LoadFault::Trap { phase, reason: instance::explain(error, &store.data().memory).1 }
}

fn subscription(asked: &lifecycle::Subscription, buffer_bytes: u32) -> Subscription {
    Subscription {
        request_head: asked.request_head,
        request_body: asked.request_body.into(),
        request_trailers: asked.request_trailers,
        response_head: asked.response_head,
        response_body: asked.response_body.into(),
        response_trailers: asked.response_trailers,
        decoded: asked.decoded,
        max_buffer: asked.max_buffer.min(buffer_bytes),
    }
}

/// The guest as its exports.
type Guest = StreamFilter;
