//! Messages in, messages out: before and after their exchange, and of nobody else's.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;
use weir_proto::v1::{Exchange, Field, Message, MessageFate, MessageKind, TrafficBatch};

use crate::harness::{Agent, Running, exchange, id};

fn message(of: &Exchange, number: u64, text: &str) -> Message {
    let (data, size) = (text.as_bytes().to_vec().into(), text.len() as u64);
    let from_client = number % 2 == 1;
    Message { exchange: of.id.clone(), number, at_us: 1_000_000, data, size, from_client, ..Message::default() }
}

async fn tell(agent: &Agent, exchanges: Vec<Exchange>, messages: Vec<Message>) {
    let mut traffic = agent.traffic().await.unwrap();
    let batch = TrafficBatch { batch: 1, exchanges, messages, ..TrafficBatch::default() };
    traffic.send.send(batch).await.unwrap();
    assert_eq!(traffic.acks.message().await.unwrap().unwrap().batch, 1);
}

fn socket() -> Exchange {
    let mut socket = exchange("a.example", "/socket", 101);
    let upgrade = Field { name: "Upgrade".into(), value: b"websocket"[..].into() };
    socket.response.as_mut().unwrap().headers = vec![upgrade];
    socket
}

fn texts(page: &Value) -> Vec<&str> {
    page["items"].as_array().unwrap().iter().map(|item| item["text"].as_str().unwrap_or_default()).collect()
}

#[tokio::test]
async fn messages_are_there_before_their_exchange_and_after_it() {
    let running = Running::start().await;
    let agent = running.agent().await;
    let socket = socket();
    let path = format!("/api/v1/exchanges/{}/messages", id(&socket));
    assert_eq!(running.person.ask(&path).await.0, StatusCode::NOT_FOUND);
    tell(&agent, vec![], vec![message(&socket, 1, "hello"), message(&socket, 2, "welcome")]).await;
    // Delivered twice, as after a lost answer, and one more.
    tell(&agent, vec![], vec![message(&socket, 2, "welcome"), message(&socket, 5, "later")]).await;
    assert_eq!(running.person.ask(&format!("/api/v1/exchanges/{}", id(&socket))).await.0, StatusCode::NOT_FOUND);
    let page = running.person.get(&path).await;
    assert_eq!(texts(&page), ["hello", "welcome", "later"]);
    let expect = json!({
        "exchange": id(&socket), "agent": agent.id, "number": 1, "at": "1970-01-01T00:00:01.000000Z", "from": "client",
        "kind": "text", "code": null, "size": 5, "captured": 5, "text": "hello", "base64": null, "compressed": false,
        "fate": "passed", "sent": null, "note": null,
    });
    assert_eq!(page["items"][0], expect);
    assert_eq!((&page["items"][1]["from"], &page["items"][2]["number"]), (&json!("upstream"), &json!(5)));

    tell(&agent, vec![socket.clone()], vec![]).await;
    let first = running.person.get(&format!("{path}?limit=2")).await;
    let rest = running.person.get(&format!("{path}?limit=2&cursor={}", first["next"].as_str().unwrap())).await;
    assert_eq!((texts(&first), texts(&rest), &rest["next"]), (vec!["hello", "welcome"], vec!["later"], &json!(null)));
    let all = running.person.get("/api/v1/messages?limit=2").await;
    let older = running.person.get(&format!("/api/v1/messages?cursor={}", all["next"].as_str().unwrap())).await;
    assert_eq!((texts(&all), texts(&older)), (vec!["later", "welcome"], vec!["hello"]));

    let status = running.person.request(Method::DELETE, &path.replace("/messages", "")).send().await.unwrap().status();
    assert_eq!(status, StatusCode::NO_CONTENT);
    assert_eq!(running.person.ask(&path).await.0, StatusCode::NOT_FOUND, "they went with it");
    assert_eq!(running.person.get("/api/v1/messages").await["items"], json!([]));
}

#[tokio::test]
async fn an_agent_adds_nothing_to_the_exchanges_of_another() {
    let running = Running::start().await;
    let (owner, other) = (running.agent().await, running.agent().await);
    let socket = socket();
    tell(&other, vec![], vec![message(&socket, 1, "forged"), message(&socket, 2, "forged too")]).await;
    tell(&owner, vec![socket.clone()], vec![message(&socket, 1, "true")]).await;
    tell(&other, vec![socket.clone()], vec![message(&socket, 3, "forged again")]).await;
    let page = running.person.get(&format!("/api/v1/exchanges/{}/messages", id(&socket))).await;
    assert_eq!(texts(&page), ["true"]);
    assert_eq!(texts(&running.person.get("/api/v1/messages").await), ["true"]);
    let har = running.person.get(&format!("/api/v1/exchanges/{}/export", id(&socket))).await;
    assert_eq!(har["log"]["entries"][0]["_webSocketMessages"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn what_is_no_message_is_left_out_and_long_pages_end_early() {
    let running = Running::start().await;
    let agent = running.agent().await;
    let socket = socket();
    let bad = [
        Message { exchange: vec![1; 16].into(), ..message(&socket, 1, "") },
        Message { number: 0, ..message(&socket, 1, "") },
        Message { at_us: u64::MAX, ..message(&socket, 1, "") },
    ];
    let long = |number| Message { data: vec![0xff; 1 << 20].into(), ..message(&socket, number, "") };
    tell(&agent, vec![], [bad.to_vec(), (1..=9).map(long).collect()].concat()).await;
    let path = format!("/api/v1/exchanges/{}/messages", id(&socket));
    let page = running.person.get(&format!("{path}?limit=500")).await;
    let count = page["items"].as_array().unwrap().len();
    assert!((1..=4).contains(&count), "{count} of a megabyte each");
    assert!(page["next"].is_string() && page["items"][0]["base64"].is_string());
    let metrics = running.person.http.get(format!("{}/metrics", running.person.base)).send().await.unwrap();
    let metrics = metrics.text().await.unwrap();
    assert!(metrics.contains("weir_orchestrator_records_total{kind=\"refused\"} 3"), "{metrics}");
    // Kinds and fates that a later agent knows.
    let odd = Message { kind: 99, fate: 99, size: u64::MAX, note: "\u{0}x".into(), ..message(&socket, 10, "odd") };
    tell(&agent, vec![], vec![odd]).await;
    let newest = running.person.get("/api/v1/messages?limit=1").await;
    assert_eq!((&newest["items"][0]["number"], &newest["items"][0]["note"]), (&json!(10), &json!("\u{fffd}x")));
    let nil = Uuid::nil();
    assert_eq!(running.person.ask(&format!("/api/v1/exchanges/{nil}/messages")).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_har_has_messages_as_chromium_writes_them() {
    let running = Running::start().await;
    let agent = running.agent().await;
    let socket = socket();
    let replaced = Message {
        fate: MessageFate::Replaced.into(),
        sent_data: b"card=?"[..].into(),
        sent_size: 6,
        ..message(&socket, 2, "card=4111")
    };
    let dropped = Message { fate: MessageFate::Dropped.into(), ..message(&socket, 4, "noise") };
    let binary = Message { kind: MessageKind::Binary.into(), ..message(&socket, 5, "\u{0}") };
    let ping = Message { kind: MessageKind::Ping.into(), ..message(&socket, 6, "") };
    let said = vec![message(&socket, 1, "hello"), replaced, message(&socket, 3, ""), dropped, binary, ping];
    tell(&agent, vec![socket, exchange("a.example", "/plain", 200)], said).await;
    let har = running.person.get("/api/v1/exchanges/export").await;
    let entries = har["log"]["entries"].as_array().unwrap();
    assert_eq!(entries[0]["_resourceType"], "websocket");
    let said = |kind: &str, opcode: u8, data: &str| json!({"type": kind, "time": 1.0, "opcode": opcode, "data": data});
    let expect = [said("send", 1, "hello"), said("receive", 1, "card=?"), said("send", 1, ""), said("send", 2, "AA==")];
    assert_eq!(entries[0]["_webSocketMessages"], json!(expect));
    assert_eq!(entries[1].get("_webSocketMessages"), None);
}

#[tokio::test]
async fn a_har_brings_messages_and_gives_them_back() {
    let running = Running::start().await;
    let agent = running.agent().await;
    let socket = socket();
    let cut = Message { size: 900, ..message(&socket, 2, "the beginning") };
    let binary = Message { kind: MessageKind::Binary.into(), ..message(&socket, 3, "\u{0}\u{1}") };
    tell(&agent, vec![socket.clone()], vec![message(&socket, 1, "hello"), cut, binary]).await;
    let har = running.person.get("/api/v1/exchanges/export").await;

    let other = Running::start().await;
    let import = async || {
        let request = other.person.request(Method::POST, "/api/v1/exchanges/import").json(&har);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        answer.json::<Value>().await.unwrap()
    };
    let answer = import().await;
    assert_eq!((&answer["imported"], &answer["messages"], &answer["notes"]), (&json!(1), &json!(3), &json!([])));
    let id = other.person.ids("agent:import", 10).await.remove(0);
    let path = format!("/api/v1/exchanges/{id}/messages");
    let page = other.person.get(&path).await;
    assert_eq!(texts(&page)[..2], ["hello", "the beginning"]);
    assert_eq!(page["items"][2]["base64"], "AAE=");
    let first = json!({
        "exchange": id, "agent": answer["agent"], "number": 1, "at": "1970-01-01T00:00:01.000000Z", "from": "client",
        "kind": "text", "code": null, "size": 5, "captured": 5, "text": "hello", "base64": null, "compressed": false,
        "fate": "passed", "sent": null, "note": null,
    });
    assert_eq!(page["items"][0], first);
    assert_eq!((&page["items"][1]["size"], &page["items"][2]["kind"]), (&json!(900), &json!("binary")));
    let again = other.person.get("/api/v1/exchanges/export").await;
    let said = |har: &Value| har["log"]["entries"][0]["_webSocketMessages"].clone();
    assert_eq!((said(&again).as_array().unwrap().len(), said(&again)), (3, said(&har)));
    // The same file brings nothing new.
    assert_eq!(import().await["imported"], json!(0));
    assert_eq!(texts(&other.person.get(&path).await).len(), 3);
}
