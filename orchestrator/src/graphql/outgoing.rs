//! Answers that are made and not yet taken. Over HTTP a long one lies in a file; over a WebSocket it is one message, which lies
//! in memory until the client has it, and clients may be slow.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use crate::rest::Problem;

/// What is not longer does not count, bytes.
const SMALL: usize = 64 << 10;
/// Of all that counts, bytes; it is counted in KiB.
const ALL: usize = 32 << 20;
/// For room to become free.
const PATIENCE: Duration = Duration::from_secs(5);

/// Room for them.
#[derive(Clone)]
pub(super) struct Outgoing {
    room: Arc<Semaphore>,
    patience: Duration,
}

impl Default for Outgoing {
    fn default() -> Self {
        Self { room: Arc::new(Semaphore::new(ALL >> 10)), patience: PATIENCE }
    }
}

impl Outgoing {
    /// Room for so many bytes until it is dropped. Few need none.
    pub(super) async fn room(&self, bytes: usize) -> Result<Option<OwnedSemaphorePermit>, Problem> {
        if bytes <= SMALL {
            return Ok(None);
        }
        let kibibytes = u32::try_from(bytes.min(ALL) >> 10).unwrap_or(u32::MAX);
        let room = timeout(self.patience, Arc::clone(&self.room).acquire_many_owned(kibibytes)).await;
        let busy =
            || Problem::busy("other long answers were not taken yet: go on in a while, or ask for less at a time");
        room.map_err(|_| busy())?.map(Some).map_err(|_| Problem::unavailable())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_not_taken_leaves_no_room_for_more() {
        let outgoing = Outgoing { patience: Duration::from_millis(50), ..Outgoing::default() };
        let halves = [outgoing.room(ALL / 2).await.unwrap(), outgoing.room(ALL / 2).await.unwrap()];
        assert!(outgoing.room(SMALL).await.unwrap().is_none());
        assert_eq!(outgoing.room(SMALL + 1024).await.unwrap_err().status(), 429);
        drop(halves);
        assert!(outgoing.room(usize::MAX).await.unwrap().is_some());
    }
}
