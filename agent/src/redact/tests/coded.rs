//! Bodies with a Content-Encoding, told or not.

use super::*;

/// What is recorded of a body with this coding, decoded; and whether it was cut.
fn decoded(rules: &Rules, coding: &'static str, captured: &[u8], is_cut: bool) -> Option<(String, bool)> {
    let (recorded, was_cut) = match rules.body(&coded(coding), captured, is_cut) {
        Redacted::Same => (captured.to_vec(), is_cut),
        Redacted::Other(recorded, was_cut) => (recorded, was_cut),
        Redacted::Withheld => return None,
    };
    let undone = codings(coding).undo(recorded.into(), 1 << 24).unwrap();
    Some((String::from_utf8(undone.bytes).unwrap(), was_cut))
}

#[test]
fn a_coded_body_is_looked_into_and_coded_again() {
    let rules = json(&["/password"]);
    let secret = format!(r#"{{"password":"TOPSECRET","x":"{}"}}"#, "some text, ".repeat(3000));
    let innocent = secret.replace("password", "name");
    for coding in CODINGS {
        let coded_body = codings(coding).redo(secret.as_bytes()).unwrap();
        let hidden = secret.replace("TOPSECRET", "[redacted]");
        assert_eq!(decoded(&rules, coding, &coded_body, false), Some((hidden.clone(), false)), "{coding}");
        let as_it_is = codings(coding).redo(innocent.as_bytes()).unwrap();
        assert_eq!(rules.body(&coded(coding), &as_it_is, false), Redacted::Same, "{coding}");
        // captured in part: as much as can be read
        for cut in [coded_body.len() / 2, coded_body.len() - 1] {
            let (text, was_cut) = decoded(&rules, coding, &coded_body[..cut], true).unwrap();
            assert!(was_cut && hidden.starts_with(&text), "{coding} {cut} {text}");
        }
        // not what it says it is
        assert_eq!(decoded(&rules, coding, b"\x07this is something else", false), None, "{coding}");
    }
    assert_eq!(decoded(&rules, "compress", b"{}", false), None);
}

#[test]
fn what_a_coding_hides_is_found_wherever_it_stands() {
    let rules = patterns(&["sk_[a-z]{8}"]);
    // a second line of the field, and the text of a frame of its own
    let lines = HeaderMap::from_iter([
        (header::CONTENT_ENCODING, HeaderValue::from_static("identity")),
        (header::CONTENT_ENCODING, HeaderValue::from_static("gzip")),
    ]);
    let gzip = codings("gzip").redo(b"a sk_abcdefgh b").unwrap();
    assert!(matches!(rules.body(&Kind::of(&lines), &gzip, false), Redacted::Other(..)));
    let mut named = codings("gzip").redo(b"nothing").unwrap();
    named[3] |= 8;
    named.splice(10..10, *b"sk_abcdefgh\0");
    let Redacted::Other(recorded, false) = rules.body(&coded("gzip"), &named, false) else { panic!("it has a name") };
    assert_eq!(codings("gzip").undo(recorded.into(), 99).unwrap().bytes, b"nothing");
    // and what a text is coded as
    assert_eq!(patterns(&["sk-[a-z]{4}"]).body(&coded("deflate"), b"sk-abcdcd\0\0*", false), Redacted::Withheld);
    // what grows beyond measure is looked into as far as anybody would record it
    let bomb = codings("gzip, gzip").redo(&vec![b'a'; 32 << 20]).unwrap();
    let (text, was_cut) = decoded(&rules, "gzip, gzip", &bomb, false).unwrap();
    assert!(was_cut && text.len() <= MOST_DECODED && text.starts_with("aaa"), "{}", text.len());
}

/// Whoever takes the coding from a head may leave it on the body; and some never tell of it.
#[test]
fn a_body_is_looked_into_as_what_it_is_whatever_its_head_says() {
    let rules = patterns(&["sk_[a-z]{8}"]);
    let text = format!("{} sk_abcdefgh {}", "before ".repeat(99), "behind ".repeat(99));
    let hidden = text.replace("sk_abcdefgh", "[redacted]");
    let undone = |names, redacted| match redacted {
        Redacted::Other(bytes, _) => {
            String::from_utf8(codings(names).undo(bytes.into(), 1 << 20).unwrap().bytes).unwrap()
        }
        other => format!("{other:?}"),
    };
    for names in CODINGS {
        let (coded_body, dropped) =
            (codings(names).redo(text.as_bytes()).unwrap(), coding("identity").or_as(&coding(names)));
        assert_eq!(undone(names, rules.body(&dropped, &coded_body, false)), hidden, "{names}");
        let cut = undone(names, rules.body(&dropped, &coded_body[..coded_body.len() - 1], true));
        assert!(hidden.starts_with(&cut) && !cut.contains("sk_"), "{names} {cut}");
        // what did it may have undone the coding
        let plain = rules.body(&dropped, text.as_bytes(), false);
        assert_eq!(plain, Redacted::Other(hidden.clone().into_bytes(), false), "{names}");
        let innocent = codings(names).redo(b"nothing").unwrap();
        assert_eq!(rules.body(&dropped, &innocent, false), Redacted::Same, "{names}");
        assert_eq!(rules.body(&dropped, b"nothing", false), Redacted::Same, "{names}");
    }
    // what nobody here can undo may still be there
    assert_eq!(rules.body(&coding("identity").or_as(&coding("other")), text.as_bytes(), false), Redacted::Withheld);
    for names in ["gzip", "zstd", "br, gzip"] {
        let coded_body = codings(names).redo(text.as_bytes()).unwrap();
        let told = Kind::default().or_as(&coding(names));
        assert_eq!(undone(names, rules.body(&told, &coded_body, false)), hidden, "{names}");
    }
    for names in ["gzip", "zstd", "gzip, zstd, gzip"] {
        let coded_body = codings(names).redo(text.as_bytes()).unwrap();
        assert_eq!(undone(names, rules.body(&Kind::default(), &coded_body, false)), hidden, "{names}");
    }
    // once more than a head tells of, and more often than anybody means
    let twice = codings("gzip, gzip").redo(text.as_bytes()).unwrap();
    assert_eq!(undone("gzip, gzip", rules.body(&coding("gzip"), &twice, false)), hidden);
    let often = (0..6).fold(text.into_bytes(), |body, _| codings("gzip").redo(&body).unwrap());
    assert_eq!(rules.body(&Kind::default(), &often, false), Redacted::Withheld);
    assert_eq!(rules.body(&Kind::default(), b"\x1f\x8b\x08 is no gzip", false), Redacted::Withheld);
}
