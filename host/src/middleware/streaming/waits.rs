//! What a hook waits for beside its bodies: `pause` and `fetch`.

use std::{sync::Arc, time::Duration};

use wasmtime::component::{Accessor, Linker};

use crate::{
    CallOutcome, UpstreamError,
    bindings::{
        streaming::weir::filter::fetch::{CallError, CallRequest, CallResponse},
        weir::filter::callout,
    },
    calls::TooManyCalls,
    imports,
    middleware::Wire,
    state::State,
};

/// What `sleep` sleeps at most.
const SLEEP: Duration = Duration::from_secs(60);

type Asked = (u32, String, CallRequest, Option<u32>);
type Fetched = Result<CallResponse, CallError>;

pub(super) fn add(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let mut pause = linker.instance(&imports::interface("pause"))?;
    pause.func_wrap_concurrent("sleep", |accessor: &Accessor<State>, (milliseconds,): (u32,)| {
        let time = Duration::from_millis(milliseconds.into()).min(SLEEP);
        Box::pin(async move {
            // Whoever loads a filter waits for nothing, and has no timers: a command may be the one.
            let serves = accessor.with(|mut store| store.data_mut().wire.is_some());
            wasmtime::ensure!(serves, "`sleep` was called in no hook of an exchange: there is nothing to wait for");
            tokio::time::sleep(time).await;
            Ok(())
        })
    })?;
    let mut fetch = linker.instance(&imports::interface("fetch"))?;
    fetch.func_wrap_concurrent("send", |accessor: &Accessor<State>, (of, upstream, request, timeout): Asked| {
        Box::pin(async move {
            let asked = accessor.with(|mut store| ask(store.data_mut(), of, &upstream, request, timeout))?;
            let outcome = match asked {
                Ok(outcome) => outcome.await,
                Err(error) => return Ok((Err(error),)),
            };
            // without an outcome the exchange is over, and its guest with it
            Ok((outcome.map_or(Err(CallError::Reset), fetched),))
        })
    })
}

type Outcome = tokio::sync::oneshot::Receiver<CallOutcome>;

fn ask(
    state: &State,
    of: u32,
    upstream: &str,
    request: CallRequest,
    timeout: Option<u32>,
) -> wasmtime::Result<Result<Outcome, CallError>> {
    state.exchange(of)?;
    let Some(wire) = state.wire.as_ref().map(Arc::clone) else {
        wasmtime::bail!("`send` was called in no hook of an exchange: there is nobody to send it");
    };
    let CallRequest { method, path, headers, body } = request;
    let request = callout::CallRequest { method, path, headers, body };
    Ok(match imports::prepare_call(state, of, upstream, request, timeout) {
        Ok(request) => start(&wire, request),
        Err(callout::CallError::UnknownUpstream) => Err(CallError::UnknownUpstream),
        Err(callout::CallError::InvalidRequest) => Err(CallError::InvalidRequest),
        Err(callout::CallError::TooMany) => Err(CallError::TooMany),
    })
}

fn start(wire: &Wire, request: crate::CallRequest) -> Result<Outcome, CallError> {
    wire.fetch(request).map_err(|TooManyCalls| CallError::TooMany)
}

fn fetched(outcome: CallOutcome) -> Fetched {
    match outcome {
        CallOutcome::Response(response) => Ok(CallResponse {
            status: response.status.as_u16(),
            headers: imports::lines(&response.headers),
            body: response.body.into(),
        }),
        CallOutcome::Failed(error) => Err(match error {
            UpstreamError::Refused => CallError::Refused,
            UpstreamError::Reset => CallError::Reset,
            UpstreamError::Timeout => CallError::Timeout,
            UpstreamError::Dns => CallError::Dns,
            UpstreamError::Tls(reason) => CallError::Tls(reason),
            UpstreamError::Protocol => CallError::Protocol,
            UpstreamError::TooLarge => CallError::TooLarge,
        }),
        // of a timer, which none of these is
        CallOutcome::Elapsed => Err(CallError::Timeout),
    }
}
