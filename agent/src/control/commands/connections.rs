//! Who is connected, and closing connections.

use std::{net::IpAddr, sync::Arc, time::UNIX_EPOCH};

use uuid::Uuid;
use weir_proto::v1::{CloseConnections, Closed, Connections, ListConnections, LiveConnection, Problem, ProblemKind};

use super::problem;
use crate::{roster::Card, worker::Shared};

/// In one answer; it has to fit into a message.
const MOST: usize = 500;

pub(super) async fn list(shared: &Shared, list: ListConnections) -> Result<Connections, Problem> {
    let client = address(&list.client)?;
    let after = if list.after.is_empty() { None } else { Some(id(&list.after)?) };
    let fits = move |card: &Card| is_of(card, client) && after.is_none_or(|after| card.id > after);
    let each = shared.asks.each(move |worker| worker.roster.cards(fits)).await;
    let mut cards: Vec<Arc<Card>> = each.into_iter().flatten().collect();
    cards.sort_by_key(|card| card.id);
    let limit = usize::try_from(list.limit).ok().filter(|limit| *limit != 0).unwrap_or(MOST).min(MOST);
    let more = cards.len() > limit;
    cards.truncate(limit);
    Ok(Connections { connections: cards.iter().map(|card| live(card)).collect(), more })
}

pub(super) async fn close(shared: &Shared, close: CloseConnections) -> Result<Closed, Problem> {
    let client = address(&close.client)?;
    let ids: Vec<Uuid> = close.ids.iter().map(|bytes| id(bytes)).collect::<Result<_, _>>()?;
    if ids.is_empty() && client.is_none() && !close.all {
        return Err(problem(ProblemKind::Invalid, "say which connections: their ids, a client, or all".to_owned()));
    }
    let ids: Arc<[Uuid]> = ids.into();
    let fits = move |card: &Card| is_of(card, client) && (ids.is_empty() || ids.contains(&card.id));
    let each = shared.asks.each(move |worker| worker.roster.close(&fits)).await;
    let count = each.into_iter().sum::<usize>() as u64;
    tracing::info!("{count} connections were closed: an orchestrator said so");
    Ok(Closed { count })
}

fn is_of(card: &Card, client: Option<IpAddr>) -> bool {
    client.is_none_or(|client| card.client.ip().to_canonical() == client)
}

fn address(text: &str) -> Result<Option<IpAddr>, Problem> {
    if text.is_empty() {
        return Ok(None);
    }
    let wrong = |_| problem(ProblemKind::Invalid, format!("`{text}` is no IP address"));
    text.parse::<IpAddr>().map(|address| Some(address.to_canonical())).map_err(wrong)
}

fn id(bytes: &[u8]) -> Result<Uuid, Problem> {
    Uuid::from_slice(bytes).map_err(|_| problem(ProblemKind::Invalid, "an id has 16 bytes".to_owned()))
}

fn live(card: &Card) -> LiveConnection {
    let since = card.since.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (received_bytes, sent_bytes) = card.bytes();
    LiveConnection {
        id: card.id.into_bytes().to_vec().into(),
        since_us: u64::try_from(since.as_micros()).unwrap_or(u64::MAX),
        client_address: card.client.to_string(),
        received_bytes,
        sent_bytes,
    }
}
