//! A configuration that is right, and what is new in it against another.

use std::collections::{BTreeMap, BTreeSet};

/// Keys and their values, all of them right by themselves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Document {
    values: BTreeMap<&'static str, String>,
}

/// One key that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub key: &'static str,
    /// None: it was not set.
    pub before: Option<String>,
    /// None: it is set no more, and each agent has its own or the default again.
    pub after: Option<String>,
}

impl Document {
    pub(crate) fn of(values: BTreeMap<&'static str, String>) -> Self {
        Self { values }
    }

    /// The keys that are set, in order, with their values as TOML has them, sizes and times without their quotes.
    pub fn values(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.values.iter().map(|(key, value)| (*key, value.as_str()))
    }

    /// Nothing is set.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// What differs in `after`, in the order of the keys.
    pub fn changes(&self, after: &Self) -> Vec<Change> {
        let keys: BTreeSet<&'static str> = self.values.keys().chain(after.values.keys()).copied().collect();
        let change = |key| {
            let (before, after) = (self.values.get(key).cloned(), after.values.get(key).cloned());
            (before != after).then_some(Change { key, before, after })
        };
        keys.into_iter().filter_map(change).collect()
    }
}
