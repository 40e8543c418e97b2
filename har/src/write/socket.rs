//! Messages of a WebSocket as Chromium writes them: `_webSocketMessages` of an entry, as the client sent and got them.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use weir_proto::v1::{Message, MessageFate, MessageKind};

/// Text and binary messages; the others are not in the format.
pub(super) fn messages(messages: &[Message]) -> Value {
    messages.iter().filter_map(message).collect()
}

fn message(message: &Message) -> Option<Value> {
    // what a later version knows besides is in the format no more than the other kinds here
    let opcode = match MessageKind::try_from(message.kind) {
        Ok(MessageKind::Text) => 1,
        Ok(MessageKind::Binary) => 2,
        _ => return None,
    };
    let (data, size) = match (message.from_client, message.fate()) {
        (false, MessageFate::Replaced) => (&message.sent_data, message.sent_size),
        // the client never got it
        (false, MessageFate::Dropped | MessageFate::Stopped) => return None,
        _ => (&message.data, message.size),
    };
    let text = std::str::from_utf8(data).ok().filter(|_| opcode == 1 && !message.compressed);
    let mut value = json!({
        "type": if message.from_client { "send" } else { "receive" },
        "time": seconds(message.at_us),
        "opcode": opcode,
        "data": text.map_or_else(|| STANDARD.encode(data), str::to_owned),
    });
    if (data.len() as u64) < size || (opcode == 1 && text.is_none()) || message.compressed {
        let encoding = if text.is_none() { "base64" } else { "" };
        value["_weir"] =
            json!({"size": size, "captured": data.len(), "encoding": encoding, "compressed": message.compressed});
    }
    Some(value)
}

#[allow(clippy::cast_precision_loss, reason = "microseconds of two hundred years fit in 53 bits")]
fn seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
}
