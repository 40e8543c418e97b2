//! What a Weir wrote into an archive beyond the format.

use weir_proto::v1::{Connection, Exchange, Intervention, Receipt, Tag, tag};

use super::{
    custom::PassedOver,
    exchange::{LAST_US, request, response},
    lenient::Scalar,
    model::{self, Extra},
};
use crate::{IMPORT_TAG, outcome, write::IMPORTED_AGENT};

/// What Weir said of it beyond the format.
pub(super) fn of_weir(exchange: &mut Exchange, extra: Extra, passed_over: &mut PassedOver) {
    if let Some(outcome) = outcome::of_word(&extra.outcome) {
        exchange.outcome = outcome.into();
    }
    exchange.error = extra.error;
    exchange.first_byte_us = extra.first_byte_us.unwrap_or(exchange.first_byte_us).min(LAST_US);
    exchange.upstream_address = extra.upstream;
    exchange.connection = Some(Connection {
        client_address: extra.client,
        entry: extra.entry,
        user: extra.user,
        tunnel_target: extra.tunnel_target,
        server_name: extra.server_name,
        intercepted: extra.intercepted,
    });
    exchange.filters = extra.filters.into_iter().map(receipt).collect();
    exchange.note = extra.note;
    exchange.tags = extra.tags.into_iter().filter_map(of_tag).collect();
    if !extra.agent.name.is_empty() {
        exchange.tags.push(Tag { name: IMPORTED_AGENT.to_owned(), value: Some(tag::Value::Text(extra.agent.name)) });
    }
    exchange.interventions = extra.interventions.into_iter().map(intervention).collect();
    if let Some(filtered) = extra.filtered_request {
        let filtered = request(filtered, "/_weir/filteredRequest", passed_over);
        exchange.filtered_request = passed_over.ok(filtered).and_then(Result::ok);
    }
    if let Some(original) = extra.original_response {
        let original = response(original, true, "/_weir/originalResponse", passed_over);
        exchange.original_response = passed_over.ok(original).flatten();
    }
}

fn intervention(intervention: model::Intervention) -> Intervention {
    let model::Intervention { at, decision, by, changed, waited_us, failed } = intervention;
    Intervention { at_response: at == "response", decision, by, changed, waited_us, failed }
}

fn receipt(receipt: model::Receipt) -> Receipt {
    let model::Receipt { name, version, digest, verdict, error, changed, took_ns, changes } = receipt;
    Receipt { name, version, digest, verdict, error, changed, took_ns, changes }
}

fn of_tag((name, value): (String, Scalar)) -> Option<Tag> {
    let value = match value {
        Scalar::Text(text) => tag::Value::Text(text),
        Scalar::Number(number) => tag::Value::Number(number),
        Scalar::Flag(flag) => tag::Value::Flag(flag),
        Scalar::Other => return None,
    };
    Some(Tag { name, value: Some(value) }).filter(|tag| !tag.name.starts_with(IMPORT_TAG))
}
