//! One exchange in full, as people read it.

use std::fmt::Write as _;

use serde_json::Value;

use super::{
    Format,
    detail::{Body, Detail, Fields, Request, Response},
    har, parsed,
};
use crate::cli::{client::Client, failure::Failure, output, person, units};

/// What is shown of a body.
const SHOWN_BYTES: usize = 16 << 10;

pub(super) async fn show(client: &Client, id: &str, format: Format) -> Result<(), Failure> {
    let id = whole_id(client, id).await?;
    let item: Value = client.get(&["exchanges", &id], &[]).await?;
    match format {
        Format::Json => return Ok(output::json(&item)?),
        Format::Har => return Ok(output::json(&har::archive(client, &[item]).await?)?),
        Format::Table => {}
    }
    let detail: Detail = parsed(item)?;
    let request = body(client, &id, "request", detail.request.body).await?;
    let response = match &detail.response {
        Some(response) => body(client, &id, "response", response.body).await?,
        None => String::new(),
    };
    Ok(output::say(text(&detail, &request, &response))?)
}

/// An id from the last characters of it, as listings show them.
async fn whole_id(client: &Client, id: &str) -> Result<String, Failure> {
    let id = id.to_ascii_lowercase();
    if id.is_empty() || !id.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-') {
        return Err(Failure::Usage(format!("`{}` is no id of an exchange: hex digits and `-`", person::line(&id))));
    }
    if id.len() == 36 {
        return Ok(id);
    }
    let found = client.list(&["exchanges"], &[("query", &format!("id:*{id}"))], 2).await?;
    match &found[..] {
        [one] => Ok(one["id"].as_str().unwrap_or_default().to_owned()),
        [] => Err(Failure::Refused(format!("no exchange's id ends with {id}"))),
        _ => Err(Failure::Refused(format!("more than one exchange's id ends with {id}: give more of it"))),
    }
}

async fn body(client: &Client, id: &str, side: &str, body: Body) -> Result<String, Failure> {
    if body.size == 0 {
        return Ok(String::new());
    }
    let bytes = client.bytes(&["exchanges", id, side, "body"], &[]).await?.unwrap_or_default();
    let shown = &bytes[..bytes.len().min(SHOWN_BYTES)];
    let text = match std::str::from_utf8(shown) {
        Ok(text) => Some(text),
        // The cut may have gone through a character.
        Err(error) if error.error_len().is_none() => std::str::from_utf8(&shown[..error.valid_up_to()]).ok(),
        Err(_) => None,
    };
    let mut shown = match text {
        Some(text) if !text.contains('\0') => person::body(text),
        _ => "(not text)".to_owned(),
    };
    let (captured, size) = (body.captured, units::size(body.size));
    if captured < body.size {
        let _ = write!(shown, "\n({} of {size} captured)", units::size(captured));
    } else if bytes.len() > SHOWN_BYTES {
        let _ = write!(shown, "\n({} of {size} shown)", units::size(SHOWN_BYTES as u64));
    }
    Ok(shown)
}

fn text(detail: &Detail, request: &str, response: &str) -> String {
    let mut text = String::new();
    facts(&mut text, detail);
    text.push('\n');
    request_head(&mut text, &detail.request);
    rest(&mut text, request, detail.request.trailers.as_ref());
    if let Some(filtered) = &detail.filtered_request {
        text.push_str("\n--- changed by filters, sent upstream as\n");
        request_head(&mut text, filtered);
    }
    if let Some(answer) = &detail.response {
        text.push('\n');
        response_head(&mut text, answer);
        rest(&mut text, response, answer.trailers.as_ref());
    }
    if let Some(original) = &detail.original_response {
        text.push_str("\n--- before filters changed it, it came as\n");
        response_head(&mut text, original);
    }
    text.truncate(text.trim_end().len());
    text
}

fn facts(text: &mut String, detail: &Detail) {
    let mut fact = |name: &str, value: &str| {
        if !value.is_empty() {
            let _ = writeln!(text, "{name:<9} {}", person::line(value));
        }
    };
    fact("id", &detail.id);
    fact("started", &detail.started);
    let first = detail.first_byte_us.filter(|us| *us > 0);
    let first = first.map(|us| format!(", response head after {}", units::took(us))).unwrap_or_default();
    fact("took", &format!("{}{first}", units::took(detail.duration_us)));
    fact("outcome", &detail.outcome);
    fact("error", detail.error.as_deref().unwrap_or_default());
    if let Some(connection) = &detail.connection {
        let mut client = format!("{} by {}", connection.client_address, connection.entry);
        for (name, value) in [
            ("user", &connection.user),
            ("tunnel to", &connection.tunnel_target),
            ("TLS name", &connection.server_name),
        ] {
            if let Some(value) = value.as_ref().filter(|value| !value.is_empty()) {
                let _ = write!(client, ", {name} {value}");
            }
        }
        if connection.intercepted {
            client.push_str(", intercepted");
        }
        fact("client", &client);
    }
    fact("agent", detail.agent.as_deref().unwrap_or_default());
    fact("upstream", detail.upstream_address.as_deref().unwrap_or_default());
    for receipt in &detail.receipts {
        let changed = if receipt.changed { ", changed it" } else { "" };
        let error = receipt.error.as_ref().filter(|error| !error.is_empty());
        let error = error.map(|error| format!(": {error}")).unwrap_or_default();
        fact("filter", &format!("{} {}: {}{changed}{error}", receipt.name, receipt.version, receipt.verdict));
    }
    for (name, value) in &detail.tags {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        fact("tag", &format!("{name}={value}"));
    }
}

fn request_head(text: &mut String, request: &Request) {
    let line = format!("{} {} {}", request.method, request.url, request.version);
    let _ = writeln!(text, "{}", person::line(&line));
    fields(text, &request.headers);
}

fn response_head(text: &mut String, response: &Response) {
    let reason = har::reason(response.status);
    let line = format!("{} {} {reason}", response.version, response.status);
    let _ = writeln!(text, "{}", person::line(line.trim_end()));
    fields(text, &response.headers);
}

fn fields(text: &mut String, fields: &Fields) {
    for (name, value) in fields {
        let _ = writeln!(text, "{}: {}", person::line(name), person::line(value));
    }
}

fn rest(text: &mut String, body: &str, trailers: Option<&Fields>) {
    if !body.is_empty() {
        let _ = writeln!(text, "\n{body}");
    }
    if let Some(trailers) = trailers.filter(|trailers| !trailers.is_empty()) {
        text.push('\n');
        fields(text, trailers);
    }
}
