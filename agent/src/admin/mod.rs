//! The admin address: health, readiness, metrics, the active filters and who is connected. Requests to read enter, counters leave;
//! nothing here changes anything.

mod connections;
mod filters;

use std::{convert::Infallible, sync::Arc, time::Duration};

use http::{Method, Request, Response, StatusCode, header, request};
use http_body_util::Full;
use hyper::{
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use tokio::{
    net::TcpListener,
    sync::{Semaphore, watch},
};

use crate::{stats, worker::Shared};

const CONNECTIONS: usize = 64;
const PATIENCE: Duration = Duration::from_secs(10);

/// A client that takes nothing of its answer holds one of few places no longer than this.
const LONGEST_ANSWER: Duration = Duration::from_secs(60);

/// Serves for ever. `ready` is true once the agent listens with the filters it should have.
pub async fn serve(listener: TcpListener, shared: Arc<Shared>, ready: watch::Receiver<bool>) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // out of file descriptors, most likely: others may be closed soon
                tracing::warn!("admin: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let (shared, ready) = (Arc::clone(&shared), ready.clone());
        tokio::spawn(async move {
            let service = service_fn(|request: Request<Incoming>| {
                let head = request.into_parts().0;
                let (shared, ready) = (Arc::clone(&shared), *ready.borrow());
                async move { Ok::<_, Infallible>(answer(&head, &shared, ready).await) }
            });
            // one answer for each connection, so that the time for one is the time for the other
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(PATIENCE)
                .keep_alive(false)
                .serve_connection(TokioIo::new(stream), service);
            match tokio::time::timeout(LONGEST_ANSWER, connection).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!("admin: {error}"),
                Err(_) => tracing::debug!("admin: a client takes nothing of its answer"),
            }
            drop(permit);
        });
    }
}

async fn answer(head: &request::Parts, shared: &Arc<Shared>, ready: bool) -> Response<Full<Bytes>> {
    if !matches!(head.method, Method::GET | Method::HEAD) {
        let mut response = problem(StatusCode::METHOD_NOT_ALLOWED, "this address answers GET and HEAD only");
        response.headers_mut().insert(header::ALLOW, header::HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    let stopping = shared.shutdown.has_begun();
    match head.uri.path() {
        "/healthz" => reply(StatusCode::OK, "text/plain", "ok\n".to_owned()),
        "/readyz" if stopping => problem(StatusCode::SERVICE_UNAVAILABLE, "the agent is stopping"),
        "/readyz" if ready => reply(StatusCode::OK, "text/plain", "ok\n".to_owned()),
        "/readyz" => problem(StatusCode::SERVICE_UNAVAILABLE, "the agent does not have its filters yet"),
        // what Prometheus asks for: https://prometheus.io/docs/specs/om/open_metrics_spec
        "/metrics" => {
            reply(StatusCode::OK, "application/openmetrics-text; version=1.0.0; charset=utf-8", stats::text(shared))
        }
        "/filters" => reply(StatusCode::OK, "application/json", filters::list(shared).to_string()),
        "/connections" if !connections::is_asked_by_address(&head.headers) => {
            problem(StatusCode::FORBIDDEN, "ask for this by an IP address or localhost, not by another name")
        }
        "/connections" => match connections::list(shared, head.uri.query().unwrap_or_default()).await {
            Ok(page) => reply(StatusCode::OK, "application/json", page.to_string()),
            Err(fault) => problem(StatusCode::BAD_REQUEST, &fault),
        },
        "/ca.pem" if shared.authority.pem().is_empty() => {
            problem(StatusCode::SERVICE_UNAVAILABLE, "the fleet's root has not come yet")
        }
        // for clients to trust
        "/ca.pem" => reply(StatusCode::OK, "application/x-pem-file", shared.authority.pem().to_owned()),
        _ => {
            problem(StatusCode::NOT_FOUND, "there are /ca.pem, /connections, /filters, /healthz, /metrics and /readyz")
        }
    }
}

fn reply(status: StatusCode, content_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content_type));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, header::HeaderValue::from_static("nosniff"));
    headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    response
}

/// RFC 9457.
fn problem(status: StatusCode, detail: &str) -> Response<Full<Bytes>> {
    let title = status.canonical_reason().unwrap_or_default();
    let body = json!({ "type": "about:blank", "title": title, "status": status.as_u16(), "detail": detail });
    reply(status, "application/problem+json", body.to_string())
}
