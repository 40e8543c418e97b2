//! Targets as an operator writes them: `example.com`, `*.example.com`, `10.0.0.0/8`, `[::1]:8443`, each with or without
//! a port. Text enters, a pattern that cannot be wrong leaves; names are never looked up here.

use std::{fmt, net::IpAddr, str::FromStr};

use serde::{Deserialize, Deserializer, de::Error as _};

/// A set of targets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetPattern {
    host: Host,
    port: Option<u16>,
    text: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Host {
    Any,
    Name(String),
    /// names below this one, at any depth, not the name itself
    Below(String),
    Network(IpAddr, u8),
}

impl TargetPattern {
    /// Does the pattern cover this host (a domain name, or an address without brackets) and port?
    pub fn covers(&self, host: &str, port: u16) -> bool {
        if self.port.is_some_and(|own| own != port) {
            return false;
        }
        let host = host.strip_suffix('.').unwrap_or(host);
        match &self.host {
            Host::Any => true,
            Host::Name(name) => host.eq_ignore_ascii_case(name),
            Host::Below(parent) => host
                .len()
                .checked_sub(parent.len() + 1)
                .and_then(|at| host.is_char_boundary(at).then(|| host.split_at(at)))
                .is_some_and(|(head, tail)| {
                    !head.is_empty() && tail.starts_with('.') && tail[1..].eq_ignore_ascii_case(parent)
                }),
            Host::Network(..) => host.parse().is_ok_and(|address| self.covers_address(address, port)),
        }
    }

    /// Does the pattern cover this address and port? Names never do.
    pub fn covers_address(&self, address: IpAddr, port: u16) -> bool {
        if self.port.is_some_and(|own| own != port) {
            return false;
        }
        match &self.host {
            Host::Any => true,
            Host::Name(_) | Host::Below(_) => false,
            Host::Network(network, length) => same_network(*network, address.to_canonical(), *length),
        }
    }
}

fn same_network(network: IpAddr, address: IpAddr, length: u8) -> bool {
    match (network, address) {
        (IpAddr::V4(a), IpAddr::V4(b)) => length == 0 || (a.to_bits() ^ b.to_bits()) >> (32 - u32::from(length)) == 0,
        (IpAddr::V6(a), IpAddr::V6(b)) => length == 0 || (a.to_bits() ^ b.to_bits()) >> (128 - u32::from(length)) == 0,
        _ => false,
    }
}

impl FromStr for TargetPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("`{text}` is not a target such as example.com, *.example.com:8443, 10.0.0.0/8 or [::1]:80");
        let (host, port) = split_port(text).ok_or_else(wrong)?;
        let host = parse_host(host).ok_or_else(wrong)?;
        Ok(Self { host, port, text: text.to_owned() })
    }
}

fn split_port(text: &str) -> Option<(&str, Option<u16>)> {
    let port = |text: &str| text.parse::<u16>().ok().filter(|port| *port != 0);
    if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest.split_once(']')?;
        return match rest.strip_prefix(':') {
            Some(digits) => Some((host, Some(port(digits)?))),
            None => rest.is_empty().then_some((host, None)),
        };
    }
    match text.split_once(':') {
        // more than one colon: an IPv6 address or network without brackets, which has no port
        Some((_, rest)) if rest.contains(':') => Some((text, None)),
        Some((host, digits)) => Some((host, Some(port(digits)?))),
        None => Some((text, None)),
    }
}

fn parse_host(text: &str) -> Option<Host> {
    if text == "*" {
        return Some(Host::Any);
    }
    if let Some((address, length)) = text.split_once('/') {
        let address: IpAddr = address.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        return Some(Host::Network(address, length.parse().ok().filter(|length| *length <= most)?));
    }
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(Host::Network(address, if address.is_ipv4() { 32 } else { 128 }));
    }
    let is_name = |name: &str| {
        !name.is_empty()
            && name.len() <= 253
            && name.split('.').all(|label| {
                !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            })
    };
    match text.strip_prefix("*.") {
        Some(parent) => is_name(parent).then(|| Host::Below(parent.to_ascii_lowercase())),
        None => is_name(text).then(|| Host::Name(text.to_ascii_lowercase())),
    }
}

impl fmt::Display for TargetPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for TargetPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, covered: &[(&str, u16)], others: &[(&str, u16)]) {
        let pattern: TargetPattern = pattern.parse().unwrap();
        for (host, port) in covered {
            assert!(pattern.covers(host, *port), "{pattern} covers {host}:{port}");
        }
        for (host, port) in others {
            assert!(!pattern.covers(host, *port), "{pattern} does not cover {host}:{port}");
        }
    }

    #[test]
    fn names_networks_and_ports() {
        check("example.com", &[("EXAMPLE.com.", 1), ("example.com", 443)], &[("a.example.com", 1), ("example.org", 1)]);
        check(
            "*.example.com",
            &[("a.example.com", 1), ("a.b.Example.com", 1)],
            &[("example.com", 1), (".example.com", 1), ("badexample.com", 1)],
        );
        check("example.com:8443", &[("example.com", 8443)], &[("example.com", 443)]);
        check("10.0.0.0/8", &[("10.1.2.3", 1)], &[("11.0.0.1", 1), ("10.example.com", 1)]);
        check("127.0.0.1:80", &[("127.0.0.1", 80), ("::ffff:127.0.0.1", 80)], &[("127.0.0.2", 80), ("127.0.0.1", 81)]);
        check("fe80::/10", &[("fe80::1", 1)], &[("::1", 1), ("169.254.0.1", 1)]);
        check("[::1]:80", &[("::1", 80)], &[("::1", 81)]);
        check("0.0.0.0/0", &[("1.2.3.4", 1)], &[("::1", 1)]);
        check("*", &[("anything", 1)], &[]);
        check("*.é".replace('é', "xn--9ca").as_str(), &[("a.xn--9ca", 1)], &[("é", 1), ("aéé", 1)]);
    }

    #[test]
    fn other_text_is_refused() {
        for bad in [
            "",
            "a b",
            "*.",
            "*a.com",
            "a.*.com",
            "10.0.0.0/33",
            "::/129",
            "a:0",
            "a:99999",
            "[::1",
            "[::1]x",
            "http://a",
            "a/b",
        ] {
            assert!(bad.parse::<TargetPattern>().is_err(), "{bad}");
        }
    }
}
