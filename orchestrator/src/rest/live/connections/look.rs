//! One look at the agents: the connections that there are at a moment, as far as they are followed. Must not know who follows.

use std::{
    collections::{HashMap, HashSet},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use bytes::Bytes;
use uuid::Uuid;

use crate::{
    orchestrator::Orchestrator,
    rest::connections::{ConnectionItem, Meant, Unanswered, Whose, ask_all, found, listing, meant},
    store::StoreError,
};

/// Connections of one answer of an agent.
const PAGE: usize = 500;
/// Of one look; of more the oldest are followed.
pub(super) const MOST: usize = 2000;

/// A connection.
pub(super) struct Shown {
    pub(super) item: ConnectionItem,
    /// of all that is said of it
    pub(super) hash: u64,
}

/// What was found.
#[derive(Default)]
pub(super) struct Look {
    /// In the order of ids.
    pub(super) items: Vec<Arc<Shown>>,
    /// There are others behind these.
    pub(super) more: bool,
    pub(super) total: u64,
    /// In the order of ids.
    pub(super) unanswered: Vec<Unanswered>,
    /// Agents that were asked.
    pub(super) asked: HashSet<Uuid>,
    /// Agents that are not connected, by their id, and what they are called.
    pub(super) away: HashMap<Uuid, String>,
}

impl Look {
    /// None where there is no agent of the name. An agent that does not answer is asked no more in the same look.
    ///
    /// # Errors
    /// The database does not say which agents there are.
    pub(super) async fn at(orchestrator: &Orchestrator, whose: &Whose) -> Result<Option<Self>, StoreError> {
        let Some(Meant { mut agents, away }) = meant(orchestrator, whose.agent.as_deref()).await? else {
            return Ok(None);
        };
        let away = away.into_iter().map(|agent| (agent.agent.id, agent.name)).collect();
        let asked = agents.iter().map(|agent| agent.agent.id).collect();
        let mut look = Self { away, asked, ..Self::default() };
        let mut last: Option<Uuid> = None;
        for page in 0..MOST / PAGE {
            let after = last.map(|id| Bytes::copy_from_slice(id.as_bytes())).unwrap_or_default();
            let command = listing(whose.client, after, PAGE);
            let found = found(ask_all(orchestrator, agents.clone(), &command).await, PAGE);
            agents.retain(|agent| found.unanswered.iter().all(|silent| silent.agent != agent.agent.id));
            if page == 0 {
                look.total = found.total;
            }
            let before = look.items.len();
            let new = found.items.into_iter().filter(|item| last.is_none_or(|last| item.id > last));
            look.items.extend(new.map(|item| Arc::new(Shown { hash: hash(&item), item })));
            look.unanswered.extend(found.unanswered);
            look.more = found.more;
            last = look.items.last().map(|shown| shown.item.id);
            // One that says that there are more, and tells none, says no truth.
            if !look.more || look.items.len() == before {
                break;
            }
        }
        look.unanswered.sort_by_key(|silent| silent.agent);
        Ok(Some(look))
    }

    /// Those of one client, if they can be told from this.
    pub(super) fn of_client(&self, client: IpAddr) -> Option<Self> {
        if self.more {
            return None;
        }
        let client = client.to_canonical();
        let is_of = |shown: &&Arc<Shown>| {
            let address: Option<SocketAddr> = shown.item.client.parse().ok();
            address.is_some_and(|address| address.ip().to_canonical() == client)
        };
        let items: Vec<_> = self.items.iter().filter(is_of).cloned().collect();
        let total = items.len() as u64;
        let (unanswered, asked, away) = (self.unanswered.clone(), self.asked.clone(), self.away.clone());
        Some(Self { items, total, more: false, unanswered, asked, away })
    }
}

fn hash(item: &ConnectionItem) -> u64 {
    let mut hasher = DefaultHasher::new();
    // what has no JSON would be told once
    serde_json::to_vec(item).unwrap_or_default().hash(&mut hasher);
    hasher.finish()
}
