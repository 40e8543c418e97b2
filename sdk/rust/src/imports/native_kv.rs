//! The filter's store in a native build: of this thread, and without bounds.

use std::{
    cell::RefCell,
    collections::HashMap,
    time::{Duration, Instant},
};

use crate::kv::{Entry, KvError};

struct Kept {
    value: Vec<u8>,
    version: f64,
    until: Option<Instant>,
}

#[derive(Default)]
struct Store {
    entries: HashMap<String, Kept>,
    versions: f64,
}

thread_local! {
    static STORE: RefCell<Store> = RefCell::default();
}

impl Store {
    fn live(&mut self, key: &str) -> Option<&Kept> {
        if self.entries.get(key).is_some_and(|kept| kept.until.is_some_and(|until| until <= Instant::now())) {
            self.entries.remove(key);
        }
        self.entries.get(key)
    }

    fn put(&mut self, key: &str, value: Vec<u8>, until: Option<Instant>) -> Result<(), KvError> {
        if !(1..=512).contains(&key.len()) || value.len() > 64 << 10 {
            return Err(KvError::TooLarge);
        }
        self.versions += 1.0;
        self.entries.insert(key.to_owned(), Kept { value, version: self.versions, until });
        Ok(())
    }
}

fn until(ttl: Option<f64>) -> Option<Instant> {
    ttl.map(|ttl| Instant::now() + Duration::try_from_secs_f64(ttl / 1000.0).unwrap_or_default())
}

pub(crate) fn kv_get(key: &str) -> Option<Entry> {
    STORE
        .with_borrow_mut(|store| store.live(key).map(|kept| Entry { value: kept.value.clone(), version: kept.version }))
}

pub(crate) fn kv_set(key: &str, value: &[u8], ttl: Option<f64>) -> Result<(), KvError> {
    STORE.with_borrow_mut(|store| store.put(key, value.to_vec(), until(ttl)))
}

pub(crate) fn kv_compare_and_set(
    key: &str,
    version: Option<f64>,
    value: &[u8],
    ttl: Option<f64>,
) -> Result<bool, KvError> {
    STORE.with_borrow_mut(|store| {
        if store.live(key).map(|kept| kept.version) != version {
            return Ok(false);
        }
        store.put(key, value.to_vec(), until(ttl)).map(|()| true)
    })
}

pub(crate) fn kv_delete(key: &str) -> bool {
    STORE.with_borrow_mut(|store| {
        let was_live = store.live(key).is_some();
        store.entries.remove(key);
        was_live
    })
}

pub(crate) fn kv_add(key: &str, by: f64, ttl: Option<f64>) -> Result<f64, KvError> {
    STORE.with_borrow_mut(|store| {
        let (before, until) = match store.live(key) {
            None => (0.0, until(ttl)),
            Some(kept) => {
                let text = String::from_utf8_lossy(&kept.value);
                (text.parse().map_err(|_| KvError::NotANumber)?, kept.until)
            }
        };
        let sum: f64 = before + by;
        if !sum.is_finite() {
            return Err(KvError::NotANumber);
        }
        store.put(key, sum.to_string().into_bytes(), until).map(|()| sum)
    })
}
