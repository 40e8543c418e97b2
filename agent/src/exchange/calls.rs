//! Calls that filters make and timers that they start. Enters: what the chain asks for; leaves: what came of it, to the
//! exchange, if there still is one. Must not know what filters want with it.

use std::future::poll_fn;
use std::rc::{Rc, Weak};
use std::task::Poll;

use bytes::Bytes;
use http::Version;
use http_body::Body as _;
use http_body_util::{BodyExt as _, Full, Limited};
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};
use weir_host::{Call, CallKind, CallOutcome, CallRequest, CallResponse, UpstreamError};

use super::live::Live;
use super::problem;
use crate::secrets::Misuse;
use crate::target::Target;
use crate::upstream::{Outgoing, UpstreamFailure};
use crate::worker::Worker;

/// Under way from now on. Whoever drops the exchange aborts it.
pub(super) fn start(worker: &Rc<Worker>, live: Weak<Live>, call: Call) -> AbortHandle {
    let worker = Rc::clone(worker);
    let task = tokio::task::spawn_local(async move {
        let outcome = match call.kind {
            CallKind::Timer(time) => {
                sleep(time).await;
                CallOutcome::Elapsed
            }
            CallKind::Request(request) => answer(&worker, *request).await,
        };
        if let Some(live) = live.upgrade() {
            live.call_ended(call.id, outcome);
        }
    });
    task.abort_handle()
}

/// Begins calls of guests that run beside the exchange, as long as it lives.
pub(super) async fn of_guests(live: Weak<Live>) {
    poll_fn(|cx| match live.upgrade() {
        Some(live) => {
            live.attend_to_calls(cx);
            Poll::Pending
        }
        None => Poll::Ready(()),
    })
    .await;
}

async fn answer(worker: &Worker, call: CallRequest) -> CallOutcome {
    let (filter, upstream, time) = (call.filter.clone(), call.upstream.clone(), call.timeout);
    let answered = timeout(time, send(worker, call)).await;
    match answered.unwrap_or(Err(Fault::Upstream(UpstreamFailure::Timeout("to answer")))) {
        Ok(response) => CallOutcome::Response(response),
        Err(fault) => {
            match fault {
                Fault::Secret(_) => tracing::warn!(%filter, %upstream, "a call failed: {fault}"),
                _ => tracing::debug!(%filter, %upstream, "a call failed: {fault}"),
            }
            CallOutcome::Failed(fault.into())
        }
    }
}

/// Why there is no whole response.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("{0}")]
    Upstream(UpstreamFailure),
    #[error("the response has more than {0} bytes")]
    TooLarge(usize),
    #[error("the response broke off")]
    Broken,
    #[error("{0}")]
    Secret(#[from] Misuse),
}

async fn send(worker: &Worker, call: CallRequest) -> Result<CallResponse, Fault> {
    let (mut head, body) = call.request.into_parts();
    let target =
        Target::from_uri(&head.uri).map_err(|error| Fault::Upstream(UpstreamFailure::Dns(error.to_string())))?;
    worker.shared.secrets.fill(&mut head.headers, &call.placeholders, (&head.method, &head.uri), &target)?;
    head.version = Version::HTTP_11;
    let outgoing = match body.is_empty() {
        true => Outgoing::Empty,
        false => Outgoing::stream(Full::<Bytes>::new(body).map_err(|never| match never {})),
    };
    let request = http::Request::from_parts(head, outgoing);
    let sent = worker.upstreams.send(&target, request).await.map_err(Fault::Upstream)?;
    let (head, body) = sent.response.into_parts();
    // before anything is read of it
    if body.size_hint().lower() > call.max_bytes as u64 {
        return Err(Fault::TooLarge(call.max_bytes));
    }
    let whole = Limited::new(body, call.max_bytes).collect().await;
    let whole = whole.map_err(|error| match error.is::<http_body_util::LengthLimitError>() {
        true => Fault::TooLarge(call.max_bytes),
        false => Fault::Broken,
    })?;
    Ok(CallResponse { status: head.status, headers: head.headers, body: whole.to_bytes() })
}

impl From<Fault> for UpstreamError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::TooLarge(_) => Self::TooLarge,
            Fault::Broken => Self::Reset,
            Fault::Secret(_) => Self::Refused,
            // what the agent does not connect to is no upstream
            Fault::Upstream(failure) => problem::upstream_error(&failure).unwrap_or(Self::Refused),
        }
    }
}
