//! The one snapshot that every exchange begins with. Whole sets of filters enter, one atomic store makes them active,
//! and exchanges in flight keep what they began with. Must not know where a filter came from.

use std::{collections::BTreeMap, fmt, sync::Arc};

use arc_swap::ArcSwap;
use http::request;
use parking_lot::Mutex;
use weir_artifact::{FailurePolicy, Name, Publication};
use weir_host::{Chain, Connection, Filter, Tunnel};
use weir_query::QueryError;

use super::{matching::Matcher, policies::Policies};

/// Who put a filter there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// A signed statement.
    Signed,
    /// The folder of `--filters`.
    Folder,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Signed => "signed statements",
            Self::Folder => "the folder of filters",
        })
    }
}

/// Another source runs a filter of this name; a name is one filter, whatever its source.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a filter named {name} is already active, by {by}")]
pub struct Clash {
    pub name: Name,
    pub by: Source,
}

/// The filters as one exchange meets them.
#[derive(Default)]
pub struct Snapshot {
    pub chain: Arc<Chain>,
    /// As the chain's filters; empty when every filter meets every exchange.
    matchers: Vec<Matcher>,
    /// As the chain's filters; empty when each has one policy.
    policies: Vec<Policies>,
}

impl Snapshot {
    /// Where the filter meets an exchange with this request, as the client sent it: what that gets when it fails.
    pub fn policy(&self, filter: &Filter, request: &request::Parts, connection: &Connection) -> Option<FailurePolicy> {
        let meets = self.of(&self.matchers, filter).is_none_or(|matcher| matcher.fits(request, connection));
        let policies = self.of(&self.policies, filter);
        let policy = || policies.map_or(filter.publication().on_failure, |of| of.of_request(request, connection));
        meets.then(policy)
    }

    /// Where the filter is asked about a tunnel, where these hosts are named: what that gets when it fails.
    pub fn policy_of_tunnel(&self, filter: &Filter, tunnel: &Tunnel, named: &[&str]) -> Option<FailurePolicy> {
        let meets = self.of(&self.matchers, filter).is_none_or(|matcher| matcher.fits_tunnel(tunnel, named));
        let policies = self.of(&self.policies, filter);
        meets.then(|| policies.map_or(filter.publication().on_failure, |of| of.of_tunnel(tunnel, named)))
    }

    fn of<'a, T>(&'a self, all: &'a [T], filter: &Filter) -> Option<&'a T> {
        let mut all = all.iter().zip(self.chain.filters());
        all.find(|(_, own)| std::ptr::eq(&raw const ***own, filter)).map(|(one, _)| one)
    }
}

#[derive(Clone)]
struct Entry {
    filter: Arc<Filter>,
    matcher: Matcher,
    policies: Policies,
    source: Source,
}

/// Swapped whole; an exchange keeps the snapshot it began with.
#[derive(Default)]
pub struct Active {
    snapshot: ArcSwap<Snapshot>,
    entries: Mutex<BTreeMap<Name, Entry>>,
}

impl Active {
    /// What a new exchange begins with.
    pub fn load(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// Can a filter of this `match`, and with these rules about failures, be put in?
    ///
    /// # Errors
    /// A query is wrong, or asks for what is not known when a request arrives.
    pub fn check_queries(publication: &Publication) -> Result<(), QueryError> {
        Matcher::parse(&publication.matching)?;
        Policies::of(publication).map(|_| ())
    }

    /// Is the name free for this source?
    ///
    /// # Errors
    /// Who has it.
    pub fn check_name(&self, name: &Name, source: Source) -> Result<(), Clash> {
        match self.entries.lock().get(name) {
            Some(entry) if entry.source != source => Err(Clash { name: name.clone(), by: entry.source }),
            _ => Ok(()),
        }
    }

    /// Puts the filter in place of the one of its name.
    ///
    /// # Errors
    /// The name is another source's. The queries must have been checked: a `match` that is wrong here meets every exchange, and
    /// with a wrong rule about failures all of them get an error.
    pub fn put(&self, filter: Arc<Filter>, source: Source) -> Result<Arc<Snapshot>, Clash> {
        self.check_name(filter.name(), source)?;
        let matcher = Matcher::parse(&filter.publication().matching).unwrap_or_default();
        let policies = Policies::of(filter.publication()).unwrap_or_default();
        let mut entries = self.entries.lock();
        entries.insert(filter.name().clone(), Entry { filter, matcher, policies, source });
        Ok(self.store(&entries))
    }

    /// Takes a filter out; none if this source has none of that name.
    pub fn remove(&self, name: &Name, source: Source) -> Option<Arc<Snapshot>> {
        let mut entries = self.entries.lock();
        entries.get(name).filter(|entry| entry.source == source)?;
        entries.remove(name);
        Some(self.store(&entries))
    }

    /// The active filter of this name.
    pub fn find(&self, name: &Name) -> Option<Arc<Filter>> {
        self.entries.lock().get(name).map(|entry| Arc::clone(&entry.filter))
    }

    /// Is a filter of this name active, by this source?
    pub fn has(&self, name: &Name, source: Source) -> bool {
        self.entries.lock().get(name).is_some_and(|entry| entry.source == source)
    }

    /// All active filters in chain order, each with its source.
    pub fn list(&self) -> Vec<(Arc<Filter>, Source)> {
        let entries = self.entries.lock();
        let source = |filter: &Arc<Filter>| entries.get(filter.name()).map_or(Source::Signed, |entry| entry.source);
        self.load().chain.filters().iter().map(|filter| (Arc::clone(filter), source(filter))).collect()
    }

    fn store(&self, entries: &BTreeMap<Name, Entry>) -> Arc<Snapshot> {
        let chain = Arc::new(Chain::new(entries.values().map(|entry| Arc::clone(&entry.filter)).collect()));
        let matchers = if entries.values().all(|entry| entry.matcher.fits_all()) {
            Vec::new()
        } else {
            let of = |filter: &Arc<Filter>| entries.get(filter.name()).map(|entry| entry.matcher.clone());
            chain.filters().iter().map(|filter| of(filter).unwrap_or_default()).collect()
        };
        let policies = if entries.values().all(|entry| entry.policies.is_one()) {
            Vec::new()
        } else {
            let of = |filter: &Arc<Filter>| entries.get(filter.name()).map(|entry| entry.policies.clone());
            chain.filters().iter().map(|filter| of(filter).unwrap_or_default()).collect()
        };
        let snapshot = Arc::new(Snapshot { chain, matchers, policies });
        self.snapshot.store(Arc::clone(&snapshot));
        snapshot
    }
}
