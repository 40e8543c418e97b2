//! Recorded exchanges in the order in which they came, for whoever follows them. A place in that order is a number that
//! only goes up, so nothing that comes is missed however late it comes, and what was deleted meanwhile can be told.

use std::sync::Arc;

use futures_util::TryStreamExt as _;
use tokio::time::Instant;
use uuid::Uuid;
use weir_query::Query;

use super::{
    Store, StoreError,
    exchanges::{COLUMNS, PATIENCE, Summary, summary},
    search::{Candidate, Search, Turn, Unread, sift},
    sql::Sql,
    unsigned,
};

/// Of what is read at a time, bytes.
const LONG: usize = 32 << 10;

/// What came, the oldest first.
#[derive(Debug)]
pub(crate) struct Arrivals {
    pub(crate) items: Vec<Arrival>,
    /// Behind what was deleted, before the first that could be told.
    pub(crate) from: i64,
    /// The place to go on from.
    pub(crate) next: i64,
    /// The place behind the newest.
    pub(crate) newest: i64,
    /// Deleted before they could be told.
    pub(crate) skipped: u64,
    /// Left out, though they may fit.
    pub(crate) unread: Unread,
}

/// One of them, and its place.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) number: i64,
    pub(crate) summary: Summary,
}

/// What was found of some of them.
#[derive(Default)]
pub(super) struct Looked {
    pub(super) items: Vec<Arrival>,
    /// They could not be asked, and why.
    pub(super) unread: Vec<(Uuid, String)>,
}

impl Arrivals {
    /// How many lie beyond, whether they fit or not.
    pub(crate) fn waiting(&self) -> u64 {
        unsigned(self.newest - self.next)
    }
}

impl Store {
    /// Exchanges that fit, from behind the place `after`; without a place none, and the place behind the newest.
    pub(crate) async fn arrivals(
        &self,
        query: &Query,
        after: Option<i64>,
        limit: usize,
    ) -> Result<Arrivals, StoreError> {
        let mut ends = Sql::new("SELECT (SELECT min(number) FROM exchanges), ");
        ends.push(self.dialect().newest_exchange());
        let row = ends.fetch_one(&self.reads).await?;
        let last: i64 = row.get(1)?;
        let before_first = row.get::<Option<i64>>(0)?.map_or(last, |first| first - 1);
        let Some(after) = after else {
            return Ok(Arrivals {
                items: Vec::new(),
                from: last,
                next: last,
                newest: last,
                skipped: 0,
                unread: Unread::default(),
            });
        };
        let after = after.min(last);
        let search = Arc::new(Search::plain(query));
        let turn = self.turn(&search).await?;
        let until = Instant::now() + PATIENCE;
        let block = (self.dialect().block(search.needs_detail()) / search.weight()).max(1);
        let mut looked = Looked::default();
        let from = after.max(before_first);
        let mut at = from;
        while at < last && !are_enough(&looked.items, limit) && Instant::now() < until {
            let to = last.min(at + block);
            at = self.arrived((&search, &turn), (at, to), limit, until, &mut looked).await?.unwrap_or(to);
        }
        let mut unread = Unread::default();
        looked.unread.into_iter().for_each(|(id, why)| unread.add(id, why));
        let items = looked.items;
        Ok(Arrivals { items, from, next: at, newest: last, skipped: unsigned(before_first - after), unread })
    }

    /// What fits of one block; the place where it stopped before the end of it.
    pub(super) async fn arrived(
        &self,
        (search, turn): (&Arc<Search>, &Turn),
        (after, to): (i64, i64),
        enough: usize,
        until: Instant,
        looked: &mut Looked,
    ) -> Result<Option<i64>, StoreError> {
        let mut query = Sql::new(COLUMNS);
        query.push(", e.number");
        if search.needs_detail() {
            query.push(", e.coding, e.detail");
        }
        query.push(self.dialect().exchanges_in_order()).push(self.dialect().with_agents());
        query.push(" WHERE e.number > ").push_bind(after).push(" AND e.number <= ").push_bind(to);
        search.push_run(&mut query, 0);
        search.push_newest(&mut query);
        search.push_conditions(&mut query, self.dialect());
        query.push(" ORDER BY e.number");
        let mut rows = query.fetch(&self.reads);
        let mut candidates = Vec::new();
        while let Some(row) = rows.try_next().await? {
            let (summary, number) = (summary(&row)?, row.get(21)?);
            if search.needs_detail() {
                candidates.push(Candidate { summary, number, coding: row.get(22)?, detail: row.get(23)? });
                if Candidate::are_many(&candidates) {
                    let rows = std::mem::take(&mut candidates);
                    if let Some(stopped) = self.sifted((search, turn), rows, until, enough, looked).await? {
                        return Ok(Some(stopped));
                    }
                }
            } else {
                looked.items.push(Arrival { number, summary });
                if are_enough(&looked.items, enough) || Instant::now() >= until {
                    return Ok(Some(number));
                }
            }
        }
        self.sifted((search, turn), candidates, until, enough, looked).await
    }

    /// Keeps of the rows those that fit; where that was enough, or the time ran out, the place of the last one.
    async fn sifted(
        &self,
        (search, turn): (&Arc<Search>, &Turn),
        rows: Vec<Candidate>,
        until: Instant,
        enough: usize,
        looked: &mut Looked,
    ) -> Result<Option<i64>, StoreError> {
        let count = rows.len();
        let asked = sift((search, &self.shelves), rows, until, turn).await?;
        let last = if asked.len() < count { asked.last().map(|last| last.number) } else { None };
        for asked in asked {
            looked.items.extend(asked.found.map(|summary| Arrival { number: asked.number, summary }));
            looked.unread.extend(asked.unread.map(|why| (asked.id, why)));
            if are_enough(&looked.items, enough) {
                return Ok(Some(asked.number));
            }
        }
        Ok(last)
    }
}

/// So many, or fewer long ones: they wait in memory for whoever reads them.
fn are_enough(items: &[Arrival], limit: usize) -> bool {
    let bytes = |Arrival { summary, .. }: &Arrival| summary.path.len() + summary.authority.len() + summary.error.len();
    items.len() >= limit || items.iter().map(bytes).sum::<usize>() >= LONG
}
