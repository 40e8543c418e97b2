//! Requests and responses of exchanges: heads, and bodies within bounds.

use std::{ops::Deref, sync::Arc};

use async_graphql::{Context, Object, Result, SimpleObject};
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
pub(super) struct RequestMessage {
    pub(super) held: Held,
    pub(super) request: v1::Request,
}

/// The head of a response, and its body as far as it was captured.
pub(super) struct ResponseMessage {
    pub(super) held: Held,
    pub(super) response: v1::Response,
}

/// A body as far as it was captured.
pub(super) struct Body {
    size: u64,
    captured: usize,
    truncated: bool,
    encoding: Option<String>,
    shown: Bytes,
    purse: Arc<Purse>,
}

#[Object]
impl RequestMessage {
    async fn method(&self) -> &str {
        &self.request.method
    }

    async fn url(&self) -> Result<String> {
        let v1::Request { scheme, authority, path, .. } = &self.request;
        let url = crate::rest::url(scheme, authority, path);
        self.held.purse.spend(url.len())?;
        Ok(url)
    }

    async fn version(&self) -> &str {
        &self.request.version
    }

    /// Values of `Authorization`, `Proxy-Authorization` and `Cookie` are hidden, unless the exchange was asked for with `reveal`.
    #[graphql(complexity = "times(20, child_complexity)")]
    async fn headers(&self) -> Result<Vec<HeaderField>> {
        fields(&self.held, &self.request.headers)
    }

    #[graphql(complexity = "times(20, child_complexity)")]
    async fn trailers(&self) -> Result<Vec<HeaderField>> {
        fields(&self.held, &self.request.trailers)
    }

    /// The body: its first `limit` bytes, 1 to 1,048,576; `decoded` undoes its Content-Encoding.
    #[graphql(complexity = "times(limit / UNIT, child_complexity)")]
    async fn body(
        &self,
        context: &Context<'_>,
        #[graphql(default = 16384)] limit: i32,
        #[graphql(default = false)] decoded: bool,
    ) -> Result<Body> {
        body(context, &self.held, (&self.request.body, &self.request.headers), (limit, decoded)).await
    }
}

#[Object]
impl ResponseMessage {
    async fn status(&self) -> i32 {
        i32::try_from(self.response.status).unwrap_or(0)
    }

    async fn version(&self) -> &str {
        &self.response.version
    }

    /// Values of `Set-Cookie` are hidden, unless the exchange was asked for with `reveal`.
    #[graphql(complexity = "times(20, child_complexity)")]
    async fn headers(&self) -> Result<Vec<HeaderField>> {
        fields(&self.held, &self.response.headers)
    }

    #[graphql(complexity = "times(20, child_complexity)")]
    async fn trailers(&self) -> Result<Vec<HeaderField>> {
        fields(&self.held, &self.response.trailers)
    }

    /// The body: its first `limit` bytes, 1 to 1,048,576; `decoded` undoes its Content-Encoding.
    #[graphql(complexity = "times(limit / UNIT, child_complexity)")]
    async fn body(
        &self,
        context: &Context<'_>,
        #[graphql(default = 16384)] limit: i32,
        #[graphql(default = false)] decoded: bool,
    ) -> Result<Body> {
        body(context, &self.held, (&self.response.body, &self.response.headers), (limit, decoded)).await
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

    /// The Content-Encoding of the bytes that are shown; null where there is none or it was undone.
    async fn content_encoding(&self) -> Option<&str> {
        self.encoding.as_deref()
    }

    /// As text; null where it is none (UTF-8).
    async fn text(&self) -> Result<Option<String>> {
        let text = match std::str::from_utf8(&self.shown) {
            Ok(text) => text,
            // A character that was cut off at the end is left out.
            Err(error) if error.error_len().is_none() => {
                std::str::from_utf8(&self.shown[..error.valid_up_to()]).unwrap_or_default()
            }
            Err(_) => return Ok(None),
        };
        self.purse.spend(text.len())?;
        Ok(Some(text.to_owned()))
    }

    async fn base64(&self) -> Result<String> {
        self.purse.spend(self.shown.len() / 3 * 4 + 4)?;
        Ok(STANDARD.encode(&self.shown))
    }
}

fn fields(held: &Held, fields: &[v1::Field]) -> Result<Vec<HeaderField>> {
    held.purse.spend(fields.iter().map(|field| field.name.len() + field.value.len()).sum())?;
    let field = |field: &v1::Field| HeaderField {
        value: held.secrets.shown(&field.name, field.value.iter().map(|byte| char::from(*byte)).collect()),
        name: field.name.clone(),
    };
    Ok(fields.iter().map(field).collect())
}

async fn body(
    context: &Context<'_>,
    held: &Held,
    (body, headers): (&Option<v1::Body>, &[v1::Field]),
    (limit, decode): (i32, bool),
) -> Result<Body> {
    let most = usize::try_from(limit).ok().filter(|_| (1..=MOST).contains(&limit));
    let most = most.ok_or_else(|| Fault::from(Problem::bad_request(format!("limit has to be 1 to {MOST}"))))?;
    let body = body.clone().unwrap_or_default();
    let captured = body.data.len();
    let mut truncated = body.is_cut(captured as u64);
    let mut shown = body.data;
    let named = |field: &&v1::Field| field.name.eq_ignore_ascii_case("content-encoding");
    let mut encoding = headers.iter().find(named).map(|field| String::from_utf8_lossy(&field.value).into_owned());
    if decode {
        let complete;
        let orchestrator = context.data_unchecked::<Arc<Orchestrator>>();
        (shown, complete) = decoded(orchestrator, headers, shown).await.map_err(Fault::from)?;
        held.purse.spend(shown.len())?;
        truncated |= !complete;
        encoding = None;
    }
    truncated |= shown.len() > most;
    shown.truncate(most);
    Ok(Body { size: body.size, captured, truncated, encoding, shown, purse: Arc::clone(&held.purse) })
}
