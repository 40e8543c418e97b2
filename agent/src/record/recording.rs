//! One exchange on its way into the record: each part is encoded when it is there, straight into the bytes of the
//! protocol's `Exchange`. A part may be written in pieces: protobuf merges submessages that are written twice.
//!
//! Field numbers are those of `proto/weir.proto`; a test holds the two together.

use std::{
    net::SocketAddr,
    rc::Rc,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use http::{HeaderMap, Version, header::PROXY_AUTHORIZATION, request, response};
use uuid::Uuid;
use weir_host::{Connection, Receipt, Tag, TagValue};
use weir_proto::v1::{Intervention, Outcome};

use super::{Messages, recorder::WorkerInner, wire};

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
}

impl Recording {
    pub(super) fn off() -> Self {
        Self { inner: None }
    }

    pub(super) fn begin(worker: &Rc<WorkerInner>, id: Uuid) -> Self {
        let mut out = worker.buffer();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        wire::bytes(&mut out, 1, id.as_bytes());
        wire::number(&mut out, 2, micros(now));
        let (worker, began) = (Rc::clone(worker), Instant::now());
        Self { inner: Some(Inner { worker, out, began, id, messages: None }) }
    }

    /// Is there a record? If not, nobody needs to collect bodies for it.
    pub fn is_on(&self) -> bool {
        self.inner.is_some()
    }

    /// Where its messages go; none where they are not recorded.
    pub fn messages(&mut self) -> Option<Rc<Messages>> {
        let Inner { worker, id, messages, .. } = self.inner.as_mut()?;
        if messages.is_none() {
            *messages = Messages::of(worker, *id);
        }
        messages.clone()
    }

    fn write(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        if let Some(inner) = &mut self.inner {
            write(&mut inner.out);
        }
    }

    /// The connection it came over.
    pub fn connection(&mut self, connection: &Connection) {
        self.write(|out| {
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
        self.write(|out| {
            wire::message(out, request_field(side), |out| {
                let uri = &head.uri;
                wire::bytes(out, 1, head.method.as_str().as_bytes());
                wire::bytes(out, 2, uri.scheme_str().unwrap_or_default().as_bytes());
                wire::bytes(out, 3, uri.authority().map_or("", |authority| authority.as_str()).as_bytes());
                wire::bytes(out, 4, uri.path_and_query().map_or("", |path| path.as_str()).as_bytes());
                wire::bytes(out, 5, version(head.version).as_bytes());
                fields(out, 6, &head.headers);
            });
        });
    }

    /// A response's head.
    pub fn response_head(&mut self, side: Side, head: &response::Parts) {
        self.write(|out| {
            wire::message(out, response_field(side), |out| {
                wire::number(out, 1, u64::from(head.status.as_u16()));
                wire::bytes(out, 2, version(head.version).as_bytes());
                fields(out, 3, &head.headers);
            });
        });
    }

    /// A request's body: what was captured of it, how long it truly was, and the digest of the whole where that is more.
    pub fn request_body(&mut self, side: Side, captured: &[Bytes], size: u64, whole: Option<[u8; 32]>) {
        self.write(|out| wire::message(out, request_field(side), |out| body(out, 7, captured, size, whole)));
    }

    /// A response's body, as a request's.
    pub fn response_body(&mut self, side: Side, captured: &[Bytes], size: u64, whole: Option<[u8; 32]>) {
        self.write(|out| wire::message(out, response_field(side), |out| body(out, 4, captured, size, whole)));
    }

    /// A request's trailers.
    pub fn request_trailers(&mut self, side: Side, trailers: &HeaderMap) {
        self.write(|out| wire::message(out, request_field(side), |out| fields(out, 8, trailers)));
    }

    /// A response's trailers.
    pub fn response_trailers(&mut self, side: Side, trailers: &HeaderMap) {
        self.write(|out| wire::message(out, response_field(side), |out| fields(out, 5, trailers)));
    }

    /// What one filter did.
    pub fn receipt(&mut self, receipt: &Receipt<'_>) {
        self.write(|out| {
            wire::message(out, 11, |out| {
                wire::bytes(out, 1, receipt.name.as_str().as_bytes());
                wire::number(out, 2, receipt.version);
                wire::text(out, 3, receipt.digest);
                wire::bytes(out, 4, receipt.verdict.as_str().as_bytes());
                if let Some(failure) = receipt.error {
                    wire::text(out, 5, format_args!("{}: {}", failure.phase, failure.reason));
                }
                wire::number(out, 6, u64::from(receipt.changed));
            });
        });
    }

    /// What a filter said.
    pub fn tag(&mut self, tag: &Tag) {
        self.write(|out| {
            wire::message(out, 14, |out| {
                wire::text(out, 1, format_args!("{}.{}", tag.filter, tag.name));
                match &tag.value {
                    TagValue::Text(text) => wire::text(out, 2, text),
                    TagValue::Number(number) => wire::double(out, 3, *number),
                    TagValue::Flag(flag) => wire::flag(out, 4, *flag),
                }
            });
        });
    }

    /// What a person did to it.
    pub fn intervention(&mut self, how: &Intervention) {
        self.write(|out| {
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
        self.write(|out| {
            wire::bytes(out, 30, of.unwrap_or_default().as_bytes());
            wire::bytes(out, 31, by.as_bytes());
        });
    }

    /// Where the request was sent to.
    pub fn upstream(&mut self, address: SocketAddr) {
        self.write(|out| wire::text(out, 10, address));
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
        let Some(Inner { worker, mut out, began, .. }) = self.inner.take() else { return };
        wire::number(&mut out, 3, micros(began.elapsed()).max(1));
        wire::number(&mut out, 12, u64::from(outcome as u32));
        wire::bytes(&mut out, 13, error.unwrap_or_default().as_bytes());
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

fn fields(out: &mut Vec<u8>, field: u32, headers: &HeaderMap) {
    for (name, value) in headers {
        // the password of a client to this agent is nobody's business
        if name == PROXY_AUTHORIZATION {
            continue;
        }
        wire::message(out, field, |out| {
            wire::bytes(out, 1, name.as_str().as_bytes());
            wire::bytes(out, 2, value.as_bytes());
        });
    }
}

fn body(out: &mut Vec<u8>, field: u32, captured: &[Bytes], size: u64, whole: Option<[u8; 32]>) {
    wire::message(out, field, |out| {
        wire::chunks(out, 1, captured);
        wire::number(out, 2, size);
        wire::bytes(out, 3, whole.as_ref().map_or(&[], |whole| &whole[..]));
    });
}

#[cfg(test)]
mod tests;
