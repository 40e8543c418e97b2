use weir_sdk::{
    Content, MessageAction, Origin, ServerEvent,
    testing::{Exchange, Failures, Golden, Tested, schema},
};

use crate::MessageGuard;

const CONFIG: &str = r#"{
    "rules": [
        {"regex": "card=[0-9]{4}", "then": "replace", "replacement": "card=?"},
        {"literal": "(ping)", "ignore_case": true, "from": "client", "then": "drop"},
        {"literal": "card=?5", "then": "close", "code": 4001, "reason": "no cards"},
        {"literal": "sécret", "from": "upstream", "then": "close"}
    ],
    "max_bytes": 20
}"#;

fn one(origin: Origin, content: Content) -> MessageAction {
    let guard = Tested::<MessageGuard>::new(CONFIG).unwrap();
    let mut actions = guard.converse(Exchange::get("http://example.com/"), [(origin, content)]).unwrap();
    assert_eq!(guard.live_states(), 0);
    actions.remove(0)
}

fn text(text: &str) -> Content {
    Content::Text(text.to_owned())
}

fn close(code: u16, reason: &str) -> MessageAction {
    MessageAction::Close { code, reason: reason.to_owned() }
}

#[test]
fn matches_are_replaced_wherever_they_are_said() {
    for origin in [Origin::Client, Origin::Upstream] {
        assert_eq!(one(origin, text("hello")), MessageAction::Pass);
        let replaced = MessageAction::Replace(text("card=?, card=?"));
        assert_eq!(one(origin, text("card=1234, card=0000")), replaced);
        let binary = Content::Binary(b"\xffcard=1234\xfe".to_vec());
        assert_eq!(one(origin, binary), MessageAction::Replace(Content::Binary(b"\xffcard=?\xfe".to_vec())));
    }
    let event = |data: &str| {
        Content::Event(ServerEvent { id: Some("7".into()), data: data.to_owned(), ..ServerEvent::default() })
    };
    assert_eq!(one(Origin::Upstream, event("card=1234")), MessageAction::Replace(event("card=?")));
}

#[test]
fn rules_look_at_what_those_before_them_left_and_at_their_side_alone() {
    assert_eq!(one(Origin::Client, text("a (PING)")), MessageAction::Drop);
    assert_eq!(one(Origin::Upstream, text("a (PING)")), MessageAction::Pass);
    assert_eq!(one(Origin::Client, text("ping")), MessageAction::Pass, "a literal is no expression");
    assert_eq!(one(Origin::Client, text("card=12345")), close(4001, "no cards"));
    assert_eq!(one(Origin::Upstream, text("a sécret")), close(1008, ""));
    assert_eq!(one(Origin::Client, text(&"x".repeat(21))), close(1009, "the message is too long"));
}

#[test]
fn faults_are_named_with_their_places() {
    let faults = r#"{"rules": [
        {"then": "drop"}, {"literal": "", "then": "drop"}, {"regex": "(", "then": "drop"}, {"regex": "a*", "then": "drop"},
        {"literal": "a", "then": "close", "code": 1005}
    ]}"#;
    let problems = Tested::<MessageGuard>::new(faults).err().unwrap();
    let pointers: Vec<&str> = problems.iter().map(|problem| problem.pointer.as_str()).collect();
    assert_eq!(pointers, ["/rules/0", "/rules/1/literal", "/rules/2/regex", "/rules/3/regex", "/rules/4/code"]);
    assert!(Tested::<MessageGuard>::new("{}").is_err(), "nothing to do");
}

#[test]
fn the_schema_knows_every_key() {
    schema::<MessageGuard>(include_str!("../schema.json")).unwrap();
}

#[test]
fn golden_cases() -> Result<(), Failures> {
    Golden::<MessageGuard>::new().messages().run(concat!(env!("CARGO_MANIFEST_DIR"), "/cases"))
}
