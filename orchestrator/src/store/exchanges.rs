//! Recorded exchanges, read: listings newest first, and one whole.
//!
//! A search walks the index in blocks and stops after a while with what it found and where to go on, so that no query,
//! however little it finds, holds a reader or the memory for long.

use std::time::Duration;

use futures_util::TryStreamExt as _;
use prost::Message as _;
use tokio::time::Instant;
use uuid::Uuid;
use weir_proto::v1::{Exchange, Outcome};
use weir_query::Query;

use super::{
    Store, StoreError,
    record::ZSTD,
    search::{Search, Seen},
    sql::{Row, Sql},
};

/// A search that took this long answers with what it has.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);
/// No stored message is larger: what agents send is bounded.
const MAX_DETAIL: usize = weir_proto::MAX_MESSAGE_BYTES;

pub(super) const COLUMNS: &str = "SELECT e.id, a.id, a.name, e.started_us, e.duration_us, e.first_byte_us, e.method, e.scheme, \
    e.authority, e.host, e.path, e.version, e.status, e.request_bytes, e.response_bytes, e.content_type, e.outcome, \
    e.error, e.client, e.filters";

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
}

/// Some of the exchanges that fit, and where to go on when there may be more.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) items: Vec<Summary>,
    pub(crate) next: Option<Uuid>,
}

impl Store {
    /// Exchanges that fit, newest first, from below `before`.
    pub(crate) async fn exchanges(
        &self,
        query: &Query,
        before: Option<Uuid>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let search = Search::compile(query);
        let until = Instant::now() + PATIENCE;
        let mut items = Vec::new();
        let mut before = before.unwrap_or(Uuid::max());
        loop {
            let floor = self.block_end(&search, before).await?;
            let interrupted = self.block(&search, before, floor, limit + 1, until, &mut items).await?;
            if items.len() > limit {
                items.truncate(limit);
                let next = items.last().map(|last: &Summary| last.id);
                return Ok(Page { items, next });
            }
            match interrupted.or(floor) {
                None => return Ok(Page { items, next: None }),
                Some(floor) if Instant::now() >= until => return Ok(Page { items, next: Some(floor) }),
                Some(floor) => before = floor,
            }
        }
    }

    /// The id that the block below `before` ends with; none when all that is left fits in it.
    async fn block_end(&self, search: &Search, before: Uuid) -> Result<Option<Uuid>, StoreError> {
        if search.is_all() {
            return Ok(None);
        }
        let mut query = Sql::new("SELECT e.id");
        let dialect = self.dialect();
        query.push(dialect.exchanges_by(search.index())).push(" WHERE e.id < ").push_bind(before);
        search.push_anchor(&mut query);
        query.push(" ORDER BY e.id DESC LIMIT 1 OFFSET ").push_bind(dialect.block(search.needs_detail()) - 1);
        let row = query.fetch_optional(&self.reads).await?;
        row.map(|row| row.get(0)).transpose()
    }

    /// What fits in one block. Where whole messages had to be read and the time ran out, the last one that was.
    async fn block(
        &self,
        search: &Search,
        before: Uuid,
        floor: Option<Uuid>,
        enough: usize,
        until: Instant,
        items: &mut Vec<Summary>,
    ) -> Result<Option<Uuid>, StoreError> {
        let mut query = Sql::new(COLUMNS);
        if search.needs_detail() {
            query.push(", e.coding, e.detail");
        }
        let dialect = self.dialect();
        query.push(dialect.exchanges_by(search.index())).push(dialect.with_agents());
        query.push(" WHERE e.id < ").push_bind(before);
        if let Some(floor) = floor {
            query.push(" AND e.id >= ").push_bind(floor);
        }
        search.push_anchor(&mut query);
        search.push_conditions(&mut query, dialect);
        query.push(" ORDER BY e.id DESC");
        if !search.needs_detail() {
            query.push(" LIMIT ").push_bind(i64::try_from(enough - items.len()).unwrap_or(i64::MAX));
        }
        let mut rows = query.fetch(&self.reads);
        while items.len() < enough
            && let Some(row) = rows.try_next().await?
        {
            let summary = summary(&row)?;
            if search.needs_detail() {
                let exchange = detail(&row, 20)?;
                let overdue = Instant::now() >= until;
                if !search
                    .matches(&Seen { agent: (&summary.agent.to_string(), &summary.agent_name), exchange: &exchange })
                {
                    if overdue {
                        return Ok(Some(summary.id));
                    }
                    continue;
                }
            }
            items.push(summary);
        }
        Ok(None)
    }

    /// One exchange, whole.
    pub(crate) async fn exchange(&self, id: Uuid) -> Result<Option<(Summary, Exchange)>, StoreError> {
        let mut query = Sql::new(COLUMNS);
        query.push(", e.coding, e.detail FROM exchanges e JOIN agents a ON a.number = e.agent WHERE e.id = ");
        query.push_bind(id);
        let row = query.fetch_optional(&self.reads).await?;
        row.map(|row| Ok((summary(&row)?, detail(&row, 20)?))).transpose()
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
        outcome: outcome(i32::try_from(row.get::<i64>(16)?).unwrap_or(-1)),
        error: row.get(17)?,
        client: row.get(18)?,
        filters: filters.split_terminator(' ').map(str::to_owned).collect(),
    })
}

pub(super) fn detail(row: &Row, column: usize) -> Result<Exchange, StoreError> {
    let damaged = || StoreError::Damaged("a recorded exchange");
    let bytes: &[u8] = row.get(column + 1)?;
    if row.get::<i64>(column)? != ZSTD {
        return Exchange::decode(bytes).map_err(|_| damaged());
    }
    let plain = zstd::bulk::decompress(bytes, MAX_DETAIL).map_err(|_| damaged())?;
    Exchange::decode(&plain[..]).map_err(|_| damaged())
}

/// The word of an outcome; an agent of a later version may know more of them.
pub(super) fn outcome(number: i32) -> &'static str {
    match Outcome::try_from(number) {
        Ok(Outcome::Complete) => "complete",
        Ok(Outcome::ClientGone) => "client-gone",
        Ok(Outcome::UpstreamFailed) => "upstream-failed",
        Ok(Outcome::FilterAnswered) => "filter-answered",
        Ok(Outcome::FilterFailed) => "filter-failed",
        Ok(Outcome::Refused) => "refused",
        Ok(Outcome::Upgraded) => "upgraded",
        Ok(Outcome::ShutDown) => "shut-down",
        Err(_) => "unknown",
    }
}
