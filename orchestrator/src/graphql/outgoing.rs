//! Answers that are made and not yet taken. Over HTTP a long one lies in a file; over a WebSocket it is one message, which lies
//! in memory until the client has it, and clients may be slow.

use std::{sync::Arc, time::Duration};

use tokio::time::timeout;

use crate::{
    fair::{Fair, Share},
    rest::Problem,
};

/// What is not longer does not count, bytes.
const SMALL: usize = 64 << 10;
/// Of all that counts, bytes, and of what counts for one name; it is counted in KiB.
const ALL: usize = 32 << 20;
const EACH: usize = ALL / 2;
/// For room to become free.
const PATIENCE: Duration = Duration::from_secs(5);

/// Room for them.
#[derive(Clone)]
pub(super) struct Outgoing {
    room: Arc<Fair>,
    patience: Duration,
}

impl Default for Outgoing {
    fn default() -> Self {
        Self { room: Arc::new(Fair::new(ALL >> 10, EACH >> 10)), patience: PATIENCE }
    }
}

impl Outgoing {
    /// Room for so many bytes of somebody's until it is dropped. Few need none.
    pub(super) async fn room(&self, name: &str, bytes: usize) -> Result<Option<Share>, Problem> {
        if bytes <= SMALL {
            return Ok(None);
        }
        let room = timeout(self.patience, self.room.take(name, bytes >> 10)).await;
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
        let half = outgoing.room("a", EACH).await.unwrap();
        assert!(outgoing.room("a", SMALL).await.unwrap().is_none());
        assert_eq!(outgoing.room("a", SMALL + 1024).await.unwrap_err().status(), 429);
        let other = outgoing.room("b", usize::MAX).await.unwrap();
        assert_eq!(outgoing.room("c", SMALL + 1024).await.unwrap_err().status(), 429, "there is none for anybody");
        drop((half, other));
        assert!(outgoing.room("a", usize::MAX).await.unwrap().is_some());
    }
}
