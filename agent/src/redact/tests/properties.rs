//! What holds of any bytes, any document and any cut.

use proptest::prelude::*;

use super::*;

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
            all.body(&kind, body, is_cut);
            all.body(&Kind::default(), body, is_cut);
            for coding in CODINGS {
                all.body(&coded(coding), body, is_cut);
            }
            all.event(body, is_cut);
        }
        // forms have their parts withheld
        let all = Rules::new(&RedactConfig { form: vec![], ..all.config.clone() }).unwrap();
        let parts = Kind::of(&HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static("multipart/x; boundary=a"))]));
        let part = [b"--a\n\n", &bytes[..], b"\n--a\n\n", text.as_bytes()].concat();
        for body in [&bytes[..], text.as_bytes(), &part, &frame(1, &bytes), &frame(0, text.as_bytes())] {
            for kind in [&parts, &call("gzip", "application/grpc"), &coding("identity").or_as(&coding("br"))] {
                all.body(kind, body, is_cut);
            }
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
