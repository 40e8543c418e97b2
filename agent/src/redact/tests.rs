use proptest::prelude::*;

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
    match rules.body(Kind::default(), body.as_bytes(), false) {
        Redacted::Same => body.to_owned(),
        Redacted::Other(body) => String::from_utf8(body).unwrap(),
        Redacted::Withheld => "withheld".to_owned(),
    }
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
    let of = |content, coding| form.body(kind(content, coding), text, false);
    let done = Redacted::Other(b"user=a&password=%5Bredacted%5D".to_vec());
    assert_eq!(of("application/x-www-form-urlencoded; charset=utf-8", None), done);
    assert_eq!(of("application/x-www-form-urlencoded", Some("identity")), done);
    assert_eq!(of("text/plain", None), Redacted::Same);
    assert_eq!(of("text/plain", Some("gzip")), Redacted::Withheld);
    assert_eq!(of("multipart/form-data; boundary=x", None), Redacted::Withheld);
}

#[test]
fn what_is_json_within_something_else() {
    let rules = json(&["/**/token"]);
    let of = |lines: &str| match rules.event(lines.as_bytes(), false) {
        Redacted::Same => lines.to_owned(),
        Redacted::Other(lines) => String::from_utf8(lines).unwrap(),
        Redacted::Withheld => "withheld".to_owned(),
    };
    assert_eq!(of("event: x\ndata: {\"token\":\"t\"}\nid: 1"), "event: x\ndata:{\"token\":\"[redacted]\"}\nid: 1");
    assert_eq!(of("data: hello"), "data: hello");
    assert_eq!(of("data: {\"token\":\ndata: \"t\"}"), "withheld");
    let kind = |content: &'static str| {
        Kind::of(&HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(content))]))
    };
    // with a guard before it, as some servers send
    assert_eq!(rules.body(kind("application/json"), b")]}',\n{\"token\":1}", false), Redacted::Withheld);
    assert_eq!(rules.body(kind("text/event-stream"), b"data: {\"token\":1}", false), Redacted::Withheld);
    assert_eq!(rules.body(kind("application/json"), b"12", false), Redacted::Same);
}

#[test]
fn patterns_and_where_a_body_was_cut() {
    let rules = patterns(&["sk_[a-z0-9]{8}", "card=(?P<secret>[0-9]{4})[0-9]+"]);
    assert_eq!(body(&rules, "a sk_abcdefgh b card=12345"), "a [redacted] b card=[redacted]5");
    assert_eq!(rules.words("sk_abcdefgh").as_ref(), b"[redacted]");
    let long = format!("{}sk_abc", "x".repeat(3000));
    let Redacted::Other(kept) = rules.body(Kind::default(), long.as_bytes(), true) else { panic!("it was cut") };
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

/// JSON with a secret at the named place, at any depth, however it is written.
fn document() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::json!(null)),
        any::<i32>().prop_map(|n| n.into()),
        "[ -~]{0,8}".prop_map(|s| s.into())
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let name = prop_oneof![Just("key".to_owned()), "[a-z\"\\\\é]{0,4}"];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(serde_json::Value::from),
            prop::collection::vec((name, inner), 0..4)
                .prop_map(|pairs| pairs.into_iter().collect::<serde_json::Map<_, _>>().into()),
        ]
    })
}

fn hide(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Object(map) => {
            for (name, value) in map {
                if name == "key" { *value = "[redacted]".into() } else { hide(value) }
            }
        }
        serde_json::Value::Array(list) => list.iter_mut().for_each(hide),
        _ => {}
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes: Vec<u8>, text in "[\\[\\]{}\",:a-z0-9 \\\\]{0,40}", is_cut: bool) {
        let all = Rules::new(&RedactConfig {
            json: vec!["/**/a".parse().unwrap()],
            form: vec!["a".to_owned()],
            query: vec!["a".to_owned()],
            patterns: vec!["[0-9]+".parse().unwrap()],
            ..RedactConfig::default()
        }).unwrap();
        let kind = Kind { form: true, ..Kind::default() };
        for body in [&bytes[..], text.as_bytes()] {
            all.body(kind, body, is_cut);
            all.body(Kind::default(), body, is_cut);
        }
        all.path(&text);
    }

    /// What is recorded is the document with markers, and nothing else is changed.
    #[test]
    fn what_is_named_is_hidden_and_the_rest_is_as_it_was(document in document(), pretty: bool) {
        let text = if pretty { serde_json::to_string_pretty(&document) } else { serde_json::to_string(&document) }.unwrap();
        let recorded = body(&json(&["/**/key"]), &text);
        let mut expected = document;
        hide(&mut expected);
        prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&recorded).unwrap(), expected);
    }

    /// Wherever the capture ended, of the secret there is nothing.
    #[test]
    fn a_cut_leaves_nothing_of_a_secret(before in "[a-z]{0,8}", cut in 0..60_usize) {
        let text = format!(r#"{{"{before}":["{before}"],"key":"TOPSECRET-TOPSECRET","z":1}}"#);
        let cut = &text[..cut.min(text.len())];
        let recorded = body(&json(&["/key"]), cut);
        prop_assert!(!recorded.contains('T'), "{}", recorded);
    }
}
