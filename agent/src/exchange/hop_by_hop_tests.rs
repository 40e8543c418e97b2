//! What goes into `hop_by_hop` and what comes out, field by field.

use super::*;
use proptest::prelude::*;

const OWN: &str = "1.1 weir-7f3a";

fn fields(text: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').unwrap();
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        headers.append(name, value.trim().parse().unwrap());
    }
    headers
}

fn text(headers: &HeaderMap) -> String {
    headers.iter().map(|(name, value)| format!("{name}: {}\n", value.to_str().unwrap())).collect()
}

fn request(version: Version, headers: &str) -> request::Parts {
    let mut parts = http::Request::new(()).into_parts().0;
    (parts.version, parts.headers) = (version, fields(headers));
    parts
}

fn check(version: Version, sent: &str, expect: Result<(&str, Asked), Unfit>) {
    let mut parts = request(version, sent);
    let got = strip_request(&mut parts, &HeaderValue::from_static(OWN)).map(|asked| (text(&parts.headers), asked));
    assert_eq!(got, expect.map(|(headers, asked)| (headers.to_owned(), asked)), "{sent}");
}

const NOTHING: Asked = Asked { upgrade: false, expect_continue: false };

#[test]
fn fields_of_the_hop_stay_at_the_hop() {
    check(
        Version::HTTP_11,
        "host: a\nconnection: keep-alive, X-Only-Here\nkeep-alive: timeout=5\nproxy-connection: keep-alive\n\
         x-only-here: 1\nproxy-authorization: Basic x\nhttp2-settings: AAA\nx-goes-on: 2",
        Ok(("host: a\nx-goes-on: 2\n", NOTHING)),
    );
    check(Version::HTTP_11, "transfer-encoding: chunked\ntrailer: x-sum", Ok(("trailer: x-sum\n", NOTHING)));
}

#[test]
fn connection_cannot_take_away_what_says_what_the_message_is() {
    check(
        Version::HTTP_11,
        "host: a\ncontent-length: 3\nconnection: host, Content-Length, close",
        Ok(("host: a\ncontent-length: 3\n", NOTHING)),
    );
}

#[test]
fn te_keeps_trailers_alone() {
    check(Version::HTTP_11, "te: gzip;q=0.5, trailers\nconnection: TE", Ok(("te: trailers\n", NOTHING)));
    check(Version::HTTP_11, "te: gzip\nconnection: te", Ok(("", NOTHING)));
    check(Version::HTTP_2, "te: trailers", Ok(("te: trailers\n", NOTHING)));
}

#[test]
fn an_upgrade_goes_on_only_where_the_client_asked_this_hop() {
    let asked = Asked { upgrade: true, ..NOTHING };
    check(Version::HTTP_11, "connection: Upgrade\nupgrade: websocket", Ok(("upgrade: websocket\n", asked)));
    check(Version::HTTP_11, "upgrade: websocket", Ok(("", NOTHING)));
    check(Version::HTTP_10, "connection: upgrade\nupgrade: websocket", Ok(("", NOTHING)));
    let asked = Asked { upgrade: true, expect_continue: false };
    for offers in ["h2c, x", "x,H2C", "h2c/1.0,, x , h2c", "h2c\nupgrade: x"] {
        check(Version::HTTP_11, &format!("connection: upgrade\nupgrade: {offers}"), Ok(("upgrade: x\n", asked)));
    }
    check(Version::HTTP_11, "connection: upgrade\nupgrade: x, y/1", Ok(("upgrade: x, y/1\n", asked)));
    check(Version::HTTP_11, "connection: upgrade\nupgrade: h2c/2, h2c", Ok(("", NOTHING)));
    check(Version::HTTP_11, "connection: upgrade, http2-settings\nupgrade: h2c\nhttp2-settings: A", Ok(("", NOTHING)));
    let mut headers = fields("upgrade: websocket\nte: trailers");
    connection_options(&mut headers, Version::HTTP_11);
    assert_eq!(headers[CONNECTION], "upgrade, te");
}

#[test]
fn what_cannot_be_carried_is_refused() {
    check(Version::HTTP_11, "transfer-encoding: gzip, chunked", Err(Unfit::Framing(BadFraming::TransferCoding)));
    check(
        Version::HTTP_11,
        "transfer-encoding: chunked\ntransfer-encoding: chunked",
        Err(Unfit::Framing(BadFraming::TransferCoding)),
    );
    check(Version::HTTP_2, "content-length: 3\ncontent-length: 4", Err(Unfit::Framing(BadFraming::Length)));
    check(Version::HTTP_2, "content-length: 3, 3", Ok(("content-length: 3\n", NOTHING)));
    check(Version::HTTP_11, "expect: 200-ok", Err(Unfit::Expectation));
    check(Version::HTTP_11, "via: 1.0 fred, 1.1 weir-7f3a (x)", Err(Unfit::Loop));
    check(Version::HTTP_11, "via: 1.1 other\nvia: 2 weir-7f3a", Err(Unfit::Loop));
    check(Version::HTTP_11, "via: 1.1 weir-7f3", Ok(("via: 1.1 weir-7f3\n", NOTHING)));
}

#[test]
fn an_expectation_is_seen_and_goes_on() {
    let asked = Asked { expect_continue: true, ..NOTHING };
    check(Version::HTTP_11, "expect: 100-Continue", Ok(("expect: 100-Continue\n", asked)));
    check(Version::HTTP_10, "expect: 100-continue", Ok(("expect: 100-continue\n", NOTHING)));
}

#[test]
fn cookie_crumbs_become_one_field() {
    check(Version::HTTP_2, "cookie: a=1\ncookie: b=2", Ok(("cookie: a=1; b=2\n", NOTHING)));
    check(Version::HTTP_11, "cookie: a=1\ncookie: b=2", Ok(("cookie: a=1\ncookie: b=2\n", NOTHING)));
}

#[test]
fn via_says_what_the_message_came_with() {
    let mut headers = fields("via: 1.0 fred");
    let own = HeaderValue::from_static(OWN);
    add_via(&mut headers, &own, Version::HTTP_11);
    add_via(&mut headers, &own, Version::HTTP_2);
    assert_eq!(text(&headers), "via: 1.0 fred\nvia: 1.1 weir-7f3a\nvia: 2 weir-7f3a\n");
}

#[test]
fn trace_and_options_are_counted_down() {
    let check = |method: Method, value: &str, expect: Result<bool, Unfit>, left: &str| {
        let mut parts = request(Version::HTTP_11, &format!("max-forwards: {value}"));
        parts.method = method;
        assert_eq!(is_final_recipient(&mut parts), expect, "{value}");
        assert_eq!(parts.headers[MAX_FORWARDS], left);
    };
    check(Method::TRACE, "1", Ok(false), "0");
    check(Method::OPTIONS, "0", Ok(true), "0");
    check(Method::GET, "0", Ok(false), "0");
    check(Method::OPTIONS, "99999999999999999999999", Ok(false), "99999999999999999999999");
    check(Method::OPTIONS, "-1", Err(Unfit::MaxForwards), "-1");
}

fn check_response(status: u16, sent: &str, expect: Result<&str, BadFraming>) {
    let mut parts = http::Response::builder().status(status).body(()).unwrap().into_parts().0;
    parts.headers = fields(sent);
    let got = strip_response(&mut parts).map(|()| text(&parts.headers));
    assert_eq!(got, expect.map(str::to_owned), "{sent}");
}

#[test]
fn a_response_has_one_framing() {
    check_response(200, "content-length: 3\ntransfer-encoding: chunked", Ok(""));
    check_response(200, "content-length: 3\ncontent-length: 3", Ok("content-length: 3\n"));
    check_response(200, "content-length: 3, 3", Ok("content-length: 3\n"));
    check_response(200, "content-length: 3\ncontent-length: 4", Err(BadFraming::Length));
    check_response(200, "content-length: +3", Err(BadFraming::Length));
    check_response(204, "content-length: 0", Ok(""));
    check_response(200, "connection: close, x-a\nx-a: 1\nx-b: 2\nproxy-authenticate: Basic", Ok("x-b: 2\n"));
    check_response(101, "connection: upgrade\nupgrade: websocket", Ok("upgrade: websocket\n"));
    check_response(200, "upgrade: h2c", Ok(""));
    check_response(200, "transfer-encoding: gzip, chunked", Err(BadFraming::TransferCoding));
}

proptest! {
    #[test]
    fn nothing_of_the_hop_travels_on(
        lines in prop::collection::vec(
            (prop::sample::select(&["connection", "te", "upgrade", "keep-alive", "x-a", "x-b", "transfer-encoding",
                                    "via", "cookie", "proxy-authorization"][..]), "[!-~ ]{0,20}"), 0..12),
    ) {
        let mut parts = request(Version::HTTP_11, "");
        for (name, value) in &lines {
            parts.headers.append(*name, value.parse().unwrap());
        }
        let named: Vec<_> = tokens(&parts.headers, &CONNECTION).filter_map(named_by_connection).collect();
        if let Ok(asked) = strip_request(&mut parts, &HeaderValue::from_static(OWN)) {
            let headers = &parts.headers;
            for name in ["connection", "keep-alive", "transfer-encoding", "proxy-authorization"] {
                prop_assert!(!headers.contains_key(name));
            }
            prop_assert!(named.iter().all(|name| !headers.contains_key(name)));
            prop_assert_eq!(asked.upgrade, headers.contains_key(UPGRADE));
            prop_assert!(headers.get(TE).is_none_or(|te| te == "trailers"));
        }
    }
}
