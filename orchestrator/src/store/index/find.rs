//! Finds by the index, newest first. Ids are in order of time and blocks in order of arrival, so what is looked through at a time is
//! a stretch of ids: from where the search is down to the greatest id of the blocks that are not opened yet. Where few rows of a stretch
//! may fit these are asked for; where many may, it is walked through as without an index, which is faster then.

use std::{collections::HashMap, time::Duration};

use futures_util::TryStreamExt as _;
use tokio::time::Instant;
use uuid::Uuid;
use weir_query::Query;

use super::{
    BLOCK, FORMAT,
    feature::Feature,
    first_part,
    need::{Known, Need, asks_for_agents},
    parts::{self, PARTS, Rows},
};
use crate::store::{
    Store, StoreError,
    search::Search,
    sql::{Row, Sql},
};

/// A search that has its page before needs no index.
const BRIEF: Duration = if cfg!(test) { Duration::ZERO } else { Duration::from_millis(10) };
/// Rows that are not noted, or not as they are now: with more of them the index is not asked.
const LOOSE: i64 = 8 * BLOCK;
/// Blocks of one stretch.
const BLOCKS: usize = 256;
/// Where fewer rows of a stretch may fit, the next has more blocks.
const FEW: usize = 1024;
/// Where one row of so many may fit, they are walked through.
const DENSE: usize = 8;
/// Numbers of one statement.
const NUMBERS: usize = 4096;

/// How a search goes on.
pub(in super::super) enum Ahead {
    /// Block by block, down to here.
    Walk(Option<Uuid>),
    /// All that the columns say fits from here on: ids, the newest first.
    Ids(Vec<Uuid>, Option<Uuid>),
}

/// How a search is helped.
pub(in super::super) enum Hunt {
    /// Not yet: since when it walks.
    Since(Instant),
    Alone,
    By(Box<Index>),
}

/// A block of rows that were noted.
struct Block {
    number: i64,
    rows: usize,
    least: Uuid,
    greatest: Uuid,
}

/// The index, as one search sees it.
pub(in super::super) struct Index {
    need: Need,
    features: Vec<Feature>,
    /// Those with the greatest id first.
    blocks: Vec<Block>,
    /// How many of them were opened.
    opened: usize,
    /// How many to open.
    many: usize,
    /// Of opened blocks that a stretch may still be in, the rows that may fit.
    found: HashMap<i64, Vec<i64>>,
    /// Ids that fit, of rows that are not noted.
    loose: Vec<Uuid>,
    /// What is walked through, down to here.
    walked: Option<Option<Uuid>>,
}

impl Hunt {
    /// For a search that is about to begin.
    pub(in super::super) fn new(search: &Search) -> Self {
        if search.is_all() { Self::Alone } else { Self::Since(Instant::now()) }
    }
}

impl Store {
    /// What to look through next, below `before`.
    pub(in super::super) async fn ahead(
        &self,
        hunt: &mut Hunt,
        (query, search): (&Query, &Search),
        before: Uuid,
    ) -> Result<Ahead, StoreError> {
        if let Hunt::Since(began) = hunt
            && (search.needs_detail() || began.elapsed() >= BRIEF)
        {
            let index = self.open_index(query, search, before).await?;
            *hunt = index.map_or(Hunt::Alone, |index| Hunt::By(Box::new(index)));
        }
        match hunt {
            Hunt::By(index) => self.stretch(index, search, before).await,
            Hunt::Since(_) | Hunt::Alone => Ok(Ahead::Walk(None)),
        }
    }

    /// The index, where it helps.
    async fn open_index(&self, query: &Query, search: &Search, before: Uuid) -> Result<Option<Index>, StoreError> {
        let Some(expr) = query.expr() else { return Ok(None) };
        let agents = if asks_for_agents(expr) { self.agents_known().await? } else { Vec::new() };
        let need = Need::of(expr, &agents);
        if need == Need::Nothing {
            return Ok(None);
        }
        // One statement, so that what is noted and what is not are of one moment.
        let ask = "SELECT i.noted, b.block, b.rows, b.least, b.greatest FROM search_index i LEFT JOIN search_blocks b \
                   ON b.least < $1 AND b.greatest >= $2 WHERE i.format = $3 AND i.size = $4 ORDER BY b.greatest DESC";
        let ask = Sql::new(ask).bind(before).bind(search.oldest()).bind(FORMAT).bind(BLOCK);
        let known = ask.fetch_all(&self.reads).await?;
        let Some(first) = known.first() else { return Ok(None) };
        let noted: i64 = first.get(0)?;
        let blocks = known.iter().map(block).collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect();
        let Some(changed) = self.unlike(noted).await? else { return Ok(None) };
        let mut loose = self.loose(search, noted, before).await?;
        loose.extend(self.fitting(search, &changed, (before, None)).await?);
        let mut features = vec![Feature::crowded()];
        need.features(&mut features);
        let found = HashMap::new();
        Ok(Some(Index { need, features, blocks, opened: 0, many: 1, found, loose, walked: None }))
    }

    /// Of the rows that are noted, the numbers of those that changed since; none where they, and those that are not noted, are too many.
    async fn unlike(&self, noted: i64) -> Result<Option<Vec<i64>>, StoreError> {
        let mut newest = Sql::new("SELECT ");
        newest.push(self.dialect().newest_exchange());
        let newest: i64 = newest.fetch_one(&self.reads).await?.get(0)?;
        let changed = Sql::new("SELECT DISTINCT number FROM search_changed WHERE number < $1 LIMIT $2");
        let changed = changed.bind(noted).bind(LOOSE).fetch_all(&self.reads).await?;
        if newest - noted + changed.len() as i64 >= LOOSE {
            return Ok(None);
        }
        changed.iter().map(|row| row.get(0)).collect::<Result<_, _>>().map(Some)
    }

    async fn agents_known(&self) -> Result<Vec<Known>, StoreError> {
        let rows = Sql::new("SELECT number, id, name FROM agents").fetch_all(&self.reads).await?;
        let known =
            |row: &Row| Ok(Known { number: row.get(0)?, id: row.get::<Uuid>(1)?.to_string(), name: row.get(2)? });
        rows.iter().map(known).collect()
    }

    /// The stretch below `before`.
    async fn stretch(&self, index: &mut Index, search: &Search, before: Uuid) -> Result<Ahead, StoreError> {
        if let Some(end) = index.walked
            && end.is_none_or(|end| end < before)
        {
            return Ok(Ahead::Walk(end));
        }
        index.walked = None;
        let end = index.open(before);
        let within: Vec<usize> = index.within(before, end).collect();
        self.look_up(index, &within).await?;
        let mut numbers = Vec::new();
        let mut rows = 0;
        for block in within.iter().filter_map(|place| index.blocks.get(*place)) {
            rows += block.rows;
            numbers.extend(index.found.get(&block.number).into_iter().flatten());
        }
        let is_dense = numbers.len() * DENSE > rows && numbers.len() > BLOCK as usize / DENSE;
        index.many = if numbers.len() < FEW { (index.many * 2).min(BLOCKS) } else { (index.many / 2).max(1) };
        // Blocks that reach below it are asked there again.
        index.found.retain(|number, _| {
            let block =
                within.iter().filter_map(|place| index.blocks.get(*place)).find(|block| block.number == *number);
            block.is_some_and(|block| end.is_some_and(|end| block.least < end))
        });
        if is_dense {
            index.walked = Some(end);
            return Ok(Ahead::Walk(end));
        }
        let mut ids = self.fitting(search, &numbers, (before, end)).await?;
        ids.extend(index.loose.iter().filter(|id| **id < before && end.is_none_or(|end| **id >= end)));
        ids.sort_unstable_by(|one, other| other.cmp(one));
        ids.dedup();
        Ok(Ahead::Ids(ids, end))
    }

    /// Finds the rows that may fit in these blocks, as far as that is not known.
    async fn look_up(&self, index: &mut Index, within: &[usize]) -> Result<(), StoreError> {
        let blocks = within.iter().filter_map(|place| index.blocks.get(*place)).map(|block| block.number);
        let blocks: Vec<i64> = blocks.filter(|block| !index.found.contains_key(block)).collect();
        let mut wanted: Vec<usize> = index.features.iter().map(|feature| parts::place(*feature)).collect();
        wanted.sort_unstable();
        wanted.dedup();
        let places: Vec<i64> =
            blocks.iter().flat_map(|block| wanted.iter().map(|part| first_part(*block) + *part as i64)).collect();
        let mut noted: HashMap<i64, HashMap<Feature, Rows>> = HashMap::new();
        for some in places.chunks(NUMBERS) {
            let mut ask = Sql::new("SELECT p.place, p.noted");
            self.dialect().push_listed(&mut ask, some, "search_parts p", "p.place");
            let mut rows = ask.fetch(&self.reads);
            while let Some(row) = rows.try_next().await? {
                let (place, part): (i64, &[u8]) = (row.get(0)?, row.get(1)?);
                let block = noted.entry(place / PARTS as i64).or_default();
                let own = usize::try_from(place % PARTS as i64).unwrap_or_default();
                for feature in index.features.iter().filter(|feature| parts::place(**feature) == own) {
                    // What cannot be read is not known: all rows may have it.
                    block.extend(parts::find(part, *feature).map(|rows| (*feature, rows)));
                }
            }
        }
        for block in blocks {
            let noted = noted.remove(&block).unwrap_or_default();
            let crowded = Need::One(Feature::crowded()).rows(&noted);
            let rows = index.need.rows(&noted).or(&crowded);
            index.found.insert(block, rows.places().map(|place| block * BLOCK + place).collect());
        }
        Ok(())
    }

    /// Of rows with these numbers, the ids of those that fit as far as the columns say.
    async fn fitting(
        &self,
        search: &Search,
        numbers: &[i64],
        (before, end): (Uuid, Option<Uuid>),
    ) -> Result<Vec<Uuid>, StoreError> {
        let mut ids = Vec::new();
        for some in numbers.chunks(NUMBERS) {
            let mut ask = Sql::new("SELECT e.id");
            self.dialect().push_listed(&mut ask, some, "exchanges e", "e.number");
            ask.push(self.dialect().with_agents()).push(" WHERE e.id < ").push_bind(before);
            if let Some(end) = end {
                ask.push(" AND e.id >= ").push_bind(end);
            }
            search.push_columns(&mut ask, self.dialect());
            let rows = ask.fetch_all(&self.reads).await?;
            ids.extend(rows.iter().map(|row| row.get(0)).collect::<Result<Vec<Uuid>, _>>()?);
        }
        Ok(ids)
    }

    /// The same of the rows that came after those that are noted.
    async fn loose(&self, search: &Search, noted: i64, before: Uuid) -> Result<Vec<Uuid>, StoreError> {
        let rows = self.unnoted(search, noted, before).fetch_all(&self.reads).await?;
        rows.iter().map(|row| row.get(0)).collect()
    }

    pub(in super::super) fn unnoted(&self, search: &Search, noted: i64, before: Uuid) -> Sql {
        let mut ask = Sql::new("SELECT e.id");
        ask.push(self.dialect().exchanges_in_order()).push(self.dialect().with_agents());
        // With more of them the index is not asked. Without that bound PostgreSQL reads the whole table until it has analyzed it.
        ask.push(" WHERE e.number >= ")
            .push_bind(noted)
            .push(" AND e.number < ")
            .push_bind(noted.saturating_add(LOOSE));
        ask.push(" AND e.id < ").push_bind(before);
        search.push_columns(&mut ask, self.dialect());
        ask
    }
}

/// A row of a block, where there is one.
fn block(row: &Row) -> Result<Option<Block>, StoreError> {
    let Some(number) = row.get::<Option<i64>>(1)? else { return Ok(None) };
    let rows = usize::try_from(row.number(2)?).unwrap_or(usize::MAX);
    Ok(Some(Block { number, rows, least: row.get(3)?, greatest: row.get(4)? }))
}

impl Index {
    /// Opens the next blocks; the least id of the stretch below `before`, none where it is the last.
    fn open(&mut self, before: Uuid) -> Option<Uuid> {
        self.opened += self.many;
        loop {
            let next = self.blocks.get(self.opened)?;
            let end = Uuid::from_u128(next.greatest.as_u128().saturating_add(1));
            if end < before {
                return Some(end);
            }
            self.opened += 1;
        }
    }

    /// Places of opened blocks that have ids of the stretch.
    fn within(&self, before: Uuid, end: Option<Uuid>) -> impl Iterator<Item = usize> {
        let opened = self.blocks.iter().take(self.opened).enumerate();
        let within =
            move |(_, block): &(usize, &Block)| block.least < before && end.is_none_or(|end| block.greatest >= end);
        opened.filter(within).map(|(place, _)| place)
    }
}
