//! What is in no record, in the very bytes that are queued, spooled and sent: passwords, and what a rule names.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderName, Request, Response};
use prost::Message as _;
use uuid::Uuid;
use weir_proto::v1::{Outcome, TrafficBatch};

use super::{super::Side, tuning, written};
use crate::{
    config::Tuning,
    record::Recorder,
    redact::{RedactConfig, Rules},
};

#[test]
fn the_password_to_this_agent_is_not_recorded() {
    let request = Request::builder().uri("http://a/").header("Proxy-Authorization", "Basic c2VjcmV0").header("a", "b");
    let (head, ()) = request.body(()).unwrap().into_parts();
    let exchanges = written(|mut recording| recording.request_head(Side::Original, &head));
    assert_eq!(exchanges[0].request.as_ref().unwrap().headers.len(), 1);
}

#[test]
fn a_password_in_a_url_is_not_recorded() {
    let exchanges = written(|mut recording| {
        let request = Request::builder().uri("http://ada:hunter2@a.example:81/p").body(()).unwrap();
        recording.request_head(Side::Original, &request.into_parts().0);
        recording.finish(Outcome::Refused, None);
    });
    assert_eq!(exchanges[0].request.as_ref().unwrap().authority, "a.example:81");
}

/// The very bytes that are queued, spooled and sent.
#[test]
fn what_a_rule_names_is_not_in_the_record() {
    let config = RedactConfig {
        headers: vec![HeaderName::from_static("x-api-key")],
        query: vec!["token".to_owned()],
        json: vec!["/**/password".parse().unwrap()],
        patterns: vec!["sk-[a-z0-9]+".parse().unwrap()],
        ..RedactConfig::default()
    };
    let tuning = Tuning { redaction: Rules::new(&config).map(Arc::new), ..tuning() };
    let recorder = Recorder::new(1, &tuning.capture);
    let mut recording = recorder.worker(0).begin(Uuid::from_u128(7), &tuning);
    let head = || {
        let request = Request::builder().uri("http://a.example/p?token=sk-secret&x=1").header("x-api-key", "sk-secret");
        request
            .header("content-type", "application/json")
            .header("x-other", "a sk-secret b")
            .body(())
            .unwrap()
            .into_parts()
            .0
    };
    let body = [Bytes::from_static(br#"{"password":"sk-"#), Bytes::from_static(br#"secret","n":1}"#)];
    recording.request_head(Side::Original, &head());
    recording.request_body(Side::Original, (&body, true), 30, None);
    recording.request_head(Side::Filtered, &head());
    recording.request_body(Side::Filtered, (&body[..1], true), 30, Some([7; 32]));
    recording.request_trailers(Side::Original, &head().headers);
    let response =
        Response::builder().status(302).header("location", "/?token=sk-secret").header("content-encoding", "gzip");
    recording.response_head(Side::Filtered, &response.body(()).unwrap().into_parts().0);
    recording.response_body(Side::Filtered, (&[Bytes::from_static(b"sk-secret")], true), 9, None);
    recording.messages().unwrap().tell(
        weir_host::Direction::Request,
        &crate::record::Passed { data: br#"{"password":"sk-secret"}"#, size: 24, ..Default::default() },
    );
    recording.finish(Outcome::Complete, Some("for sk-secret"));
    let bytes = recorder.take();
    assert!(!bytes.windows(6).any(|window| window == b"secret"), "{}", String::from_utf8_lossy(&bytes));
    let batch = TrafficBatch::decode(&bytes[..]).unwrap();
    let exchange = &batch.exchanges[0];
    let request = exchange.request.as_ref().unwrap();
    assert_eq!(request.path, "/p?token=%5Bredacted%5D&x=1");
    let body = request.body.as_ref().unwrap();
    assert_eq!((&body.data[..], body.size), (&br#"{"password":"[redacted]","n":1}"#[..], 30));
    let body = exchange.response.as_ref().unwrap().body.as_ref().unwrap();
    assert_eq!((&body.data[..], body.size), (&b""[..], 9));
    assert!(body.redacted && body.cut, "{body:?}");
    assert_eq!(exchange.error, "for [redacted]");
    assert_eq!(&batch.messages[0].data[..], br#"{"password":"[redacted]"}"#);
}

/// Nobody knows how it would have gone on.
#[test]
fn what_broke_off_leaves_no_half_of_a_secret() {
    let config = RedactConfig {
        headers: vec![HeaderName::from_static("x-token")],
        patterns: vec!["sk-[a-z]{8}".parse().unwrap()],
        ..RedactConfig::default()
    };
    let tuning = Tuning { redaction: Rules::new(&config).map(Arc::new), ..tuning() };
    let recorder = Recorder::new(1, &tuning.capture);
    let mut recording = recorder.worker(0).begin(Uuid::from_u128(7), &tuning);
    let half = [Bytes::from_static(b"a sk-abcd")];
    recording.request_body(Side::Original, (&half, false), 9, None);
    recording.response_body(Side::Filtered, (&half, true), 9, None);
    let messages = recording.messages().unwrap();
    for (data, is_cut, is_trailers) in
        [(&half[0][..], true, false), (&half[0][..], false, false), (&b"x-token: abcd"[..], false, true)]
    {
        let passed = crate::record::Passed { data, size: data.len() as u64, is_cut, is_trailers, ..Default::default() };
        messages.tell(weir_host::Direction::Request, &passed);
    }
    recording.finish(Outcome::ClientGone, None);
    let mut batch = TrafficBatch::decode(&recorder.take()[..]).unwrap();
    let exchange = batch.exchanges.remove(0);
    let body = exchange.request.unwrap().body.unwrap();
    assert_eq!((&body.data[..], body.size, body.redacted, body.cut), (&b""[..], 9, true, true));
    let body = exchange.response.unwrap().body.unwrap();
    assert_eq!((&body.data[..], body.redacted), (&half[0][..], false));
    let said: Vec<_> = batch.messages.iter().map(|message| &message.data[..]).collect();
    assert_eq!(said, [&b""[..], b"a sk-abcd", b"x-token: [redacted]"]);
}

/// A filter that wants bodies decoded takes the coding away: each side is looked into as its own head says.
#[test]
fn each_side_of_a_body_is_coded_as_its_own_head_says() {
    let config = RedactConfig { json: vec!["/password".parse().unwrap()], ..RedactConfig::default() };
    let tuning = Tuning { redaction: Rules::new(&config).map(Arc::new), ..tuning() };
    let recorder = Recorder::new(1, &tuning.capture);
    let mut recording = recorder.worker(0).begin(Uuid::from_u128(7), &tuning);
    let head = |coding: Option<&'static str>| {
        let head = Response::builder().header("content-type", "application/json");
        let head = coding.into_iter().fold(head, |head, coding| head.header("content-encoding", coding));
        head.body(()).unwrap().into_parts().0
    };
    let plain = br#"{"password":"secret","n":1}"#;
    let codings = weir_host::Codings::of(&head(Some("gzip")).headers).unwrap().unwrap();
    let coded = Bytes::from(codings.redo(plain).unwrap());
    recording.response_head(Side::Filtered, &head(None));
    recording.response_head(Side::Original, &head(Some("gzip")));
    recording.response_body(Side::Filtered, (&[Bytes::from_static(plain)], true), plain.len() as u64, None);
    recording.response_body(Side::Original, (std::slice::from_ref(&coded), true), coded.len() as u64, None);
    recording.finish(Outcome::Complete, None);
    let exchange = TrafficBatch::decode(&recorder.take()[..]).unwrap().exchanges.remove(0);
    let hidden = br#"{"password":"[redacted]","n":1}"#;
    let filtered = exchange.response.unwrap().body.unwrap();
    assert_eq!((&filtered.data[..], filtered.size, filtered.redacted), (&hidden[..], plain.len() as u64, true));
    let original = exchange.original_response.unwrap().body.unwrap();
    let undone = codings.undo(original.data.clone(), 999).unwrap();
    assert_eq!((&undone.bytes[..], undone.complete), (&hidden[..], true));
    assert_eq!((original.size, original.redacted, original.cut), (coded.len() as u64, true, false));
}
