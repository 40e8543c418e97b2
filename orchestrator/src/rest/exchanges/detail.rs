//! An exchange, whole but for the bodies.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::{
    deeds::{Intervention, Receipt, intervention, receipt, told_tags},
    item::{ExchangeItem, item},
    message::{RequestMessage, ResponseMessage, request, response},
    some, url,
};
use crate::store::{Outline, Slot};

/// An exchange, whole but for the bodies.
#[derive(Debug, Serialize, ToSchema)]
pub(in super::super) struct ExchangeDetail {
    #[serde(flatten)]
    item: ExchangeItem,
    connection: Option<Connection>,
    /// As the client sent it.
    request: Option<RequestMessage>,
    /// As the upstream got it, where a filter changed it.
    filtered_request: Option<RequestMessage>,
    /// As the client got it.
    response: Option<ResponseMessage>,
    /// As the upstream sent it, where a filter changed it.
    original_response: Option<ResponseMessage>,
    upstream_address: Option<String>,
    receipts: Vec<Receipt>,
    /// What people did to it at breakpoints, in the order they did.
    interventions: Vec<Intervention>,
    /// What filters said of it, by `FILTER.NAME`, and people, by a name without a dot: text, number or flag.
    #[schema(value_type = Object)]
    tags: BTreeMap<String, serde_json::Value>,
    /// What people said of it.
    note: Option<String>,
    /// Who wanted it, of an exchange that no client sent.
    replay_by: Option<String>,
}

/// How the client came in.
#[derive(Debug, Serialize, ToSchema)]
struct Connection {
    client_address: String,
    entry: String,
    user: Option<String>,
    tunnel_target: Option<String>,
    server_name: Option<String>,
    intercepted: bool,
}

pub(in super::super) fn detail(Outline { summary, exchange, kept }: Outline) -> ExchangeDetail {
    let kept = |slot: Slot| kept.iter().find(|kept| kept.is(slot));
    let mut item = item(summary);
    // The columns are cut, the message is not.
    if let Some(request) = &exchange.request {
        item.path.clone_from(&request.path);
        item.url = url(&request.scheme, &request.authority, &request.path);
    }
    ExchangeDetail {
        item,
        connection: exchange.connection.map(|connection| Connection {
            client_address: connection.client_address,
            entry: connection.entry,
            user: some(connection.user),
            tunnel_target: some(connection.tunnel_target),
            server_name: some(connection.server_name),
            intercepted: connection.intercepted,
        }),
        request: exchange.request.map(|it| request(it, kept(Slot::Request))),
        filtered_request: exchange.filtered_request.map(|it| request(it, kept(Slot::FilteredRequest))),
        response: exchange.response.map(|it| response(it, kept(Slot::Response))),
        original_response: exchange.original_response.map(|it| response(it, kept(Slot::OriginalResponse))),
        upstream_address: some(exchange.upstream_address),
        receipts: exchange.filters.into_iter().map(receipt).collect(),
        interventions: exchange.interventions.into_iter().map(intervention).collect(),
        tags: told_tags(exchange.tags),
        note: some(exchange.note),
        replay_by: some(exchange.replay_by),
    }
}
