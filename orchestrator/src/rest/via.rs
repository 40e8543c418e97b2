//! Whose request it is that came by way of a proxy. Every client can write what it likes before what proxies add, so it is read from
//! behind: up to the first address that is no trusted proxy's, which a trusted proxy has seen itself. Pure.

use std::{
    borrow::Cow,
    net::{IpAddr, SocketAddr},
};

use axum::http::HeaderMap;

use crate::access::{Proxies, ProxyHeader};

/// White space within a line (RFC 9110 section 5.6.3).
const BLANK: [char; 2] = [' ', '\t'];

/// An address that a proxy names; none where it does not tell it.
type Hop = Option<SocketAddr>;

/// The client, and the peer itself where that is no trusted proxy or says nothing that can be understood. A port that is not told
/// is 0.
pub(super) fn client(peer: SocketAddr, headers: &HeaderMap, proxies: &Proxies) -> SocketAddr {
    let mut client = peer;
    if !proxies.has(peer.ip()) {
        return client;
    }
    // Each proxy adds at the end of the last line, or a line of its own.
    for line in headers.get_all(proxies.header.name()).iter().rev() {
        let hops = line.to_str().ok().and_then(|line| match proxies.header {
            ProxyHeader::XForwardedFor => Some(listed(line)),
            ProxyHeader::Forwarded => forwarded(line),
        });
        for hop in hops.unwrap_or_else(|| vec![None]).into_iter().rev() {
            let Some(address) = hop else { return client };
            client = address;
            if !proxies.has(address.ip()) {
                return client;
            }
        }
    }
    client
}

/// `X-Forwarded-For`: addresses with commas between them.
fn listed(line: &str) -> Vec<Hop> {
    line.split(',').map(|hop| hop.trim_matches(BLANK)).filter(|hop| !hop.is_empty()).map(node).collect()
}

/// `Forwarded` (RFC 7239 section 4). None where it is not written as that: what stands in quotes, then, nobody knows.
fn forwarded(line: &str) -> Option<Vec<Hop>> {
    let (mut hops, mut rest) = (Vec::new(), line);
    while !rest.is_empty() {
        let (hop, behind) = element(rest)?;
        hops.extend(hop);
        rest = behind;
    }
    Some(hops)
}

/// One element, none where it is empty, and what is behind its comma.
fn element(line: &str) -> Option<(Option<Hop>, &str)> {
    let (mut rest, mut hop) = (line, None);
    let mut is_empty = true;
    loop {
        rest = rest.trim_start_matches(BLANK);
        if let Some(behind) = rest.strip_prefix(',') {
            rest = behind;
            break;
        }
        if rest.is_empty() {
            break;
        }
        if let Some(behind) = rest.strip_prefix(';') {
            rest = behind;
            continue;
        }
        let (name, behind) = token(rest)?;
        let (value, behind) = value(behind.strip_prefix('=')?)?;
        rest = behind.trim_start_matches(BLANK);
        if !rest.is_empty() && !rest.starts_with([',', ';']) {
            return None;
        }
        is_empty = false;
        if name.eq_ignore_ascii_case("for") && hop.replace(node(&value)).is_some() {
            return None;
        }
    }
    Some(((!is_empty).then(|| hop.flatten()), rest))
}

/// RFC 9110 section 5.6.2.
fn token(text: &str) -> Option<(&str, &str)> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    let end = text.find(|c: char| !fits(c)).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

/// A token, or a text in quotes (RFC 9110 section 5.6.4).
fn value(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        return token(text).map(|(value, behind)| (value.into(), behind));
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value.into(), &quoted[at + 1..])),
            '\\' => value.push(characters.next()?.1),
            other => value.push(other),
        }
    }
    None
}

/// An address, with a port or without (RFC 7239 section 6); `unknown` and names that a proxy made up are none.
fn node(text: &str) -> Hop {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some(SocketAddr::new(address.ip().to_canonical(), address.port()));
    }
    let bare = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        // A port may be one that was made up.
        Some((address, port)) if port.is_empty() || port.starts_with(":_") => address,
        Some(_) => return None,
        None => text.split_once(":_").map_or(text, |(address, _)| address),
    };
    let address: IpAddr = bare.parse().ok()?;
    Some(SocketAddr::new(address.to_canonical(), 0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(header: ProxyHeader, lines: &[&str], expect: &str) {
        let proxies =
            Proxies { trusted: ["10.0.0.0/8", "2001:db8:1::/48"].map(|text| text.parse().unwrap()).into(), header };
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header.name(), line.parse().unwrap());
        }
        let peer = "10.0.0.1:5000".parse().unwrap();
        assert_eq!(client(peer, &headers, &proxies).to_string(), expect, "{lines:?}");
        let stranger = "192.0.2.200:5000".parse().unwrap();
        assert_eq!(client(stranger, &headers, &proxies), stranger, "who is not trusted says nothing");
    }

    #[test]
    fn the_last_address_that_is_no_proxy_of_ours() {
        let check = |lines: &[&str], expect| check(ProxyHeader::XForwardedFor, lines, expect);
        check(&[], "10.0.0.1:5000");
        check(&["192.0.2.1"], "192.0.2.1:0");
        check(&["6.6.6.6, 192.0.2.1"], "192.0.2.1:0");
        check(&["6.6.6.6", "192.0.2.1, 10.0.0.2 ,10.9.9.9"], "192.0.2.1:0");
        check(&["6.6.6.6, 192.0.2.1", "10.0.0.2"], "192.0.2.1:0");
        check(&["192.0.2.1:77, 2001:db8:1::1"], "192.0.2.1:77");
        check(&["[2001:db8::7]:77"], "[2001:db8::7]:77");
        check(&["2001:db8::7,, "], "[2001:db8::7]:0");
        check(&["::ffff:192.0.2.1, ::ffff:10.0.0.2"], "192.0.2.1:0");
        // All are ours: the first is where it began.
        check(&["10.0.0.3, 10.0.0.2"], "10.0.0.3:0");
        // What cannot be understood ends it at who said it.
        check(&["192.0.2.1, unknown"], "10.0.0.1:5000");
        check(&["192.0.2.1, x, 10.0.0.2"], "10.0.0.2:0");
    }

    #[test]
    fn forwarded_is_read_as_it_is_written() {
        let check = |lines: &[&str], expect| check(ProxyHeader::Forwarded, lines, expect);
        check(&["for=192.0.2.1"], "192.0.2.1:0");
        check(&["For=\"[2001:db8::7]:4711\";proto=https"], "[2001:db8::7]:4711");
        check(&["for=6.6.6.6, for=192.0.2.1;by=203.0.113.43, for=10.0.0.2"], "192.0.2.1:0");
        check(&["by=x; proto=http ; for=192.0.2.1 , ,"], "192.0.2.1:0");
        check(&["for=\"192.0.2.1:_secret\", for=\"10.0.0.2\""], "192.0.2.1:0");
        check(&["for=\"[2001:db8::7]:_x\""], "[2001:db8::7]:0");
        for hidden in
            ["for=_hidden", "for=unknown", "proto=https", "for=192.0.2.1;for=192.0.2.2", "for", "=", "for=\"x"]
        {
            check(&[&format!("for=192.0.2.1, {hidden}")], "10.0.0.1:5000");
        }
    }

    /// What a client leaves open in its own words swallows nothing of what a proxy adds.
    #[test]
    fn an_open_quote_of_a_client_makes_no_address_of_its_choice() {
        for begun in ["for=6.6.6.6;x=\"", "for=\"6.6.6.6", "for=6.6.6.6, for=\"", "for=6.6.6.6;x=\"\\"] {
            for added in ["for=192.0.2.1", "for=\"[2001:db8::7]\"", "for=192.0.2.1;by=\"\";proto=\"https\""] {
                check(ProxyHeader::Forwarded, &[&format!("{begun}, {added}")], "10.0.0.1:5000");
            }
            check(ProxyHeader::Forwarded, &[begun, "for=192.0.2.1"], "192.0.2.1:0");
        }
    }

    proptest! {
        #[test]
        fn any_line_is_read_or_not(line in "[ -~]{0,80}", parts in "(for=|\"|,|;|\\\\|\\[|\\]|:|1|\\.|_| |=){0,40}") {
            for text in [line, parts] {
                listed(&text);
                forwarded(&text);
            }
        }

        /// Whatever a client sends before it, what the trusted proxy adds is what counts.
        #[test]
        fn nothing_before_it_counts(before in "[ -~]{0,60}") {
            let trusted = vec!["10.0.0.0/8".parse().unwrap()];
            for (header, added) in [(ProxyHeader::XForwardedFor, "192.0.2.1"), (ProxyHeader::Forwarded, "for=192.0.2.1")] {
                let proxies = Proxies { trusted: trusted.clone(), header };
                let mut headers = HeaderMap::new();
                headers.append(header.name(), format!("{before}, {added}").parse().unwrap());
                let peer: SocketAddr = "10.0.0.1:5000".parse().unwrap();
                let found = client(peer, &headers, &proxies).ip().to_string();
                prop_assert!(found == "192.0.2.1" || found == "10.0.0.1", "{}", found);
            }
        }
    }
}
