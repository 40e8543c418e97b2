//! Bodies: as text where they are text, else as base64. A response's is told decoded, as viewers expect it; the bytes that were
//! on the wire stand beside it then.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde_json::{Value, json};
use weir_proto::v1::{Body, Field};

use crate::{coding, fields};

/// What a body may grow to; one that grows further is told as it was sent.
const MOST: usize = 8 << 20;

/// Text and its `encoding`. Text is what people can read: anything else would be told in escapes, longer than in base64.
pub(super) fn text(bytes: &[u8]) -> (String, Option<&'static str>) {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(is_binary) => (text.to_owned(), None),
        _ => (BASE64.encode(bytes), Some("base64")),
    }
}

fn is_binary(c: char) -> bool {
    c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{c}' | '\u{1b}')
}

/// `postData`; none without a body.
pub(super) fn posted(body: &Body, headers: &[Field]) -> Option<Value> {
    if body.size == 0 && body.data.is_empty() {
        return None;
    }
    let mut value = json!({"mimeType": fields::text(headers, "content-type")});
    let (text, encoding) = text(&body.data);
    value["text"] = text.into();
    if let Some(encoding) = encoding {
        value["_encoding"] = encoding.into();
    }
    if let Some(comment) = comment(body) {
        value["comment"] = comment.into();
    }
    Some(value)
}

/// `content`, and what was on the wire, in base64, where that is something else.
pub(super) fn content(body: &Body, headers: &[Field]) -> (Value, Option<String>) {
    let kind = fields::text(headers, "content-type");
    let mut content = json!({"mimeType": if kind.is_empty() { "x-unknown" } else { &kind }});
    let whole = !body.is_cut(body.data.len() as u64);
    let decoded = decoded(body, headers);
    let (bytes, complete) = match &decoded {
        Some(decoded) => (&decoded.bytes[..], decoded.complete && whole),
        None => (&body.data[..], whole),
    };
    content["size"] = match (&decoded, complete) {
        (None, _) => body.size.into(),
        (Some(_), true) => bytes.len().into(),
        (Some(_), false) => (-1).into(),
    };
    if decoded.is_some() && complete {
        content["compression"] = (bytes.len() as i64 - body.data.len() as i64).into();
    }
    if !bytes.is_empty() {
        let (text, encoding) = text(bytes);
        content["text"] = text.into();
        if let Some(encoding) = encoding {
            content["encoding"] = encoding.into();
        }
    }
    if let Some(comment) = comment(body) {
        content["comment"] = comment.into();
    }
    (content, decoded.map(|_| BASE64.encode(&body.data)))
}

/// None where there is nothing to undo, and where it cannot be undone.
fn decoded(body: &Body, headers: &[Field]) -> Option<coding::Decoded> {
    let value: Vec<&[u8]> = fields::values(headers, "content-encoding").collect();
    let codings = coding::codings(&value.join(&b',')).ok().filter(|codings| !codings.is_empty())?;
    coding::decode(&codings, &body.data, MOST).ok().filter(|_| !body.data.is_empty())
}

fn comment(body: &Body) -> Option<String> {
    let captured = body.data.len() as u64;
    let cut = body.is_cut(captured).then(|| format!("{captured} of {} bytes captured", body.size));
    let redacted = body.redacted.then(|| "values were left out when it was recorded".to_owned());
    let words: Vec<String> = cut.into_iter().chain(redacted).collect();
    (!words.is_empty()).then(|| words.join("; "))
}
