//! What a signed statement may say. Signed nonsense is refused too: a publisher's own faulty tool is no excuse.

use crate::publisher::*;
use serde_json::{Value, json};
use weir_artifact::{MAX_COMPONENT_BYTES, PublisherKey, Statement};

fn as_json(statement: &Statement) -> Value {
    serde_json::from_slice(&statement.to_bytes()).unwrap()
}

/// The fault of these bytes, well signed.
fn fault(bytes: impl AsRef<[u8]>) -> String {
    let (keys, envelope) = sign_raw(bytes.as_ref());
    keys.open(&envelope).expect_err("it was taken").to_string()
}

fn altered(statement: &Statement, field: &str, value: Value) -> String {
    let mut json = as_json(statement);
    json[field] = value;
    fault(json.to_string())
}

#[test]
fn the_bytes_are_json_that_reads_back() {
    let key = PublisherKey::generate();
    for statement in [publish(1, 0), rollback(1, 1), remove(2), endorse(&key.public()), configure(1, 3)] {
        assert_eq!(Statement::parse(&statement.to_bytes()).unwrap(), statement);
    }
    assert_eq!(as_json(&publish(1, 0))["kind"], "publish");
    assert_eq!(as_json(&publish(1, 0))["match"], "host:*.example.com");
}

#[test]
fn unknown_fields_are_refused() {
    let key = PublisherKey::generate();
    for statement in [publish(1, 0), remove(0), endorse(&key.public()), configure(1, 0)] {
        assert!(altered(&statement, "sandbox", json!("off")).contains("unknown field `sandbox`"));
    }
    let mut json = as_json(&publish(1, 0));
    json["limits"]["net"] = json!(1);
    assert!(fault(json.to_string()).contains("unknown field `net`"));
    assert!(altered(&publish(1, 0), "grants", json!(["log", "filesystem"])).contains("unknown variant `filesystem`"));
}

#[test]
fn one_kind_is_not_read_as_another() {
    for kind in ["remove", "endorse", "revoke", "Publish", ""] {
        assert!(altered(&publish(1, 0), "kind", json!(kind)).contains("cannot be read"), "{kind}");
    }
    // A removal is all in a publication but for what it says to run.
    assert!(altered(&publish(1, 0), "kind", json!("remove")).contains("unknown field"));
    assert!(altered(&remove(0), "kind", json!("publish")).contains("missing field"));
    let mut json = as_json(&remove(0));
    json.as_object_mut().unwrap().remove("kind");
    assert!(fault(json.to_string()).contains("missing field `kind`"));
}

#[test]
fn a_field_said_twice_is_refused() {
    let text = String::from_utf8(publish(1, 0).to_bytes()).unwrap();
    for (field, again) in [
        ("kind", r#""remove""#),
        ("version", "9"),
        ("group", r#""other""#),
        ("config", r#""{}""#),
        ("rollback", "true"),
        ("grants", "[]"),
        ("limits", "{}"),
        ("match", r#""""#),
    ] {
        for twice in [
            text.replacen('{', &format!(r#"{{"{field}":{again},"#), 1),
            format!(r#"{},"{field}":{again}}}"#, text.strip_suffix('}').unwrap()),
        ] {
            let fault = fault(twice);
            assert!(fault.contains(&format!("duplicate field `{field}`")), "{field}: {fault}");
        }
    }
    let twice = text.replace(r#""cpu_ms":50"#, r#""cpu_ms":50,"cpu_ms":9999"#);
    assert!(fault(twice).contains("duplicate field `cpu_ms`"));
}

#[test]
fn only_one_statement_and_nothing_behind() {
    let bytes = publish(1, 0).to_bytes();
    assert!(fault([&bytes[..], b" {}"].concat()).contains("trailing characters"));
    assert!(fault(&bytes[..bytes.len() - 1]).contains("EOF"));
    assert!(fault([b"\xef\xbb\xbf", &bytes[..]].concat()).contains("cannot be read"));
    assert!(fault(b"").contains("EOF"));
    assert!(fault("[".repeat(100_000)).contains("cannot be read"));
}

#[test]
fn configurations() {
    let configure = configure(1, 0);
    assert!(altered(&configure, "version", json!(0)).contains("version is 0"));
    assert!(altered(&configure, "restores", json!(0)).contains("restores is 0"));
    assert!(altered(&configure, "text", json!("#".repeat(70_000))).contains("configuration has 70000 bytes"));
    assert!(altered(&configure, "text", json!({})).contains("cannot be read"));
    assert!(altered(&configure, "group", json!("a/b")).contains("is not a name"));
}

#[test]
fn oversized() {
    let padded = [publish(1, 0).to_bytes(), vec![b' '; 1 << 20]].concat();
    assert!(fault(padded).contains("more than 1048576"));
    assert!(altered(&publish(1, 0), "size", json!(MAX_COMPONENT_BYTES + 1)).contains("component has 67108865 bytes"));
}

#[test]
fn numbers_that_some_reader_would_get_wrong_are_refused() {
    let beyond = json!(1_u64 << 53);
    for field in ["version", "sequence", "expires"] {
        assert!(altered(&publish(1, 0), field, beyond.clone()).contains(&format!("{field} is 9007199254740992")));
        assert!(altered(&publish(1, 0), field, json!(u64::MAX)).contains(field));
        assert!(altered(&publish(1, 0), field, json!(-1)).contains("cannot be read"));
        assert!(altered(&publish(1, 0), field, json!(1.5)).contains("cannot be read"));
    }
    assert!(altered(&publish(1, 0), "version", json!(0)).contains("version is 0"));
    assert!(altered(&remove(0), "sequence", json!(u64::MAX)).contains("sequence is"));
    assert!(altered(&endorse(&PublisherKey::generate().public()), "expires", beyond).contains("expires is"));
}

#[test]
fn what_a_filter_could_not_run_with() {
    assert!(altered(&publish(1, 0), "config", json!("{")).contains("config is not JSON"));
    assert!(altered(&publish(1, 0), "config", json!({})).contains("cannot be read"));
    assert!(altered(&publish(1, 0), "name", json!("../etc")).contains("`../etc` is not a name"));
    assert!(altered(&publish(1, 0), "group", json!("a/b")).contains("is not a name"));
    assert!(altered(&publish(1, 0), "digest", json!("md5:0")).contains("a digest is"));
    assert!(altered(&publish(1, 0), "on_failure", json!("ignore")).contains("unknown variant `ignore`"));
    assert!(altered(&publish(1, 0), "limits", json!({"cpu_ms": 0})).contains("limits.cpu_ms is 0"));
}
