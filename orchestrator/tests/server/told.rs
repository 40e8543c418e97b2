//! A change and its entry in the audit trail are there together or not at all: where the trail takes no entry, as if the orchestrator
//! ended between the two, nothing is changed.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use weir_proto::v1::{Message, TrafficBatch};

use crate::{
    component::filter,
    configurations::configuration,
    harness::{Home, Person, Publisher, Running, exchange, id, publication},
};

/// No entry comes into the trail any more.
async fn close_trail(home: &Home) {
    let text = if crate::on_postgres() {
        "CREATE FUNCTION trail_is_full() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'full'; END $$; \
         CREATE TRIGGER full_trail BEFORE INSERT ON audit FOR EACH ROW EXECUTE FUNCTION trail_is_full()"
    } else {
        "CREATE TRIGGER full_trail BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'full'); END"
    };
    home.sql(text).await;
}

async fn open_trail(home: &Home) {
    home.sql(if crate::on_postgres() { "DROP TRIGGER full_trail ON audit" } else { "DROP TRIGGER full_trail" }).await;
}

/// What there is, but for what is of the moment.
async fn state(person: &Person) -> Vec<Value> {
    let mut all = Vec::new();
    let paths = ["tokens", "join-tokens", "users", "agents", "filters", "configurations", "breakpoints", "retention"];
    for path in paths.into_iter().chain(["exchanges", "messages", "audit"]) {
        let mut answer = person.get(&format!("/api/v1/{path}")).await;
        if let Some(object) = answer.as_object_mut() {
            object.remove("held");
        }
        all.push(answer);
    }
    all
}

/// A change, and how it is answered when it is done.
struct Change(Method, String, Value, u16);

async fn changes(running: &Running) -> Vec<Change> {
    let person = &running.person;
    let agent = running.agent().await;
    let exchanges: Vec<_> = (0..3).map(|n| exchange("a.example", &format!("/{n}"), 200)).collect();
    let [one, two, _] = [0, 1, 2].map(|n| format!("exchanges/{}", id(&exchanges[n])));
    let message = |of: usize| Message {
        exchange: exchanges[of].id.clone(),
        number: 1,
        data: b"said"[..].into(),
        size: 4,
        ..Message::default()
    };
    let messages = vec![message(1), message(2)];
    let mut traffic = agent.traffic().await.unwrap();
    let batch = TrafficBatch { batch: 1, exchanges: exchanges.clone(), messages, ..TrafficBatch::default() };
    traffic.send.send(batch).await.unwrap();
    assert_eq!(traffic.acks.message().await.unwrap().unwrap().batch, 1);
    let (_, made) = person.post("/api/v1/tokens", &json!({"name": "old", "role": "viewer"})).await;
    let token = format!("tokens/{}", made["id"].as_str().unwrap());
    let (_, made) = person.post("/api/v1/join-tokens", &json!({})).await;
    let join_token = format!("join-tokens/{}", made["id"].as_str().unwrap());
    let user = |name: &str| json!({"name": name, "role": "viewer", "password": "korrekt horse bättery"});
    person.post("/api/v1/users", &user("bert")).await;
    let publisher = Publisher::new(person);
    let statement = weir_artifact::Statement::Publish(Box::new(publication(&filter(), 1)));
    let pushed = publisher.body(&publisher.key.sign(&statement), Some(&filter()));
    let settings = weir_artifact::Statement::Configure(configuration(1, "[client]\nheaders = 77\n"));
    let settings = publisher.body(&publisher.key.sign(&settings), None);
    let (_, made) = person.post("/api/v1/breakpoints", &json!({"query": "host:b", "lease_s": 600})).await;
    let breakpoint = format!("breakpoints/{}", made["id"].as_str().unwrap());
    let change = |method, path: &str, body, status| Change(method, format!("/api/v1/{path}"), body, status);
    vec![
        change(Method::POST, "tokens", json!({"name": "ci", "role": "admin"}), 201),
        change(Method::DELETE, &token, json!({}), 204),
        change(Method::POST, "users", user("anna"), 201),
        change(Method::DELETE, "users/bert", json!({}), 204),
        change(Method::POST, "join-tokens", json!({}), 201),
        change(Method::DELETE, &join_token, json!({}), 204),
        change(Method::POST, "filters", pushed, 201),
        change(Method::POST, "configurations", settings, 201),
        change(Method::POST, "breakpoints", json!({"query": "host:c", "lease_s": 600}), 201),
        change(Method::POST, &format!("{breakpoint}/renew"), json!({}), 200),
        change(Method::DELETE, &breakpoint, json!({}), 204),
        change(Method::PUT, "retention", json!({"rules": [{"action": "keep", "query": "host:b"}]}), 200),
        change(Method::PATCH, &one, json!({"note": "seen"}), 200),
        change(Method::DELETE, &two, json!({}), 204),
        change(Method::DELETE, "exchanges?query=path:/2", json!({}), 200),
        change(Method::DELETE, &format!("agents/{}", agent.id), json!({}), 204),
    ]
}

#[tokio::test]
async fn what_cannot_be_told_is_not_done() {
    let running = Running::start().await;
    let person = &running.person;
    let changes = changes(&running).await;
    let ask = async |Change(method, path, body, _): &Change| {
        person.request(method.clone(), path).json(body).send().await.unwrap().status()
    };
    let before = state(person).await;
    close_trail(&running.dir).await;
    for change in &changes {
        let status = ask(change).await;
        assert!(status.is_server_error(), "{} {}: {status}", change.0, change.1);
        assert_eq!(state(person).await, before, "{} {}", change.0, change.1);
    }
    open_trail(&running.dir).await;
    for change in &changes {
        let entries = async || person.get("/api/v1/audit?limit=500").await["items"].as_array().unwrap().clone();
        let before = entries().await.len();
        assert_eq!(ask(change).await, StatusCode::from_u16(change.3).unwrap(), "{} {}", change.0, change.1);
        let entries = entries().await;
        let object = entries[0]["object"].as_str().unwrap();
        assert!(entries.len() == before + 1 && object.starts_with(&change.1), "{object}");
        assert_eq!((&entries[0]["status"], &entries[0]["actor"]), (&json!(change.3), &json!("admin")));
    }
}

/// A deletion of many is one entry, however many transactions it takes.
#[tokio::test]
async fn what_takes_several_transactions_is_told_once() {
    let running = Running::start().await;
    let person = &running.person;
    running.agent().await.record((0..1200).map(|n| exchange("a.example", &format!("/{n}"), 200)).collect()).await;
    let answer = person.request(Method::DELETE, "/api/v1/exchanges?query=host:a.example").send().await.unwrap();
    assert_eq!(answer.json::<Value>().await.unwrap(), json!({"deleted": 1200, "unread": 0, "next": null}));
    let trail = person.get("/api/v1/audit").await;
    let actions =
        trail["items"].as_array().unwrap().iter().filter(|entry| entry["action"] == "DELETE /api/v1/exchanges");
    assert_eq!(actions.count(), 1, "{trail}");
}
