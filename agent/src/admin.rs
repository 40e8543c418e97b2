//! The admin address: health, readiness, metrics and the active filters. Requests to read enter, counters leave; nothing
//! here changes anything.

use std::{convert::Infallible, sync::Arc, time::Duration};

use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Bytes, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    sync::{Semaphore, watch},
};
use weir_artifact::Isolation;
use weir_host::{BodyMode, Filter, Subscription};

use crate::{filters::Source, stats, worker::Shared};

const CONNECTIONS: usize = 64;
const PATIENCE: Duration = Duration::from_secs(10);

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
            let service = service_fn(|request| {
                let answer = answer(&request, &shared, *ready.borrow());
                async move { Ok::<_, Infallible>(answer) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(PATIENCE)
                .serve_connection(TokioIo::new(stream), service);
            if let Err(error) = connection.await {
                tracing::debug!("admin: {error}");
            }
            drop(permit);
        });
    }
}

fn answer<B>(request: &Request<B>, shared: &Arc<Shared>, ready: bool) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut response = problem(StatusCode::METHOD_NOT_ALLOWED, "this address answers GET and HEAD only");
        response.headers_mut().insert(header::ALLOW, header::HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    let stopping = shared.shutdown.has_begun();
    match request.uri().path() {
        "/healthz" => reply(StatusCode::OK, "text/plain", "ok\n".to_owned()),
        "/readyz" if stopping => problem(StatusCode::SERVICE_UNAVAILABLE, "the agent is stopping"),
        "/readyz" if ready => reply(StatusCode::OK, "text/plain", "ok\n".to_owned()),
        "/readyz" => problem(StatusCode::SERVICE_UNAVAILABLE, "the agent does not have its filters yet"),
        // what Prometheus asks for: https://prometheus.io/docs/specs/om/open_metrics_spec
        "/metrics" => {
            reply(StatusCode::OK, "application/openmetrics-text; version=1.0.0; charset=utf-8", stats::text(shared))
        }
        "/filters" => reply(StatusCode::OK, "application/json", filters(shared).to_string()),
        "/ca.pem" if shared.authority.pem().is_empty() => {
            problem(StatusCode::SERVICE_UNAVAILABLE, "the fleet's root has not come yet")
        }
        // for clients to trust
        "/ca.pem" => reply(StatusCode::OK, "application/x-pem-file", shared.authority.pem().to_owned()),
        _ => problem(StatusCode::NOT_FOUND, "there are /ca.pem, /healthz, /readyz, /metrics and /filters"),
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

fn filters(shared: &Shared) -> Value {
    let generations = shared.host.generations();
    let live =
        |filter: &Filter| generations.iter().find(|(name, _)| name == filter.name()).map_or(0, |(_, live)| *live);
    let item = |(filter, source): (Arc<Filter>, Source)| {
        let (publication, stats) = (filter.publication(), filter.stats());
        let failures: serde_json::Map<_, _> = stats
            .failures()
            .filter(|(_, count)| *count != 0)
            .map(|(kind, count)| (kind.to_owned(), count.into()))
            .collect();
        json!({
            "name": filter.name(),
            "version": filter.version(),
            "digest": filter.digest(),
            "source": match source { Source::Signed => "signed", Source::Folder => "folder" },
            "match": publication.matching,
            "priority": publication.priority,
            "on_failure": publication.on_failure,
            "on_failure_for": publication.on_failure_for,
            "world": filter.world().as_str(),
            "isolation": if filter.keeps_instances() { Isolation::Shared } else { Isolation::Exchange },
            "subscription": subscription(filter.subscription()),
            "generations": live(&filter),
            "instances": stats.instances(),
            "memory_bytes": stats.memory(),
            "calls": stats.calls(),
            "exchanges": stats.exchanges(),
            "failures": failures,
            "time_us": u64::try_from(stats.time().as_micros()).unwrap_or(u64::MAX),
            "bytes_in": stats.bytes_in(),
            "bytes_out": stats.bytes_out(),
            "log_lines": stats.log_lines(),
            "log_suppressed": stats.log_suppressed(),
        })
    };
    json!({ "items": shared.active.list().into_iter().map(item).collect::<Vec<_>>(), "next": null })
}

fn subscription(subscription: Subscription) -> Value {
    let mode = |mode| match mode {
        BodyMode::None => "none",
        BodyMode::Observe => "observe",
        BodyMode::Transform => "transform",
        BodyMode::Buffer => "buffer",
    };
    json!({
        "request_head": subscription.request_head,
        "request_body": mode(subscription.request_body),
        "request_trailers": subscription.request_trailers,
        "response_head": subscription.response_head,
        "response_body": mode(subscription.response_body),
        "response_trailers": subscription.response_trailers,
        "decoded": subscription.decoded,
        "max_buffer": subscription.max_buffer,
    })
}
