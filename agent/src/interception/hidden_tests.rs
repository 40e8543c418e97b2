use proptest::prelude::*;

use super::{back::count, *};
use crate::redact::RedactConfig;

const SECRET: &str = "hunter2-never-to-be-seen";

fn rules() -> Arc<Rules> {
    let config = RedactConfig {
        headers: vec![HeaderName::from_static("authorization"), HeaderName::from_static("set-cookie")],
        query: vec!["token".to_owned()],
        json: vec!["/password".parse().unwrap(), "/users/*/pin".parse().unwrap()],
        form: vec!["pass".to_owned()],
        patterns: vec!["sk-[a-z0-9-]+[a-z0-9]".parse().unwrap()],
    };
    Arc::new(Rules::new(&config).unwrap())
}

fn fields(fields: &[(&str, &str)]) -> Vec<v1::Field> {
    let field = |(name, value): &(&str, &str)| v1::Field { name: (*name).into(), value: value.to_string().into() };
    fields.iter().map(field).collect()
}

fn headers(fields: &[v1::Field]) -> HeaderMap {
    let pair = |field: &v1::Field| {
        (HeaderName::try_from(&*field.name).unwrap(), HeaderValue::from_bytes(&field.value).unwrap())
    };
    fields.iter().map(pair).collect()
}

/// A request that pauses, as it is shown.
struct Case {
    hidden: Hidden,
    shown: v1::Paused,
    body: Bytes,
}

impl Case {
    fn of(path: &str, given: &[(&str, &str)], body: &str) -> Self {
        Self::of_bytes(path, given, Bytes::copy_from_slice(body.as_bytes()))
    }

    fn of_bytes(path: &str, given: &[(&str, &str)], whole: Bytes) -> Self {
        let given = fields(given);
        let (hidden, masked) = Hidden::of(&rules(), Some(path), &headers(&given), given, (&whole, true));
        let request = v1::Request {
            method: "POST".into(),
            scheme: "https".into(),
            authority: "a.example".into(),
            path: masked.path,
            headers: masked.fields,
            ..v1::Request::default()
        };
        let body_is_withheld = hidden.body_is_withheld;
        let shown =
            v1::Paused { request: Some(request), body_is_whole: true, body_is_withheld, ..v1::Paused::default() };
        Case { hidden, shown, body: masked.body }
    }

    fn json(body: &str) -> Self {
        Self::of("/", &[("content-type", "application/json")], body)
    }

    fn head(&self) -> &v1::Request {
        self.shown.request.as_ref().unwrap()
    }

    fn modify(&self, modify: v1::Modify) -> Result<v1::Modify, String> {
        match self.hidden.reveal(Decision::Modify(modify), &self.shown, &self.body)? {
            Decision::Modify(modify) => Ok(modify),
            other => panic!("{other:?}"),
        }
    }

    fn body(&self, body: &str) -> Result<String, String> {
        let modify = v1::Modify { body: Some(body.to_owned().into()), ..v1::Modify::default() };
        Ok(String::from_utf8(self.modify(modify)?.body.unwrap().to_vec()).unwrap())
    }

    fn field(&self, name: &str, value: &str) -> Result<String, String> {
        let edit = v1::HeaderEdit { fields: fields(&[(name, value)]) };
        let modified = self.modify(v1::Modify { headers: Some(edit), ..v1::Modify::default() })?;
        Ok(String::from_utf8(modified.headers.unwrap().fields[0].value.to_vec()).unwrap())
    }

    fn url(&self, url: &str) -> Result<String, String> {
        let modify = v1::Modify { url: Some(url.to_owned()), ..v1::Modify::default() };
        Ok(self.modify(modify)?.url.unwrap())
    }
}

fn refused<T: std::fmt::Debug>(edit: Result<T, String>, says: &str) {
    let error = edit.unwrap_err();
    assert!(error.contains(says), "{error}");
    assert!(!error.contains(SECRET), "{error}");
}

#[test]
fn what_the_rules_name_is_not_shown_and_is_back_in_what_stays_as_it_was() {
    let path = format!("/x?token={SECRET}&a=1");
    let auth = format!("Bearer {SECRET}");
    let json = format!(r#"{{"password":"{SECRET}","key":"sk-{SECRET}"}}"#);
    let given = [("authorization", &*auth), ("x", "[redacted]"), ("content-type", "application/json")];
    let case = Case::of(&path, &given, &json);
    assert_eq!(case.head().path, "/x?token=%5Bredacted-1%5D&a=1");
    assert_eq!(case.head().headers[0].value, "[redacted-2]");
    assert_eq!(case.body, r#"{"password":"[redacted-3]","key":"[redacted-4]"}"#);
    assert!(!format!("{:?} {:?}", case.shown, case.body).contains(SECRET));

    assert_eq!(case.hidden.original(&case.shown).request.unwrap().path, path);
    assert_eq!(case.field("Authorization", "[redacted-2]").unwrap(), auth);
    assert_eq!(case.field("authorization", "Basic [redacted-2]").unwrap(), format!("Basic {auth}"));
    assert_eq!(case.field("x", "[redacted]").unwrap(), "[redacted]", "as the client sent it");
    assert_eq!(case.url("https://a.example/x?token=%5Bredacted-1%5D&a=1").unwrap(), format!("https://a.example{path}"));
    let url = format!("https://a.example/y?b=2&token={SECRET}");
    assert_eq!(case.url("https://a.example/y?b=2&token=%5Bredacted-1%5D").unwrap(), url);
    let as_shown = v1::Modify { body: Some(case.body.clone()), ..v1::Modify::default() };
    assert_eq!(case.modify(as_shown).unwrap().body, None, "the body stays");
    let edited = case.body(r#"{"key":"[redacted-4]", "new":1, "password":"[redacted-3]"}"#).unwrap();
    assert_eq!(edited, format!(r#"{{"key":"sk-{SECRET}", "new":1, "password":"{SECRET}"}}"#));
    assert_eq!(case.body(r#"{"password":"mine"}"#).unwrap(), r#"{"password":"mine"}"#);
}

#[test]
fn a_marker_is_never_sent_and_a_value_goes_nowhere_else() {
    let (path, auth) = (format!("/x?token={SECRET}"), format!("Bearer {SECRET}"));
    let json = format!(r#"{{"password":"{SECRET}","name":"ann"}}"#);
    let case = Case::of(&path, &[("authorization", &auth), ("content-type", "application/json")], &json);
    for marker in ["[redacted]", "[redacted-9]", "[redacted-2", "%5Bredacted-2%5D", "x[REDACTED]"] {
        refused(case.field("authorization", marker), "stands for no value");
    }
    refused(case.field("x-other", "[redacted-2]"), "cannot be put into `x-other`");
    refused(case.url("https://a.example/[redacted-2]"), "cannot be put into the path");
    refused(case.url("https://a.example/x?token=[redacted]"), "stands for no value");
    refused(case.url("https://a.example/x?other=%5Bredacted-1%5D"), "would be recorded");
    refused(case.body(r#"{"password":"[redacted]"}"#), "stands for no value");
    refused(case.body(r#"{"password":"x [redacted-3]"}"#), "stands for no value");
    refused(case.body(r#"{"name":"[redacted-3]"}"#), "would be recorded");
    refused(case.body("name=[redacted-2]"), "cannot be put into the body");
    // the same where another value of the edit is hidden too
    refused(case.body(r#"{"password":"mine","name":"[redacted-3]"}"#), "would be recorded");
    let respond = v1::Respond { status: 200, headers: fields(&[("x", "[redacted-2]")]), body: Bytes::new() };
    refused(case.hidden.reveal(Decision::Respond(respond), &case.shown, &case.body), "an answer of yours");
}

#[test]
fn nothing_hidden_goes_to_another_host() {
    let to = |to: &str| Decision::Redirect(v1::Redirect { to: to.to_owned() });
    let redirect = |case: &Case, url: &str| case.hidden.reveal(to(url), &case.shown, &case.body).map(drop);
    let plain = Case::of("/x", &[("accept", "text/plain")], "nothing in it");
    redirect(&plain, "https://b.example").unwrap();
    let auth = Case::of("/x", &[("authorization", SECRET)], "");
    refused(redirect(&auth, "https://b.example"), "`authorization`");
    refused(redirect(&auth, "http://a.example"), "`authorization`");
    redirect(&auth, "https://A.example").unwrap();
    let path = format!("/x?token={SECRET}");
    refused(redirect(&Case::of(&path, &[], ""), "https://b.example"), "the path");
    let coded = Case::of("/x", &[("content-encoding", "gzip")], "packed");
    assert!(coded.hidden.body_is_withheld && coded.body.is_empty());
    refused(redirect(&coded, "https://b.example"), "the body");

    let modify = |headers: Option<&[(&str, &str)]>, body: Option<&str>| v1::Modify {
        url: Some("https://b.example/".to_owned()),
        headers: headers.map(|headers| v1::HeaderEdit { fields: fields(headers) }),
        body: body.map(|body| body.to_owned().into()),
        ..v1::Modify::default()
    };
    refused(auth.modify(modify(None, None)), "`authorization`");
    refused(auth.modify(modify(Some(&[("authorization", "[redacted-1]")]), None)), "`authorization`");
    auth.modify(modify(Some(&[("authorization", "mine")]), None)).unwrap();
    refused(coded.modify(modify(None, None)), "the body");
    coded.modify(modify(None, Some("mine"))).unwrap();
}

#[test]
fn markers_are_each_other_than_the_next() {
    let case = Case::json(r#"{"users":[{"pin":1,"name":"ann"},{"pin":22,"name":"bob"}]}"#);
    let edited = r#"{"users":[{"pin":"[redacted-2]","name":"bob"},{"pin":"[redacted-1]","name":"ann"}]}"#;
    assert_eq!(case.body(edited).unwrap(), r#"{"users":[{"pin":22,"name":"bob"},{"pin":1,"name":"ann"}]}"#);
    assert_eq!(case.body(r#"{"users":[{"pin":"[redacted-2]"}]}"#).unwrap(), r#"{"users":[{"pin":22}]}"#);
    assert_eq!(
        case.body(r#"{"users":[{"pin":"[redacted-2]"},{"pin":3}]}"#).unwrap(),
        r#"{"users":[{"pin":22},{"pin":3}]}"#
    );
}

#[test]
fn coded_bodies_are_shown_as_far_as_somebody_can_look_into_them() {
    let given = [("content-encoding", "gzip"), ("content-type", "application/json")];
    let codings = weir_host::Codings::of(&headers(&fields(&given))).unwrap().unwrap();
    let coded = codings.redo(format!(r#"{{"password":"{SECRET}"}}"#).as_bytes()).unwrap();
    let case = Case::of_bytes("/", &given, coded.into());
    let text = case.hidden.rules.decoded(&case.hidden.kind, &case.body).unwrap();
    assert_eq!(text, r#"{"password":"[redacted-1]"}"#);
    let modify = |body: Bytes, body_is_plain| {
        case.modify(v1::Modify { body: Some(body), body_is_plain, ..v1::Modify::default() })
    };
    let edited = modify(r#"{"a":1,"password":"[redacted-1]"}"#.into(), true).unwrap();
    assert_eq!(edited.body.unwrap(), format!(r#"{{"a":1,"password":"{SECRET}"}}"#));
    // as it was shown: as it is
    assert_eq!(modify(case.body.clone(), false).unwrap().body, None);
    refused(modify(codings.redo(br#"{"b":"[redacted-1]"}"#).unwrap().into(), false), "give it as text");
    let mine = codings.redo(br#"{"b":1}"#).unwrap();
    assert_eq!(modify(mine.clone().into(), false).unwrap().body.unwrap(), mine);
}

#[test]
fn a_body_with_more_than_is_kept_is_not_shown() {
    let users = vec![r#"{"pin":1}"#; 2000].join(",");
    let case = Case::json(&format!(r#"{{"users":[{users}]}}"#));
    assert!(case.hidden.body_is_withheld && case.body.is_empty());
    refused(case.body("[redacted-1]"), "stands for no value");
    refused(case.body(r#"{"new":"[redacted-1]"}"#), "would be recorded");
}

proptest! {
    /// Whatever somebody makes of what is shown, the record of what comes of it does not have the secret.
    #[test]
    fn no_edit_puts_a_value_where_it_is_recorded(
        name in prop::sample::select(vec!["authorization", "x-other", "referer", "set-cookie"]),
        value in r"[a-z?&=/ ]{0,12}(\[redacted(-[0-4])?\]|%5Bredacted(-[0-4])?%5D)?[a-z?&=/ ]{0,12}",
        body in r#"[{}",:a-z ]{0,12}(password"?:)?("?\[redacted(-[0-6])?\]"?)?[{}",:a-z ]{0,12}"#,
    ) {
        let (path, auth) = (format!("/x?token={SECRET}"), format!("Bearer {SECRET}"));
        let json = format!(r#"{{"password":"{SECRET}","key":"sk-{SECRET}"}}"#);
        let given = [("authorization", &*auth), ("referer", &*path), ("content-type", "application/json")];
        let case = Case::of(&path, &given, &json);
        let url = format!("https://a.example/{}", value.replace(' ', ""));
        for modify in [
            v1::Modify { headers: Some(v1::HeaderEdit { fields: fields(&[(name, &value)]) }), ..v1::Modify::default() },
            v1::Modify { body: Some(body.clone().into()), ..v1::Modify::default() },
            v1::Modify { url: Some(url), ..v1::Modify::default() },
        ] {
            let Ok(modified) = case.modify(modify) else { continue };
            let mut recorded = Vec::new();
            for field in modified.headers.iter().flat_map(|headers| &headers.fields) {
                let (name, value) = (HeaderName::try_from(&*field.name).unwrap(), HeaderValue::from_bytes(&field.value));
                recorded.extend(rules().field(&name, &value.unwrap()).into_owned());
            }
            recorded.extend(rules().path(modified.url.as_deref().unwrap_or_default()).into_owned());
            let body = modified.body.unwrap_or_default();
            match rules().body(&case.hidden.kind, &body, false) {
                Redacted::Same => recorded.extend_from_slice(&body),
                Redacted::Other(body, _) => recorded.extend(body),
                Redacted::Withheld => {}
            }
            prop_assert_eq!(count(&recorded, SECRET.as_bytes()), 0, "{:?}", String::from_utf8_lossy(&recorded));
        }
    }
}

#[test]
fn markers_that_a_client_wrote_itself_grow_to_nothing() {
    let more = (1..60).map(|n| format!("&token=%5Bredacted-{n}%5D%5Bredacted-{n}%5D")).collect::<String>();
    let path = format!("/x?token=a{more}");
    let case = Case::of(&path, &[("accept", "text/plain")], "");
    assert_eq!(case.hidden.original(&case.shown).request.unwrap().path, path);
    let shown = case.head().path.clone();
    refused(case.url(&format!("https://a.example{shown}")), "more than can be sent");
}
