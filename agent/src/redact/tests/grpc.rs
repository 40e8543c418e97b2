//! Bodies of gRPC and gRPC-Web: messages one by one, and trailers.

use super::*;

#[test]
fn messages_of_grpc_are_looked_into_each_by_itself() {
    let rules = Rules::new(&RedactConfig {
        json: vec!["/password".parse().unwrap()],
        patterns: vec!["sk_[a-z]{8}".parse().unwrap()],
        ..RedactConfig::default()
    })
    .unwrap();
    let gzip = |text: &[u8]| codings("gzip").redo(text).unwrap();
    let body = |first: &[u8], second: &[u8]| {
        [frame(0, first), frame(1, &gzip(second)), frame(0x80, b"grpc-status: 0\r\n")].concat()
    };
    let kind = call("gzip", "application/grpc-web+proto");
    let secret = body(b"\x0a\x0bsk_abcdefgh", b"\x0a\x0bsk_abcdefgh");
    assert_eq!(
        rules.body(&kind, &secret, false),
        Redacted::Other(body(b"\x0a\x0b[redacted]", b"\x0a\x0b[redacted]"), false)
    );
    assert_eq!(rules.body(&kind, &body(b"a", b"b"), false), Redacted::Same);
    let json = call("gzip", "application/grpc+json");
    let hidden = body(br#"{"password":"[redacted]"}"#, br#"{"password":"[redacted]"}"#);
    assert_eq!(
        rules.body(&json, &body(br#"{"password":1}"#, br#"{"password":2}"#), false),
        Redacted::Other(hidden, false)
    );
    assert_eq!(rules.body(&json, &frame(0, b"<no json>"), false), Redacted::Withheld);
    // what nobody here can decompress, and what says that it is compressed where its head does not
    for coding in ["snappy", "identity"] {
        assert_eq!(rules.body(&call(coding, "application/grpc"), &secret, false), Redacted::Withheld, "{coding}");
    }
    assert_eq!(rules.body(&kind, &[frame(0, b"a"), b"other".to_vec()].concat(), false), Redacted::Withheld);
    let other = rules.body(&call("gzip", "application/grpc"), b"<p>sk_abcdefgh", false);
    assert_eq!(other, Redacted::Other(b"<p>[redacted]".to_vec(), false));
    // a message that was captured in part still misses what it missed
    let cut = &frame(0, &[b"sk_abcdefgh ", &b"x".repeat(2000)[..]].concat())[..1500];
    let Redacted::Other(recorded, true) = rules.body(&kind, cut, true) else { panic!("it was cut") };
    let length = u32::from_be_bytes(recorded[1..5].try_into().unwrap()) as usize;
    assert_eq!(length - (recorded.len() - 5), 2012 - 1495);
    assert!(recorded[5..].starts_with(b"[redacted] xxx"));
}

/// Each grows a thousandfold, and no head tells of any.
#[test]
fn of_all_messages_in_a_body_only_so_much_is_decoded() {
    let rules = patterns(&["sk_[a-z]{8}"]);
    let kind = call("identity", "application/grpc");
    let text = |bytes: usize| [b"sk_abcdefgh ".to_vec(), vec![b'a'; bytes]].concat();
    let gzip = |text: &[u8]| codings("gzip").redo(text).unwrap();
    let frames = |recorded: &[u8]| {
        let (mut rest, mut said) = (recorded, Vec::new());
        while let Some(calls::Next::Frame(frame)) = calls::next(&mut rest) {
            said.push(codings("gzip").undo(Bytes::copy_from_slice(frame.payload), 1 << 24).unwrap().bytes);
        }
        said
    };
    let body = frame(0, &gzip(&text(300_000))).repeat(64);
    let Redacted::Other(recorded, true) = rules.body(&kind, &body, false) else { panic!("it was cut") };
    let said = frames(&recorded);
    assert_eq!((said.len(), &said[0][..12]), (4, &b"[redacted] a"[..]));
    let decoded = said.iter().map(Vec::len).sum::<usize>();
    assert!((900_000..=MOST_DECODED).contains(&decoded), "{decoded}");
    // what says little costs something too
    let Redacted::Other(recorded, true) = rules.body(&kind, &frame(0, &gzip(b"a")).repeat(9000), false) else {
        panic!("it was cut")
    };
    assert_eq!(frames(&recorded).len(), MOST_DECODED / 256);
    let some = frame(0, &gzip(&text(1000))).repeat(64);
    let Redacted::Other(recorded, false) = rules.body(&kind, &some, false) else { panic!("it is all there") };
    assert_eq!(frames(&recorded).len(), 64);
    // a person sees what may be edited, or nothing
    assert!(matches!(rules.body_kept(&mut Kept::default(), &kind, &body, false), Redacted::Other(_, true)));
    // messages that pass one by one
    let (decodable, bomb) = (Decodable::default(), gzip(&text(900_000)));
    let kind = Kind::message(false, false);
    let recorded: Vec<_> = (0..9).map(|_| rules.message(&decodable, &kind, &bomb, false)).collect();
    assert!(matches!(recorded[0], Redacted::Other(_, false)), "{:?}", recorded[0]);
    let cut = recorded[1..].iter().filter(|one| matches!(one, Redacted::Other(_, true))).count();
    assert_eq!(cut, 8);
    let decoded: usize = recorded
        .iter()
        .map(|one| match one {
            Redacted::Other(said, _) => codings("gzip").undo(said.clone().into(), 1 << 24).unwrap().bytes.len(),
            _ => 0,
        })
        .sum();
    assert!(decoded <= MOST_DECODED + 9 * 128 * bomb.len(), "{decoded}");
}

#[test]
fn trailers_in_a_body_are_fields() {
    let headers = vec![HeaderName::from_static("x-token")];
    let rules = rules(RedactConfig { headers: headers.clone(), ..RedactConfig::default() });
    let body = |token: &str| {
        let trailers = format!("grpc-status: 0\r\nx-token: {token}\r\n");
        [frame(0, b"x-token: s"), frame(0x80, trailers.as_bytes())].concat()
    };
    let hidden = Redacted::Other(body("[redacted]"), false);
    assert_eq!(rules.body(&call("identity", "application/grpc-web+proto"), &body("s"), false), hidden);
    // of any other body there is no rule here
    for kind in ["application/grpc", "text/plain"] {
        assert_eq!(rules.body(&call("snappy", kind), &body("s"), false), Redacted::Same, "{kind}");
    }
    let gzip = |text: &[u8]| codings("gzip").redo(text).unwrap();
    let web = call("gzip", "application/grpc-web");
    let Redacted::Other(recorded, false) = rules.body(&web, &frame(0x81, &gzip(b"x-token: s")), false) else {
        panic!("there is something to hide")
    };
    assert_eq!(recorded, frame(0x81, &gzip(b"x-token: [redacted]")));
    let unknown = call("snappy", "application/grpc-web");
    assert_eq!(rules.body(&unknown, &frame(0x81, b"?"), false), Redacted::Withheld);
    assert_eq!(rules.body(&unknown, &frame(1, b"?"), false), Redacted::Same);
    // what is no trailers is looked into all the same
    let all = Rules::new(&RedactConfig {
        headers,
        json: vec!["/password".parse().unwrap()],
        patterns: vec!["sk_[a-z]{8}".parse().unwrap()],
        ..RedactConfig::default()
    })
    .unwrap();
    for (said, expect) in [
        (&br#"{"password":1}"#[..], &br#"{"password":"[redacted]"}"#[..]),
        (b"x-token: s\r\na: sk_abcdefgh", b"x-token: [redacted]\r\na: [redacted]"),
    ] {
        assert_eq!(all.body(&web, &frame(0x80, said), false), Redacted::Other(frame(0x80, expect), false));
    }
    let message = all.message(&Decodable::default(), &Kind::message(false, true), b"x-token: s", false);
    assert_eq!(message, Redacted::Other(b"x-token: [redacted]".to_vec(), false));
}
