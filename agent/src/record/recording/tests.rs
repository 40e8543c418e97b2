//! What is written is what the orchestrator reads, field by field.

mod hidden;
mod queued;

use std::time::Duration;

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
fn a_recording_that_is_dropped_says_that_the_client_left() {
    let exchanges = written(drop);
    assert_eq!(exchanges[0].outcome(), Outcome::ClientGone);
}
