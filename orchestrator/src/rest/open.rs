//! What needs no token: health, readiness, the server's own metrics and the description of the interface.

use std::sync::Arc;

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use utoipa::{
    Modify, OpenApi,
    openapi::security::{Http, HttpAuthScheme, SecurityScheme},
};

use super::{
    agents, annotations, audit, bodies, breakpoints, ca, configurations, connections, count, deletion,
    describe::Common, diff, ended, exchanges, export, filters, history, import, join_tokens, lines, live, messages,
    metrics, paused, problem::Problem, push, replay, tokens, tunnels, usage, users,
};
use crate::{graphql::describe as describe_graphql, orchestrator::Orchestrator};

/// The process runs.
#[utoipa::path(get, path = "/healthz", operation_id = "health", tag = "server", security(()), responses((status = 200, body = String)))]
pub(super) async fn health() -> &'static str {
    "ok\n"
}

/// The database answers.
#[utoipa::path(get, path = "/readyz", operation_id = "readiness", tag = "server", security(()), responses((status = 200, body = String),
    (status = 503, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn ready(State(orchestrator): State<Arc<Orchestrator>>) -> Result<&'static str, Problem> {
    orchestrator.store.check().await?;
    Ok("ready\n")
}

/// Prometheus metrics of the orchestrator.
#[utoipa::path(get, path = "/metrics", operation_id = "prometheusMetrics", tag = "server", security(()), responses((status = 200, body = String,
    content_type = "application/openmetrics-text")))]
pub(super) async fn prometheus(State(orchestrator): State<Arc<Orchestrator>>) -> Response {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], orchestrator.telemetry.text()).into_response()
}

/// This description.
#[utoipa::path(get, path = "/openapi.json", operation_id = "describe", tag = "server", security(()), responses((status = 200, body = Object, content_type = "application/json")))]
pub(super) async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], document()).into_response()
}

/// The description, as it is served.
pub(crate) fn document() -> String {
    Interface::openapi().to_pretty_json().unwrap_or_default()
}

#[derive(OpenApi)]
#[openapi(
    info(title = "Weir orchestrator", description = "Traffic, filters, agents and metrics of a fleet of Weir agents."),
    paths(
        super::backup::backup, super::retention::show, super::retention::set,
        exchanges::list, exchanges::one, live::exchanges::follow, export::many, export::one, import::import, diff::diff, annotations::annotate, deletion::one,
        deletion::many, count::count, bodies::request, bodies::response, messages::of_exchange, messages::list, tunnels::list, usage::usage, ended::list, filters::list, filters::one, lines::list, push::push,
        ca::get, configurations::list, configurations::one, configurations::push,
        live::events::follow, agents::list, agents::one, agents::revoke, connections::list, live::connections::follow, connections::close, connections::close_many, breakpoints::make, breakpoints::list, breakpoints::renew, breakpoints::remove,
        paused::list, paused::one, paused::decide, metrics::list, metrics::of_agent, history::history, join_tokens::make, join_tokens::list, join_tokens::revoke, tokens::list, tokens::make, tokens::revoke,
        replay::again, replay::made,
        users::list, users::add, users::remove, audit::list, describe_graphql::ask, describe_graphql::ask_in_address, describe_graphql::schema, health, ready, prometheus, openapi,
    ),
    security(("token" = []), ("password" = [])),
    components(schemas(usage::UsageBy, bodies::Flag, bodies::SideName, export::ExportForm, import::ImportForm)),
    modifiers(&Token, &Common),
)]
struct Interface;

struct Token;

impl Modify for Token {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let components = openapi.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
        components.add_security_scheme("password", SecurityScheme::Http(Http::new(HttpAuthScheme::Basic)));
    }
}
