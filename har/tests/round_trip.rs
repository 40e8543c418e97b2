//! Exchanges written as an archive and read again are the same, but for their ids and the agent.
#![cfg(test)]

mod exchanges;

use exchanges::exchange;
use proptest::prelude::*;
use serde_json::Value;
use weir_har::{Recorder, begin, end, entry, entry_with, read};
use weir_proto::v1::{Exchange, Field, Message, MessageKind, Request, Response};

const RECORDER: Recorder<'_> = Recorder { id: "0199aa3c-7b1e-7c3a-9f00-0123456789ab", name: "edge-1" };

fn archive(exchanges: &[Exchange]) -> String {
    let entries: Vec<String> = exchanges.iter().map(|exchange| entry(exchange, RECORDER).to_string()).collect();
    format!("{}{}{}", begin("0.1.0"), entries.join(","), end())
}

fn imported(text: &str) -> Vec<Exchange> {
    let mut found = Vec::new();
    read(text.as_bytes(), |one| {
        assert_eq!(one.index, found.len());
        found.push(one.exchange);
        true
    })
    .unwrap();
    found
}

/// Without what is another's after an import.
fn without_ids(text: &str) -> Value {
    let mut value: Value = serde_json::from_str(text).unwrap();
    for entry in value["log"]["entries"].as_array_mut().unwrap() {
        let extra = entry["_weir"].as_object_mut().unwrap();
        extra.remove("id");
        extra["agent"].as_object_mut().unwrap().remove("id");
    }
    value
}

/// What agents may record of a message that an archive has a place for.
fn message() -> impl Strategy<Value = Message> {
    let text = "[ -~é\n]{0,30}".prop_map(String::into_bytes);
    let data = prop_oneof![text, prop::collection::vec(any::<u8>(), 0..30)];
    let missing = prop_oneof![Just(0), 1_u64..5000];
    (data, missing, any::<bool>(), any::<[bool; 2]>(), 0_u64..4_000_000_000_000_000).prop_map(
        |(data, missing, from_client, [is_text, compressed], at_us)| {
            let (size, kind) =
                (data.len() as u64 + missing, if is_text { MessageKind::Text } else { MessageKind::Binary });
            Message { data: data.into(), size, kind: kind.into(), from_client, compressed, at_us, ..Message::default() }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn export_import_export_is_equal_up_to_ids(exchanges in prop::collection::vec(exchange(), 1..4)) {
        let first = archive(&exchanges);
        let found = imported(&first);
        prop_assert_eq!(found.len(), exchanges.len());
        prop_assert_eq!(without_ids(&archive(&found)), without_ids(&first));
        for (again, exchange) in found.iter().zip(&exchanges) {
            prop_assert_eq!(&again.interventions, &exchange.interventions);
            let digest = |one: &Exchange| {
                let body = one.response.as_ref().and_then(|response| response.body.clone());
                body.map(|body| body.digest).filter(|digest| !digest.is_empty())
            };
            prop_assert_eq!(digest(again), digest(exchange));
        }
        // The same file gives the same ids.
        prop_assert_eq!(imported(&first), found);
    }

    #[test]
    fn messages_of_websockets_are_the_same_again(messages in prop::collection::vec(message(), 0..6)) {
        let upgrade = Field { name: "Upgrade".into(), value: "websocket".into() };
        let socket = Exchange {
            request: Some(Request { method: "GET".into(), ..Request::default() }),
            response: Some(Response { status: 101, headers: vec![upgrade], ..Response::default() }),
            ..Exchange::default()
        };
        let archive = |exchange: &Exchange, messages: &[Message]| {
            format!("{}{}{}", begin("0.1.0"), entry_with(exchange, RECORDER, messages), end())
        };
        let first = archive(&socket, &messages);
        let mut found = Vec::new();
        let (_, left_out) = read(first.as_bytes(), |one| {
            found.push((one.exchange, one.messages));
            true
        })
        .unwrap();
        let [(exchange, again)] = &found[..] else { panic!("{}", found.len()) };
        prop_assert_eq!(left_out.messages, 0);
        prop_assert_eq!(again.len(), messages.len());
        for (number, (one, other)) in (1..).zip(again.iter().zip(&messages)) {
            let expect = Message { exchange: exchange.id.clone(), number, ..other.clone() };
            prop_assert_eq!(one, &expect);
        }
        prop_assert_eq!(without_ids(&archive(exchange, again)), without_ids(&first));
    }

    #[test]
    fn an_entry_is_as_long_as_its_parts(exchange in exchange()) {
        let entry = entry(&exchange, RECORDER);
        let millis = |of: &Value| of.as_f64().filter(|millis| *millis >= 0.0).unwrap_or(0.0);
        let timings = &entry["timings"];
        let sum: f64 = ["blocked", "dns", "connect", "send", "wait", "receive"].iter().map(|part| millis(&timings[part])).sum();
        prop_assert!((sum - millis(&entry["time"])).abs() < 0.002, "{}", entry);
    }

    #[test]
    fn bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&bytes[..], |_| true);
        let mut text = br#"{"log":{"entries":["#.to_vec();
        text.extend(bytes);
        let _ = read(&text[..], |_| true);
    }
}
