//! What an earlier run kept: it runs without an orchestrator, after its expiry too, and is verified and hashed again.

use std::fs;

use weir_agent::control::Applier;
use weir_artifact::{FailurePolicy, GroupName};

use crate::{
    agent::{Agent, assert_active},
    support::{name, now_s, shared},
};

#[tokio::test]
async fn a_restarted_agent_runs_what_was_last_good() {
    let (mut agent, old) = Agent::with_version_5().await;
    let (headers, _) = agent.publication("headers", 2);
    let headers = agent.signed(headers);
    agent.apply([headers]).await;
    let before = agent.running();
    assert!(agent.restart().await);
    assert_eq!((agent.running(), agent.applier.revision()), (before, 2));
    assert_eq!(agent.orchestrator.fetched(), 2, "components came from disk");
    // and it still knows what it has left behind
    let (mut six, _) = agent.publication("block", 6);
    six.sequence += 1;
    let six = agent.signed(six);
    assert_active(&agent.apply([six]).await, 6);
    assert_eq!(agent.apply([old]).await.filters[0].phase, "sequence");
}

#[tokio::test]
async fn expiry_does_not_stop_what_is_last_good() {
    let mut agent = Agent::start().await;
    let (mut short, _) = agent.publication("block", 5);
    // it has to be active before it ends, on a slow machine too
    short.expires = now_s() + 10;
    let expires = short.expires;
    let envelope = agent.signed(short);
    assert_active(&agent.apply([envelope.clone()]).await, 5);
    crate::support::eventually("expired", || now_s() > expires).await;
    assert!(agent.restart().await);
    assert_eq!(agent.running().unwrap().0, 5);
    assert_active(&agent.apply([envelope]).await, 5);
}

#[tokio::test]
async fn a_fresh_agent_has_nothing_to_serve_with() {
    let mut agent = Agent::start().await;
    assert!(!agent.restart().await);
    agent.apply([]).await;
    assert!(agent.restart().await, "an empty state is a state");
}

#[tokio::test]
async fn last_good_is_verified_and_hashed_again() {
    let (mut agent, _) = Agent::with_version_5().await;
    let digest = agent.running().unwrap().1;
    let filters = agent.dir.path().join("filters");

    // the component was altered on disk: without the orchestrator it does not run
    let path = filters.join("components").join(format!("{}.wasm", digest.hex()));
    let component = fs::read(&path).unwrap();
    fs::write(&path, [component.as_slice(), b"\0"].concat()).unwrap();
    assert!(!agent.restart().await);
    assert!(agent.running().is_none());
    fs::write(&path, &component).unwrap();
    assert!(agent.restart().await);

    // the kept statement is another's
    let kept = fs::read_to_string(filters.join("last-good.json")).unwrap();
    let key = agent.key.public().id().to_string();
    fs::write(filters.join("last-good.json"), kept.replace(&key, "0123456789abcdef")).unwrap();
    assert!(!agent.restart().await);
    assert!(agent.running().is_none());

    // the file is no longer what an agent writes: going on would forget the marks
    fs::write(filters.join("last-good.json"), "{}").unwrap();
    let shared = shared(agent.dir.path());
    assert!(Applier::open(shared, GroupName::default(), [agent.key.public()], agent.dir.path()).is_err());
}

#[tokio::test]
async fn the_version_before_is_the_fallback_of_last_good_filters() {
    let (mut agent, _) = Agent::with_version_5().await;
    let (mut next, _) = agent.publication("block", 6);
    next.on_failure = FailurePolicy::LastGood;
    let envelope = agent.signed(next);
    assert_active(&agent.apply([envelope]).await, 6);
    let generations = agent.shared.host.generations();
    assert!(generations.contains(&(name("block"), 2)), "{generations:?}");
    // also when the agent has started anew, without the orchestrator
    assert!(agent.restart().await);
    assert_eq!(agent.running().unwrap().0, 6);
    assert_eq!(agent.shared.host.generations(), [(name("block"), 2)]);
    // and not any more when a version without that policy came
    let (seven, _) = agent.publication("block", 7);
    let envelope = agent.signed(seven);
    assert_active(&agent.apply([envelope]).await, 7);
    assert!(agent.restart().await);
    assert_eq!((agent.running().unwrap().0, agent.shared.host.generations()), (7, vec![(name("block"), 1)]));
}

#[tokio::test]
async fn components_that_nothing_needs_are_deleted() {
    let (mut agent, _) = Agent::with_version_5().await;
    for version in 6..9 {
        let (next, _) = agent.publication("block", version);
        let envelope = agent.signed(next);
        assert_active(&agent.apply([envelope]).await, version);
    }
    let left = fs::read_dir(agent.dir.path().join("filters/components")).unwrap().count();
    assert_eq!(left, 1);
    assert_eq!(agent.shared.host.generations(), [(name("block"), 1)]);
}
