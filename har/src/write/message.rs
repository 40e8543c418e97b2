//! Requests and responses as HAR has them.

use serde_json::{Map, Value, json};
use weir_proto::v1::{Body, Field, Request, Response};

use super::{body, cookies, target::url};
use crate::fields;

pub(super) fn request(request: &Request) -> Value {
    let (url, reads_back) = url(request);
    let sent = request.body.clone().unwrap_or_default();
    let mut value = json!({
        "method": request.method,
        "url": url,
        "httpVersion": request.version,
        "cookies": cookies::sent(&request.headers),
        "headers": pairs(&request.headers),
        "queryString": query(&url),
        "headersSize": -1,
        "bodySize": sent.size,
    });
    if let Some(posted) = body::posted(&sent, &request.headers) {
        value["postData"] = posted;
    }
    let mut extra = rest(&request.trailers, &sent);
    if !reads_back {
        let target = json!({"scheme": request.scheme, "authority": request.authority, "path": request.path});
        extra.insert("target".to_owned(), target);
    }
    with(value, extra)
}

pub(super) fn response(response: &Response) -> Value {
    let sent = response.body.clone().unwrap_or_default();
    let (content, wire) = body::content(&sent, &response.headers);
    let value = json!({
        "status": response.status,
        "statusText": fields::reason(response.status),
        "httpVersion": response.version,
        "cookies": cookies::set(&response.headers),
        "headers": pairs(&response.headers),
        "content": content,
        "redirectURL": fields::text(&response.headers, "location"),
        "headersSize": -1,
        "bodySize": sent.size,
    });
    let mut extra = rest(&response.trailers, &sent);
    if let Some(wire) = wire {
        extra.insert("wire".to_owned(), wire.into());
    }
    with(value, extra)
}

/// As browsers write an exchange that got none.
pub(super) fn no_response(error: &str) -> Value {
    let mut value = json!({
        "status": 0, "statusText": "", "httpVersion": "", "cookies": [], "headers": [],
        "content": {"size": 0, "mimeType": "x-unknown"}, "redirectURL": "", "headersSize": -1, "bodySize": -1,
    });
    if !error.is_empty() {
        value["_error"] = error.into();
    }
    value
}

/// What HAR has no place for in a message.
fn rest(trailers: &[Field], body: &Body) -> Map<String, Value> {
    let mut extra = Map::new();
    if !trailers.is_empty() {
        extra.insert("trailers".to_owned(), pairs(trailers).into());
    }
    if body.is_cut(body.data.len() as u64) {
        extra.insert("captured".to_owned(), body.data.len().into());
    }
    if !body.digest.is_empty() {
        let digest: String = body.digest.iter().map(|byte| format!("{byte:02x}")).collect();
        extra.insert("digest".to_owned(), digest.into());
    }
    if body.redacted {
        extra.insert("redacted".to_owned(), true.into());
        extra.insert("cut".to_owned(), body.cut.into());
    }
    extra
}

fn with(mut value: Value, extra: Map<String, Value>) -> Value {
    if !extra.is_empty() {
        value["_weir"] = extra.into();
    }
    value
}

/// Values are bytes (RFC 9110 section 5.5). Those that are no UTF-8 have a character for each byte, and say so.
fn pairs(fields: &[Field]) -> Vec<Value> {
    let pair = |field: &Field| match std::str::from_utf8(&field.value) {
        Ok(value) => json!({"name": field.name, "value": value}),
        Err(_) => {
            let value: String = field.value.iter().map(|byte| char::from(*byte)).collect();
            json!({"name": field.name, "value": value, "_encoding": "iso-8859-1"})
        }
    };
    fields.iter().map(pair).collect()
}

fn query(url: &str) -> Vec<Value> {
    let Some((_, query)) = url.split_once('?') else { return Vec::new() };
    let pairs = form_urlencoded::parse(query.as_bytes());
    pairs.map(|(name, value)| json!({"name": name, "value": value})).collect()
}
