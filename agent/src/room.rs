//! Room for clients. Enters: how many may be connected by now; leaves: a place for one more. Nobody who is connected leaves for it that
//! there is less room than before.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

/// Of all workers together.
#[derive(Debug, Default)]
pub struct Room(AtomicUsize);

/// A client's; free when it is dropped.
#[derive(Debug)]
pub struct Seat(Arc<Room>);

impl Room {
    /// None when as many are connected as may be, or more.
    pub fn take(self: &Arc<Self>, most: usize) -> Option<Seat> {
        let one_more = |taken| (taken < most).then_some(taken + 1);
        self.0.fetch_update(Relaxed, Relaxed, one_more).ok()?;
        Some(Seat(Arc::clone(self)))
    }

    /// How many are connected.
    pub fn taken(&self) -> usize {
        self.0.load(Relaxed)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_as_there_may_be_by_now() {
        let room = Arc::<Room>::default();
        let mut places: Vec<_> = std::iter::from_fn(|| room.take(3)).collect();
        assert_eq!(places.len(), 3);
        assert!(room.take(2).is_none());
        places.truncate(1);
        places.extend(room.take(2));
        assert!(places.len() == 2 && room.take(2).is_none());
        places.extend(room.take(3));
        assert_eq!(places.len(), 3);
    }
}
