use proptest::prelude::*;
use weir_proto::v1::{Connection, Response};

use super::*;

fn exchange() -> Exchange {
    let field = |name: &str, value: &str| Field { name: name.into(), value: value.to_owned().into_bytes().into() };
    let request = Request {
        method: "POST".into(),
        scheme: "https".into(),
        authority: "a.example".into(),
        path: "/one?x=1".into(),
        version: "HTTP/2".into(),
        headers: vec![field("host", "a.example"), field("cookie", "a=1"), field("x-a", "1"), field("x-a", "2")],
        body: Some(Body { size: 3, data: "abc".into(), ..Body::default() }),
        trailers: Vec::new(),
    };
    let connection = Connection {
        entry: "connect".into(),
        tunnel_target: "192.0.2.1:8443".into(),
        server_name: "a.example".into(),
        intercepted: true,
        ..Connection::default()
    };
    let response = Some(Response { status: 200, ..Response::default() });
    Exchange {
        id: vec![7; 16].into(),
        request: Some(request),
        connection: Some(connection),
        response,
        ..Exchange::default()
    }
}

fn edits(json: serde_json::Value) -> RequestEdits {
    serde_json::from_value(json).unwrap()
}

/// As `METHOD URL NAME=VALUE … | BODY > TARGET (SNI)`, and the changes.
fn check(json: serde_json::Value, expect: &str, changes: &[&str]) {
    let wanted = again(exchange(), &edits(json.clone())).unwrap();
    let Replay { request: Some(request), entry, target, server_name, replay_of, .. } = wanted.replay else { panic!() };
    let fields: Vec<_> =
        request.headers.iter().map(|f| format!("{}={}", f.name, String::from_utf8_lossy(&f.value))).collect();
    let body = request.body.unwrap();
    let shown = format!(
        "{} {}://{}{} {} | {} > {entry} {target} ({server_name})",
        request.method,
        request.scheme,
        request.authority,
        request.path,
        fields.join(" "),
        String::from_utf8_lossy(&body.data),
    );
    assert_eq!(shown, expect, "{json}");
    assert_eq!(wanted.changes, changes, "{json}");
    assert_eq!((&replay_of[..], body.size), (&[7; 16][..], body.data.len() as u64));
}

#[test]
fn what_is_not_edited_stays() {
    check(
        serde_json::json!({}),
        "POST https://a.example/one?x=1 host=a.example cookie=a=1 x-a=1 x-a=2 | abc > connect 192.0.2.1:8443 (a.example)",
        &[],
    );
}

#[test]
fn edits_are_done_and_told() {
    check(
        serde_json::json!({"method": "PUT", "set_headers": [["X-A", "3"], ["X-B", "ä"]], "remove_headers": ["Cookie"], "body": "new"}),
        "PUT https://a.example/one?x=1 host=a.example x-a=3 x-b=\u{fffd} | new > connect 192.0.2.1:8443 (a.example)",
        &["method PUT", "removed cookie", "set x-a", "set x-b", "body of 3 bytes"],
    );
    // A path stays where it was; so does the same site written out.
    for url in ["/two", "https://a.example/two"] {
        check(
            serde_json::json!({"url": url}),
            "POST https://a.example/two host=a.example cookie=a=1 x-a=1 x-a=2 | abc > connect 192.0.2.1:8443 (a.example)",
            &["url https://a.example/two"],
        );
    }
    check(
        serde_json::json!({"url": "http://b.example:81?q#f", "body_base64": "AAE="}),
        "POST http://b.example:81/?q host=a.example cookie=a=1 x-a=1 x-a=2 | \0\u{1} > forward  ()",
        &["url http://b.example:81/?q", "body of 2 bytes"],
    );
    // What `Host` says moves nothing.
    check(
        serde_json::json!({"set_headers": [["Host", "c.example"]]}),
        "POST https://c.example/one?x=1 host=a.example cookie=a=1 x-a=1 x-a=2 | abc > connect 192.0.2.1:8443 (a.example)",
        &["set host"],
    );
    check(
        serde_json::json!({"url": "https://b.example/", "set_headers": [["Host", "c.example"]]}),
        "POST https://c.example/ host=a.example cookie=a=1 x-a=1 x-a=2 | abc > forward b.example:443 ()",
        &["url https://b.example/", "set host"],
    );
}

#[test]
fn trailers_are_edited() {
    let trailed = || {
        let field = |name: &str, value: &str| Field { name: name.into(), value: value.to_owned().into_bytes().into() };
        let mut exchange = exchange();
        let request = exchange.request.as_mut().unwrap();
        request.headers.push(field("trailer", "x-sum, X-Late"));
        request.trailers = vec![field("x-sum", "1"), field("X-Late", "2")];
        exchange
    };
    let check = |json: serde_json::Value, expect: &str, announced: bool, changes: &[&str]| {
        let wanted = again(trailed(), &edits(json.clone())).unwrap();
        let request = wanted.replay.request.unwrap();
        let shown: Vec<_> =
            request.trailers.iter().map(|f| format!("{}={}", f.name, String::from_utf8_lossy(&f.value))).collect();
        assert_eq!(shown.join(" "), expect, "{json}");
        assert_eq!(request.headers.iter().any(|field| field.name == "trailer"), announced, "{json}");
        assert_eq!(wanted.changes, changes, "{json}");
    };
    check(serde_json::json!({}), "x-sum=1 X-Late=2", true, &[]);
    check(serde_json::json!({"body": ""}), "", false, &["body of 0 bytes"]);
    let set = serde_json::json!({"set_trailers": [["X-Sum", "3"], ["x-new", "4"]], "remove_trailers": ["x-late"]});
    check(set, "x-sum=3 x-new=4", false, &["removed trailer x-late", "set trailer x-sum", "set trailer x-new"]);
    let both = serde_json::json!({"body": "b", "set_trailers": [["x-sum", "3"]]});
    check(both, "x-sum=3", false, &["body of 1 bytes", "set trailer x-sum"]);
    let announced = serde_json::json!({"remove_trailers": ["x-late"], "set_headers": [["Trailer", "x-sum"]]});
    check(announced, "x-sum=1", true, &["set trailer", "removed trailer x-late"]);
    for (name, value, fault) in [
        ("Content-Length", "1", Unfit::Trailer("content-length".into())),
        ("a b", "1", Unfit::Name("a b".into())),
        ("x-a", "b\r\nc: d", Unfit::Value("x-a".into())),
        ("x-a", "[redacted]", Unfit::HiddenTrailer("x-a".into())),
    ] {
        let set = serde_json::json!({"set_trailers": [[name, value]]});
        assert_eq!(again(exchange(), &edits(set)).unwrap_err(), fault);
        let new: NewRequest =
            serde_json::from_value(serde_json::json!({"url": "http://a/", "trailers": [[name, value]]})).unwrap();
        assert_eq!(made(&new).unwrap_err(), fault);
    }
    let mut hidden = trailed();
    hidden.request.as_mut().unwrap().trailers[0].value = "[redacted]".into();
    assert_eq!(again(hidden.clone(), &edits(serde_json::json!({}))).unwrap_err(), Unfit::HiddenTrailer("x-sum".into()));
    for edit in
        [serde_json::json!({"set_trailers": [["x-sum", "5"]]}), serde_json::json!({"remove_trailers": ["x-sum"]})]
    {
        again(hidden.clone(), &edits(edit)).unwrap();
    }
    let mut old = trailed();
    old.request.as_mut().unwrap().version = "HTTP/1.0".into();
    let wanted = again(old, &edits(serde_json::json!({}))).unwrap();
    assert_eq!(wanted.replay.request.unwrap().version, "HTTP/1.1");
}

#[test]
fn what_cannot_be_sent_is_refused_with_what_to_do() {
    let refused = |change: &dyn Fn(&mut Exchange), json: serde_json::Value| {
        let mut exchange = exchange();
        change(&mut exchange);
        again(exchange, &edits(json)).unwrap_err()
    };
    let as_it_is = |_: &mut Exchange| {};
    let truncated = |exchange: &mut Exchange| exchange.request.as_mut().unwrap().body.as_mut().unwrap().size = 9;
    let json = serde_json::json!({});
    assert_eq!(refused(&truncated, json.clone()), Unfit::Truncated { size: 9, captured: 3 });
    let mut cut = exchange();
    truncated(&mut cut);
    again(cut, &edits(serde_json::json!({"body": ""}))).unwrap();
    let upgraded = |exchange: &mut Exchange| exchange.set_outcome(Outcome::Upgraded);
    assert_eq!(refused(&upgraded, json.clone()), Unfit::Upgraded);
    type Change = fn(&mut Request);
    let redacted: [(Change, Unfit); 4] = [
        (|request| request.headers[2].value = "[redacted]".into(), Unfit::Hidden("x-a".into())),
        (|request| request.path = "/?token=%5Bredacted%5D".into(), Unfit::HiddenUrl),
        (|request| request.body.as_mut().unwrap().redacted = true, Unfit::HiddenBody),
        (
            |request| request.trailers = vec![Field { name: "x".into(), value: "[redacted]".into() }],
            Unfit::HiddenTrailer("x".into()),
        ),
    ];
    for (change, fault) in redacted {
        let change = |exchange: &mut Exchange| {
            let request = exchange.request.as_mut().unwrap();
            change(request);
        };
        assert_eq!(refused(&change, json.clone()), fault);
        let mut other = exchange();
        change(&mut other);
        let whole = serde_json::json!({"url": "/", "set_headers": [["x-a", "1"]], "body": "says [redacted]"});
        again(other, &edits(whole)).unwrap();
    }
    let hidden = |exchange: &mut Exchange| weir_har::hide(exchange);
    assert_eq!(refused(&hidden, json), Unfit::Hidden("cookie".into()));
    let mut masked = exchange();
    weir_har::hide(&mut masked);
    again(masked, &edits(serde_json::json!({"remove_headers": ["cookie"]}))).unwrap();
    for (json, fault) in [
        (serde_json::json!({"method": "CONNECT"}), Unfit::Method("CONNECT".into())),
        (serde_json::json!({"method": "A B"}), Unfit::Method("A B".into())),
        (serde_json::json!({"url": "ftp://a/"}), Unfit::Url("ftp://a/".into())),
        (serde_json::json!({"url": "https://u:p@a/"}), Unfit::Url("https://u:p@a/".into())),
        (serde_json::json!({"url": "a.example"}), Unfit::Url("a.example".into())),
        (serde_json::json!({"set_headers": [["a b", "c"]]}), Unfit::Name("a b".into())),
        (serde_json::json!({"set_headers": [["a", "b\r\nc: d"]]}), Unfit::Value("a".into())),
        (serde_json::json!({"set_headers": [["host", "b c"]]}), Unfit::Value("Host".into())),
        (serde_json::json!({"set_headers": [["connection", "Upgrade"], ["upgrade", "websocket"]]}), Unfit::Upgrade),
        (serde_json::json!({"remove_headers": [""]}), Unfit::Name("".into())),
        (serde_json::json!({"body": "", "body_base64": ""}), Unfit::TwoBodies),
        (serde_json::json!({"body_base64": "%"}), Unfit::Base64),
    ] {
        assert_eq!(refused(&as_it_is, json.clone()), fault, "{json}");
    }
}

#[test]
fn trailers_go_with_the_body_that_they_came_behind() {
    let mut trailed = exchange();
    let trailer = Field { name: "x-sum".into(), value: "9".into() };
    trailed.request.as_mut().unwrap().trailers.push(trailer.clone());
    let trailers = |json| again(trailed.clone(), &edits(json)).unwrap().replay.request.unwrap().trailers;
    assert_eq!(trailers(serde_json::json!({})), [trailer]);
    assert_eq!(trailers(serde_json::json!({"body": "another"})), []);
}

#[test]
fn a_request_may_be_made_up() {
    let json = serde_json::json!({"url": "http://b.example/x", "headers": [["A", "b"]], "body": "c"});
    let wanted = made(&serde_json::from_value(json).unwrap()).unwrap();
    let request = wanted.replay.request.unwrap();
    assert_eq!((&*request.method, &*request.authority, &*request.path), ("GET", "b.example", "/x"));
    assert_eq!((&*wanted.replay.replay_of, &*wanted.replay.target), (&b""[..], ""));
    assert_eq!(made(&NewRequest::default()).unwrap_err(), Unfit::Url(String::new()));
    let path = NewRequest { url: Some("/x".into()), ..NewRequest::default() };
    assert_eq!(made(&path).unwrap_err(), Unfit::Url("/x".into()));
}

proptest! {
    #[test]
    fn whatever_is_wanted_is_sound_or_refused(
        url in "\\PC{0,40}", method in "\\PC{0,8}", name in "\\PC{0,10}", value in "\\PC{0,20}", text in "\\PC{0,20}"
    ) {
        let edits = RequestEdits {
            url: Some(url),
            method: Some(method),
            set_headers: vec![(name, value)],
            body: Some(text),
            ..RequestEdits::default()
        };
        if let Ok(wanted) = again(exchange(), &edits) {
            let request = wanted.replay.request.unwrap();
            let url = format!("{}://{}{}", request.scheme, request.authority, request.path);
            prop_assert!(url.parse::<Uri>().is_ok(), "{url}");
            prop_assert!(request.path.starts_with('/'));
            prop_assert_eq!(request.headers.iter().filter(|field| field.name == "host").count(), 1);
        }
    }
}
