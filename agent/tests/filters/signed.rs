//! Statements of an orchestrator: which become active, and what refuses the others. Each refusal names its phase, and
//! what ran before goes on.

use std::sync::Arc;

use weir_artifact::{Envelope, PublisherKey, Statement};

use crate::{
    agent::{Agent, assert_active},
    guest::Guest,
    support::{component, endorsement, group, name, now_s, publication, removal},
};

#[tokio::test]
async fn a_signed_publication_becomes_active_and_the_same_again_changes_nothing() {
    let (mut agent, envelope) = Agent::with_version_5().await;
    let before = agent.shared.active.find(&name("block")).unwrap();
    assert_active(&agent.apply([envelope]).await, 5);
    assert!(Arc::ptr_eq(&before, &agent.shared.active.find(&name("block")).unwrap()));
    assert_eq!((agent.orchestrator.fetched(), agent.applier.revision()), (1, 2));
    let (next, _) = agent.publication("block", 6);
    let next = agent.signed(next);
    assert_active(&agent.apply([next]).await, 6);
    assert_eq!(agent.running().unwrap().0, 6);
}

#[tokio::test]
async fn unsigned() {
    let (mut agent, _) = Agent::with_version_5().await;
    let (next, _) = agent.publication("block", 6);
    let envelope = Envelope { signature: Vec::new(), ..agent.signed(next) };
    agent.refuses(envelope, "signature", "not signed").await;
}

#[tokio::test]
async fn signed_by_another_key() {
    let (mut agent, _) = Agent::with_version_5().await;
    let (next, _) = agent.publication("block", 6);
    let envelope = PublisherKey::generate().sign(&Statement::Publish(Box::new(next)));
    let outcome = agent.refuses(envelope, "signature", "not trusted here").await;
    assert_eq!(outcome.version, 6);
}

#[tokio::test]
async fn signed_by_another_key_under_the_trusted_name() {
    let (mut agent, _) = Agent::with_version_5().await;
    let (next, _) = agent.publication("block", 6);
    let forged = PublisherKey::generate().sign(&Statement::Publish(Box::new(next)));
    let envelope = Envelope { key_id: agent.key.public().id(), ..forged };
    agent.refuses(envelope, "signature", "does not fit").await;
}

#[tokio::test]
async fn tampered_after_signing() {
    let (mut agent, _) = Agent::with_version_5().await;
    for (from, to) in
        [("closed", "open"), ("\"priority\":0", "\"priority\":9"), ("\"config\":\"{}\"", "\"config\":\"[]\"")]
    {
        let (next, _) = agent.publication("block", 6);
        let mut envelope = agent.signed(next);
        let text = String::from_utf8(envelope.statement).unwrap();
        assert!(text.contains(from), "{text}");
        envelope.statement = text.replace(from, to).into_bytes();
        agent.refuses(envelope, "signature", "was altered").await;
    }
}

#[tokio::test]
async fn replayed() {
    let (mut agent, old) = Agent::with_version_5().await;
    let (mut next, _) = agent.publication("block", 5);
    next.rollback = true;
    next.sequence += 10;
    next.priority = 7;
    let next = agent.signed(next);
    assert_active(&agent.apply([next]).await, 5);
    agent.refuses(old, "sequence", "a replay").await;
    assert_eq!(agent.shared.active.find(&name("block")).unwrap().publication().priority, 7);
}

#[tokio::test]
async fn an_older_version_without_a_rollback() {
    let (mut agent, _) = Agent::with_version_5().await;
    let (mut older, _) = agent.publication("block", 4);
    older.sequence += 100;
    let envelope = agent.signed(older);
    agent.refuses(envelope, "sequence", "no rollback").await;
}

#[tokio::test]
async fn a_signed_rollback_is_no_step_back_that_nobody_signed() {
    let (mut agent, _) = Agent::with_version_5().await;
    let (mut older, _) = agent.publication("block", 4);
    older.sequence += 100;
    older.rollback = true;
    let envelope = agent.signed(older);
    assert_active(&agent.apply([envelope]).await, 4);
    // and the mark stays at the highest version ever: 5 without more is still a step back
    let (mut again, _) = agent.publication("block", 5);
    again.sequence += 200;
    let envelope = agent.signed(again);
    let applied = agent.apply([envelope]).await;
    assert_eq!((applied.filters[0].phase.as_str(), agent.running().unwrap().0), ("sequence", 4));
}

#[tokio::test]
async fn expired() {
    let (mut agent, _) = Agent::with_version_5().await;
    let (mut next, _) = agent.publication("block", 6);
    next.expires = now_s() - 1;
    let envelope = agent.signed(next);
    agent.refuses(envelope, "sequence", "expired").await;
}

#[tokio::test]
async fn for_another_group() {
    let (mut agent, _) = Agent::with_version_5().await;
    let (mut next, _) = agent.publication("block", 6);
    next.group = group("edge");
    let envelope = agent.signed(next);
    agent.refuses(envelope, "sequence", "this agent is in `default`").await;
}

#[tokio::test]
async fn from_the_future() {
    let (mut agent, _) = Agent::with_version_5().await;
    let (mut next, _) = agent.publication("block", 6);
    next.sequence += 48 * 3600 * 1000;
    let envelope = agent.signed(next);
    agent.refuses(envelope, "sequence", "from the future").await;
}

#[tokio::test]
async fn a_truncated_component() {
    let (mut agent, _) = Agent::with_version_5().await;
    let (next, component) = agent.publication("block", 6);
    for keep in [0, 1000, component.len() - 1] {
        agent.orchestrator.pretend(next.digest, &component[..keep], component.len() as u64);
        let envelope = agent.signed(next.clone());
        agent.refuses(envelope, "fetch", "stopped after").await;
    }
    // and when it is whole at last, the same statement is acted on
    agent.orchestrator.put(&component);
    let envelope = agent.signed(next);
    assert_active(&agent.apply([envelope]).await, 6);
}

#[tokio::test]
async fn an_oversized_component() {
    let (mut agent, _) = Agent::with_version_5().await;
    let (next, component) = agent.publication("block", 6);
    let grown = [component.as_slice(), &[0; 5000]].concat();
    for total in [component.len(), grown.len()] {
        agent.orchestrator.pretend(next.digest, &grown, total as u64);
        let envelope = agent.signed(next.clone());
        agent.refuses(envelope, "fetch", "or more, the statement says").await;
    }
}

#[tokio::test]
async fn other_bytes_of_the_same_size() {
    let (mut agent, _) = Agent::with_version_5().await;
    let (next, mut component) = agent.publication("block", 6);
    *component.last_mut().unwrap() ^= 1;
    agent.orchestrator.pretend(next.digest, &component, component.len() as u64);
    let envelope = agent.signed(next);
    agent.refuses(envelope, "fetch", "sends other bytes").await;
}

#[tokio::test]
async fn a_component_that_the_orchestrator_does_not_have() {
    let (mut agent, _) = Agent::with_version_5().await;
    let envelope = agent.signed(publication("block", 6, &component("nobody has this")));
    agent.refuses(envelope, "fetch", "no such component").await;
}

#[tokio::test]
async fn bytes_that_are_no_filter() {
    let (mut agent, _) = Agent::with_version_5().await;
    let trapping = Guest { start: "unreachable".to_owned(), ..Guest::default() };
    let bad: [(&[u8], &str, &str); 4] = [
        (b"not wasm at all", "parse", "not WebAssembly"),
        (b"\0asm\x01\0\0\0", "parse", "core module"),
        (b"\0asm\x0d\0\x01\0", "world", "does not export"),
        (&trapping.component(), "instantiate", ""),
    ];
    for (version, (component, phase, reason)) in (6..).zip(bad) {
        agent.orchestrator.put(component);
        let envelope = agent.signed(publication("block", version, component));
        agent.refuses(envelope, phase, reason).await;
    }
}

#[tokio::test]
async fn a_match_that_cannot_be_asked_of_a_request() {
    let (mut agent, _) = Agent::with_version_5().await;
    for query in ["status:200", "host:("] {
        let (mut next, _) = agent.publication("block", 6);
        next.matching = query.to_owned();
        let envelope = agent.signed(next);
        agent.refuses(envelope, "match", "").await;
    }
}

#[tokio::test]
async fn one_refused_statement_holds_up_no_other() {
    let (mut agent, five) = Agent::with_version_5().await;
    let (bad, _) = agent.publication("block", 4);
    let (other, _) = agent.publication("headers", 1);
    let bad = Envelope { signature: Vec::new(), ..agent.signed(bad) };
    let other = agent.signed(other);
    let applied = agent.apply([bad, other, five]).await;
    let active: Vec<_> = applied.filters.iter().map(|outcome| (outcome.name.as_str(), outcome.active)).collect();
    assert_eq!(active, [("block", false), ("headers", true), ("block", true)]);
    assert_eq!(agent.shared.active.load().chain.filters().len(), 2);
}

#[tokio::test]
async fn what_a_state_leaves_out_goes_on() {
    let (mut agent, _) = Agent::with_version_5().await;
    assert!(agent.apply([]).await.filters.is_empty());
    assert_eq!(agent.running().unwrap().0, 5);
}

#[tokio::test]
async fn removal_is_signed_and_final() {
    let (mut agent, old) = Agent::with_version_5().await;
    let statement = removal("block", now_s() * 1000 + 500);
    let forged = PublisherKey::generate().sign(&statement);
    agent.refuses(forged, "signature", "not trusted").await;

    let signed = agent.key.sign(&statement);
    let applied = agent.apply([signed.clone()]).await;
    let outcome = &applied.filters[0];
    assert_eq!((outcome.name.as_str(), outcome.active, outcome.reason.as_str()), ("block", false, ""));
    assert!(agent.running().is_none() && agent.shared.active.load().chain.filters().is_empty());

    // what was removed does not come back by itself, not even over a restart
    assert!(agent.restart().await && agent.running().is_none());
    assert!(agent.apply([old.clone(), signed]).await.filters.is_empty(), "it was said before");
    assert_eq!(agent.apply([old]).await.filters[0].phase, "sequence");
    assert!(agent.running().is_none());
}

#[tokio::test]
async fn a_key_is_trusted_when_a_trusted_key_vouches_for_it() {
    let (mut agent, _) = Agent::with_version_5().await;
    let other = PublisherKey::generate();
    let (next, _) = agent.publication("block", 6);
    let envelope = other.sign(&Statement::Publish(Box::new(next)));
    let own_word = other.sign(&endorsement(&other, now_s() + 60));
    agent.apply([own_word]).await;
    agent.refuses(envelope.clone(), "signature", "not trusted").await;

    let vouched = agent.key.sign(&endorsement(&other, now_s() + 60));
    assert_active(&agent.apply([vouched, envelope]).await, 6);
    // the filter that the new key signed is last good as well
    assert!(agent.restart().await);
    assert_eq!(agent.running().unwrap().0, 6);
}
