//! The entries behind one lock, and which of them the disk does not have yet.

use std::collections::{HashMap, HashSet};

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
    unwritten: HashSet<String>,
}

/// A key, and what is under it now.
pub(super) type Change = (String, Option<Entry>);

impl Shard {
    pub(super) fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries.get(key)
    }

    /// `is_kept`: the disk is to have it.
    pub(super) fn put(&mut self, key: String, entry: Entry, is_kept: bool) {
        if is_kept && !self.unwritten.contains(&key) {
            self.unwritten.insert(key.clone());
        }
        self.entries.insert(key, entry);
    }

    pub(super) fn remove(&mut self, key: &str, is_kept: bool) -> Option<Entry> {
        let (key, entry) = self.entries.remove_entry(key)?;
        if is_kept {
            self.unwritten.insert(key);
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

    /// What the disk is to be told.
    pub(super) fn take_changes(&mut self) -> Vec<Change> {
        let keys = std::mem::take(&mut self.unwritten);
        keys.into_iter()
            .map(|key| {
                let entry = self.entries.get(&key).cloned();
                (key, entry)
            })
            .collect()
    }

    /// These did not get there.
    pub(super) fn untake(&mut self, changes: Vec<Change>) {
        self.unwritten.extend(changes.into_iter().map(|(key, _)| key));
    }
}
