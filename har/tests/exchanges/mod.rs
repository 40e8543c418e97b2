//! Exchanges of all kinds, for properties.

use proptest::prelude::*;
use weir_proto::v1::{Body, Connection, Exchange, Field, Intervention, Receipt, Request, Response, Tag, tag};

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        "[ -~]{0,20}".prop_map(String::into_bytes),
        "[ -~é\u{202e}]{0,9}".prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>().prop_filter("ends a line", |b| ![0, 10, 13].contains(b)), 0..12),
    ]
}

fn fields() -> impl Strategy<Value = Vec<Field>> {
    let name = prop_oneof!["[A-Za-z][A-Za-z0-9-]{0,12}", Just("Cookie".to_owned()), Just("set-cookie".to_owned())];
    let field = (name, value()).prop_map(|(name, value)| Field { name, value: value.into() });
    let coding = prop_oneof![Just("gzip"), Just("br"), Just("zstd, gzip"), Just("other")];
    (prop::collection::vec(field, 0..5), prop::option::of(coding)).prop_map(|(mut fields, coding)| {
        let coded = |coding: &str| Field { name: "Content-Encoding".into(), value: coding.as_bytes().to_vec().into() };
        fields.extend(coding.map(coded));
        fields
    })
}

fn body() -> impl Strategy<Value = Option<Body>> {
    let data = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        "[ -~\n\té]{0,200}".prop_map(String::into_bytes),
        Just(Vec::new()),
    ];
    let missing = prop_oneof![Just(0), 1_u64..5000];
    let redacted = prop::option::weighted(0.2, (1_u64..900, any::<bool>()));
    let digest = prop::option::of(any::<[u8; 32]>());
    prop::option::of((data, missing, redacted, digest).prop_map(|(data, missing, redacted, digest)| match redacted {
        None => {
            // where all of it is there nobody needs one
            let digest = digest.filter(|_| missing > 0).map(|digest| digest.to_vec().into()).unwrap_or_default();
            Body { size: data.len() as u64 + missing, data: data.into(), digest, ..Body::default() }
        }
        Some((size, cut)) => Body { size, data: data.into(), redacted: true, cut, ..Body::default() },
    }))
}

fn request() -> impl Strategy<Value = Request> {
    let text =
        || prop_oneof!["[ -~]{0,20}", Just("https".to_owned()), Just("a.example:80".to_owned()), "/[ -~é]{0,20}"];
    let version = prop_oneof![Just("HTTP/1.1"), Just("HTTP/2"), Just("HTTP/1.0"), Just("")];
    ("[A-Z]{1,7}", text(), text(), text(), version, fields(), body(), fields()).prop_map(
        |(method, scheme, authority, path, version, headers, body, trailers)| Request {
            method,
            scheme,
            authority,
            path,
            version: version.to_owned(),
            headers,
            body,
            trailers,
        },
    )
}

fn response() -> impl Strategy<Value = Response> {
    (100_u32..1000, fields(), body(), fields()).prop_map(|(status, headers, body, trailers)| Response {
        status,
        version: "HTTP/2".to_owned(),
        headers,
        body,
        trailers,
    })
}

/// Whatever agents may record.
pub(crate) fn exchange() -> impl Strategy<Value = Exchange> {
    let word = || "[ -~é]{0,12}";
    let connection =
        (word(), word(), word(), word(), word(), any::<bool>()).prop_map(|(a, b, c, d, e, intercepted)| Connection {
            client_address: a,
            entry: b,
            user: c,
            tunnel_target: d,
            server_name: e,
            intercepted,
        });
    let receipt = (word(), any::<u64>(), word(), word(), any::<bool>(), 0..9_u64, prop::collection::vec(word(), 0..3))
        .prop_map(|(name, version, digest, verdict, changed, took_ns, changes)| {
            let error = String::new();
            Receipt { name, version, digest, verdict, error, changed, took_ns, changes }
        });
    let told = prop_oneof![
        word().prop_map(tag::Value::Text),
        any::<i32>().prop_map(|number| tag::Value::Number(f64::from(number) / 8.0)),
        any::<bool>().prop_map(tag::Value::Flag)
    ];
    let tag = ("[a-z]{1,9}\\.[a-z]{1,9}", told).prop_map(|(name, value)| Tag { name, value: Some(value) });
    let ends = (0_u64..4_000_000_000_000_000, 0_u64..100_000_000_000, 0_u64..100_000_000_000, 0_i32..8, word());
    // boxed: what a test thread has of a stack is not much for all of it
    let (asked, answered) = (|| request().boxed(), || response().boxed());
    let messages = (asked(), prop::option::of(asked()), prop::option::of(answered()), prop::option::of(answered()));
    let intervention = (any::<bool>(), word(), word(), prop::collection::vec(word(), 0..3), 0..9_u64, any::<bool>());
    let intervention = intervention.prop_map(|(at_response, decision, by, changed, waited_us, failed)| Intervention {
        at_response,
        decision,
        by,
        changed,
        waited_us,
        failed,
    });
    let rest = (
        prop::option::of(connection),
        prop::collection::vec(receipt, 0..3),
        prop::collection::vec(tag, 0..3),
        prop::collection::vec(intervention.boxed(), 0..3),
    )
        .boxed();
    let address = prop_oneof![Just("198.51.100.4:443"), Just("[2001:db8::1]:80"), Just("")];
    (ends, messages, rest, address).prop_map(
        |((started_us, duration_us, first_byte_us, outcome, error), messages, rest, address)| {
            let (connection, filters, tags, interventions) = rest;
            Exchange {
                id: vec![1; 16].into(),
                started_us,
                duration_us,
                first_byte_us,
                connection,
                request: Some(messages.0),
                filtered_request: messages.1,
                response: messages.2,
                original_response: messages.3,
                upstream_address: address.to_owned(),
                filters,
                outcome,
                error,
                tags,
                interventions,
                ..Exchange::default()
            }
        },
    )
}
