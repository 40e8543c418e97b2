//! A request head in the words of the protocol it goes out with. Enters: a request in absolute form, of any version;
//! leaves: origin form with `Host` for HTTP/1.1, or `:authority` alone for HTTP/2. Pure.

use http::header::{COOKIE, HOST};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Request, Uri, Version};

/// RFC 9112 section 3.2: whatever `Host` was, it is made of the target, which the URI names (section 3.2.2).
pub(super) fn to_http1<B>(request: &mut Request<B>) {
    let uri = std::mem::take(request.uri_mut()).into_parts();
    if let Some(authority) = &uri.authority {
        set_host(request.headers_mut(), authority.as_str());
    }
    if request.version() == Version::HTTP_2 {
        join_cookies(request.headers_mut());
    }
    // Section 3.2.4: OPTIONS without a path, or with this one, asks about the server as a whole.
    let whole_server =
        request.method() == Method::OPTIONS && uri.path_and_query.as_ref().is_none_or(|path| path.as_str() == "*");
    let path = match uri.path_and_query {
        _ if whole_server => PathAndQuery::from_static("*"),
        Some(path) => path,
        None => PathAndQuery::from_static("/"),
    };
    *request.uri_mut() = Uri::from(path);
    *request.version_mut() = Version::HTTP_11;
}

/// RFC 9113 section 8.3.1: `:authority` stands in place of `Host`.
pub(super) fn to_http2<B>(request: &mut Request<B>) {
    request.headers_mut().remove(HOST);
    *request.version_mut() = Version::HTTP_2;
}

/// `Host` as the URI says it, whatever it was.
pub(crate) fn set_host(headers: &mut HeaderMap, authority: &str) {
    if headers.get(HOST).is_some_and(|host| host.as_bytes() == authority.as_bytes()) {
        return;
    }
    if let Ok(value) = HeaderValue::from_str(authority) {
        headers.insert(HOST, value);
    }
}

/// HTTP/2 may cut a cookie string at its pairs; HTTP/1.1 has one field (RFC 9113 section 8.2.3).
pub(crate) fn join_cookies(headers: &mut HeaderMap) {
    if headers.get_all(COOKIE).iter().nth(1).is_none() {
        return;
    }
    let parts: Vec<&[u8]> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    let holds_secret = headers.get_all(COOKIE).iter().any(HeaderValue::is_sensitive);
    if let Ok(mut joined) = HeaderValue::from_bytes(&parts.join(&b"; "[..])) {
        joined.set_sensitive(holds_secret);
        headers.insert(COOKIE, joined);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(method: &str, uri: &str, expect_path: &str, expect_host: &str) {
        let mut request = Request::builder().method(method).uri(uri).header(HOST, "other.example").body(()).unwrap();
        to_http1(&mut request);
        assert_eq!(request.uri().to_string(), expect_path, "{method} {uri}");
        assert_eq!(request.headers()[HOST], expect_host, "{method} {uri}");
    }

    #[test]
    fn http1_gets_origin_form_and_the_targets_host() {
        check("GET", "http://a.example/x?y=1", "/x?y=1", "a.example");
        check("GET", "http://a.example", "/", "a.example");
        check("GET", "http://a.example?q", "/?q", "a.example");
        check("GET", "https://a.example:8443/%2e%2e//", "/%2e%2e//", "a.example:8443");
        check("OPTIONS", "http://a.example/x", "/x", "a.example");
    }

    #[test]
    fn what_http2_left_out_or_cut_is_put_together() {
        let mut request = Request::builder()
            .uri("https://a.example/")
            .version(Version::HTTP_2)
            .header("accept", "*/*")
            .header(COOKIE, "a=1")
            .header(COOKIE, "b=2")
            .body(())
            .unwrap();
        to_http1(&mut request);
        let names: Vec<_> = request.headers().keys().map(|name| name.as_str()).collect();
        assert_eq!(names, ["accept", "cookie", "host"]);
        assert_eq!(request.headers()[COOKIE], "a=1; b=2");
        assert_eq!(request.version(), Version::HTTP_11);
    }

    #[test]
    fn http2_has_no_host_field() {
        let mut request = Request::builder().uri("https://a.example/").header(HOST, "a.example").body(()).unwrap();
        to_http2(&mut request);
        assert!(request.headers().is_empty());
        assert_eq!(request.uri().to_string(), "https://a.example/");
    }
}
