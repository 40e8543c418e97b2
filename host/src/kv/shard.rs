//! The entries behind one lock, and which of them the disk does not have yet.

use std::collections::HashMap;

/// What is kept under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) value: Vec<u8>,
    pub(crate) version: u64,
    /// Milliseconds since the Unix epoch; 0 for never.
    pub(crate) expires: u64,
}

impl Entry {
    pub(super) fn is_over(&self, now: u64) -> bool {
        self.expires != 0 && self.expires <= now
    }

    /// What `add` adds to.
    pub(super) fn number(&self) -> Option<f64> {
        let text = std::str::from_utf8(&self.value).ok()?;
        text.parse().ok().filter(|number: &f64| number.is_finite())
    }
}

#[derive(Default)]
pub(super) struct Shard {
    entries: HashMap<String, Entry>,
    /// What the disk is to be told of, and whether it has something under that key: what came and went since the last time it never
    /// hears of, so that there is no more of this than entries there are and were.
    unwritten: HashMap<String, bool>,
}

/// A key, and what is under it now.
pub(super) struct Change {
    pub(super) key: String,
    pub(super) entry: Option<Entry>,
    was_written: bool,
}

impl Shard {
    pub(super) fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries.get(key)
    }

    /// `is_kept`: the disk is to have it.
    pub(super) fn put(&mut self, key: String, entry: Entry, is_kept: bool) {
        if is_kept && !self.unwritten.contains_key(&key) {
            self.unwritten.insert(key.clone(), self.entries.contains_key(&key));
        }
        self.entries.insert(key, entry);
    }

    pub(super) fn remove(&mut self, key: &str, is_kept: bool) -> Option<Entry> {
        let (key, entry) = self.entries.remove_entry(key)?;
        if is_kept {
            self.forget(key);
        }
        Some(entry)
    }

    pub(super) fn keys(&self) -> Vec<String> {
        self.entries.keys().cloned().collect()
    }

    /// Keys whose time is over.
    pub(super) fn over(&self, now: u64) -> Vec<String> {
        self.entries.iter().filter(|(_, entry)| entry.is_over(now)).map(|(key, _)| key.clone()).collect()
    }

    /// There is nothing under it any more.
    fn forget(&mut self, key: String) {
        match self.unwritten.get(&key) {
            Some(false) => drop(self.unwritten.remove(&key)),
            Some(true) => {}
            None => drop(self.unwritten.insert(key, true)),
        }
    }

    /// What the disk is to be told.
    pub(super) fn take_changes(&mut self) -> Vec<Change> {
        let unwritten = std::mem::take(&mut self.unwritten);
        let change = |(key, was_written)| Change { entry: self.entries.get(&key).cloned(), key, was_written };
        unwritten.into_iter().map(change).collect()
    }

    /// These did not get there.
    pub(super) fn untake(&mut self, changes: Vec<Change>) {
        for Change { key, was_written, .. } in changes {
            if was_written || self.entries.contains_key(&key) {
                self.unwritten.insert(key, was_written);
            } else {
                self.unwritten.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(shard: &mut Shard, key: &str) {
        shard.put(key.to_owned(), Entry { value: Vec::new(), version: 1, expires: 0 }, true);
    }

    /// Keys, and whether something is under them, in order.
    fn told(changes: &[Change]) -> Vec<(&str, bool)> {
        let mut told: Vec<_> = changes.iter().map(|change| (&*change.key, change.entry.is_some())).collect();
        told.sort_unstable();
        told
    }

    #[test]
    fn what_came_and_went_the_disk_never_hears_of() {
        let mut shard = Shard::default();
        put(&mut shard, "stays");
        for n in 0..1000 {
            let key = n.to_string();
            put(&mut shard, &key);
            put(&mut shard, &key);
            shard.remove(&key, true).unwrap();
        }
        assert_eq!(shard.unwritten.len(), 1);
        assert_eq!(told(&shard.take_changes()), [("stays", true)]);
        shard.remove("stays", true).unwrap();
        put(&mut shard, "stays");
        shard.remove("stays", true).unwrap();
        assert_eq!(told(&shard.take_changes()), [("stays", false)]);
        assert!(shard.take_changes().is_empty());
    }

    #[test]
    fn what_did_not_get_there_is_told_again_as_it_is_by_then() {
        let mut shard = Shard::default();
        for key in ["written", "old"] {
            put(&mut shard, key);
        }
        shard.take_changes();
        shard.remove("old", true).unwrap();
        for key in ["written", "new", "goes"] {
            put(&mut shard, key);
        }
        let changes = shard.take_changes();
        assert_eq!(told(&changes), [("goes", true), ("new", true), ("old", false), ("written", true)]);
        // while these are under way
        for key in ["goes", "written"] {
            shard.remove(key, true).unwrap();
        }
        put(&mut shard, "old");
        shard.untake(changes);
        assert_eq!(told(&shard.take_changes()), [("new", true), ("old", true), ("written", false)]);
        assert!(shard.take_changes().is_empty());
    }
}
