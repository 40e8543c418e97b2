//! REST: one file per resource. JSON in and out, errors as RFC 9457 problem documents.

mod accept;
mod agents;
mod annotations;
mod audit;
mod backup;
mod bodies;
mod breakpoints;
mod ca;
mod compress;
mod conditional;
mod configurations;
mod connections;
mod cors;
mod count;
mod deletion;
mod describe;
mod diff;
mod ended;
mod exchanges;
mod export;
mod fields;
mod figures;
mod filters;
mod gate;
mod headers;
mod held;
mod history;
mod import;
mod input;
mod join_tokens;
mod limit;
mod lines;
mod list;
mod live;
mod messages;
mod metrics;
mod misread;
mod occupied;
mod once;
mod open;
mod paced;
mod paused;
mod plain_words;
mod problem;
mod pump;
mod push;
mod range;
mod replay;
mod retention;
mod secrets;
mod standing;
mod steady;
mod tokens;
mod tunnels;
mod untaken;
mod usage;
mod users;
mod via;
mod vouched;

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Router,
    extract::{ConnectInfo, DefaultBodyLimit, Request, State},
    middleware::{Next, from_fn, from_fn_with_state},
    response::Response,
    routing::{delete, get, post, put},
};
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::{
    access::{
        Area::{Access, Agents, Backup, Config, Filters, Metrics, Traffic},
        Permission::{Administer, Operate, Publish, Read},
    },
    graphql,
    orchestrator::Orchestrator,
};

pub(crate) use bodies::decode as decoded;
pub(crate) use exchanges::{some, url};
use gate::Asks as _;
pub(crate) use gate::identify;
pub(crate) use held::Held;
pub(crate) use input::{Place, parameters};
pub(crate) use limit::{tell as tell_budget, too_many};
use list::{List, newest};
pub(crate) use live::{Watch, seat};
pub(crate) use occupied::Asking;
pub(crate) use once::KEPT;
pub(crate) use problem::Problem;
pub(crate) use secrets::{Asker, Secrets};
pub(crate) use standing::{SeesToIt, Standing};
pub(crate) use untaken::Untaken;
pub(crate) use vouched::{unfinished, vouched};

use conditional::Tagged as _;
use once::Once as _;

/// Of a body that carries no component.
const SMALL_BODY: usize = 64 << 10;
/// Text in a statement in base64, each of its characters escaped at the worst.
const CONFIGURATION_BODY: usize = 1 << 20;

/// Serves people and programs until `stop`, over TLS where there is what it takes.
pub(crate) async fn serve(
    orchestrator: Arc<Orchestrator>,
    listener: TcpListener,
    tls: Option<ServerConfig>,
    stop: CancellationToken,
) {
    let tls = tls.map(|config| TlsAcceptor::from(Arc::new(config)));
    let asked = accept::Asked::new(router(Arc::clone(&orchestrator)), orchestrator);
    accept::serve(listener, tls, asked, stop).await;
}

fn router(orchestrator: Arc<Orchestrator>) -> Router {
    // Base64 takes four bytes for three; the statement comes on top.
    let largest = usize::try_from(orchestrator.limits.component_bytes).unwrap_or(usize::MAX) / 3 * 4 + (4 << 20);
    let push = post(push::push).layer(DefaultBodyLimit::max(largest)).asks(Publish, Filters);
    let configure = post(configurations::push).layer(DefaultBodyLimit::max(CONFIGURATION_BODY)).asks(Publish, Config);
    let api = Router::new()
        .route(
            "/exchanges",
            get(exchanges::list).asks(Read, Traffic).merge(delete(deletion::many).asks(Operate, Traffic)),
        )
        .route("/exchanges/count", get(count::count).asks(Read, Traffic))
        .route("/exchanges/stream", get(live::exchanges::follow).asks(Read, Traffic))
        .route("/exchanges/export", get(export::many).asks(Read, Traffic))
        .route("/exchanges/import", post(import::import).layer(DefaultBodyLimit::disable()).asks(Operate, Traffic))
        .route(
            "/exchanges/{id}/replay",
            post(replay::again)
                .layer(DefaultBodyLimit::max(replay::LARGEST))
                .sent_once(&orchestrator, replay::LARGEST)
                .asks(Operate, Traffic),
        )
        .route(
            "/replays",
            post(replay::made)
                .layer(DefaultBodyLimit::max(replay::LARGEST))
                .sent_once(&orchestrator, replay::LARGEST)
                .asks(Operate, Traffic),
        )
        .route(
            "/exchanges/{id}",
            get(exchanges::one)
                .asks(Read, Traffic)
                .merge(delete(deletion::one).patch(annotations::annotate).asks(Operate, Traffic))
                .tagged(),
        )
        .route("/exchanges/{id}/export", get(export::one).asks(Read, Traffic))
        .route("/exchanges/{id}/diff/{other}", get(diff::diff).asks(Read, Traffic))
        .route("/exchanges/{id}/request/body", get(bodies::request).asks(Read, Traffic))
        .route("/exchanges/{id}/response/body", get(bodies::response).asks(Read, Traffic))
        .route("/exchanges/{id}/messages", get(messages::of_exchange).asks(Read, Traffic))
        .route("/tunnels", get(tunnels::list).asks(Read, Traffic))
        .route("/connections/ended", get(ended::list).asks(Read, Traffic))
        .route("/messages", get(messages::list).asks(Read, Traffic))
        .route("/events", get(live::events::follow).asks_of_each(Read))
        .route("/filters", get(filters::list).asks(Read, Filters).merge(push))
        .route("/filters/{name}/logs", get(lines::list).asks(Read, Filters))
        .route("/ca", get(ca::get).asks(Read, Agents))
        .route("/configurations", get(configurations::list).asks(Read, Config).merge(configure))
        .route("/configurations/{name}", get(configurations::one).asks(Read, Config))
        .route("/filters/{name}", get(filters::one).asks(Read, Filters).tagged())
        .route("/agents", get(agents::list).asks(Read, Agents))
        .route("/agents/{id}", get(agents::one).asks(Read, Agents).merge(delete(agents::revoke).asks(Operate, Agents)))
        .route(
            "/breakpoints",
            get(breakpoints::list)
                .asks(Read, Traffic)
                .merge(post(breakpoints::make).once(&orchestrator).asks(Operate, Traffic)),
        )
        .route("/breakpoints/{id}", delete(breakpoints::remove).asks(Operate, Traffic))
        .route("/breakpoints/{id}/renew", post(breakpoints::renew).asks(Operate, Traffic))
        .route("/paused", get(paused::list).asks(Read, Traffic))
        .route(
            "/paused/{id}",
            get(paused::one)
                .post(paused::decide)
                .layer(DefaultBodyLimit::max(paused::LARGEST_DECISION))
                .asks(Operate, Traffic),
        )
        .route(
            "/connections",
            get(connections::list).asks(Read, Traffic).merge(delete(connections::close_many).asks(Operate, Traffic)),
        )
        .route("/connections/stream", get(live::connections::follow).asks(Read, Traffic))
        .route("/connections/{id}", delete(connections::close).asks(Operate, Traffic))
        .route("/usage", get(usage::usage).asks(Read, Traffic))
        .route("/metrics/history", get(history::history).asks(Read, Metrics))
        .route(
            "/agents/{id}/metrics",
            get(metrics::of_agent).route_layer(from_fn(compress::compress)).asks(Read, Metrics),
        )
        .route("/metrics", get(metrics::list).route_layer(from_fn(compress::compress)).asks(Read, Metrics))
        .route(
            "/join-tokens",
            get(join_tokens::list).merge(post(join_tokens::make).once(&orchestrator)).asks(Operate, Agents),
        )
        .route("/join-tokens/{id}", delete(join_tokens::revoke).asks(Operate, Agents))
        .route("/tokens", get(tokens::list).merge(post(tokens::make).once(&orchestrator)).asks(Administer, Access))
        .route("/tokens/{id}", delete(tokens::revoke).asks(Administer, Access))
        .route("/users", get(users::list).merge(post(users::add).once(&orchestrator)).asks(Administer, Access))
        .route("/users/{name}", delete(users::remove).asks(Administer, Access))
        .route("/audit", get(audit::list).asks(Administer, Access))
        .route("/retention", get(retention::show).asks(Read, Traffic).merge(put(retention::set).asks(Operate, Traffic)))
        .route("/backup", get(backup::backup).asks(Administer, Backup))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(from_fn_with_state(Arc::clone(&orchestrator), gate::authenticate));
    let open = Router::new()
        .route("/healthz", get(open::health))
        .route("/readyz", get(open::ready))
        .route("/metrics", get(open::prometheus).route_layer(from_fn(compress::compress)))
        .route("/openapi.json", get(open::openapi).route_layer(from_fn(compress::compress)))
        .route_layer(from_fn_with_state(Arc::clone(&orchestrator), limit::open));
    Router::new()
        .nest("/api/v1", api)
        .merge(graphql::routes(Arc::clone(&orchestrator)))
        .merge(open)
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(DefaultBodyLimit::max(SMALL_BODY))
        .layer(from_fn_with_state(Arc::clone(&orchestrator), cors::cors))
        .layer(from_fn_with_state(Arc::clone(&orchestrator), finish))
        .with_state(orchestrator)
}

async fn not_found() -> Problem {
    Problem::not_found("there is nothing at this address; /openapi.json has them all")
}

async fn method_not_allowed() -> Problem {
    Problem::method_not_allowed()
}

/// Who asks, for all that is behind; what every response says, and its count.
async fn finish(
    State(orchestrator): State<Arc<Orchestrator>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    mut request: Request,
    next: Next,
) -> Response {
    let client = via::client(peer, request.headers(), &orchestrator.proxies);
    request.extensions_mut().insert(ConnectInfo(client));
    let strict = headers::strict_transport(&request);
    let mut response = next.run(steady::steady(request, orchestrator.limits.body_grace)).await;
    let lapsed = Standing::lapse_of(&mut response, Arc::clone(&orchestrator));
    let mut response = pump::pumped(response, orchestrator.limits.answer_time, lapsed);
    orchestrator.telemetry.request(response.status().as_u16());
    headers::put(response.headers_mut(), strict);
    response
}
