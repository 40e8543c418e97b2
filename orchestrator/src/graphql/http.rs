//! `/graphql` over HTTP (<https://graphql.github.io/graphql-over-http/draft/>): one question or a few by POST, one by GET. What
//! is wrong is told as GraphQL tells it, with the status that REST would answer where nothing was asked at all.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use async_graphql::{BatchRequest, BatchResponse, Request, Response as Answer, ServerError, Variables};
use axum::{
    body::{Body, to_bytes},
    extract::{ConnectInfo, Extension, FromRequestParts as _, Query, State, WebSocketUpgrade},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use serde::Deserialize;
use tokio::time::timeout;

use super::{
    Door,
    fault::Fault,
    purse::Purse,
    socket::{self, Peer},
    sse,
};
use crate::rest::{
    Asker, Asking, Held, Problem, Standing, identify, parameters, tell_budget, too_many, unfinished, vouched,
};

/// Of a request.
const BODY: usize = 64 << 10;
/// For the whole of it to come.
const ARRIVAL: Duration = Duration::from_secs(10);
/// For its answers, all of them.
const PATIENCE: Duration = Duration::from_secs(30);
/// Questions in one request.
const BATCH: usize = 10;
/// Answers that are not 200 where the question is wrong, and that a proxy on the way does not take for ours.
const OWN: &str = "application/graphql-response+json";

/// A question in an address.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Asked {
    query: String,
    operation_name: Option<String>,
    /// JSON.
    variables: Option<String>,
}

/// Who asks, and by what right.
#[derive(Clone)]
pub(super) struct Found {
    pub(super) asker: Asker,
    pub(super) standing: Standing,
}

/// Nothing of a request is looked at before its credential, but that of a WebSocket, which may come in the first message.
pub(super) async fn gate(
    State(door): State<Door>,
    ConnectInfo(client): ConnectInfo<SocketAddr>,
    mut request: axum::extract::Request,
    next: Next,
) -> Response {
    let headers = request.headers();
    if headers.contains_key(header::UPGRADE) && !headers.contains_key(header::AUTHORIZATION) {
        return next.run(request).await;
    }
    let (principal, standing, budget) = match identify(&door.orchestrator, headers, client).await {
        Ok(found) => found,
        Err(problem) => return refused(&problem.into()),
    };
    if let Some(asking) = request.extensions().get::<Asking>() {
        asking.is_signed_in();
    }
    let mut response = match too_many(budget) {
        Some(problem) => refused(&problem.into()),
        None => {
            let asker = Asker::new(principal, client.ip());
            request.extensions_mut().insert(Found { asker, standing: standing.clone() });
            let mut response = next.run(vouched(request, &standing, &door.orchestrator)).await;
            standing.bind(&mut response);
            response
        }
    };
    tell_budget(response.headers_mut(), budget);
    response
}

/// The same for who says it later.
pub(super) async fn let_in(door: &Door, headers: &HeaderMap, client: SocketAddr) -> Result<Found, Fault> {
    let (principal, standing, budget) = identify(&door.orchestrator, headers, client).await?;
    match too_many(budget) {
        Some(problem) => Err(problem.into()),
        None => Ok(Found { asker: Asker::new(principal, client.ip()), standing }),
    }
}

/// Answers questions.
pub(super) async fn post(
    State(door): State<Door>,
    Extension(found): Extension<Found>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let answered = async { answer(&door, found, read(&headers, body).await?, &headers).await };
    answered.await.unwrap_or_else(|fault| refused(&fault))
}

/// Answers one question, or becomes a WebSocket. There is nothing that changes anything, so there is nothing that an address
/// on somebody's page could do.
pub(super) async fn get(
    State(door): State<Door>,
    ConnectInfo(client): ConnectInfo<SocketAddr>,
    request: axum::extract::Request,
) -> Response {
    let (mut parts, _) = request.into_parts();
    let found = parts.extensions.remove::<Found>();
    let asking = parts.extensions.remove::<Asking>();
    if parts.headers.contains_key(header::UPGRADE) {
        return match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
            Ok(upgrade) => socket::open(door, upgrade, &parts.headers, Peer { address: client, asking }, found),
            Err(error) => refused(&Problem::bad_request(error.body_text()).into()),
        };
    }
    let answered = async {
        let found = found.ok_or_else(Problem::unauthorized)?;
        let asked = Query::<Asked>::try_from_uri(&parts.uri);
        let Query(asked) = asked.map_err(|error| Problem::bad_request(parameters(&error.body_text())))?;
        let variables = asked.variables.as_deref().map(serde_json::from_str).transpose();
        let variables = variables.map_err(|error| Problem::bad_request(format!("variables: {error}")))?;
        let mut request = Request::new(asked.query).variables(Variables::from_json(variables.unwrap_or_default()));
        request.operation_name = asked.operation_name;
        answer(&door, found, BatchRequest::Single(request), &parts.headers).await
    };
    answered.await.unwrap_or_else(|fault| refused(&fault))
}

/// What can be asked, as the schema definition language has it.
pub(super) async fn schema(State(door): State<Door>, _found: Extension<Found>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], door.api.sdl()).into_response()
}

async fn read(headers: &HeaderMap, body: Body) -> Result<BatchRequest, Fault> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json") {
        return Err(Problem::unsupported_media_type().into());
    }
    let bytes = timeout(ARRIVAL, to_bytes(body, BODY)).await;
    let bytes = bytes.map_err(|_| Problem::too_slow("the request did not arrive in time"))?;
    let too_large = || Problem::too_large(format!("a request has {BODY} bytes at most"));
    let bytes = bytes.map_err(|error| unfinished(&error).unwrap_or_else(too_large))?;
    let request: BatchRequest =
        serde_json::from_slice(&bytes).map_err(|error| Problem::bad_request(format!("JSON: {error}")))?;
    match request.iter().count() {
        1..=BATCH => Ok(request),
        _ => Err(Problem::bad_request(format!("a request has 1 to {BATCH} questions")).into()),
    }
}

async fn answer(door: &Door, found: Found, request: BatchRequest, headers: &HeaderMap) -> Result<Response, Fault> {
    let request = match request {
        BatchRequest::Single(request) if sse::is_wanted(headers) => return sse::answer(door, found, request).await,
        other => other,
    };
    // All of them carry what one may. It is there until the answer is small, or lies in a file.
    let purse = Arc::<Purse>::default();
    let one = |request: Request| door.api.execute(request.data(found.asker.clone()).data(Arc::clone(&purse)));
    let made = async {
        let answer = match request {
            BatchRequest::Single(request) => BatchResponse::Single(one(request).await),
            BatchRequest::Batch(requests) => {
                let mut answers = Vec::with_capacity(requests.len());
                for request in requests {
                    answers.push(one(request).await);
                }
                BatchResponse::Batch(answers)
            }
        };
        told(door, found.asker.name(), headers, answer).await
    };
    let late = || Problem::too_slow(format!("the answer took longer than {} s: ask for less", PATIENCE.as_secs()));
    timeout(PATIENCE, made).await.map_err(|_| late())?
}

async fn told(door: &Door, name: &str, headers: &HeaderMap, answer: BatchResponse) -> Result<Response, Fault> {
    let mut accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let own = accepted.any(|value| value.contains(OWN));
    // Data that is null where nothing was executed: the question was wrong.
    let wrong = |answer: &Answer| answer.is_err() && answer.data == async_graphql::Value::Null;
    let status = match &answer {
        BatchResponse::Single(answer) if own && wrong(answer) => StatusCode::BAD_REQUEST,
        _ => StatusCode::OK,
    };
    let bytes = serde_json::to_vec(&answer).map_err(|_| Problem::unavailable())?;
    drop(answer);
    let kind = HeaderValue::from_static(if own { OWN } else { "application/json" });
    let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, kind)]);
    Ok(Held::of(&door.orchestrator, name, None, bytes.into()).await?.answer(status, headers))
}

/// Nothing was asked, or nobody was let in.
pub(super) fn refused(fault: &Fault) -> Response {
    let status = StatusCode::from_u16(fault.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let error: ServerError = fault.of_request();
    let mut response = json(status, "application/json", &serde_json::json!({ "errors": [error] }));
    if status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"weir\""));
    }
    if fault.retry_after() > 0 {
        response.headers_mut().insert(header::RETRY_AFTER, fault.retry_after().into());
    }
    response
}

fn json(status: StatusCode, kind: &'static str, value: &impl serde::Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(bytes) => (status, [(header::CONTENT_TYPE, kind)], bytes).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
