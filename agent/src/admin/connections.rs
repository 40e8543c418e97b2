//! `/connections`: who is connected at this moment, in the words of the orchestrator's list of the same name.

use std::{net::IpAddr, time::UNIX_EPOCH};

use http::{HeaderMap, header::HOST};
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use uuid::Uuid;

use crate::{
    roster::{self, MOST, Page, Seen},
    worker::Shared,
};

/// In one answer, unless more are asked for.
const USUAL: usize = 100;

/// A page of another site may have a name of its own lead to this address, and would be told as if it were of the same origin: a
/// browser says that name.
pub(super) fn is_asked_by_address(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(HOST) else { return true };
    let host = host.to_str().unwrap_or_default();
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok()
}

/// `client=IP`, `limit=N`, and `cursor`, which is `next` of the page before.
pub(super) async fn list(shared: &Shared, query: &str) -> Result<Value, String> {
    let (mut client, mut after, mut limit) = (None, None, USUAL);
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        match name {
            "client" => {
                let address = value.parse::<IpAddr>().map_err(|_| "client: that is no IP address".to_owned())?;
                client = Some(address.to_canonical());
            }
            "cursor" => after = Some(value.parse::<Uuid>().map_err(|_| "cursor: that is none".to_owned())?),
            "limit" => {
                let wrong = || format!("limit: a number from 1 to {MOST}");
                limit = value.parse().ok().filter(|limit| (1..=MOST).contains(limit)).ok_or_else(wrong)?;
            }
            _ => return Err("there are client, cursor and limit".to_owned()),
        }
    }
    let Page { items, more, all } = roster::page(&shared.asks, client, after, limit).await;
    let next = items.last().filter(|_| more).map(|last| last.id);
    Ok(json!({ "items": items.iter().map(item).collect::<Vec<_>>(), "next": next, "total": all }))
}

fn item(seen: &Seen) -> Value {
    let facts = seen.facts.as_deref();
    let since = OffsetDateTime::from(seen.since.max(UNIX_EPOCH)).format(&Rfc3339).ok();
    let tls = seen.tls.as_ref().map(|tls| {
        let alpn = Some(&tls.alpn).filter(|alpn| !alpn.is_empty());
        json!({ "version": tls.version, "cipher_suite": tls.cipher_suite, "alpn": alpn })
    });
    let upstream = seen.reached.as_ref().map(
        |reached| json!({ "address": reached.address, "tls_version": reached.tls, "alpn": reached.alpn.as_deref() }),
    );
    json!({
        "id": seen.id,
        "client": seen.client,
        "since": since,
        "entry": facts.map(|facts| facts.entry.as_str()),
        "stage": seen.at.as_str(),
        "user": facts.and_then(|facts| facts.user.as_deref()),
        "target": Some(&seen.target).filter(|target| !target.is_empty()),
        "tunnel_target": facts.and_then(|facts| facts.tunnel_target.as_deref()),
        "server_name": facts.and_then(|facts| facts.server_name.as_deref()),
        "intercepted": facts.is_some_and(|facts| facts.intercepted),
        "tls": tls,
        "upstream": upstream,
        "exchanges": seen.exchanges,
        "exchanges_active": seen.active,
        "tunnels": seen.tunnels,
        "received_bytes": seen.received,
        "sent_bytes": seen.sent,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_a_page_may_have_made_up_are_told_from_addresses() {
        let asked = |host: &'static str| {
            is_asked_by_address(&HeaderMap::from_iter([(HOST, http::HeaderValue::from_static(host))]))
        };
        for host in ["127.0.0.1", "127.0.0.1:8081", "localhost", "LOCALHOST:1", "[::1]:8081", "[::1]", "10.0.0.7:80"] {
            assert!(asked(host), "{host}");
        }
        for host in ["rebound.example", "rebound.example:8081", "localhost.example", "127.0.0.1.example", ""] {
            assert!(!asked(host), "{host}");
        }
        assert!(is_asked_by_address(&HeaderMap::new()), "HTTP/1.0");
    }
}
