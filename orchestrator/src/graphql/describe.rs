//! What the description of the interface (OpenAPI) says of `/graphql`: that it is there, who is let in and what shape answers have.
//! What can be asked says the schema.
#![expect(dead_code, reason = "these are read by macros alone")]

use utoipa::{IntoParams, ToSchema};

/// A question of GraphQL.
#[derive(ToSchema)]
pub(crate) struct GraphqlRequest {
    query: String,
    /// Which operation of `query`, where it has several.
    #[schema(rename = "operationName")]
    operation_name: Option<String>,
    #[schema(value_type = Option<Object>)]
    variables: (),
}

/// A question of GraphQL in an address.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
struct GraphqlInAddress {
    query: String,
    /// Which operation of `query`, where it has several
    #[param(rename = "operationName")]
    operation_name: Option<String>,
    /// JSON
    variables: Option<String>,
}

/// What GraphQL answers, also where nothing was asked because nobody was let in.
#[derive(ToSchema)]
pub(crate) struct GraphqlAnswer {
    #[schema(value_type = Option<Object>)]
    data: (),
    /// Left out where nothing is wrong.
    errors: Option<Vec<GraphqlError>>,
}

/// What is wrong.
#[derive(ToSchema)]
struct GraphqlError {
    message: String,
    /// `code`: the word of the problem that REST would answer; `status`: its HTTP status; `column`: where a query is wrong.
    #[schema(value_type = Option<Object>)]
    extensions: (),
}

/// Answers a question of GraphQL, or up to ten in an array. `GET /graphql/schema` says what can be asked.
#[utoipa::path(post, path = "/graphql", operation_id = "askGraphql", tag = "graphql", request_body = GraphqlRequest, responses(
    (status = 200, body = GraphqlAnswer, description = "What was asked for, or what is wrong with it"),
    (status = 401, body = GraphqlAnswer, description = "No credential that counts", headers(("WWW-Authenticate" = String))),
    (status = 429, body = GraphqlAnswer, description = "Too many requests"),
    (status = 503, body = GraphqlAnswer, description = "The database, or the issuer of the token, does not answer"),
    (status = "4XX", body = GraphqlAnswer)))]
pub(crate) fn ask() {}

/// The same for one question; or, with `Upgrade: websocket`, where subscriptions are followed, by the protocol graphql-transport-ws.
/// Whoever cannot set `Authorization` there says it in `connection_init`.
#[utoipa::path(get, path = "/graphql", operation_id = "askGraphqlInAddress", tag = "graphql", params(GraphqlInAddress), responses(
    (status = 101, description = "The WebSocket that was asked for"),
    (status = 200, body = GraphqlAnswer, description = "What was asked for, or what is wrong with it"),
    (status = 401, body = GraphqlAnswer, description = "No credential that counts", headers(("WWW-Authenticate" = String))),
    (status = 429, body = GraphqlAnswer, description = "Too many requests"),
    (status = 503, body = GraphqlAnswer, description = "The database, or the issuer of the token, does not answer"),
    (status = "4XX", body = GraphqlAnswer)))]
pub(crate) fn ask_in_address() {}

/// What can be asked of GraphQL, as its schema definition language has it.
#[utoipa::path(get, path = "/graphql/schema", operation_id = "getGraphqlSchema", tag = "graphql", responses(
    (status = 200, body = String, content_type = "text/plain"),
    (status = 401, body = GraphqlAnswer, description = "No credential that counts", headers(("WWW-Authenticate" = String))),
    (status = 429, body = GraphqlAnswer, description = "Too many requests"),
    (status = 503, body = GraphqlAnswer, description = "The database, or the issuer of the token, does not answer"),
    (status = "4XX", body = GraphqlAnswer)))]
pub(crate) fn schema() {}
