//! Recorded exchanges, read: listings newest first, and one whole.
//!
//! A search walks the index in blocks and stops after a while with what it found and where to go on, so that no query,
//! however little it finds, holds a reader or the memory for long.

use std::time::Duration;

use futures_util::TryStreamExt as _;
use prost::Message as _;
use sqlx::{QueryBuilder, Row as _, Sqlite, sqlite::SqliteRow};
use tokio::time::Instant;
use uuid::Uuid;
use weir_proto::v1::{Exchange, Outcome};
use weir_query::Query;

use super::{
    Store, StoreError,
    record::ZSTD,
    search::{Search, Seen},
    unsigned,
};

/// Index entries between two looks at the clock.
const BLOCK: i64 = 10_000;
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
        let mut query = QueryBuilder::<Sqlite>::new("SELECT e.id FROM exchanges e INDEXED BY ");
        query.push(search.index()).push(" WHERE e.id < ").push_bind(before.into_bytes().to_vec());
        search.push_anchor(&mut query);
        query.push(" ORDER BY e.id DESC LIMIT 1 OFFSET ").push_bind(BLOCK - 1);
        let row = query.build().fetch_optional(&self.reads).await?;
        row.map(|row| uuid(&row, 0)).transpose()
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
        let mut query = QueryBuilder::<Sqlite>::new(COLUMNS);
        if search.needs_detail() {
            query.push(", e.coding, e.detail");
        }
        query.push(" FROM exchanges e INDEXED BY ").push(search.index());
        // Cross, so that the planner keeps the order of the index and looks agents up.
        query.push(" CROSS JOIN agents a ON a.number = e.agent WHERE e.id < ").push_bind(before.into_bytes().to_vec());
        if let Some(floor) = floor {
            query.push(" AND e.id >= ").push_bind(floor.into_bytes().to_vec());
        }
        search.push_anchor(&mut query);
        search.push_conditions(&mut query);
        query.push(" ORDER BY e.id DESC");
        if !search.needs_detail() {
            query.push(" LIMIT ").push_bind(i64::try_from(enough - items.len()).unwrap_or(i64::MAX));
        }
        let query = query.build();
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
        let mut query = QueryBuilder::<Sqlite>::new(COLUMNS);
        query.push(", e.coding, e.detail FROM exchanges e JOIN agents a ON a.number = e.agent WHERE e.id = ");
        query.push_bind(id.into_bytes().to_vec());
        let row = query.build().fetch_optional(&self.reads).await?;
        row.map(|row| Ok((summary(&row)?, detail(&row, 20)?))).transpose()
    }
}

fn uuid(row: &SqliteRow, column: usize) -> Result<Uuid, StoreError> {
    Uuid::from_slice(row.try_get(column)?).map_err(|_| StoreError::Damaged("an id"))
}

pub(super) fn summary(row: &SqliteRow) -> Result<Summary, StoreError> {
    let number = |column| Ok::<_, StoreError>(unsigned(row.try_get(column)?));
    let filters: &str = row.try_get(19)?;
    Ok(Summary {
        id: uuid(row, 0)?,
        agent: uuid(row, 1)?,
        agent_name: row.try_get(2)?,
        started_us: number(3)?,
        duration_us: number(4)?,
        first_byte_us: number(5)?,
        method: row.try_get(6)?,
        scheme: row.try_get(7)?,
        authority: row.try_get(8)?,
        host: row.try_get(9)?,
        path: row.try_get(10)?,
        version: row.try_get(11)?,
        status: row.try_get::<Option<u16>, _>(12)?,
        request_bytes: number(13)?,
        response_bytes: number(14)?,
        content_type: row.try_get(15)?,
        outcome: outcome(row.try_get(16)?),
        error: row.try_get(17)?,
        client: row.try_get(18)?,
        filters: filters.split_terminator(' ').map(str::to_owned).collect(),
    })
}

pub(super) fn detail(row: &SqliteRow, column: usize) -> Result<Exchange, StoreError> {
    let damaged = || StoreError::Damaged("a recorded exchange");
    let bytes: &[u8] = row.try_get(column + 1)?;
    if row.try_get::<i64, _>(column)? != ZSTD {
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
