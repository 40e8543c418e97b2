//! Credentials that begin, are spent or end at one do so at all.

use rcgen::KeyPair;
use serde_json::json;

use super::beside;
use crate::{
    graphql::socket::Socket,
    harness::{Person, Running, eventually, join},
    lapse,
    sse::Stream,
};

#[tokio::test]
async fn a_join_token_is_good_for_one_agent_wherever_it_is_spent() {
    let one = Running::start().await;
    let two = beside(&one).await;
    for _ in 0..10 {
        let ticket = one.person.join_token("default").await;
        let (key, other) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let (here, there) = tokio::join!(join(one.grpc, &ticket, &key), join(two.grpc, &ticket, &other));
        assert!(here.is_ok() != there.is_ok(), "{here:?} {there:?}");
    }
    assert_eq!(two.person.get("/api/v1/agents").await["items"].as_array().unwrap().len(), 10);
}

/// One that was started before the tables had ids of join tokens goes on beside those that were started after.
#[tokio::test]
async fn join_tokens_that_an_earlier_version_makes_beside_are_listed_and_revoked() {
    let running = Running::start().await;
    let person = &running.person;
    person.join_token("default").await;
    // As it writes them.
    let insert = "INSERT INTO tokens (hash, kind, grp, created_us, expires_us) \
                  VALUES ('\\x01', 'join', 'edge', 1000000, 4000000000000000)";
    running.dir.sql(insert).await;
    let theirs = async || {
        let listed = person.get("/api/v1/join-tokens").await;
        let items = listed["items"].as_array().unwrap();
        assert_eq!(items.len(), 2, "{listed}");
        items.iter().find(|item| item["group"] == "edge").unwrap().clone()
    };
    let made = theirs().await;
    assert_eq!((&made["state"], &made["created_by"]), (&json!("open"), &json!(null)));
    let id: uuid::Uuid = made["id"].as_str().unwrap().parse().unwrap();
    assert_eq!((id.get_version_num(), id.get_variant()), (7, uuid::Variant::RFC4122), "of its time");
    let revoked = person.request(reqwest::Method::DELETE, &format!("/api/v1/join-tokens/{id}")).send().await.unwrap();
    assert_eq!(revoked.status().as_u16(), 204);
    // An earlier version asks when it expires, and nothing else.
    let revoked = theirs().await;
    assert_eq!((&revoked["state"], &revoked["expires"]), (&json!("revoked"), &revoked["revoked"]));
}

#[tokio::test]
async fn a_new_admin_token_counts_at_all() {
    let one = Running::start().await;
    let two = beside(&one).await;
    two.person.get("/api/v1/agents").await;
    let fresh = |args| weir_orchestrator::ServeArgs { new_token: true, ..args };
    let three = Running::start_in(one.dir.beside(&["ca.key", "ca.pem"]), fresh).await;
    let old = || async { two.person.ask("/api/v1/agents").await.0.as_u16() };
    eventually(old, |status| *status == 401).await;
    let person = Person { token: three.person.token.clone(), ..two.person.clone() };
    person.get("/api/v1/agents").await;
}

#[tokio::test]
async fn an_agent_that_is_revoked_at_one_is_let_go_by_the_other() {
    let one = Running::start().await;
    let two = beside(&one).await;
    let agent = two.agent().await;
    let mut control = agent.sync().await.unwrap();
    control.state().await.unwrap();
    let revoke = one.person.request(reqwest::Method::DELETE, &format!("/api/v1/agents/{}", agent.id));
    assert_eq!(revoke.send().await.unwrap().status(), 204);
    assert!(control.end().await.message().contains("revoked"));
}

/// A token that is revoked at one, and an admin token that another takes the place of, end what they asked for at the other.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_under_way_at_one_ends_with_a_credential_that_ends_at_the_other() {
    let one = Running::start().await;
    let two = beside(&one).await;
    lapse::record_much(&one).await;
    let (person, token) = lapse::somebody(&two.person, "viewer", 3600).await;
    let mut stream = Stream::open(&person, "/api/v1/exchanges/stream").await;
    let mut socket = Socket::ready(&person).await;
    let export = lapse::Begun::of(&person, "/api/v1/exchanges/export").await;
    lapse::revoke(&one.person, &token).await;
    let told = stream.told().await;
    assert_eq!((&*told.event, &told.data["reason"]), ("end", &json!("unauthorized")));
    assert_eq!(socket.closed().await, 4403);
    export.breaks_off().await;

    let mut stream = Stream::open(&two.person, "/api/v1/exchanges/stream").await;
    let export = lapse::Begun::of(&two.person, "/api/v1/exchanges/export").await;
    let dir = one.stop().await;
    let _one = Running::start_in(dir, |args| weir_orchestrator::ServeArgs { new_token: true, ..args }).await;
    let told = stream.told().await;
    assert_eq!((&*told.event, &told.data["reason"]), ("end", &json!("unauthorized")));
    export.breaks_off().await;
}
