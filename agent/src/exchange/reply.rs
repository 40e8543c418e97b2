//! The one place that turns errors into responses. Enters: a [`Problem`] and what the client accepts; leaves: an RFC 9457
//! problem document, or a page for people (RFC 9110 section 12.5.1 decides). Must not know where problems come from.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use uuid::Uuid;
use weir_host::LocalResponse;

use super::problem::Problem;
use super::response::ReplyBody;

static PROXY_STATUS: HeaderName = HeaderName::from_static("proxy-status");

/// The whole reply, for whoever answers outside an exchange too. `accept` is the client's `Accept`.
pub fn reply(problem: &Problem, accept: Option<&HeaderValue>, exchange: Option<Uuid>) -> Response<ReplyBody> {
    into_response(render(problem, accept, exchange))
}

/// A response that is there in full. Content-Length follows from the body.
pub(super) fn into_response(local: LocalResponse) -> Response<ReplyBody> {
    let mut response = Response::new(ReplyBody::full(local.body));
    *response.status_mut() = local.status;
    *response.headers_mut() = local.headers;
    response
}

/// The problem in the form that the client asked for.
pub(super) fn render(problem: &Problem, accept: Option<&HeaderValue>, exchange: Option<Uuid>) -> LocalResponse {
    let (content_type, body) = match prefers_html(accept) {
        true => ("text/html; charset=utf-8", page(problem, exchange)),
        false => ("application/problem+json", document(problem, exchange)),
    };
    let mut headers = HeaderMap::with_capacity(4);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(status) = HeaderValue::from_str(&proxy_status(problem)) {
        headers.insert(PROXY_STATUS.clone(), status);
    }
    LocalResponse { status: problem.status, headers, body: Bytes::from(body) }
}

fn document(problem: &Problem, exchange: Option<Uuid>) -> String {
    let mut members = serde_json::json!({
        "type": format!("urn:weir:problem:{}", problem.kind),
        "title": problem.title,
        "status": problem.status.as_u16(),
        "detail": problem.detail,
        "blame": problem.blame.as_str(),
    });
    if let Some(exchange) = exchange {
        members["exchange"] = exchange.to_string().into();
    }
    members.to_string()
}

fn page(problem: &Problem, exchange: Option<Uuid>) -> String {
    let title = escape(problem.title);
    let detail = escape(&problem.detail);
    let blame = problem.blame.as_str();
    let status = problem.status.as_u16();
    let exchange = exchange.map(|id| format!("<dt>Exchange<dd><code>{id}</code>")).unwrap_or_default();
    format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <title>{status} {title}</title>\
         <style>body{{font:16px/1.5 system-ui,sans-serif;max-width:40em;margin:15vh auto;padding:0 1em}}\
         dt{{color:#666;font-size:.8em}}dd{{margin:0 0 1em;overflow-wrap:anywhere}}</style>\
         <h1>{title}</h1><p>{detail}</p>\
         <dl><dt>Status<dd>{status}<dt>Fault of the<dd>{blame}{exchange}</dl>\
         <p><small>Said by the Weir proxy between you and the site.</small>"
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// RFC 9209: says to programs along the way that this response is a proxy's own. `details` is a string of printable
/// ASCII (RFC 8941 section 3.3.3); a peer's words may be in it.
fn proxy_status(problem: &Problem) -> String {
    let mut details = String::with_capacity(problem.detail.len());
    for c in problem.detail.chars() {
        match c {
            '"' | '\\' => details.extend(['\\', c]),
            ' '..='~' => details.push(c),
            _ => details.push('?'),
        }
    }
    format!("weir; error={}; details=\"{details}\"", problem.proxy_error)
}

/// A browser asks for HTML by name; what asks for anything, or for JSON as much, is a program.
fn prefers_html(accept: Option<&HeaderValue>) -> bool {
    let (mut html, mut json) = (0, 0);
    let accept = accept.and_then(|value| value.to_str().ok()).unwrap_or_default();
    for range in accept.split(',') {
        let mut parts = range.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default().to_ascii_lowercase();
        let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(1000, thousandths);
        match media.as_str() {
            "text/html" | "application/xhtml+xml" => html = html.max(weight),
            "application/json" | "application/problem+json" => json = json.max(weight),
            _ => {}
        }
    }
    html > json
}

/// A weight of RFC 9110 section 12.4.2; one that is none counts as nothing.
fn thousandths(weight: &str) -> u32 {
    match weight.parse::<f32>() {
        Ok(weight) if (0.0..=1.0).contains(&weight) => (weight * 1000.0) as u32,
        _ => 0,
    }
}

/// The last recipient of TRACE sends back what it got, without what is secret (RFC 9110 section 9.3.8); OPTIONS to a
/// proxy has nothing to say.
pub(super) fn final_recipient(request: &http::request::Parts) -> LocalResponse {
    const SECRET: [HeaderName; 3] =
        [http::header::AUTHORIZATION, http::header::COOKIE, http::header::PROXY_AUTHORIZATION];
    let mut headers = HeaderMap::new();
    if request.method != http::Method::TRACE {
        return LocalResponse { status: StatusCode::NO_CONTENT, headers, body: Bytes::new() };
    }
    let mut message = format!("{} {} {:?}\r\n", request.method, request.uri, request.version).into_bytes();
    for (name, value) in request.headers.iter().filter(|(name, _)| !SECRET.contains(name)) {
        message.extend_from_slice(name.as_str().as_bytes());
        message.extend_from_slice(b": ");
        message.extend_from_slice(value.as_bytes());
        message.extend_from_slice(b"\r\n");
    }
    message.extend_from_slice(b"\r\n");
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("message/http"));
    LocalResponse { status: StatusCode::OK, headers, body: message.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(accept: &str) -> LocalResponse {
        let problem = Problem::bad_request("a \"quoted\" <b>\n\u{e4}".into());
        render(&problem, Some(&accept.parse().unwrap()), Some(Uuid::nil()))
    }

    #[test]
    fn a_program_gets_a_problem_document() {
        let response = rendered("*/*");
        assert_eq!(response.status, 400);
        assert_eq!(response.headers[CONTENT_TYPE], "application/problem+json");
        assert_eq!(response.headers[CACHE_CONTROL], "no-store");
        let proxy_status = r#"weir; error=http_request_error; details="a \"quoted\" <b>??""#;
        assert_eq!(response.headers[&PROXY_STATUS], proxy_status);
        let document: serde_json::Value = serde_json::from_slice(&response.body).unwrap();
        let expect = serde_json::json!({
            "type": "urn:weir:problem:bad-request", "title": "The request is not valid", "status": 400,
            "detail": "a \"quoted\" <b>\n\u{e4}", "blame": "client", "exchange": Uuid::nil().to_string(),
        });
        assert_eq!(document, expect);
    }

    #[test]
    fn a_browser_gets_a_page_in_which_nothing_is_markup() {
        let response = rendered("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8");
        assert_eq!(response.headers[CONTENT_TYPE], "text/html; charset=utf-8");
        let page = String::from_utf8(response.body.to_vec()).unwrap();
        assert!(page.contains("a &quot;quoted&quot; &lt;b&gt;"), "{page}");
    }

    #[test]
    fn html_has_to_be_preferred() {
        let is_html = |accept: &str| rendered(accept).headers[CONTENT_TYPE].as_bytes().starts_with(b"text/html");
        assert!(!is_html("application/json, text/html"));
        assert!(!is_html("text/html;q=0.5, application/problem+json"));
        assert!(!is_html("text/html;q=0"));
        assert!(!is_html("text/html;q=x"));
        assert!(is_html("text/html;q=0.5, application/json;q=0.4"));
    }

    #[test]
    fn trace_tells_no_secret() {
        let request = http::Request::builder().method("TRACE").uri("http://a.example/x");
        let request = request.header("cookie", "secret").header("x-a", "1").body(()).unwrap();
        let response = final_recipient(&request.into_parts().0);
        assert_eq!(response.body, "TRACE http://a.example/x HTTP/1.1\r\nx-a: 1\r\n\r\n");
    }
}
