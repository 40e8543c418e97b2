use std::{sync::Arc, time::Duration};

use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use proptest::{collection::vec, prelude::*};
use prost::Message as _;
use weir_artifact::{Digest, Name};
use weir_host::{Changes, Entry, Failure, FailureKind, Verdict};
use weir_proto::v1::{self, Exchange, TrafficBatch};

use super::*;
use crate::{
    config::{Config, Tuning},
    record::Recorder,
    redact::{RedactConfig, Rules},
};

fn tuning() -> Tuning {
    Tuning::of(&Config::default())
}

/// What the orchestrator would read of what `record` wrote.
fn written(record: impl FnOnce(Recording)) -> Vec<Exchange> {
    let recorder = Recorder::new(1, &Config::default().capture);
    let worker = recorder.worker(0);
    record(worker.begin(Uuid::from_u128(7), &tuning()));
    let mut bytes = Vec::new();
    recorder.drain(|filled| bytes.extend(filled.bytes));
    TrafficBatch::decode(&bytes[..]).unwrap().exchanges
}

fn headers() -> impl Strategy<Value = HeaderMap> {
    let name = "[a-z][a-z0-9-]{0,20}";
    let value = vec(prop_oneof![0x20_u8..0x7f, 0x80_u8..=0xff], 0..200);
    vec((name, value), 0..20).prop_map(|pairs| {
        let pair = |(name, value): (String, Vec<u8>)| {
            Some((name.parse::<HeaderName>().ok()?, HeaderValue::from_bytes(&value).ok()?))
        };
        let mut headers = HeaderMap::new();
        pairs.into_iter().filter_map(pair).for_each(|(name, value)| {
            headers.append(name, value);
        });
        headers
    })
}

fn chunks() -> impl Strategy<Value = Vec<Bytes>> {
    vec(vec(any::<u8>(), 0..3000).prop_map(Bytes::from), 0..4)
}

fn expected_fields(headers: &HeaderMap) -> Vec<v1::Field> {
    let visible = headers.iter().filter(|(name, _)| *name != PROXY_AUTHORIZATION);
    let field = |(name, value): (&HeaderName, &HeaderValue)| v1::Field {
        name: name.to_string(),
        value: Bytes::copy_from_slice(value.as_bytes()),
    };
    visible.map(field).collect()
}

fn expected_body(chunks: &[Bytes], size: u64, whole: &'static [u8]) -> Option<v1::Body> {
    Some(v1::Body { data: chunks.concat().into(), size, digest: whole.into(), ..v1::Body::default() })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Every field of every message comes out as it went in, whatever order its parts are written in.
    #[test]
    fn a_record_decodes_to_what_was_written(
        heads in [headers(), headers(), headers(), headers()],
        trailers in [headers(), headers()],
        bodies in [chunks(), chunks()],
        sizes in [any::<u64>(), any::<u64>()],
        status in 100_u16..1000,
        path in "/[a-zA-Z0-9/?=&%._-]{0,300}",
        user in proptest::option::of("\\PC{0,30}"),
        intercepted: bool,
        version in any::<u64>(),
        changed: bool,
        error in "\\PC{0,200}",
        outcome in 0..8_i32,
    ) {
        let uri: Uri = format!("https://h.example:8443{path}").parse().unwrap();
        let request = |method: Method, headers: &HeaderMap| {
            let mut request = Request::builder().method(method).uri(&uri).version(Version::HTTP_2).body(()).unwrap();
            *request.headers_mut() = headers.clone();
            request.into_parts().0
        };
        let response = |headers: &HeaderMap| {
            let mut response = Response::new(());
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            *response.version_mut() = Version::HTTP_10;
            *response.headers_mut() = headers.clone();
            response.into_parts().0
        };
        let connection = Connection {
            entry: Entry::Connect,
            client_address: "[2001:db8::7]:51034".parse().unwrap(),
            user: user.clone(),
            tunnel_target: Some("h.example:8443".to_owned()),
            server_name: None,
            intercepted,
        };
        let name: Name = "block".parse().unwrap();
        let failure = Failure {
            filter: name.clone(), version, phase: "on-body", kind: FailureKind::Trap, reason: error.clone(),
        };
        let changes = if changed { Changes::MESSAGES } else { Changes::default() };
        let took = Duration::from_nanos(1234);
        let receipt = Receipt {
            name: &name, version, digest: Digest::of(b""), verdict: Verdict::Failed, error: Some(&failure), changes, took,
        };
        let outcome = Outcome::try_from(outcome).unwrap();
        let intervention = v1::Intervention {
            at_response: changed,
            decision: "modify".to_owned(),
            by: "user:ann".to_owned(),
            changed: vec!["url".to_owned(), "body".to_owned()],
            waited_us: version,
            failed: intercepted,
        };

        let name_of_filter = name.clone();
        let exchanges = written(|mut recording| {
            recording.replay(Some(Uuid::from_u128(9)), "user:ann");
            recording.connection(&connection);
            recording.request_head(Side::Original, &request(Method::POST, &heads[0]));
            recording.upstream("192.0.2.1:443".parse().unwrap());
            recording.request_body(Side::Original, (&bodies[0], true), sizes[0], None);
            recording.response_head(Side::Original, &response(&heads[2]));
            recording.request_head(Side::Filtered, &request(Method::PUT, &heads[1]));
            recording.first_byte();
            recording.response_head(Side::Filtered, &response(&heads[3]));
            recording.response_body(Side::Filtered, (&bodies[1], true), sizes[1], Some([7; 32]));
            recording.request_trailers(Side::Original, &trailers[0]);
            recording.response_trailers(Side::Filtered, &trailers[1]);
            recording.receipt(&receipt);
            for (name, value) in [
                ("text", TagValue::Text(error.clone())),
                ("number", TagValue::Number(version as f64)),
                ("flag", TagValue::Flag(changed)),
            ] {
                recording.tag(&Tag { filter: name_of_filter.clone(), name: name.to_owned(), value });
            }
            recording.intervention(&intervention);
            recording.finish(outcome, Some(&error));
        });

        prop_assert_eq!(exchanges.len(), 1);
        let got = &exchanges[0];
        prop_assert!(got.started_us > 1_600_000_000_000_000 && got.duration_us > 0 && got.first_byte_us > 0);
        let head = |method: &str, headers: &HeaderMap| v1::Request {
            method: method.to_owned(),
            scheme: "https".to_owned(),
            authority: "h.example:8443".to_owned(),
            path: uri.path_and_query().unwrap().to_string(),
            version: "HTTP/2".to_owned(),
            headers: expected_fields(headers),
            ..v1::Request::default()
        };
        let answer = |headers: &HeaderMap| v1::Response {
            status: u32::from(status),
            version: "HTTP/1.0".to_owned(),
            headers: expected_fields(headers),
            ..v1::Response::default()
        };
        let expected = Exchange {
            id: Bytes::copy_from_slice(Uuid::from_u128(7).as_bytes()),
            started_us: got.started_us,
            duration_us: got.duration_us,
            first_byte_us: got.first_byte_us,
            connection: Some(v1::Connection {
                client_address: "[2001:db8::7]:51034".to_owned(),
                entry: "connect".to_owned(),
                user: user.unwrap_or_default(),
                tunnel_target: "h.example:8443".to_owned(),
                server_name: String::new(),
                intercepted,
            }),
            request: Some(v1::Request {
                body: expected_body(&bodies[0], sizes[0], &[]),
                trailers: expected_fields(&trailers[0]),
                ..head("POST", &heads[0])
            }),
            filtered_request: Some(head("PUT", &heads[1])),
            response: Some(v1::Response {
                body: expected_body(&bodies[1], sizes[1], &[7; 32]),
                trailers: expected_fields(&trailers[1]),
                ..answer(&heads[3])
            }),
            original_response: Some(answer(&heads[2])),
            upstream_address: "192.0.2.1:443".to_owned(),
            filters: vec![v1::Receipt {
                name: "block".to_owned(),
                version,
                digest: Digest::of(b"").to_string(),
                verdict: "failed".to_owned(),
                error: format!("on-body: {error}"),
                changed,
                took_ns: 1234,
                changes: changed.then(|| "messages".to_owned()).into_iter().collect(),
            }],
            outcome: outcome as i32,
            tags: vec![
                v1::Tag { name: "block.text".into(), value: Some(v1::tag::Value::Text(error.clone())) },
                v1::Tag { name: "block.number".into(), value: Some(v1::tag::Value::Number(version as f64)) },
                v1::Tag { name: "block.flag".into(), value: Some(v1::tag::Value::Flag(changed)) },
            ],
            error,
            interventions: vec![intervention],
            replay_of: Bytes::copy_from_slice(Uuid::from_u128(9).as_bytes()),
            replay_by: "user:ann".to_owned(),
            // What people say of it is the orchestrator's.
            note: String::new(),
        };
        prop_assert_eq!(got, &expected);
    }
}

#[test]
fn the_password_to_this_agent_is_not_recorded() {
    let request = Request::builder().uri("http://a/").header("Proxy-Authorization", "Basic c2VjcmV0").header("a", "b");
    let (head, ()) = request.body(()).unwrap().into_parts();
    let exchanges = written(|mut recording| recording.request_head(Side::Original, &head));
    assert_eq!(exchanges[0].request.as_ref().unwrap().headers.len(), 1);
}

#[test]
fn a_recording_that_is_dropped_says_that_the_client_left() {
    let exchanges = written(drop);
    assert_eq!(exchanges[0].outcome(), Outcome::ClientGone);
}

#[test]
fn a_full_queue_drops_and_counts() {
    let mut capture = Config::default().capture;
    capture.queue_bytes = 1000;
    let recorder = Recorder::new(1, &capture);
    let worker = recorder.worker(0);
    for _ in 0..100 {
        worker.begin(Uuid::nil(), &tuning()).finish(Outcome::Complete, Some(&"x".repeat(100)));
    }
    assert!(recorder.queued_bytes() <= 1000);
    let dropped = recorder.dropped();
    let mut exchanges = 0;
    recorder.drain(|filled| exchanges += filled.exchanges);
    assert_eq!((exchanges + dropped, recorder.dropped(), recorder.recorded()), (100, dropped, exchanges));
    assert!(exchanges > 3);
    worker.begin(Uuid::nil(), &tuning()).finish(Outcome::Complete, None);
    assert!(recorder.queued_bytes() > 0, "there is room again");
}

#[test]
fn without_an_orchestrator_nothing_is_recorded() {
    let recorder = Recorder::off();
    let worker = recorder.worker(0);
    let recording = worker.begin(Uuid::nil(), &tuning());
    assert!(!recording.is_on() && worker.body_limit(&tuning()).0 == 0);
    recording.finish(Outcome::Complete, None);
    recorder.drain(|_| panic!("nothing is queued"));
}

#[test]
fn workers_and_the_sending_thread_lose_nothing_between_them() {
    let recorder = Arc::new(Recorder::new(2, &Config::default().capture));
    let mut seen = 0;
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..2)
            .map(|number| {
                let recorder = Arc::clone(&recorder);
                scope.spawn(move || {
                    let (worker, tuning) = (recorder.worker(number), tuning());
                    let end = |id| worker.begin(Uuid::from_u128(id), &tuning).finish(Outcome::Complete, None);
                    (0..5000_u128).for_each(end);
                })
            })
            .collect();
        while threads.iter().any(|thread| !thread.is_finished()) {
            recorder.drain(|filled| seen += filled.exchanges);
            std::thread::park_timeout(Duration::from_micros(200));
        }
    });
    recorder.drain(|filled| seen += filled.exchanges);
    assert_eq!((seen, recorder.dropped()), (10_000, 0));
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

#[test]
fn a_password_in_a_url_is_not_recorded() {
    let exchanges = written(|mut recording| {
        let request = Request::builder().uri("http://ada:hunter2@a.example:81/p").body(()).unwrap();
        recording.request_head(Side::Original, &request.into_parts().0);
        recording.finish(Outcome::Refused, None);
    });
    assert_eq!(exchanges[0].request.as_ref().unwrap().authority, "a.example:81");
}
