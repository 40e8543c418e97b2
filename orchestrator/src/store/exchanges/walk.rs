//! A search walks the index in blocks and stops after a while with what it found and where to go on, so that no query,
//! however little it finds, holds a reader or the memory for long.

use std::{sync::Arc, time::Duration};

use futures_util::TryStreamExt as _;
use tokio::time::Instant;
use uuid::Uuid;
use weir_query::Query;

use super::{
    super::{
        Store, StoreError,
        bodies::Shelves,
        index::{Ahead, Hunt},
        search::{Candidate, Column, LOOKED_AT, Part, Search, Turn, Unread, sift},
        sql::{Row, Sql},
    },
    COLUMNS, Summary, summary,
};

/// Index entries between two looks at the clock, at first.
const BLOCK: i64 = 500;
const SMALLEST_BLOCK: i64 = 8;
/// Ids of one statement.
const PICKED: usize = 128;
/// The next block is larger after one that took less, smaller after one that took more.
const BRISK: Duration = Duration::from_millis(50);
/// A search that took this long answers with what it has.
pub(in super::super) const PATIENCE: Duration = Duration::from_secs(2);

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
    pub(in super::super) async fn turn(&self, search: &Search) -> Result<Turn, StoreError> {
        if !search.needs_detail() {
            return Ok(None);
        }
        let turn = Arc::clone(&self.unpacking).acquire_owned().await;
        turn.map(|turn| Some(Arc::new(turn))).map_err(|_| StoreError::Closed)
    }

    /// All values of a column, each once, by one step through its index for each; none when they are too many.
    pub(in super::super) async fn values(&self, column: Column) -> Result<Option<Vec<Part>>, StoreError> {
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
        let query = self.within(&walk.search, (before, floor), walk.enough - walk.items.len());
        self.take(walk, query).await
    }

    /// What fits below `before` and down to the floor as far as the columns say, `most` of it where they say all.
    pub(in super::super) fn within(&self, search: &Search, (before, floor): (Uuid, Option<Uuid>), most: usize) -> Sql {
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
            query.push(" LIMIT ").push_bind(i64::try_from(most).unwrap_or(i64::MAX));
        }
        query
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
