//! Several publishers of one filter, trusted and not; and when an agent may serve clients.

use std::fs;

use weir_artifact::{FailurePolicy, PublisherKey, Statement};
use weir_proto::v1::Applied;

use crate::{
    agent::{Agent, assert_active},
    support::{endorsement, name, now_s, removal},
};

/// Version, whether active, phase: of each outcome.
fn outcomes(applied: &Applied) -> Vec<(u64, bool, &str)> {
    applied.filters.iter().map(|outcome| (outcome.version, outcome.active, outcome.phase.as_str())).collect()
}

#[tokio::test]
async fn an_untrusted_statement_hides_no_trusted_one() {
    let mut agent = Agent::start().await;
    let (five, _) = agent.publication("block", 5);
    let (six, _) = agent.publication("block", 6);
    let five = agent.signed(five);
    let stranger = PublisherKey::generate();
    let six = stranger.sign(&Statement::Publish(Box::new(six)));
    let gone = stranger.sign(&removal("block", now_s() * 1000 + 900));
    let applied = agent.apply([five, six, gone]).await;
    assert_eq!(outcomes(&applied), [(5, true, ""), (6, false, "signature"), (0, false, "signature")]);
    assert_eq!(agent.running().unwrap().0, 5);
    assert!(agent.applier.is_whole());
}

#[tokio::test]
async fn an_untrusted_statement_alone_holds_nobody_up() {
    let mut agent = Agent::start().await;
    let (mut block, _) = agent.publication("block", 1);
    block.expires = now_s() - 1;
    let block = PublisherKey::generate().sign(&Statement::Publish(Box::new(block)));
    assert_eq!(outcomes(&agent.apply([block]).await), [(1, false, "signature")]);
    assert!(agent.applier.is_whole());
}

#[tokio::test]
async fn without_a_filter_whose_statement_expired_no_client_is_served() {
    for (policy, may_serve) in
        [(FailurePolicy::Closed, false), (FailurePolicy::LastGood, false), (FailurePolicy::Open, true)]
    {
        let mut agent = Agent::start().await;
        let (mut block, _) = agent.publication("block", 1);
        block.on_failure = policy;
        let mut anew = block.clone();
        block.expires = now_s() - 1;
        let expired = agent.signed(block);
        assert_eq!(outcomes(&agent.apply([expired.clone()]).await), [(1, false, "sequence")]);
        assert_eq!(agent.applier.is_whole(), may_serve, "{policy:?}");
        // signed anew, it is as it should be
        anew.sequence += 1;
        let anew = agent.signed(anew);
        assert_active(&agent.apply([anew]).await, 1);
        assert!(agent.applier.is_whole());
        // and to an agent that runs it the old statement is nothing
        agent.apply([expired]).await;
        assert!(agent.applier.is_whole() && agent.running().is_some());
    }
}

#[tokio::test]
async fn what_is_for_others_or_left_behind_holds_nobody_up() {
    let mut agent = Agent::start().await;
    let (mut block, _) = agent.publication("block", 1);
    let ours = agent.signed(block.clone());
    block.group = crate::support::group("edge");
    let elsewhere = agent.signed(block);
    agent.apply([elsewhere]).await;
    assert!(agent.applier.is_whole());
    let gone = agent.key.sign(&removal("block", now_s() * 1000 + 900));
    agent.apply([gone]).await;
    assert_eq!(outcomes(&agent.apply([ours]).await), [(1, false, "sequence")]);
    assert!(agent.applier.is_whole(), "it was removed");
}

#[tokio::test]
async fn of_two_trusted_publishers_the_newest_word_counts() {
    let mut agent = Agent::start().await;
    let other = PublisherKey::generate();
    let vouched = agent.key.sign(&endorsement(&other, now_s() + 60));
    let (five, _) = agent.publication("block", 5);
    let (six, _) = agent.publication("block", 6);
    let five = agent.signed(five);
    let six = other.sign(&Statement::Publish(Box::new(six)));
    // though the key is vouched for after it was used
    let applied = agent.apply([five.clone(), six.clone(), vouched.clone()]).await;
    assert_active(&applied, 6);
    assert_eq!(agent.orchestrator.fetched(), 1, "version 5 is never loaded");
    let gone = agent.key.sign(&removal("block", now_s() * 1000 + 900));
    assert_eq!(outcomes(&agent.apply([six.clone(), vouched.clone(), gone.clone()]).await), [(0, false, "")]);
    // said once: what was removed long ago is no news
    assert!(agent.apply([six, vouched, gone]).await.filters.is_empty());
    assert!(agent.running().is_none() && agent.applier.is_whole());
}

#[tokio::test]
async fn what_runs_is_kept_as_soon_as_the_disk_lets_it() {
    let mut agent = Agent::start().await;
    let in_the_way = agent.dir.path().join("filters/last-good.json");
    fs::create_dir(&in_the_way).unwrap();
    let (block, _) = agent.publication("block", 5);
    let block = agent.signed(block);
    assert_active(&agent.apply([block.clone()]).await, 5);
    assert!(!agent.applier.is_kept());
    fs::remove_dir(&in_the_way).unwrap();
    // the same revision once more
    agent.revision -= 1;
    assert_active(&agent.apply([block]).await, 5);
    assert!(agent.applier.is_kept() && agent.restart().await);
    assert_eq!(agent.running().unwrap().0, 5);
}

#[tokio::test]
async fn a_restarted_agent_may_lack_what_is_open_and_nothing_else() {
    for (policy, may_serve) in [(FailurePolicy::Closed, false), (FailurePolicy::Open, true)] {
        let mut agent = Agent::start().await;
        let (mut block, _) = agent.publication("block", 5);
        block.on_failure = policy;
        let block = agent.signed(block);
        assert_active(&agent.apply([block.clone()]).await, 5);
        fs::remove_dir_all(agent.dir.path().join("filters/components")).unwrap();
        assert_eq!(agent.restart().await, may_serve, "{policy:?}");
        assert!(agent.running().is_none());
        // an orchestrator that does not mention it changes nothing in that
        agent.apply([]).await;
        assert_eq!(agent.applier.is_whole(), may_serve, "{policy:?}");
        assert_active(&agent.apply([block]).await, 5);
        assert!(agent.applier.is_whole() && agent.shared.active.find(&name("block")).is_some());
    }
}
