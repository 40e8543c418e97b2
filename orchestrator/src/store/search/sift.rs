//! Whole messages meet the rest of a query: unpacked and asked on a thread where that may take its time.

use std::sync::Arc;

use tokio::{sync::OwnedSemaphorePermit, time::Instant};
use uuid::Uuid;

use super::{
    super::{StoreError, exchanges::Summary, exchanges::unpack},
    Search, Seen,
};

/// Rows that are asked at a time, and bytes, packed.
const ROWS: usize = 64;
const BYTES: usize = 1 << 20;

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
}

/// One of few places for searches that unpack messages; without one for those that do not.
pub(in super::super) type Turn = Option<Arc<OwnedSemaphorePermit>>;

/// Asks them in their order, one at least, until the time is over.
pub(in super::super) async fn sift(
    search: &Arc<Search>,
    rows: Vec<Candidate>,
    until: Instant,
    turn: &Turn,
) -> Result<Vec<Asked>, StoreError> {
    let (search, turn) = (Arc::clone(search), turn.clone());
    let ask = move || {
        // The thread has the turn: whoever asked may hang up meanwhile.
        let _turn = turn;
        let mut asked = Vec::with_capacity(rows.len());
        for Candidate { summary, number, coding, detail } in rows {
            let exchange = unpack(coding, &detail)?;
            let agent = summary.agent.to_string();
            let fits = search.matches(&Seen::new((&agent, &summary.agent_name), &exchange));
            asked.push(Asked { id: summary.id, number, found: fits.then_some(summary) });
            if Instant::now() >= until {
                break;
            }
        }
        Ok(asked)
    };
    tokio::task::spawn_blocking(ask).await.unwrap_or(Err(StoreError::Closed))
}
