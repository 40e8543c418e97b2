//! Messages of one exchange on their way into the record: each as soon as it has passed, whatever becomes of its exchange.
//! Both directions count together. Must not know how messages are told apart.

use std::{
    borrow::Cow,
    cell::Cell,
    rc::Rc,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use uuid::Uuid;
use weir_host::Direction;
pub use weir_proto::v1::{MessageFate as Fate, MessageKind as Kind};

use super::{recorder::WorkerInner, wire};
use crate::redact::{self, Decodable, Redacted, Rules};

/// Where the messages of one exchange go.
pub struct Messages {
    worker: Rc<WorkerInner>,
    exchange: Uuid,
    last: Cell<u64>,
    limit: usize,
    rules: Option<Arc<Rules>>,
    /// by those rules
    decodable: Decodable,
}

/// A message that has passed, or that nothing more is read.
#[derive(Default)]
pub struct Passed<'a> {
    pub kind: Kind,
    /// the first bytes, up to [`Messages::limit`]; more are left out
    pub data: &'a [u8],
    /// true size in bytes
    pub size: u64,
    /// of a close
    pub code: u16,
    pub note: &'a str,
    pub is_compressed: bool,
    /// there was more of it than was read
    pub is_cut: bool,
    /// of gRPC-Web: lines of fields
    pub is_trailers: bool,
    pub fate: Fate,
    /// what went on in its place
    pub sent: Option<&'a [u8]>,
}

impl Messages {
    /// With so many bytes of each.
    pub(super) fn of(worker: &Rc<WorkerInner>, exchange: Uuid, limit: usize, rules: Option<Arc<Rules>>) -> Rc<Self> {
        Rc::new(Self {
            worker: Rc::clone(worker),
            exchange,
            last: Cell::new(0),
            limit,
            rules,
            decodable: Decodable::default(),
        })
    }

    /// Bytes of a message that are kept.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Never waits: with no room in the queue the message is dropped and counted.
    pub fn tell(&self, from: Direction, passed: &Passed<'_>) {
        let number = self.last.get() + 1;
        self.last.set(number);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let kept = |data: &'_ [u8]| data.len().min(self.limit);
        let mut out = self.worker.buffer();
        wire::bytes(&mut out, 1, self.exchange.as_bytes());
        wire::number(&mut out, 2, number);
        wire::number(&mut out, 3, u64::try_from(now.as_micros()).unwrap_or(u64::MAX));
        wire::number(&mut out, 4, u64::from(passed.kind as u32));
        wire::number(&mut out, 5, u64::from(from == Direction::Request));
        let data = self.redacted(passed, &passed.data[..kept(passed.data)], passed.size);
        wire::bytes(&mut out, 6, &data);
        wire::number(&mut out, 7, passed.size);
        wire::number(&mut out, 8, u64::from(passed.code));
        wire::bytes(&mut out, 9, passed.note.as_bytes());
        wire::number(&mut out, 10, u64::from(passed.is_compressed));
        wire::number(&mut out, 11, u64::from(passed.fate as u32));
        if let Some(sent) = passed.sent {
            wire::bytes(&mut out, 12, &self.redacted(passed, &sent[..kept(sent)], sent.len() as u64));
            wire::number(&mut out, 13, sent.len() as u64);
        }
        self.worker.deliver_message(out);
    }

    /// What of it is recorded; nothing where nobody can say where in it the secrets are.
    fn redacted<'d>(&self, passed: &Passed<'_>, data: &'d [u8], size: u64) -> Cow<'d, [u8]> {
        let Some(rules) = &self.rules else { return Cow::Borrowed(data) };
        let is_cut = passed.is_cut || (data.len() as u64) < size;
        let kind = || redact::Kind::message(passed.is_compressed, passed.is_trailers);
        let redacted = match passed.kind {
            Kind::Event => rules.event(data, is_cut),
            _ => rules.message(&self.decodable, &kind(), data, is_cut),
        };
        match redacted {
            Redacted::Same => Cow::Borrowed(data),
            Redacted::Other(data, _) => Cow::Owned(data),
            Redacted::Withheld => Cow::Borrowed(&[]),
        }
    }

    /// From here on this direction passes unread.
    pub fn stop(&self, from: Direction, why: &str) {
        self.tell(from, &Passed { kind: Kind::Unread, note: why, ..Passed::default() });
    }
}
