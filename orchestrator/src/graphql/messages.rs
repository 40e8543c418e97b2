//! Requests and responses of exchanges: heads, and bodies within bounds.

use std::{ops::Deref, sync::Arc};

use async_graphql::{Context, MergedObject, Object, Result, SimpleObject};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use weir_proto::v1;

use super::{fault::Fault, purse::Purse, times};
use crate::{
    orchestrator::Orchestrator,
    rest::{Problem, Secrets, decoded},
};

/// Of a body, bytes.
const MOST: i32 = 1 << 20;
/// A value of an answer, where a body is measured by it.
const UNIT: i32 = 100;

/// A whole exchange, held as long as something of it is looked at.
#[derive(Clone)]
pub(super) struct Held {
    pub(super) exchange: Arc<v1::Exchange>,
    pub(super) secrets: Secrets,
    pub(super) purse: Arc<Purse>,
}

impl Deref for Held {
    type Target = v1::Exchange;

    fn deref(&self) -> &v1::Exchange {
        &self.exchange
    }
}

/// A field of a head. Of the value, each byte is one character.
#[derive(Debug, SimpleObject)]
pub(super) struct HeaderField {
    name: String,
    value: String,
}

/// The head of a request, and its body as far as it was captured.
#[derive(MergedObject)]
pub(super) struct RequestMessage(RequestLine, Content);

/// The head of a response, and its body as far as it was captured.
#[derive(MergedObject)]
pub(super) struct ResponseMessage(ResponseLine, Content);

#[derive(SimpleObject)]
pub(super) struct RequestLine {
    method: String,
    url: String,
    version: String,
}

#[derive(SimpleObject)]
pub(super) struct ResponseLine {
    status: i32,
    version: String,
}

/// What requests and responses have alike.
pub(super) struct Content {
    held: Held,
    headers: Vec<v1::Field>,
    trailers: Vec<v1::Field>,
    body: v1::Body,
}

/// A body as far as it was captured.
pub(super) struct Body {
    size: u64,
    captured: usize,
    truncated: bool,
    redacted: bool,
    encoding: Option<String>,
    shown: Bytes,
}

impl RequestMessage {
    pub(super) fn of(held: Held, request: v1::Request) -> Self {
        let v1::Request { method, scheme, authority, path, version, headers, trailers, body } = request;
        let line = RequestLine { method, url: crate::rest::url(&scheme, &authority, &path), version };
        Self(line, Content { held, headers, trailers, body: body.unwrap_or_default() })
    }
}

impl ResponseMessage {
    pub(super) fn of(held: Held, response: v1::Response) -> Self {
        let v1::Response { status, version, headers, trailers, body } = response;
        let line = ResponseLine { status: i32::try_from(status).unwrap_or(0), version };
        Self(line, Content { held, headers, trailers, body: body.unwrap_or_default() })
    }
}

#[Object]
impl Content {
    /// Values of `Authorization`, `Proxy-Authorization`, `Cookie` and `Set-Cookie` are hidden, unless the exchange was asked for
    /// with `reveal`.
    #[graphql(complexity = "times(20, child_complexity)")]
    async fn headers(&self) -> Vec<HeaderField> {
        self.shown(&self.headers)
    }

    #[graphql(complexity = "times(20, child_complexity)")]
    async fn trailers(&self) -> Vec<HeaderField> {
        self.shown(&self.trailers)
    }

    /// The body: its first `limit` bytes, 1 to 1,048,576; `decoded` undoes its Content-Encoding.
    #[graphql(complexity = "times(limit / UNIT, child_complexity)")]
    async fn body(
        &self,
        context: &Context<'_>,
        #[graphql(default = 16384)] limit: i32,
        #[graphql(default = false)] decoded: bool,
    ) -> Result<Body> {
        let most = usize::try_from(limit).ok().filter(|_| (1..=MOST).contains(&limit));
        let most = most.ok_or_else(|| Fault::from(Problem::bad_request(format!("limit has to be 1 to {MOST}"))))?;
        Ok(self.beginning(context.data_unchecked::<Arc<Orchestrator>>(), most, decoded).await?)
    }
}

impl Content {
    fn shown(&self, fields: &[v1::Field]) -> Vec<HeaderField> {
        let field = |field: &v1::Field| HeaderField {
            value: self.held.secrets.shown(&field.name, field.value.iter().map(|byte| char::from(*byte)).collect()),
            name: field.name.clone(),
        };
        fields.iter().map(field).collect()
    }

    /// Of the body, so many bytes at most.
    async fn beginning(&self, orchestrator: &Orchestrator, most: usize, decode: bool) -> Result<Body, Fault> {
        let v1::Body { size, data, .. } = &self.body;
        let captured = data.len();
        let mut body = Body {
            size: *size,
            captured,
            truncated: self.body.is_cut(captured as u64),
            redacted: self.body.redacted,
            encoding: None,
            shown: data.clone(),
        };
        if decode {
            let (plain, complete) = decoded(orchestrator, &self.headers, body.shown).await?;
            self.held.purse.spend(plain.len())?;
            body.truncated |= !complete;
            body.shown = plain;
        } else {
            let named = |field: &&v1::Field| field.name.eq_ignore_ascii_case("content-encoding");
            let encoding = self.headers.iter().find(named);
            body.encoding = encoding.map(|field| String::from_utf8_lossy(&field.value).into_owned());
        }
        body.truncated |= body.shown.len() > most;
        body.shown.truncate(most);
        Ok(body)
    }
}

#[Object]
impl Body {
    /// On the wire, bytes.
    async fn size(&self) -> String {
        self.size.to_string()
    }

    /// Of these, how many were captured.
    async fn captured(&self) -> String {
        self.captured.to_string()
    }

    /// Some of it is not shown here: it was not captured, or `limit` is lower.
    async fn truncated(&self) -> bool {
        self.truncated
    }

    /// The agent left values out of it, or all of it, by its rules of redaction.
    async fn redacted(&self) -> bool {
        self.redacted
    }

    /// The Content-Encoding of the bytes that are shown; null where there is none or it was undone.
    async fn content_encoding(&self) -> Option<&str> {
        self.encoding.as_deref()
    }

    /// As text; null where it is none (UTF-8).
    async fn text(&self) -> Option<&str> {
        match std::str::from_utf8(&self.shown) {
            Ok(text) => Some(text),
            // A character that was cut off at the end is left out.
            Err(error) if error.error_len().is_none() => std::str::from_utf8(&self.shown[..error.valid_up_to()]).ok(),
            Err(_) => None,
        }
    }

    async fn base64(&self) -> String {
        STANDARD.encode(&self.shown)
    }
}
