//! Questions and subscriptions over a WebSocket, by the protocol graphql-transport-ws
//! (<https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md>). One task reads and writes: what is followed is asked for
//! as fast as the client takes it.

use std::{collections::HashMap, net::SocketAddr, pin::pin, time::Duration};

use async_graphql::{Request, Response as Answer};
use axum::{
    extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade},
    http::{HeaderMap, HeaderValue, header},
    response::Response,
};
use futures_util::StreamExt as _;
use serde::{Deserialize, Serialize};
use tokio::time::{sleep, timeout};
use tokio_stream::StreamMap;

use super::{
    Door,
    fault::Fault,
    http::{Found, let_in, refused},
    operation::{Begun, Operation, Turn},
};
use crate::{
    rest::{Asker, Asking, Problem, Standing, seat, too_many},
    seats::Seat,
};

const PROTOCOL: &str = "graphql-transport-ws";
/// Of one message.
const MESSAGE: usize = 64 << 10;
/// For the first message, with whoever asks.
const INIT: Duration = Duration::from_secs(10);
/// For a client to take what is written.
const PATIENCE: Duration = Duration::from_secs(60);
/// When nothing is said.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Of an operation's id.
const LONGEST_ID: usize = 128;
/// At a time.
const OPERATIONS: usize = 32;

/// What a client says.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Said {
    ConnectionInit { payload: Option<serde_json::Map<String, serde_json::Value>> },
    Ping { payload: Option<serde_json::Value> },
    Pong {},
    Subscribe { id: String, payload: Box<Request> },
    Complete { id: String },
}

/// What it is told.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Told<'a> {
    ConnectionAck,
    Pong { payload: Option<serde_json::Value> },
    Next { id: &'a str, payload: &'a Answer },
    Error { id: &'a str, payload: &'a [async_graphql::ServerError] },
    Complete { id: &'a str },
}

/// Why a socket is closed.
struct Close(u16, &'static str);

const GONE: Close = Close(1000, "");
const UNAUTHORIZED: Close = Close(4403, "Forbidden: the token or user does not count");

/// Whose socket it is.
pub(super) struct Peer {
    pub(super) address: SocketAddr,
    /// What became a socket.
    pub(super) asking: Option<Asking>,
}

/// Somebody's socket.
struct Conversation {
    door: Door,
    peer: Peer,
    socket: WebSocket,
    asker: Option<(Asker, Seat)>,
    /// What was asked for last. What is said after it is heard when it has begun, so that an answer to that says this.
    beginning: Option<Begun>,
    /// What goes on, by the client's ids.
    operations: StreamMap<String, Operation>,
    /// Of each its place among those who follow.
    seats: HashMap<String, Seat>,
}

/// A credential comes in a header, whose `found` it is then, or in the first message where a client cannot set one.
pub(super) fn open(
    door: Door,
    upgrade: WebSocketUpgrade,
    headers: &HeaderMap,
    peer: Peer,
    found: Option<Found>,
) -> Response {
    let upgrade = upgrade.protocols([PROTOCOL]).max_message_size(MESSAGE).max_frame_size(MESSAGE);
    if upgrade.selected_protocol() != Some(&HeaderValue::from_static(PROTOCOL)) {
        let detail = format!("the protocol has to be {PROTOCOL} (Sec-WebSocket-Protocol)");
        return refused(&Problem::bad_request(detail).into());
    }
    // Browsers may send what somebody signed in with once, whosever page it is that asks.
    if found.is_some() && !is_own(headers) {
        return refused(&Problem::bad_request("a page of another origin sends its token in connection_init").into());
    }
    upgrade.on_upgrade(move |socket| async move {
        let (operations, seats) = (StreamMap::new(), HashMap::new());
        let conversation = Conversation { door, peer, socket, asker: None, beginning: None, operations, seats };
        conversation.hold(found).await;
    })
}

/// Whether the page that asks, if it is one, is of this server.
fn is_own(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    match headers.get(header::ORIGIN) {
        None => true,
        Some(_) => {
            let origin = text(header::ORIGIN).and_then(|origin| Some(origin.split_once("://")?.1));
            origin.is_some() && origin == text(header::HOST)
        }
    }
}

async fn begun(beginning: Option<&mut Begun>) {
    if let Some(begun) = beginning {
        begun.wait().await;
    }
}

impl Conversation {
    async fn hold(mut self, given: Option<Found>) {
        let stop = self.door.orchestrator.stop.clone();
        let left = self.peer.asking.as_ref().map(Asking::left).unwrap_or_default();
        let Close(code, reason) = tokio::select! {
            close = self.converse(given) => close,
            // Nobody is signed in, and somebody else wants its place: it ends at once.
            () = left.cancelled() => return,
            () = stop.cancelled() => Close(1001, "the orchestrator is shutting down"),
        };
        let frame = CloseFrame { code, reason: reason.into() };
        let _ = timeout(PATIENCE, self.socket.send(Message::Close(Some(frame)))).await;
    }

    async fn converse(&mut self, given: Option<Found>) -> Close {
        let standing = match self.greet(given).await {
            Ok(standing) => standing,
            Err(close) => return close,
        };
        let mut lapsed = pin!(standing.lapsed(self.door.orchestrator.clone()));
        loop {
            let done = tokio::select! {
                () = &mut lapsed => Err(UNAUTHORIZED),
                () = begun(self.beginning.as_mut()), if self.beginning.is_some() => {
                    self.beginning = None;
                    Ok(())
                }
                message = self.socket.recv(), if self.beginning.is_none() => match message {
                    Some(Ok(message)) => self.hear(message).await,
                    Some(Err(_)) | None => Err(GONE),
                },
                Some((id, answer)) = self.operations.next() => self.answer(id, answer).await,
                () = sleep(HEARTBEAT) => self.send(Message::Ping(bytes::Bytes::new())).await,
            };
            if let Err(close) = done {
                return close;
            }
        }
    }

    /// Until the client has said who it is.
    async fn greet(&mut self, given: Option<Found>) -> Result<Standing, Close> {
        let first = async {
            loop {
                match self.socket.recv().await {
                    Some(Ok(Message::Text(text))) => return parsed(&text),
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                    Some(Ok(Message::Binary(_))) => return Err(Close(4400, "messages are text")),
                    _ => return Err(GONE),
                }
            }
        };
        let first = timeout(INIT, first).await.map_err(|_| Close(4408, "Connection initialisation timeout"))??;
        let Said::ConnectionInit { payload } = first else { return Err(Close(4401, "Unauthorized")) };
        let Found { asker, standing } = match given {
            Some(given) => given,
            None => {
                let headers = payload.as_ref().and_then(credential).ok_or(UNAUTHORIZED)?;
                let_in(&self.door, &headers, self.peer.address).await.map_err(|_| UNAUTHORIZED)?
            }
        };
        if let Some(asking) = &self.peer.asking {
            asking.is_signed_in();
        }
        let seat = seat(&self.door.orchestrator, asker.name()).map_err(|_| Close(1013, "too many streams are open"))?;
        self.asker = Some((asker, seat));
        self.tell(&Told::ConnectionAck).await?;
        Ok(standing)
    }

    async fn hear(&mut self, message: Message) -> Result<(), Close> {
        let text = match message {
            Message::Text(text) => text,
            Message::Binary(_) => return Err(Close(4400, "messages are text")),
            Message::Ping(_) | Message::Pong(_) => return Ok(()),
            Message::Close(_) => return Err(GONE),
        };
        match parsed(&text)? {
            Said::ConnectionInit { .. } => Err(Close(4429, "Too many initialisation requests")),
            Said::Ping { payload } => self.tell(&Told::Pong { payload }).await,
            Said::Pong {} => Ok(()),
            Said::Subscribe { id, payload } => self.begin(id, *payload).await,
            Said::Complete { id } => {
                self.end(&id);
                Ok(())
            }
        }
    }

    async fn begin(&mut self, id: String, request: Request) -> Result<(), Close> {
        if id.is_empty() || id.len() > LONGEST_ID {
            return Err(Close(4400, "an id has 1 to 128 bytes"));
        }
        if self.operations.contains_key(&id) {
            return Err(Close(4409, "Subscriber for this id already exists"));
        }
        let Some((asker, _)) = &self.asker else { return Err(Close(4401, "Unauthorized")) };
        // Each is a request, whatever it comes over.
        if let Some(problem) = too_many(self.door.orchestrator.rates.request(asker.name())) {
            return self.tell(&Told::Error { id: &id, payload: &[Fault::from(problem).of_request()] }).await;
        }
        let seat = match seat(&self.door.orchestrator, asker.name()) {
            Ok(seat) if self.operations.len() < OPERATIONS => seat,
            _ => {
                let fault = Fault::from(Problem::busy("too many operations go on: end some"));
                return self.tell(&Told::Error { id: &id, payload: &[fault.of_request()] }).await;
            }
        };
        let (operation, begun) = Operation::begin(&self.door.api, request.data(asker.clone()));
        self.beginning = Some(begun);
        self.seats.insert(id.clone(), seat);
        self.operations.insert(id, operation);
        Ok(())
    }

    fn end(&mut self, id: &str) {
        self.operations.remove(id);
        self.seats.remove(id);
    }

    /// One answer of an operation, or its end.
    async fn answer(&mut self, id: String, answer: Option<(Answer, Turn)>) -> Result<(), Close> {
        let Some((answer, turn)) = answer else {
            self.end(&id);
            return self.tell(&Told::Complete { id: &id }).await;
        };
        // Nothing was executed: that is the end of it.
        if answer.is_err() && answer.data == async_graphql::Value::Null {
            self.end(&id);
            return self.tell(&Told::Error { id: &id, payload: &answer.errors }).await;
        }
        let text = text(&Told::Next { id: &id, payload: &answer })?;
        drop(answer);
        let name = self.asker.as_ref().map(|(asker, _)| asker.name()).unwrap_or_default();
        let room = self.door.outgoing.room(name, text.len()).await;
        turn.release();
        match room {
            Ok(_room) => self.send(Message::Text(text.into())).await,
            Err(problem) => {
                self.end(&id);
                self.tell(&Told::Error { id: &id, payload: &[Fault::from(problem).of_request()] }).await
            }
        }
    }

    async fn tell(&mut self, told: &Told<'_>) -> Result<(), Close> {
        self.send(Message::Text(text(told)?.into())).await
    }

    async fn send(&mut self, message: Message) -> Result<(), Close> {
        match timeout(PATIENCE, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(GONE),
        }
    }
}

fn text(told: &Told<'_>) -> Result<String, Close> {
    serde_json::to_string(told).map_err(|_| Close(1011, "an answer cannot be written"))
}

fn parsed(text: &str) -> Result<Said, Close> {
    serde_json::from_str(text).map_err(|_| Close(4400, "this is no message of graphql-transport-ws"))
}

/// What the first message has as `Authorization`, as a header would have it, or as a `token` alone.
fn credential(payload: &serde_json::Map<String, serde_json::Value>) -> Option<HeaderMap> {
    let text = |name: &str| {
        let value = payload.iter().find(|(own, _)| own.eq_ignore_ascii_case(name));
        value.and_then(|(_, value)| value.as_str())
    };
    let value = match text("authorization") {
        Some(value) => value.to_owned(),
        None => format!("Bearer {}", text("token")?),
    };
    let value = HeaderValue::try_from(value).ok()?;
    Some(HeaderMap::from_iter([(header::AUTHORIZATION, value)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_other_origins_are_told_from_own() {
        let own = |origin: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_static("weir.example:7080"));
            origin.map(|origin| headers.insert(header::ORIGIN, HeaderValue::from_static(origin)));
            is_own(&headers)
        };
        assert!(own(None) && own(Some("http://weir.example:7080")));
        for other in ["null", "http://weir.example", "http://evil.example:7080", "weir.example:7080", "\u{7f}"] {
            if let Ok(_value) = HeaderValue::from_str(other) {
                assert!(!own(Some(other)), "{other}");
            }
        }
    }

    #[test]
    fn a_credential_in_the_first_message() {
        let of = |text: &str| {
            let payload = serde_json::from_str(text).unwrap();
            credential(&payload).map(|headers| headers[header::AUTHORIZATION].to_str().unwrap().to_owned())
        };
        assert_eq!(of(r#"{"Authorization":"Basic x"}"#).as_deref(), Some("Basic x"));
        assert_eq!(of(r#"{"token":"x"}"#).as_deref(), Some("Bearer x"));
        assert_eq!(of(r#"{"token":"\n"}"#), None);
        assert_eq!(of(r#"{"token":1}"#), None);
        assert_eq!(of("{}"), None);
    }
}
