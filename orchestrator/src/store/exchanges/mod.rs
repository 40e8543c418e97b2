//! Recorded exchanges, read: listings newest first (`walk`), and some whole (`whole`). Here is what a row says.

mod walk;
mod whole;

use std::borrow::Cow;

use prost::Message as _;
use uuid::Uuid;
use weir_proto::v1::{Exchange, Outcome};

use super::{
    StoreError,
    bodies::{Kept, named},
    record::ZSTD,
    sql::Row,
};

pub(super) use walk::PATIENCE;

/// No stored message is larger: what agents send is bounded.
const MAX_DETAIL: usize = weir_proto::MAX_MESSAGE_BYTES;

pub(super) const COLUMNS: &str = "SELECT e.id, a.id, a.name, e.started_us, e.duration_us, e.first_byte_us, e.method, e.scheme, \
    e.authority, e.host, e.path, e.version, e.status, e.request_bytes, e.response_bytes, e.content_type, e.outcome, \
    e.error, e.client, e.filters, e.replay_of";

/// An exchange in a listing.
#[derive(Debug, Clone)]
pub(crate) struct Summary {
    pub(crate) id: Uuid,
    pub(crate) agent: Uuid,
    pub(crate) agent_name: String,
    pub(crate) started_us: u64,
    pub(crate) duration_us: u64,
    pub(crate) first_byte_us: u64,
    pub(crate) method: String,
    pub(crate) scheme: String,
    pub(crate) authority: String,
    pub(crate) host: String,
    pub(crate) path: String,
    pub(crate) version: String,
    pub(crate) status: Option<u16>,
    pub(crate) request_bytes: u64,
    pub(crate) response_bytes: u64,
    pub(crate) content_type: String,
    pub(crate) outcome: &'static str,
    pub(crate) error: String,
    pub(crate) client: String,
    pub(crate) filters: Vec<String>,
    /// Of one that an orchestrator had an agent send; a nil where it repeats none.
    pub(crate) replay_of: Option<Uuid>,
}

/// An exchange without the bodies that are kept beside it.
#[derive(Debug, Clone)]
pub(crate) struct Outline {
    pub(crate) summary: Summary,
    pub(crate) exchange: Exchange,
    pub(crate) kept: Vec<Kept>,
}

impl Outline {
    /// Bytes of it with the bodies that are kept beside it, about.
    pub(crate) fn whole_bytes(&self) -> u64 {
        let own = self.exchange.encoded_len() as u64;
        self.kept.iter().map(Kept::captured).fold(own, u64::saturating_add)
    }
}

pub(super) fn summary(row: &Row) -> Result<Summary, StoreError> {
    let filters: &str = row.get(19)?;
    Ok(Summary {
        id: row.get(0)?,
        agent: row.get(1)?,
        agent_name: row.get(2)?,
        started_us: row.number(3)?,
        duration_us: row.number(4)?,
        first_byte_us: row.number(5)?,
        method: row.get(6)?,
        scheme: row.get(7)?,
        authority: row.get(8)?,
        host: row.get(9)?,
        path: row.get(10)?,
        version: row.get(11)?,
        status: row.get::<Option<i64>>(12)?.and_then(|status| u16::try_from(status).ok()),
        request_bytes: row.number(13)?,
        response_bytes: row.number(14)?,
        content_type: row.get(15)?,
        outcome: outcome(i32::try_from(row.get::<i64>(16)?).unwrap_or(-1)).unwrap_or("unknown"),
        error: row.get(17)?,
        client: row.get(18)?,
        filters: filters.split_terminator(' ').map(str::to_owned).collect(),
        replay_of: row.get(20)?,
    })
}

/// The message, and which of its bodies are kept beside.
pub(super) fn unpack(coding: i64, bytes: &[u8]) -> Result<(Exchange, Vec<Kept>), StoreError> {
    let damaged = || StoreError::Damaged("a recorded exchange");
    let plain = match coding {
        ZSTD => Cow::Owned(zstd::bulk::decompress(bytes, MAX_DETAIL).map_err(|_| damaged())?),
        _ => Cow::Borrowed(bytes),
    };
    Ok((Exchange::decode(&*plain).map_err(|_| damaged())?, named(&plain)?))
}

/// The word of an outcome; an agent of a later version may know more of them.
pub(super) fn outcome(number: i32) -> Option<&'static str> {
    Some(match Outcome::try_from(number).ok()? {
        Outcome::Complete => "complete",
        Outcome::ClientGone => "client-gone",
        Outcome::UpstreamFailed => "upstream-failed",
        Outcome::FilterAnswered => "filter-answered",
        Outcome::FilterFailed => "filter-failed",
        Outcome::Refused => "refused",
        Outcome::Upgraded => "upgraded",
        Outcome::ShutDown => "shut-down",
    })
}
