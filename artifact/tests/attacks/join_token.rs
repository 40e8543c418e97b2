//! The line that a person copies: whole or refused.

use weir_artifact::{JoinToken, PublisherKey};

fn token() -> JoinToken {
    JoinToken {
        token: "one-time".to_owned(),
        ca: vec![0x30, 0x82, 1, 2, 3],
        group: "edge".parse().unwrap(),
        publishers: vec![PublisherKey::generate().public(), PublisherKey::generate().public()],
    }
}

#[test]
fn round_trips_as_one_line_of_harmless_characters() {
    let text = token().to_text();
    assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)), "{text}");
    let token = token();
    assert_eq!(JoinToken::from_text(&format!("  {}\n", token.to_text())).unwrap(), token);
}

#[test]
fn every_cut_and_every_altered_character_is_noticed() {
    let text = token().to_text();
    for end in 0..text.len() {
        assert!(JoinToken::from_text(&text[..end]).is_err(), "cut at {end}");
        assert!(JoinToken::from_text(&text[end + 1..]).is_err(), "cut before {end}");
        for other in ["A", "b", "7", "-", "."] {
            if &text[end..=end] != other {
                let altered = format!("{}{other}{}", &text[..end], &text[end + 1..]);
                assert!(JoinToken::from_text(&altered).is_err(), "{end} -> {other}");
            }
        }
    }
}

#[test]
fn says_what_is_wrong() {
    let fault = |text: &str| JoinToken::from_text(text).unwrap_err().to_string();
    assert_eq!(fault("abc"), "not a join token: it does not begin with weir-join-1.");
    assert!(fault(&"a".repeat(33 << 10)).contains("more than 32768"));
    let text = token().to_text();
    assert!(fault(&text[..60]).contains("cut or altered"));
}

#[test]
fn the_secret_part_is_not_shown() {
    assert!(!format!("{:?}", token()).contains("one-time"));
}
