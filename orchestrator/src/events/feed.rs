//! The latest of what is told, in order, for any number of followers. Each has its own place in it, so a slow one holds
//! nobody up and costs nothing; what it did not read in time is gone, and it hears that. Items stand on shelves, each with bounds of
//! its own: what comes in floods drives out its like, and nothing else.

use std::{collections::VecDeque, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::watch;

/// What is kept on one shelf.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Most {
    pub(crate) items: usize,
    /// Of all of them together.
    pub(crate) bytes: usize,
}

/// Items in the order in which they were told.
pub(crate) struct Feed<T> {
    /// Tells the numbers of this feed from those of another one, such as that of the server before this start.
    life: u64,
    most: Most,
    shelves: Mutex<Vec<Shelf<T>>>,
    newest: watch::Sender<u64>,
}

/// Some of them, each with its number; numbers are those of the feed, from 1.
struct Shelf<T> {
    /// None where something may be missing.
    items: VecDeque<(u64, Option<Arc<Told<T>>>)>,
    bytes: usize,
    /// Number of the newest that is not kept any more; 0 where all are.
    lost: u64,
}

/// One of them.
#[derive(Debug)]
pub(crate) struct Told<T> {
    pub(crate) at_us: u64,
    pub(crate) item: T,
    /// That it takes, more or less.
    bytes: usize,
}

/// Behind which item somebody is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    life: u64,
    number: u64,
}

/// What a follower hears.
#[derive(Debug)]
pub(crate) enum Heard<T> {
    Item(Arc<Told<T>>),
    /// Some are not there any more, or never came here.
    Missed,
}

/// Somebody's place in a feed.
pub(crate) struct Follower<'a, T> {
    feed: &'a Feed<T>,
    /// The number before the next.
    at: u64,
    /// Up to here it knows that it missed some.
    warned: u64,
    missed: bool,
    /// Nothing of other shelves is for it.
    shelves: Vec<usize>,
    newest: watch::Receiver<u64>,
}

impl<T> Feed<T> {
    /// Keeps the latest of each shelf.
    pub(crate) fn new(shelves: usize, most: Most) -> Self {
        let empty = |_| Shelf { items: VecDeque::new(), bytes: 0, lost: 0 };
        let shelves = Mutex::new((0..shelves).map(empty).collect());
        Self { life: rand::random(), most, shelves, newest: watch::Sender::new(0) }
    }

    /// One more, which takes about so many bytes.
    pub(crate) fn tell(&self, shelf: usize, at_us: u64, item: T, bytes: usize) {
        let mut shelves = self.shelves.lock();
        let number = self.next();
        if let Some(shelf) = shelves.get_mut(shelf) {
            shelf.push(number, Some(Arc::new(Told { at_us, item, bytes })), self.most);
        }
        // In the order of the numbers.
        self.newest.send_replace(number);
    }

    /// Some may be missing here, on one shelf or on any. Several in a row are one.
    pub(crate) fn miss(&self, on: Option<usize>) {
        let mut shelves = self.shelves.lock();
        let number = self.next();
        let (from, to) = on.map_or((0, usize::MAX), |shelf| (shelf, shelf + 1));
        for shelf in shelves.iter_mut().take(to).skip(from) {
            match shelf.items.back_mut() {
                Some((last, None)) => *last = number,
                _ => shelf.push(number, None, self.most),
            }
        }
        self.newest.send_replace(number);
    }

    /// Of the one that comes, with the lock held.
    fn next(&self) -> u64 {
        *self.newest.borrow() + 1
    }

    /// From behind a place, or from now on, what is on these shelves. A place that means nothing here is one where something was missed.
    pub(crate) fn follow(&self, after: Option<Place>, shelves: Vec<usize>) -> Follower<'_, T> {
        let newest = self.newest.subscribe();
        let now = *newest.borrow();
        let (at, missed) = match after {
            Some(place) if place.life == self.life && place.number <= now => (place.number, false),
            Some(_) => (now, true),
            None => (now, false),
        };
        Follower { feed: self, at, warned: 0, missed, shelves, newest }
    }
}

impl<T> Shelf<T> {
    fn push(&mut self, number: u64, item: Option<Arc<Told<T>>>, most: Most) {
        let bytes = |item: &Option<Arc<Told<T>>>| item.as_ref().map_or(0, |told| told.bytes);
        self.bytes += bytes(&item);
        self.items.push_back((number, item));
        while self.items.len() > most.items || self.bytes > most.bytes && self.items.len() > 1 {
            let Some((number, oldest)) = self.items.pop_front() else { break };
            self.bytes -= bytes(&oldest);
            self.lost = number;
        }
    }

    /// The first behind a place.
    fn behind(&self, at: u64) -> Option<&(u64, Option<Arc<Told<T>>>)> {
        self.items.get(self.items.partition_point(|(number, _)| *number <= at))
    }
}

impl<T> Follower<'_, T> {
    /// The next, as soon as it is there.
    pub(crate) async fn next(&mut self) -> Heard<T> {
        loop {
            if let Some(heard) = self.now() {
                return heard;
            }
            let at = self.at;
            // The feed, which this borrows, has the other end.
            let _ = self.newest.wait_for(|newest| *newest > at).await;
        }
    }

    fn now(&mut self) -> Option<Heard<T>> {
        if std::mem::take(&mut self.missed) {
            return Some(Heard::Missed);
        }
        let shelves = self.feed.shelves.lock();
        let own = || self.shelves.iter().filter_map(|shelf| shelves.get(*shelf));
        let lost = own().map(|shelf| shelf.lost).max().unwrap_or(0);
        if lost > self.at.max(self.warned) {
            self.warned = lost;
            return Some(Heard::Missed);
        }
        let first = own().filter_map(|shelf| shelf.behind(self.at)).min_by_key(|(number, _)| *number);
        let Some((number, item)) = first else {
            // All that there is of others it has passed.
            self.at = *self.feed.newest.borrow();
            return None;
        };
        let item = item.clone();
        self.at = *number;
        Some(item.map_or(Heard::Missed, Heard::Item))
    }

    /// Behind what was heard last.
    pub(crate) fn place(&self) -> Place {
        Place { life: self.feed.life, number: self.at }
    }
}

impl Place {
    pub(crate) fn to_bytes(self) -> [u8; 16] {
        (u128::from(self.life) << 64 | u128::from(self.number)).to_be_bytes()
    }

    pub(crate) fn from_bytes(bytes: [u8; 16]) -> Self {
        let both = u128::from_be_bytes(bytes);
        Self { life: (both >> 64) as u64, number: both as u64 }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    const MOST: Most = Most { items: 3, bytes: 100 };

    fn now(follower: &mut Follower<'_, u32>) -> Option<Option<u32>> {
        match follower.next().now_or_never()? {
            Heard::Item(told) => Some(Some(told.item)),
            Heard::Missed => Some(None),
        }
    }

    #[test]
    fn each_follower_has_its_own_place() {
        let feed = Feed::new(1, MOST);
        feed.tell(0, 0, 1, 1);
        let (mut quick, mut slow) = (feed.follow(None, vec![0]), feed.follow(None, vec![0]));
        assert_eq!(now(&mut quick), None);
        for item in 2..=5 {
            feed.tell(0, 0, item, 1);
            assert_eq!(now(&mut quick), Some(Some(item)));
        }
        assert_eq!(now(&mut slow), Some(None), "2 is gone");
        assert_eq!([now(&mut slow), now(&mut slow), now(&mut slow)], [Some(Some(3)), Some(Some(4)), Some(Some(5))]);
        assert_eq!(now(&mut slow), None);
    }

    #[test]
    fn long_items_are_fewer_and_the_newest_is_always_there() {
        let feed = Feed::new(1, MOST);
        let mut slow = feed.follow(None, vec![0]);
        feed.tell(0, 0, 1, 60);
        feed.tell(0, 0, 2, 60);
        assert_eq!([now(&mut slow), now(&mut slow)], [Some(None), Some(Some(2))]);
        feed.tell(0, 0, 3, 40);
        feed.tell(0, 0, 4, 1000);
        assert_eq!([now(&mut slow), now(&mut slow), now(&mut slow)], [Some(None), Some(Some(4)), None]);
        feed.tell(0, 0, 5, 1);
        assert_eq!(feed.shelves.lock()[0].bytes, 1);
    }

    #[test]
    fn a_place_is_good_for_coming_back() {
        let feed = Feed::new(1, MOST);
        let place = feed.follow(None, vec![0]).place();
        feed.tell(0, 0, 1, 1);
        let place = Place::from_bytes(place.to_bytes());
        assert_eq!(now(&mut feed.follow(Some(place), vec![0])), Some(Some(1)));
        let mut stranger = feed.follow(Some(Feed::<u32>::new(1, MOST).follow(None, vec![0]).place()), vec![0]);
        assert_eq!((now(&mut stranger), now(&mut stranger)), (Some(None), None));
        let beyond = Place { number: 2, ..place };
        assert_eq!(now(&mut feed.follow(Some(beyond), vec![0])), Some(None));
        feed.miss(None);
        let mut back = feed.follow(Some(place), vec![0]);
        assert_eq!((now(&mut back), now(&mut back), now(&mut back)), (Some(Some(1)), Some(None), None));
    }

    #[test]
    fn a_flood_drives_out_its_like_and_nothing_else() {
        let feed = Feed::new(2, MOST);
        let (mut both, mut rare) = (feed.follow(None, vec![0, 1]), feed.follow(None, vec![0]));
        feed.tell(0, 0, 1, 1);
        (2..100).for_each(|item| feed.tell(1, 0, item, 1));
        feed.tell(0, 0, 100, 1);
        let begin = rare.place();
        assert_eq!([now(&mut rare), now(&mut rare), now(&mut rare)], [Some(Some(1)), Some(Some(100)), None]);
        let all: Vec<_> = std::iter::from_fn(|| now(&mut both)).collect();
        assert_eq!(
            all,
            [None, Some(1), Some(97), Some(98), Some(99), Some(100)],
            "in order, and once that some are gone"
        );
        // What it is not to hear it passes, and gaps in a row are one.
        (0..10).for_each(|item| feed.tell(1, 0, item, 1));
        (0..10).for_each(|_| feed.miss(Some(1)));
        assert_eq!(now(&mut rare), None, "nothing of its own is missing");
        (0..10).for_each(|_| feed.miss(None));
        assert_eq!([now(&mut rare), now(&mut rare)], [Some(None), None]);
        assert_eq!(rare.place(), feed.follow(None, vec![0]).place());
        let mut back = feed.follow(Some(begin), vec![0]);
        assert_eq!([now(&mut back), now(&mut back), now(&mut back)], [Some(Some(1)), Some(Some(100)), Some(None)]);
    }

    #[tokio::test]
    async fn who_waits_is_woken() {
        let feed = Arc::new(Feed::new(1, MOST));
        let theirs = Arc::clone(&feed);
        let heard = tokio::spawn(async move {
            let mut follower = theirs.follow(Some(Place { life: theirs.life, number: 0 }), vec![0]);
            now_of(follower.next().await)
        });
        tokio::task::yield_now().await;
        feed.tell(0, 0, 7, 1);
        assert_eq!(heard.await.unwrap(), Some(7));
    }

    fn now_of(heard: Heard<u32>) -> Option<u32> {
        match heard {
            Heard::Item(told) => Some(told.item),
            Heard::Missed => None,
        }
    }
}
