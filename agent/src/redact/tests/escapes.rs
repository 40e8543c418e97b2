//! Values that are written in other characters than those that a pattern names.

use proptest::prelude::*;

use super::*;

#[test]
fn patterns_find_what_is_meant_however_it_is_written() {
    let mail = patterns(&[r"[a-z.]+@[a-z]+\.example", "sk-[a-z]{4}", "4111 1111"]);
    let path = |path: &str| String::from_utf8(mail.path(path).into_owned()).unwrap();
    assert_eq!(
        path("/users/joe%40a.example/x?y=sk%2dabcd&n=4111+1111"),
        "/users/[redacted]/x?y=[redacted]&n=[redacted]"
    );
    let location = HeaderValue::from_static("https://b.example/?to=joe%40a.example&and=joe%2540a.example");
    let location = mail.field(&header::LOCATION, &location);
    assert_eq!(String::from_utf8_lossy(&location), "https://b.example/?to=[redacted]&and=joe%2540a.example");

    assert_eq!(
        body(&mail, r#"{"a":"\u0073k-abcd","b":"joe\u0040a.example"}"#),
        r#"{"a":"[redacted]","b":"[redacted]"}"#
    );
    assert_eq!(body(&mail, "a=1&to=joe%40a.example&b=sk-abcd"), "a=1&to=[redacted]&b=[redacted]");
    // only a form has blanks that are written so
    assert_eq!(body(&mail, "n=4111+1111"), "n=4111+1111");
    let form = Kind::of(&HeaderMap::from_iter([(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/x-www-form-urlencoded"),
    )]));
    assert_eq!(mail.body(&form, b"n=4111+1111", false), Redacted::Other(b"n=[redacted]".to_vec(), false));
    assert_eq!(&*mail.words("no such user: joe%40a.example"), b"no such user: [redacted]");
    let event = mail.event(br#"data: {"to":"joe\u0040a.example"}"#, false);
    assert_eq!(event, Redacted::Other(br#"data: {"to":"[redacted]"}"#.to_vec(), false));
}

#[test]
fn a_document_within_a_text_of_another_is_found_too() {
    let token = patterns(&[r#""token":"(?P<secret>[^"]*)""#]);
    assert_eq!(
        body(&token, r#"{"x":"{\"token\":\"s\"}","token":"s"}"#),
        r#"{"x":"{\"token\":\"[redacted]\"}","token":"[redacted]"}"#
    );
    assert_eq!(body(&token, "payload=%7B%22token%22%3A%22a%2Fb%22%7D"), "payload=%7B%22token%22%3A%22[redacted]%22%7D");
}

#[test]
fn what_pauses_has_it_back_as_it_was_written() {
    let mail = patterns(&[r"[a-z]+@a\.example"]);
    let text = br#"{"a":"joe\u0040a.example","b":"joe@a.example"}"#;
    let mut kept = Kept::default();
    let Redacted::Other(shown, false) = mail.body_kept(&mut kept, &Kind::default(), text, false) else { panic!() };
    assert_eq!(String::from_utf8_lossy(&shown), r#"{"a":"[redacted-2]","b":"[redacted-1]"}"#);
    assert_eq!(kept.restore(&shown).text, text);
}

#[test]
fn a_parameter_is_found_in_urls_wherever_they_stand() {
    let token = rules(RedactConfig { query: vec!["token".to_owned()], ..RedactConfig::default() });
    let path = |path: &str| String::from_utf8(token.path(path).into_owned()).unwrap();
    let hidden = "%5Bredacted%5D";
    assert_eq!(path("/in?next=/reset?token=a?b&x=1"), format!("/in?next=/reset?token={hidden}&x=1"));
    assert_eq!(
        path("/in?next=%2Freset%3Fa%3D1%26token%3Da%2Fb%26c%3D2&x=1"),
        format!("/in?next=%2Freset%3Fa%3D1%26token%3D{hidden}%26c%3D2&x=1")
    );
    for other in ["/in?next=%2Ftoken%3Da", "/in?token=&x=token", "/in?a?b?c=?", "/token=a", "/in?next=%3Ftoken%3D"] {
        assert_eq!(path(other), other);
    }
    let field = |name: &'static str, value: &'static str| {
        let value = HeaderValue::from_static(value);
        String::from_utf8(token.field(&HeaderName::from_static(name), &value).into_owned()).unwrap()
    };
    assert_eq!(
        field("link", r#"<https://a/?page=2&token=a>; rel="next", <https://a/?token=b#c>; rel="last""#),
        format!(r#"<https://a/?page=2&token={hidden}>; rel="next", <https://a/?token={hidden}#c>; rel="last""#)
    );
    assert_eq!(field("refresh", "5; url=/x?token=a"), format!("5; url=/x?token={hidden}"));
    assert_eq!(field("x-question", "is this? token=a"), "is this? token=a");

    let mut kept = Kept::default();
    let text = "/in?next=%2Freset%3Ftoken%3Da%2Fb";
    let shown = token.path_kept(&mut kept, text.as_bytes()).into_owned();
    assert_eq!(String::from_utf8_lossy(&shown), "/in?next=%2Freset%3Ftoken%3D%5Bredacted-1%5D");
    assert_eq!(kept.restore(&shown).text, text.as_bytes());
}

#[test]
fn text_in_which_nothing_would_be_found_is_not_recorded() {
    let of = |rules: &Rules, kind: &'static str, body: &[u8]| {
        let head = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(kind))]);
        rules.body(&Kind::of(&head), body, false)
    };
    let key = patterns(&["sk-[a-z]{4}"]);
    for (mark, units) in [(&b"\xff\xfe"[..], u16::to_le_bytes as fn(u16) -> [u8; 2]), (b"\xfe\xff", u16::to_be_bytes)] {
        let text: Vec<u8> = "the key is sk-abcd".encode_utf16().flat_map(units).collect();
        assert_eq!(of(&key, "text/plain", &[mark, &text].concat()), Redacted::Withheld);
        assert_eq!(of(&key, "text/csv; charset=UTF-16LE", &text), Redacted::Withheld);
    }
    let trailers = rules(RedactConfig { headers: vec![header::COOKIE], ..RedactConfig::default() });
    // trailers with a cookie
    let web = b"gAAAABFjb29raWU6IHNrLWFiY2QNCg==";
    for rules in [&key, &trailers] {
        assert_eq!(of(rules, "application/grpc-web-text+proto", web), Redacted::Withheld);
    }
    assert_eq!(of(&trailers, "text/plain; charset=utf-16", b"\xff\xfes\0"), Redacted::Same);
}

/// As many writers do, each character in one of its ways.
fn written(secret: &str, ways: &[u8], json: bool) -> String {
    let one = |(char, way): (char, &u8)| match (way % 3, json) {
        (0, _) => char.to_string(),
        (1, true) => format!("\\u{:04x}", u32::from(char)),
        (_, true) => format!("\\u{:04X}", u32::from(char)),
        (1, false) => format!("%{:02x}", u32::from(char)),
        (_, false) => format!("%{:02X}", u32::from(char)),
    };
    secret.chars().zip(ways).map(one).collect()
}

proptest! {
    #[test]
    fn nothing_of_it_is_left(
        secret in "sk-[a-z]{4}/", ways in prop::collection::vec(any::<u8>(), 8), around in "[ -~]{0,9}", json: bool,
    ) {
        let rules = patterns(&["sk-[a-z]{4}/"]);
        let text = [&around[..], &written(&secret, &ways, json), &around].concat();
        // of what stands before it, it may be another escape
        prop_assume!(!around.ends_with(['\\', '%']) && !around[around.len().saturating_sub(2)..].contains('%'));
        let recorded = body(&rules, &text);
        prop_assert!(recorded.contains("[redacted]") && !recorded.contains(&written(&secret, &ways, json)), "{}", recorded);
    }
}
