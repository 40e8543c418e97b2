use weir_sdk::{
    Decision, Entry, Tunnel,
    testing::{Failures, Golden, Tested, schema},
};

use crate::TunnelGuard;

const CONFIG: &str = r#"{
    "allow": ["*.example", "10.0.0.1"], "deny": ["bad.example"], "pass_through": ["bank.example"],
    "intercept": ["seen.example"], "redirect": {"old.example:443": "new.example:8443"}
}"#;

fn tunnel(target: &str) -> Tunnel {
    let client_address = "192.0.2.7:51034".to_owned();
    Tunnel { entry: Entry::Connect, client_address, user: None, target: target.to_owned() }
}

fn check(target: &str, expect: Decision) {
    assert_eq!(Tested::<TunnelGuard>::new(CONFIG).unwrap().connect(&tunnel(target)), expect, "{target}");
}

fn denied(host: &str, list: &str) -> Decision {
    Decision::Deny(format!("{host} is {list}"))
}

#[test]
fn targets_meet_the_lists_in_every_spelling() {
    let (on_deny, off_allow) = ("on the list of what is denied", "not on the list of what is allowed");
    check("a.example:443", Decision::Next);
    check("167772161:22", Decision::Next);
    check("BAD.example.:443", denied("bad.example", on_deny));
    check("a.test:443", denied("a.test", off_allow));
    check("[::1]:443", denied("::1", off_allow));
    check("Bank.Example:443", Decision::PassThrough);
    check("seen.example:443", Decision::Intercept);
    check("OLD.example:443", Decision::Redirect("new.example:8443".to_owned()));
    check("old.example:80", Decision::Next);
}

#[test]
fn golden_cases() -> Result<(), Failures> {
    Golden::<TunnelGuard>::new().tunnels().run(concat!(env!("CARGO_MANIFEST_DIR"), "/cases"))
}

#[test]
fn the_schema_knows_every_key() {
    schema::<TunnelGuard>(include_str!("../schema.json")).unwrap();
}
