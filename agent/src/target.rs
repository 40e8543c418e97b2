//! Where an exchange goes. Enters: an authority or a URI as a peer wrote it; leaves: a [`Target`], which cannot be wrong.
//! Must not know sockets: whether a target may be dialled is for `policy`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use http::Uri;
use http::uri::Authority;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    Http,
    Https,
}

impl Scheme {
    pub fn as_str(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }

    pub fn default_port(self) -> u16 {
        match self {
            Scheme::Http => 80,
            Scheme::Https => 443,
        }
    }
}

/// A host as dialled: a domain is in lower case, without a trailing dot, and is never the text of an address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TargetHost {
    Domain(Arc<str>),
    V4(Ipv4Addr),
    V6(Ipv6Addr),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    pub scheme: Scheme,
    pub host: TargetHost,
    pub port: u16,
    /// The name to ask for in the TLS handshake with the upstream where it is not the host: what the client's own
    /// handshake asked for (a client may CONNECT to an address and name the site in its SNI).
    pub server_name: Option<Arc<str>>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    #[error("the client named no host")]
    NoHost,
    #[error("the client named no port, and CONNECT has no default (RFC 9110 section 9.3.6)")]
    NoPort,
    #[error("the client named a port that is none: a number from 1 to 65535 is needed")]
    Port,
    #[error("the client named a host that is none: {0:?}")]
    Host(String),
    #[error("the client put user information into the target (RFC 9110 section 4.2.4)")]
    UserInfo,
    #[error("the client asked for a scheme that is neither http nor https")]
    Scheme,
}

impl Target {
    pub fn new(scheme: Scheme, host: TargetHost, port: u16) -> Self {
        Target { scheme, host, port, server_name: None }
    }

    /// Of a URI in absolute form.
    pub fn from_uri(uri: &Uri) -> Result<Self, TargetError> {
        let scheme = match uri.scheme_str() {
            Some("http") => Scheme::Http,
            Some("https") => Scheme::Https,
            Some(_) => return Err(TargetError::Scheme),
            None => return Err(TargetError::NoHost),
        };
        Target::from_authority(scheme, uri.authority().ok_or(TargetError::NoHost)?)
    }

    /// A port that is not there is the scheme's own.
    pub fn from_authority(scheme: Scheme, authority: &Authority) -> Result<Self, TargetError> {
        let (host, port) = split(authority.as_str())?;
        Ok(Target::new(scheme, TargetHost::parse(host)?, port.unwrap_or(scheme.default_port())))
    }

    /// Of CONNECT's request target, which is `host:port` and nothing else.
    pub fn from_connect(authority: &str) -> Result<Self, TargetError> {
        let (host, port) = split(authority)?;
        Ok(Target::new(Scheme::Http, TargetHost::parse(host)?, port.ok_or(TargetError::NoPort)?))
    }

    #[must_use]
    pub fn with_scheme(mut self, scheme: Scheme) -> Self {
        self.scheme = scheme;
        self
    }

    /// The name for the upstream's handshake, where it is another than the host.
    pub fn other_name(&self, name: &TargetHost) -> Option<Arc<str>> {
        match name {
            TargetHost::Domain(domain) if self.host != *name => Some(Arc::clone(domain)),
            _ => None,
        }
    }

    /// As `Host` and `:authority` say it: without the port where it is the scheme's own.
    pub fn authority(&self) -> String {
        if self.port == self.scheme.default_port() { self.host.to_string() } else { self.to_string() }
    }
}

/// `host:port`, the port always there.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl fmt::Display for TargetHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TargetHost::Domain(name) => f.write_str(name),
            TargetHost::V4(address) => address.fmt(f),
            TargetHost::V6(address) => write!(f, "[{address}]"),
        }
    }
}

impl TargetHost {
    pub fn address(&self) -> Option<IpAddr> {
        match self {
            TargetHost::Domain(_) => None,
            TargetHost::V4(address) => Some(IpAddr::V4(*address)),
            TargetHost::V6(address) => Some(IpAddr::V6(*address)),
        }
    }

    pub fn from_address(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => TargetHost::V4(address),
            // ::ffff:192.0.2.1 is 192.0.2.1 to every socket, so it is to every rule as well
            IpAddr::V6(address) => address.to_ipv4_mapped().map_or(TargetHost::V6(address), TargetHost::V4),
        }
    }

    /// A domain, an IPv4 address, or an IPv6 address in brackets.
    pub fn parse(host: &str) -> Result<Self, TargetError> {
        let wrong = || TargetError::Host(host.chars().take(64).collect());
        if let Some(inner) = host.strip_prefix('[') {
            let inner = inner.strip_suffix(']').ok_or_else(wrong)?;
            return inner.parse::<Ipv6Addr>().map(|v6| TargetHost::from_address(v6.into())).map_err(|_| wrong());
        }
        let name = host.strip_suffix('.').unwrap_or(host);
        if name.is_empty() {
            return Err(TargetError::NoHost);
        }
        let last = name.rsplit('.').next().unwrap_or(name);
        if last.starts_with(|c: char| c.is_ascii_digit()) {
            if let Ok(v4) = name.parse::<Ipv4Addr>() {
                return Ok(TargetHost::V4(v4));
            }
            // `127.1`, `0x7f000001` and `2130706433` are addresses to some resolvers and names to others: no rule could
            // say which, and no domain ends so (RFC 3696 section 2).
            if last.bytes().all(|b| b.is_ascii_digit()) || last.starts_with("0x") || last.starts_with("0X") {
                return Err(wrong());
            }
        }
        // Underscores are no host name by RFC 952, but plenty of real names hold one.
        let label_fits = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        };
        if name.len() > 253 || !name.split('.').all(label_fits) {
            return Err(wrong());
        }
        if name.bytes().any(|b| b.is_ascii_uppercase()) {
            return Ok(TargetHost::Domain(name.to_ascii_lowercase().into()));
        }
        Ok(TargetHost::Domain(name.into()))
    }
}

fn split(authority: &str) -> Result<(&str, Option<u16>), TargetError> {
    if authority.contains('@') {
        return Err(TargetError::UserInfo);
    }
    let colon = authority.rfind(':').filter(|colon| Some(*colon) > authority.rfind(']'));
    let Some(colon) = colon else { return Ok((authority, None)) };
    let (host, port) = (&authority[..colon], &authority[colon + 1..]);
    match port {
        // RFC 3986 section 3.2.3 lets the port be empty
        "" => Ok((host, None)),
        // `parse` alone would take "+80"
        _ if port.bytes().all(|b| b.is_ascii_digit()) => {
            port.parse().ok().filter(|port| *port != 0).map(|port| (host, Some(port))).ok_or(TargetError::Port)
        }
        _ => Err(TargetError::Port),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(authority: &str, expect: Result<&str, TargetError>) {
        let got = Target::from_connect(authority).map(|target| target.to_string());
        assert_eq!(got, expect.map(str::to_owned), "{authority:?}");
    }

    #[test]
    fn a_connect_target_is_host_and_port() {
        check("example.com:443", Ok("example.com:443"));
        check("EXAMPLE.com.:443", Ok("example.com:443"));
        check("a_b.example:1", Ok("a_b.example:1"));
        check("192.0.2.1:80", Ok("192.0.2.1:80"));
        check("[2001:DB8::1]:80", Ok("[2001:db8::1]:80"));
        check("[::ffff:192.0.2.1]:80", Ok("192.0.2.1:80"));
        check("3com.com:80", Ok("3com.com:80"));
        check("a.3com:80", Ok("a.3com:80"));
        check("example.com", Err(TargetError::NoPort));
        check("example.com:", Err(TargetError::NoPort));
        check(":443", Err(TargetError::NoHost));
        check("example.com:0", Err(TargetError::Port));
        check("example.com:65536", Err(TargetError::Port));
        check("example.com:+80", Err(TargetError::Port));
        check("example.com:80:80", Err(TargetError::Host("example.com:80".into())));
        check("me@example.com:80", Err(TargetError::UserInfo));
        check("[::1:80", Err(TargetError::Host("[".to_owned() + "::1")));
        check("a..b:80", Err(TargetError::Host("a..b".into())));
        check("a b:80", Err(TargetError::Host("a b".into())));
        check("2001:db8::1:80", Err(TargetError::Host("2001:db8::1".into())));
    }

    #[test]
    fn other_spellings_of_an_address_are_refused() {
        for host in ["127.1", "2130706433", "0x7f000001", "127.0.0.0x1", "127.0.0.1.1", "256.0.0.1"] {
            check(&format!("{host}:80"), Err(TargetError::Host(host.into())));
        }
    }

    #[test]
    fn the_default_port_is_the_schemes_and_is_left_out() {
        let target = |uri: &str| Target::from_uri(&uri.parse().unwrap()).unwrap();
        assert_eq!(target("http://a.example/x").port, 80);
        assert_eq!(target("https://a.example/x").port, 443);
        assert_eq!(target("https://a.example:443/").authority(), "a.example");
        assert_eq!(target("http://a.example:443/").authority(), "a.example:443");
        assert_eq!(target("http://[::1]/").authority(), "[::1]");
        assert_eq!(Target::from_uri(&"/x".parse().unwrap()), Err(TargetError::NoHost));
        assert_eq!(Target::from_uri(&"ftp://a.example/".parse().unwrap()), Err(TargetError::Scheme));
        assert_eq!(Target::from_uri(&"http://u@a.example/".parse().unwrap()), Err(TargetError::UserInfo));
    }
}
