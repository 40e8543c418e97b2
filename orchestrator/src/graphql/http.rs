//! `/graphql` over HTTP (<https://graphql.github.io/graphql-over-http/draft/>): one question or a few by POST, one by GET. What
//! is wrong is told as GraphQL tells it, with the status that REST would answer where nothing was asked at all.

use std::{net::SocketAddr, time::Duration};

use async_graphql::{BatchRequest, BatchResponse, Request, Response as Answer, ServerError, Variables};
use axum::{
    body::{Body, to_bytes},
    extract::{ConnectInfo, FromRequestParts as _, Query, State, WebSocketUpgrade},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use futures_util::future::join_all;
use serde::Deserialize;
use tokio::time::timeout;

use super::{Door, fault::Fault, socket};
use crate::rest::{Asker, Problem, Standing, identify};

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

/// Answers questions.
pub(super) async fn post(
    State(door): State<Door>,
    ConnectInfo(client): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let answered = async {
        let (asker, _) = let_in(&door, &headers, client).await?;
        let request = read(&headers, body).await?;
        answer(&door, &asker, request).await
    };
    told(&headers, answered.await)
}

/// Answers one question, or becomes a WebSocket. There is nothing that changes anything, so there is nothing that an address
/// on somebody's page could do.
pub(super) async fn get(
    State(door): State<Door>,
    ConnectInfo(client): ConnectInfo<SocketAddr>,
    request: axum::extract::Request,
) -> Response {
    let (mut parts, _) = request.into_parts();
    if parts.headers.contains_key(header::UPGRADE) {
        return match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
            Ok(upgrade) => socket::open(door, upgrade, &parts.headers, client).await,
            Err(error) => refused(&Problem::bad_request(error.body_text()).into()),
        };
    }
    let answered = async {
        let (asker, _) = let_in(&door, &parts.headers, client).await?;
        let asked = Query::<Asked>::try_from_uri(&parts.uri);
        let Query(asked) = asked.map_err(|error| Problem::bad_request(error.body_text()))?;
        let variables = asked.variables.as_deref().map(serde_json::from_str).transpose();
        let variables = variables.map_err(|error| Problem::bad_request(format!("variables: {error}")))?;
        let mut request = Request::new(asked.query).variables(Variables::from_json(variables.unwrap_or_default()));
        request.operation_name = asked.operation_name;
        answer(&door, &asker, BatchRequest::Single(request)).await
    };
    told(&parts.headers, answered.await)
}

/// What can be asked, as the schema definition language has it.
pub(super) async fn schema(
    State(door): State<Door>,
    ConnectInfo(client): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
) -> Response {
    match let_in(&door, &headers, client).await {
        Ok(_) => ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], door.api.sdl()).into_response(),
        Err(fault) => refused(&fault),
    }
}

/// Whoever asks, and by what right.
pub(super) async fn let_in(door: &Door, headers: &HeaderMap, client: SocketAddr) -> Result<(Asker, Standing), Fault> {
    let (principal, standing) = identify(&door.orchestrator, headers, client).await?;
    Ok((Asker::new(principal, client.ip()), standing))
}

async fn read(headers: &HeaderMap, body: Body) -> Result<BatchRequest, Fault> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json") {
        return Err(Problem::unsupported_media_type().into());
    }
    let bytes = timeout(ARRIVAL, to_bytes(body, BODY)).await;
    let bytes = bytes.map_err(|_| Problem::too_slow("the request did not arrive in time"))?;
    let bytes = bytes.map_err(|_| Problem::too_large(format!("a request has {BODY} bytes at most")))?;
    let request: BatchRequest =
        serde_json::from_slice(&bytes).map_err(|error| Problem::bad_request(format!("JSON: {error}")))?;
    match request.iter().count() {
        1..=BATCH => Ok(request),
        _ => Err(Problem::bad_request(format!("a request has 1 to {BATCH} questions")).into()),
    }
}

async fn answer(door: &Door, asker: &Asker, request: BatchRequest) -> Result<BatchResponse, Fault> {
    let one = |request| door.api.execute(door.request(asker, request));
    let all = async {
        match request {
            BatchRequest::Single(request) => BatchResponse::Single(one(request).await),
            BatchRequest::Batch(requests) => BatchResponse::Batch(join_all(requests.into_iter().map(one)).await),
        }
    };
    let late = || Problem::too_slow(format!("the answer took longer than {} s: ask for less", PATIENCE.as_secs()));
    timeout(PATIENCE, all).await.map_err(|_| late().into())
}

fn told(headers: &HeaderMap, answered: Result<BatchResponse, Fault>) -> Response {
    let answer = match answered {
        Ok(answer) => answer,
        Err(fault) => return refused(&fault),
    };
    let mut accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let own = accepted.any(|value| value.contains(OWN));
    // Data that is null where nothing was executed: the question was wrong.
    let wrong = |answer: &Answer| answer.is_err() && answer.data == async_graphql::Value::Null;
    let status = match &answer {
        BatchResponse::Single(answer) if own && wrong(answer) => StatusCode::BAD_REQUEST,
        _ => StatusCode::OK,
    };
    json(status, if own { OWN } else { "application/json" }, &answer)
}

/// Nothing was asked, or nobody was let in.
pub(super) fn refused(fault: &Fault) -> Response {
    let status = StatusCode::from_u16(fault.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let error: ServerError = fault.of_request();
    let mut response = json(status, "application/json", &serde_json::json!({ "errors": [error] }));
    if status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"weir\""));
    }
    response
}

fn json(status: StatusCode, kind: &'static str, value: &impl serde::Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(bytes) => (status, [(header::CONTENT_TYPE, kind)], bytes).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
