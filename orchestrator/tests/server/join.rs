//! An agent joins: once per token, with the right server, under a name that it does not choose.

use std::{net::Ipv4Addr, num::NonZeroU32};

use rcgen::KeyPair;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tonic::Code;
use weir_orchestrator::{ServeConfig, Server};
use weir_proto::v1::{FetchRequest, control_client::ControlClient};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::harness::{Agent, Home, JoinTicket, Person, Running, connect, eventually, join, join_from};

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
async fn who_guesses_join_tokens_is_not_looked_at_and_agents_of_other_addresses_join() {
    let dir = Home::new().await;
    let mut config = ServeConfig::load(dir.args()).unwrap();
    config.limits.joins = NonZeroU32::MIN;
    let server = Server::start(config).await.unwrap();
    let (person, grpc) = (Person::new(server.rest, dir.path()), server.grpc);
    let running = Running { server: Some(server), person, grpc, dir };
    let join = async |last: u8, ticket: &JoinTicket| {
        join_from(Ipv4Addr::new(127, 0, 0, last).into(), running.grpc, ticket).await.map(|joined| joined.agent_id)
    };
    // Those who let somebody in do not count.
    for _ in 0..3 {
        join(2, &running.person.join_token("default").await).await.unwrap();
    }
    let ticket = running.person.join_token("default").await;
    let guess = JoinTicket { token: "weir-once-AAAA".to_owned(), ca: ticket.ca.clone() };
    assert_eq!(join(2, &guess).await.unwrap_err().code(), Code::Unauthenticated);
    for ticket in [&guess, &ticket] {
        let refused = join(2, ticket).await.unwrap_err();
        assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
        assert!(refused.message().contains("more than 1 attempts to join from this address"), "{refused}");
        let wait = refused.metadata().get("grpc-retry-pushback-ms").unwrap().to_str().unwrap();
        assert!((1000..=60_000).contains(&wait.parse::<u32>().unwrap()), "{wait}");
    }
    join(3, &ticket).await.unwrap();
    let text = running.person.http.get(format!("{}/metrics", running.person.base)).send().await.unwrap();
    let text = text.text().await.unwrap();
    assert!(text.contains("weir_orchestrator_joins_refused_total 2\n"), "{text}");
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

#[tokio::test]
async fn join_tokens_are_listed_with_what_became_of_them() {
    let running = Running::start().await;
    let person = &running.person;
    let used = person.join_token("edge").await;
    let agent = Agent::join(running.grpc, &used).await.unwrap();
    let (_, expired) = person.post("/api/v1/join-tokens", &json!({ "expires_in_s": 1 })).await;
    let (_, taken_back) = person.post("/api/v1/join-tokens", &json!({})).await;
    let (_, open) = person.post("/api/v1/join-tokens", &json!({})).await;
    let revoke = async |id: &str| {
        person.request(Method::DELETE, &format!("/api/v1/join-tokens/{id}")).send().await.unwrap().status()
    };
    let id = |made: &Value| made["id"].as_str().unwrap().to_owned();
    assert_eq!(revoke(&id(&taken_back)).await, StatusCode::NO_CONTENT);
    assert_eq!(revoke(&id(&taken_back)).await, StatusCode::NO_CONTENT, "once more changes nothing");
    assert_eq!(revoke(&uuid::Uuid::nil().to_string()).await, StatusCode::NOT_FOUND);

    let list = || person.get("/api/v1/join-tokens");
    let listed = eventually(list, |listed| listed["items"][2]["state"] == "expired").await;
    let states: Vec<_> = listed["items"].as_array().unwrap().iter().map(|item| item["state"].clone()).collect();
    assert_eq!(states, ["open", "revoked", "expired", "used"]);
    let ids: Vec<_> = listed["items"].as_array().unwrap().iter().map(id).collect();
    assert_eq!(ids[..3], [id(&open), id(&taken_back), id(&expired)]);
    let last = &listed["items"][3];
    assert_eq!((&last["group"], &last["created_by"]), (&json!("edge"), &json!("admin")));
    assert_eq!((&last["agent"], &last["agent_name"]), (&json!(agent.id), &json!("edge-1")));
    assert!(last["used"].is_string() && last["revoked"].is_null(), "{last}");
    assert_eq!((&listed["items"][1]["revoked_by"], &listed["items"][1]["agent"]), (&json!("admin"), &Value::Null));
    for secret in [&used.token, open["token"].as_str().unwrap()] {
        assert!(!listed.to_string().contains(secret));
    }
    // Page by page, the same.
    let mut pages = Vec::new();
    let mut next = String::new();
    loop {
        let page = person.get(&format!("/api/v1/join-tokens?limit=1{next}")).await;
        pages.extend(page["items"].as_array().unwrap().iter().map(id));
        let Some(cursor) = page["next"].as_str() else { break };
        next = format!("&cursor={cursor}");
    }
    assert_eq!(pages, ids);
    let trail = person.get("/api/v1/audit").await;
    let deed = trail["items"].as_array().unwrap().iter().find(|entry| entry["status"] == 204).unwrap();
    assert_eq!(deed["object"], format!("/api/v1/join-tokens/{}", id(&taken_back)));
}

#[tokio::test]
async fn a_revoked_join_token_lets_nobody_in_and_a_used_one_is_past_that() {
    let running = Running::start().await;
    let (_, made) = running.person.post("/api/v1/join-tokens", &json!({})).await;
    let ca = running.person.join_token("default").await.ca;
    let ticket = JoinTicket { token: made["token"].as_str().unwrap().to_owned(), ca };
    let path = format!("/api/v1/join-tokens/{}", made["id"].as_str().unwrap());
    let revoke = async |path: &str| running.person.request(Method::DELETE, path).send().await.unwrap();
    assert_eq!(revoke(&path).await.status(), StatusCode::NO_CONTENT);
    let refused = Agent::join(running.grpc, &ticket).await.map(drop).unwrap_err();
    assert_eq!(
        (refused.code(), refused.message()),
        (Code::Unauthenticated, "the join token was revoked: make another")
    );

    let agent = running.agent().await;
    let listed = running.person.get("/api/v1/join-tokens").await;
    let used = listed["items"].as_array().unwrap().iter().find(|item| item["state"] == "used").unwrap();
    let answer = revoke(&format!("/api/v1/join-tokens/{}", used["id"].as_str().unwrap())).await;
    assert_eq!(answer.status(), StatusCode::CONFLICT);
    let said: Value = answer.json().await.unwrap();
    assert!(said["detail"].as_str().unwrap().contains(&format!("agent {} has joined with it", agent.id)), "{said}");
}

#[tokio::test]
async fn join_tokens_of_an_earlier_version_can_be_revoked_too() {
    let running = Running::start().await;
    let ticket = running.person.join_token("default").await;
    let second = running.person.join_token("default").await;
    let dir = running.stop().await;
    // As the tables were.
    dir.sql("DROP INDEX tokens_join").await;
    dir.sql("ALTER TABLE tokens DROP COLUMN id").await;
    dir.sql("ALTER TABLE tokens DROP COLUMN created_by").await;
    dir.sql("ALTER TABLE tokens DROP COLUMN revoked_us").await;
    dir.sql("ALTER TABLE tokens DROP COLUMN revoked_by").await;
    dir.sql("DELETE FROM _sqlx_migrations WHERE description = 'join_tokens'").await;
    let running = Running::start_in(dir, |args| args).await;
    let listed = running.person.get("/api/v1/join-tokens").await;
    let items = listed["items"].as_array().unwrap();
    assert_eq!(items.len(), 2, "{listed}");
    for item in items {
        let id: uuid::Uuid = item["id"].as_str().unwrap().parse().unwrap();
        assert_eq!((id.get_version_num(), id.get_variant()), (7, uuid::Variant::RFC4122));
        assert_eq!((&item["state"], &item["created_by"]), (&json!("open"), &Value::Null));
    }
    assert!(items[0]["created"].as_str() >= items[1]["created"].as_str(), "the newest first");
    let first = format!("/api/v1/join-tokens/{}", items[1]["id"].as_str().unwrap());
    let revoked = running.person.request(Method::DELETE, &first).send().await.unwrap();
    assert_eq!(revoked.status(), StatusCode::NO_CONTENT);
    let refused = Agent::join(running.grpc, &ticket).await.map(drop).unwrap_err();
    assert!(refused.message().contains("revoked"), "{refused}");
    Agent::join(running.grpc, &second).await.unwrap();
}
