//! Which exchanges, in their order, a page of ids at a time.

use std::vec;

use uuid::Uuid;
use weir_query::Query;

use crate::{orchestrator::Orchestrator, store::StoreError};

/// Ids read at a time.
const PAGE: usize = 500;

/// Whose turn it is, page by page.
pub(super) enum Ids {
    Newest { ids: vec::IntoIter<Uuid>, unread: u64 },
    All { query: Box<Query>, at: i64, end: i64, page: vec::IntoIter<Uuid>, unread: u64 },
}

impl Ids {
    /// Those that are there now.
    pub(super) async fn all(orchestrator: &Orchestrator, query: Query) -> Result<Self, StoreError> {
        let end = orchestrator.store.arrivals(&query, None, 1).await?.next;
        Ok(Self::All { query: Box::new(query), at: 0, end, page: Vec::new().into_iter(), unread: 0 })
    }

    pub(super) async fn newest(orchestrator: &Orchestrator, query: &Query, limit: usize) -> Result<Self, StoreError> {
        let (mut ids, mut before, mut unread) = (Vec::new(), None, 0);
        loop {
            let page = orchestrator.store.exchanges(query, before, PAGE.min(limit - ids.len())).await?;
            unread += page.unread.count;
            ids.extend(page.items.iter().map(|summary| summary.id));
            match page.next {
                Some(next) if ids.len() < limit => before = Some(next),
                _ => break,
            }
        }
        ids.reverse();
        Ok(Self::Newest { ids: ids.into_iter(), unread })
    }

    /// Left out so far, though they may fit: a body that the query asks for is damaged.
    pub(super) fn unread(&self) -> u64 {
        match self {
            Self::Newest { unread, .. } | Self::All { unread, .. } => *unread,
        }
    }

    pub(super) async fn next(&mut self, orchestrator: &Orchestrator) -> Result<Option<Uuid>, StoreError> {
        match self {
            Self::Newest { ids, .. } => Ok(ids.next()),
            Self::All { query, at, end, page, unread } => loop {
                if let Some(id) = page.next() {
                    return Ok(Some(id));
                }
                if at >= end {
                    return Ok(None);
                }
                let arrivals = orchestrator.store.arrivals(query, Some(*at), PAGE).await?;
                *at = arrivals.next;
                *unread += arrivals.unread.count;
                *page = arrivals.items.into_iter().map(|arrival| arrival.summary.id).collect::<Vec<_>>().into_iter();
            },
        }
    }
}
