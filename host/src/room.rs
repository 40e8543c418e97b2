//! Room for instances: how many places of the pool a filter may take beside the one that each worker keeps of it.
//!
//! A place is asked for before an instance is made, and comes back with it. One filter never takes more than half of what
//! there is, so that it can neither keep others from theirs nor a push from its trial; first instances and trials stand
//! on a reserve that nobody asks for.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering::Relaxed},
};

/// Places for the instances of all filters beyond the first on each worker.
#[derive(Debug)]
pub(crate) struct Room {
    free: AtomicU32,
    share: u32,
}

/// One place, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    room: Arc<Room>,
    taken: Arc<AtomicU32>,
}

impl Room {
    pub(crate) fn new(places: u32) -> Arc<Self> {
        Arc::new(Self { free: AtomicU32::new(places), share: (places / 2).max(1) })
    }

    /// The most that one filter has.
    pub(crate) fn share(&self) -> u32 {
        self.share
    }

    /// A place for the filter that has `taken` so many already; none when that is its share, or all are taken.
    pub(crate) fn take(self: &Arc<Self>, taken: &Arc<AtomicU32>) -> Option<Place> {
        let within = |count: u32| (count < self.share).then_some(count + 1);
        taken.fetch_update(Relaxed, Relaxed, within).ok()?;
        if self.free.fetch_update(Relaxed, Relaxed, |free| free.checked_sub(1)).is_err() {
            taken.fetch_sub(1, Relaxed);
            return None;
        }
        Some(Place { room: Arc::clone(self), taken: Arc::clone(taken) })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.taken.fetch_sub(1, Relaxed);
        self.room.free.fetch_add(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_has_more_than_half_and_what_is_given_back_is_there_again() {
        let room = Room::new(10);
        let (greedy, other) = (Arc::default(), Arc::default());
        let mut places: Vec<_> = std::iter::from_fn(|| room.take(&greedy)).collect();
        assert_eq!(places.len(), 5);
        let others: Vec<_> = std::iter::from_fn(|| room.take(&other)).collect();
        assert_eq!(others.len(), 5);
        assert!(room.take(&Arc::default()).is_none(), "all are taken");
        places.pop();
        assert!(room.take(&greedy).is_some());
    }
}
