//! How many requests a credential may send, how many an address without one, how many sign-ins an address may fail, and how many
//! connections it may have. Buckets that fill again evenly (GCRA); of whoever sends nothing for a while nothing is kept.

use std::{
    collections::HashMap,
    hash::Hash,
    net::IpAddr,
    num::NonZeroU32,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use super::network::holder;

/// Seconds that a full bucket of requests lasts at the rate.
const REQUESTS_WINDOW: u32 = 10;
/// Seconds in which an empty bucket of sign-ins is full again.
const SIGN_INS_WINDOW: u32 = 60;
/// Buckets in memory, beyond which those that are full again are looked for at once.
const MANY: usize = 50_000;
/// Between two looks for them.
const TIDY: Duration = Duration::from_secs(60);

/// Bounds as an operator sets them; none where there is no bound.
#[derive(Debug, Clone, Copy)]
pub struct RateLimits {
    /// Requests a second, of one token or user, or of one address where none is asked for.
    pub requests: Option<NonZeroU32>,
    /// Failed sign-ins a minute, of one address.
    pub sign_ins: Option<NonZeroU32>,
    /// Connections at a time, of one address.
    pub connections: Option<NonZeroU32>,
}

/// What is counted, and against what.
pub(crate) struct Rates {
    signed_in: Option<Buckets<String>>,
    addresses: Option<Buckets<IpAddr>>,
    sign_ins: Option<Buckets<IpAddr>>,
    connections: Option<NonZeroU32>,
}

/// How somebody stands after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Budget {
    /// Requests in a full bucket.
    pub(crate) quota: u32,
    /// Seconds in which it fills.
    pub(crate) window_s: u32,
    pub(crate) remaining: u32,
    /// Seconds until there is a next one, where there is none left.
    pub(crate) wait_s: Option<u64>,
}

impl Rates {
    pub(crate) fn new(limits: RateLimits) -> Self {
        let requests = || Some((limits.requests?.saturating_mul(window(REQUESTS_WINDOW)), REQUESTS_WINDOW));
        Self {
            signed_in: requests().map(|(quota, window)| Buckets::new(quota, window)),
            addresses: requests().map(|(quota, window)| Buckets::new(quota, window)),
            sign_ins: limits.sign_ins.map(|quota| Buckets::new(quota, SIGN_INS_WINDOW)),
            connections: limits.connections,
        }
    }

    /// A request of somebody who signed in.
    pub(crate) fn request(&self, name: &str) -> Option<Budget> {
        self.signed_in.as_ref().map(|buckets| buckets.take(&name.to_owned()))
    }

    /// A request that needs no credential.
    pub(crate) fn open(&self, address: IpAddr) -> Option<Budget> {
        self.addresses.as_ref().map(|buckets| buckets.take(&holder(address)))
    }

    /// Of one address, at a time.
    pub(crate) fn connections(&self) -> usize {
        self.connections.and_then(|most| usize::try_from(most.get()).ok()).unwrap_or(usize::MAX)
    }

    /// A sign-in that failed, or may fail at some cost.
    pub(crate) fn sign_in(&self, address: IpAddr) -> Option<Budget> {
        self.sign_ins.as_ref().map(|buckets| buckets.take(&holder(address)))
    }
}

/// One for each key.
pub(crate) struct Buckets<K> {
    /// When each that is not full will be.
    full_at: Mutex<HashMap<K, Instant>>,
    /// In which one more fits.
    each: Duration,
    quota: u32,
    window_s: u32,
    tidied: Mutex<Instant>,
}

impl<K: Hash + Eq + Clone> Buckets<K> {
    /// Each with so many in it when full, which takes so long.
    pub(crate) fn new(quota: NonZeroU32, window_s: u32) -> Self {
        let each = Duration::from_secs(window_s.into()) / quota.get();
        let tidied = Mutex::new(Instant::now());
        Self { full_at: Mutex::default(), each, quota: quota.get(), window_s, tidied }
    }

    /// One of this bucket, if there is one left.
    pub(crate) fn take(&self, key: &K) -> Budget {
        let (quota, window_s) = (self.quota, self.window_s);
        match self.one(key) {
            Ok(left) => {
                let left = left.as_nanos() / self.each.as_nanos().max(1);
                Budget { quota, window_s, remaining: u32::try_from(left).unwrap_or(quota), wait_s: None }
            }
            Err(wait) => {
                let wait_s = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
                Budget { quota, window_s, remaining: 0, wait_s: Some(wait_s.max(1)) }
            }
        }
    }

    /// One that was taken does not count.
    pub(crate) fn put_back(&self, key: &K) {
        if let Some(at) = self.full_at.lock().get_mut(key) {
            *at = at.checked_sub(self.each).unwrap_or(*at);
        }
    }

    /// One of this bucket; if there is none left, how long until there is.
    pub(crate) fn wait(&self, key: &K) -> Option<Duration> {
        self.one(key).err()
    }

    /// In time: what is left, or what is missing.
    fn one(&self, key: &K) -> Result<Duration, Duration> {
        let now = Instant::now();
        let mut all = self.full_at.lock();
        self.tidy(&mut all, now);
        let whole = self.each * self.quota;
        let missing = all.get(key).map_or(Duration::ZERO, |at| at.saturating_duration_since(now)) + self.each;
        if missing > whole {
            return Err(missing - whole);
        }
        all.insert(key.clone(), now + missing);
        Ok(whole - missing)
    }

    /// Forgets full buckets now and then.
    fn tidy(&self, all: &mut HashMap<K, Instant>, now: Instant) {
        let mut tidied = self.tidied.lock();
        let since = now.saturating_duration_since(*tidied);
        if since >= TIDY || (since >= TIDY / 60 && all.len() > MANY) {
            *tidied = now;
            all.retain(|_, at| *at > now);
        }
    }
}

fn window(seconds: u32) -> NonZeroU32 {
    NonZeroU32::new(seconds).unwrap_or(NonZeroU32::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(requests: u32, sign_ins: u32) -> Rates {
        let (requests, sign_ins) = (NonZeroU32::new(requests), NonZeroU32::new(sign_ins));
        Rates::new(RateLimits { requests, sign_ins, connections: None })
    }

    #[test]
    fn a_bucket_is_emptied_and_others_stay_full() {
        let rates = rates(1, 3);
        for left in (0..10).rev() {
            let budget = rates.request("token:a").unwrap();
            assert_eq!((budget.quota, budget.window_s, budget.wait_s), (10, 10, None));
            assert_eq!(budget.remaining, left);
        }
        assert!(matches!(rates.request("token:a").unwrap(), Budget { remaining: 0, wait_s: Some(1), .. }));
        assert_eq!(rates.request("token:b").unwrap().remaining, 9);
        let address = |text: &str| rates.sign_in(text.parse().unwrap()).unwrap();
        assert_eq!(address("2001:db8::1").remaining, 2);
        assert_eq!(address("2001:db8::ffff:2").remaining, 1);
        assert_eq!(address("2001:db8:0:1::1").remaining, 2);
        assert_eq!(address("192.0.2.1").remaining, 2);
        assert_eq!(address("::ffff:192.0.2.1").remaining, 1);
        assert_eq!(address("192.0.2.1").remaining, 0);
        assert_eq!(address("192.0.2.1").wait_s, Some(20));
    }

    #[test]
    fn what_is_put_back_can_be_taken_again() {
        let buckets = Buckets::new(NonZeroU32::new(2).unwrap(), 3600);
        for _ in 0..10 {
            assert_eq!(buckets.take(&"a").wait_s, None);
            buckets.put_back(&"a");
        }
        buckets.put_back(&"b");
        let left: Vec<Option<u64>> = (0..3).map(|_| buckets.take(&"a").wait_s.map(|_| 0)).collect();
        assert_eq!(left, [None, None, Some(0)]);
    }

    #[test]
    fn no_bound_is_no_bound() {
        let rates = rates(0, 0);
        assert_eq!(rates.request("a"), None);
        assert_eq!(rates.open("192.0.2.1".parse().unwrap()), None);
        assert_eq!(rates.sign_in("192.0.2.1".parse().unwrap()), None);
    }
}
