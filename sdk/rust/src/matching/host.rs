//! Names of hosts, in the one form in which they are compared.

use std::{
    borrow::Cow,
    net::{Ipv4Addr, Ipv6Addr},
};

/// A pattern of host names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostPattern {
    /// `*`
    Any,
    /// `ads.example.com`, an address
    Exact(String),
    /// `*.example.com`: every name below, not the name itself. Holds `.example.com`.
    Below(String),
}

impl HostPattern {
    /// Reads a pattern: `example.com`, `*.example.com`, an IPv4 or IPv6 address, `*`.
    ///
    /// # Errors
    /// What is wrong with it, and what is expected in its place.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text == "*" {
            return Ok(Self::Any);
        }
        let (name, below) = match text.strip_prefix("*.") {
            Some(name) => (name, true),
            None => (text, false),
        };
        if name.is_empty() || name.contains(['*', '/', ' ', '@', '?', '#', '%']) || name.starts_with('.') {
            return Err(format!("`{text}` is no host: write `example.com`, `*.example.com`, an address or `*`"));
        }
        if !name.is_ascii() {
            return Err(format!("`{text}` is not ASCII: write the name as it travels, `xn--…`"));
        }
        if name.parse::<Ipv6Addr>().is_err() && !name.starts_with('[') && name.contains(':') {
            return Err(format!("`{text}` has a port: a host is meant on every port"));
        }
        let name = if name.parse::<Ipv6Addr>().is_ok() { normal_literal(name) } else { normal(name).into_owned() };
        Ok(if below { Self::Below(format!(".{name}")) } else { Self::Exact(name) })
    }

    /// Is this host, in its [`normal`] form, one of them?
    pub fn matches(&self, host: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(name) => name == host,
            // `.example.com` itself is no name.
            Self::Below(name) => host.len() > name.len() && host.ends_with(name.as_str()),
        }
    }
}

/// `host[:port]` of an authority, a `Host` field, a CONNECT target or a server name -> the host as it is compared: lower
/// case, no port, no dot at the end, no percent-encoding, addresses in their shortest form and without brackets.
pub fn normal(authority: &str) -> Cow<'_, str> {
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    if let Some(rest) = authority.strip_prefix('[') {
        return normal_literal(rest.split(']').next().unwrap_or(rest)).into();
    }
    let host = authority.split(':').next().unwrap_or(authority);
    let plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'-' | b'.');
    // Digits may be an address in disguise; a name that ends in a letter is none.
    let is_name = host.bytes().all(|byte| plain(byte) || byte.is_ascii_digit())
        && host.bytes().last().is_some_and(|last| last.is_ascii_lowercase())
        && !host.contains("0x");
    if is_name { host.into() } else { unusual(host).into() }
}

fn unusual(host: &str) -> String {
    let decoded = if host.contains('%') { super::path::decode(host.as_bytes()) } else { host.as_bytes().to_vec() };
    let name = String::from_utf8_lossy(&decoded).to_ascii_lowercase();
    let name = name.trim_end_matches('.');
    ipv4(name).map_or_else(|| name.to_owned(), |address| address.to_string())
}

/// An IPv6 address, without brackets. One that stands for an IPv4 address becomes that one.
fn normal_literal(text: &str) -> String {
    let address = text.split('%').next().unwrap_or(text);
    match address.parse::<Ipv6Addr>() {
        Ok(address) => address.to_ipv4_mapped().map_or_else(|| address.to_string(), |address| address.to_string()),
        Err(_) => text.to_ascii_lowercase(),
    }
}

/// Every form that resolvers take for an IPv4 address (inet_aton): one to four numbers, decimal, octal or hexadecimal, of
/// which the last fills what is left.
fn ipv4(text: &str) -> Option<Ipv4Addr> {
    let parts: Vec<u64> = text.split('.').map(number).collect::<Option<_>>()?;
    let (last, first) = parts.split_last()?;
    if first.len() > 3 || first.iter().any(|part| *part > 255) || *last >= 1 << (8 * (4 - first.len())) {
        return None;
    }
    let high = first.iter().enumerate().fold(0, |sum, (index, part)| sum | part << (24 - 8 * index));
    u32::try_from(high | last).ok().map(Ipv4Addr::from)
}

fn number(text: &str) -> Option<u64> {
    let (digits, radix) = match text.as_bytes() {
        [b'0', b'x', ..] => (&text[2..], 16),
        [b'0', _, ..] => (&text[1..], 8),
        [] => return None,
        _ => (text, 10),
    };
    match digits {
        "" => Some(0),
        _ if digits.bytes().all(|digit| digit.is_ascii_hexdigit()) => u64::from_str_radix(digits, radix).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_form_for_every_spelling() {
        for (text, expected) in [
            ("ads.example.com", "ads.example.com"),
            ("ADS.Example.COM.:8080", "ads.example.com"),
            ("ads%2Eexample%2ecom", "ads.example.com"),
            ("user:pass@ads.example.com", "ads.example.com"),
            ("xn--nxasmq6b.example", "xn--nxasmq6b.example"),
            ("[2001:DB8:0::1]:443", "2001:db8::1"),
            ("[::ffff:10.0.0.1]", "10.0.0.1"),
            ("[fe80::1%25eth0]", "fe80::1"),
            ("10.0.0.1:80", "10.0.0.1"),
            ("10.1", "10.0.0.1"),
            ("167772161", "10.0.0.1"),
            ("0xa.0.0.1", "10.0.0.1"),
            ("0XA000001", "10.0.0.1"),
            ("012.0.0.01.", "10.0.0.1"),
            ("1.2.3.4.5", "1.2.3.4.5"),
            ("256.1.1.1", "256.1.1.1"),
            ("1.example.com", "1.example.com"),
            ("example.c0m1", "example.c0m1"),
            ("", ""),
        ] {
            assert_eq!(normal(text), expected, "{text}");
        }
    }

    #[test]
    fn below_is_not_the_name_itself() {
        let below = HostPattern::parse("*.Tracker.net").unwrap();
        assert!(below.matches("a.tracker.net") && below.matches("a.b.tracker.net"));
        assert!(!below.matches("tracker.net") && !below.matches("nottracker.net") && !below.matches(".tracker.net"));
        assert!(HostPattern::parse("[2001:db8::1]").unwrap().matches("2001:db8::1"));
        assert!(HostPattern::parse("2001:DB8::1").unwrap().matches("2001:db8::1"));
        assert!(HostPattern::parse("*").unwrap().matches("anything"));
    }

    #[test]
    fn what_could_never_match_is_a_fault() {
        for text in ["", "*.", "a.*.b", "http://a", ".example.com", "a b", "a:80", "bücher.example", "**"] {
            HostPattern::parse(text).unwrap_err();
        }
    }
}
