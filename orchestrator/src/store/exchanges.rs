//! Recorded exchanges, read: listings newest first, and one whole.
//!
//! A search walks the index in blocks and stops after a while with what it found and where to go on, so that no query,
//! however little it finds, holds a reader or the memory for long.

use std::{borrow::Cow, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use prost::Message as _;
use tokio::time::Instant;
use uuid::Uuid;
use weir_proto::v1::{Exchange, Outcome};
use weir_query::Query;

use super::{
    Store, StoreError,
    bodies::{Damage, Kept, Shelves, named},
    index::{Ahead, Hunt},
    record::ZSTD,
    search::{Candidate, Column, LOOKED_AT, Part, Search, Turn, Unread, sift},
    sql::{Row, Sql, Transaction},
};

/// Index entries between two looks at the clock, at first.
const BLOCK: i64 = 500;
const SMALLEST_BLOCK: i64 = 8;
/// Ids of one statement.
const PICKED: usize = 128;
/// The next block is larger after one that took less, smaller after one that took more.
const BRISK: Duration = Duration::from_millis(50);
/// A search that took this long answers with what it has.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);
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

/// Some of the exchanges that fit, and where to go on when there may be more: all from there on were looked at.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) items: Vec<Summary>,
    pub(crate) next: Option<Uuid>,
    /// Left out, though they may fit.
    pub(crate) unread: Unread,
}

/// Where a walk is.
struct Walk {
    search: Arc<Search>,
    shelves: Shelves,
    turn: Turn,
    until: Instant,
    /// How many fit a page, and one more, to know whether there are more.
    enough: usize,
    items: Vec<Summary>,
    unread: Unread,
    /// Below the last one of a page: the next page has them, if there is one.
    late: Vec<(Uuid, String)>,
}

impl Store {
    /// Exchanges that fit, newest first, from below `before`.
    pub(crate) async fn exchanges(
        &self,
        query: &Query,
        before: Option<Uuid>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let search = Arc::new(Search::compile(query, async |column| self.values(column).await).await?);
        if search.runs() == 0 {
            return Ok(Page { items: Vec::new(), next: None, unread: Unread::default() });
        }
        let turn = self.turn(&search).await?;
        let mut before = search.newest(before.unwrap_or(Uuid::max()));
        let until = Instant::now() + PATIENCE;
        let shelves = self.shelves.clone();
        let mut walk = Walk {
            search,
            shelves,
            turn,
            until,
            enough: limit + 1,
            items: Vec::new(),
            unread: Unread::default(),
            late: Vec::new(),
        };
        let largest = self.dialect().block(walk.search.needs_detail());
        // What is asked of each row takes its time, and the clock is looked at between two blocks.
        let mut size = (BLOCK / walk.search.weight()).max(SMALLEST_BLOCK).min(largest);
        let mut hunt = Hunt::new(&walk.search);
        loop {
            let began = Instant::now();
            let (floor, interrupted) = match self.ahead(&mut hunt, (query, &walk.search), before).await? {
                Ahead::Walk(end) => {
                    let floor = self.block_end(&walk.search, before, size).await?.max(end);
                    (floor, self.block(&mut walk, before, floor).await?)
                }
                Ahead::Ids(ids, end) => (end, self.pick(&mut walk, &ids).await?),
            };
            if walk.items.len() > limit {
                walk.items.truncate(limit);
                walk.late.clear();
                let next = walk.items.last().map(|last| last.id);
                return Ok(walk.page(next));
            }
            match interrupted.or(floor) {
                None => return Ok(walk.page(None)),
                Some(floor) if Instant::now() >= walk.until => return Ok(walk.page(Some(floor))),
                Some(floor) => before = floor,
            }
            size = if began.elapsed() < BRISK { (size * 2).min(largest) } else { (size / 2).max(1) };
        }
    }

    /// Waits until there is room for a search that unpacks messages; others need none.
    pub(super) async fn turn(&self, search: &Search) -> Result<Turn, StoreError> {
        if !search.needs_detail() {
            return Ok(None);
        }
        let turn = Arc::clone(&self.unpacking).acquire_owned().await;
        turn.map(|turn| Some(Arc::new(turn))).map_err(|_| StoreError::Closed)
    }

    /// All values of a column, each once, by one step through its index for each; none when they are too many.
    async fn values(&self, column: Column) -> Result<Option<Vec<Part>>, StoreError> {
        let name = column.name();
        let mut query = Sql::new("WITH RECURSIVE v(x) AS (SELECT min(");
        query
            .push(name)
            .push(") FROM exchanges UNION ALL SELECT (SELECT min(")
            .push(name)
            .push(") FROM exchanges WHERE ");
        query.push(name).push(" > v.x) FROM v WHERE v.x IS NOT NULL) SELECT x FROM v WHERE x IS NOT NULL LIMIT ");
        query.push_bind(i64::try_from(LOOKED_AT + 1).unwrap_or(i64::MAX));
        let rows = query.fetch_all(&self.reads).await?;
        let value = |row: &Row| match column {
            Column::Host => row.get(0).map(Part::Text),
            Column::Status => row.get(0).map(Part::Number),
        };
        let values = rows.iter().map(value).collect::<Result<Vec<_>, _>>()?;
        Ok(Some(values).filter(|values| values.len() <= LOOKED_AT))
    }

    /// The id that the block below `before` ends with; none when all that is left fits in it.
    async fn block_end(&self, search: &Search, before: Uuid, size: i64) -> Result<Option<Uuid>, StoreError> {
        if search.is_all() {
            return Ok(None);
        }
        // As many from each run, so that none has more than that above the end.
        let runs = i64::try_from(search.runs()).unwrap_or(i64::MAX);
        let offset = (size / runs).max(1) - 1;
        let mut query = Sql::new("");
        for run in 0..search.runs() {
            query.push(if run == 0 {
                "SELECT r.id FROM (SELECT e.id"
            } else {
                " UNION ALL SELECT r.id FROM (SELECT e.id"
            });
            query.push(self.dialect().exchanges_by(search.index())).push(" WHERE e.id < ").push_bind(before);
            search.push_run(&mut query, run);
            query.push(" ORDER BY e.id DESC LIMIT 1 OFFSET ").push_bind(offset).push(") AS r");
        }
        query.push(" ORDER BY 1 DESC LIMIT 1");
        let row = query.fetch_optional(&self.reads).await?;
        row.map(|row| row.get(0)).transpose()
    }

    /// What fits in one block. Where whole messages had to be read and the time ran out, the last one that was.
    async fn block(&self, walk: &mut Walk, before: Uuid, floor: Option<Uuid>) -> Result<Option<Uuid>, StoreError> {
        let search = Arc::clone(&walk.search);
        let dialect = self.dialect();
        let mut query = Sql::new("");
        for run in 0..search.runs() {
            query.push(if run == 0 { "" } else { " UNION ALL " }).push(COLUMNS);
            if search.needs_detail() {
                query.push(", e.coding, e.detail");
            }
            query.push(dialect.exchanges_by(search.index())).push(dialect.with_agents());
            query.push(" WHERE e.id < ").push_bind(before);
            if let Some(floor) = floor {
                query.push(" AND e.id >= ").push_bind(floor);
            }
            search.push_run(&mut query, run);
            search.push_conditions(&mut query, dialect);
        }
        // Each run is in this order already: they are merged, not sorted.
        query.push(" ORDER BY 1 DESC");
        if !search.needs_detail() {
            query.push(" LIMIT ").push_bind(i64::try_from(walk.enough - walk.items.len()).unwrap_or(i64::MAX));
        }
        self.take(walk, query).await
    }

    /// What fits of these, which fit as far as the columns say. Where the time ran out or there is enough, the last one that was
    /// looked at.
    async fn pick(&self, walk: &mut Walk, ids: &[Uuid]) -> Result<Option<Uuid>, StoreError> {
        let dialect = self.dialect();
        for (place, some) in ids.chunks(PICKED).enumerate() {
            if place > 0 && (Instant::now() >= walk.until || walk.items.len() >= walk.enough) {
                return Ok(ids.get(place * PICKED - 1).copied());
            }
            let mut query = Sql::new(COLUMNS);
            if walk.search.needs_detail() {
                query.push(", e.coding, e.detail");
            }
            query.push(dialect.exchanges_by("exchanges_by_id")).push(dialect.with_agents()).push(" WHERE e.id IN (");
            for (place, id) in some.iter().enumerate() {
                query.push(if place == 0 { "" } else { ", " }).push_bind(*id);
            }
            query.push(") ORDER BY 1 DESC");
            let interrupted = self.take(walk, query).await?;
            if interrupted.is_some() {
                return Ok(interrupted);
            }
        }
        Ok(None)
    }

    /// Keeps what fits of the rows.
    async fn take(&self, walk: &mut Walk, query: Sql) -> Result<Option<Uuid>, StoreError> {
        let search = Arc::clone(&walk.search);
        let mut rows = query.fetch(&self.reads);
        let mut candidates = Vec::new();
        while let Some(row) = rows.try_next().await? {
            if !search.needs_detail() {
                walk.items.push(summary(&row)?);
                continue;
            }
            let detail = row.get(22)?;
            candidates.push(Candidate { summary: summary(&row)?, number: 0, coding: row.get(21)?, detail });
            if Candidate::are_many(&candidates) {
                let interrupted = walk.sift(std::mem::take(&mut candidates)).await?;
                if interrupted.is_some() || walk.items.len() >= walk.enough {
                    return Ok(interrupted);
                }
            }
        }
        walk.sift(candidates).await
    }

    /// One exchange, without what only the whole message holds.
    pub(crate) async fn summary(&self, id: Uuid) -> Result<Option<Summary>, StoreError> {
        let mut query = Sql::new(COLUMNS);
        query.push(" FROM exchanges e JOIN agents a ON a.number = e.agent WHERE e.id = ").push_bind(id);
        query.fetch_optional(&self.reads).await?.as_ref().map(summary).transpose()
    }

    /// These exchanges, whole, one after the other, each with its size in memory, or what is wrong with it; ends with the first error
    /// of `take`.
    pub(crate) async fn exchanges_whole<E: From<StoreError>>(
        &self,
        ids: &[Uuid],
        mut take: impl FnMut(Uuid, Result<(Exchange, usize), StoreError>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut query = Sql::new("SELECT e.id, e.coding, e.detail FROM exchanges e WHERE e.id IN (");
        for (place, id) in ids.iter().enumerate() {
            query.push(if place == 0 { "" } else { ", " }).push_bind(*id);
        }
        query.push(")");
        // All of them before the first body is asked for: whoever waits for a reader holds none.
        for row in query.fetch_all(&self.reads).await? {
            let id = row.get(0)?;
            let (mut exchange, kept) = unpack(row.get(1)?, row.get(2)?)?;
            let filled = match self.shelves.fill_whole(&mut exchange, &kept).await {
                Ok(()) => Ok(exchange),
                Err(error @ StoreError::Body { .. }) => Err(error.of(id)),
                Err(error) => return Err(error.into()),
            };
            let sized = |exchange: Exchange| {
                let bytes = exchange.encoded_len();
                (exchange, bytes)
            };
            take(id, filled.map(sized))?;
        }
        Ok(())
    }

    /// Whether it is recorded.
    pub(crate) async fn has_exchange(&self, id: Uuid) -> Result<bool, StoreError> {
        let sql = Sql::new("SELECT 1 FROM exchanges WHERE id = $1").bind(id);
        Ok(sql.fetch_optional(&self.reads).await?.is_some())
    }

    /// One exchange, without the bodies that are kept beside it.
    pub(crate) async fn outline(&self, id: Uuid) -> Result<Option<Outline>, StoreError> {
        outline(id, "").fetch_optional(&self.reads).await?.as_ref().map(outlined).transpose()
    }

    /// The same, which nobody else changes until the end of the transaction.
    pub(super) async fn outline_to_change(
        &self,
        id: Uuid,
        transaction: &mut Transaction,
    ) -> Result<Option<Outline>, StoreError> {
        let sql = outline(id, self.dialect().to_change_exchanges());
        sql.fetch_optional(transaction).await?.as_ref().map(outlined).transpose()
    }

    /// One exchange, whole.
    pub(crate) async fn exchange(&self, id: Uuid) -> Result<Option<(Summary, Exchange)>, StoreError> {
        let Some(Outline { summary, mut exchange, kept }) = self.outline(id).await? else { return Ok(None) };
        match self.shelves.fill_whole(&mut exchange, &kept).await {
            Ok(()) => Ok(Some((summary, exchange))),
            Err(error) => self.or_gone(id, error).await,
        }
    }

    /// One exchange with the bodies that can be read, and what is wrong with the others.
    pub(crate) async fn exchange_as_it_is(
        &self,
        id: Uuid,
    ) -> Result<Option<(Summary, Exchange, Vec<Damage>)>, StoreError> {
        let Some(Outline { summary, mut exchange, kept }) = self.outline(id).await? else { return Ok(None) };
        let damaged = self.shelves.fill(&mut exchange, &kept, |_| true).await?;
        // Of an exchange that was deleted in between, bodies are not missing.
        if !damaged.is_empty() && !self.has_exchange(id).await? {
            return Ok(None);
        }
        Ok(Some((summary, exchange, damaged)))
    }

    /// The captured bytes of one of its bodies; none when the exchange has gone.
    pub(crate) async fn body(&self, id: Uuid, kept: &Kept) -> Result<Option<Bytes>, StoreError> {
        match self.shelves.load(kept.digest()?).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) => self.or_gone(id, error).await,
        }
    }

    /// Of an exchange that was deleted in between, bodies are not missing.
    async fn or_gone<T>(&self, id: Uuid, error: StoreError) -> Result<Option<T>, StoreError> {
        if self.has_exchange(id).await? { Err(error.of(id)) } else { Ok(None) }
    }
}

impl Walk {
    /// Keeps of the rows those that fit; where the time ran out before all were asked, the last one that was.
    async fn sift(&mut self, rows: Vec<Candidate>) -> Result<Option<Uuid>, StoreError> {
        let count = rows.len();
        let asked = sift((&self.search, &self.shelves), rows, self.until, &self.turn).await?;
        let interrupted = if asked.len() < count { asked.last().map(|last| last.id) } else { None };
        for asked in asked {
            self.items.extend(asked.found);
            match asked.unread {
                Some(why) if self.items.len() + 1 < self.enough => self.unread.add(asked.id, why),
                Some(why) => self.late.push((asked.id, why)),
                None => {}
            }
        }
        Ok(interrupted)
    }

    fn page(mut self, next: Option<Uuid>) -> Page {
        self.late.drain(..).for_each(|(id, why)| self.unread.add(id, why));
        Page { items: self.items, next, unread: self.unread }
    }
}

fn outline(id: Uuid, end: &str) -> Sql {
    let mut query = Sql::new(COLUMNS);
    query.push(", e.coding, e.detail FROM exchanges e JOIN agents a ON a.number = e.agent WHERE e.id = ");
    query.push_bind(id).push(end);
    query
}

fn outlined(row: &Row) -> Result<Outline, StoreError> {
    let (exchange, kept) = unpack(row.get(21)?, row.get(22)?)?;
    Ok(Outline { summary: summary(row)?, exchange, kept })
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
