//! `/api/v1/exchanges/{id}/messages` and `/api/v1/messages`: what was said in WebSockets, streams of events and gRPC calls, also
//! in those that go on.

use std::sync::Arc;

use axum::{Json, extract::State};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use weir_proto::v1::{Message, MessageFate, MessageKind};

use super::{
    List,
    input::{Id, Paging, Params, arrival, of_arrival},
    problem::Problem,
};
use crate::{clock::rfc3339, orchestrator::Orchestrator, store::Told};

/// How much, from where on.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// 1 to 500, by default 100; fewer where they are long
    limit: Option<usize>,
    /// `next` of the page before
    cursor: Option<String>,
}

/// One message.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MessageItem {
    #[schema(value_type = String, format = "uuid")]
    exchange: Uuid,
    #[schema(value_type = String, format = "uuid")]
    agent: Uuid,
    /// Its place in the exchange, from 1, both directions together; what is missing the agent could not record.
    number: u64,
    /// When it had passed.
    at: String,
    /// client or upstream
    from: &'static str,
    /// text, binary, close, ping, pong, event, grpc; unread: from here on this direction was not read, and `note` says why;
    /// unknown: of an agent of a later version
    kind: &'static str,
    /// Of a close.
    code: Option<u32>,
    #[serde(flatten)]
    content: Content,
    /// The bytes are compressed, as they passed.
    compressed: bool,
    /// What became of it: passed; replaced, dropped or stopped by a filter; unknown: of an agent of a later version
    fate: &'static str,
    /// What went on in its place.
    sent: Option<Content>,
    /// Why it is not whole.
    note: Option<String>,
}

/// What was captured, as text where it is that.
#[derive(Debug, Serialize, ToSchema)]
struct Content {
    /// True size in bytes.
    size: u64,
    /// Bytes that were captured.
    captured: usize,
    text: Option<String>,
    base64: Option<String>,
}

/// Messages of an exchange in the order in which they passed. The exchange may go on: until it has ended it is in no listing,
/// but its messages are here.
#[utoipa::path(get, path = "/api/v1/exchanges/{id}/messages", operation_id = "listMessagesOfExchange", tag = "exchanges",
    params(("id" = String, Path,), Which), responses((status = 200, body = List<MessageItem>),
    (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn of_exchange(
    State(orchestrator): State<Arc<Orchestrator>>,
    Id(id): Id,
    Params(Which { limit, cursor }): Params<Which>,
) -> Result<Json<List<MessageItem>>, Problem> {
    let paging = Paging { limit, cursor };
    let after = arrival(&paging)?.unwrap_or(0);
    let page = orchestrator.store.messages_of(id, after, paging.limit()?).await?;
    if page.items.is_empty() && orchestrator.store.outline(id).await?.is_none() {
        return Err(Problem::not_found(format!("there is no exchange {id}, and no message of it")));
    }
    let next = page.items.last().filter(|_| page.more).map(|last| of_arrival(last.message.number));
    Ok(Json(List { items: page.items.into_iter().map(item).collect(), next }))
}

/// Messages of all exchanges, the last that came first.
#[utoipa::path(get, path = "/api/v1/messages", operation_id = "listMessages", tag = "exchanges", params(Which), responses(
    (status = 200, body = List<MessageItem>), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list(
    State(orchestrator): State<Arc<Orchestrator>>,
    Params(Which { limit, cursor }): Params<Which>,
) -> Result<Json<List<MessageItem>>, Problem> {
    let paging = Paging { limit, cursor };
    let page = orchestrator.store.messages(arrival(&paging)?, paging.limit()?).await?;
    let next = page.items.last().filter(|_| page.more).map(|last| of_arrival(last.arrival));
    Ok(Json(List { items: page.items.into_iter().map(item).collect(), next }))
}

/// What an agent of a later version says.
const UNKNOWN: &str = "unknown";

fn item(Told { agent, exchange, message, .. }: Told) -> MessageItem {
    // Of a later version there may be others: they are not taken for the first that there is.
    let (kind, fate) = (MessageKind::try_from(message.kind).ok(), MessageFate::try_from(message.fate).ok());
    let is_text =
        !message.compressed && kind.is_some_and(|kind| !matches!(kind, MessageKind::Binary | MessageKind::Grpc));
    let Message { number, at_us, data, size, code, note, sent_data, sent_size, compressed, from_client, .. } = message;
    MessageItem {
        exchange,
        agent,
        number,
        at: rfc3339(at_us),
        from: if from_client { "client" } else { "upstream" },
        kind: kind.map_or(UNKNOWN, word),
        code: (code > 0).then_some(code),
        content: content(&data, size, is_text),
        compressed,
        fate: match fate {
            Some(MessageFate::Passed) => "passed",
            Some(MessageFate::Replaced) => "replaced",
            Some(MessageFate::Dropped) => "dropped",
            Some(MessageFate::Stopped) => "stopped",
            None => UNKNOWN,
        },
        sent: (fate == Some(MessageFate::Replaced) || fate.is_none() && sent_size > 0)
            .then(|| content(&sent_data, sent_size, is_text)),
        note: (!note.is_empty()).then_some(note),
    }
}

fn word(kind: MessageKind) -> &'static str {
    match kind {
        MessageKind::Text => "text",
        MessageKind::Binary => "binary",
        MessageKind::Close => "close",
        MessageKind::Ping => "ping",
        MessageKind::Pong => "pong",
        MessageKind::Event => "event",
        MessageKind::Grpc => "grpc",
        MessageKind::Unread => "unread",
    }
}

fn content(data: &[u8], size: u64, is_text: bool) -> Content {
    let text = match std::str::from_utf8(data) {
        Ok(text) => Some(text),
        // The cut may have gone through a character.
        Err(error) if error.error_len().is_none() && (data.len() as u64) < size => {
            std::str::from_utf8(&data[..error.valid_up_to()]).ok()
        }
        Err(_) => None,
    };
    let text = text.filter(|_| is_text).map(str::to_owned);
    let base64 = text.is_none().then(|| STANDARD.encode(data));
    Content { size, captured: data.len(), text, base64 }
}
