//! The latest of what is told, in order, for any number of followers. Each has its own place in it, so a slow one holds
//! nobody up and costs nothing; what it did not read in time is gone, and it hears that.

use std::{collections::VecDeque, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::watch;

/// What is kept.
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
    kept: Mutex<Kept<T>>,
    newest: watch::Sender<u64>,
}

struct Kept<T> {
    /// Number of the first that is kept, from 1.
    first: u64,
    /// None where something may be missing.
    items: VecDeque<Option<Arc<Told<T>>>>,
    bytes: usize,
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
    missed: bool,
    newest: watch::Receiver<u64>,
}

impl<T> Feed<T> {
    /// Keeps the latest.
    pub(crate) fn new(most: Most) -> Self {
        let kept = Kept { first: 1, items: VecDeque::new(), bytes: 0 };
        Self { life: rand::random(), most, kept: Mutex::new(kept), newest: watch::Sender::new(0) }
    }

    /// One more, which takes about so many bytes.
    pub(crate) fn tell(&self, at_us: u64, item: T, bytes: usize) {
        self.push(Some(Arc::new(Told { at_us, item, bytes })));
    }

    /// Some may be missing here.
    pub(crate) fn miss(&self) {
        self.push(None);
    }

    fn push(&self, item: Option<Arc<Told<T>>>) {
        let mut kept = self.kept.lock();
        let bytes = |item: &Option<Arc<Told<T>>>| item.as_ref().map_or(0, |told| told.bytes);
        kept.bytes += bytes(&item);
        kept.items.push_back(item);
        while kept.items.len() > self.most.items || kept.bytes > self.most.bytes && kept.items.len() > 1 {
            let oldest = kept.items.pop_front();
            kept.bytes -= oldest.as_ref().map_or(0, bytes);
            kept.first += 1;
        }
        let newest = kept.first + kept.items.len() as u64 - 1;
        // In the order of the numbers.
        self.newest.send_replace(newest);
    }

    /// From behind a place, or from now on. A place that means nothing here is one where something was missed.
    pub(crate) fn follow(&self, after: Option<Place>) -> Follower<'_, T> {
        let newest = self.newest.subscribe();
        let now = *newest.borrow();
        let (at, missed) = match after {
            Some(place) if place.life == self.life && place.number <= now => (place.number, false),
            Some(_) => (now, true),
            None => (now, false),
        };
        Follower { feed: self, at, missed, newest }
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
        let kept = self.feed.kept.lock();
        if self.at + 1 < kept.first {
            self.at = kept.first - 1;
            return Some(Heard::Missed);
        }
        let place = usize::try_from(self.at + 1 - kept.first).unwrap_or(usize::MAX);
        let item = kept.items.get(place)?.clone();
        self.at += 1;
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
        let feed = Feed::new(MOST);
        feed.tell(0, 1, 1);
        let (mut quick, mut slow) = (feed.follow(None), feed.follow(None));
        assert_eq!(now(&mut quick), None);
        for item in 2..=5 {
            feed.tell(0, item, 1);
            assert_eq!(now(&mut quick), Some(Some(item)));
        }
        assert_eq!(now(&mut slow), Some(None), "2 is gone");
        assert_eq!([now(&mut slow), now(&mut slow), now(&mut slow)], [Some(Some(3)), Some(Some(4)), Some(Some(5))]);
        assert_eq!(now(&mut slow), None);
    }

    #[test]
    fn long_items_are_fewer_and_the_newest_is_always_there() {
        let feed = Feed::new(MOST);
        let mut slow = feed.follow(None);
        feed.tell(0, 1, 60);
        feed.tell(0, 2, 60);
        assert_eq!([now(&mut slow), now(&mut slow)], [Some(None), Some(Some(2))]);
        feed.tell(0, 3, 40);
        feed.tell(0, 4, 1000);
        assert_eq!([now(&mut slow), now(&mut slow), now(&mut slow)], [Some(None), Some(Some(4)), None]);
        feed.tell(0, 5, 1);
        assert_eq!(feed.kept.lock().bytes, 1);
    }

    #[test]
    fn a_place_is_good_for_coming_back() {
        let feed = Feed::new(MOST);
        let place = feed.follow(None).place();
        feed.tell(0, 1, 1);
        let place = Place::from_bytes(place.to_bytes());
        assert_eq!(now(&mut feed.follow(Some(place))), Some(Some(1)));
        let mut stranger = feed.follow(Some(Feed::<u32>::new(MOST).follow(None).place()));
        assert_eq!((now(&mut stranger), now(&mut stranger)), (Some(None), None));
        let beyond = Place { number: 2, ..place };
        assert_eq!(now(&mut feed.follow(Some(beyond))), Some(None));
        feed.miss();
        let mut back = feed.follow(Some(place));
        assert_eq!((now(&mut back), now(&mut back), now(&mut back)), (Some(Some(1)), Some(None), None));
    }

    #[tokio::test]
    async fn who_waits_is_woken() {
        let feed = Arc::new(Feed::new(MOST));
        let theirs = Arc::clone(&feed);
        let heard = tokio::spawn(async move {
            let mut follower = theirs.follow(Some(Place { life: theirs.life, number: 0 }));
            now_of(follower.next().await)
        });
        tokio::task::yield_now().await;
        feed.tell(0, 7, 1);
        assert_eq!(heard.await.unwrap(), Some(7));
    }

    fn now_of(heard: Heard<u32>) -> Option<u32> {
        match heard {
            Heard::Item(told) => Some(told.item),
            Heard::Missed => None,
        }
    }
}
