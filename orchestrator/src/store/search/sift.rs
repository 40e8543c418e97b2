//! Whole messages meet the rest of a query: unpacked and asked on a thread where that may take its time.

use std::sync::Arc;

use tokio::{runtime::Handle, sync::OwnedSemaphorePermit, time::Instant};
use uuid::Uuid;

use super::{
    super::{
        StoreError,
        bodies::{Damage, Shelves},
        exchanges::{Summary, unpack},
    },
    Search, Seen,
};

/// Rows that are asked at a time, and bytes, packed.
const ROWS: usize = 64;
const BYTES: usize = 1 << 20;
/// Of exchanges that could not be asked, so many by name.
const TOLD: usize = 20;

/// A row of which the columns fit.
pub(in super::super) struct Candidate {
    pub(in super::super) summary: Summary,
    /// Its place in the order of arrival, where that is asked.
    pub(in super::super) number: i64,
    pub(in super::super) coding: i64,
    pub(in super::super) detail: Vec<u8>,
}

impl Candidate {
    /// These are enough for one go.
    pub(in super::super) fn are_many(rows: &[Self]) -> bool {
        rows.len() >= ROWS || rows.iter().map(|row| row.detail.len()).sum::<usize>() >= BYTES
    }
}

/// One that was asked.
pub(in super::super) struct Asked {
    pub(in super::super) id: Uuid,
    pub(in super::super) number: i64,
    /// It fits.
    pub(in super::super) found: Option<Summary>,
    /// It could not be asked, and why: a body of it is damaged.
    pub(in super::super) unread: Option<String>,
}

/// Exchanges that could not be asked.
#[derive(Debug, Clone, Default)]
pub(crate) struct Unread {
    pub(crate) count: u64,
    /// The first of them, and why.
    pub(crate) first: Vec<(Uuid, String)>,
}

impl Unread {
    pub(in super::super) fn add(&mut self, id: Uuid, why: String) {
        self.count += 1;
        if self.first.len() < TOLD {
            self.first.push((id, why));
        }
    }
}

/// One of few places for searches that unpack messages; without one for those that do not.
pub(in super::super) type Turn = Option<Arc<OwnedSemaphorePermit>>;

/// Asks them in their order, one at least, until the time is over.
pub(in super::super) async fn sift(
    (search, shelves): (&Arc<Search>, &Shelves),
    rows: Vec<Candidate>,
    until: Instant,
    turn: &Turn,
) -> Result<Vec<Asked>, StoreError> {
    let (search, shelves, turn) = (Arc::clone(search), shelves.clone(), turn.clone());
    let runtime = Handle::current();
    let ask = move || {
        // The thread has the turn: whoever asked may hang up meanwhile.
        let _turn = turn;
        let mut asked = Vec::with_capacity(rows.len());
        for Candidate { summary, number, coding, detail } in rows {
            let (mut exchange, kept) = unpack(coding, &detail)?;
            let mut unread = None;
            if search.asks_for_bodies() {
                // One exchange at a time is in memory with them.
                let damaged = runtime.block_on(shelves.fill(&mut exchange, &kept, Seen::looks_at))?;
                unread = damaged.first().map(Damage::to_string);
            }
            let agent = summary.agent.to_string();
            let is_found =
                unread.is_none() && search.matches(&Seen::new((&agent, &summary.agent_name), &exchange, &kept));
            asked.push(Asked { id: summary.id, number, found: is_found.then_some(summary), unread });
            if Instant::now() >= until {
                break;
            }
        }
        Ok(asked)
    };
    tokio::task::spawn_blocking(ask).await.unwrap_or(Err(StoreError::Closed))
}
