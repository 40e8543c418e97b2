//! Runs filters: WebAssembly components of the worlds of `weir:filter`, and of `wasi:http/middleware`, on every request and
//! response.
//!
//! A [`Host`] turns an [`weir_artifact::Artifact`] into a [`Filter`] (checked, compiled, configured). A [`Chain`] is an
//! ordered snapshot of filters. Each worker thread has its own [`Instances`], and takes each exchange through the chain
//! with a [`Run`]: heads and chunks go in, heads and chunks that are through the whole chain come out. No sockets, no
//! HTTP codec, no clock but for limits: whoever drives a run does the I/O.
#![deny(missing_docs)]

mod answer;
mod bindings;
mod breaker;
mod calls;
mod chain;
mod changes;
mod clock;
mod coding;
mod compiled;
mod component;
mod connect;
mod convert;
mod decode;
mod engine;
mod event_stream;
mod exchange;
mod failure;
mod filter;
mod generations;
mod guest;
mod host;
mod imports;
mod instance;
mod instances;
mod kv;
mod line;
mod load_error;
mod log_rate;
mod message;
mod metrics;
mod middleware;
mod numbers;
mod room;
mod run;
mod state;
mod stats;
mod subscription;
mod tick;

pub use answer::{Answer, DoneReason, Length, LocalResponse, Progress, Receipt, Summary, UpstreamError, Verdict};
pub use calls::{Call, CallKind, CallOutcome, CallRequest, CallResponse};
pub use chain::Chain;
pub use changes::Changes;
pub use coding::{Codings, NotCoded, Undoing, Undone, UnknownCoding};
pub use component::{World, check as check_component};
pub use connect::{ClientHello, Passage, Redirect, Tunnel, on_client_hello, on_connect};
pub use exchange::{Connection, Direction, Entry, Exchange, Placeholder, Tag, TagValue, has_no_content};
pub use failure::{Failure, FailureKind};
pub use filter::Filter;
pub use guest::Hooks;
pub use host::{Host, HostConfig, HostError, Level, LogSink, Prepared, SecretNames};
pub use instances::{Instances, Warm};
pub use load_error::{LoadError, LoadFault, Problem};
pub use message::{Close, Judged, Message, ServerEvent};
pub use metrics::{MetricKind, Series};
pub use middleware::Task;
pub use run::Run;
pub use stats::{FilterStats, TIME_BOUNDS};
pub use subscription::{BodyMode, Subscription};
