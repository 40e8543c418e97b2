//! Exchanges as an HTTP Archive 1.2: <http://www.softwareishard.com/blog/har-12-spec/>. Members that the format demands
//! and Weir does not know are -1 or empty, as it says; what it has no place for is in members that begin with `_`.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde_json::{Value, json};

use super::{
    detail::{Body, Detail, Fields, Request, Response, header},
    parsed,
};
use crate::cli::{client::Client, failure::Failure};

/// The archive of these exchanges, each asked for in full.
pub(super) async fn archive(client: &Client, items: &[Value]) -> Result<Value, Failure> {
    let mut entries = Vec::with_capacity(items.len());
    // Oldest first, as viewers expect.
    for item in items.iter().rev() {
        let Some(id) = item["id"].as_str() else { continue };
        // Retention may have taken it since it was listed.
        let Some(found) = client.find::<Value>(&["exchanges", id], &[]).await? else { continue };
        let detail: Detail = parsed(found)?;
        let request = captured(client, id, "request", detail.request.body).await?;
        let response = match &detail.response {
            Some(response) => captured(client, id, "response", response.body).await?,
            None => Vec::new(),
        };
        entries.push(entry(&detail, &request, &response));
    }
    Ok(json!({"log": {
        "version": "1.2",
        "creator": {"name": "Weir", "version": env!("CARGO_PKG_VERSION")},
        "entries": entries,
    }}))
}

async fn captured(client: &Client, id: &str, side: &str, body: Body) -> Result<Vec<u8>, Failure> {
    if body.captured == 0 && body.size == 0 {
        return Ok(Vec::new());
    }
    Ok(client.bytes(&["exchanges", id, side, "body"], &[]).await?.unwrap_or_default())
}

fn entry(detail: &Detail, request: &[u8], response: &[u8]) -> Value {
    let wait = detail.first_byte_us.filter(|us| *us > 0).unwrap_or(detail.duration_us).min(detail.duration_us);
    let receive = detail.duration_us - wait;
    let mut entry = json!({
        "startedDateTime": detail.started,
        "time": millis(detail.duration_us),
        "request": request_of(&detail.request, request),
        "response": detail.response.as_ref().map_or_else(no_response, |head| response_of(head, response)),
        "cache": {},
        "timings": {"send": 0, "wait": millis(wait), "receive": millis(receive)},
        "_id": detail.id,
        "_outcome": detail.outcome,
    });
    let address = detail.upstream_address.as_deref().and_then(|address| address.parse::<std::net::SocketAddr>().ok());
    if let Some(address) = address {
        entry["serverIPAddress"] = address.ip().to_string().into();
    }
    if let Some(error) = detail.error.as_deref().filter(|error| !error.is_empty()) {
        entry["_error"] = error.into();
    }
    if !detail.receipts.is_empty() {
        let filters = detail.receipts.iter().map(|receipt| {
            json!({"name": receipt.name, "version": receipt.version, "verdict": receipt.verdict, "changed": receipt.changed})
        });
        entry["_filters"] = filters.collect();
    }
    entry
}

fn request_of(request: &Request, body: &[u8]) -> Value {
    let mut value = json!({
        "method": request.method,
        "url": request.url,
        "httpVersion": request.version,
        "cookies": cookies(&request.headers),
        "headers": pairs(&request.headers),
        "queryString": query(&request.url),
        "headersSize": -1,
        "bodySize": request.body.size,
    });
    if request.body.size > 0 {
        let (text, encoding) = text_of(body);
        value["postData"] = json!({
            "mimeType": header(&request.headers, "content-type").unwrap_or_default(), "params": [], "text": text,
        });
        if let Some(encoding) = encoding {
            value["postData"]["_encoding"] = encoding.into();
        }
    }
    value
}

fn response_of(response: &Response, body: &[u8]) -> Value {
    let mut content = json!({
        "size": response.body.size,
        "mimeType": header(&response.headers, "content-type").unwrap_or("x-unknown"),
    });
    if !body.is_empty() {
        let (text, encoding) = text_of(body);
        content["text"] = text.into();
        if let Some(encoding) = encoding {
            content["encoding"] = encoding.into();
        }
    }
    if response.body.captured < response.body.size {
        content["comment"] = format!("{} of {} bytes captured", response.body.captured, response.body.size).into();
    }
    json!({
        "status": response.status,
        "statusText": reason(response.status),
        "httpVersion": response.version,
        "cookies": set_cookies(&response.headers),
        "headers": pairs(&response.headers),
        "content": content,
        "redirectURL": header(&response.headers, "location").unwrap_or_default(),
        "headersSize": -1,
        "bodySize": response.body.size,
    })
}

/// As browsers write an exchange that got none.
fn no_response() -> Value {
    json!({
        "status": 0, "statusText": "", "httpVersion": "", "cookies": [], "headers": [],
        "content": {"size": 0, "mimeType": "x-unknown"}, "redirectURL": "", "headersSize": -1, "bodySize": -1,
    })
}

/// The registered reason phrase: HTTP/2 has none, and HTTP/1's is not recorded.
pub(super) fn reason(status: u16) -> &'static str {
    http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or_default()
}

#[allow(clippy::cast_precision_loss, reason = "microseconds of a day fit in 53 bits")]
fn millis(micros: u64) -> f64 {
    micros as f64 / 1000.0
}

fn text_of(body: &[u8]) -> (String, Option<&'static str>) {
    match std::str::from_utf8(body) {
        Ok(text) => (text.to_owned(), None),
        Err(_) => (BASE64.encode(body), Some("base64")),
    }
}

fn pairs(fields: &Fields) -> Vec<Value> {
    fields.iter().map(|(name, value)| json!({"name": name, "value": value})).collect()
}

fn query(url: &str) -> Vec<Value> {
    let Ok(url) = reqwest::Url::parse(url) else { return Vec::new() };
    url.query_pairs().map(|(name, value)| json!({"name": name, "value": value})).collect()
}

fn named<'a>(fields: &'a Fields, name: &'static str) -> impl Iterator<Item = &'a str> {
    fields.iter().filter(move |(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

fn pair(text: &str) -> (&str, &str) {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    (name.trim(), value.trim())
}

/// RFC 6265 section 4.2.1
fn cookies(fields: &Fields) -> Vec<Value> {
    let each = named(fields, "cookie").flat_map(|line| line.split(';')).map(pair);
    each.filter(|(name, _)| !name.is_empty()).map(|(name, value)| json!({"name": name, "value": value})).collect()
}

/// RFC 6265 section 4.1.1
fn set_cookies(fields: &Fields) -> Vec<Value> {
    let each = named(fields, "set-cookie").map(|line| {
        let mut parts = line.split(';').map(pair);
        let (name, value) = parts.next().unwrap_or_default();
        let mut cookie = json!({"name": name, "value": value});
        for (attribute, value) in parts {
            match attribute.to_ascii_lowercase().as_str() {
                "path" => cookie["path"] = value.into(),
                "domain" => cookie["domain"] = value.into(),
                "httponly" => cookie["httpOnly"] = true.into(),
                "secure" => cookie["secure"] = true.into(),
                // HAR wants ISO 8601 here, which the field is not.
                "expires" => cookie["_expires"] = value.into(),
                _ => {}
            }
        }
        cookie
    });
    each.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detail() -> Detail {
        let fields = |pairs: &[(&str, &str)]| pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        Detail {
            id: "01".to_owned(),
            started: "2026-11-20T09:00:00.000001Z".to_owned(),
            duration_us: 2_500,
            first_byte_us: Some(2_000),
            outcome: "complete".to_owned(),
            upstream_address: Some("[2001:db8::1]:443".to_owned()),
            request: Request {
                method: "POST".to_owned(),
                url: "https://example.com/a?b=c&d=%20e".to_owned(),
                version: "HTTP/1.1".to_owned(),
                headers: fields(&[("Cookie", "a=1; b=2=3"), ("Content-Type", "text/plain")]),
                trailers: None,
                body: Body { size: 3, captured: 3 },
            },
            response: Some(Response {
                status: 302,
                version: "HTTP/2".to_owned(),
                headers: fields(&[
                    ("location", "/x"),
                    ("set-cookie", "s=1; Path=/; HttpOnly; Expires=Wed, 21 Oct 2026 07:28:00 GMT"),
                ]),
                trailers: None,
                body: Body { size: 10, captured: 2 },
            }),
            ..Detail::default()
        }
    }

    #[test]
    fn an_entry_has_every_member_the_format_demands() {
        let entry = entry(&detail(), b"abc", b"\xff\xfe");
        assert_eq!(entry["time"], 2.5);
        assert_eq!(entry["timings"], json!({"send": 0, "wait": 2.0, "receive": 0.5}));
        assert_eq!(entry["serverIPAddress"], "2001:db8::1");
        assert_eq!(entry["request"]["queryString"], json!([{"name": "b", "value": "c"}, {"name": "d", "value": " e"}]));
        assert_eq!(entry["request"]["cookies"], json!([{"name": "a", "value": "1"}, {"name": "b", "value": "2=3"}]));
        assert_eq!(entry["request"]["postData"], json!({"mimeType": "text/plain", "params": [], "text": "abc"}));
        let response = &entry["response"];
        assert_eq!((&response["statusText"], &response["redirectURL"]), (&json!("Found"), &json!("/x")));
        assert_eq!(
            response["content"],
            json!({"size": 10, "mimeType": "x-unknown", "text": "//4=", "encoding": "base64", "comment": "2 of 10 bytes captured"})
        );
        assert_eq!(response["cookies"][0]["httpOnly"], true);
        for (of, members) in [
            (&entry, ["startedDateTime", "time", "request", "response", "cache", "timings"].as_slice()),
            (
                &entry["request"],
                &["method", "url", "httpVersion", "cookies", "headers", "queryString", "headersSize", "bodySize"],
            ),
            (
                response,
                &[
                    "status",
                    "statusText",
                    "httpVersion",
                    "cookies",
                    "headers",
                    "content",
                    "redirectURL",
                    "headersSize",
                    "bodySize",
                ],
            ),
            (
                &no_response(),
                &[
                    "status",
                    "statusText",
                    "httpVersion",
                    "cookies",
                    "headers",
                    "content",
                    "redirectURL",
                    "headersSize",
                    "bodySize",
                ],
            ),
        ] {
            for member in members {
                assert!(of.get(member).is_some(), "{member}");
            }
        }
    }
}
