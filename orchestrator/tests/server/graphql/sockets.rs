//! For whom a socket is, and why it closes.

use futures_util::SinkExt as _;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio_tungstenite::{
    connect_async,
    tungstenite::{Message, client::IntoClientRequest as _},
};

use super::socket::Socket;
use crate::harness::Running;

#[tokio::test]
async fn a_socket_is_for_whoever_may_and_says_why_it_closes() {
    let running = Running::start().await;
    let person = &running.person;
    let bearer = format!("Bearer {}", person.token);
    for payload in [json!({"Authorization": bearer}), json!({"authorization": bearer}), json!({"token": person.token})]
    {
        let mut socket = Socket::open(person, false).await;
        socket.say(json!({"type": "connection_init", "payload": payload})).await;
        assert_eq!(socket.told().await, json!({"type": "connection_ack"}));
        socket.say(json!({"type": "connection_init"})).await;
        assert_eq!(socket.closed().await, 4429);
    }
    let init = |payload: Value| json!({"type": "connection_init", "payload": payload});
    for (first, code) in [
        (init(json!({"token": "nobody"})), 4403),
        (init(json!({})), 4403),
        (json!({"type": "connection_init"}), 4403),
        (json!({"type": "subscribe", "id": "1", "payload": {"query": "{ __typename }"}}), 4401),
        (json!({"type": "start"}), 4400),
        (json!([]), 4400),
    ] {
        let mut socket = Socket::open(person, false).await;
        socket.say(first.clone()).await;
        assert_eq!(socket.closed().await, code, "{first}");
    }
    let mut socket = Socket::ready(person).await;
    let follow = "subscription { exchangeRecorded { id } }";
    socket.subscribe("1", follow).await;
    socket.subscribe("1", follow).await;
    assert_eq!(socket.closed().await, 4409);
    let mut socket = Socket::ready(person).await;
    socket.0.send(Message::Binary(vec![0xff].into())).await.unwrap();
    assert_eq!(socket.closed().await, 4400);
    let mut socket = Socket::ready(person).await;
    for n in 0..40 {
        socket.subscribe(&n.to_string(), follow).await;
    }
    let told = socket.told().await;
    assert_eq!((&told["type"], &told["payload"][0]["extensions"]["code"]), (&json!("error"), &json!("BUSY")));
    // A page of another origin has no use of what a browser remembers.
    let mut request = format!("{}/graphql", person.base.replace("http", "ws")).into_client_request().unwrap();
    let headers = request.headers_mut();
    headers.insert("sec-websocket-protocol", "graphql-transport-ws".parse().unwrap());
    headers.insert("authorization", bearer.parse().unwrap());
    headers.insert("origin", "http://evil.example".parse().unwrap());
    assert!(connect_async(request).await.is_err());
    let mut request = format!("{}/graphql", person.base.replace("http", "ws")).into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", "graphql-ws".parse().unwrap());
    assert!(connect_async(request).await.is_err());
}

#[tokio::test]
async fn a_socket_ends_with_its_credential() {
    let running = Running::start().await;
    let admin = &running.person;
    let viewer = admin.of_role("viewer").await;
    let mut socket = Socket::ready(&viewer).await;
    let tokens = admin.get("/api/v1/tokens").await;
    let path = format!("/api/v1/tokens/{}", tokens["items"][0]["id"].as_str().unwrap());
    assert_eq!(admin.request(Method::DELETE, &path).send().await.unwrap().status(), StatusCode::NO_CONTENT);
    assert_eq!(socket.closed().await, 4403);
}
