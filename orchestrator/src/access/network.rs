//! Networks of IP addresses, as operators name them and as their holders have them. Pure.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    str::FromStr,
};

/// Bits of an address of IPv6 before the address of IPv4 that it maps.
const MAPPED: u32 = 96;

/// `10.0.0.0/8`, `2001:db8::/32`, or one address. A network of IPv4 that is written as one of IPv6, `::ffff:10.0.0.0/104` (RFC 4291
/// section 2.5.5.2), is that of IPv4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    first: IpAddr,
    prefix: u32,
}

/// Why a text is no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// It cannot be read.
    #[error("`{0}` is neither an IP address nor a network such as 10.0.0.0/8 or 2001:db8::/32")]
    Text(String),
    /// The address is within a network, not its first.
    #[error("`{text}` is an address within a network: write {network} for the whole, or the address alone")]
    Within {
        /// As it was written.
        text: String,
        /// What it may have been meant for.
        network: Network,
    },
}

impl Network {
    /// Is it in there? An address of IPv4 is the same written as one of IPv6.
    pub fn has(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.first.is_ipv4() && masked(address, self.prefix) == self.first
    }

    /// All addresses of a kind.
    pub(crate) fn is_all(&self) -> bool {
        self.prefix == 0
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let fault = || NetworkError::Text(text.to_owned());
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let address: IpAddr = address.parse().map_err(|_| fault())?;
        let whole = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => whole,
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().map_err(|_| fault())?,
            Some(_) => return Err(fault()),
        };
        if prefix > whole {
            return Err(fault());
        }
        let (address, prefix) = plain(address, prefix);
        let network = Self { first: masked(address, prefix), prefix };
        if network.first != address {
            return Err(NetworkError::Within { text: text.to_owned(), network });
        }
        Ok(network)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.prefix)
    }
}

/// The addresses of whoever has this one: an address of IPv4, or the whole /64 of one of IPv6.
pub(crate) fn holder(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        address @ IpAddr::V6(_) => masked(address, 64),
        address => address,
    }
}

/// As a network of IPv4, where it is one that is written as one of IPv6.
fn plain(address: IpAddr, prefix: u32) -> (IpAddr, u32) {
    match address.to_canonical() {
        short if short.is_ipv4() && address.is_ipv6() && prefix >= MAPPED => (short, prefix - MAPPED),
        _ => (address, prefix),
    }
}

/// Its first so many bits.
fn masked(address: IpAddr, prefix: u32) -> IpAddr {
    match address {
        IpAddr::V4(address) => IpAddr::V4((address.to_bits() & u32::MAX.checked_shl(32 - prefix).unwrap_or(0)).into()),
        IpAddr::V6(address) => {
            Ipv6Addr::from_bits(address.to_bits() & u128::MAX.checked_shl(128 - prefix).unwrap_or(0)).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_in_networks_or_not() {
        let check = |network: &str, address: &str, expect: bool| {
            let network: Network = network.parse().unwrap();
            assert_eq!(network.has(address.parse().unwrap()), expect, "{network} {address}");
        };
        check("10.0.0.0/8", "10.255.0.1", true);
        check("10.0.0.0/8", "::ffff:10.255.0.1", true);
        check("10.0.0.0/8", "11.0.0.0", false);
        check("192.0.2.7", "192.0.2.7", true);
        check("192.0.2.7", "192.0.2.6", false);
        check("::ffff:192.0.2.7", "192.0.2.7", true);
        check("::ffff:10.0.0.0/104", "10.255.0.1", true);
        check("::ffff:10.0.0.0/104", "::ffff:10.255.0.1", true);
        check("::ffff:10.0.0.0/104", "11.0.0.0", false);
        check("::ffff:192.0.2.7/128", "192.0.2.7", true);
        check("::ffff:192.0.2.7/128", "192.0.2.6", false);
        check("2001:db8::/33", "2001:db8:7fff::1", true);
        check("2001:db8::/33", "2001:db8:8000::1", false);
        check("::1", "::1", true);
        check("::1", "127.0.0.1", false);
        check("0.0.0.0/0", "255.255.255.255", true);
        check("0.0.0.0/0", "::1", false);
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in
            ["", "x", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/+8", "10.0.0.0/8/8", "10.0.0/8", "fe80::1%1"]
        {
            assert_eq!(text.parse::<Network>(), Err(NetworkError::Text(text.to_owned())));
        }
        let within = "10.1.2.3/8".parse::<Network>().unwrap_err().to_string();
        assert!(within.contains("write 10.0.0.0/8 for the whole"), "{within}");
        let within = "::ffff:10.1.2.3/104".parse::<Network>().unwrap_err().to_string();
        assert!(within.contains("write 10.0.0.0/8 for the whole"), "{within}");
        for text in ["::ffff:10.0.0.0/129", "::ffff:10.0.0.0/8"] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
        assert!("::ffff:0.0.0.0/96".parse::<Network>().unwrap().is_all());
    }

    #[test]
    fn who_has_an_address_of_ipv6_has_its_64() {
        let holder = |text: &str| holder(text.parse().unwrap()).to_string();
        assert_eq!(holder("2001:db8::ffff:2"), "2001:db8::");
        assert_eq!(holder("192.0.2.7"), "192.0.2.7");
        assert_eq!(holder("::ffff:192.0.2.7"), "192.0.2.7");
    }
}
