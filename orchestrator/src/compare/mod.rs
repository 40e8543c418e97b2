//! Two exchanges beside each other: what differs in their heads, field by field, and in their bodies. Pure.

mod body;
mod head;

use serde::Serialize;
use utoipa::ToSchema;
use weir_proto::v1::{Body, Exchange, Field};

use body::BodyDiff;
use head::{Change, FieldChange};

/// One message of either.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MessageDiff {
    same: bool,
    /// What differs of method, address, version, status.
    line: Vec<Change>,
    /// Fields that differ, by name, in lower case.
    headers: Vec<FieldChange>,
    trailers: Vec<FieldChange>,
    body: BodyDiff,
}

/// Request and response; times and ids are none of it.
pub(crate) fn compare(a: &Exchange, b: &Exchange) -> (MessageDiff, MessageDiff) {
    (message(&request(a), &request(b)), message(&response(a), &response(b)))
}

impl MessageDiff {
    pub(crate) fn is_same(&self) -> bool {
        self.same
    }

    /// Values of fields that differ, as `show` has them.
    pub(crate) fn show(&mut self, show: impl Fn(&str, String) -> String) {
        for change in self.headers.iter_mut().chain(&mut self.trailers) {
            change.show(&show);
        }
    }
}

/// A message of either kind.
#[derive(Default)]
struct Message<'a> {
    line: Vec<(&'static str, String)>,
    headers: &'a [Field],
    trailers: &'a [Field],
    body: Option<&'a Body>,
}

fn request(exchange: &Exchange) -> Message<'_> {
    let Some(request) = &exchange.request else { return Message::default() };
    Message {
        line: vec![
            ("method", request.method.clone()),
            ("scheme", request.scheme.clone()),
            ("authority", request.authority.clone()),
            ("path", request.path.clone()),
            ("version", request.version.clone()),
        ],
        headers: &request.headers,
        trailers: &request.trailers,
        body: request.body.as_ref(),
    }
}

fn response(exchange: &Exchange) -> Message<'_> {
    let Some(response) = &exchange.response else { return Message::default() };
    Message {
        line: vec![("status", response.status.to_string()), ("version", response.version.clone())],
        headers: &response.headers,
        trailers: &response.trailers,
        body: response.body.as_ref(),
    }
}

fn message(a: &Message<'_>, b: &Message<'_>) -> MessageDiff {
    let line = head::line(&a.line, &b.line);
    let headers = head::fields(a.headers, b.headers);
    let trailers = head::fields(a.trailers, b.trailers);
    let body = body::diff((a.body, a.headers), (b.body, b.headers));
    let same = line.is_empty() && headers.is_empty() && trailers.is_empty() && body.is_same();
    MessageDiff { same, line, headers, trailers, body }
}
