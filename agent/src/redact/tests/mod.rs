//! Rules in use, on whatever a message holds.

mod coded;
mod escapes;
mod grpc;
mod properties;

use bytes::Bytes;
use http::HeaderMap;
use weir_host::Codings;

use super::body::MOST_DECODED;
use super::*;

fn rules(config: RedactConfig) -> Rules {
    Rules::new(&config).unwrap()
}

fn json(places: &[&str]) -> Rules {
    let json = places.iter().map(|place| place.parse().unwrap()).collect();
    rules(RedactConfig { json, ..RedactConfig::default() })
}

fn patterns(patterns: &[&str]) -> Rules {
    let patterns = patterns.iter().map(|pattern| pattern.parse().unwrap()).collect();
    rules(RedactConfig { patterns, ..RedactConfig::default() })
}

/// What is recorded of a body of no particular kind.
fn body(rules: &Rules, body: &str) -> String {
    match rules.body(&Kind::default(), body.as_bytes(), false) {
        Redacted::Same => body.to_owned(),
        Redacted::Other(body, _) => String::from_utf8(body).unwrap(),
        Redacted::Withheld => "withheld".to_owned(),
    }
}

/// JSON, with this coding.
fn coded(coding: &'static str) -> Kind {
    let content = (header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Kind::of(&HeaderMap::from_iter([content, (header::CONTENT_ENCODING, HeaderValue::from_static(coding))]))
}

fn codings(coding: &'static str) -> Codings {
    Codings::of(&HeaderMap::from_iter([(header::CONTENT_ENCODING, HeaderValue::from_static(coding))])).unwrap().unwrap()
}

fn coding(value: &'static str) -> Kind {
    Kind::of(&HeaderMap::from_iter([(header::CONTENT_ENCODING, HeaderValue::from_static(value))]))
}

fn call(coding: &'static str, kind: &'static str) -> Kind {
    let fields = [("content-type", kind), ("grpc-encoding", coding)];
    Kind::of(
        &fields
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .into_iter()
            .collect(),
    )
}

fn frame(flag: u8, message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[flag][..], &length, message].concat()
}

#[test]
fn fields_and_urls() {
    let rules = rules(RedactConfig {
        headers: vec![header::AUTHORIZATION, HeaderName::from_static("x-api-key")],
        query: vec!["token".to_owned(), "api key".to_owned()],
        ..RedactConfig::default()
    });
    let field = |name: &'static str, value: &'static str| {
        let value = HeaderValue::from_static(value);
        String::from_utf8(rules.field(&HeaderName::from_static(name), &value).into_owned()).unwrap()
    };
    assert_eq!(field("x-api-key", "k"), "[redacted]");
    assert_eq!(field("accept", "k"), "k");
    assert_eq!(field("referer", "https://a/?token=s#token=x"), "https://a/?token=%5Bredacted%5D#token=x");
    let path = |path: &str| String::from_utf8(rules.path(path).into_owned()).unwrap();
    assert_eq!(
        path("/a?x=1&Token=s&%74oken=s&api+key=s&token="),
        "/a?x=1&Token=%5Bredacted%5D&%74oken=%5Bredacted%5D&api+key=%5Bredacted%5D&token="
    );
    assert_eq!(path("/token=s?tok=s"), "/token=s?tok=s");
}

#[test]
fn places_in_json() {
    let one = json(&["/password", "/users/*/token", "/**/secret", "/a~1b"]);
    for (from, to) in [
        (r#"{"password": "p", "x": 1}"#, r#"{"password": "[redacted]", "x": 1}"#),
        (r#"{"pass\u0077ord":{"deep":["p"]}}"#, r#"{"pass\u0077ord":"[redacted]"}"#),
        (
            r#"{"users":[{"token":1},{"token":null,"n":2}]}"#,
            r#"{"users":[{"token":"[redacted]"},{"token":"[redacted]","n":2}]}"#,
        ),
        (r#"[{"x":{"secret":true}},{"secret":[1]}]"#, r#"[{"x":{"secret":"[redacted]"}},{"secret":"[redacted]"}]"#),
        (r#"{"a/b":"s"}"#, r#"{"a/b":"[redacted]"}"#),
        // lines of JSON
        (
            "{\"password\":\"p\"}\n{\"password\":\"q\"}\n",
            "{\"password\":\"[redacted]\"}\n{\"password\":\"[redacted]\"}\n",
        ),
        // said twice: both
        (r#"{"password":"p","password":"q"}"#, r#"{"password":"[redacted]","password":"[redacted]"}"#),
        // cut off
        (r#"{"x":"y","password":"hunt"#, r#"{"x":"y","password":"[redacted]""#),
        (r#"{"password":{"a":"#, r#"{"password":"[redacted]""#),
        (r#"{"passw"#, r#"{"passw"#),
        ("password=p", "password=p"),
        (r#"{"password" "p"}"#, "withheld"),
        (r#"{password:"p"}"#, "withheld"),
    ] {
        assert_eq!(body(&one, from), to, "{from}");
    }
    assert_eq!(body(&one, &"[".repeat(100_000)), "withheld");
}

#[test]
fn forms() {
    let form = rules(RedactConfig { form: vec!["password".to_owned()], ..RedactConfig::default() });
    let kind = |content: &'static str, coding: Option<&'static str>| {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content));
        coding.map(|coding| headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding)));
        Kind::of(&headers)
    };
    let text = b"user=a&password=hunter2";
    let of = |content, coding| form.body(&kind(content, coding), text, false);
    let done = Redacted::Other(b"user=a&password=%5Bredacted%5D".to_vec(), false);
    assert_eq!(of("application/x-www-form-urlencoded; charset=utf-8", None), done);
    assert_eq!(of("application/x-www-form-urlencoded", Some("identity")), done);
    assert_eq!(of("text/plain", None), Redacted::Same);
    assert_eq!(of("text/plain", Some("gzip")), Redacted::Withheld);
    assert_eq!(of("multipart/form-data; boundary=x", None), Redacted::Withheld);
}

const CODINGS: [&str; 5] = ["gzip", "deflate", "br", "zstd", "gzip, br"];

#[test]
fn parts_that_are_json_are_looked_into() {
    let rules = json(&["/password"]);
    let kind = Kind::of(&HeaderMap::from_iter([(
        header::CONTENT_TYPE,
        HeaderValue::from_static("multipart/form-data; boundary=AbC"),
    )]));
    let body = |part: &str| {
        format!(
            "--AbC\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nanything\r\n\
             --AbC\r\nContent-Disposition: form-data; name=\"meta\"\r\n{part}\r\n--AbC--\r\n"
        )
    };
    let of = |part: &str| match rules.body(&kind, body(part).as_bytes(), false) {
        Redacted::Same => "as it was".to_owned(),
        Redacted::Other(recorded, _) => String::from_utf8(recorded).unwrap(),
        Redacted::Withheld => "withheld".to_owned(),
    };
    let told = "Content-Type: application/json\r\n\r\n";
    let hidden = r#"{"password":"[redacted]"}"#;
    assert_eq!(of(&format!(r#"{told}{{"password":"p"}}"#)), body(&format!("{told}{hidden}")));
    assert_eq!(of("\r\n{\"password\":[1]}"), body(&format!("\r\n{hidden}")));
    assert_eq!(of(&format!(r#"{told}{{"name":"p"}}"#)), "as it was");
    assert_eq!(of("Content-Type: text/plain\r\n\r\npassword=p"), "as it was");
    for unread in [
        format!("{told}<no json>"),
        format!(r#"{told}{{"password":"p"#),
        format!("Content-Transfer-Encoding: base64\r\n{told}e30="),
        "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x--".to_owned(),
    ] {
        assert_eq!(of(&unread), "withheld", "{unread}");
    }
    let text = body(&format!(r#"{told}{{"password":"TOPSECRET"}}"#));
    for cut in 0..text.len() {
        if let Redacted::Other(recorded, true) = rules.body(&kind, &text.as_bytes()[..cut], true) {
            assert!(!recorded.windows(3).any(|window| window == b"TOP"), "{}", String::from_utf8_lossy(&recorded));
        } else {
            assert!(!text[..cut].contains("\"T") || cut > text.len() - 9, "{cut}");
        }
    }
    let unclear =
        Kind::of(&HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static("multipart/mixed"))]));
    assert_eq!(rules.body(&unclear, text.as_bytes(), false), Redacted::Withheld);
}

#[test]
fn who_says_that_json_is_a_form_is_not_believed() {
    let rules = rules(RedactConfig {
        json: vec!["/password".parse().unwrap()],
        form: vec!["pass".to_owned()],
        ..RedactConfig::default()
    });
    let of = |contents: &[&[u8]], body: &str| {
        let contents = contents.iter().map(|content| (header::CONTENT_TYPE, HeaderValue::from_bytes(content).unwrap()));
        match rules.body(&Kind::of(&contents.collect()), body.as_bytes(), false) {
            Redacted::Other(body, _) => String::from_utf8(body).unwrap(),
            other => format!("{other:?}"),
        }
    };
    let form: &[u8] = b"application/x-www-form-urlencoded";
    assert_eq!(of(&[form], r#"{"password":"p"}"#), r#"{"password":"[redacted]"}"#);
    assert_eq!(of(&[form], "\u{feff}{\"password\":1}"), "\u{feff}{\"password\":\"[redacted]\"}");
    assert_eq!(of(&[b"text/plain", form], "pass=p"), "pass=%5Bredacted%5D");
    assert_eq!(of(&[b"application/x-www-form-urlencoded; x=\xe9"], "pass=p"), "pass=%5Bredacted%5D");
}

#[test]
fn what_is_json_within_something_else() {
    let rules = json(&["/**/token"]);
    let of = |lines: &str| match rules.event(lines.as_bytes(), false) {
        Redacted::Same => lines.to_owned(),
        Redacted::Other(lines, _) => String::from_utf8(lines).unwrap(),
        Redacted::Withheld => "withheld".to_owned(),
    };
    assert_eq!(of("event: x\ndata: {\"token\":\"t\"}\nid: 1"), "event: x\ndata:{\"token\":\"[redacted]\"}\nid: 1");
    assert_eq!(of("data: hello"), "data: hello");
    assert_eq!(of("data: {\"token\":\ndata: \"t\"}"), "withheld");
    assert_eq!(of("\u{feff}data: {\"token\":\"t\"}"), "\u{feff}data:{\"token\":\"[redacted]\"}");
    let both =
        Rules::new(&RedactConfig { patterns: vec!["sk_[a-z]{8}".parse().unwrap()], ..rules.config.clone() }).unwrap();
    let Redacted::Other(cut, true) = both.event(b"data: {\"token\":\"t\"}\nid: sk_abc", true) else {
        panic!("it was cut")
    };
    assert!(!cut.windows(3).any(|window| window == b"sk_"), "{}", String::from_utf8_lossy(&cut));
    let kind = |content: &'static str| {
        Kind::of(&HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(content))]))
    };
    // a kind of packet, as Socket.IO has it
    assert_eq!(body(&rules, r#"42["login",{"token":"t"}]"#), r#"42["login",{"token":"[redacted]"}]"#);
    assert_eq!(body(&rules, "42 is no packet"), "42 is no packet");
    // with a guard before it, as some servers send
    assert_eq!(rules.body(&kind("application/json"), b")]}',\n{\"token\":1}", false), Redacted::Withheld);
    assert_eq!(rules.body(&kind("text/event-stream"), b"data: {\"token\":1}", false), Redacted::Withheld);
    assert_eq!(rules.body(&kind("application/json"), b"12", false), Redacted::Same);
}

#[test]
fn patterns_and_where_a_body_was_cut() {
    let rules = patterns(&["sk_[a-z0-9]{8}", "card=(?P<secret>[0-9]{4})[0-9]+"]);
    assert_eq!(body(&rules, "a sk_abcdefgh b card=12345"), "a [redacted] b card=[redacted]5");
    assert_eq!(rules.words("sk_abcdefgh").as_ref(), b"[redacted]");
    let long = format!("{}sk_abc", "x".repeat(3000));
    let Redacted::Other(kept, true) = rules.body(&Kind::default(), long.as_bytes(), true) else { panic!("it was cut") };
    assert_eq!(kept, "x".repeat(3006 - 1024).into_bytes());
    for bad in ["(", "a*", "", "x{1000000}", &"y".repeat(2000)] {
        assert!(bad.parse::<Pattern>().is_err(), "{bad}");
    }
    for bad in ["", "password", "/**", "/**/a/**/b"] {
        assert!(bad.parse::<Pointer>().is_err(), "{bad}");
    }
}

#[test]
fn without_rules_nothing_is_looked_at() {
    assert!(Rules::new(&RedactConfig::default()).is_none());
}
