use proptest::prelude::*;

use super::*;

fn field(name: &str, value: &[u8]) -> v1::Field {
    v1::Field { name: name.to_owned(), value: Bytes::copy_from_slice(value) }
}

fn request(method: &str) -> v1::Paused {
    let request = v1::Request {
        method: method.to_owned(),
        scheme: "https".to_owned(),
        authority: "a.example".to_owned(),
        path: "/x?y".to_owned(),
        ..v1::Request::default()
    };
    v1::Paused { request: Some(request), body_held: 5, body_is_whole: true, ..v1::Paused::default() }
}

fn response(status: u32) -> v1::Paused {
    let response = v1::Response { status, ..v1::Response::default() };
    v1::Paused { at_response: true, response: Some(response), ..request("GET") }
}

fn decide(shown: &v1::Paused, decision: Decision) -> Result<(Verdict, v1::Intervention), String> {
    let decide = v1::Decide { by: "user:ann\r\n".to_owned(), decision: Some(decision), ..v1::Decide::default() };
    verdict(decide, shown, true)
}

fn modify(shown: &v1::Paused, modify: v1::Modify) -> Result<Edit, String> {
    match decide(shown, Decision::Modify(modify))? {
        (Verdict::Modify(edit), _) => Ok(*edit),
        (other, _) => panic!("{other:?}"),
    }
}

fn with_fields(fields: &[v1::Field]) -> v1::Modify {
    v1::Modify { headers: Some(v1::HeaderEdit { fields: fields.to_vec() }), ..v1::Modify::default() }
}

#[test]
fn the_record_says_who_changed_what() {
    let edit = v1::Modify { method: Some("PUT".into()), body: Some("new".into()), ..v1::Modify::default() };
    let (_, how) = decide(&request("POST"), Decision::Modify(edit)).unwrap();
    assert_eq!((how.decision.as_str(), how.by.as_str()), ("modify", "user:ann"));
    assert_eq!(how.changed, ["method", "body"]);
}

#[test]
fn fields_that_frame_a_message_are_not_for_editors() {
    for name in
        ["transfer-encoding", "Connection", "te", "upgrade", "keep-alive", "via", "expect", "proxy-authorization"]
    {
        let error = modify(&request("POST"), with_fields(&[field(name, b"chunked")])).unwrap_err();
        assert!(error.contains("leave it out"), "{name}: {error}");
    }
    for (name, value, accepted) in [
        ("content-length", "5", true),
        ("content-length", "6", false),
        ("content-length", "5, 5", false),
        ("content-length", "+5", false),
        ("host", "a.example", true),
        ("host", "b.example", false),
    ] {
        let edit = modify(&request("POST"), with_fields(&[field("x", b"1"), field(name, value.as_bytes())]));
        assert_eq!(edit.is_ok(), accepted, "{name}: {value}");
        assert!(edit.is_err() || edit.unwrap().headers.unwrap().len() == 1, "{name} is the agent's own");
    }
}

#[test]
fn a_head_cannot_be_broken_out_of() {
    for (name, value) in [
        ("x", &b"a\r\nHost: evil"[..]),
        ("x", b"a\nb"),
        ("x", b"a\0b"),
        ("x\r\ny", b"a"),
        ("x y", b"a"),
        ("x:", b"a"),
        ("", b"a"),
    ] {
        assert!(modify(&request("GET"), with_fields(&[field(name, value)])).is_err(), "{name:?}: {value:?}");
    }
    let many: Vec<v1::Field> = (0..=MOST_FIELDS).map(|n| field(&format!("x-{n}"), b"")).collect();
    assert!(modify(&request("GET"), with_fields(&many)).is_err());
    assert!(modify(&request("GET"), with_fields(&[field("x", &vec![b'a'; MOST_FIELD_BYTES])])).is_err());
}

#[test]
fn a_request_becomes_no_other_kind_of_message() {
    for (before, after, accepted) in [
        ("GET", "DELETE", true),
        ("GET", "get", true),
        ("HEAD", "HEAD", true),
        ("GET", "HEAD", false),
        ("HEAD", "GET", false),
        ("GET", "CONNECT", false),
        ("GET", "GET /evil HTTP/1.1\r\nx:", false),
        ("GET", "", false),
    ] {
        let edit = v1::Modify { method: Some(after.into()), ..v1::Modify::default() };
        assert_eq!(modify(&request(before), edit).is_ok(), accepted, "{before} to {after}");
    }
    let url = |text: &str| v1::Modify { url: Some(text.into()), ..v1::Modify::default() };
    for (text, expect) in [
        ("http://b.example", Some("http://b.example/")),
        ("https://b.example:8443/a?b#c", Some("https://b.example:8443/a?b")),
        ("https://b.example?b", Some("https://b.example/?b")),
        ("/path", None),
        ("ftp://b.example/", None),
        ("http://me@b.example/", None),
        ("http://b.example/ HTTP/1.1\r\nx: y", None),
        ("b.example:80", None),
        ("", None),
    ] {
        let uri = modify(&request("GET"), url(text)).ok().and_then(|edit| edit.uri);
        assert_eq!(uri.map(|uri| uri.to_string()).as_deref(), expect, "{text}");
    }
}

#[test]
fn a_redirection_keeps_the_path() {
    let to = |shown: &v1::Paused, to: &str| match decide(shown, Decision::Redirect(v1::Redirect { to: to.to_owned() }))?
    {
        (Verdict::Modify(edit), how) => Ok::<_, String>((edit.uri.unwrap().to_string(), how.decision)),
        (other, _) => panic!("{other:?}"),
    };
    let expect = ("http://127.0.0.1:81/x?y".to_owned(), "redirect".to_owned());
    assert_eq!(to(&request("GET"), "http://127.0.0.1:81"), Ok(expect));
    assert!(to(&request("GET"), "http://127.0.0.1:81/other").is_err());
    assert!(to(&response(200), "http://127.0.0.1:81").unwrap_err().contains("has been sent"));
}

#[test]
fn a_body_is_replaced_whole_or_not_at_all() {
    let body = |body: &str| v1::Modify { body: Some(body.to_owned().into()), ..v1::Modify::default() };
    let cut = v1::Paused { body_is_whole: false, ..request("POST") };
    assert!(modify(&cut, body("x")).unwrap_err().contains("longer than the 5 bytes"));
    let long = "x".repeat(MOST_BODY as usize + 1);
    assert!(modify(&request("POST"), body(&long)).is_err());
    assert!(modify(&response(200), body("x")).is_ok());
    let to_204 = v1::Modify { status: Some(204), ..body("x") };
    assert!(modify(&response(200), to_204).unwrap_err().contains("no content"));
}

#[test]
fn each_side_has_its_own_parts() {
    let status = |status| v1::Modify { status: Some(status), ..v1::Modify::default() };
    assert!(modify(&request("GET"), status(200)).is_err());
    for (code, accepted) in [(200, true), (599, true), (101, false), (199, false), (600, false), (65_736, false)] {
        assert_eq!(modify(&response(404), status(code)).is_ok(), accepted, "{code}");
    }
    let url = v1::Modify { url: Some("http://b.example/".into()), ..v1::Modify::default() };
    assert!(modify(&response(200), url).is_err());
}

proptest! {
    /// Whatever is accepted can be written as a head that says nothing but what was meant.
    #[test]
    fn what_is_accepted_holds_together(
        names in proptest::collection::vec(prop_oneof!["[ -~]{0,12}", "\\PC{0,6}", Just("content-length".to_owned())], 0..6),
        value in proptest::collection::vec(any::<u8>(), 0..20),
        url in prop_oneof!["https?://[a-z.:@/ \\r\\n]{0,20}", "\\PC{0,30}"],
        verb in "\\PC{0,10}",
    ) {
        let headers = v1::HeaderEdit { fields: names.iter().map(|name| field(name, &value)).collect() };
        let edit = v1::Modify { method: Some(verb), url: Some(url), headers: Some(headers), ..v1::Modify::default() };
        if let Ok(edit) = modify(&request("POST"), edit) {
            let written = format!("{} {} {:?}", edit.method.unwrap(), edit.uri.clone().unwrap(), edit.headers);
            prop_assert!(!written.contains(['\r', '\n', '\0']));
            let headers = edit.headers.unwrap();
            prop_assert!(headers.keys().all(|name| !is_of_this_hop(name) && name != CONTENT_LENGTH && name != HOST));
            prop_assert!(Target::from_uri(&edit.uri.unwrap()).is_ok());
        }
    }
}
