//! Configurations of an orchestrator: which are in force, and what refuses the others. What was in force stays.

use std::{sync::Arc, time::Duration};

use weir_agent::config::Tuning;
use weir_artifact::{Configuration, Envelope, GroupName, PublisherKey, Statement};
use weir_proto::v1::ConfigurationOutcome;

use crate::{
    agent::Agent,
    support::{endorsement, group, now_s},
};

/// Version `version` with this text, to be changed before it is signed.
fn configuration(version: u64, text: &str) -> Configuration {
    Configuration {
        version,
        group: GroupName::default(),
        sequence: now_s() * 1000 + version,
        expires: now_s() + 3600,
        restores: None,
        text: text.to_owned(),
    }
}

fn sign(agent: &Agent, configuration: Configuration) -> Envelope {
    agent.key.sign(&Statement::Configure(configuration))
}

async fn apply(agent: &mut Agent, envelopes: Vec<Envelope>) -> Option<ConfigurationOutcome> {
    let applied = agent.apply(envelopes).await;
    assert!(applied.filters.is_empty(), "{applied:?}");
    applied.configuration
}

fn in_force(agent: &Agent) -> Arc<Tuning> {
    agent.shared.tuning.now()
}

/// An agent with configuration 5, and that as it was signed.
async fn with_5() -> (Agent, Envelope) {
    let mut agent = Agent::start().await;
    let envelope = sign(&agent, configuration(5, "capture.body_bytes = 5\n"));
    let outcome = apply(&mut agent, vec![envelope.clone()]).await.unwrap();
    assert!(outcome.active && outcome.in_force == 5 && outcome.reason.is_empty(), "{outcome:?}");
    assert_eq!(in_force(&agent).capture.body_bytes, 5);
    (agent, envelope)
}

/// Is refused so, and changes nothing.
async fn refuses(agent: &mut Agent, envelope: Envelope, phase: &str, reason: &str) {
    let before = in_force(agent);
    let outcome = apply(agent, vec![envelope]).await.unwrap();
    assert!(!outcome.active && outcome.in_force == 5, "{outcome:?}");
    assert!(outcome.phase == phase && outcome.reason.contains(reason), "{outcome:?}");
    assert!(Arc::ptr_eq(&before, &in_force(agent)));
}

#[tokio::test]
async fn the_newest_takes_the_place_of_the_one_before_as_a_whole() {
    let (mut agent, envelope) = with_5().await;
    assert!(apply(&mut agent, vec![envelope]).await.unwrap().active, "the same again changes nothing");
    let next = sign(&agent, configuration(6, "client.tunnel_idle = \"9s\"\nmetrics.interval = \"1s\"\n"));
    let outcome = apply(&mut agent, vec![next]).await.unwrap();
    assert_eq!((outcome.active, outcome.in_force), (true, 6));
    let tuning = in_force(&agent);
    assert_eq!((tuning.capture.body_bytes, tuning.client.tunnel_idle), (64 << 10, Duration::from_secs(9)));
    assert_eq!(tuning.metrics.interval, Duration::from_secs(1));
    assert!(apply(&mut agent, vec![]).await.is_none(), "a state that says nothing of it changes nothing");
    assert_eq!(in_force(&agent).client.tunnel_idle, Duration::from_secs(9));
}

#[tokio::test]
async fn forged_altered_replayed_expired_or_for_others() {
    let (mut agent, old) = with_5().await;
    let stranger = PublisherKey::generate().sign(&Statement::Configure(configuration(6, "")));
    refuses(&mut agent, stranger.clone(), "signature", "not trusted here").await;
    let renamed = Envelope { key_id: agent.key.public().id(), ..stranger };
    refuses(&mut agent, renamed, "signature", "does not fit").await;
    let mut altered = sign(&agent, configuration(6, "capture.body_bytes = 6\n"));
    altered.statement = String::from_utf8(altered.statement).unwrap().replace("= 6", "= 7").into_bytes();
    refuses(&mut agent, altered, "signature", "was altered").await;
    let unsigned = Envelope { signature: Vec::new(), ..sign(&agent, configuration(6, "")) };
    refuses(&mut agent, unsigned, "signature", "not signed").await;

    let expired = Configuration { expires: now_s(), ..configuration(6, "") };
    let expired = sign(&agent, expired);
    refuses(&mut agent, expired, "sequence", "expired").await;
    let elsewhere = Configuration { group: group("edge"), ..configuration(6, "") };
    let elsewhere = sign(&agent, elsewhere);
    refuses(&mut agent, elsewhere, "sequence", "is for group `edge`").await;
    let again = Configuration { sequence: now_s() * 1000 + 9, ..configuration(5, "") };
    let again = sign(&agent, again);
    refuses(&mut agent, again, "sequence", "version 5 is not above 5").await;

    let next = sign(&agent, configuration(6, "capture.body_bytes = 6\n"));
    assert!(apply(&mut agent, vec![next]).await.unwrap().active);
    let outcome = apply(&mut agent, vec![old]).await.unwrap();
    assert!(outcome.reason.contains("a replay") && outcome.in_force == 6, "{outcome:?}");
    assert_eq!(in_force(&agent).capture.body_bytes, 6);
}

#[tokio::test]
async fn wrong_content_is_told_by_line_and_key() {
    let (mut agent, _) = with_5().await;
    for (text, reason) in [
        ("\ncapture.bodybytes = 6\n", "line 2: capture.bodybytes: there is no such key"),
        ("capture.body_bytes = 9999999\n", "line 1: capture.body_bytes: 9999999 is out of range: 0 to 1MiB"),
        ("[upstream]\nca = \"/etc/theirs.pem\"\n", "line 2: upstream.ca: this is decided where the agent runs"),
        ("trust_keys = [\"theirs.pub\"]\n", "line 1: trust_keys: this is decided where the agent runs"),
        ("client.headers = 20\nlisten = \"0.0.0.0:1\"\n", "line 2: listen"),
        ("workers = 3\n", "line 1: workers: agents read this when they start"),
        ("= 3", "line 1: "),
    ] {
        let wrong = sign(&agent, configuration(6, text));
        refuses(&mut agent, wrong, "content", reason).await;
    }
    let right = sign(&agent, configuration(6, "capture.body_bytes = 6\n"));
    assert!(apply(&mut agent, vec![right]).await.unwrap().active, "what was refused has moved no mark");
}

#[tokio::test]
async fn who_signs_for_another_hides_nothing() {
    let (mut agent, _) = with_5().await;
    let stranger = PublisherKey::generate();
    let noise = stranger.sign(&Statement::Configure(configuration(90, "capture.body_bytes = 90\n")));
    let ours = sign(&agent, configuration(6, "capture.body_bytes = 6\n"));
    let outcome = apply(&mut agent, vec![ours, noise]).await.unwrap();
    assert_eq!((outcome.active, outcome.version, in_force(&agent).capture.body_bytes), (true, 6, 6));
    // and once it is endorsed, it counts
    let vouched = agent.key.sign(&endorsement(&stranger, now_s() + 60));
    let theirs = stranger.sign(&Statement::Configure(configuration(91, "capture.body_bytes = 91\n")));
    let applied = agent.apply(vec![vouched, theirs]).await;
    assert!(applied.configuration.unwrap().active);
    assert_eq!(in_force(&agent).capture.body_bytes, 91);
}

#[tokio::test]
async fn the_last_good_one_is_in_force_after_a_restart_and_its_mark_too() {
    let (mut agent, old) = with_5().await;
    let next = sign(&agent, configuration(6, "capture.body_bytes = 6\n"));
    assert!(apply(&mut agent, vec![next]).await.unwrap().active);
    let wrong = sign(&agent, configuration(7, "x = 1\n"));
    assert!(!apply(&mut agent, vec![wrong]).await.unwrap().active);
    assert!(agent.restart().await);
    assert_eq!(in_force(&agent).capture.body_bytes, 6);
    let outcome = apply(&mut agent, vec![old]).await.unwrap();
    assert!(outcome.reason.contains("a replay") && outcome.in_force == 6, "{outcome:?}");
}
