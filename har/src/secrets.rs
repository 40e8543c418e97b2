//! Hides what signs people in: the values of `Authorization`, `Proxy-Authorization`, `Cookie` and `Set-Cookie`. What is left
//! says that there was one and of what kind.

use bytes::Bytes;
use weir_proto::v1::{Exchange, Field};

/// Stands for a value.
pub const HIDDEN: &str = "[hidden]";
/// Stands for a value that an agent's rules of redaction took out of what it recorded.
pub const REDACTED: &str = "[redacted]";
/// The same in queries and forms.
pub const REDACTED_IN_URLS: &str = "%5Bredacted%5D";
/// Registered schemes that people meet: without one of them the first word may be the secret.
const SCHEMES: [&str; 11] = [
    "Basic",
    "Bearer",
    "Digest",
    "DPoP",
    "GNAP",
    "HOBA",
    "Mutual",
    "Negotiate",
    "NTLM",
    "SCRAM-SHA-256",
    "AWS4-HMAC-SHA256",
];

/// Hides them in every message of the exchange.
pub fn hide(exchange: &mut Exchange) {
    let requests = [&mut exchange.request, &mut exchange.filtered_request].into_iter().flatten();
    let requests = requests.flat_map(|request| [&mut request.headers, &mut request.trailers]);
    let responses = [&mut exchange.response, &mut exchange.original_response].into_iter().flatten();
    let responses = responses.flat_map(|response| [&mut response.headers, &mut response.trailers]);
    requests.chain(responses).flatten().for_each(hide_field);
}

fn hide_field(field: &mut Field) {
    if let Some(hidden) = hidden(&field.name, &String::from_utf8_lossy(&field.value)) {
        field.value = Bytes::from(hidden);
    }
}

/// What is shown in place of the value of a field; none where it is no secret.
pub fn hidden(name: &str, value: &str) -> Option<String> {
    match name.to_ascii_lowercase().as_str() {
        "authorization" | "proxy-authorization" => Some(credentials(value)),
        "cookie" => Some(cookies(value)),
        "set-cookie" => Some(set_cookie(value)),
        _ => None,
    }
}

/// The scheme stays.
fn credentials(value: &str) -> String {
    let scheme = value.trim_start().split(' ').next().unwrap_or_default();
    match SCHEMES.iter().find(|known| known.eq_ignore_ascii_case(scheme)) {
        Some(_) => format!("{scheme} {HIDDEN}"),
        None => HIDDEN.to_owned(),
    }
}

/// The names stay.
fn cookies(value: &str) -> String {
    value.split(';').map(pair).collect::<Vec<_>>().join("; ")
}

/// Name and attributes stay.
fn set_cookie(value: &str) -> String {
    match value.split_once(';') {
        Some((cookie, attributes)) => format!("{};{attributes}", pair(cookie)),
        None => pair(value),
    }
}

fn pair(cookie: &str) -> String {
    match cookie.split_once('=') {
        Some((name, _)) => format!("{}={HIDDEN}", name.trim()),
        None => HIDDEN.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use weir_proto::v1::{Request, Response};

    use super::*;

    fn check(name: &str, value: &str, expect: &str) {
        let mut field = Field { name: name.to_owned(), value: value.as_bytes().to_vec().into() };
        for _ in 0..2 {
            hide_field(&mut field);
            assert_eq!(std::str::from_utf8(&field.value).unwrap(), expect, "hidden once and again");
        }
    }

    #[test]
    fn nothing_of_the_secret_is_left() {
        check("AUTHORIZATION", "Bearer abc", "Bearer [hidden]");
        check("Proxy-Authorization", "basic YTpi", "basic [hidden]");
        check("authorization", "abc def", "[hidden]");
        check("authorization", "", "[hidden]");
        check("cookie", "a=1; b=2=3;c", "a=[hidden]; b=[hidden]; [hidden]");
        check("Set-Cookie", "s=1; Path=/; HttpOnly", "s=[hidden]; Path=/; HttpOnly");
        check("set-cookie", "secret", "[hidden]");
        check("x-cookie", "a=1", "a=1");
    }

    #[test]
    fn in_every_message() {
        let field = || Field { name: "cookie".into(), value: b"a=secret"[..].into() };
        let request = Request { headers: vec![field()], trailers: vec![field()], ..Request::default() };
        let response = Response { headers: vec![field()], trailers: vec![field()], ..Response::default() };
        let mut exchange = Exchange {
            request: Some(request.clone()),
            filtered_request: Some(request),
            response: Some(response.clone()),
            original_response: Some(response),
            ..Exchange::default()
        };
        hide(&mut exchange);
        assert!(!format!("{exchange:?}").contains("secret"));
    }
}
