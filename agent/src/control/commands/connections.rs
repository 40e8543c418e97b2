//! Who is connected, and closing connections.

use std::{collections::HashSet, net::IpAddr, sync::Arc, time::UNIX_EPOCH};

use uuid::Uuid;
use weir_proto::v1::{CloseConnections, Closed, Connections, ListConnections, LiveConnection, Problem, ProblemKind};

use super::problem;
use crate::{
    roster::{self, Card, MOST, Page, Seen},
    worker::Shared,
};

/// Ids in one command; each is looked for among all connections.
const MOST_IDS: usize = 10_000;

pub(super) async fn list(shared: &Shared, list: ListConnections) -> Result<Connections, Problem> {
    let client = address(&list.client)?;
    let after = if list.after.is_empty() { None } else { Some(id(&list.after)?) };
    let limit = usize::try_from(list.limit).ok().filter(|limit| *limit != 0).unwrap_or(MOST);
    let Page { items, more, all } = roster::page(&shared.asks, client, after, limit).await;
    Ok(Connections { connections: items.into_iter().map(live).collect(), more, total: all as u64 })
}

pub(super) async fn close(shared: &Shared, close: CloseConnections) -> Result<Closed, Problem> {
    let client = address(&close.client)?;
    if close.ids.len() > MOST_IDS {
        return Err(problem(ProblemKind::Invalid, format!("more than {MOST_IDS} ids at a time")));
    }
    let ids: HashSet<Uuid> = close.ids.iter().map(|bytes| id(bytes)).collect::<Result<_, _>>()?;
    if ids.is_empty() && client.is_none() && !close.all {
        return Err(problem(ProblemKind::Invalid, "say which connections: their ids, a client, or all".to_owned()));
    }
    let ids = Arc::new(ids);
    let is_of = move |card: &Card| client.is_none_or(|client| card.client.ip().to_canonical() == client);
    let fits = move |card: &Card| is_of(card) && (ids.is_empty() || ids.contains(&card.id));
    let each = shared.asks.each(move |worker| worker.roster.close(&fits)).await;
    let count = each.into_iter().sum::<usize>() as u64;
    tracing::info!("{count} connections were closed: an orchestrator said so");
    Ok(Closed { count })
}

fn address(text: &str) -> Result<Option<IpAddr>, Problem> {
    if text.is_empty() {
        return Ok(None);
    }
    let wrong = |_| problem(ProblemKind::Invalid, format!("`{}` is no IP address", short(text)));
    text.parse::<IpAddr>().map(|address| Some(address.to_canonical())).map_err(wrong)
}

/// What comes back to whoever sent it is not to be as long as that was.
fn short(text: &str) -> &str {
    &text[..text.floor_char_boundary(64)]
}

fn id(bytes: &[u8]) -> Result<Uuid, Problem> {
    Uuid::from_slice(bytes).map_err(|_| problem(ProblemKind::Invalid, "an id has 16 bytes".to_owned()))
}

fn live(seen: Seen) -> LiveConnection {
    let since = seen.since.duration_since(UNIX_EPOCH).unwrap_or_default();
    let text = |text: Option<&String>| text.map(|text| roster::cut(text).to_owned()).unwrap_or_default();
    let facts = seen.facts.as_deref();
    let tls = seen.tls.unwrap_or_default();
    let (upstream_address, upstream_tls_version, upstream_alpn) = match seen.reached {
        Some(reached) => (
            reached.address.to_string(),
            reached.tls.unwrap_or_default().to_owned(),
            reached.alpn.unwrap_or_default().into_owned(),
        ),
        None => Default::default(),
    };
    LiveConnection {
        id: seen.id.into_bytes().to_vec().into(),
        since_us: u64::try_from(since.as_micros()).unwrap_or(u64::MAX),
        client_address: seen.client.to_string(),
        received_bytes: seen.received,
        sent_bytes: seen.sent,
        entry: facts.map(|facts| facts.entry.as_str().to_owned()).unwrap_or_default(),
        stage: seen.at.as_str().to_owned(),
        user: text(facts.and_then(|facts| facts.user.as_ref())),
        target: seen.target,
        tunnel_target: text(facts.and_then(|facts| facts.tunnel_target.as_ref())),
        server_name: text(facts.and_then(|facts| facts.server_name.as_ref())),
        intercepted: facts.is_some_and(|facts| facts.intercepted),
        tls_version: tls.version.to_owned(),
        cipher_suite: tls.cipher_suite,
        alpn: tls.alpn,
        upstream_address,
        upstream_tls_version,
        upstream_alpn,
        exchanges: seen.exchanges,
        exchanges_active: seen.active,
        tunnels: seen.tunnels,
    }
}
