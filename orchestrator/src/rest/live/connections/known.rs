//! What one reader was told. Enters: what is found now; leaves: the events that tell the difference. Nobody is said to have closed
//! a connection of which nothing is known: that of an agent that does not answer stays.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::json;
use uuid::Uuid;

use super::{
    PLACE,
    look::{Look, MOST},
};
use crate::{
    commands::not_connected,
    rest::{connections::Unanswered, live::pen::Page},
};

/// An agent, and a connection to it.
type Key = (Uuid, Uuid);

#[derive(Default)]
pub(super) struct Known {
    /// with a hash of what was said
    connections: BTreeMap<Key, u64>,
    unanswered: Vec<Unanswered>,
    is_cut: bool,
}

impl Known {
    /// Tells what is new.
    pub(super) fn tell(&mut self, page: &mut Page, look: &Look) {
        let before = std::mem::take(&mut self.connections);
        for shown in &look.items {
            let key = (shown.item.agent, shown.item.id);
            match before.get(&key) {
                None => page.event("opened", PLACE, &shown.item),
                Some(known) if *known != shown.hash => page.event("changed", PLACE, &shown.item),
                Some(_) => {}
            }
            self.connections.insert(key, shown.hash);
        }
        let away = self.tell_gone(page, look, before);
        let mut unanswered: Vec<Unanswered> = look.unanswered.iter().cloned().chain(away).collect();
        unanswered.sort_by_key(|silent| silent.agent);
        if unanswered != self.unanswered {
            page.event("unanswered", PLACE, &unanswered);
            self.unanswered = unanswered;
        }
        if look.more != self.is_cut {
            self.is_cut = look.more;
            if look.more {
                page.event("cut", PLACE, &json!({ "followed": look.items.len(), "total": look.total }));
            }
        }
    }

    /// Those that are not found any more. Agents that are away, and are known to have some.
    fn tell_gone(&mut self, page: &mut Page, look: &Look, before: BTreeMap<Key, u64>) -> Vec<Unanswered> {
        let silent: HashSet<Uuid> = look.unanswered.iter().map(|silent| silent.agent).collect();
        let last = look.items.last().map(|shown| shown.item.id);
        let (mut away, mut kept) = (HashMap::new(), 0);
        for ((agent, id), hash) in before {
            if self.connections.contains_key(&(agent, id)) {
                continue;
            }
            let is_away = look.away.get(&agent);
            let is_beyond = look.more && last.is_some_and(|last| id > last);
            let what = if (is_away.is_some() || silent.contains(&agent)) && kept < MOST {
                kept += 1;
                self.connections.insert((agent, id), hash);
                if let Some(name) = is_away {
                    away.insert(agent, name);
                }
                continue;
            } else if !look.asked.contains(&agent) || silent.contains(&agent) || is_beyond {
                // Of an agent that was revoked nobody says what becomes of its connections.
                "unfollowed"
            } else {
                "closed"
            };
            page.event(what, PLACE, &json!({ "id": id, "agent": agent }));
        }
        let reason = |(agent, name): (Uuid, &String)| Unanswered {
            agent,
            agent_name: name.clone(),
            reason: not_connected().text,
        };
        away.into_iter().map(reason).collect()
    }
}
