//! An agent joins: once per token, with the right server, under a name that it does not choose.

use rcgen::KeyPair;
use serde_json::json;
use tonic::Code;
use weir_proto::v1::{FetchRequest, control_client::ControlClient};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::harness::{Agent, JoinTicket, Running, connect, join};

#[tokio::test]
async fn one_agent_is_shown_as_the_list_has_it() {
    let running = Running::start().await;
    let (one, _other) = (running.agent().await, running.agent().await);
    let shown = running.person.get(&format!("/api/v1/agents/{}", one.id)).await;
    assert_eq!(shown, running.person.get("/api/v1/agents").await["items"][0]);
    let (status, _) = running.person.ask(&format!("/api/v1/agents/{}", uuid::Uuid::nil())).await;
    assert_eq!(status, reqwest::StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_token_lets_one_agent_in() {
    let running = Running::start().await;
    let ticket = running.person.join_token("default").await;
    let agent = Agent::join(running.grpc, &ticket).await.unwrap();
    let again = Agent::join(running.grpc, &ticket).await.map(|agent| agent.id).unwrap_err();
    assert_eq!(
        (again.code(), again.message()),
        (Code::Unauthenticated, "the join token was used before: make another")
    );

    let agents = running.person.get("/api/v1/agents").await;
    assert_eq!(agents["items"].as_array().unwrap().len(), 1);
    assert_eq!(agents["items"][0]["id"], json!(agent.id));
    assert_eq!(agents["items"][0]["state"], "disconnected");
}

#[tokio::test]
async fn whoever_spent_a_token_and_did_not_hear_of_it_is_told_again() {
    let running = Running::start().await;
    let ticket = running.person.join_token("default").await;
    let key = KeyPair::generate().unwrap();
    let first = join(running.grpc, &ticket, &key).await.unwrap();
    let again = join(running.grpc, &ticket, &key).await.unwrap();
    assert_eq!((&again.agent_id, &again.group), (&first.agent_id, &first.group));
    let (_, leaf) = X509Certificate::from_der(&again.certificate_chain[0]).unwrap();
    assert_eq!(leaf.subject().to_string(), format!("CN={}", first.agent_id));
    assert_eq!(leaf.public_key().subject_public_key.data[..], *key.public_key_raw());
    assert_eq!(running.person.get("/api/v1/agents").await["items"].as_array().unwrap().len(), 1);
    // Another key is another's.
    let other = join(running.grpc, &ticket, &KeyPair::generate().unwrap()).await.unwrap_err();
    assert_eq!(other.code(), Code::Unauthenticated);
}

#[tokio::test]
async fn a_made_up_token_lets_nobody_in() {
    let running = Running::start().await;
    let ticket = running.person.join_token("default").await;
    for token in ["", "weir-once-AAAA", &running.person.token] {
        let ticket = JoinTicket { token: token.to_owned(), ca: ticket.ca.clone() };
        let refused = Agent::join(running.grpc, &ticket).await.map(|agent| agent.id).unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated);
    }
}

#[tokio::test]
async fn another_orchestrators_certificate_is_refused() {
    let (ours, theirs) = (Running::start().await, Running::start().await);
    let ticket = ours.person.join_token("default").await;
    // Somebody in the middle answers in our place.
    let refused = Agent::join(theirs.grpc, &ticket).await.map(|agent| agent.id).unwrap_err();
    assert!(refused.message().contains("InvalidCertificate"), "{refused}");
    // The token was never said.
    Agent::join(ours.grpc, &ticket).await.unwrap();
}

#[tokio::test]
async fn the_certificate_says_what_the_orchestrator_decides() {
    let running = Running::start().await;
    let ticket = running.person.join_token("edge").await;
    let joined = join(running.grpc, &ticket, &KeyPair::generate().unwrap()).await.unwrap();
    assert_eq!(joined.group, "edge");
    let (_, leaf) = X509Certificate::from_der(&joined.certificate_chain[0]).unwrap();
    assert_eq!(leaf.subject().to_string(), format!("CN={}", joined.agent_id));
    assert!(leaf.subject_alternative_name().unwrap().is_none(), "the agent asked for a name of ours");
    let usage = leaf.extended_key_usage().unwrap().unwrap().value;
    assert!(usage.client_auth && !usage.server_auth);
    assert!(!leaf.is_ca());
    assert_eq!(joined.certificate_chain[1], ticket.ca);
}

#[tokio::test]
async fn a_request_that_cannot_be_signed_costs_no_token() {
    use weir_proto::v1::{JoinRequest, enrolment_client::EnrolmentClient};
    let running = Running::start().await;
    let ticket = running.person.join_token("default").await;
    for certificate_request in [vec![], b"not DER".to_vec(), vec![0x30; 60_000]] {
        let channel = connect(running.grpc, &ticket.ca, None).await.unwrap();
        let request = JoinRequest {
            token: ticket.token.clone(),
            certificate_request: certificate_request.into(),
            ..JoinRequest::default()
        };
        let refused = EnrolmentClient::new(channel).join(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
    }
    Agent::join(running.grpc, &ticket).await.unwrap();
}

#[tokio::test]
async fn nothing_but_joining_does_without_a_certificate() {
    let running = Running::start().await;
    let ticket = running.person.join_token("default").await;
    let channel = connect(running.grpc, &ticket.ca, None).await.unwrap();
    let stranger = Agent { id: uuid::Uuid::nil(), channel, ..running.agent().await };
    let fetch = FetchRequest { digest: format!("sha256:{}", "0".repeat(64)) };
    let fetched = ControlClient::new(stranger.channel.clone()).fetch(fetch).await.map(drop);
    let mut ends = vec![fetched.unwrap_err()];
    ends.push(stranger.sync().await.map(drop).unwrap_err());
    ends.push(stranger.traffic().await.map(drop).unwrap_err());
    for end in ends {
        assert_eq!(end.code(), Code::Unauthenticated, "{end}");
        assert!(end.message().contains("certificate"), "{end}");
    }
}

#[tokio::test]
async fn an_agent_of_a_lost_database_is_told_to_join_again() {
    let running = Running::start().await;
    let agent = running.agent().await;
    let ca = running.person.join_token("default").await.ca;
    drop(agent);
    let dir = running.stop().await;
    dir.lose_database().await;
    let running = Running::start_in(dir, |args| args).await;
    // The CA is the same, the admin token is new.
    assert_eq!(running.person.join_token("default").await.ca, ca);
    assert_eq!(running.person.get("/api/v1/agents").await["items"], json!([]));
}
