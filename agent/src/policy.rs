//! Which targets may be dialled. Enters: an address, once a name has been resolved (so a name that points elsewhere the
//! next time gains nothing); leaves: yes, or why not. Must not know HTTP.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use crate::config::TargetPattern;

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    #[error("{0} is this agent itself, so the request would come back for ever")]
    Own(SocketAddr),
    #[error("{0} is the admin address of this agent")]
    Admin(SocketAddr),
    #[error("{0} is a link-local address")]
    LinkLocal(SocketAddr),
    #[error("{0} is the metadata service of a cloud")]
    Metadata(SocketAddr),
    #[error("{0} is no address of one host")]
    NoHost(SocketAddr),
}

/// Metadata services outside the link-local range: AWS and Google over IPv6, Azure's wire server, Alibaba, Oracle.
const METADATA: [IpAddr; 5] = [
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254)),
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0x0254)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
];

/// Loopback and private networks are ordinary targets; only the agent's own ports there are not.
#[derive(Clone, Debug)]
pub struct TargetPolicy {
    proxy: Vec<SocketAddr>,
    admin: Vec<SocketAddr>,
    allow: Vec<TargetPattern>,
}

impl TargetPolicy {
    /// `proxy` and `admin` as bound, never with port 0. `allow` lifts every rule but the agent's own addresses.
    pub fn new(proxy: Vec<SocketAddr>, admin: Vec<SocketAddr>, allow: Vec<TargetPattern>) -> Self {
        TargetPolicy { proxy, admin, allow }
    }

    pub fn check(&self, address: SocketAddr) -> Result<(), Denied> {
        let address = SocketAddr::new(address.ip().to_canonical(), address.port());
        if self.proxy.iter().any(|own| reaches(address, *own)) {
            return Err(Denied::Own(address));
        }
        if self.admin.iter().any(|own| reaches(address, *own)) {
            return Err(Denied::Admin(address));
        }
        if self.allow.iter().any(|allowed| allowed.covers_address(address.ip(), address.port())) {
            return Ok(());
        }
        let inner = embedded(address.ip());
        if inner.is_unspecified() || inner.is_multicast() || is_v4(inner, |v4| v4.octets()[0] == 0 || v4.is_broadcast())
        {
            return Err(Denied::NoHost(address));
        }
        if METADATA.contains(&inner) {
            return Err(Denied::Metadata(address));
        }
        match inner {
            IpAddr::V4(v4) if v4.is_link_local() => Err(Denied::LinkLocal(address)),
            IpAddr::V6(v6) if v6.is_unicast_link_local() => Err(Denied::LinkLocal(address)),
            _ => Ok(()),
        }
    }
}

fn is_v4(address: IpAddr, test: impl Fn(Ipv4Addr) -> bool) -> bool {
    matches!(address, IpAddr::V4(v4) if test(v4))
}

/// The IPv4 address that a translator would make of an IPv6 one: NAT64 (RFC 6052, RFC 8215) and 6to4 (RFC 3056).
fn embedded(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    let [a, b, c, ..] = v6.segments();
    let octets = v6.octets();
    if a == 0x2002 {
        return Ipv4Addr::new(octets[2], octets[3], octets[4], octets[5]).into();
    }
    if (a, b) == (0x64, 0xff9b) && c <= 1 {
        return Ipv4Addr::new(octets[12], octets[13], octets[14], octets[15]).into();
    }
    address
}

/// Whether a connection to `address` arrives at the listener `own`.
fn reaches(address: SocketAddr, own: SocketAddr) -> bool {
    if address.port() != own.port() {
        return false;
    }
    let (to, own) = (address.ip(), own.ip().to_canonical());
    if to == own || to.is_unspecified() {
        return true;
    }
    own.is_unspecified() && (to.is_loopback() || is_this_machine(to))
}

/// Only an address of this machine can be bound. Asked for nothing but the agent's own port, so it costs no one else.
fn is_this_machine(address: IpAddr) -> bool {
    UdpSocket::bind((address, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn policy(proxy: &str, admin: &str, allow: &[&str]) -> TargetPolicy {
        let allow = allow.iter().map(|network| network.parse().unwrap()).collect();
        TargetPolicy::new(vec![address(proxy)], vec![address(admin)], allow)
    }

    #[test]
    fn ordinary_targets_are_allowed_private_and_loopback_too() {
        let policy = policy("127.0.0.1:8080", "127.0.0.1:8081", &[]);
        for target in ["192.0.2.1:80", "10.0.0.1:8080", "127.0.0.1:8082", "[2001:db8::1]:443", "[::1]:80"] {
            assert_eq!(policy.check(address(target)), Ok(()), "{target}");
        }
    }

    #[test]
    fn the_agent_itself_is_denied_however_it_is_written() {
        let bound = policy("127.0.0.1:8080", "127.0.0.1:8081", &["0.0.0.0/0"]);
        for target in ["127.0.0.1:8080", "[::ffff:127.0.0.1]:8080", "0.0.0.0:8080", "[::]:8080"] {
            assert!(matches!(bound.check(address(target)), Err(Denied::Own(_))), "{target}");
        }
        assert!(matches!(bound.check(address("127.0.0.1:8081")), Err(Denied::Admin(_))));
        let wildcard = policy("0.0.0.0:8080", "[::]:8081", &[]);
        for target in ["127.0.0.1:8080", "127.8.8.8:8080"] {
            assert!(matches!(wildcard.check(address(target)), Err(Denied::Own(_))), "{target}");
        }
        assert!(matches!(wildcard.check(address("127.0.0.1:8081")), Err(Denied::Admin(_))));
        assert_eq!(wildcard.check(address("192.0.2.1:8080")), Ok(()));
    }

    #[test]
    fn link_local_metadata_and_no_hosts_are_denied_unless_allowed() {
        let strict = policy("127.0.0.1:1", "127.0.0.1:2", &[]);
        let lax = policy("127.0.0.1:1", "127.0.0.1:2", &["169.254.0.0/16", "fe80::/10", "168.63.129.16"]);
        for target in ["169.254.169.254:80", "[fe80::1]:80", "168.63.129.16:80", "[::ffff:169.254.1.1]:80"] {
            assert!(strict.check(address(target)).is_err(), "{target}");
            assert_eq!(lax.check(address(target)), Ok(()), "{target}");
        }
        for target in [
            "0.0.0.0:80",
            "0.1.2.3:80",
            "[::]:80",
            "224.0.0.1:80",
            "255.255.255.255:80",
            "[ff02::1]:80",
            "[64:ff9b::a9fe:a9fe]:80",
            "[2002:a9fe:a9fe::1]:80",
            "[fd00:ec2::254]:80",
            "[fd20:ce::254]:80",
            "[64:ff9b:1::a9fe:a9fe]:80",
            "100.100.100.200:80",
        ] {
            assert!(strict.check(address(target)).is_err(), "{target}");
        }
    }
}
