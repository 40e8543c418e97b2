//! One exchange on its way into the record: each part is encoded when it is there, straight into the bytes of the
//! protocol's `Exchange`. A part may be written in pieces: protobuf merges submessages that are written twice.
//!
//! Field numbers are those of `proto/weir.proto`; a test holds the two together.

use std::{
    borrow::Cow,
    net::SocketAddr,
    rc::Rc,
    sync::Arc,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use http::{HeaderMap, Version, header::PROXY_AUTHORIZATION, request, response};
use uuid::Uuid;
use weir_host::{Connection, Direction, Receipt, Tag, TagValue};
use weir_proto::v1::{Intervention, Outcome};

use super::{Messages, recorder::WorkerInner, wire};
use crate::config::Tuning;
use crate::redact::{Kind, Redacted, Rules};

/// On which side of the filters a head or a body was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// As its sender sent it. A request's is always written; a response's only where a filter changed it.
    Original,
    /// As it left the filters. A response's is always written; a request's only where a filter changed it.
    Filtered,
}

const REQUEST: u32 = 6;
const FILTERED_REQUEST: u32 = 7;
const RESPONSE: u32 = 8;
const ORIGINAL_RESPONSE: u32 = 9;

fn request_field(side: Side) -> u32 {
    if side == Side::Original { REQUEST } else { FILTERED_REQUEST }
}

fn response_field(side: Side) -> u32 {
    if side == Side::Filtered { RESPONSE } else { ORIGINAL_RESPONSE }
}

/// One exchange being recorded. Costs nothing when the agent records nothing. Dropped before [`Self::finish`], it says
/// that the client left.
pub struct Recording {
    inner: Option<Inner>,
}

struct Inner {
    worker: Rc<WorkerInner>,
    out: Vec<u8>,
    began: Instant,
    id: Uuid,
    messages: Option<Rc<Messages>>,
    /// of a message; none: messages are not recorded
    message_limit: Option<usize>,
    /// in force when the exchange began
    rules: Option<Arc<Rules>>,
    /// what heads said of bodies, by direction and side
    kinds: [[Option<Box<Kind>>; 2]; 2],
}

impl Recording {
    pub(super) fn off() -> Self {
        Self { inner: None }
    }

    pub(super) fn begin(worker: &Rc<WorkerInner>, id: Uuid, tuning: &Tuning) -> Self {
        let mut out = worker.buffer();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        wire::bytes(&mut out, 1, id.as_bytes());
        wire::number(&mut out, 2, micros(now));
        let capture = &tuning.capture;
        let inner = Inner {
            worker: Rc::clone(worker),
            out,
            began: Instant::now(),
            id,
            messages: None,
            message_limit: capture.messages.then_some(capture.message_bytes),
            rules: tuning.redaction.clone(),
            kinds: Default::default(),
        };
        Self { inner: Some(inner) }
    }

    /// Is there a record? If not, nobody needs to collect bodies for it.
    pub fn is_on(&self) -> bool {
        self.inner.is_some()
    }

    /// Where its messages go; none where they are not recorded.
    pub fn messages(&mut self) -> Option<Rc<Messages>> {
        let Inner { worker, id, messages, message_limit, rules, .. } = self.inner.as_mut()?;
        let limit = (*message_limit)?;
        Some(Rc::clone(messages.get_or_insert_with(|| Messages::of(worker, *id, limit, rules.clone()))))
    }

    fn write(&mut self, write: impl FnOnce(&mut Vec<u8>, Option<&Rules>)) {
        if let Some(inner) = &mut self.inner {
            write(&mut inner.out, inner.rules.as_deref());
        }
    }

    fn heard(&mut self, direction: Direction, side: Side, headers: &HeaderMap) {
        if let Some(Inner { rules: Some(_), kinds, .. }) = &mut self.inner {
            kinds[direction as usize][side as usize] = Some(Box::new(Kind::of(headers)));
        }
    }

    /// Its own head says how it is coded, or the other where both are the same and one was written.
    fn kind(&self, direction: Direction, side: Side) -> Kind {
        let Some(Inner { rules: Some(_), kinds, .. }) = &self.inner else { return Kind::default() };
        let [own, other] = [side as usize, 1 - side as usize].map(|side| kinds[direction as usize][side].as_deref());
        match (own, other) {
            (Some(own), Some(other)) => own.clone().or_as(other),
            (own, other) => own.or(other).cloned().unwrap_or_default(),
        }
    }

    fn write_body(&mut self, (field, inner_field): (u32, u32), kind: &Kind, body: &Copied<'_>) {
        self.write(|out, rules| {
            wire::message(out, field, |out| write_copy(out, inner_field, (rules, kind), body));
        });
    }

    /// The connection it came over.
    pub fn connection(&mut self, connection: &Connection) {
        self.write(|out, _| {
            wire::message(out, 5, |out| {
                wire::text(out, 1, connection.client_address);
                wire::bytes(out, 2, connection.entry.as_str().as_bytes());
                wire::bytes(out, 3, connection.user.as_deref().unwrap_or_default().as_bytes());
                wire::bytes(out, 4, connection.tunnel_target.as_deref().unwrap_or_default().as_bytes());
                wire::bytes(out, 5, connection.server_name.as_deref().unwrap_or_default().as_bytes());
                wire::number(out, 6, u64::from(connection.intercepted));
            });
        });
    }

    /// A request's head; its URI is in absolute form.
    pub fn request_head(&mut self, side: Side, head: &request::Parts) {
        self.heard(Direction::Request, side, &head.headers);
        self.write(|out, rules| {
            wire::message(out, request_field(side), |out| {
                let uri = &head.uri;
                wire::bytes(out, 1, head.method.as_str().as_bytes());
                wire::bytes(out, 2, uri.scheme_str().unwrap_or_default().as_bytes());
                // a name and password before the host are nobody's business either (RFC 3986 section 3.2.1)
                let authority = uri.authority().map_or("", |authority| authority.as_str());
                let place = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
                wire::bytes(out, 3, place.as_bytes());
                let path = uri.path_and_query().map_or("", |path| path.as_str());
                wire::bytes(out, 4, &rules.map_or(Cow::Borrowed(path.as_bytes()), |rules| rules.path(path)));
                wire::bytes(out, 5, version(head.version).as_bytes());
                fields(out, 6, rules, &head.headers);
            });
        });
    }

    /// A response's head.
    pub fn response_head(&mut self, side: Side, head: &response::Parts) {
        self.heard(Direction::Response, side, &head.headers);
        self.write(|out, rules| {
            wire::message(out, response_field(side), |out| {
                wire::number(out, 1, u64::from(head.status.as_u16()));
                wire::bytes(out, 2, version(head.version).as_bytes());
                fields(out, 3, rules, &head.headers);
            });
        });
    }

    /// A request's body: what was captured of it and whether it passed to its end, how long it truly was, and the digest of the whole
    /// where that is more.
    pub fn request_body(
        &mut self,
        side: Side,
        (captured, ended): (&[Bytes], bool),
        size: u64,
        whole: Option<[u8; 32]>,
    ) {
        let kind = self.kind(Direction::Request, side);
        self.write_body((request_field(side), 7), &kind, &Copied { captured, ended, size, whole });
    }

    /// A response's body, as a request's.
    pub fn response_body(
        &mut self,
        side: Side,
        (captured, ended): (&[Bytes], bool),
        size: u64,
        whole: Option<[u8; 32]>,
    ) {
        let kind = self.kind(Direction::Response, side);
        self.write_body((response_field(side), 4), &kind, &Copied { captured, ended, size, whole });
    }

    /// A request's trailers.
    pub fn request_trailers(&mut self, side: Side, trailers: &HeaderMap) {
        self.write(|out, rules| wire::message(out, request_field(side), |out| fields(out, 8, rules, trailers)));
    }

    /// A response's trailers.
    pub fn response_trailers(&mut self, side: Side, trailers: &HeaderMap) {
        self.write(|out, rules| wire::message(out, response_field(side), |out| fields(out, 5, rules, trailers)));
    }

    /// What one filter did.
    pub fn receipt(&mut self, receipt: &Receipt<'_>) {
        self.write(|out, rules| {
            wire::message(out, 11, |out| {
                wire::bytes(out, 1, receipt.name.as_str().as_bytes());
                wire::number(out, 2, receipt.version);
                wire::text(out, 3, receipt.digest);
                wire::bytes(out, 4, receipt.verdict.as_str().as_bytes());
                if let Some(failure) = receipt.error {
                    let words = format!("{}: {}", failure.phase, failure.reason);
                    wire::bytes(out, 5, &in_words(rules, &words));
                }
                wire::number(out, 6, u64::from(receipt.changes.any()));
                // less than one is none, and none is not known
                wire::number(out, 7, u64::try_from(receipt.took.as_nanos()).unwrap_or(u64::MAX).max(1));
                receipt.changes.words().for_each(|word| wire::bytes(out, 8, word.as_bytes()));
            });
        });
    }

    /// What a filter said.
    pub fn tag(&mut self, tag: &Tag) {
        self.write(|out, rules| {
            wire::message(out, 14, |out| {
                wire::text(out, 1, format_args!("{}.{}", tag.filter, tag.name));
                match &tag.value {
                    // there, though it be empty: it is one of several that may be
                    TagValue::Text(text) => wire::text(out, 2, String::from_utf8_lossy(&in_words(rules, text))),
                    TagValue::Number(number) => wire::double(out, 3, *number),
                    TagValue::Flag(flag) => wire::flag(out, 4, *flag),
                }
            });
        });
    }

    /// What a person did to it.
    pub fn intervention(&mut self, how: &Intervention) {
        self.write(|out, _| {
            wire::message(out, 20, |out| {
                wire::number(out, 1, u64::from(how.at_response));
                wire::bytes(out, 2, how.decision.as_bytes());
                wire::bytes(out, 3, how.by.as_bytes());
                how.changed.iter().for_each(|changed| wire::bytes(out, 4, changed.as_bytes()));
                wire::number(out, 5, how.waited_us);
                wire::number(out, 6, u64::from(how.failed));
            });
        });
    }

    /// No client sent it: an orchestrator wanted it, and which exchange it repeats.
    pub fn replay(&mut self, of: Option<Uuid>, by: &str) {
        self.write(|out, _| {
            wire::bytes(out, 30, of.unwrap_or_default().as_bytes());
            wire::bytes(out, 31, by.as_bytes());
        });
    }

    /// Where the request was sent to.
    pub fn upstream(&mut self, address: SocketAddr) {
        self.write(|out, _| wire::text(out, 10, address));
    }

    /// The response head is on its way to the client.
    pub fn first_byte(&mut self) {
        if let Some(inner) = &mut self.inner {
            let us = micros(inner.began.elapsed()).max(1);
            wire::number(&mut inner.out, 4, us);
        }
    }

    /// The exchange is over. Never waits: with no room in the queue the record is dropped and counted.
    pub fn finish(mut self, outcome: Outcome, error: Option<&str>) {
        self.close(outcome, error);
    }

    fn close(&mut self, outcome: Outcome, error: Option<&str>) {
        let Some(Inner { worker, mut out, began, rules, .. }) = self.inner.take() else { return };
        wire::number(&mut out, 3, micros(began.elapsed()).max(1));
        wire::number(&mut out, 12, u64::from(outcome as u32));
        wire::bytes(&mut out, 13, &in_words(rules.as_deref(), error.unwrap_or_default()));
        worker.deliver(out);
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.close(Outcome::ClientGone, None);
    }
}

fn micros(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_09 => "HTTP/0.9",
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2",
        Version::HTTP_3 => "HTTP/3",
        _ => "HTTP/1.1",
    }
}

pub(super) fn in_words<'t>(rules: Option<&Rules>, text: &'t str) -> Cow<'t, [u8]> {
    rules.map_or(Cow::Borrowed(text.as_bytes()), |rules| rules.words(text))
}

fn fields(out: &mut Vec<u8>, field: u32, rules: Option<&Rules>, headers: &HeaderMap) {
    for (name, value) in headers {
        // the password of a client to this agent is nobody's business
        if name == PROXY_AUTHORIZATION {
            continue;
        }
        wire::message(out, field, |out| {
            wire::bytes(out, 1, name.as_str().as_bytes());
            let shown = rules.map_or(Cow::Borrowed(value.as_bytes()), |rules| rules.field(name, value));
            wire::bytes(out, 2, &shown);
        });
    }
}

/// What there is of a body.
struct Copied<'a> {
    captured: &'a [Bytes],
    /// nothing of it is behind what passed
    ended: bool,
    size: u64,
    whole: Option<[u8; 32]>,
}

fn write_copy(out: &mut Vec<u8>, field: u32, (rules, kind): (Option<&Rules>, &Kind), body: &Copied<'_>) {
    let Copied { captured, ended, size, whole } = *body;
    let rules = rules.filter(|rules| rules.looks_into(kind));
    wire::message(out, field, |out| {
        let redacted = rules.map(|rules| {
            let held: Vec<u8> = captured.concat();
            rules.body(kind, &held, !ended || (held.len() as u64) < size)
        });
        match &redacted {
            None | Some(Redacted::Same) => wire::chunks(out, 1, captured),
            Some(Redacted::Other(body, _)) => wire::bytes(out, 1, body),
            Some(Redacted::Withheld) => {}
        }
        wire::number(out, 2, size);
        // of what nobody has looked at, it may tell what it was: all else of the body is known
        let whole = whole.filter(|_| rules.is_none());
        wire::bytes(out, 3, whole.as_ref().map_or(&[], |whole| &whole[..]));
        let (is_redacted, is_cut) = match redacted {
            None | Some(Redacted::Same) => (false, false),
            Some(Redacted::Other(_, is_cut)) => (true, is_cut),
            Some(Redacted::Withheld) => (true, true),
        };
        wire::number(out, 4, u64::from(is_redacted));
        wire::number(out, 5, u64::from(is_cut));
    });
}

#[cfg(test)]
mod tests;
