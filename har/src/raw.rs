//! The messages of an exchange as HTTP/1.1 writes them (RFC 9112), one after the other: also those of HTTP/2. Bodies are as
//! they were on the wire, as far as they were captured; where some is missing, `weir-body-size` says how much there was.

use weir_proto::v1::{Body, Exchange, Field, Request, Response};

use crate::fields;

/// Request and response.
pub fn messages(exchange: &Exchange) -> Vec<u8> {
    let mut out = Vec::new();
    let method = exchange.request.as_ref().map(|request| request.method.as_str()).unwrap_or_default();
    if let Some(sent) = &exchange.request {
        request(&mut out, sent);
    }
    if let Some(got) = &exchange.response {
        response(&mut out, got, method);
    }
    out
}

fn request(out: &mut Vec<u8>, request: &Request) {
    let path = if request.path.is_empty() { "/" } else { &request.path };
    // An end of line in there would be the end of the message's head.
    let clean = |text: &str| text.replace(|c: char| c.is_control() || c == ' ', "?");
    out.extend(format!("{} {} HTTP/1.1\r\n", clean(&request.method), clean(path)).into_bytes());
    if fields::value(&request.headers, "host").is_none() {
        out.extend(format!("Host: {}\r\n", clean(&request.authority)).into_bytes());
    }
    let body = request.body.clone().unwrap_or_default();
    // RFC 9110 section 8.6: a request without a body needs no length.
    let framing = if body.size == 0 { Framing::AsSent } else { Framing::of(&request.headers, &request.trailers) };
    rest(out, &request.headers, &body, &request.trailers, framing);
}

fn response(out: &mut Vec<u8>, response: &Response, method: &str) {
    let reason = fields::reason(response.status);
    out.extend(format!("HTTP/1.1 {:03} {reason}\r\n", response.status).into_bytes());
    let body = response.body.clone().unwrap_or_default();
    // RFC 9112 section 6.3: these end with their heads, whatever these say.
    let bodiless = method == "HEAD" || matches!(response.status, 100..200 | 204 | 304);
    let framing = if bodiless { Framing::AsSent } else { Framing::of(&response.headers, &response.trailers) };
    rest(out, &response.headers, &body, &response.trailers, framing);
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Framing {
    AsSent,
    Length,
    Chunked,
}

impl Framing {
    fn of(headers: &[Field], trailers: &[Field]) -> Self {
        let coded = fields::value(headers, "transfer-encoding").is_some();
        if coded || !trailers.is_empty() { Self::Chunked } else { Self::Length }
    }
}

fn rest(out: &mut Vec<u8>, headers: &[Field], body: &Body, trailers: &[Field], framing: Framing) {
    let length = body.data.len().to_string();
    let mut framed = framing == Framing::AsSent;
    for field in headers {
        let lower = field.name.to_ascii_lowercase();
        match (framing, lower.as_str()) {
            (Framing::Length, "content-length") if !framed => {
                line(out, &field.name, length.as_bytes());
                framed = true;
            }
            (Framing::Chunked, "transfer-encoding") if !framed => {
                line(out, &field.name, b"chunked");
                framed = true;
            }
            (Framing::Length | Framing::Chunked, "content-length" | "transfer-encoding") => {}
            _ => line(out, &field.name, &field.value),
        }
    }
    match framing {
        Framing::Length if !framed => line(out, "Content-Length", length.as_bytes()),
        Framing::Chunked if !framed => line(out, "Transfer-Encoding", b"chunked"),
        _ => {}
    }
    if (body.data.len() as u64) < body.size {
        line(out, "weir-body-size", body.size.to_string().as_bytes());
    }
    out.extend_from_slice(b"\r\n");
    match framing {
        Framing::AsSent => {}
        Framing::Length => out.extend_from_slice(&body.data),
        Framing::Chunked => {
            if !body.data.is_empty() {
                out.extend(format!("{:x}\r\n", body.data.len()).into_bytes());
                out.extend_from_slice(&body.data);
                out.extend_from_slice(b"\r\n");
            }
            out.extend_from_slice(b"0\r\n");
            trailers.iter().for_each(|field| line(out, &field.name, &field.value));
            out.extend_from_slice(b"\r\n");
        }
    }
}

/// A field that cannot end its line is written, with spaces for what would (RFC 9110 section 5.5).
fn line(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    if !fields::is_token(name) {
        return;
    }
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend(value.iter().map(|byte| if matches!(byte, 0 | b'\r' | b'\n') { b' ' } else { *byte }));
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(name: &str, value: &str) -> Field {
        Field { name: name.to_owned(), value: value.as_bytes().to_vec().into() }
    }

    fn body(data: &'static [u8], size: u64) -> Option<Body> {
        Some(Body { data: data.into(), size, ..Body::default() })
    }

    fn check(request: Request, response: Option<Response>, expect: &str) {
        let exchange = Exchange { request: Some(request), response, ..Exchange::default() };
        assert_eq!(String::from_utf8(messages(&exchange)).unwrap(), expect);
    }

    #[test]
    fn heads_are_as_sent_and_bodies_framed_anew() {
        let request = Request {
            method: "POST".into(),
            authority: "a.example:8443".into(),
            path: "/x?y".into(),
            version: "HTTP/2".into(),
            headers: vec![field("x-a", "1"), field("content-length", "9"), field("x-b", "two\r\nx-c: 3")],
            body: body(b"hello", 9),
            ..Request::default()
        };
        let response = Response {
            status: 200,
            headers: vec![field("Transfer-Encoding", "gzip, chunked"), field("not a name", "x")],
            body: body(b"hi", 2),
            trailers: vec![field("x-sum", "7")],
            ..Response::default()
        };
        check(
            request,
            Some(response),
            "POST /x?y HTTP/1.1\r\nHost: a.example:8443\r\nx-a: 1\r\ncontent-length: 5\r\nx-b: two  x-c: 3\r\n\
             weir-body-size: 9\r\n\r\nhello\
             HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nx-sum: 7\r\n\r\n",
        );
    }

    #[test]
    fn what_has_no_body_gets_none() {
        let request = Request {
            method: "HEAD".into(),
            path: "/".into(),
            headers: vec![field("Host", "a")],
            ..Request::default()
        };
        let response = Response { status: 200, headers: vec![field("Content-Length", "7")], ..Response::default() };
        let head = "HEAD / HTTP/1.1\r\nHost: a\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n";
        check(request.clone(), Some(response), head);
        let get = Request { method: "GET".into(), ..request };
        let empty = Response { status: 500, ..Response::default() };
        let text = "GET / HTTP/1.1\r\nHost: a\r\n\r\nHTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n";
        check(get, Some(empty), text);
    }
}
