//! What the origin answers, by path.
//!
//! | path | answer |
//! |---|---|
//! | `/echo` | the request's body and trailers |
//! | `/check?seed=S` | reads a patterned body; 200 and its size when every byte was right, else 400 |
//! | `/length` | reads the body to its end; 200 and its size |
//! | `/bytes/N?seed=S[&chunked][&by=C][&pace=MS]` | a patterned body of N bytes |
//! | `/trailers?lines=N&long=BYTES` | a chunked body with the trailers `x-sum` and `x-late`, and so many and so long ones |
//! | `/heard` | the request head as JSON |
//! | `/status/N` | that status |
//! | `/text/…` | a text body that names the path |
//! | `/ws` | WebSocket echo |
//! | anything else | 200 `hello` |

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Request, Response, StatusCode,
    header::{CONNECTION, CONTENT_TYPE, TRAILER, UPGRADE},
};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;

use super::State;
use crate::{
    body::{self, Boxed, Pattern},
    websocket,
};

/// Carries the value of the request field of this name into the response field `x-heard-stamp`.
const STAMP: &str = "x-stamp";

pub(super) async fn answer(state: Arc<State>, request: Request<Incoming>) -> anyhow::Result<Response<Boxed>> {
    let (head, body) = request.into_parts();
    state.hear(&head);
    let stamp = head.headers.get(STAMP).cloned();
    let mut response = route(Request::from_parts(head, body)).await?;
    if let Some(stamp) = stamp {
        response.headers_mut().insert("x-heard-stamp", stamp);
    }
    Ok(response)
}

async fn route(request: Request<Incoming>) -> anyhow::Result<Response<Boxed>> {
    let path = request.uri().path().to_owned();
    let query = request.uri().query().unwrap_or_default().to_owned();
    let number = |name: &str| {
        let value = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        value.and_then(|value| value.parse::<u64>().ok())
    };
    let seed = number("seed").unwrap_or_default();
    let (first, rest) = path[1..].split_once('/').unwrap_or((&path[1..], ""));
    Ok(match first {
        "echo" => {
            let mut response = Response::new(());
            for name in [CONTENT_TYPE, TRAILER] {
                if let Some(value) = request.headers().get(&name) {
                    response.headers_mut().insert(name, value.clone());
                }
            }
            response.map(|()| request.into_body().boxed())
        }
        "check" => match body::check(request.into_body(), seed).await {
            Ok((size, _)) => text(StatusCode::OK, size.to_string()),
            Err(error) => text(StatusCode::BAD_REQUEST, format!("{error:#}")),
        },
        "length" => text(StatusCode::OK, request.into_body().collect().await?.to_bytes().len().to_string()),
        "bytes" => {
            let mut pattern = Pattern::new(seed, rest.parse().unwrap_or_default());
            if query.split('&').any(|pair| pair == "chunked") {
                pattern = pattern.chunked();
            }
            if let Some(by) = number("by") {
                pattern = pattern.by(by as usize);
            }
            if let Some(pace) = number("pace") {
                pattern = pattern.paced(Duration::from_millis(pace));
            }
            Response::new(pattern.boxed())
        }
        "trailers" => {
            let mut trailers = HeaderMap::new();
            trailers.insert("x-sum", HeaderValue::from_static("4096"));
            trailers.insert("x-late", HeaderValue::from_static("yes"));
            for _ in 0..number("lines").unwrap_or_default() {
                trailers.append("x-line", HeaderValue::from_static("one of many"));
            }
            if let Some(bytes) = number("long") {
                trailers.insert("x-long", "y".repeat(bytes as usize).parse()?);
            }
            let mut response = Response::new(Pattern::new(seed, 4096).trailed(trailers).boxed());
            response.headers_mut().insert(TRAILER, HeaderValue::from_static("x-sum, x-late"));
            response
        }
        "heard" => {
            let headers: Vec<_> = request
                .headers()
                .iter()
                .map(|(name, value)| [name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()])
                .collect();
            let heard = serde_json::json!({
                "method": request.method().as_str(), "target": request.uri().to_string(),
                "version": format!("{:?}", request.version()), "headers": headers,
            });
            let mut response = text(StatusCode::OK, heard.to_string());
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            response
        }
        "status" => text(rest.parse().unwrap_or(StatusCode::NOT_FOUND), String::new()),
        "text" => text(StatusCode::OK, format!("this is {rest} of the origin, and {rest} again\n")),
        "ws" => upgrade(request),
        _ => text(StatusCode::OK, "hello\n".to_owned()),
    })
}

fn text(status: StatusCode, text: String) -> Response<Boxed> {
    let mut response = Response::new(body::full(Bytes::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}

fn upgrade(mut request: Request<Incoming>) -> Response<Boxed> {
    if request.headers().get(UPGRADE).is_none_or(|value| value != "websocket") {
        return text(StatusCode::UPGRADE_REQUIRED, "this is a WebSocket\n".to_owned());
    }
    let upgraded = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let stream = TokioIo::new(upgraded.await?);
        websocket::echo(stream).await
    });
    let mut response = Response::new(body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    response.headers_mut().insert(UPGRADE, HeaderValue::from_static("websocket"));
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    response.headers_mut().insert("sec-websocket-accept", HeaderValue::from_static(websocket::SAMPLE_ACCEPT));
    response
}
