//! `timer` and `callout`: what a filter starts and then waits for. Requests are checked here; the agent sends them.

use std::{str::FromStr, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, header::HOST};
use wasmtime::{StoreContextMut, component::Linker};

use super::{
    control,
    fields::{HEAD_BYTES, HEAD_LINES, is_owned, parse_value},
};
use crate::{
    bindings::weir::filter::{
        callout::{CallError, CallRequest as GuestRequest},
        timer::TimerError,
    },
    calls::{CallKind, CallRequest, TooManyCalls},
    exchange::Placeholder,
    state::State,
};

/// The longest that a timer runs.
const TIMER: Duration = Duration::from_secs(60);

pub(super) fn add(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let mut timer = linker.instance(&super::interface("timer"))?;
    timer.func_wrap("start", |mut store: StoreContextMut<'_, State>, (of, milliseconds): (u32, u32)| {
        let time = Duration::from_millis(milliseconds.into());
        if time > TIMER {
            store.data().exchange(of)?;
            return Ok((Err(TimerError::TooLong),));
        }
        let started = start(store.data_mut(), of, CallKind::Timer(time))?;
        Ok((started.map_err(|TooManyCalls| TimerError::TooMany),))
    })?;
    let mut callout = linker.instance(&super::interface("callout"))?;
    type Asked = (u32, String, GuestRequest, Option<u32>);
    callout.func_wrap("start", |mut store: StoreContextMut<'_, State>, (of, upstream, request, timeout): Asked| {
        let state = store.data_mut();
        state.exchange(of)?;
        let request = match prepare(state, of, &upstream, request, timeout) {
            Ok(request) => request,
            Err(error) => return Ok((Err(error),)),
        };
        let started = start(state, of, CallKind::Request(Box::new(request)))?;
        Ok((started.map_err(|TooManyCalls| CallError::TooMany),))
    })
}

fn start(state: &mut State, of: u32, kind: CallKind) -> wasmtime::Result<Result<u32, TooManyCalls>> {
    state.exchange(of)?;
    Ok(state.calls.get_or_insert_default().start(kind))
}

/// The request as the agent can send it.
pub(crate) fn prepare(
    state: &State,
    of: u32,
    upstream: &str,
    asked: GuestRequest,
    timeout: Option<u32>,
) -> Result<CallRequest, CallError> {
    let publication = state.filter.publication();
    let name = upstream.parse().map_err(|_| CallError::UnknownUpstream)?;
    let to = publication.upstreams.get(&name).ok_or(CallError::UnknownUpstream)?;
    let method = Method::from_str(&asked.method).ok().filter(|method| *method != Method::CONNECT);
    let method = method.ok_or(CallError::InvalidRequest)?;
    let path = control::parse_path(asked.path, &method).map_err(|_| CallError::InvalidRequest)?;
    // the asterisk form has no place below a path
    let path = path.as_str().strip_prefix('/').filter(|path| stays_below(path)).ok_or(CallError::InvalidRequest)?;
    let base = to.url.strip_suffix('/').unwrap_or(&to.url);
    let uri = Uri::try_from(format!("{base}/{path}")).map_err(|_| CallError::InvalidRequest)?;
    let mut request = Request::new(Bytes::from(asked.body));
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    *request.headers_mut() = fields(asked.headers).ok_or(CallError::InvalidRequest)?;
    let placeholders = placeholders(state, of, request.headers());
    let most = Duration::from_millis(to.timeout_ms.into());
    let asked = timeout.map(|asked| Duration::from_millis(asked.into()));
    Ok(CallRequest {
        filter: publication.name.clone(),
        upstream: name,
        request,
        placeholders,
        timeout: asked.map_or(most, |asked| asked.min(most)),
        max_bytes: to.max_bytes as usize,
    })
}

/// Those in the fields that this filter itself was given for this exchange.
fn placeholders(state: &State, of: u32, fields: &HeaderMap) -> Vec<Placeholder> {
    let Ok(exchange) = state.exchange(of) else { return Vec::new() };
    let is_in = |text: &str| {
        let mut values = fields.values().map(HeaderValue::as_bytes);
        values.any(|value| value.windows(text.len()).any(|window| window == text.as_bytes()))
    };
    let own = exchange.placeholders.iter().filter(|one| &one.filter == state.filter.name() && is_in(&one.text));
    own.cloned().collect()
}

/// No segment leads out of the folder it is in, however a server may read it.
fn stays_below(path: &str) -> bool {
    let path = path.split_once('?').map_or(path, |(path, _)| path).to_ascii_lowercase();
    let path = path.replace("%2e", ".").replace("%2f", "/").replace("%5c", "/").replace('\\', "/");
    let is_plain = |segment: &str| !matches!(segment.split(';').next(), Some("." | ".."));
    path.split('/').all(is_plain)
}

/// Fields that the agent owns are left out: a guest that passes on what it got is not wrong to have them.
fn fields(lines: Vec<(String, String)>) -> Option<HeaderMap> {
    let bytes: usize = lines.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > HEAD_BYTES || lines.len() > HEAD_LINES {
        return None;
    }
    let mut map = HeaderMap::with_capacity(lines.len());
    for (name, value) in lines {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        let value = parse_value(&value).ok()?;
        if !is_owned(&name) && name != HOST {
            map.try_append(name, value).ok()?;
        }
    }
    Some(map)
}
