//! Clients of all workers, told a page at a time. Enters: which; leaves: what each worker has of them, in the order they came.
//! Each worker looks at its own, so that nobody waits for another's. Must not know who asks.

use std::net::IpAddr;

use uuid::Uuid;

use super::{Card, Seen};
use crate::asks::Asks;

/// In one page; told to an orchestrator, it has to fit into a message.
pub const MOST: usize = 500;

/// Some of the connections that there are.
#[derive(Debug)]
pub struct Page {
    pub items: Vec<Seen>,
    /// there are more after the last
    pub more: bool,
    /// that fit, with those before the page
    pub all: usize,
}

/// Those of this client, if one is named, that came after this one, at most so many and [`MOST`].
pub async fn page(asks: &Asks, client: Option<IpAddr>, after: Option<Uuid>, limit: usize) -> Page {
    let limit = limit.clamp(1, MOST);
    let each = asks.each(move |worker| {
        let is_of = |card: &Card| client.is_none_or(|client| card.client.ip().to_canonical() == client);
        let (items, left) = worker.roster.seen(limit, |card| is_of(card) && after.is_none_or(|after| card.id > after));
        let before = after.map_or(0, |after| worker.roster.count(|card| is_of(card) && card.id <= after));
        (items, left, before)
    });
    let (mut items, mut left, mut all) = (Vec::new(), 0, 0);
    for (of_one, left_of_one, before) in each.await {
        items.extend(of_one);
        left += left_of_one;
        all += left_of_one + before;
    }
    items.sort_unstable_by_key(|seen| seen.id);
    items.truncate(limit);
    Page { more: left > items.len(), items, all }
}
