//! Guests of the standard world. What they find: `wasi:http` with the next handler behind it, the clocks, random numbers,
//! and for the rest an empty system: no files, no sockets, no environment, nothing to read.

use std::{future::poll_fn, sync::Arc, time::Duration};

use http::{HeaderName, Request as HttpRequest, header::HOST, uri::Scheme};
use wasmtime::{
    Engine, Store, UpdateDeadline,
    component::{Accessor, Component, Linker, Resource, ResourceTable},
};
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_http::{
    Error, ForbiddenHeaderFilter, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView,
    p3::{
        Request, Response,
        bindings::{
            Service, ServiceIndices, ServicePre,
            http::types::{DnsErrorPayload, ErrorCode},
        },
    },
};

use super::{
    InputBody, Wire,
    drive::{self, START},
    wire::Ending,
};
use crate::{
    Direction, Filter, LoadFault, UpstreamError,
    filter::Code,
    imports, instance,
    state::{Cpu, Memory},
};

/// Heads, requests and responses that a guest may have at once.
const RESOURCES: usize = 256;

/// One chunk out of a guest.
const CHUNK: usize = 64 << 10;

/// The data of a store.
struct Data {
    filter: Arc<Filter>,
    wire: Arc<Wire>,
    memory: Memory,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    hooks: Hooks,
    table: ResourceTable,
}

impl Data {
    fn new(filter: &Arc<Filter>, wire: Arc<Wire>) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(RESOURCES);
        let mut wasi = WasiCtxBuilder::new();
        wasi.allow_tcp(false).allow_udp(false).allow_ip_name_lookup(false);
        let memory = Memory { limit: filter.publication().limits.memory_bytes as usize, bytes: 0, refused: None };
        Self {
            filter: Arc::clone(filter),
            wire,
            memory,
            wasi: wasi.build(),
            http: WasiHttpCtx::new(),
            hooks: Hooks,
            table,
        }
    }
}

impl Drop for Data {
    fn drop(&mut self) {
        let bytes = self.memory.bytes as u64;
        self.filter.stats().memory_changed(0, bytes);
        self.filter.stats().memory_changed(bytes, 0);
    }
}

impl WasiView for Data {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for Data {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { hooks: &mut self.hooks, table: &mut self.table, ctx: &mut self.http }
    }
}

type SendFuture<T> = Box<dyn Future<Output = Result<T, Error>> + Send>;

struct Hooks;

impl WasiHttpHooks for Hooks {
    fn forbidden_header_filter(&mut self) -> ForbiddenHeaderFilter {
        Arc::new(is_agents_own)
    }

    fn is_forbidden_header(&mut self, name: &HeaderName) -> bool {
        is_agents_own(name)
    }

    /// The authority says it.
    fn set_host_header(&mut self) -> bool {
        false
    }

    fn default_scheme(&mut self) -> Option<Scheme> {
        Some(Scheme::HTTP)
    }

    fn p3_outgoing_body_chunk_size(&mut self) -> usize {
        CHUNK
    }

    /// `wasi:http/client`: nothing is granted there. The way on is the handler.
    fn send_request(
        &mut self,
        _: http::Request<WasiBody>,
        _: Option<RequestOptions>,
        _: SendFuture<()>,
    ) -> SendFuture<(http::Response<WasiBody>, SendFuture<()>)> {
        Box::new(async { Err(Error::HttpRequestDenied) })
    }
}

/// Framing, hop-by-hop and proxy authentication; but a guest may say how long its bodies are, and is held to it.
pub(crate) fn is_agents_own(name: &HeaderName) -> bool {
    name == HOST || name != http::header::CONTENT_LENGTH && imports::is_owned(name)
}

fn link(engine: &Engine) -> wasmtime::Result<Linker<Data>> {
    let mut linker = Linker::new(engine);
    // What of these a component may import at all is decided by its names, before it is compiled.
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi::p3::add_to_linker(&mut linker)?;
    wasmtime_wasi_http::p3::add_to_linker(&mut linker)?;
    let mut handler = linker.instance("wasi:http/handler@0.3.0")?;
    handler.func_wrap_concurrent("handle", |accessor: &Accessor<Data>, (request,): (Resource<Request>,)| {
        Box::pin(async move { Ok((next(accessor, request).await?,)) })
    })?;
    Ok(linker)
}

type Handled = Result<Resource<Response>, ErrorCode>;

/// The exchange goes on: through the filters behind this one, to the upstream, and back to here.
async fn next(accessor: &Accessor<Data>, request: Resource<Request>) -> wasmtime::Result<Handled> {
    let called = accessor.with(|mut store| -> wasmtime::Result<Result<Arc<Wire>, ErrorCode>> {
        let request = store.data_mut().table.delete(request)?;
        let wire = Arc::clone(&store.data_mut().wire);
        let request = match request.into_http(&mut store, async { Ok(()) }) {
            Ok((request, _)) => request,
            Err(error) => return Ok(Err(error.downcast()?)),
        };
        if !wire.may_call() {
            let told = "the next handler has been called: an exchange goes on once".to_owned();
            return Ok(Err(ErrorCode::InternalError(Some(told))));
        }
        wire.call(request);
        Ok(Ok(wire))
    })?;
    let wire = match called {
        Ok(wire) => wire,
        Err(error) => return Ok(Err(error)),
    };
    match std::future::poll_fn(|cx| wire.poll_answer(cx)).await {
        Ok(response) => accessor.with(|mut store| {
            let response = response.map(|()| InputBody::new(&wire, Direction::Response));
            let view = store.data_mut().http();
            let (response, _) = Response::from_http(view.hooks, response);
            Ok(Ok(view.table.push(response)?))
        }),
        Err(error) => Ok(Err(error_code(error))),
    }
}

fn error_code(error: UpstreamError) -> ErrorCode {
    match error {
        UpstreamError::Refused => ErrorCode::ConnectionRefused,
        UpstreamError::Reset => ErrorCode::ConnectionTerminated,
        UpstreamError::Timeout => ErrorCode::HttpResponseTimeout,
        UpstreamError::Dns => ErrorCode::DnsError(DnsErrorPayload { rcode: None, info_code: None }),
        UpstreamError::Tls(_) => ErrorCode::TlsProtocolError,
        UpstreamError::Protocol => ErrorCode::HttpProtocolError,
        UpstreamError::TooLarge => ErrorCode::HttpResponseHeaderSectionSize(None),
    }
}

/// What came of the call to the export, as the wire takes it.
async fn handle(
    accessor: &Accessor<Data>,
    service: &Service,
    request: HttpRequest<InputBody>,
    wire: &Wire,
) -> wasmtime::Result<()> {
    let request = accessor.with(|mut store| Request::from_http(&mut store.data_mut().hooks, request).0);
    match service.handle(accessor, request).await? {
        Ok(response) => {
            let response = accessor.with(|mut store| response.into_http(&mut store, async { Ok(()) }))?;
            wire.respond(Ok(response));
        }
        Err(code) => wire.respond(Err(Ending::Error(format!("{code:?}")))),
    }
    // the bodies go on, and what the guest has begun beside them
    poll_fn(|cx| wire.poll_closed(cx)).await;
    Ok(())
}

/// Every end of it is told over the wire, and before the store goes: what goes with it tells the chain nothing.
pub(super) async fn serve(filter: Arc<Filter>, wire: Arc<Wire>, request: HttpRequest<InputBody>) {
    let mut store = Store::new(filter.host().concurrent_engine(), Data::new(&filter, Arc::clone(&wire)));
    drive::bound(&mut store, &filter, &wire, |data: &mut Data| &mut data.memory);
    let service = match compiled(&filter).0.instantiate_async(&mut store).await {
        Ok(service) => service,
        Err(error) => return wire.fail(drive::explain(&filter, &store.data().memory, START, &error)),
    };
    let served = store.run_concurrent(async |accessor| handle(accessor, &service, request, &wire).await).await;
    if let Err(error) = served.flatten() {
        wire.fail(drive::explain(&filter, &store.data().memory, wire.phase(), &error));
    }
}

/// A start that serves nobody: does it come up within its limits?
pub(super) async fn trial(filter: &Arc<Filter>) -> Result<(), LoadFault> {
    let limits = &filter.publication().limits;
    let mut cpu = Cpu { limit: Duration::from_millis(limits.startup_ms.into()), since: None };
    let wire = Arc::new(Wire::new(cpu.limit));
    let mut store = Store::new(filter.host().concurrent_engine(), Data::new(filter, Arc::clone(&wire)));
    drive::bound(&mut store, filter, &wire, |data: &mut Data| &mut data.memory);
    store.epoch_deadline_callback(move |_| cpu.tick().map(|_| UpdateDeadline::Continue(1)).map_err(Into::into));
    let started = compiled(filter).0.instantiate_async(&mut store).await;
    let fault = |error| LoadFault::Instantiate(instance::explain(&error, &store.data().memory).1);
    started.map(drop).map_err(fault)
}

/// Compiled and linked.
pub(crate) struct Compiled(ServicePre<Data>);

fn compiled(filter: &Filter) -> &Compiled {
    match filter.code() {
        Code::Middleware(compiled) => compiled,
        Code::Events(_) | Code::Streaming(_) => unreachable!("asked only of middleware"),
    }
}

/// Compiles and links.
pub(super) struct Workshop(Linker<Data>);

impl Workshop {
    pub(super) fn open(engine: &Engine) -> wasmtime::Result<Self> {
        link(engine).map(Self)
    }

    pub(super) fn compile(&self, component: &Component) -> wasmtime::Result<Compiled> {
        let linked = self.0.instantiate_pre(component)?;
        ServiceIndices::new(&linked)?;
        Ok(Compiled(ServicePre::new(linked)?))
    }
}
