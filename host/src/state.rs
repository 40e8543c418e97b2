//! What a guest's calls into the host work on: the exchange that is lent while a hook of it runs, and the limits.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{request, response};
use wasmtime::{ResourceLimiter, UpdateDeadline};

use crate::{
    BodyMode, Changes, Direction, Exchange, Filter, LogSink, bindings::weir::filter::http::Part, calls::Calls, clock,
    metrics::Series, middleware::Wire,
};

/// The hook that runs. Decides which changes make sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hook {
    /// `validate-config` or `configure`: no exchange.
    Start,
    /// A head.
    Head(Direction),
    /// A chunk of a body.
    Body(Direction),
    /// Trailers.
    Trailers(Direction),
    /// `on-resume`.
    Resumed(Waited, Direction),
    /// `on-upstream-error`.
    UpstreamError,
    /// `on-completed`.
    Completed,
    /// `on-done`.
    Done,
    /// `on-tick`: no exchange.
    Tick,
    /// `on-connect`: no exchange.
    Connect,
    /// `on-client-hello`: no exchange.
    ClientHello,
    /// `on-open`.
    Open,
    /// `on-message`.
    Message,
    /// A hook of `streaming`.
    Streaming,
}

/// What a hook that is resumed was about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waited {
    Head,
    Body,
    Trailers,
}

impl Hook {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Head(Direction::Request) => "on-request-head",
            Self::Head(Direction::Response) => "on-response-head",
            Self::Body(_) => "on-body",
            Self::Trailers(_) => "on-trailers",
            Self::Resumed(..) => "on-resume",
            Self::UpstreamError => "on-upstream-error",
            Self::Completed => "on-completed",
            Self::Done => "on-done",
            Self::Tick => "on-tick",
            Self::Connect => "on-connect",
            Self::ClientHello => "on-client-hello",
            Self::Open => "on-open",
            Self::Message => "on-message",
            Self::Streaming => "streaming",
        }
    }

    /// The direction whose head it is about.
    pub(crate) fn head(self) -> Option<Direction> {
        match self {
            Self::Head(direction) | Self::Resumed(Waited::Head, direction) => Some(direction),
            _ => None,
        }
    }
}

/// Parts of the exchange that are already sent; and whether the response is not the upstream's, so that no original is
/// to be kept of it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Frozen(u8);

impl Frozen {
    const LOCAL: u8 = 1 << 7;

    pub(crate) fn with(self, part: Part) -> Self {
        Self(self.0 | 1 << part as u8)
    }

    pub(crate) fn has(self, part: Part) -> bool {
        self.0 & 1 << part as u8 != 0
    }

    /// The response is a local one, and new.
    pub(crate) fn local_response(self) -> Self {
        Self(self.0 & !(1 << Part::Response as u8) | Self::LOCAL)
    }

    pub(crate) fn keeps_original_response(self) -> bool {
        self.0 & Self::LOCAL == 0
    }
}

/// The data of an instance's store.
pub(crate) struct State {
    pub(crate) filter: Arc<Filter>,
    pub(crate) log: Arc<dyn LogSink>,
    /// The exchange whose hook runs, and its number.
    pub(crate) lent: Option<Box<Exchange>>,
    pub(crate) number: u32,
    /// What the filter has started for this exchange.
    pub(crate) calls: Option<Box<Calls>>,
    pub(crate) hook: Hook,
    pub(crate) frozen: Frozen,
    /// What the hook has changed of the exchange.
    pub(crate) changed: Changes,
    /// The chunk whose hook waited, while `on-resume` decides about it.
    pub(crate) waiting_chunk: Option<Bytes>,
    /// What `set-body-mode` asked for in this hook.
    pub(crate) narrowed: Option<BodyMode>,
    pub(crate) cpu: Cpu,
    pub(crate) memory: Memory,
    /// What the guest's numbers of metrics mean.
    pub(crate) series: Vec<Arc<Series>>,
    /// Where what the guest says of its exchange is heard, of a guest that runs beside it.
    pub(crate) wire: Option<Arc<Wire>>,
}

/// The guest broke the contract: it used a number that is not the running exchange's.
#[derive(Debug, thiserror::Error)]
#[error("exchange number {0} is not the one whose hook runs")]
pub(crate) struct StaleNumber(pub(crate) u32);

impl State {
    /// Of an instance that is to be started.
    pub(crate) fn new(filter: &Arc<Filter>) -> Self {
        let limits = &filter.publication().limits;
        Self {
            filter: Arc::clone(filter),
            log: Arc::clone(filter.host().log()),
            lent: None,
            number: 0,
            calls: None,
            hook: Hook::Start,
            frozen: Frozen::default(),
            changed: Changes::default(),
            waiting_chunk: None,
            narrowed: None,
            cpu: Cpu { limit: Duration::from_millis(limits.startup_ms.into()), since: None },
            memory: Memory { limit: limits.memory_bytes as usize, bytes: 0, refused: None },
            series: Vec::new(),
            wire: None,
        }
    }

    /// The exchange, if this is its number.
    pub(crate) fn exchange(&self, of: u32) -> Result<&Exchange, StaleNumber> {
        match self.lent.as_deref() {
            Some(exchange) if of == self.number => Ok(exchange),
            _ => Err(StaleNumber(of)),
        }
    }

    pub(crate) fn exchange_mut(&mut self, of: u32) -> Result<&mut Exchange, StaleNumber> {
        match self.lent.as_deref_mut() {
            Some(exchange) if of == self.number => Ok(exchange),
            _ => Err(StaleNumber(of)),
        }
    }
}

/// A guest beside its exchange is counted when it goes; an instance that a worker keeps counts for itself.
impl Drop for State {
    fn drop(&mut self) {
        if self.wire.is_some() {
            let bytes = self.memory.bytes as u64;
            self.filter.stats().memory_changed(0, bytes);
            self.filter.stats().memory_changed(bytes, 0);
        }
    }
}

impl State {
    /// The request head, to be changed by the filter.
    pub(crate) fn request_mut(&mut self, of: u32) -> Result<&mut request::Parts, StaleNumber> {
        self.changed |= Changes::head(Direction::Request);
        let exchange = self.exchange_mut(of)?;
        exchange.keep_original(Direction::Request);
        Ok(&mut exchange.request)
    }

    /// The response head, if there is one, to be changed by the filter: kept as it came, once.
    pub(crate) fn response_mut(&mut self, of: u32) -> Result<Option<&mut response::Parts>, StaleNumber> {
        self.changed |= Changes::head(Direction::Response);
        let keep = self.frozen.keeps_original_response();
        let exchange = self.exchange_mut(of)?;
        if keep {
            exchange.keep_original(Direction::Response);
        }
        Ok(exchange.response.as_mut())
    }
}

/// CPU time of the call that runs. Ticks count wall time: a call that was preempted has not used it all, so the
/// thread's CPU clock is asked, from the first tick on; a call that ends before a tick never pays for it.
pub(crate) struct Cpu {
    pub(crate) limit: Duration,
    pub(crate) since: Option<Duration>,
}

/// A call used more CPU time than its limit.
#[derive(Debug, thiserror::Error)]
#[error("it used more than {} ms of CPU time", .0.as_millis())]
pub(crate) struct CpuLimit(pub(crate) Duration);

impl Cpu {
    pub(crate) fn tick(&mut self) -> Result<UpdateDeadline, CpuLimit> {
        let now = clock::thread_cpu();
        let since = *self.since.get_or_insert(now);
        if now.saturating_sub(since) >= self.limit {
            return Err(CpuLimit(self.limit));
        }
        Ok(UpdateDeadline::Continue(1))
    }
}

/// Linear memory of an instance, over all its memories.
pub(crate) struct Memory {
    pub(crate) limit: usize,
    pub(crate) bytes: usize,
    /// The size that was refused, if one was: explains the trap that mostly follows.
    pub(crate) refused: Option<usize>,
}

/// Tables hold function references only; no toolchain comes near this.
pub(crate) const TABLE_ELEMENTS: usize = 100_000;

impl ResourceLimiter for Memory {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let total = self.bytes - current.min(self.bytes) + desired;
        if total > self.limit {
            self.refused = Some(total);
            return Ok(false);
        }
        self.bytes = total;
        Ok(true)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= TABLE_ELEMENTS)
    }

    fn instances(&self) -> usize {
        128
    }

    fn tables(&self) -> usize {
        128
    }

    fn memories(&self) -> usize {
        16
    }
}
