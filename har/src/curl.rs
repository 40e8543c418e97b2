//! A request as a curl command that sends it again, byte for byte where curl can: it writes `Host` first, and frames bodies
//! itself.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use uuid::Uuid;
use weir_proto::v1::{Body, Exchange, Field, Request};

use crate::{
    fields, outcome,
    quote::{is_plain, quote},
};

/// Linux takes 128 KiB in one argument.
const MOST_ARGUMENT: usize = 64 << 10;
const HEREDOC: &str = "WEIR";
const LINE: usize = 76;

/// A command for a POSIX shell, with a comment before it that says which exchange it is of.
pub fn command(exchange: &Exchange) -> String {
    let request = exchange.request.clone().unwrap_or_default();
    let body = request.body.clone().unwrap_or_default();
    let mut text = format!("# {}", Uuid::from_slice(&exchange.id).unwrap_or_default());
    if let Some(response) = &exchange.response {
        text.push_str(&format!(" {}", response.status));
    }
    text.push_str(&format!(" {}\n", outcome::word(exchange.outcome)));
    if body.redacted {
        text.push_str("# values of the body were left out when it was recorded\n");
    }
    if body.is_cut(body.data.len() as u64) {
        text.push_str(&format!("# {} of {} bytes of the body were captured\n", body.data.len(), body.size));
    }
    let mut options = Vec::new();
    method(&mut options, &request, &body);
    target(&mut options, &request);
    head(&mut options, &request, &body);
    let piped = data(&mut options, &body);
    if piped.is_some() {
        text.push_str(&format!("base64 --decode <<'{HEREDOC}' | "));
    }
    text.push_str(&format!("curl --globoff --path-as-is {}", protocol(&request)));
    for option in options {
        text.push_str(" \\\n  ");
        text.push_str(&option);
    }
    text.push('\n');
    if let Some(lines) = piped {
        text.push_str(&lines);
        text.push_str(&format!("{HEREDOC}\n"));
    }
    text
}

fn is_old(request: &Request) -> bool {
    request.version.starts_with("HTTP/1")
}

fn protocol(request: &Request) -> &'static str {
    match request.version.as_str() {
        "HTTP/1.0" => "--http1.0",
        "HTTP/2" if request.scheme == "http" => "--http2-prior-knowledge",
        "HTTP/2" => "--http2",
        "HTTP/3" => "--http3",
        _ => "--http1.1",
    }
}

fn has_body(body: &Body) -> bool {
    !body.data.is_empty()
}

fn method(options: &mut Vec<String>, request: &Request, body: &Body) {
    match request.method.as_str() {
        "HEAD" if !has_body(body) => options.push("--head".to_owned()),
        "GET" if !has_body(body) => {}
        method => options.push(format!("--request {}", quote(method.as_bytes()))),
    }
}

fn target(options: &mut Vec<String>, request: &Request) {
    let Request { scheme, authority, path, .. } = request;
    let scheme = if scheme == "https" { "https" } else { "http" };
    let authority = authority.rsplit_once('@').map_or(&**authority, |(_, host)| host);
    // What curl would change, or not send, is given to it apart.
    let is_kept = path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
    let path_of_url = if is_kept { path } else { "/" };
    options.push(format!("--url {}", quote(format!("{scheme}://{authority}{path_of_url}").as_bytes())));
    if !is_kept && !path.is_empty() {
        options.push(format!("--request-target {}", quote(path.as_bytes())));
    }
}

fn head(options: &mut Vec<String>, request: &Request, body: &Body) {
    let mut decodes = false;
    for field in &request.headers {
        if !is_sent(field, request, body) {
            continue;
        }
        decodes |= field.name.eq_ignore_ascii_case("accept-encoding");
        let mut line = field.name.clone().into_bytes();
        if field.value.is_empty() {
            line.push(b';');
        } else {
            line.extend_from_slice(b": ");
            line.extend_from_slice(&field.value);
        }
        options.push(format!("--header {}", quote(&line)));
    }
    // What curl adds of itself.
    let added: &[&str] =
        if has_body(body) { &["User-Agent", "Accept", "Content-Type", "Expect"] } else { &["User-Agent", "Accept"] };
    for name in added {
        if fields::value(&request.headers, name).is_none() {
            options.push(format!("--header '{name}:'"));
        }
    }
    if decodes {
        options.push("--compressed".to_owned());
    }
}

/// Is the field one that curl has to be told?
fn is_sent(field: &Field, request: &Request, body: &Body) -> bool {
    let chunked = fields::value(&request.headers, "transfer-encoding").is_some();
    match field.name.to_ascii_lowercase().as_str() {
        // To the proxy.
        "proxy-connection" | "proxy-authorization" => false,
        // Of a body that is not whole it would be wrong.
        "content-length" => !chunked && field.value == body.data.len().to_string().as_bytes(),
        "connection" | "keep-alive" | "transfer-encoding" | "upgrade" if !is_old(request) => false,
        _ => fields::is_token(&field.name) && fields::is_value(&field.value),
    }
}

/// Small text stands in the command; all else is piped in, as lines of base64.
fn data(options: &mut Vec<String>, body: &Body) -> Option<String> {
    if !has_body(body) {
        return None;
    }
    match std::str::from_utf8(&body.data) {
        Ok(text) if text.len() <= MOST_ARGUMENT && is_plain(text) => {
            options.push(format!("--data-raw {}", quote(text.as_bytes())));
            None
        }
        _ => {
            options.push("--data-binary @-".to_owned());
            let coded = BASE64.encode(&body.data);
            let mut lines = String::with_capacity(coded.len() + coded.len() / LINE + 2);
            let mut rest = coded.as_str();
            while !rest.is_empty() {
                let (line, after) = rest.split_at(rest.len().min(LINE));
                lines.push_str(line);
                lines.push('\n');
                rest = after;
            }
            Some(lines)
        }
    }
}
