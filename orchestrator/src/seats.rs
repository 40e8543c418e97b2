//! Places of those whose requests hold something for as long as they like: so many in all, and fewer for each person, program
//! or agent.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;

/// Of those who follow something, in all.
pub(crate) const ALL: usize = 256;
/// For one name.
pub(crate) const EACH: usize = 64;

pub(crate) struct Seats {
    all: usize,
    each: usize,
    taken: Mutex<HashMap<String, usize>>,
}

/// Free again when dropped.
pub(crate) struct Seat {
    seats: Arc<Seats>,
    name: String,
}

impl Seats {
    pub(crate) fn new(all: usize, each: usize) -> Self {
        Self { all, each, taken: Mutex::default() }
    }

    /// One of them, unless there is none for this name.
    pub(crate) fn take(self: &Arc<Self>, name: &str) -> Option<Seat> {
        let mut taken = self.taken.lock();
        let own = taken.get(name).copied().unwrap_or(0);
        if own >= self.each || taken.values().sum::<usize>() >= self.all {
            return None;
        }
        taken.insert(name.to_owned(), own + 1);
        Some(Seat { seats: Arc::clone(self), name: name.to_owned() })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.taken.lock();
        if let Some(own) = taken.get_mut(&self.name) {
            *own -= 1;
            if *own == 0 {
                taken.remove(&self.name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_does_not_take_them_all_and_all_are_bounded() {
        let seats = Arc::new(Seats::new(ALL, EACH));
        let mut sitting: Vec<Seat> = std::iter::from_fn(|| seats.take("a")).collect();
        assert_eq!(sitting.len(), EACH);
        for name in 0..ALL {
            sitting.extend(seats.take(&name.to_string()));
        }
        assert_eq!(sitting.len(), ALL);
        sitting.truncate(EACH - 1);
        assert!(seats.take("a").is_some());
        drop(sitting);
        assert!(seats.taken.lock().is_empty());
    }
}
