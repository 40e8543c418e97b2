//! What comes, told as it comes.

use serde_json::json;
use tokio_tungstenite::tungstenite::Message;
use weir_proto::v1::Field;

use super::{look, socket::Socket};
use crate::{
    harness::{Running, exchange, id},
    metrics::report,
};

#[tokio::test]
async fn what_comes_is_told_over_a_websocket() {
    let running = Running::start().await;
    let (person, agent) = (&running.person, running.agent().await);
    let mut socket = Socket::ready(&person.of_role("viewer").await).await;
    socket.subscribe("bad", "subscription { exchangeRecorded(query: \"status:x\") { id } }").await;
    let told = socket.told().await;
    assert_eq!((&told["type"], &told["payload"][0]["extensions"]["code"]), (&json!("error"), &json!("BAD_QUERY")));
    socket.subscribe("hidden", "subscription { exchangeRecorded(query: \"header.cookie:a\") { id } }").await;
    assert_eq!(socket.told().await["payload"][0]["extensions"]["code"], "FORBIDDEN");
    socket
        .subscribe(
            "x",
            "subscription { exchangeRecorded(query: \"status:5xx\") { id place url request { headers { value } } } }",
        )
        .await;
    socket
        .subscribe(
            "m",
            &format!(
                "subscription {{ systemMetricsUpdated(agentId: \"{}\") {{ agentId networkRxBytesPerSec }} }}",
                agent.id
            ),
        )
        .await;
    // A question too; its answer says that what was asked before has begun.
    socket.subscribe("q", "{ __typename }").await;
    assert_eq!(socket.told().await, json!({"type": "next", "id": "q", "payload": {"data": {"__typename": "Query"}}}));
    assert_eq!(socket.told().await, json!({"type": "complete", "id": "q"}));
    socket.say(json!({"type": "ping"})).await;
    assert_eq!(socket.told().await["type"], "pong");

    let mut recorded = exchange("a.example", "/1", 500);
    recorded.request.as_mut().unwrap().headers = vec![Field { name: "Cookie".into(), value: b"a=secret"[..].into() }];
    let (first, second) = (recorded.clone(), exchange("a.example", "/2", 502));
    agent.record(vec![exchange("a.example", "/0", 200), first.clone()]).await;
    let told = socket.told().await;
    assert_eq!((&told["type"], &told["id"]), (&json!("next"), &json!("x")));
    let told = &told["payload"]["data"]["exchangeRecorded"];
    assert_eq!((&told["id"], &told["url"]), (&json!(id(&first)), &json!("https://a.example/1")));
    assert_eq!(told["request"]["headers"], json!([{"value": "a=[hidden]"}]));
    agent.record(vec![second.clone()]).await;
    assert_eq!(socket.told().await["payload"]["data"]["exchangeRecorded"]["id"], id(&second));
    report(&agent, vec![look(0, 1000)]).await;
    report(&agent, vec![look(1, 3000)]).await;
    let mut rate = json!(null);
    while rate != "2000" {
        let told = socket.told().await;
        assert_eq!(told["id"], "m");
        rate = told["payload"]["data"]["systemMetricsUpdated"]["networkRxBytesPerSec"].clone();
    }
    socket.say(json!({"type": "complete", "id": "x"})).await;
    let place = told["place"].as_str().unwrap();
    socket.subscribe("x", &format!("subscription {{ exchangeRecorded(after: \"{place}\") {{ id }} }}")).await;
    let mut told = socket.told().await;
    while told["id"] == "m" {
        // Each look may be told of when the next is there.
        told = socket.told().await;
    }
    assert_eq!(told["payload"]["data"]["exchangeRecorded"]["id"], id(&second), "from behind a place");
    running.stop().await;
    let close = loop {
        match socket.message().await {
            Message::Text(text) => assert!(text.contains("systemMetricsUpdated"), "{text}"),
            other => break other,
        }
    };
    assert!(matches!(&close, Message::Close(Some(frame)) if u16::from(frame.code) == 1001), "{close:?}");
}
