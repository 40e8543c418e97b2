//! What filters keep between exchanges: one namespace for each filter, shared by its instances and generations, in memory,
//! and on disk a second later. Counting and comparing happen under the lock of a key's shard, so no update is lost.

mod disk;
mod shard;

use std::{
    collections::BTreeMap,
    hash::{BuildHasher as _, RandomState},
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use weir_artifact::Name;

pub(crate) use self::shard::Entry;
use self::{disk::Disk, shard::Shard};

/// Locks of one namespace: more than there are workers on most machines.
const SHARDS: usize = 16;
const KEY_BYTES: usize = 512;
const VALUE_BYTES: usize = 64 << 10;

/// Why nothing was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    TooLarge,
    Full,
    NotANumber,
}

/// What a filter may keep.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) entries: usize,
    pub(crate) bytes: usize,
}

/// The stores of all filters of an agent.
#[derive(Default)]
pub(crate) struct Kv {
    all: Arc<Namespaces>,
    disk: Option<Disk>,
}

pub(crate) type Namespaces = Mutex<BTreeMap<Name, Arc<Namespace>>>;

impl Kv {
    /// With what is in a folder, and writing there.
    pub(crate) fn open(folder: &Path) -> Result<Self, String> {
        let all = Arc::<Namespaces>::default();
        let disk = Disk::open(folder, &all)?;
        Ok(Self { all, disk: Some(disk) })
    }

    /// A filter's own store.
    pub(crate) fn of(&self, name: &Name) -> Arc<Namespace> {
        Arc::clone(lock(&self.all).entry(name.clone()).or_insert_with(|| Namespace::new(self.disk.is_some())))
    }

    /// Empties a filter's store.
    pub(crate) fn forget(&self, name: &Name) {
        let kept = lock(&self.all).get(name).cloned();
        if let Some(namespace) = kept {
            namespace.clear();
        }
    }
}

/// One filter's store.
pub(crate) struct Namespace {
    shards: [Mutex<Shard>; SHARDS],
    hasher: RandomState,
    entries: AtomicUsize,
    bytes: AtomicUsize,
    versions: AtomicU64,
    is_kept: bool,
}

impl Namespace {
    fn new(is_kept: bool) -> Arc<Self> {
        Arc::new(Self {
            shards: Default::default(),
            hasher: RandomState::new(),
            entries: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            // beyond all that were given before a restart, and exact in an `f64`
            versions: AtomicU64::new(now() * 1000),
            is_kept,
        })
    }

    pub(crate) fn get(&self, key: &str) -> Option<(Vec<u8>, u64)> {
        let mut shard = self.shard(key);
        let entry = self.live(&mut shard, key)?;
        Some((entry.value.clone(), entry.version))
    }

    pub(crate) fn set(&self, key: String, value: Vec<u8>, ttl: Option<f64>, bounds: Bounds) -> Result<(), Refusal> {
        check(&key, &value)?;
        let mut shard = self.shard(&key);
        self.put(&mut shard, key, value, expiry(ttl), bounds)
    }

    /// No `version`: only where there is none.
    pub(crate) fn compare_and_set(
        &self,
        key: String,
        version: Option<u64>,
        value: Vec<u8>,
        ttl: Option<f64>,
        bounds: Bounds,
    ) -> Result<bool, Refusal> {
        check(&key, &value)?;
        let mut shard = self.shard(&key);
        if self.live(&mut shard, &key).map(|entry| entry.version) != version {
            return Ok(false);
        }
        self.put(&mut shard, key, value, expiry(ttl), bounds).map(|()| true)
    }

    pub(crate) fn delete(&self, key: &str) -> bool {
        let mut shard = self.shard(key);
        let was_live = self.live(&mut shard, key).is_some();
        self.remove(&mut shard, key);
        was_live
    }

    pub(crate) fn add(&self, key: String, by: f64, ttl: Option<f64>, bounds: Bounds) -> Result<f64, Refusal> {
        check(&key, &[])?;
        let mut shard = self.shard(&key);
        let (before, expires) = match self.live(&mut shard, &key) {
            None => (0.0, expiry(ttl)),
            Some(entry) => (entry.number().ok_or(Refusal::NotANumber)?, entry.expires),
        };
        let sum = before + by;
        if !sum.is_finite() {
            return Err(Refusal::NotANumber);
        }
        self.put(&mut shard, key, sum.to_string().into_bytes(), expires, bounds)?;
        Ok(sum)
    }

    fn shard(&self, key: &str) -> MutexGuard<'_, Shard> {
        lock(&self.shards[self.hasher.hash_one(key) as usize % SHARDS])
    }

    /// The entry, if its time is not over.
    fn live<'a>(&self, shard: &'a mut Shard, key: &str) -> Option<&'a Entry> {
        if shard.entry(key).is_some_and(|entry| entry.is_over(now())) {
            self.remove(shard, key);
        }
        shard.entry(key)
    }

    fn put(&self, shard: &mut Shard, key: String, value: Vec<u8>, expires: u64, bounds: Bounds) -> Result<(), Refusal> {
        let size = key.len() + value.len();
        let (entries, bytes) = shard.entry(&key).map_or((0, 0), |entry| (1, key.len() + entry.value.len()));
        // Workers that write at once may go beyond by an entry each: it is a bound on memory, not a promise.
        let full = |extra: usize| {
            self.entries.load(Relaxed) + 1 > bounds.entries + entries
                || self.bytes.load(Relaxed) + size + extra > bounds.bytes + bytes
        };
        if full(0) {
            self.sweep(shard);
            if full(0) {
                return Err(Refusal::Full);
            }
        }
        let version = self.versions.fetch_add(1, Relaxed) + 1;
        self.entries.fetch_add(1 - entries, Relaxed);
        self.bytes.fetch_add(size, Relaxed);
        self.bytes.fetch_sub(bytes, Relaxed);
        shard.put(key, Entry { value, version, expires }, self.is_kept);
        Ok(())
    }

    fn remove(&self, shard: &mut Shard, key: &str) {
        if let Some(entry) = shard.remove(key, self.is_kept) {
            self.entries.fetch_sub(1, Relaxed);
            self.bytes.fetch_sub(key.len() + entry.value.len(), Relaxed);
        }
    }

    /// Forgets what is over.
    fn sweep(&self, shard: &mut Shard) {
        for key in shard.over(now()) {
            self.remove(shard, &key);
        }
    }

    fn clear(&self) {
        for shard in &self.shards {
            let mut shard = lock(shard);
            for key in shard.keys() {
                self.remove(&mut shard, &key);
            }
        }
    }

    /// As it was on disk.
    fn restore(&self, key: String, value: Vec<u8>, expires: u64) {
        self.entries.fetch_add(1, Relaxed);
        self.bytes.fetch_add(key.len() + value.len(), Relaxed);
        let version = self.versions.fetch_add(1, Relaxed) + 1;
        self.shard(&key).put(key, Entry { value, version, expires }, false);
    }
}

fn check(key: &str, value: &[u8]) -> Result<(), Refusal> {
    let fits = (1..=KEY_BYTES).contains(&key.len()) && value.len() <= VALUE_BYTES;
    if fits { Ok(()) } else { Err(Refusal::TooLarge) }
}

/// Milliseconds since the Unix epoch at which an entry is over; 0 for never. Times survive a restart, so they are the wall
/// clock's.
fn expiry(ttl: Option<f64>) -> u64 {
    // what is not above 0 has been over since the epoch's first millisecond
    ttl.map_or(0, |ttl| if ttl > 0.0 { now().saturating_add((ttl as u64).max(1)) } else { 1 })
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
