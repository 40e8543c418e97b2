//! A client of graphql-transport-ws (<https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md>).

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest as _, protocol::CloseFrame},
};

use crate::harness::{PATIENCE, Person};

/// With or without somebody on the other side.
pub(crate) struct Socket(pub(crate) WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    pub(crate) async fn open(person: &Person, with_header: bool) -> Self {
        let mut request = format!("{}/graphql", person.base.replace("http", "ws")).into_client_request().unwrap();
        let headers = request.headers_mut();
        headers.insert("sec-websocket-protocol", "graphql-transport-ws".parse().unwrap());
        if with_header {
            headers.insert("authorization", format!("Bearer {}", person.token).parse().unwrap());
        }
        Self(connect_async(request).await.unwrap().0)
    }

    /// With somebody on the other side.
    pub(crate) async fn ready(person: &Person) -> Self {
        let mut socket = Self::open(person, true).await;
        socket.say(json!({"type": "connection_init"})).await;
        assert_eq!(socket.told().await, json!({"type": "connection_ack"}));
        socket
    }

    pub(crate) async fn say(&mut self, message: Value) {
        self.0.send(Message::Text(message.to_string().into())).await.unwrap();
    }

    pub(crate) async fn subscribe(&mut self, id: &str, query: &str) {
        self.say(json!({"type": "subscribe", "id": id, "payload": {"query": query}})).await;
    }

    pub(crate) async fn told(&mut self) -> Value {
        match self.message().await {
            Message::Text(text) => serde_json::from_str(&text).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn closed(&mut self) -> u16 {
        match self.message().await {
            Message::Close(Some(CloseFrame { code, .. })) => code.into(),
            other => panic!("{other:?}"),
        }
    }

    /// The next but pings, which come for as long as nothing else does.
    pub(crate) async fn message(&mut self) -> Message {
        let next = async {
            loop {
                match self.0.next().await.unwrap().unwrap() {
                    Message::Ping(_) => {}
                    other => return other,
                }
            }
        };
        timeout(PATIENCE, next).await.expect("a message comes in time")
    }
}
