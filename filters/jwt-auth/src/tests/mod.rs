use proptest::prelude::*;
use serde_json::Value;
use weir_sdk::{
    Problems,
    testing::{Exchange, Failures, Tested, Verdict, golden, schema},
};

use crate::{JwtAuth, keys::Keys, token::Invalid};

#[test]
fn golden_cases() -> Result<(), Failures> {
    golden::<JwtAuth>(concat!(env!("CARGO_MANIFEST_DIR"), "/cases"))
}

#[test]
fn the_schema_knows_every_key() -> Result<(), String> {
    schema::<JwtAuth>(include_str!("../../schema.json"))
}

/// A key set and a token of each of its keys, made with another library (Python's cryptography).
fn given() -> Value {
    serde_json::from_str(include_str!("tokens.json")).unwrap()
}

fn keys(jwks: &Value) -> Keys {
    let mut problems = Problems::new();
    let keys = Keys::new(jwks, &mut problems);
    problems.or(keys).unwrap()
}

/// The example of RFC 7515 appendix A.3.
#[test]
fn a_token_of_the_rfc_opens() {
    let key = serde_json::json!({"keys": [{
        "kty": "EC",
        "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        "d": null
    }]});
    let token = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    assert_eq!(keys(&key).open(token).unwrap()["iss"], "joe");
}

#[test]
fn no_algorithm_but_the_keys_own_is_followed() {
    let given = given();
    let all = keys(&given["jwks"]);
    for (name, token) in given["tokens"].as_object().unwrap() {
        let (_, rest) = token.as_str().unwrap().split_once('.').unwrap();
        for algorithm in ["none", "None", "HS256", "RS256", "ES256", "EdDSA", "RS512", "PS256", ""] {
            use base64::Engine as _;
            let header = serde_json::json!({"alg": algorithm}).to_string();
            let header = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(header);
            assert!(all.open(&format!("{header}.{rest}")).is_err(), "{name} as {algorithm}");
        }
    }
}

#[test]
fn one_bit_less_is_no_token() {
    let given = given();
    let all = keys(&given["jwks"]);
    for token in given["tokens"].as_object().unwrap().values() {
        let token = token.as_str().unwrap();
        all.open(token).unwrap();
        let signature = token.rfind('.').unwrap() + 1;
        for at in [0, 20, token.find('.').unwrap() + 5, signature, signature + 20] {
            let mut bytes = token.as_bytes().to_vec();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            assert!(all.open(std::str::from_utf8(&bytes).unwrap()).is_err());
        }
        assert_eq!(all.open(&token[..signature]).unwrap_err(), Invalid::Signature);
    }
}

#[test]
fn a_second_authorization_refuses_a_good_token() {
    let given = given();
    let config = serde_json::json!({"jwks": given["jwks"], "forward": true}).to_string();
    let filter = Tested::<JwtAuth>::new(&config).unwrap();
    let good = format!("Bearer {}", given["tokens"]["ES256"].as_str().unwrap());
    let exchange = Exchange::get("http://a.example/").header("authorization", &good);
    assert_eq!(filter.run(exchange.clone()).verdict, Verdict::Pass);
    let outcome = filter.run(exchange.header("authorization", "Basic YTpi"));
    assert_eq!(outcome.received.unwrap().start.0, 400);
}

proptest! {
    #[test]
    fn nothing_but_a_token_opens(text in "[A-Za-z0-9_.-]{0,80}|[ -~]{0,40}", cookie in "[ -~]{0,40}", query in "[!-~]{0,40}") {
        let config = serde_json::json!({"jwks": given()["jwks"], "cookie": "t", "query": "t"}).to_string();
        let filter = Tested::<JwtAuth>::new(&config).unwrap();
        let url = format!("http://a.example/?t={}", query.replace('#', ""));
        for exchange in [
            Exchange::get("http://a.example/").header("authorization", &format!("Bearer x{}", text.trim())),
            Exchange::get("http://a.example/").header("cookie", &format!("t={}x", cookie)),
            Exchange::get(&url),
        ] {
            prop_assert_eq!(filter.run(exchange).verdict, Verdict::Respond);
        }
    }

    /// Keys come from an issuer: no text panics.
    #[test]
    fn a_key_is_read_or_refused(kty in "RSA|EC|OKP|oct|", a in "[A-Za-z0-9_=-]{0,50}", b in "[A-Za-z0-9_-]{0,8}") {
        let mut problems = Problems::new();
        let crv = if kty == "EC" { "P-256" } else { "Ed25519" };
        let jwk = serde_json::json!({"kty": kty, "crv": crv, "x": a, "y": a, "n": a.repeat(8), "e": b, "k": a});
        Keys::new(&serde_json::json!({"keys": [jwk, b, null]}), &mut problems);
    }
}

mod fetched {
    use weir_sdk::{CallOutcome, CallResponse, UpstreamError};

    use super::*;
    use crate::{
        config::Remote,
        fetched::{Fetched, Had},
    };

    fn fetched() -> Fetched {
        let remote = Remote { upstream: "id".into(), path: "/keys".into(), refresh_s: 300, stale_s: 1000 };
        let mut problems = Problems::new();
        let fetched = Fetched::new(&remote, &mut problems);
        problems.or(fetched).unwrap()
    }

    fn answer(status: u16, body: String) -> CallOutcome {
        CallOutcome::Response(CallResponse { status, headers: Vec::new(), body: body.into_bytes() })
    }

    /// What the exchanges do that come at a time, in seconds.
    fn told(fetched: &Fetched, key: Option<&str>, seconds: f64, has_asked: bool) -> &'static str {
        match fetched.keys_for(key, seconds * 1000.0, has_asked) {
            Had::Keys(_) => "keys",
            Had::Ask => {
                fetched.question(seconds * 1000.0);
                "ask"
            }
            Had::Nothing => "nothing",
        }
    }

    #[test]
    fn each_asks_until_there_is_a_set_and_then_one() {
        let fetched = fetched();
        let set = answer(200, given()["jwks"].to_string());
        assert_eq!([told(&fetched, None, 0.0, false), told(&fetched, None, 0.0, false)], ["ask"; 2]);
        fetched.heard(Some(&set), 100.0);
        assert_eq!(told(&fetched, None, 0.1, true), "keys");
        assert_eq!(told(&fetched, Some("e1"), 299.0, false), "keys");
        // due: one waits, the others go by the old
        assert_eq!(
            [told(&fetched, Some("e1"), 301.0, false), told(&fetched, Some("e1"), 301.0, false)],
            ["ask", "keys"]
        );
        // it failed: not again for a while, and the old set is good for a while
        fetched.heard(Some(&CallOutcome::Failed(UpstreamError::Timeout)), 301_500.0);
        assert_eq!([told(&fetched, None, 302.0, false), told(&fetched, None, 311.5, false)], ["keys", "ask"]);
        fetched.heard(Some(&answer(500, String::new())), 312_000.0);
        assert_eq!(told(&fetched, None, 1000.0, false), "ask");
        assert_eq!(told(&fetched, None, 1000.2, true), "nothing", "too old");
    }

    #[test]
    fn a_key_that_the_set_lacks_makes_one_ask_every_ten_seconds() {
        let fetched = fetched();
        assert_eq!(told(&fetched, None, 0.0, false), "ask");
        let set = r#"{"keys": [{"kty": "EC", "kid": "e1", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}"#;
        fetched.heard(Some(&answer(200, set.to_owned())), 0.0);
        assert_eq!(told(&fetched, Some("e1"), 20.0, false), "keys");
        let asks =
            (0..400).filter(|n| told(&fetched, Some(&n.to_string()), 20.0 + f64::from(*n) / 10.0, false) == "ask");
        assert_eq!(asks.count(), 4);
    }

    #[test]
    fn where_there_is_no_set_a_failure_makes_all_pause_and_few_ask_at_once() {
        let fetched = fetched();
        let asked = (0..100).filter(|_| told(&fetched, None, 0.0, false) == "ask").count();
        assert_eq!(asked, 64);
        for _ in 0..asked {
            fetched.heard(Some(&CallOutcome::Failed(UpstreamError::Refused)), 100.0);
        }
        assert_eq!([told(&fetched, None, 1.0, false), told(&fetched, None, 1.2, false)], ["nothing", "ask"]);
    }

    #[test]
    fn who_leaves_before_the_answer_keeps_nobody_from_asking() {
        let fetched = fetched();
        for _ in 0..1000 {
            assert_eq!(told(&fetched, None, 0.0, false), "ask");
            fetched.given_up();
        }
        assert_eq!(told(&fetched, None, 0.0, false), "ask");
        fetched.heard(Some(&answer(200, given()["jwks"].to_string())), 0.0);
        assert_eq!([told(&fetched, None, 301.0, false), told(&fetched, None, 301.0, false)], ["ask", "keys"]);
        fetched.given_up();
        assert_eq!(told(&fetched, None, 301.0, false), "ask", "the next one asks");
    }

    proptest! {
        #[test]
        fn no_answer_panics(status in 100u16..600, body in ".{0,60}|\\{\"keys\": \\[.{0,30}\\]\\}") {
            let fetched = fetched();
            fetched.heard(Some(&answer(status, body)), 0.0);
            prop_assert_eq!(told(&fetched, None, 0.5, true), "nothing");
        }
    }
}
